//! A program of the administrator's as resolver.
//!
//! It gets the [question](Question::to_json) as JSON on standard input and answers with the fields of [`Answer`] as one JSON object
//! on standard output, exit status 0; `{}` leaves everything open. Any other exit status, or no answer in time, means that
//! the question could not be answered: the machine waits and is asked about again.

use super::{Answer, Question, Resolver, Resolving};
use crate::program::{Program, readable};
use amt_core::{ErrorCode, Failure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Asks a program.
#[derive(Clone, Debug)]
pub struct CommandResolver {
    program: Program,
}

impl CommandResolver {
    /// The program at `program`, killed if it takes longer than 10 seconds.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: Program { timeout: Duration::from_secs(10), ..Program::new(program) } }
    }

    /// The same with arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.program.arguments = arguments;
        self
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// The program that is run.
    pub fn program(&self) -> &Path {
        &self.program.path
    }

    async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let id = question.machine.id.to_string();
        let asked = question.to_json().to_string();
        let answer = self.program.run(&[("AMT_UUID", Some(id.as_str()))], asked.as_bytes()).await?;
        serde_json::from_slice(&answer)
            .map_err(|e| format!("answered what is not understood: {}", readable(e.to_string().as_bytes())))
    }
}

impl Resolver for CommandResolver {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        Box::pin(async move {
            self.ask(question).await.map_err(|why| {
                let text = format!("{} {why}", self.program.path.display());
                Failure::new(ErrorCode::RESOLVER, "resolve", text)
            })
        })
    }
}
