//! The calls of remote configuration (`spec/wsman.md` §3.2, §3.4, §3.8).

use amt_core::Secret;
use amt_wsman::op::Request;
use amt_wsman::soap::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Setup itself.
pub(crate) const SETUP: &str = "AMT_SetupAndConfigurationService";
const AUTHORIZATION: &str = "AMT_AuthorizationService";
const TIME: &str = "AMT_TimeSynchronizationService";
const KEYS: &str = "AMT_PublicKeyManagementService";

pub(crate) fn get_uuid() -> Request {
    Request::invoke(SETUP, "GetUuid")
}

/// `hours` 1 to 24; 0 closes the setup window.
pub(crate) fn extend_provisioning_period(hours: u32) -> Request {
    Request::invoke(SETUP, "ExtendProvisioningPeriod").arg("Duration", hours.to_string())
}

pub(crate) fn set_mebx_password(password: &Secret<String>) -> Request {
    Request::invoke(SETUP, "SetMEBxPassword").secret_arg("Password", password)
}

pub(crate) fn commit_changes() -> Request {
    Request::invoke(SETUP, "CommitChanges")
}

/// `digest` is the raw hash: base64 of its 16 bytes travels, not its hexadecimal form.
pub(crate) fn set_admin_acl_entry_ex(user: &str, digest: &[u8; 16]) -> Request {
    Request::invoke(AUTHORIZATION, "SetAdminAclEntryEx")
        .arg("Username", user)
        .secret_arg("DigestPassword", &Secret::new(STANDARD.encode(digest)))
}

pub(crate) fn low_accuracy_time() -> Request {
    Request::invoke(TIME, "GetLowAccuracyTimeSynch")
}

/// `ta0` is the machine's own time; `tm1` ours on receiving it, `tm2` ours just before sending this.
pub(crate) fn high_accuracy_time(ta0: u32, tm1: u32, tm2: u32) -> Request {
    Request::invoke(TIME, "SetHighAccuracyTimeSynch")
        .arg("Ta0", ta0.to_string())
        .arg("Tm1", tm1.to_string())
        .arg("Tm2", tm2.to_string())
}

/// RSA, 2048 bits.
pub(crate) fn generate_key_pair() -> Request {
    Request::invoke(KEYS, "GenerateKeyPair").arg("KeyAlgorithm", "0").arg("KeyLength", "2048")
}

/// SHA-256 with RSA over a null-signed request.
pub(crate) fn generate_pkcs10_request_ex(key_pair: Reference, null_signed: &[u8]) -> Request {
    Request::invoke(KEYS, "GeneratePKCS10RequestEx")
        .arg("KeyPair", key_pair)
        .arg("SigningAlgorithm", "1")
        .arg("NullSignedCertificateRequest", STANDARD.encode(null_signed))
}

pub(crate) fn add_certificate(der: &[u8]) -> Request {
    Request::invoke(KEYS, "AddCertificate").arg("CertificateBlob", STANDARD.encode(der))
}

pub(crate) fn add_trusted_root_certificate(der: &[u8]) -> Request {
    Request::invoke(KEYS, "AddTrustedRootCertificate").arg("CertificateBlob", STANDARD.encode(der))
}
