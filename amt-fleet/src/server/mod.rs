//! The setup server: listens for hellos, admits, provisions, repeats, records.
//!
//! One task decides ([`Server::run`]); what waits for a disk or a machine runs beside it and reports back. All that must survive
//! is in the [`Fleet`] before it matters: the server may be killed at any instruction, and goes on at the next start.

mod act;
mod attempt;
mod builder;
mod busy;
mod consider;
mod observe;
mod reverse;
mod schedule;
#[cfg(test)]
mod tests;

pub use builder::ServerBuilder;
pub(crate) use builder::lock;
use builder::missing;
pub use observe::{Observation, Observer, Verdict};

use crate::event::{FleetEvent, Progress, Subscription};
use crate::intake::Intake;
use crate::resolve::has_begun;
use crate::store::{DateCertificates, Decided, Heard, SawHello, Watch};
use crate::{Fleet, Machine, MachineState};
use amt::listener::{HelloEvent, HelloListener};
use amt::local::RemoteChains;
use amt_core::hello::{Hello, HelloKind};
use amt_core::psk::Pid;
use amt_core::{ErrorCode, Failure, SystemId};
use attempt::{Ended, Shared};
use consider::consider;
use schedule::{Heard as Turn, Schedule};
use std::convert::Infallible;
use std::fs::File;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Most hellos being looked up or recorded at a time; more wait at the listener.
const MAX_INTAKE: usize = 256;
/// How often other processes' changes are looked for.
const WATCH: Duration = Duration::from_secs(1);
/// How often it is looked who belongs to collections because time has passed.
const REFRESH: Duration = Duration::from_secs(60);
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
    /// A hello was recorded, and it was decided what it means.
    Hello { id: SystemId, address: IpAddr, outcome: Box<Result<Outcome, Failure>> },
    /// A machine was looked at again.
    Considered { id: SystemId, outcome: Box<Result<Decided, Failure>> },
    /// An attempt is over.
    Ended(Ended),
}

/// What a hello led to.
enum Outcome {
    Decided(Decided),
    Twin(Machine),
    NoRoom,
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

    /// More provisioning certificates, whose keys are elsewhere: for machines from AMT 14 on.
    ///
    /// # Errors
    /// `BUSY` if the server runs.
    pub fn add_chains(&mut self, chains: RemoteChains) -> Result<(), Failure> {
        let busy = || Failure::new(ErrorCode::BUSY, "serve", "the server runs already");
        Arc::get_mut(&mut self.shared).ok_or_else(busy)?.presented.elsewhere.append(chains);
        Ok(())
    }

    /// Events from now on.
    pub fn subscribe(&self) -> Subscription {
        self.shared.events.subscribe()
    }

    /// [`run`](Self::run) with an intake beside it, if there is one. Whichever ends first, the other is let come to its end too.
    ///
    /// # Errors
    /// As of [`run`](Self::run), and of [`Intake::run`].
    pub async fn run_with(self, intake: Option<Intake>, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let Some(intake) = intake else { return self.run(shutdown).await };
        let stop = watch::Sender::new(false);
        let stopped = |mut stop: watch::Receiver<bool>| async move {
            // The sender outlives both.
            let _ = stop.wait_for(|stopped| *stopped).await;
        };
        let hellos = async {
            let ended = self.run(stopped(stop.subscribe())).await;
            stop.send_replace(true);
            ended
        };
        let reports = async {
            let ended = intake.run(stopped(stop.subscribe())).await;
            stop.send_replace(true);
            ended
        };
        let asked = async {
            shutdown.await;
            stop.send_replace(true);
            // Both know now.
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            (hellos, reports) = async { tokio::join!(hellos, reports) } => hellos.and(reports),
            never = asked => match never {},
        }
    }

    /// Serves until `shutdown` is ready: takes up every machine that an earlier run left unfinished, then waits for hellos. Dropping the
    /// future is like killing the process.
    ///
    /// # Errors
    /// `CONFIG` without a provisioning certificate, `STORE` if the database cannot be read at the start, `LISTEN` if the ports are lost.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { mut listener, shared, concurrency, _lock } = self;
        if shared.presented.is_empty() {
            return Err(missing("provisioning certificate"));
        }
        let mut schedule = Schedule::new(concurrency);
        let mut tasks: JoinSet<Report> = JoinSet::new();
        let mut intake = 0;
        resume(&shared, &mut schedule).await?;
        shared.fleet.write(DateCertificates).await?;
        let watch = tokio::spawn(follow(shared.fleet.clone(), shared.renew_at));
        let _watch = AbortOnDrop(watch);
        let _console = shared.console.clone().map(|console| AbortOnDrop(tokio::spawn(console.watch())));
        let _actions = AbortOnDrop(tokio::spawn(act::run(Arc::clone(&shared))));
        let mut shutdown = pin!(shutdown);
        let fleet = shared.fleet.clone();
        let news = fleet.news();
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
                    Ok(Report::Hello { id, address, outcome }) => {
                        intake -= 1;
                        heard(&shared, &mut schedule, id, address, *outcome);
                    }
                    Ok(Report::Considered { id, outcome }) => {
                        intake -= 1;
                        considered(&shared, &mut schedule, id, *outcome);
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
                        tasks.spawn(async move {
                            let address = event.source.ip().to_canonical();
                            let outcome = Box::new(record(&shared, id, hello, event).await);
                            Report::Hello { id, address, outcome }
                        });
                    }
                },
                id = news.next(), if intake < MAX_INTAKE => {
                    intake += 1;
                    let shared = Arc::clone(&shared);
                    tasks.spawn(async move {
                        Report::Considered { id, outcome: Box::new(consider(&shared, id).await) }
                    });
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

/// Queues the machines that an earlier run left unfinished, at the addresses they were last seen at. What is not begun is decided
/// again: the configuration may have changed.
async fn resume(shared: &Shared, schedule: &mut Schedule) -> Result<(), Failure> {
    let (now, clock) = (Instant::now(), SystemTime::now());
    for machine in shared.fleet.machines().await? {
        if !has_begun(&machine) || machine.is_verified() {
            shared.fleet.touch(machine.id);
        }
        let unfinished = matches!(machine.state, MachineState::Working | MachineState::Waiting);
        if !unfinished || !machine.may_be_provisioned() || machine.address.is_none() {
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

/// Sees what other processes change in the database, and what time alone changes: who belongs to collections that ask about ages, and
/// whose certificate is to be renewed.
async fn follow(fleet: Fleet, renew_at: Option<u8>) {
    let mut watch = Watch::default();
    let mut refresh = Instant::now();
    loop {
        if let Err(failure) = watch.look(&fleet).await {
            tracing::warn!(%failure, "changes by other programs were not looked for");
        }
        if Instant::now() >= refresh {
            refresh = Instant::now() + REFRESH;
            match fleet.refresh_all_members().await {
                Ok(moved) if moved.is_empty() => {}
                Ok(_) => fleet.news().wake_actions(),
                Err(failure) => tracing::warn!(%failure, "collections were not looked at again"),
            }
            if let Some(percent) = renew_at {
                match fleet.schedule_renewals(percent, SystemTime::now()).await {
                    Ok(0) => {}
                    Ok(machines) => {
                        tracing::info!(machines, "certificates are renewed");
                        fleet.news().wake_actions();
                    }
                    Err(failure) => tracing::warn!(%failure, "certificates were not looked at"),
                }
            }
        }
        tokio::time::sleep(WATCH).await;
    }
}

/// A task that ends with whoever holds it.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
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
    let progress = hello_progress(&hello);
    shared.events.send(FleetEvent::new(Some(hello.id), address, progress));
    Some((hello.id, hello, event))
}

fn hello_progress(hello: &Hello) -> Progress {
    Progress::Hello {
        retry: hello.retry,
        credentials_set: hello.admin_credentials_set,
        pid: hello_pid(hello).map(|pid| pid.plain()),
    }
}

/// The pre-shared key that the machine waits for.
fn hello_pid(hello: &Hello) -> Option<Pid> {
    match &hello.kind {
        HelloKind::Psk { pid } => Some(*pid),
        _ => None,
    }
}

async fn record(shared: &Shared, id: SystemId, hello: Hello, event: HelloEvent) -> Result<Outcome, Failure> {
    let address = event.source.ip().to_canonical();
    let saw = SawHello {
        id,
        source: event.source,
        at: event.received,
        retry: hello.retry,
        bytes: event.bytes,
        credentials_set: hello.admin_credentials_set,
        pid: hello_pid(&hello),
        twin: twin(shared, id, address).await?,
        reverse: reverse::name_of(address).await,
        limited: !shared.admits_all(),
    };
    let heard = shared.fleet.write(saw).await?;
    let progress = hello_progress(&hello);
    shared.fleet.note(id, progress.kind(), format!("{progress}; from {}", event.source));
    Ok(match heard {
        Heard::Machine => Outcome::Decided(consider(shared, id).await?),
        Heard::Twin(machine) => Outcome::Twin(*machine),
        Heard::NoRoom => Outcome::NoRoom,
    })
}

/// The address of the record, if the hello comes from another and yet something answers there that no other record is about.
async fn twin(shared: &Shared, id: SystemId, address: IpAddr) -> Result<Option<IpAddr>, Failure> {
    let known = match shared.fleet.machine(id).await {
        Ok(machine) => machine.address.filter(|known| *known != address),
        Err(failure) if failure.code == ErrorCode::MACHINE_UNKNOWN => None,
        Err(failure) => return Err(failure),
    };
    let Some(known) = known else { return Ok(None) };
    if shared.fleet.moved_in(id, known).await? || !reverse::answers(SocketAddr::new(known, shared.port)).await {
        return Ok(None);
    }
    Ok(Some(known))
}

/// Decides what a recorded hello starts.
fn heard(shared: &Shared, schedule: &mut Schedule, id: SystemId, address: IpAddr, outcome: Result<Outcome, Failure>) {
    let refused = |text: String| Progress::Refused(Failure::new(ErrorCode::IN_USE, "admit", text));
    let progress = match outcome {
        Err(failure) => Progress::Refused(failure),
        Ok(Outcome::NoRoom) => Progress::Parked(Failure::new(
            ErrorCode::NOT_ADMITTED,
            "admit",
            "too many machines wait to be admitted; this one was not recorded",
        )),
        Ok(Outcome::Twin(machine)) => match (&machine.parked, machine.bound_address) {
            (_, Some(bound)) => refused(format!("another machine with this UUID; the one that is meant is at {bound}")),
            (Some(parked), None) => consider::parked_progress(parked),
            (None, None) => refused("another machine with this UUID".to_owned()),
        },
        Ok(Outcome::Decided(decided)) => {
            let machine = decided.machine;
            if machine.is_verified() && !machine.redo {
                Progress::LeftAlone
            } else if machine.parked.is_some() {
                // A decision that is new was told already.
                if decided.parked.is_none() {
                    shared.tell_parked(&machine, address);
                }
                return;
            } else {
                match schedule.hello(id, Instant::now()) {
                    Turn::Queued => Progress::Queued,
                    Turn::AlreadyQueued | Turn::Running | Turn::TooSoon => return,
                }
            }
        }
    };
    shared.tell(id, Some(address), progress);
}

/// A machine that was let in without saying hello again begins.
fn considered(shared: &Shared, schedule: &mut Schedule, id: SystemId, outcome: Result<Decided, Failure>) {
    match outcome {
        Ok(decided) if decided.begins => match schedule.hello(id, Instant::now()) {
            Turn::Queued => shared.tell(id, decided.machine.address, Progress::Queued),
            Turn::TooSoon => schedule.after_rest(id),
            Turn::AlreadyQueued | Turn::Running => {}
        },
        Ok(_) => {}
        Err(failure) => tracing::warn!(%id, %failure, "a machine could not be considered"),
    }
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
