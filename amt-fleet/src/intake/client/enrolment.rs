//! The whole way of a client: enrol, report, wait until the machine is provisioned.

use super::connection::Unanswered;
use super::{Client, ClientState, STAGE};
use crate::intake::wire::{AgentFacts, Enroll, Facts, ProblemCode, Stage, Status, Token};
use amt_core::{ErrorCode, Failure, SystemId};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// First and longest pause between attempts while the server is away.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long the server holds a question for the status: less than proxies in between let a connection rest.
const HOLD: Duration = Duration::from_secs(30);
/// Shortest time between two questions for the status, whatever the server answers.
const BREATH: Duration = Duration::from_millis(500);
/// How often a report is numbered anew where the server has seen a higher number.
const MAX_RENUMBERED: u32 = 3;

/// Enrols one machine and waits for it.
#[derive(Debug)]
pub struct Enrolment {
    client: Client,
    state: ClientState,
    id: SystemId,
    facts: AgentFacts,
    token: Option<Token>,
    wait: bool,
    timeout: Duration,
}

/// What happens on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The server has taken the report.
    Reported {
        /// With the token, as a client that it did not know; otherwise as one that it knows already.
        enrolled: bool,
    },
    /// How the machine fares; told whenever that changes.
    Status(Status),
    /// The server cannot be reached or is busy.
    Away {
        /// Why.
        failure: Failure,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// It answers again.
    Back,
}

/// How the way ended, if nothing was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Provisioned and proven.
    Verified(Status),
    /// The report was taken, and nobody wanted to wait.
    Reported(Status),
    /// The server says that nothing more is to come, and it is not provisioned.
    Failed(Status),
    /// The time was over first.
    TimedOut {
        /// What was last known.
        status: Option<Status>,
        /// Why the server was away when the time was over.
        away: Option<Failure>,
    },
}

impl Enrolment {
    /// Of machine `id`, with what is known of it. Waits up to an hour.
    pub const fn new(client: Client, state: ClientState, id: SystemId, facts: AgentFacts) -> Self {
        Self { client, state, id, facts, token: None, wait: true, timeout: Duration::from_secs(3600) }
    }

    /// The token to enrol with. Without one, only a machine that is enrolled already can report.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Ends as soon as the report is taken.
    #[must_use]
    pub const fn no_wait(mut self) -> Self {
        self.wait = false;
        self
    }

    /// How long all of it may take, attempts at an absent server included.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Goes the way. Dropped in the middle it can be gone again with the same state: the server takes it for the same client.
    ///
    /// # Errors
    /// What the server refuses, with the next step; why it is not believed; what of the state cannot be kept.
    pub async fn run(mut self, mut on: impl FnMut(Step)) -> Result<Ended, Failure> {
        // Of a time beyond all reckoning, a year is enough.
        let year = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + self.timeout.min(year);
        let mut told = Told { on: &mut on, status: None, away: None };
        // Cut off at the deadline wherever it is: what is kept is on disk, and the server takes a repetition.
        match timeout_at(deadline, self.go(&mut told)).await {
            Ok(ended) => ended,
            Err(_) => Ok(Ended::TimedOut { status: told.status, away: told.away }),
        }
    }

    async fn go<F: FnMut(Step)>(&mut self, told: &mut Told<'_, F>) -> Result<Ended, Failure> {
        let first = self.report(told).await?;
        told.status(first.clone());
        if !self.wait {
            return Ok(Ended::Reported(first));
        }
        let mut status = first;
        loop {
            match status.stage {
                Stage::Verified => return Ok(Ended::Verified(status)),
                _ if status.done => return Ok(Ended::Failed(status)),
                _ => {}
            }
            let next = Instant::now() + BREATH;
            status = self.next_status(&status, told).await?;
            told.status(status.clone());
            // Served well, this takes no time: the server held the question for as long as there was nothing new.
            sleep_until(next).await;
        }
    }

    async fn next_status<F: FnMut(Step)>(&self, known: &Status, told: &mut Told<'_, F>) -> Result<Status, Failure> {
        let mut pauses = Pauses::new();
        loop {
            match self.client.status(self.state.key(), self.id, HOLD, Some(known.revision)).await {
                Ok(status) => {
                    told.back();
                    return Ok(status);
                }
                Err(unanswered) => pauses.pass(unanswered, told).await?,
            }
        }
    }

    /// Reports until it is taken: with the key where that is known to the server, otherwise with the token.
    async fn report<F: FnMut(Step)>(&mut self, told: &mut Told<'_, F>) -> Result<Status, Failure> {
        let server = self.client.url().to_string();
        let mut pauses = Pauses::new();
        let mut sequence = self.state.next_sequence()?;
        let mut renumbered = 0;
        loop {
            let known = self.state.is_enrolled_at(&server);
            let answer = if known { self.again(sequence).await } else { self.enroll(sequence).await? };
            let unanswered = match answer {
                Ok(status) => {
                    if !known {
                        self.state.set_enrolled_at(Some(&server))?;
                    }
                    told.back();
                    (told.on)(Step::Reported { enrolled: !known });
                    return Ok(status);
                }
                Err(unanswered) => unanswered,
            };
            match unanswered.problem {
                // The administrator has reset the machine: it is enrolled as if for the first time.
                Some(ProblemCode::Key) if known && self.token.is_some() => self.state.set_enrolled_at(None)?,
                Some(ProblemCode::Replay) if renumbered < MAX_RENUMBERED => {
                    renumbered += 1;
                    sequence = self.state.next_sequence()?;
                }
                _ => pauses.pass(unanswered, told).await?,
            }
        }
    }

    async fn again(&self, sequence: u64) -> Result<Status, Unanswered> {
        let body = Facts { uuid: self.id, sequence, facts: self.facts.clone() };
        self.client.facts(self.state.key(), &body).await
    }

    async fn enroll(&self, sequence: u64) -> Result<Result<Status, Unanswered>, Failure> {
        let Some(token) = &self.token else {
            let text = "this machine is not enrolled at this server yet, and there is no token";
            return Err(Failure::new(ErrorCode::ENROLMENT, STAGE, text)
                .hint("have the administrator make one with `amt fleet token new`, and give its file"));
        };
        let body = Enroll { uuid: self.id, client_key: self.state.key().clone(), sequence, facts: self.facts.clone() };
        Ok(self.client.enroll(token, &body).await)
    }
}

/// What the caller was told, so that nothing is told twice.
struct Told<'a, F> {
    on: &'a mut F,
    status: Option<Status>,
    away: Option<Failure>,
}

impl<F: FnMut(Step)> Told<'_, F> {
    fn status(&mut self, status: Status) {
        if self.status.as_ref() != Some(&status) {
            self.status = Some(status.clone());
            (self.on)(Step::Status(status));
        }
    }

    fn away(&mut self, failure: Failure, retry_in: Duration) {
        self.away = Some(failure.clone());
        (self.on)(Step::Away { failure, retry_in });
    }

    fn back(&mut self) {
        if self.away.take().is_some() {
            (self.on)(Step::Back);
        }
    }
}

/// Pauses that double, each shortened by chance: clients that lost their server together do not come back together.
struct Pauses {
    next: Duration,
}

impl Pauses {
    const fn new() -> Self {
        Self { next: PAUSES.0 }
    }

    /// Waits out what passes by itself.
    async fn pass<F: FnMut(Step)>(&mut self, unanswered: Unanswered, told: &mut Told<'_, F>) -> Result<(), Failure> {
        if !unanswered.passes {
            return Err(unanswered.failure);
        }
        let pause = unanswered.retry_after.unwrap_or_default().max(self.next.mul_f64(chance()));
        told.away(unanswered.failure, pause);
        sleep(pause).await;
        self.next = (self.next * 2).min(PAUSES.1);
        Ok(())
    }
}

/// Between a half and one.
fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness they come back together, which is no harm to any one of them.
    let _ = getrandom::fill(&mut byte);
    0.5 + f64::from(byte[0]) / 512.0
}
