//! `AMT_PublicKeyCertificate` (`spec/wsman.md` §3.8).

use super::{Call, Class, Instance, instance};
use crate::certificate::facts;
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const CERTIFICATE: &str = "AMT_PublicKeyCertificate";

pub(super) const CLASSES: &[Class] =
    &[Class { delete: Some(delete), ..Class::read(CERTIFICATE, &["InstanceID"], list) }];

pub(super) fn certificate_id(handle: u32) -> String {
    format!("Intel(r) AMT Certificate: Handle: {handle}")
}

pub(super) fn certificate_handle(id: &str) -> Option<u32> {
    id.strip_prefix("Intel(r) AMT Certificate: Handle: ")?.parse().ok()
}

/// `C=…,O=…,CN=…`: comma-separated without blanks, as the firmware prints names.
fn printed(name: &str) -> String {
    name.split(", ").collect::<Vec<_>>().join(",")
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let certificates = device.certificates.iter();
    certificates
        .map(|stored| {
            let facts = facts(&stored.der);
            let (issuer, subject) = facts.map(|f| (printed(&f.issuer), printed(&f.subject))).unwrap_or_default();
            instance(
                CERTIFICATE,
                &[
                    ("ElementName", "Intel(r) AMT Certificate"),
                    ("InstanceID", &certificate_id(stored.handle)),
                    ("Issuer", &issuer),
                    ("Subject", &subject),
                    // The misspelling is the firmware's.
                    ("TrustedRootCertficate", if stored.trusted_root { "true" } else { "false" }),
                    ("X509Certificate", &STANDARD.encode(&stored.der)),
                ],
            )
        })
        .collect()
}

fn delete(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let handle = current.text("InstanceID").and_then(certificate_handle).ok_or_else(Fault::no_instance)?;
    if device.certificate_in_use(handle) {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    device.certificates.retain(|c| c.handle != handle);
    Ok(())
}
