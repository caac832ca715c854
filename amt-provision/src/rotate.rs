//! Gives the administrator of a machine that is set up another password (`spec/wsman.md` §4(i)).
//!
//! The new password is durable, as a candidate beside the old one, before it is sent; the old one goes only after a login with the new
//! one was seen. So a crash at any point leaves a machine that one of the recorded passwords opens. A further attempt goes on with the
//! candidate of the one before instead of making another: it asks the machine which of the two it has.

use crate::event::Event;
use crate::journal::Record;
use crate::machine::{Machine, RecordCx};
use crate::managed::{Access, Managed, need_set_up};
use crate::password::{self, ADMIN, Random};
use crate::session::{read_general, try_call};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_wsman::class::amt::AuthorizationService;

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rotate {
    /// How the machine is reached. Its passwords are those of the record.
    pub access: Access,
    /// The machine's journal.
    pub record: Record,
    /// The new password; none: a strong one is generated. A candidate that is in the record already goes first.
    pub password: Option<Secret<String>>,
}

impl Rotate {
    /// A rotation to a generated password.
    pub const fn new(access: Access, record: Record) -> Self {
        Self { access, record, password: None }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Rotated, Record> {
        Machine::new(move |cx| run(cx, self))
    }
}

/// What became of it, proven by a login with the new password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotated {
    /// The machine.
    pub id: SystemId,
    /// Whether the password was changed; not if the machine had the wanted one.
    pub changed: bool,
}

/// The password that an earlier attempt made durable and did not prove.
fn pending(record: &Record) -> Option<Secret<String>> {
    let unproven = !record.admin_proven && record.admin_passwords.len() > 1;
    record.admin_passwords.first().filter(|_| unproven).cloned()
}

async fn run(cx: RecordCx<Record>, rotate: Rotate) -> Result<Rotated, Failure> {
    let Rotate { mut access, mut record, password } = rotate;
    cx.input(None).await?;
    check(&access, &record, password.as_ref())?;
    let id = record.id;
    let resumed = pending(&record);
    access.admin_passwords.clone_from(&record.admin_passwords);
    let mut random = Random::new(access.seed);
    access.seed = random.fork();
    let mut machine = Managed::open(&cx, &access).await?;
    need_set_up(machine.provisioning_state(), Step::ReadState, "given another password")?;
    let Some(old) = machine.password.clone() else {
        let text = "the machine did not ask for a password: nothing could be proven";
        return Err(Failure::new(ErrorCode::PROOF_FAILED, Step::ReadState.name(), text));
    };
    if resumed.as_ref() == Some(&old) {
        // The earlier attempt got through to the machine: this login is the proof.
        promote(&cx, &mut record, old).await?;
        return Ok(Rotated { id, changed: true });
    }
    let new = resumed.or(password).unwrap_or_else(|| random.password());
    if new == old {
        promote(&cx, &mut record, old).await?;
        return Ok(Rotated { id, changed: false });
    }
    let general = read_general(&mut machine.session, Step::ReadFacts).await?;
    let realm = general.required("DigestRealm").map_err(|error| error.failure(Step::ReadFacts.name()))?.to_owned();
    cx.event(Event::Step(Step::RecordCredentials));
    record.realm = Some(realm.clone());
    record.admin_passwords.retain(|known| *known != new && *known != old);
    record.admin_passwords.splice(0..0, [new.clone(), old.clone()]);
    record.admin_proven = false;
    cx.persist(&record).await?;
    cx.event(Event::Step(Step::SetAdminPassword));
    let request = AuthorizationService::set_admin_acl_entry(ADMIN, &realm, &new);
    match try_call(&mut machine.session, Step::SetAdminPassword, &request).await {
        Ok(Ok(_)) => {}
        Ok(Err(refusal)) => {
            // Refused, so the machine has the old one, and that was proven a moment ago.
            promote(&cx, &mut record, old).await?;
            return Err(refusal.into());
        }
        Err(failure) if failure.code == ErrorCode::CANCELLED => return Err(failure),
        Err(failure) => cx.note(format!("the answer was lost ({}); a login will tell", failure.message)),
    }
    drop(machine);
    cx.event(Event::Step(Step::Prove));
    access.admin_passwords = vec![new.clone(), old];
    access.seed = random.fork();
    let proof = Managed::open(&cx, &access).await?;
    if proof.password.as_ref() != Some(&new) {
        let text = "the machine still has its old password";
        let hint = "run it again: it goes on with the same new password";
        return Err(Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text).hint(hint));
    }
    promote(&cx, &mut record, new).await?;
    Ok(Rotated { id, changed: true })
}

fn check(access: &Access, record: &Record, password: Option<&Secret<String>>) -> Result<(), Failure> {
    if record.id != access.id {
        let text = format!("the journal is of {}, the machine is {}", record.id, access.id);
        return Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text));
    }
    if let Some(Err(why)) = password.map(|password| password::check(password.expose())) {
        let text = format!("the firmware would refuse the new password: {why}");
        let hint = "nothing was sent; give another, or none: then a strong one is generated";
        return Err(Failure::new(ErrorCode::PLAN_INVALID, Step::Start.name(), text).hint(hint));
    }
    Ok(())
}

/// A login with `password` was seen: every other goes.
async fn promote(cx: &RecordCx<Record>, record: &mut Record, password: Secret<String>) -> Result<(), Failure> {
    if record.admin_proven && record.admin_passwords == [password.clone()] {
        return Ok(());
    }
    record.admin_passwords = vec![password];
    record.admin_proven = true;
    cx.persist(record).await
}
