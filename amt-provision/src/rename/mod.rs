//! Gives a machine that is set up another name (`spec/wsman.md` §4(h) with (e) inside).
//!
//! A certificate for the new name is made with a new key pair in the machine, names are put, the TLS server is switched to the new
//! certificate, and all is committed. Then the machine is looked for under its new certificate: a login there, and the names read back,
//! are the proof. Only after that the old certificate and the old key pair are removed. A machine that has the names and serves a
//! certificate for them already is left as it is.
//!
//! How it gets there, and what a crash leaves behind, is in [`replace`].
//!
//! Names count as soon as they are put; where the certificate has the new name already, reading them back is all the proof there is.
//!
//! Not done: accounts and service principals of a directory, and the machine's own entry in DNS. Issuers that the old certificate
//! brought stay on the machine, since something else may rest on them.

mod record;

pub use record::{FORMAT, MAX_RECORD, RenameRecord};

use crate::csr;
use crate::machine::Machine;
use crate::managed::{Access, Managed};
use crate::names::{self, CertificateNames};
use crate::plan::{Plan, is_domain, is_label};
use crate::replace::{self, Replacement, Replacing, Stage, served, unproven};
use crate::session::{Session, read_general};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use std::time::Duration;

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rename {
    /// How the machine is reached. What the record knows of its certificates is accepted too.
    pub access: Access,
    /// What earlier attempts made durable, or a new record.
    pub record: RenameRecord,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
}

impl Rename {
    /// An attempt at the rename of `record`.
    pub fn new(access: Access, record: RenameRecord) -> Self {
        Self { access, record, proof_timeout: Plan::default().proof_timeout }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Renamed, RenameRecord> {
        let Self { access, record, proof_timeout } = self;
        Machine::new(move |cx| run(Run { cx, access, record, proof_timeout }))
    }
}

/// What the machine is now, proven by a login under its new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renamed {
    /// The machine.
    pub id: SystemId,
    /// Its host name.
    pub host_name: String,
    /// Its domain, if it has one.
    pub domain_name: Option<String>,
    /// The certificate that it serves, DER: whom to accept from now on.
    pub certificate: Vec<u8>,
    /// Whether anything was changed.
    pub changed: bool,
}

type Run = replace::Run<RenameRecord>;

async fn run(mut run: Run) -> Result<Renamed, Failure> {
    run.cx.input(None).await?;
    check(&run)?;
    if run.record.replacement.stage == Stage::Done {
        return Ok(renamed(run.record));
    }
    let mut machine = run.enter("renamed").await?;
    let served = served(&machine)?;
    run.step(Step::ReadFacts);
    let general = read_general(&mut machine.session, Step::ReadFacts).await?;
    if run.record.domain_name.is_none() {
        run.record.domain_name = Some(names::own(&general, "DomainName").unwrap_or_default().to_owned());
    }
    let fits = names_fit(&run.record, &general) && csr::is_for(&served, &run.record.fqdn());
    let replacement = &mut run.record.replacement;
    match replacement.stage {
        Stage::Idle if fits => {
            replacement.settle_on(served);
            run.done().await?;
            return Ok(renamed(run.record));
        }
        // The commit took place, and this login is the proof.
        Stage::Committing if fits && replacement.certificate.as_ref() == Some(&served) => {
            run.proven_already(&machine).await?;
        }
        // Another procedure may have replaced it since.
        Stage::Proven => replacement.settle_on(served),
        _ => machine = change(&mut run, machine, served, general).await?,
    }
    run.tidy(&mut machine.session).await?;
    run.record.replacement.changed = true;
    run.done().await?;
    Ok(renamed(run.record))
}

fn check(run: &Run) -> Result<(), Failure> {
    run.check_record()?;
    let host = &run.record.host_name;
    let wrong = |field: &str, value: &str, hint: &'static str| {
        let text = format!("{field}: {value:?} is not one");
        Err(Failure::new(ErrorCode::PLAN_INVALID, Step::Start.name(), text).hint(hint))
    };
    if !is_label(host) {
        return wrong("host_name", host, "use 1 to 63 letters, digits and hyphens, without a dot");
    }
    match &run.record.domain_name {
        Some(domain) if !domain.is_empty() && !is_domain(domain) => {
            wrong("domain_name", domain, "use labels of letters, digits and hyphens separated by dots")
        }
        _ => Ok(()),
    }
}

/// Everything up to the proof. Returns the session of the proof.
async fn change(
    run: &mut Run,
    mut machine: Managed,
    served: Vec<u8>,
    mut general: Instance,
) -> Result<Managed, Failure> {
    let session = &mut machine.session;
    let switch = !csr::is_for(&served, &run.record.fqdn());
    if switch {
        run.make_room(session, &served).await?;
        run.record.replacement.supersede(served);
    } else {
        run.record.replacement.settle_on(served);
    }
    run.stage(Stage::Preparing).await?;
    let domain = run.record.domain_name.clone();
    let names = CertificateNames::new(Some(&run.record.host_name), domain.as_deref(), run.record.replacement.id);
    let handle = match switch {
        true => Some(run.maker(session, names.clone(), true).install().await?),
        false => None,
    };
    if names::change(&mut general, Some(&run.record.host_name), domain.as_deref()) {
        run.step(Step::SetNames);
        session.call(Step::SetNames, &Request::put(&general)).await?;
    }
    if let Some(handle) = handle {
        run.maker(session, names, true).bind(&handle).await?;
    }
    run.commit(session).await?;
    run.prove().await
}

impl Replacing for RenameRecord {
    fn part(&self) -> &Replacement {
        &self.replacement
    }

    fn part_mut(&mut self) -> &mut Replacement {
        &mut self.replacement
    }

    /// The names have to be there too.
    async fn proof(&self, session: &mut Session) -> Result<(), Failure> {
        let general = read_general(session, Step::Prove).await?;
        if names_fit(self, &general) {
            return Ok(());
        }
        let has = names::full(general.text("HostName").unwrap_or_default(), general.text("DomainName"));
        Err(unproven(&format!("the machine accepted the name {} and says that it is {has}", self.fqdn())))
    }
}

fn names_fit(record: &RenameRecord, general: &Instance) -> bool {
    let wanted = [("HostName", Some(&record.host_name)), ("DomainName", record.domain_name.as_ref())];
    wanted.into_iter().all(|(property, wanted)| {
        wanted.is_none_or(|wanted| names::own(general, property).unwrap_or_default().eq_ignore_ascii_case(wanted))
    })
}

fn renamed(record: RenameRecord) -> Renamed {
    let RenameRecord { host_name, domain_name, replacement } = record;
    Renamed {
        id: replacement.id,
        host_name,
        domain_name: domain_name.filter(|domain| !domain.is_empty()),
        certificate: replacement.certificate.unwrap_or_default(),
        changed: replacement.changed,
    }
}
