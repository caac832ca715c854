//! The kinds of actions.

use super::super::attempt::Shared;
use super::super::consider::consider;
use super::directory::keep_account;
use super::host::{ActionHost, TakingBack};
use crate::action::Deed;
use crate::host::{FleetHost, machine_report};
use crate::store::{BootFired, CONFIGURE, Operation, RENAME, RENEW};
use crate::{Action, CredentialKind, Machine, ReleaseOrder, json, resolve};
use amt::tls::ClientCertificates;
use amt::{ApplyJob, BootJob, ClockJob, RenameJob, RenewJob, RotateJob, Target, UnprovisionJob};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, Finding};
use amt_provision::boot::BootSource;
use amt_provision::profile::Desired;
use amt_provision::renew::Due;
use amt_provision::unprovision::{Extent, Proof};
use amt_provision::{BootRecord, RenameRecord, RenewRecord};
use std::sync::Arc;

/// Does it once. Tells in words what was done.
pub(super) async fn attempt(shared: &Shared, action: &Action) -> Result<String, Failure> {
    if action.job.is_some() {
        return operate(shared, action).await;
    }
    match action.name.as_str() {
        RENAME => return rename(shared, action).await,
        CONFIGURE => return configure(shared, action).await,
        RENEW => return renew(shared, action).await,
        _ => {}
    }
    let Some(rule) = shared.actions.iter().find(|rule| rule.name == action.name) else {
        let text = format!("the configuration has no action named {:?} any more", action.name);
        return Err(Failure::new(ErrorCode::CONFIG, "action", text).hint("add it again, or forget it"));
    };
    match &rule.deed {
        Deed::Command(command) => {
            let question = resolve::question(&shared.fleet, action.machine, &shared.defaults).await?;
            command.run(action, &question).await.map(|()| "the program has run".to_owned())
        }
        Deed::Webhook(webhook) => {
            let question = resolve::question(&shared.fleet, action.machine, &shared.defaults).await?;
            webhook.tell(action, &question).await.map(|()| "the webhook has taken it".to_owned())
        }
        Deed::Boot(source) => boot(shared, action, *source).await,
    }
}

/// One machine's part of a job.
async fn operate(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (fleet, id) = (&shared.fleet, action.machine);
    match action.name.parse()? {
        Operation::Rename => {
            consider(shared, id).await?;
            rename(shared, action).await
        }
        Operation::Reprovision => {
            fleet.redo(id).await?;
            Ok("set up again at its next hello".to_owned())
        }
        Operation::Release => {
            fleet.release(id, ReleaseOrder::by(format!("job {}", action.job.unwrap_or_default()))).await?;
            Ok("let in".to_owned())
        }
        Operation::Boot => boot(shared, action, BootSource::Network).await,
        Operation::Configure => configure(shared, action).await,
        Operation::Clock => clock(shared, action).await,
        Operation::Rotate => rotate(shared, action).await,
        Operation::Unprovision => unprovision(shared, action, Extent::Full).await,
        Operation::UnprovisionPartial => unprovision(shared, action, Extent::Partial).await,
        Operation::Renew => renew(shared, action).await,
        Operation::Refresh => {
            let (_, target) = verified(shared, action).await?;
            let host = FleetHost::with_events(fleet.clone(), Arc::clone(&shared.ca), shared.events.clone());
            let facts = amt::read_facts(target, &host).await?;
            fleet.report(machine_report(&facts)).await?;
            Ok("its facts were read".to_owned())
        }
    }
}

/// Boots from `source` once. The guard weighs everything that speaks for the machine being in use, however weak: what is imaged by
/// mistake is lost.
async fn boot(shared: &Shared, action: &Action, source: BootSource) -> Result<String, Failure> {
    let (fleet, id) = (&shared.fleet, action.machine);
    let question = resolve::question(fleet, id, &shared.defaults).await?;
    let mut record = match fleet.procedure(action.id).await? {
        Some(bytes) => BootRecord::decode(&bytes)?,
        None => BootRecord::new(id, source),
    };
    record.id = id;
    let release = question.machine.boot_released.as_ref();
    if release.is_none() && record.stage == amt_provision::boot::BootStage::Idle {
        let against = question.against_boot();
        if !against.is_empty() {
            let text = format!("not booted from {}, because {}", source.name(), against.join("; "));
            return Err(Failure::new(ErrorCode::IN_USE, "guard", text)
                .hint("if it may be booted, `amt fleet release UUID --boot`, or a rule with boot = true"));
        }
    }
    let (_, target) = verified(shared, action).await?;
    let host = ActionHost::new(shared, action);
    let job = BootJob::new(target, record);
    amt::boot_once(job, &host).await?;
    let by = release.map(|r| format!(", released by {}", r.by)).unwrap_or_default();
    if release.is_some() {
        fleet.write(BootFired(id)).await?;
    }
    Ok(format!("booted from {} once{by}", source.name()))
}

/// Gives the machine the name that it shall have.
async fn rename(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (fleet, id) = (&shared.fleet, action.machine);
    let kept = fleet.procedure(action.id).await?.map(|bytes| RenameRecord::decode(&bytes)).transpose()?;
    let (machine, target) = verified(shared, action).await?;
    let record = match (kept, machine.wanted.clone()) {
        (None, None) => return Ok(format!("it carries its name {}", machine.name().unwrap_or_default())),
        (None, Some(name)) => RenameRecord::new(id, name.host, name.domain),
        (Some(kept), None) => kept,
        (Some(mut kept), Some(name)) => {
            kept.retarget(name.host, name.domain);
            kept
        }
    };
    let names = record.clone();
    let host = ActionHost::new(shared, action);
    let mut job = RenameJob::new(target, record);
    job.proof_timeout = shared.plan.proof_timeout;
    amt::rename(job, &host).await?;
    fleet.has_name(&names).await?;
    Ok(format!("renamed from {} to {}", machine.name().unwrap_or_default(), names.fqdn()))
}

/// Makes the machine what the settings of its profile say.
async fn configure(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (machine, mut target) = verified(shared, action).await?;
    let Some(settings) = shared.profiles.settings(machine.profile.as_deref()) else {
        return Ok("its profile has no settings".to_owned());
    };
    let wrong = |findings: Vec<Finding>| {
        let text: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.field, f.message)).collect();
        Failure::new(ErrorCode::CONFIG, "action", text.join("; "))
    };
    if settings.is_mutual() && target.client.is_empty() {
        target.client = for_mutual_tls(shared).await?;
    }
    let desired = Desired::new(&settings.document, machine.id, target.version, &mut settings.folder.clone());
    let desired = desired.map_err(wrong)?;
    let version = target.version;
    let mut job = match shared.fleet.apply_record(machine.id).await? {
        Some(record) => ApplyJob::new(target, desired, record),
        None => ApplyJob::first(target, desired)?,
    };
    let account = keep_account(shared, &machine, version, &mut job.desired, &mut job.record).await?;
    job.proof_timeout = shared.plan.proof_timeout;
    // Where nothing is renewed before its time, it is when its time is over.
    job.due = Due::Percent(shared.renew_at.unwrap_or(100));
    let applied = amt::apply(job, &ActionHost::new(shared, action)).await?;
    let mut text = match applied.changes.len() {
        0 => format!("it is as {} says", settings.document.name),
        n => format!("{n} settings changed as {} says", settings.document.name),
    };
    if let Some(account) = account {
        text += &format!("; {account}");
    }
    for lack in &applied.unsupported {
        text += &format!("; not on this machine: {} ({})", lack.field, lack.reason);
    }
    Ok(text)
}

/// Sets its clock, if that is off.
async fn clock(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (_, target) = verified(shared, action).await?;
    let seen = amt::clock(ClockJob::new(target), &ActionHost::new(shared, action)).await?;
    let off = seen.drift.unsigned_abs();
    Ok(match seen.set {
        true => format!("its clock was {off} s {}, and is right now", if seen.drift < 0 { "behind" } else { "ahead" }),
        false => "its clock is right".to_owned(),
    })
}

/// Gives the administrator another password.
async fn rotate(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (machine, target) = verified(shared, action).await?;
    let record = shared.fleet.record(machine.id).await?;
    let record = record.ok_or_else(|| Failure::new(ErrorCode::ACTION, "action", "the machine has no record"))?;
    amt::rotate(RotateJob::new(target, record), &ActionHost::new(shared, action)).await?;
    Ok("it has another password".to_owned())
}

/// Takes back its setup. It is kept out then, so that its hellos do not have it set up again.
async fn unprovision(shared: &Shared, action: &Action, extent: Extent) -> Result<String, Failure> {
    if let Some(taken) = shared.fleet.machine(action.machine).await?.taken_back {
        return Ok(format!("{} already; nothing was sent", crate::guard::taken_back(&taken.extent, &taken.by)));
    }
    let (machine, target) = verified(shared, action).await?;
    let record = shared.fleet.record(machine.id).await?;
    let record = record.ok_or_else(|| Failure::new(ErrorCode::ACTION, "action", "the machine has no record"))?;
    let by = format!("job {}", action.job.unwrap_or_default());
    let host = TakingBack { inner: ActionHost::new(shared, action), extent, by: by.clone() };
    let mut job = UnprovisionJob::new(target, record, extent);
    job.proof_timeout = shared.plan.proof_timeout;
    let done = amt::unprovision(job, &host).await?;
    if shared.fleet.machine(machine.id).await?.taken_back.is_none() {
        // It was not set up any more, and the procedure had nothing to record.
        shared.fleet.taken_back(machine.id, None, extent, &by).await?;
    }
    let seen = match done.proof {
        Some(Proof::PortClosed) => "its management port is closed now",
        Some(Proof::State) => "it says so itself",
        _ => "it is in setup mode now",
    };
    let words = if extent == Extent::Partial { "in part" } else { "in full" };
    Ok(format!("its setup is taken back {words}: {seen}; it is kept out until it is released"))
}

/// Gives the machine another certificate: a job at once, the server by itself when its time has come. One that was begun is gone on with.
async fn renew(shared: &Shared, action: &Action) -> Result<String, Failure> {
    let (fleet, id) = (&shared.fleet, action.machine);
    let (_, target) = verified(shared, action).await?;
    let kept = fleet.renewal(id).await?;
    if kept.is_none() && action.job.is_some() && fleet.certified_since(id, action.created_at).await? {
        return Ok("it has another certificate already".to_owned());
    }
    let due = match (action.job, shared.renew_at) {
        (Some(_), _) => Due::Now,
        (None, Some(percent)) => Due::Percent(percent),
        (None, None) if kept.is_some() => Due::default(),
        (None, None) => return Ok("certificates are not renewed any more".to_owned()),
    };
    let mut job = RenewJob::new(target, kept.unwrap_or_else(|| RenewRecord::new(id)));
    (job.due, job.proof_timeout) = (due, shared.plan.proof_timeout);
    let renewed = amt::renew(job, &ActionHost::new(shared, action)).await?;
    let until = json::moment(renewed.validity.not_after).unwrap_or_default();
    Ok(match renewed.changed {
        true => format!("it has another certificate, good until {until}"),
        false => format!("its certificate is good until {until}: not renewed yet"),
    })
}

/// A certificate to come back with, before a machine is told to let nobody in without one.
async fn for_mutual_tls(shared: &Shared) -> Result<ClientCertificates, Failure> {
    let Some(console) = &shared.console else {
        let text = "its settings have mutual TLS, and this console has no certificate to show";
        return Err(
            Failure::new(ErrorCode::CONFIG, "console", text).hint("add a section [console] to the configuration")
        );
    };
    console.keep(false).await?;
    shared.fleet.client_certificates().await
}

/// A machine that is provisioned, and how it is reached.
async fn verified(shared: &Shared, action: &Action) -> Result<(Machine, Target), Failure> {
    let id = action.machine;
    // A job ends; what follows from a machine's own doings waits for it.
    let code = if action.job.is_some() { ErrorCode::WRONG_STATE } else { ErrorCode::ACTION };
    let not_yet = |text: &str| Failure::new(code, "action", format!("the machine {text}"));
    let machine = shared.fleet.machine(id).await?;
    if !machine.is_verified() {
        return Err(not_yet("is not provisioned now"));
    }
    let address = machine.address.ok_or_else(|| not_yet("has no address"))?;
    let record = shared.fleet.record(id).await?;
    let record = record.ok_or_else(|| not_yet("has no record"))?;
    let certificate = record.certificate.ok_or_else(|| not_yet("has no certificate"))?;
    let credentials = shared.fleet.credentials(id).await?;
    let passwords = credentials.into_iter().filter(|c| c.kind == CredentialKind::Admin).map(|c| c.password).collect();
    let mut target = Target::new(id, address, PeerIdentity::Pinned(certificate), passwords);
    target.port = shared.port;
    target.client = shared.fleet.client_certificates().await?;
    target.guess_spacing = shared.plan.guess_spacing;
    target.version = machine.firmware.or(record.version);
    target.rung = record.rung;
    target.legacy_tls = shared.profile(&machine)?.legacy_tls;
    Ok((machine, target))
}
