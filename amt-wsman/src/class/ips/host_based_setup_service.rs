//! `IPS_HostBasedSetupService` (`spec/wsman.md` §3.3).

use super::super::Class;
use crate::class::class;
use crate::digest::credential_md5;
use crate::op::Request;
use amt_core::Secret;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fmt::Write;

class! {
    /// Setup from the host, and the control mode. One instance.
    HostBasedSetupService = "IPS_HostBasedSetupService" {
        /// [`NONE`](Self::NONE), [`CLIENT`](Self::CLIENT) or [`ADMIN`](Self::ADMIN).
        current_control_mode: u32 = "CurrentControlMode",
        /// Modes that the host may set up.
        allowed_control_modes: Vec<u32> = "AllowedControlModes",
        /// 0 not started, 1 in progress, 2 complete.
        cert_chain_status: Option<u32> = "CertChainStatus",
        /// Nonce to be signed, base64 of 20 bytes.
        configuration_nonce: Option<String> = "ConfigurationNonce",
    }
}

impl HostBasedSetupService {
    /// Not set up.
    pub const NONE: u32 = 0;
    /// Client control mode.
    pub const CLIENT: u32 = 1;
    /// Admin control mode.
    pub const ADMIN: u32 = 2;

    /// The nonce's bytes, if there are any.
    pub fn nonce(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.configuration_nonce.as_deref()?).ok()
    }

    /// Sets the machine up in client control mode. Never to be repeated blindly.
    pub fn setup(realm: &str, password: &Secret<String>) -> Request {
        with_password("Setup", realm, password)
    }

    /// Sets the machine up in admin control mode; the chain was given before. Never to be repeated blindly. `nonce` is ours,
    /// 20 bytes; `signature` is over the firmware's nonce and then ours: RSA PKCS#1 v1.5 with SHA-256, by the chain's leaf.
    pub fn admin_setup(realm: &str, password: &Secret<String>, nonce: &[u8], signature: &[u8]) -> Request {
        signed(with_password("AdminSetup", realm, password), nonce, signature)
    }

    /// From client to admin control mode; asked as the administrator. Never to be repeated blindly. Arguments as for
    /// [`admin_setup`](Self::admin_setup).
    pub fn upgrade_client_to_admin(nonce: &[u8], signature: &[u8]) -> Request {
        signed(invoke("UpgradeClientToAdmin"), nonce, signature)
    }

    /// Gives the next certificate (DER) of the chain, leaf first.
    pub fn add_next_cert_in_chain(certificate: &[u8], is_leaf: bool, is_root: bool) -> Request {
        invoke("AddNextCertInChain")
            .arg("NextCertificate", BASE64_STANDARD.encode(certificate))
            .arg("IsLeafCertificate", is_leaf)
            .arg("IsRootCertificate", is_root)
    }
}

/// MD5 of user, realm and password; the only one that there is.
const ENCRYPTION_TYPE: u32 = 2;
/// RSA with SHA-256; the only one that there is.
const SIGNING_ALGORITHM: u32 = 2;
/// The account of the administrator.
const ADMIN: &str = "admin";

/// The password goes as lower-case hex of MD5(admin:realm:password), other than in `SetAdminAclEntryEx`.
fn with_password(method: &str, realm: &str, password: &Secret<String>) -> Request {
    let mut hex = String::with_capacity(32);
    for byte in credential_md5(ADMIN, realm, password).expose() {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    let digest = Secret::new(hex);
    invoke(method).arg("NetAdminPassEncryptionType", ENCRYPTION_TYPE).secret_arg("NetworkAdminPassword", &digest)
}

fn signed(request: Request, nonce: &[u8], signature: &[u8]) -> Request {
    request
        .arg("McNonce", BASE64_STANDARD.encode(nonce))
        .arg("SigningAlgorithm", SIGNING_ALGORITHM)
        .arg("DigitalSignature", BASE64_STANDARD.encode(signature))
}

fn invoke(method: &str) -> Request {
    Request::invoke(HostBasedSetupService::NAME, method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn the_password_is_sent_as_hex() {
        let request = HostBasedSetupService::setup("Digest:A", &"P@ssw0rd".into());
        let body = &Envelope::decode(&request.encode(1)).unwrap().body[0];
        assert_eq!(body.name, "Setup_INPUT");
        assert_eq!(body.child("NetAdminPassEncryptionType").unwrap().text, "2");
        // md5("admin:Digest:A:P@ssw0rd"), computed elsewhere.
        assert_eq!(body.child("NetworkAdminPassword").unwrap().text, "530a129cd3943b14d1fce12c44bdcf6e");
    }

    #[test]
    fn certificates_say_where_in_the_chain_they_are() {
        let request = HostBasedSetupService::add_next_cert_in_chain(&[0x30, 0], true, false);
        let body = &Envelope::decode(&request.encode(1)).unwrap().body[0];
        let text = |name| body.child(name).unwrap().text.clone();
        assert_eq!(
            (text("NextCertificate"), text("IsLeafCertificate"), text("IsRootCertificate")),
            ("MAA=".into(), "true".into(), "false".into())
        );
    }
}
