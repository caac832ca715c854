//! The machine's account in a directory, which has to be there before the machine is told its Kerberos settings (`[directory]`).

use super::super::attempt::Shared;
use crate::directory::{Account, Outcome, Settings, Unfit};
use crate::{Fleet, Machine};
use amt_core::{ErrorCode, Failure, FirmwareVersion};
use amt_provision::ApplyRecord;
use amt_provision::profile::Desired;

const STAGE: &str = "directory";
/// Firmware before it takes no password, and is not configured.
const FIRST_WITH_PASSWORD: u16 = 8;

/// Makes sure of the account of `machine`, and takes the version of its key from the directory where `desired` does not say it. Tells what
/// was done, if anything was.
pub(super) async fn keep_account(
    shared: &Shared,
    machine: &Machine,
    firmware: Option<FirmwareVersion>,
    desired: &mut Desired,
    record: &mut ApplyRecord,
) -> Result<Option<String>, Failure> {
    let Some(settings) = &shared.directory else { return Ok(None) };
    if desired.kerberos_password().is_none() || firmware.is_some_and(|version| version.major < FIRST_WITH_PASSWORD) {
        return Ok(None);
    }
    let account = account(settings, machine, desired)?;
    made(settings, &account, &shared.fleet, desired, record).await
}

/// The account that the settings stand for.
fn account(settings: &Settings, machine: &Machine, desired: &Desired) -> Result<Account, Failure> {
    let wrong = |text: String, hint: &'static str| Failure::new(ErrorCode::CONFIG, STAGE, text).hint(hint);
    let general = desired.profile.general.as_ref();
    let host = general.and_then(|general| general.host_name.clone()).or_else(|| machine.host_name.clone());
    let domain = general.and_then(|general| general.domain_name.clone()).or_else(|| machine.domain_name.clone());
    let (Some(host), Some(domain)) = (host, domain.filter(|domain| !domain.is_empty())) else {
        let text = "the machine has no full name, by which its account would be known".to_owned();
        return Err(wrong(text, "give it a domain: dns_suffixes, a rule, or general.domain_name of its settings"));
    };
    let suffix = desired.profile.kerberos.as_ref().and_then(|kerberos| kerberos.account_suffix.as_deref());
    // The host's own name is that of its system's account, which is not ours to touch.
    let suffix = suffix
        .filter(|suffix| !suffix.is_empty())
        .ok_or_else(|| wrong("its settings have no kerberos.account_suffix".to_owned(), "add it: \"-amt\" is usual"))?;
    // In small letters, as in the salt of the machine's key.
    let host = host.to_lowercase();
    let name = format!("{host}{suffix}");
    Account::new(&format!("{host}.{domain}"), &settings.ou, Some(&name), false).map_err(|unfit| {
        let hint = match unfit {
            Unfit::Account(_) => {
                "give the machine a shorter host name, or its settings a shorter kerberos.account_suffix"
            }
            Unfit::Unit(_) => "correct directory.ou",
            _ => "give the machine a name that DNS can have",
        };
        wrong(unfit.to_string(), hint)
    })
}

/// Makes sure of `account`, and notes it before the machine is told anything.
async fn made(
    settings: &Settings,
    account: &Account,
    fleet: &Fleet,
    desired: &mut Desired,
    record: &mut ApplyRecord,
) -> Result<Option<String>, Failure> {
    let Some(secret) = desired.kerberos_password().cloned() else { return Ok(None) };
    let dn = account.dn();
    let mut directory = settings.connect().await?;
    let made = directory.keep(account, &secret, record.account(&dn, &secret)).await?;
    directory.close().await;
    let before = record.clone();
    record.note_account(&dn, &secret);
    if *record != before {
        // Before the machine is told: whoever dies now must not write the password another time.
        fleet.keep_apply(record).await?;
    }
    if let (Some(version), Some(kerberos)) = (made.key_version, desired.profile.kerberos.as_mut()) {
        let said = *kerberos.key_version.get_or_insert(version);
        if said != version {
            let text = format!("{dn} has key version {version}, and kerberos.key_version of its settings is {said}");
            return Err(Failure::new(ErrorCode::CONFIG, STAGE, text)
                .hint("take key_version out of the settings: it is taken from the directory then"));
        }
    }
    let what = match made.outcome {
        Outcome::Created => Some(format!("its account {dn} was made")),
        Outcome::Changed => Some(format!("{} of its account {dn} changed", made.changes.join(" and "))),
        Outcome::Unchanged => None,
    };
    let off = made.disabled.then(|| format!("its account {dn} is switched off"));
    let words: Vec<String> = what.into_iter().chain(off).collect();
    Ok((!words.is_empty()).then(|| words.join("; ")))
}
