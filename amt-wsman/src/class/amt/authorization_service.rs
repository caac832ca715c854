//! `AMT_AuthorizationService` (`spec/wsman.md` §3.2).

use super::super::Class;
use crate::class::class;
use crate::digest::credential_md5;
use crate::op::Request;
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

    /// Asks for the administrator's user name.
    pub fn get_admin_acl_entry() -> Request {
        invoke("GetAdminAclEntry")
    }

    /// Asks whether the administrator still has the factory password (`IsDefault`).
    pub fn get_admin_acl_entry_status() -> Request {
        invoke("GetAdminAclEntryStatus")
    }
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
}
