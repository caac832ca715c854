//! How 802.1X settings are read, and the certificates that go with them (`spec/wsman.md` §3.7).

use super::certificate::{CERTIFICATE, certificate_handle};
use super::refusal::Refusal;
use super::{Call, Fields, Instance};
use crate::firmware::device::Device;
use crate::firmware::eap::Eap;
use crate::firmware::soap::Fault;
use amt_core::Secret;
use amt_core::status::PtStatus;

/// Properties of the settings beside the keys of their class.
pub(super) const PROPERTIES: &[&str] = &[
    "AuthenticationProtocol",
    "Domain",
    "Password",
    "RoamingIdentity",
    "ServerCertificateName",
    "ServerCertificateNameComparison",
    "Username",
];

/// Reads the settings; protocol and certificates come by themselves. A password cannot be read, and so not put back: it
/// stays where protocol and user of `old` do.
pub(super) fn read(input: &Instance, protocol: u32, old: Option<&Eap>) -> Result<Eap, Fault> {
    let fields = Fields(input);
    let text = |name: &str, most: usize| match fields.text(name) {
        None | Some("") => Ok(None),
        Some(text) if text.len() <= most => Ok(Some(text.to_owned())),
        Some(_) => Err(Fault::invalid_values()),
    };
    let mut eap = Eap {
        protocol,
        username: text("Username", 128)?,
        password: text("Password", 32)?.map(Secret::new),
        domain: text("Domain", 255)?,
        roaming_identity: text("RoamingIdentity", 80)?,
        server_name: text("ServerCertificateName", 80)?,
        comparison: fields.number("ServerCertificateNameComparison", 2..=3)?,
        client: None,
        root: None,
    };
    if let (None, Some(old)) = (&eap.password, old)
        && old.protocol == eap.protocol
        && old.username == eap.username
    {
        eap.password.clone_from(&old.password);
    }
    // Nothing is tunnelled without a user who can be told from others.
    if !eap.by_certificate() && (eap.username.is_none() || eap.password.is_none()) {
        return Err(Fault::missing_values());
    }
    if eap.server_name.is_none() && eap.comparison.is_some() {
        return Err(Fault::invalid_values());
    }
    Ok(eap)
}

/// A certificate with its key, as an argument.
pub(super) fn client(device: &Device, call: &Call<'_>, name: &str) -> Result<Option<u32>, Refusal> {
    let Some(handle) = handle(device, call, name)? else { return Ok(None) };
    match device.certificate(handle) {
        Some(found) if found.key.is_some() && !found.trusted_root => Ok(Some(handle)),
        _ => Err(PtStatus::INVALID_CREDENTIALS.into()),
    }
}

/// A trusted root, as an argument.
pub(super) fn root(device: &Device, call: &Call<'_>, name: &str) -> Result<Option<u32>, Refusal> {
    let Some(handle) = handle(device, call, name)? else { return Ok(None) };
    match device.certificate(handle) {
        Some(found) if found.trusted_root => Ok(Some(handle)),
        _ => Err(PtStatus::INVALID_CREDENTIALS.into()),
    }
}

fn handle(device: &Device, call: &Call<'_>, name: &str) -> Result<Option<u32>, Refusal> {
    if call.input.value(name).is_none() {
        return Ok(None);
    }
    let reference = call.input.reference(name).ok_or_else(Fault::invalid_values)?;
    let id = (reference.class() == Some(CERTIFICATE)).then(|| reference.selector("InstanceID")).flatten();
    let handle = id.and_then(certificate_handle).filter(|handle| device.certificate(*handle).is_some());
    handle.map(Some).ok_or_else(|| PtStatus::INVALID_HANDLE.into())
}
