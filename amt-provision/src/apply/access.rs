//! `access`: the list of users (`spec/wsman.md` §3.2).

use super::{Run, refused};
use crate::profile::desired::binary_sid;
use crate::profile::{Realm, User};
use crate::step::Step;
use amt_core::{Failure, Secret};
use amt_wsman::digest::credential_md5;
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const CLASS: &str = "AMT_AuthorizationService";
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
                    let request = Request::invoke(CLASS, "RemoveUserAclEntry").arg("Handle", entry.handle);
                    self.write(&request).await.map_err(|error| refused("access.remove_others", error))?;
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
            Some(_) => self.password_differs(&secret, &remembered)?,
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
        let request = match entry {
            None => Request::invoke(CLASS, "AddUserAclEntryEx"),
            Some(entry) => Request::invoke(CLASS, "UpdateUserAclEntryEx").arg("Handle", entry.handle),
        };
        let mut request = match &user.name {
            Some(name) => {
                let password = self.desired.secret(&secret)?;
                let digest = Secret::new(STANDARD.encode(credential_md5(name, &self.realm, password).expose()));
                request.arg("DigestUsername", name.as_str()).secret_arg("DigestPassword", &digest)
            }
            None => request.arg("KerberosUserSid", key),
        };
        request = request.arg("AccessPermission", user.from.number());
        for realm in &realms {
            request = request.arg("Realms", *realm);
        }
        self.write(&request).await.map_err(|error| refused(at, error))?;
        if user.name.is_some() {
            let password = self.desired.secret(&secret)?.clone();
            self.record.written(&remembered, &password);
            self.keep().await?;
        }
        Ok(())
    }

    fn password_differs(&self, secret: &str, remembered: &str) -> Result<bool, Failure> {
        Ok(self.mode != super::Pass::Verify && !self.record.has(remembered, self.desired.secret(secret)?))
    }

    /// All users of the machine.
    async fn entries(&mut self) -> Result<Vec<Entry>, Failure> {
        let mut handles: Vec<u32> = Vec::new();
        loop {
            let start = u32::try_from(handles.len() + 1).unwrap_or(u32::MAX);
            let request = Request::invoke(CLASS, "EnumerateUserAclEntries").arg("StartIndex", start);
            let reply = self.session.call(Step::Configure, &request).await?;
            let output = reply.output().map_err(|error| error.failure(Step::Configure.name()))?;
            let page: Vec<u32> = output.texts("Handles").into_iter().filter_map(|text| text.parse().ok()).collect();
            let total = output.u32("TotalCount").and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
            let end = page.is_empty();
            handles.extend(page);
            if end || handles.len() >= total.min(MAX_HANDLES) {
                break;
            }
        }
        let mut entries = Vec::with_capacity(handles.len());
        for handle in handles {
            let request = Request::invoke(CLASS, "GetUserAclEntryEx").arg("Handle", handle);
            let reply = self.session.call(Step::Configure, &request).await?;
            let output = reply.output().map_err(|error| error.failure(Step::Configure.name()))?;
            entries.push(entry(handle, output));
        }
        Ok(entries)
    }
}

fn entry(handle: u32, output: &Instance) -> Entry {
    let key = output.text("DigestUsername").filter(|name| !name.is_empty()).or(output.text("KerberosUserSid"));
    let mut realms: Vec<u32> = output.texts("Realms").into_iter().filter_map(|text| text.parse().ok()).collect();
    realms.sort_unstable();
    Entry {
        handle,
        key: key.unwrap_or_default().to_owned(),
        from: output.u32("AccessPermission").unwrap_or_default(),
        realms,
    }
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
