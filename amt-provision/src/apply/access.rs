//! `access`: the list of users (`spec/wsman.md` §3.2).

use super::{Run, refused};
use crate::profile::{Realm, User};
use crate::step::Step;
use amt_core::Failure;
use amt_core::id::binary_sid;
use amt_wsman::class::amt::{AclEntry, AclPrincipal, AuthorizationService};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Handles asked for at most: far more than any firmware keeps.
const MAX_HANDLES: usize = 256;

/// A user as the machine has it.
struct Entry {
    handle: u32,
    /// Name, or base64 of the binary security identifier.
    key: String,
    from: u32,
    realms: Vec<u32>,
}

impl Run {
    pub(super) async fn access_list(&mut self) -> Result<(), Failure> {
        let Some(access) = self.profile().access.clone() else { return Ok(()) };
        let Some(users) = access.users else { return Ok(()) };
        let entries = self.entries().await?;
        for (index, user) in users.iter().enumerate() {
            let key = key(user);
            let entry = entries.iter().find(|entry| entry.key == key);
            self.user(&format!("access.users[{index}]"), user, &key, entry).await?;
        }
        if access.remove_others == Some(true) {
            let listed: Vec<String> = users.iter().map(key).collect();
            for entry in entries.iter().filter(|entry| !entry.key.starts_with("$$") && !listed.contains(&entry.key)) {
                if self.change("access.remove_others", &entry.key, "") {
                    let request = AuthorizationService::remove_user_acl_entry(entry.handle);
                    self.write(request).await.map_err(|error| refused("access.remove_others", error))?;
                    self.record.forget(&secret_name(&entry.key));
                }
            }
        }
        Ok(())
    }

    async fn user(&mut self, at: &str, user: &User, key: &str, entry: Option<&Entry>) -> Result<(), Failure> {
        let mut realms: Vec<u32> = user.realms.iter().map(|realm| realm.number()).collect();
        realms.sort_unstable();
        realms.dedup();
        let (secret, remembered) = (format!("{at}.password"), secret_name(key));
        let new_password = match &user.name {
            Some(_) => self.secret_differs(&secret, &remembered)?,
            None => false,
        };
        let mut write = false;
        match entry {
            None => write |= self.change(at, "", describe(user.from.number(), &realms)),
            Some(entry) => {
                let (has, wanted) = (describe(entry.from, &entry.realms), describe(user.from.number(), &realms));
                if has != wanted {
                    write |= self.change(at, has, wanted);
                }
                if new_password {
                    write |= self.change(&secret, "(not known)", "(secret)");
                }
            }
        }
        if !write {
            return Ok(());
        }
        let principal = match (&user.name, user.sid.as_ref().and_then(|sid| binary_sid(sid))) {
            (None, Some(sid)) => AclPrincipal::Kerberos { sid },
            (name, _) => {
                let name = name.clone().unwrap_or_default();
                AclPrincipal::Digest { name, password: self.desired.secret(&secret)?.clone() }
            }
        };
        let wanted = AclEntry { principal, access: user.from.number(), realms };
        let request = match entry {
            None => AuthorizationService::add_user_acl_entry(&wanted, &self.realm),
            Some(entry) => AuthorizationService::update_user_acl_entry(entry.handle, &wanted, &self.realm),
        };
        self.write(request).await.map_err(|error| refused(at, error))?;
        if user.name.is_some() {
            self.secret_written(&secret, &remembered).await?;
        }
        Ok(())
    }

    /// All users of the machine.
    async fn entries(&mut self) -> Result<Vec<Entry>, Failure> {
        let bad = |error: amt_wsman::Error| error.failure(Step::Configure.name());
        let mut handles: Vec<u32> = Vec::new();
        loop {
            let start = u32::try_from(handles.len() + 1).unwrap_or(u32::MAX);
            let request = AuthorizationService::enumerate_user_acl_entries(start);
            let reply = self.session.call(Step::Configure, &request).await?;
            let (total, page) = AuthorizationService::handles(&reply).map_err(bad)?;
            let (end, total) = (page.is_empty(), usize::try_from(total).unwrap_or(usize::MAX));
            handles.extend(page);
            if end || handles.len() >= total.min(MAX_HANDLES) {
                break;
            }
        }
        let mut entries = Vec::with_capacity(handles.len());
        for handle in handles {
            let reply = self.session.call(Step::Configure, &AuthorizationService::get_user_acl_entry(handle)).await?;
            entries.push(entry(handle, AuthorizationService::user(&reply).map_err(bad)?));
        }
        Ok(entries)
    }
}

fn entry(handle: u32, user: AclEntry) -> Entry {
    let AclEntry { principal, access: from, mut realms } = user;
    let key = match principal {
        AclPrincipal::Digest { name, .. } => name,
        AclPrincipal::Kerberos { sid } => STANDARD.encode(sid),
    };
    realms.sort_unstable();
    Entry { handle, key, from, realms }
}

/// What tells users apart on the machine.
fn key(user: &User) -> String {
    let sid = user.sid.as_ref().and_then(|sid| binary_sid(sid)).map(|sid| STANDARD.encode(sid));
    user.name.clone().or(sid).unwrap_or_default()
}

/// Under which name the record keeps the digest of a user's password: the place in the list may change.
fn secret_name(key: &str) -> String {
    format!("access.user {key}")
}

fn describe(from: u32, realms: &[u32]) -> String {
    let from = match from {
        0 => "local".to_owned(),
        1 => "network".to_owned(),
        2 => "any".to_owned(),
        other => other.to_string(),
    };
    let word = |number: &u32| {
        Realm::from_number(*number)
            .and_then(|realm| serde_json::to_value(realm).ok())
            .and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_else(|| number.to_string())
    };
    format!("from {from}: {}", realms.iter().map(word).collect::<Vec<_>>().join(", "))
}
