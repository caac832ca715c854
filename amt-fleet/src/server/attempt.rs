//! One attempt on one machine, from the database's point of view.

use super::busy::{Busy, Turns};
use super::consider::consider;
use super::schedule::{Next, after_failure};
use crate::action::ActionRule;
use crate::ca::CertificateAuthority;
use crate::certificates::Presented;
use crate::config::{Admission, RetryPolicy};
use crate::console::ConsoleKeeper;
use crate::directory;
use crate::event::{Events, Progress};
use crate::host::FleetHost;
use crate::profiles::Profiles;
use crate::resolve::{Defaults, Resolver};
use crate::store::{Attempts, BeginAgain, Finish, SetState};
use crate::{CaRequest, CredentialKind, Fleet, Machine, MachineState, TlsFacts};
use amt::{Job, failpoint};
use amt_core::hello::{Hello, HelloKind};
use amt_core::psk::Pid;
use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::{InUse, PasswordPolicy, Plan, Record};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Least rest before a hello starts another attempt: firmware that repeats itself quickly must not be hammered.
pub(super) const MIN_REST: Duration = Duration::from_secs(1);

/// Longest time that an authority may ask to be left alone.
const MAX_ASKED: Duration = Duration::from_secs(24 * 3600);

/// What a finished procedure says, as far as the server keeps it.
pub(super) struct Proven {
    pub(super) control_mode: String,
    pub(super) tls: TlsFacts,
}

/// Whoever carries out a job: the library over the network, or a test.
pub(super) trait Provisioner: Send + Sync {
    fn provision<'a>(
        &'a self,
        job: Job,
        host: &'a FleetHost,
    ) -> Pin<Box<dyn Future<Output = Result<Proven, Failure>> + Send + 'a>>;
}

/// What every task of the server needs.
pub(super) struct Shared {
    pub(super) fleet: Fleet,
    pub(super) ca: Arc<dyn CertificateAuthority>,
    pub(super) events: Events,
    pub(super) provisioner: Box<dyn Provisioner>,
    pub(super) presented: Presented,
    /// What machines without a profile of their own become.
    pub(super) plan: Plan,
    pub(super) profiles: Profiles,
    pub(super) defaults: Defaults,
    pub(super) resolvers: Vec<Arc<dyn Resolver>>,
    pub(super) actions: Vec<ActionRule>,
    pub(super) retry: RetryPolicy,
    /// Share of the life of a certificate, in percent, after which it is renewed; none: never.
    pub(super) renew_at: Option<u8>,
    /// Who keeps the certificate that is shown to machines with mutual TLS.
    pub(super) console: Option<ConsoleKeeper>,
    /// Where machines with log-in by Kerberos get an account.
    pub(super) directory: Option<directory::Settings>,
    pub(super) port: u16,
    /// Machines that an attempt or an action is busy with.
    pub(super) busy: Busy,
    /// Who decides about a machine next.
    pub(super) turns: Turns,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("fleet", &self.fleet).field("defaults", &self.defaults).finish_non_exhaustive()
    }
}

impl Shared {
    /// What a machine with this record becomes, but for its names.
    pub(super) fn profile(&self, machine: &Machine) -> Result<&Plan, Failure> {
        machine.profile.as_ref().map_or(Ok(&self.plan), |name| self.profiles.find(name))
    }

    pub(super) fn admits_all(&self) -> bool {
        self.defaults.admission == Admission::Auto
    }
}

/// How an attempt ended, for the schedule.
pub(super) struct Ended {
    pub(super) id: SystemId,
    /// Try again after this.
    pub(super) retry_in: Option<Duration>,
    /// A hello starts another attempt only after this; absent: the machine is done with.
    pub(super) rest: Option<Duration>,
}

/// Tries once, and writes down how it ended.
pub(super) async fn run(shared: &Shared, id: SystemId) -> Ended {
    let started = Instant::now();
    let Some(_busy) = shared.busy.take(id) else {
        return Ended { id, retry_in: Some(MIN_REST), rest: Some(MIN_REST) };
    };
    let host = FleetHost::with_events(shared.fleet.clone(), Arc::clone(&shared.ca), shared.events.clone());
    let mut attempt = 1;
    let result = match prepare(shared, id, &mut attempt).await {
        Ok(None) => return Ended { id, retry_in: None, rest: None },
        Ok(Some(job)) => {
            host.tell(
                id,
                Progress::Started { attempt, resumed: job.record.as_ref().is_some_and(|r| r.realm.is_some()) },
            );
            match shared.provisioner.provision(job, &host).await {
                Ok(proven) => finish(shared, &host, id, proven, started.elapsed()).await,
                Err(failure) => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => Ended { id, retry_in: None, rest: None },
        Err(failure) if failure.code == ErrorCode::IN_USE => stand_back(shared, &host, id, attempt, failure).await,
        Err(failure) => give_up(shared, &host, id, attempt, failure).await,
    }
}

/// The job for a machine with the certificates for it, and its state in the database set to "working". `None` if there is
/// nothing to do.
async fn prepare(shared: &Shared, id: SystemId, attempt: &mut u32) -> Result<Option<Job>, Failure> {
    let mut machine = shared.fleet.machine(id).await?;
    *attempt = machine.attempts.saturating_add(1);
    let Some(address) = machine.address.filter(|_| machine.may_be_provisioned()) else { return Ok(None) };
    if machine.redo {
        shared.fleet.write(BeginAgain(id)).await?;
        machine = shared.fleet.machine(id).await?;
        *attempt = 1;
    } else if machine.is_verified() {
        return Ok(None);
    }
    shared.set_state(id, MachineState::Working, Attempts::OneMore, None, None).await?;
    let mut job = Job::new(id, address, plan(shared, &machine)?);
    let record = shared.fleet.record(id).await?;
    if record.is_none() {
        // A machine that was ours before may still have a password that we gave it.
        let earlier = earlier_passwords(shared, id).await?;
        job.plan.known_admin_passwords.splice(0..0, earlier);
    }
    // Kept only after it was decoded once.
    job.hello = shared.fleet.last_hello(id).await?.and_then(|bytes| Hello::decode(&bytes).ok());
    if let Some(Hello { kind: HelloKind::Psk { pid }, .. }) = job.hello {
        by_psk(shared, &mut job, pid, record.is_none()).await?;
    }
    let mut record = record.unwrap_or_else(|| Record::new(id));
    if record.provisioning_certificate.is_none() {
        record.provisioning_certificate = machine.winner.clone();
    }
    job.port = shared.port;
    job.client = shared.fleet.client_certificates().await?;
    job.record = Some(record);
    job.suffix = machine.dns_suffix.or_else(|| match shared.defaults.suffixes.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    });
    shared.presented.give(&mut job, machine.present.as_deref())?;
    Ok(Some(job))
}

/// What opens a machine that waits for a pre-shared key: pairs of the PID that it said, and the password of its setup menu.
async fn by_psk(shared: &Shared, job: &mut Job, pid: Pid, is_new: bool) -> Result<(), Failure> {
    if job.plan.legacy_tls == LegacyTls::Refuse {
        let text = format!(
            "the machine waits for the pre-shared key of PID {pid}, which is used over legacy TLS only, and its profile does not allow that"
        );
        return Err(Failure::new(ErrorCode::TLS_LEGACY_NOT_ALLOWED, "admit", text));
    }
    let opens = shared.fleet.opens(job.id, pid).await?;
    let known = &mut job.plan.known_admin_passwords;
    if is_new {
        // One that was ours before has the setup menu password that we gave it.
        let all = shared.fleet.credentials(job.id).await?;
        let menu = all.into_iter().filter(|c| c.kind == CredentialKind::Mebx).map(|c| c.password);
        known.splice(0..0, menu);
    }
    known.splice(0..0, opens.mebx_password);
    if let Some(password) = opens.new_mebx_password {
        job.plan.mebx_password = PasswordPolicy::Fixed(password);
    }
    job.psk = opens.pairs;
    Ok(())
}

fn plan(shared: &Shared, machine: &Machine) -> Result<Plan, Failure> {
    let mut plan = shared.profile(machine)?.clone();
    plan.host_name = machine.host_name.clone().or(plan.host_name);
    plan.domain_name = machine.domain_name.clone().or(plan.domain_name);
    let is_ours = machine.released.is_some() || machine.first_verified_at.is_some();
    plan.in_use = if is_ours || !shared.defaults.guard.park { InUse::Tell } else { InUse::Refuse };
    Ok(plan)
}

async fn earlier_passwords(shared: &Shared, id: SystemId) -> Result<Vec<Secret<String>>, Failure> {
    let all = shared.fleet.credentials(id).await?;
    Ok(all.into_iter().filter(|c| c.kind == CredentialKind::Admin).map(|c| c.password).collect())
}

async fn finish(
    shared: &Shared,
    host: &FleetHost,
    id: SystemId,
    proven: Proven,
    took: Duration,
) -> Result<(), Failure> {
    let Proven { control_mode, tls } = proven;
    let facts = (tls.version.clone(), tls.suite.clone(), tls.engine.clone());
    shared.fleet.write(Finish { id, control_mode: control_mode.clone(), tls: Some(facts) }).await?;
    failpoint::pass("state-after", MachineState::Verified.name());
    shared.fleet.touch(id);
    shared.fleet.news().wake_actions();
    host.tell(id, Progress::Verified { control_mode, tls, took });
    Ok(())
}

/// The machine itself, or somebody meanwhile, says that it must not be touched: decided again with what is known now.
async fn stand_back(shared: &Shared, host: &FleetHost, id: SystemId, attempt: u32, failure: Failure) -> Ended {
    // What the machine said may still be on its way to the database.
    host.facts_are_told().await;
    match consider(shared, id).await {
        Ok(decided) if decided.machine.parked.is_some() => Ended { id, retry_in: None, rest: Some(Duration::ZERO) },
        _ => give_up(shared, host, id, attempt, failure).await,
    }
}

async fn give_up(shared: &Shared, host: &FleetHost, id: SystemId, attempt: u32, mut failure: Failure) -> Ended {
    let commit_sent = match shared.fleet.machine(id).await {
        Ok(machine) => machine.commit_sent,
        // The database is in trouble; trying again is the careful assumption.
        Err(_) => true,
    };
    let mut dice = [0];
    // Without randomness waits are merely less spread.
    let _ = getrandom::fill(&mut dice);
    let undecided = undecided(&shared.fleet, id, None).await;
    let mut next = after_failure(&failure, commit_sent, attempt, undecided, &shared.retry, dice[0]);
    let spacing = if failure.code == ErrorCode::WRONG_OR_LOCKED || failure.code == ErrorCode::ADMIN_PASSWORD_UNKNOWN {
        shared.plan.guess_spacing
    } else {
        Duration::ZERO
    };
    let mut rest = spacing.max(MIN_REST.min(shared.retry.first));
    if let Next::Retry(wait) = &mut next {
        if failure.code == ErrorCode::CA_PENDING
            && let Some(asked) = host.retry_after()
        {
            *wait = asked.min(MAX_ASKED).max(MIN_REST.min(shared.retry.first));
            // Not before, however often the machine says hello.
            rest = rest.max(*wait);
        }
        *wait = (*wait).max(spacing);
    }
    let (state, retry_in) = match next {
        Next::Retry(wait) => (MachineState::Waiting, Some(wait)),
        Next::AwaitHello => {
            failure = given_up(failure, undecided);
            (MachineState::Failed, None)
        }
    };
    let retry_at = retry_in.map(|wait| SystemTime::now() + wait);
    if let Err(error) = shared.set_state(id, state, Attempts::Same, retry_at, Some(failure.clone())).await {
        tracing::error!(%id, %error, "the outcome of an attempt could not be recorded");
    }
    failpoint::pass("state-after", state.name());
    host.tell(id, Progress::Failed { failure, retry_in });
    Ended { id, retry_in, rest: Some(rest) }
}

/// How long the authority has had the request that the journal of `id`, or else the newest of its jobs, waits for.
pub(super) async fn undecided(fleet: &Fleet, id: SystemId, of_job: Option<&Failure>) -> Option<Duration> {
    let journal = match of_job {
        // A job's record is its own; that it waits is said by its failure.
        Some(failure) if failure.code == ErrorCode::CA_PENDING => None,
        Some(_) => return None,
        None => Some(fleet.record(id).await.ok()??.ca_request?),
    };
    let requests = fleet.ca_requests(id).await.ok()?;
    let is_meant = |request: &&CaRequest| {
        request.state == "pending" && journal.as_ref().is_none_or(|journal| *journal == request.request)
    };
    let since = requests.iter().filter(is_meant).max_by_key(|request| request.first_at)?.first_at;
    Some(SystemTime::now().duration_since(since).unwrap_or_default())
}

/// Says that the authority is not asked any more, unless the failure is another.
pub(super) fn given_up(mut failure: Failure, undecided: Option<Duration>) -> Failure {
    if let Some(age) = undecided.filter(|_| failure.code == ErrorCode::CA_PENDING) {
        let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
        failure.message = format!("{}; given up after {age}", failure.message);
    }
    failure
}

impl Shared {
    async fn set_state(
        &self,
        id: SystemId,
        state: MachineState,
        attempts: Attempts,
        retry_at: Option<SystemTime>,
        failure: Option<Failure>,
    ) -> Result<(), Failure> {
        self.fleet.write(SetState { id, state, attempts, retry_at, failure }).await
    }
}
