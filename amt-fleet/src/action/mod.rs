//! What follows when something happened to a machine: a program, a webhook, a boot from one source.
//!
//! An action is told at least once and carries a number by which whoever is told twice knows it. Rows of actions are in the
//! database; this is what the configuration says about them.

mod webhook;

pub use webhook::{MAX_BODY_READ, Webhook};

use crate::Action;
use crate::filter::Filter;
use crate::program::Program;
use crate::resolve::Question;
use amt_core::{ErrorCode, Failure};
use amt_provision::boot::BootSource;
use serde_json::{Value, json};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Attempts at an action before it is given up, unless it says otherwise.
pub const ATTEMPTS: u32 = 20;

/// What an action follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// A machine was provisioned, and proven.
    Provisioned,
    /// It joined a collection.
    Joined(String),
    /// It left one.
    Left(String),
}

impl Trigger {
    /// Whether `cause`, as it stands in the database, is this.
    pub(crate) fn is(&self, cause: &str) -> bool {
        self.to_string().eq_ignore_ascii_case(cause)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provisioned => f.write_str("provisioned"),
            Self::Joined(name) => write!(f, "joined:{name}"),
            Self::Left(name) => write!(f, "left:{name}"),
        }
    }
}

impl FromStr for Trigger {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "provisioned" => Ok(Self::Provisioned),
            Some(("joined", name)) if !name.is_empty() => Ok(Self::Joined(name.to_owned())),
            Some(("left", name)) if !name.is_empty() => Ok(Self::Left(name.to_owned())),
            _ => Err(format!("{text:?} is none of \"provisioned\", \"joined:COLLECTION\", \"left:COLLECTION\"")),
        }
    }
}

/// What is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Deed {
    /// A program is run.
    Command(Command),
    /// A URL is told.
    Webhook(Webhook),
    /// The machine is booted from this source, once, unless the guard keeps it from that.
    Boot(BootSource),
}

/// An action as the configuration describes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActionRule {
    /// Its name: rows in the database refer to it.
    pub name: String,
    /// When it is done.
    pub on: Trigger,
    /// For which machines.
    pub when: Filter,
    /// What.
    pub deed: Deed,
    /// Attempts before it is given up; 0: no limit.
    pub attempts: u32,
}

impl ActionRule {
    /// An action for every machine.
    pub fn new(name: impl Into<String>, on: Trigger, deed: Deed) -> Self {
        Self { name: name.into(), on, when: Filter::every(), deed, attempts: ATTEMPTS }
    }
}

/// A program that is told of a machine: a JSON object on standard input, `AMT_UUID`, `AMT_NAME`, `AMT_ADDRESS`, `AMT_ACTION`,
/// `AMT_ACTION_ID` and `AMT_CAUSE` in the environment. Exit status 0 means that it is done; otherwise it is run again later, and
/// standard error is the reason that is shown.
#[derive(Clone, Debug)]
pub struct Command(Program);

impl Command {
    /// The program at `program`, killed if it takes longer than a minute.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self(Program::new(program))
    }

    /// The same with arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.0.arguments = arguments;
        self
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// The program that is run.
    pub fn program(&self) -> &Path {
        &self.0.path
    }

    pub(crate) async fn run(&self, action: &Action, question: &Question) -> Result<(), Failure> {
        let (id, number) = (action.machine.to_string(), action.id.to_string());
        let (name, address) = (question.machine.name(), question.machine.address.map(|a| a.to_string()));
        let environment = [
            ("AMT_UUID", Some(id.as_str())),
            ("AMT_NAME", name.as_deref()),
            ("AMT_ADDRESS", address.as_deref()),
            ("AMT_ACTION", Some(&action.name)),
            ("AMT_ACTION_ID", Some(&number)),
            ("AMT_CAUSE", Some(&action.cause)),
        ];
        let told = message(action, question).to_string();
        self.0.run(&environment, told.as_bytes()).await.map(drop).map_err(|why| {
            let text = format!("{} {why}", self.0.path.display());
            Failure::new(ErrorCode::ACTION, "action", text)
        })
    }
}

/// What a program or a webhook is told: the [question](Question::to_json) about the machine, and of the action.
pub(crate) fn message(action: &Action, question: &Question) -> Value {
    json!({
        "id": action.id,
        "action": action.name,
        "cause": action.cause,
        "attempt": action.attempts,
        "machine": question.to_json(),
    })
}
