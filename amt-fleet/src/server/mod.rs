//! The setup server: listens for hellos, admits, provisions, repeats, records.
//!
//! One task decides ([`Server::run`]); what waits for a disk or a machine runs beside it and reports back. All that must survive
//! is in the [`Fleet`] before it matters: the server may be killed at any instruction, and goes on at the next start.

mod attempt;
mod builder;
mod observe;
mod schedule;
#[cfg(test)]
mod tests;

pub use builder::ServerBuilder;
pub use observe::{Observation, Observer, Verdict};

use crate::event::{FleetEvent, Progress, Subscription};
use crate::store::{Naming, SawHello};
use crate::{Fleet, Machine, MachineState};
use amt::listener::{HelloEvent, HelloListener};
use amt_core::hello::{Hello, HelloKind};
use amt_core::{ErrorCode, Failure, SystemId};
use attempt::{Ended, Shared};
use schedule::{Heard, Schedule};
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Most hellos being looked up or recorded at a time; more wait at the listener.
const MAX_INTAKE: usize = 256;
/// How long running attempts may take to end when the server is asked to stop. What is cut short is resumed at the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// A setup server, bound to its ports and holding its database.
#[derive(Debug)]
pub struct Server {
    listener: HelloListener,
    shared: Arc<Shared>,
    concurrency: usize,
    /// Held while the server lives: two servers on one database would both provision.
    _lock: File,
}

/// What the tasks beside the loop report.
enum Report {
    /// A hello was recorded.
    Heard { id: SystemId, source: SocketAddr, machine: Box<Result<Option<Machine>, Failure>> },
    /// An attempt is over.
    Ended(Ended),
}

impl Server {
    /// A server over `fleet`.
    pub fn builder(fleet: Fleet) -> ServerBuilder {
        ServerBuilder::new(fleet)
    }

    /// Where it listens; the port that was chosen where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listener.addresses()
    }

    /// Events from now on.
    pub fn subscribe(&self) -> Subscription {
        self.shared.events.subscribe()
    }

    /// Serves until `shutdown` is ready: takes up every machine that an earlier run left unfinished, then waits for hellos. Dropping the
    /// future is like killing the process.
    ///
    /// # Errors
    /// `STORE` if the database cannot be read at the start, `LISTEN` if the ports are lost.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { mut listener, shared, concurrency, _lock } = self;
        let mut schedule = Schedule::new(concurrency);
        let mut tasks: JoinSet<Report> = JoinSet::new();
        let mut intake = 0;
        resume(&shared, &mut schedule).await?;
        let mut shutdown = pin!(shutdown);
        loop {
            while let Some(id) = schedule.begin() {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move { Report::Ended(attempt::run(&shared, id).await) });
            }
            let deadline = schedule.deadline();
            tokio::select! {
                () = &mut shutdown => break,
                Some(report) = tasks.join_next() => match report {
                    Ok(Report::Ended(ended)) => settle(&mut schedule, ended),
                    Ok(Report::Heard { id, source, machine }) => {
                        intake -= 1;
                        heard(&shared, &mut schedule, id, source, *machine);
                    }
                    // Its machine stays "working" in the database and is taken up at the next start.
                    Err(error) => {
                        tracing::error!(%error, "an attempt panicked");
                    }
                },
                event = listener.next(), if intake < MAX_INTAKE => {
                    if let Some((id, hello, event)) = receive(&shared, event?) {
                        intake += 1;
                        let shared = Arc::clone(&shared);
                        tasks.spawn(async move { record(&shared, id, hello, event).await });
                    }
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    for id in schedule.due(Instant::now()) {
                        shared.tell(id, None, Progress::Queued);
                    }
                },
            }
        }
        drop(listener);
        drain(tasks).await;
        Ok(())
    }
}

/// Lets what runs come to an end, for a while.
async fn drain(mut tasks: JoinSet<Report>) {
    if !tasks.is_empty() {
        tracing::info!(tasks = tasks.len(), "stopping: waiting for what is under way");
    }
    let until = Instant::now() + DRAIN;
    while let Ok(Some(_)) = timeout_at(until, tasks.join_next()).await {}
    if !tasks.is_empty() {
        tracing::info!(tasks = tasks.len(), "stopped in the middle: taken up at the next start");
    }
    tasks.shutdown().await;
}

/// Queues the machines that an earlier run left unfinished, at the addresses they were last seen at.
async fn resume(shared: &Shared, schedule: &mut Schedule) -> Result<(), Failure> {
    let (now, clock) = (Instant::now(), SystemTime::now());
    for machine in shared.fleet.machines().await? {
        let unfinished = matches!(machine.state, MachineState::Working | MachineState::Waiting);
        if !unfinished || !machine.admitted || machine.address.is_none() {
            continue;
        }
        let wait = match machine.state {
            MachineState::Waiting => machine.retry_at.and_then(|at| at.duration_since(clock).ok()),
            _ => None,
        };
        schedule.resume(machine.id, now + wait.unwrap_or_default());
    }
    Ok(())
}

/// Judges a hello by itself. What remains is to be recorded.
fn receive(shared: &Shared, event: HelloEvent) -> Option<(SystemId, Hello, HelloEvent)> {
    let address = Some(event.source.ip());
    let refuse = |id, failure| {
        shared.events.send(FleetEvent::new(id, address, Progress::Refused(failure)));
        None
    };
    let hello = match &event.result {
        Ok(hello) => hello.clone(),
        Err(failure) => return refuse(None, failure.clone()),
    };
    if !hello.id.is_usable_as_key() {
        let text = format!("the UUID {} is one that many machines share", hello.id);
        return refuse(Some(hello.id), Failure::new(ErrorCode::IDENTITY_UNUSABLE, "admit", text));
    }
    if let HelloKind::Psk { pid } = &hello.kind {
        let text = format!("the machine waits for a pre-shared key (PID {pid}), which this server does not serve");
        return refuse(Some(hello.id), Failure::new(ErrorCode::UNSUPPORTED, "admit", text));
    }
    let progress = Progress::Hello { retry: hello.retry, credentials_set: hello.admin_credentials_set };
    shared.events.send(FleetEvent::new(Some(hello.id), address, progress));
    Some((hello.id, hello, event))
}

async fn record(shared: &Shared, id: SystemId, hello: Hello, event: HelloEvent) -> Report {
    let (host, domain) = shared.names.name(id, shared.dns_suffixes.first().map(String::as_str));
    let naming = Naming { host: Some(host), fallback: Some(shared.names.fallback(id)), domain, suffix: None };
    let saw = SawHello {
        id,
        source: event.source,
        at: event.received,
        retry: hello.retry,
        bytes: event.bytes,
        auto: shared.admits_all(),
        naming,
    };
    let progress = Progress::Hello { retry: hello.retry, credentials_set: hello.admin_credentials_set };
    let machine = shared.fleet.write(saw).await;
    shared.fleet.note(id, progress.kind(), format!("{progress}; from {}", event.source));
    Report::Heard { id, source: event.source, machine: Box::new(machine) }
}

/// Decides what a recorded hello starts.
fn heard(
    shared: &Shared,
    schedule: &mut Schedule,
    id: SystemId,
    source: SocketAddr,
    machine: Result<Option<Machine>, Failure>,
) {
    let address = Some(source.ip().to_canonical());
    let parked = |text: &str| Progress::Parked(Failure::new(ErrorCode::NOT_ADMITTED, "admit", text));
    let progress = match machine {
        Err(failure) => Progress::Refused(failure),
        Ok(None) => parked("too many machines wait to be admitted; this one was not recorded"),
        Ok(Some(machine)) if !machine.admitted => parked("this machine is not on the list"),
        Ok(Some(machine)) if machine.is_verified() && !machine.redo => Progress::LeftAlone,
        Ok(Some(_)) => match schedule.hello(id, Instant::now()) {
            Heard::Queued => Progress::Queued,
            Heard::AlreadyQueued | Heard::Running | Heard::TooSoon => return,
        },
    };
    shared.tell(id, address, progress);
}

fn settle(schedule: &mut Schedule, ended: Ended) {
    let now = Instant::now();
    schedule.ended(ended.id, ended.retry_in.map(|wait| now + wait), ended.rest.map(|rest| now + rest));
}

impl Shared {
    /// Tells subscribers and the machine's diary.
    fn tell(&self, id: SystemId, address: Option<std::net::IpAddr>, progress: Progress) {
        self.fleet.note(id, progress.kind(), progress.to_string());
        self.events.send(FleetEvent::new(Some(id), address, progress));
    }
}
