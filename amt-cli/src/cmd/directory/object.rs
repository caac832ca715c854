//! `amt directory create` and `remove`.

use super::ldap::{Attribute, Connection, Server};
use super::plan::{Account, Computer, DISABLED, WORKSTATION};
use crate::cmd::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use amt_core::{ErrorCode, Failure, Secret};
use ldap3::{Scope, SearchEntry, ldap_escape};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

const STAGE: &str = "directory";
const SPN: &str = "servicePrincipalName";
const CONTROL: &str = "userAccountControl";
const PASSWORD: &str = "unicodePwd";
const KEY_VERSION: &str = "msDS-KeyVersionNumber";

/// Make the account of a machine, or make it what it should be
///
/// Asks first, and writes only what differs: run it as often as you like, and after a machine was renamed. The password is written when
/// the account is made, and later with --reset-password only, because it cannot be read back. What another object of the domain has is
/// not taken from it.
#[derive(clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    computer: Computer,
    /// File whose first line is the password that the machine's profile names too; otherwise AMT_MACHINE_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Write the password of an account that is there, too: its key version rises
    #[arg(long)]
    reset_password: bool,
    /// Leave the account switched off
    #[arg(long)]
    disabled: bool,
    /// Show what differs, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

/// Remove the account of a machine
///
/// Only a computer object with the machine's full name is removed. One that is not there is no error.
#[derive(clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    computer: Computer,
    #[command(flatten)]
    server: Server,
}

impl Create {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let account = Account::new(&self.computer)?;
        let password = input::password(self.password_file.as_ref(), "AMT_MACHINE_PASSWORD")?;
        let (outcome, changes, version) = block_on(async {
            let mut directory = self.server.connect().await?;
            refuse_others(&mut directory, &account).await?;
            let found = read(&mut directory, &account).await?;
            let is_new = found.is_none();
            let control = WORKSTATION | if self.disabled { DISABLED } else { 0 };
            let mut wanted: Vec<Attribute> = match &found {
                None => account.attributes(control).into_iter().map(attribute).collect(),
                Some(entry) => differences(entry, &account, self.disabled)?,
            };
            if is_new || self.reset_password {
                wanted.push((PASSWORD.into(), HashSet::from([quoted(&password)])));
            }
            let names: Vec<String> =
                wanted.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
            if !self.dry_run {
                match is_new {
                    true => directory.add(&account.dn(), wanted).await?,
                    false if !wanted.is_empty() => directory.replace(&account.dn(), wanted).await?,
                    false => {}
                }
            }
            let version = key_version(&mut directory, &account).await?;
            directory.close().await;
            let outcome = match (is_new, names.is_empty()) {
                (true, _) => "created",
                (false, true) => "unchanged",
                (false, false) => "changed",
            };
            Ok((outcome, names, version))
        })?;
        let dn = account.dn();
        let document = json!({
            "dn": dn, "outcome": outcome, "dry_run": self.dry_run, "changes": changes, "key_version": version,
        });
        out.show(&document, |w| {
            let would = if self.dry_run && outcome != "unchanged" { "would be " } else { "" };
            writeln!(w, "{dn}: {would}{outcome}")?;
            changes.iter().try_for_each(|name| writeln!(w, "  {name}"))?;
            match version {
                Some(version) => writeln!(w, "key version {version}: kerberos.key_version of the profile"),
                None => Ok(()),
            }
        })?;
        Ok(Verdict::Done)
    }
}

impl Remove {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let account = Account::new(&self.computer)?;
        let removed = block_on(async {
            let mut directory = self.server.connect().await?;
            let found = read(&mut directory, &account).await?;
            if let Some(entry) = &found {
                if !has(entry, "dNSHostName", &account.fqdn) {
                    let name = values(entry, "dNSHostName").first().cloned().unwrap_or_default();
                    let text = format!("{} is the account of {name:?} and not of {}", account.dn(), account.fqdn);
                    let failure = Failure::new(ErrorCode::DIRECTORY_CONFLICT, STAGE, text);
                    return Err(failure.hint("give the full name of the machine whose account it is").into());
                }
                directory.delete(&account.dn()).await?;
            }
            directory.close().await;
            Ok(found.is_some())
        })?;
        let dn = account.dn();
        out.show(&json!({"dn": dn, "removed": removed}), |w| {
            writeln!(w, "{dn}: {}", if removed { "removed" } else { "was not there" })
        })?;
        Ok(Verdict::Done)
    }
}

/// Fails with the first other object of the domain that has a name of the account.
async fn refuse_others(directory: &mut Connection, account: &Account) -> Result<(), Failure> {
    let names: Vec<(&str, String)> = std::iter::once(("sAMAccountName", account.sam()))
        .chain(account.spns().into_iter().map(|spn| (SPN, spn)))
        .collect();
    let filter: String =
        names.iter().map(|(name, value)| format!("({name}={})", ldap_escape(value.as_str()))).collect();
    let found =
        directory.search(&account.domain, Scope::Subtree, &format!("(|{filter})"), &["sAMAccountName", SPN]).await?;
    let own = plain(&account.dn());
    for entry in found.iter().filter(|entry| plain(&entry.dn) != own) {
        if let Some((_, value)) = names.iter().find(|(name, value)| has(entry, name, value)) {
            let text = format!("{value} belongs to {}", entry.dn);
            return Err(Failure::new(ErrorCode::DIRECTORY_CONFLICT, STAGE, text));
        }
    }
    Ok(())
}

/// The account as it is. Something else in its place is an error.
async fn read(directory: &mut Connection, account: &Account) -> Result<Option<SearchEntry>, Failure> {
    let attributes = ["objectClass", "sAMAccountName", "dNSHostName", CONTROL, "msDS-SupportedEncryptionTypes", SPN];
    let found = directory.search(&account.dn(), Scope::Base, "(objectClass=*)", &attributes).await?;
    let entry = found.into_iter().next();
    match &entry {
        Some(entry) if !has(entry, "objectClass", "computer") => {
            let text = format!("{} is there, and is no computer", account.dn());
            Err(Failure::new(ErrorCode::DIRECTORY_CONFLICT, STAGE, text))
        }
        _ => Ok(entry),
    }
}

/// What has to be replaced for `entry` to be as it should.
fn differences(entry: &SearchEntry, account: &Account, disabled: bool) -> Result<Vec<Attribute>, Failure> {
    let text = values(entry, CONTROL).first().cloned().unwrap_or_else(|| "0".to_owned());
    let unreadable = |_| Failure::new(ErrorCode::DIRECTORY, STAGE, format!("{CONTROL} of {} is {text:?}", entry.dn));
    // Other flags are the administrators' own.
    let now: u32 = text.parse().map_err(unreadable)?;
    let control = (now & !DISABLED) | WORKSTATION | if disabled { DISABLED } else { 0 };
    let wanted = account.attributes(control).into_iter().filter(|(name, _)| !matches!(*name, "objectClass" | "cn"));
    let set = |values: &[String]| values.iter().map(|value| value.to_lowercase()).collect::<BTreeSet<_>>();
    Ok(wanted.filter(|(name, want)| set(want) != set(values(entry, name))).map(attribute).collect())
}

/// Active Directory counts the passwords; other directories do not say.
async fn key_version(directory: &mut Connection, account: &Account) -> Result<Option<u32>, Failure> {
    let found = directory.search(&account.dn(), Scope::Base, "(objectClass=*)", &[KEY_VERSION]).await?;
    Ok(found.first().and_then(|entry| values(entry, KEY_VERSION).first()?.parse().ok()))
}

/// As directories take passwords: in quotes, UTF-16.
fn quoted(password: &Secret<String>) -> Vec<u8> {
    let wide = std::iter::once(u16::from(b'"')).chain(password.expose().encode_utf16()).chain([u16::from(b'"')]);
    wide.flat_map(u16::to_le_bytes).collect()
}

fn attribute((name, values): (&'static str, Vec<String>)) -> Attribute {
    (name.into(), values.into_iter().map(String::into_bytes).collect())
}

fn values<'a>(entry: &'a SearchEntry, name: &str) -> &'a [String] {
    let found = entry.attrs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, values)| values.as_slice()).unwrap_or_default()
}

fn has(entry: &SearchEntry, name: &str, value: &str) -> bool {
    values(entry, name).iter().any(|has| has.eq_ignore_ascii_case(value))
}

/// A DN as it is compared: without case and blanks.
fn plain(dn: &str) -> String {
    dn.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}
