//! Makes a machine what its profile says: read, compare, write only what differs (`spec/profile.md`, `spec/wsman.md` §3, §4(e)–(i)).
//!
//! A machine that is as it should be is left alone: no write at all. What was written is read back in the same session; what the
//! firmware took and did not keep is an error, not a success. The order keeps the machine within reach: settings first, TLS with its
//! commit behind them, the address of the machine and its home domains last. After a crash at any point a further attempt
//! finds out from the machine what is left to do. Calls that must not be repeated blindly (`spec/wsman.md` §4.10) are made only
//! for what an enumeration did not find.
//!
//! Secrets can't be read back. The record holds a keyed digest of each that was written last: one that is the same is not written
//! again. Without a record all of them are written.
//!
//! To add a field that is a property of an instance, add a line to a group in `property`'s users (`general` is the model). What is done by
//! methods has a file of its own with one function that reads, compares, and hands each difference to `Run::change`.

mod access;
mod audit;
mod client;
mod clock;
mod features;
mod general;
mod kerberos;
mod login;
mod places;
mod property;
mod record;
mod remote;
mod tls;
mod wifi;
mod wired;

pub use record::{ApplyRecord, ApplyStage, FORMAT, KnownAccount, MAX_RECORD};

use crate::event::Event;
use crate::machine::{Machine, RecordCx};
use crate::managed::{Access, Managed, need_set_up};
use crate::plan::Plan;
use crate::profile::Desired;
use crate::renew::Due;
use crate::session::{CallError, Session, read_general, try_call};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::ips::HostBasedSetupService;
use amt_wsman::instance::Instance;
use amt_wsman::op::{Reply, Request};
use places::Places;
use std::net::IpAddr;
use std::time::Duration;

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Apply {
    /// How the machine is reached.
    pub access: Access,
    /// What it shall be.
    pub desired: Desired,
    /// What earlier attempts made durable, or a new record.
    pub record: ApplyRecord,
    /// Read and compare, and write nothing.
    pub dry_run: bool,
    /// Our time, UTC, seconds since 1970, at tick 0: for the machine's clock.
    pub wall_clock: i64,
    /// When the machine's certificate for 802.1X is renewed.
    pub due: Due,
    /// Whether there is an authority to ask for that certificate. Without one the machine keeps the one that it has.
    pub has_authority: bool,
    /// How long the machine may take to come back after a commit.
    pub proof_timeout: Duration,
}

impl Apply {
    /// An attempt to make the machine that `access` reaches what `desired` says.
    pub fn new(access: Access, desired: Desired, record: ApplyRecord, wall_clock: i64) -> Self {
        let (due, proof_timeout) = (Due::default(), Plan::default().proof_timeout);
        Self { access, desired, record, dry_run: false, wall_clock, due, has_authority: true, proof_timeout }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Applied, ApplyRecord> {
        Machine::new(move |cx| run(cx, self))
    }
}

/// One difference between a machine and its profile. Values of secrets are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The field of the profile.
    pub field: String,
    /// What the machine has.
    pub from: String,
    /// What it shall have.
    pub to: String,
}

/// A field that this machine can't have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The field of the profile.
    pub field: String,
    /// Why not.
    pub reason: String,
}

/// What became of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The machine.
    pub id: SystemId,
    /// Every difference that there was; in a dry run they are still there.
    pub changes: Vec<Change>,
    /// What the profile asks for and the machine can't.
    pub unsupported: Vec<Unsupported>,
    /// Requests that wrote something.
    pub writes: u32,
    /// Where it was found, if that is not where it was to be looked for: at the fixed address that the profile gave it.
    pub address: Option<IpAddr>,
}

/// One attempt.
struct Run {
    cx: RecordCx<ApplyRecord>,
    session: Session,
    access: Access,
    desired: Desired,
    record: ApplyRecord,
    wall_clock: i64,
    due: Due,
    has_authority: bool,
    proof_timeout: Duration,
    /// The certificate for 802.1X, once it was asked for.
    client: Option<client::Client>,
    /// Why there is none yet, if an authority did not give one: the rest is done, and this told in the end.
    postponed: Option<Failure>,
    /// Realm of digest users.
    realm: String,
    /// `CurrentControlMode`, where the firmware has it.
    control_mode: Option<u32>,
    mode: Pass,
    changes: Vec<Change>,
    unsupported: Vec<Unsupported>,
    writes: u32,
    places: Places,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Only look.
    Dry,
    /// Write.
    Write,
    /// Look whether it was kept: any difference is an error.
    Verify,
}

async fn run(cx: RecordCx<ApplyRecord>, apply: Apply) -> Result<Applied, Failure> {
    let Apply { mut access, desired, record, dry_run, wall_clock, due, has_authority, proof_timeout } = apply;
    cx.input(None).await?;
    if record.id != access.id {
        let text = format!("the record is of {}, the machine is {}", record.id, access.id);
        return Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text));
    }
    let mut places = Places::new(&access);
    let Managed { mut session, state, .. } = places.open(&cx, &mut access, record.moved_to).await?;
    need_set_up(state.u32("ProvisioningState"), Step::ReadState, "configured")?;
    cx.event(Event::Step(Step::ReadFacts));
    let general = read_general(&mut session, Step::ReadFacts).await?;
    let realm = general.text("DigestRealm").unwrap_or_default().to_owned();
    let control_mode = match try_call(&mut session, Step::ReadFacts, &HostBasedSetupService::get()).await? {
        Ok(reply) => reply.instance().ok().and_then(|instance| instance.u32("CurrentControlMode")),
        Err(_) => None,
    };
    let mode = if dry_run { Pass::Dry } else { Pass::Write };
    let (changes, unsupported, writes) = (Vec::new(), Vec::new(), 0);
    Run {
        cx,
        session,
        access,
        desired,
        record,
        wall_clock,
        due,
        has_authority,
        proof_timeout,
        client: None,
        postponed: None,
        realm,
        control_mode,
        mode,
        changes,
        unsupported,
        writes,
        places,
    }
    .run()
    .await
}

impl Run {
    async fn run(mut self) -> Result<Applied, Failure> {
        self.note_place().await?;
        self.cx.event(Event::Step(Step::Configure));
        self.tls_is_possible().await?;
        self.settings().await?;
        if self.mode == Pass::Write && self.record.commit_due {
            self.commit().await?;
        }
        self.wired().await?;
        if self.mode == Pass::Write && self.writes > 0 {
            self.verify().await?;
        }
        if self.mode == Pass::Write {
            self.tidy_client().await?;
        }
        if let Some(failure) = self.postponed {
            // Before the home domains: behind them the machine may be out of reach.
            return Err(failure);
        }
        self.home_domains().await?;
        if self.mode == Pass::Write {
            // Only a change is worth a write of the record too.
            if self.record.finish(&self.desired.profile.name, &self.desired.revision) {
                self.keep().await?;
            }
        }
        self.cx.event(Event::Step(Step::Done));
        let Self { changes, unsupported, writes, places, .. } = self;
        Ok(Applied { id: self.access.id, changes, unsupported, writes, address: places.elsewhere() })
    }

    /// Everything that leaves the machine within reach.
    async fn settings(&mut self) -> Result<(), Failure> {
        self.clock().await?;
        self.local_sync().await?;
        self.general().await?;
        self.power().await?;
        self.features().await?;
        self.access_list().await?;
        self.wifi().await?;
        self.kerberos().await?;
        self.wired_login().await?;
        self.remote_access().await?;
        self.proxies().await?;
        self.audit().await?;
        self.tls().await
    }

    /// Reads everything again: what was written has to be there.
    async fn verify(&mut self) -> Result<(), Failure> {
        self.cx.event(Event::Step(Step::Prove));
        self.mode = Pass::Verify;
        let changes = std::mem::take(&mut self.changes);
        self.settings().await?;
        self.wired().await?;
        let left = std::mem::replace(&mut self.changes, changes);
        self.mode = Pass::Write;
        match left.first() {
            None => Ok(()),
            Some(change) => Err(not_kept(change)),
        }
    }

    fn profile(&self) -> &crate::profile::Profile {
        &self.desired.profile
    }

    /// Takes note of a difference. Tells whether it is to be written.
    fn change(&mut self, field: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> bool {
        let change = Change { field: field.into(), from: from.into(), to: to.into() };
        if self.mode == Pass::Write {
            self.cx.note(format!("{}: {} -> {}", change.field, shown(&change.from), shown(&change.to)));
        }
        self.changes.push(change);
        self.mode == Pass::Write
    }

    fn lacks(&mut self, field: &str, reason: impl Into<String>) {
        let reason = reason.into();
        if self.mode != Pass::Verify && !self.unsupported.iter().any(|other| other.field == field) {
            self.cx.note(format!("{field}: not on this machine: {reason}"));
            self.unsupported.push(Unsupported { field: field.to_owned(), reason });
        }
    }

    /// Whether the secret of `field` is to be written: it is not the one that was written last, which the record keeps under `name`
    /// (not the field, where that has a place in a list, which may change).
    fn secret_differs(&self, field: &str, name: &str) -> Result<bool, Failure> {
        Ok(self.mode != Pass::Verify && !self.record.has(name, self.desired.secret(field)?))
    }

    /// Remembers that the secret of `field` is on the machine.
    async fn secret_written(&mut self, field: &str, name: &str) -> Result<(), Failure> {
        let secret = self.desired.secret(field)?.clone();
        self.record.written(name, &secret);
        self.keep().await
    }

    /// Makes one request that changes something. The first is made only after the record says that changes are under way.
    async fn write(&mut self, request: Request) -> Result<Reply, CallError> {
        self.begin_write().await.map_err(CallError::Other)?;
        self.session.call(Step::Configure, &request).await
    }

    async fn begin_write(&mut self) -> Result<(), Failure> {
        self.writes += 1;
        if self.record.begin() { self.keep().await } else { Ok(()) }
    }

    async fn keep(&mut self) -> Result<(), Failure> {
        self.cx.persist(&self.record).await
    }

    /// Reads an instance; none if the firmware has no such class or instance.
    async fn read(&mut self, request: Request) -> Result<Option<Instance>, Failure> {
        match try_call(&mut self.session, Step::Configure, &request).await? {
            Ok(reply) => Ok(Some(reply.instance().map_err(|error| error.failure(Step::Configure.name()))?.clone())),
            Err(error) if error.is_fault("DestinationUnreachable") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The machine took a setting and has another value afterwards.
fn not_kept(Change { field, from, to }: &Change) -> Failure {
    let text = format!("{field}: the machine took {to:?} and has {from:?} afterwards");
    // Two runs at once on one machine look the same as firmware that forgets.
    let hint = "something else may have written to the machine meanwhile, such as another run of this or another console: run it \
                again when nothing else does; if it stays so, this firmware does not keep the setting: take it out of the profile";
    Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text).hint(hint)
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}

/// A refusal with the field that it is about.
fn refused(field: &str, error: CallError) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = format!("{field}: {}", failure.message);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_not_kept_may_be_anothers_doing() {
        let change = Change { field: "general.ping".into(), from: "true".into(), to: "false".into() };
        let failure = not_kept(&change);
        assert_eq!(failure.code, ErrorCode::PROOF_FAILED);
        assert!(failure.message.contains("general.ping") && failure.hint.contains("another run"), "{failure:?}");
        assert!(failure.hint.contains("take it out of the profile"), "{}", failure.hint);
    }
}
