//! A machine's computer object: made, corrected, removed. What another object has is not taken from it.

use super::account::{Account, DISABLED, WORKSTATION};
use super::ldap::{Attribute, Connection, STAGE};
use amt_core::{ErrorCode, Failure, Secret};
use amt_provision::apply::KnownAccount;
use ldap3::{Scope, SearchEntry, ldap_escape};
use std::collections::{BTreeSet, HashSet};

const SPN: &str = "servicePrincipalName";
const HOST: &str = "dNSHostName";
const CONTROL: &str = "userAccountControl";
const PASSWORD: &str = "unicodePwd";
const KEY_VERSION: &str = "msDS-KeyVersionNumber";

/// How an account is made what it should be.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its password, written when it is made.
    pub password: &'a Secret<String>,
    /// Whether the password of an account that is there is written, too.
    pub reset_password: bool,
    /// Whether it is left switched off.
    pub disabled: bool,
    /// Look only.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none.
    Created,
    /// It was as it should be.
    Unchanged,
    /// Something differed.
    Changed,
}

impl Outcome {
    /// The stable word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
        }
    }
}

/// An account, and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Made {
    /// What came of it.
    pub outcome: Outcome,
    /// Attributes that were written.
    pub changes: Vec<String>,
    /// Version of its key, where the directory tells it, as Active Directory does.
    pub key_version: Option<u32>,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// What has to be written.
struct Change {
    is_new: bool,
    attributes: Vec<Attribute>,
    /// Whether the account is switched off afterwards.
    disabled: bool,
}

impl Change {
    fn new_account(account: &Account, secret: &Secret<String>, disabled: bool) -> Self {
        let attributes = account.attributes(disabled).into_iter().map(attribute).chain([password(secret)]).collect();
        Self { is_new: true, attributes, disabled }
    }
}

impl Connection {
    /// Makes `account`, or makes it what it should be: asks first, and writes only what differs.
    ///
    /// # Errors
    /// `DIRECTORY_CONFLICT` with the object that has one of its names; `DIRECTORY`.
    pub async fn make(&mut self, account: &Account, order: Order<'_>) -> Result<Made, Failure> {
        refuse_others(self, account).await?;
        let change = match read(self, account).await? {
            None => Change::new_account(account, order.password, order.disabled),
            Some(entry) => {
                let mut attributes = differences(&entry, account, order.disabled)?;
                if order.reset_password {
                    attributes.push(password(order.password));
                }
                Change { is_new: false, attributes, disabled: order.disabled }
            }
        };
        if order.dry_run { self.made(account, &change).await } else { self.carry_out(account, change).await }
    }

    /// Makes `account`, or corrects its names, as the setup server does by itself. Whether it is switched on and which encryption it has
    /// are its administrators' affair. Its password is written when it is made, and when the one that was `known` for it is another.
    ///
    /// # Errors
    /// As [`make`](Self::make); also `DIRECTORY_CONFLICT` if a computer object of this name is another machine's.
    pub(crate) async fn keep(
        &mut self,
        account: &Account,
        secret: &Secret<String>,
        known: KnownAccount,
    ) -> Result<Made, Failure> {
        refuse_others(self, account).await?;
        let change = match read(self, account).await? {
            None => Change::new_account(account, secret, false),
            Some(entry) => {
                if known == KnownAccount::Unknown {
                    refuse_anothers(&entry, account)?;
                }
                let disabled = control(&entry)? & DISABLED != 0;
                let mut attributes = differences(&entry, account, disabled)?;
                attributes.retain(|(name, _)| [HOST, SPN].iter().any(|own| own.as_bytes() == name.as_slice()));
                if known == KnownAccount::OtherPassword {
                    attributes.push(password(secret));
                }
                Change { is_new: false, attributes, disabled }
            }
        };
        self.carry_out(account, change).await
    }

    async fn carry_out(&mut self, account: &Account, change: Change) -> Result<Made, Failure> {
        if change.is_new {
            self.add(&account.dn(), change.attributes.clone()).await?;
        } else if !change.attributes.is_empty() {
            self.replace(&account.dn(), change.attributes.clone()).await?;
        }
        self.made(account, &change).await
    }

    /// What there is to tell of a change, whether it was carried out or not.
    async fn made(&mut self, account: &Account, change: &Change) -> Result<Made, Failure> {
        let outcome = match change {
            Change { is_new: true, .. } => Outcome::Created,
            Change { attributes, .. } if attributes.is_empty() => Outcome::Unchanged,
            Change { .. } => Outcome::Changed,
        };
        let changes = change.attributes.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        Ok(Made { outcome, changes, key_version: key_version(self, account).await?, disabled: change.disabled })
    }

    /// Removes `account`, if it is the machine's; tells whether it was there.
    ///
    /// # Errors
    /// `DIRECTORY_CONFLICT` if it is another machine's; `DIRECTORY`.
    pub async fn remove(&mut self, account: &Account) -> Result<bool, Failure> {
        let found = read(self, account).await?;
        if let Some(entry) = &found {
            refuse_anothers(entry, account)?;
            self.delete(&account.dn()).await?;
        }
        Ok(found.is_some())
    }

    /// Whether the unit is there, as far as this account may see.
    ///
    /// # Errors
    /// `DIRECTORY`.
    pub(crate) async fn has_unit(&mut self, ou: &str) -> Result<bool, Failure> {
        Ok(!self.search(ou, Scope::Base, "(objectClass=*)", &["objectClass"]).await?.is_empty())
    }
}

/// Fails if the entry in the place of `account` is that of another machine.
fn refuse_anothers(entry: &SearchEntry, account: &Account) -> Result<(), Failure> {
    if has(entry, HOST, account.fqdn()) {
        return Ok(());
    }
    let name = values(entry, HOST).first().cloned().unwrap_or_default();
    let text = format!("{} is the account of {name:?} and not of {}", account.dn(), account.fqdn());
    Err(Failure::new(ErrorCode::DIRECTORY_CONFLICT, STAGE, text)
        .hint("give the full name of the machine whose account it is, or remove or rename the object"))
}

/// Fails with the first other object of the domain that has a name of the account.
async fn refuse_others(directory: &mut Connection, account: &Account) -> Result<(), Failure> {
    let names: Vec<(&str, String)> = std::iter::once(("sAMAccountName", account.sam()))
        .chain(account.spns().into_iter().map(|spn| (SPN, spn)))
        .collect();
    let filter: String =
        names.iter().map(|(name, value)| format!("({name}={})", ldap_escape(value.as_str()))).collect();
    let found =
        directory.search(account.domain(), Scope::Subtree, &format!("(|{filter})"), &["sAMAccountName", SPN]).await?;
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
    let attributes = ["objectClass", "sAMAccountName", HOST, CONTROL, "msDS-SupportedEncryptionTypes", SPN];
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
    // Other flags are the administrators' own.
    let control = (control(entry)? & !DISABLED) | WORKSTATION | if disabled { DISABLED } else { 0 };
    let wanted = account.with_control(control).into_iter().filter(|(name, _)| !matches!(*name, "objectClass" | "cn"));
    let set = |values: &[String]| values.iter().map(|value| value.to_lowercase()).collect::<BTreeSet<_>>();
    Ok(wanted.filter(|(name, want)| set(want) != set(values(entry, name))).map(attribute).collect())
}

/// Flags of an account.
fn control(entry: &SearchEntry) -> Result<u32, Failure> {
    let text = values(entry, CONTROL).first().map_or("0", String::as_str);
    let unreadable = |_| Failure::new(ErrorCode::DIRECTORY, STAGE, format!("{CONTROL} of {} is {text:?}", entry.dn));
    text.parse().map_err(unreadable)
}

/// Active Directory counts the passwords; other directories do not say.
async fn key_version(directory: &mut Connection, account: &Account) -> Result<Option<u32>, Failure> {
    let found = directory.search(&account.dn(), Scope::Base, "(objectClass=*)", &[KEY_VERSION]).await?;
    Ok(found.first().and_then(|entry| values(entry, KEY_VERSION).first()?.parse().ok()))
}

fn password(password: &Secret<String>) -> Attribute {
    (PASSWORD.into(), HashSet::from([quoted(password)]))
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
