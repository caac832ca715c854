//! `AMT_AuthorizationService` (`spec/wsman.md` §3.2).

use super::super::Class;
use crate::Error;
use crate::class::class;
use crate::digest::credential_md5;
use crate::instance::Instance;
use crate::op::{Reply, Request};
use amt_core::Secret;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// Who may log in. One instance. Every change resets the digest login of a connection.
    AuthorizationService = "AMT_AuthorizationService" {
        /// Name.
        name: Option<String> = "Name",
        /// 5 when not applicable.
        enabled_state: Option<u32> = "EnabledState",
        /// Whether digest without `auth-int` is accepted only.
        allow_http_qop_auth_only: Option<u32> = "AllowHttpQopAuthOnly",
    }
}

impl AuthorizationService {
    /// Sets user name and password of the administrator. The password itself is not sent: AMT takes
    /// base64(MD5(user:realm:password)), the sixteen raw bytes, so the realm must be the device's present one.
    pub fn set_admin_acl_entry(user: &str, realm: &str, password: &Secret<String>) -> Request {
        let digest = Secret::new(BASE64_STANDARD.encode(credential_md5(user, realm, password).expose()));
        invoke("SetAdminAclEntryEx").arg("Username", user).secret_arg("DigestPassword", &digest)
    }

    /// Adds a user. Not to be repeated blindly: look for the name first. [`handle`](Self::handle) reads the reply. 2058: there is
    /// such a user; 23: there is no room.
    pub fn add_user_acl_entry(entry: &AclEntry, realm: &str) -> Request {
        entry.arguments(invoke("AddUserAclEntryEx"), realm)
    }

    /// Replaces the entry of this handle; the password has to be given again.
    pub fn update_user_acl_entry(handle: u32, entry: &AclEntry, realm: &str) -> Request {
        entry.arguments(invoke("UpdateUserAclEntryEx").arg("Handle", handle), realm)
    }

    /// Removes a user; entries of the firmware's own (`$$`) stay (16).
    pub fn remove_user_acl_entry(handle: u32) -> Request {
        invoke("RemoveUserAclEntry").arg("Handle", handle)
    }

    /// Asks for a user; [`user`](Self::user) reads the reply.
    pub fn get_user_acl_entry(handle: u32) -> Request {
        invoke("GetUserAclEntryEx").arg("Handle", handle)
    }

    /// Asks for the handles of all users from the `start`th on, counted from 1; [`handles`](Self::handles) reads the reply.
    pub fn enumerate_user_acl_entries(start: u32) -> Request {
        invoke("EnumerateUserAclEntries").arg("StartIndex", start)
    }

    /// Switches a user on or off.
    pub fn set_acl_enabled_state(handle: u32, enabled: bool) -> Request {
        invoke("SetAclEnabledState").arg("Handle", handle).arg("Enabled", enabled)
    }

    /// Asks whether a user is switched on (`Enabled`).
    pub fn get_acl_enabled_state(handle: u32) -> Request {
        invoke("GetAclEnabledState").arg("Handle", handle)
    }

    /// Handle of the user that was added.
    pub fn handle(reply: &Reply) -> Result<u32, Error> {
        number(reply.output()?, "Handle")
    }

    /// How many users there are, and the handles that this reply tells.
    pub fn handles(reply: &Reply) -> Result<(u32, Vec<u32>), Error> {
        let output = reply.output()?;
        let handles: Option<Vec<u32>> = output.texts("Handles").iter().map(|text| text.parse().ok()).collect();
        Ok((number(output, "TotalCount")?, handles.ok_or_else(|| wrong(output, "Handles"))?))
    }

    /// The user of the reply, without a password: no device tells one.
    pub fn user(reply: &Reply) -> Result<AclEntry, Error> {
        let output = reply.output()?;
        let text = |name| output.text(name).filter(|text| !text.is_empty());
        let principal = match (text("DigestUsername"), text("KerberosUserSid")) {
            (Some(name), _) => AclPrincipal::Digest { name: name.to_owned(), password: Secret::new(String::new()) },
            (None, Some(_)) => AclPrincipal::Kerberos { sid: output.required_bytes("KerberosUserSid")? },
            (None, None) => return Err(wrong(output, "DigestUsername")),
        };
        let realms: Option<Vec<u32>> = output.texts("Realms").iter().map(|text| text.parse().ok()).collect();
        let realms = realms.ok_or_else(|| wrong(output, "Realms"))?;
        Ok(AclEntry { principal, access: number(output, "AccessPermission")?, realms })
    }

    /// Asks for the administrator's user name.
    pub fn get_admin_acl_entry() -> Request {
        invoke("GetAdminAclEntry")
    }

    /// Asks whether the administrator still has the factory password (`IsDefault`).
    pub fn get_admin_acl_entry_status() -> Request {
        invoke("GetAdminAclEntryStatus")
    }
}

/// Who an entry of the access control list is.
#[derive(Clone, Debug)]
pub enum AclPrincipal {
    /// A user of the device.
    Digest {
        /// At most 16 characters; `$$` begins names of the firmware's own.
        name: String,
        /// Password.
        password: Secret<String>,
    },
    /// A user or group of a domain.
    Kerberos {
        /// Binary SID: 1 to 28 bytes, a multiple of 4.
        sid: Vec<u8>,
    },
}

/// An entry of the access control list.
#[derive(Clone, Debug)]
pub struct AclEntry {
    /// Who.
    pub principal: AclPrincipal,
    /// 0 from the machine's own system, 1 from the network, 2 from both.
    pub access: u32,
    /// What for; 3 is everything.
    pub realms: Vec<u32>,
}

impl AclEntry {
    fn arguments(&self, request: Request, realm: &str) -> Request {
        let request = match &self.principal {
            AclPrincipal::Digest { name, password } => {
                let digest = Secret::new(BASE64_STANDARD.encode(credential_md5(name, realm, password).expose()));
                request.arg("DigestUsername", name).secret_arg("DigestPassword", &digest)
            }
            AclPrincipal::Kerberos { sid } => request.arg("KerberosUserSid", BASE64_STANDARD.encode(sid)),
        };
        let request = request.arg("AccessPermission", self.access);
        self.realms.iter().fold(request, |request, realm| request.arg("Realms", *realm))
    }
}

fn wrong(output: &Instance, property: &str) -> Error {
    Error::Property { class: output.class.clone(), property: property.to_owned(), what: "missing or no number" }
}

fn number(output: &Instance, property: &str) -> Result<u32, Error> {
    output.u32(property).ok_or_else(|| wrong(output, property))
}

fn invoke(method: &str) -> Request {
    Request::invoke(AuthorizationService::NAME, method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn the_password_is_sent_as_base64_of_the_raw_md5() {
        let request = AuthorizationService::set_admin_acl_entry("admin", "Digest:A", &"P@ssw0rd".into());
        let body = &Envelope::decode(&request.encode(1)).unwrap().body[0];
        assert_eq!(body.name, "SetAdminAclEntryEx_INPUT");
        assert_eq!(body.child("Username").unwrap().text, "admin");
        // base64 of md5("admin:Digest:A:P@ssw0rd"), computed elsewhere.
        assert_eq!(body.child("DigestPassword").unwrap().text, "UwoSnNOUOxTR/OEsRL3Pbg==");
    }

    #[test]
    fn realms_are_repeated_and_a_sid_is_base64() {
        let mut entry = AclEntry {
            principal: AclPrincipal::Digest { name: "admin".to_owned(), password: "P@ssw0rd".into() },
            access: 2,
            realms: vec![2, 13],
        };
        let body = |request: &Request| Envelope::decode(&request.encode(1)).unwrap().body[0].clone();
        let names =
            |request: &Request| body(request).children.into_iter().map(|c| (c.name, c.text)).collect::<Vec<_>>();
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let added = AuthorizationService::add_user_acl_entry(&entry, "Digest:A");
        assert_eq!(
            names(&added),
            [
                text("DigestUsername", "admin"),
                text("DigestPassword", "UwoSnNOUOxTR/OEsRL3Pbg=="),
                text("AccessPermission", "2"),
                text("Realms", "2"),
                text("Realms", "13")
            ]
        );
        assert!(!format!("{entry:?}{added:?}").contains("P@ssw0rd"));
        entry.principal = AclPrincipal::Kerberos { sid: vec![1, 5, 0, 0] };
        let updated = AuthorizationService::update_user_acl_entry(7, &entry, "Digest:A");
        assert_eq!(body(&updated).name, "UpdateUserAclEntryEx_INPUT");
        assert_eq!(names(&updated)[..2], [text("Handle", "7"), text("KerberosUserSid", "AQUAAA==")]);
    }
}
