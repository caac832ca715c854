//! 802.1X of the wired port (`spec/wsman.md` §3.7): `IPS_IEEE8021xSettings`, or `AMT_8021XProfile` on older firmware. A
//! machine has one of the two.

use super::certificate::{CERTIFICATE, certificate_id};
use super::refusal::{Refusal, answer};
use super::{Call, Class, Fields, Instance, Output, eap};
use crate::firmware::device::Device;
use crate::firmware::eap::{Eap, FAST_TLS, OFF, WITH_CERTIFICATES, WITHOUT_CERTIFICATES, WiredEap};
use crate::firmware::soap::{Fault, reference};
use crate::persona::{Persona, WiredClass};
use amt_core::Tick;
use amt_core::status::PtStatus;

const SETTINGS: &str = "IPS_IEEE8021xSettings";
const CONTEXT: &str = "IPS_8021xCredentialContext";
const PROFILE: &str = "AMT_8021XProfile";
const SETTINGS_ID: &str = "Intel(r) AMT: 8021X Settings";
const PROFILE_ID: &str = "Intel(r) AMT 802.1x Profile 0";
const PROFILE_NAME: &str = "Intel(r) AMT 802.1x Profile";

/// EAP-FAST with TLS, as the older class counts.
const OLD_FAST_TLS: u32 = 6;
const MAX_PXE_TIMEOUT: u32 = 86_400;

pub(super) const CLASSES: &[Class] = &[
    Class {
        present: newer,
        put: Some(put),
        methods: &[("SetCertificates", set_certificates)],
        ..Class::read(SETTINGS, &["InstanceID"], list)
    },
    Class { present: newer, ..Class::read(CONTEXT, &["ElementInContext", "ElementProvidingContext"], list_contexts) },
    Class { present: older, put: Some(put_profile), ..Class::read(PROFILE, &["InstanceID"], list_profile) },
];

fn newer(persona: &Persona) -> bool {
    persona.ieee8021x.class == WiredClass::Settings
}

fn older(persona: &Persona) -> bool {
    persona.ieee8021x.class == WiredClass::Profile
}

/// What both classes tell; `number` is how the class counts the protocol.
fn told(class: &str, wired: &WiredEap, number: u32, fixed: &[(&'static str, String)]) -> Instance {
    let mut all = fixed.to_vec();
    all.push(("PxeTimeout", wired.pxe_timeout.to_string()));
    for (name, text) in wired.eap.iter().flat_map(Eap::told) {
        all.push((name, if name == "AuthenticationProtocol" { number.to_string() } else { text }));
    }
    all.sort();
    let mut instance = Instance::new(class);
    for (name, text) in all {
        instance.push(name, text);
    }
    instance
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let wired = &device.wired_eap;
    let fixed = [
        ("AvailableInS0", wired.in_s0.to_string()),
        ("ElementName", SETTINGS_ID.to_owned()),
        ("Enabled", wired.enabled.to_string()),
        ("InstanceID", SETTINGS_ID.to_owned()),
    ];
    vec![told(SETTINGS, wired, wired.eap.as_ref().map_or(0, |eap| eap.protocol), &fixed)]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let own = ["AvailableInS0", "ElementName", "Enabled", "InstanceID", "PxeTimeout"];
    fields.only(&[&own, eap::PROPERTIES].concat())?;
    fields.unchanged(current, &["ElementName"])?;
    let enabled =
        fields.number("Enabled", WITH_CERTIFICATES..=WITHOUT_CERTIFICATES)?.ok_or_else(Fault::missing_values)?;
    let in_s0 = fields.bool("AvailableInS0")?.unwrap_or(device.wired_eap.in_s0);
    let pxe_timeout = fields.number("PxeTimeout", 0..=MAX_PXE_TIMEOUT)?.unwrap_or(device.wired_eap.pxe_timeout);
    let eap = match enabled {
        OFF => none(&fields)?,
        WITH_CERTIFICATES | WITHOUT_CERTIFICATES => {
            let protocol = fields.number("AuthenticationProtocol", 0..=FAST_TLS)?.ok_or_else(Fault::missing_values)?;
            let old = device.wired_eap.eap.as_ref();
            let mut eap = eap::read(&call.input, protocol, old)?;
            if enabled == WITHOUT_CERTIFICATES && eap.by_certificate() {
                return Err(Fault::invalid_values());
            }
            // Certificates come by SetCertificates, and stay as long as they are meant to be used.
            if let (WITH_CERTIFICATES, Some(old)) = (enabled, old) {
                (eap.client, eap.root) = (old.client, old.root);
            }
            Some(eap)
        }
        _ => return Err(Fault::invalid_values()),
    };
    device.wired_eap = WiredEap { enabled, in_s0, pxe_timeout, eap };
    Ok(())
}

/// Of settings that are switched off there are no credentials.
fn none(fields: &Fields<'_>) -> Result<Option<Eap>, Fault> {
    let some = eap::PROPERTIES.iter().any(|name| fields.text(name).is_some_and(|text| !text.is_empty()));
    if some { Err(Fault::invalid_values()) } else { Ok(None) }
}

fn set_certificates(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    answer(certificates(device, call))
}

fn certificates(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let root = eap::root(device, call, "ServerCertificateIssuer")?;
    let client = eap::client(device, call, "ClientCertificate")?;
    let enabled = device.wired_eap.enabled;
    let Some(eap) = device.wired_eap.eap.as_mut().filter(|_| enabled == WITH_CERTIFICATES) else {
        return Err(PtStatus::INVALID_PARAMETER.into());
    };
    if root.is_none() && client.is_none() {
        return Err(Fault::missing_values().into());
    }
    if eap.by_certificate() && client.is_none() {
        return Err(PtStatus::INVALID_CREDENTIALS.into());
    }
    (eap.client, eap.root) = (client, root);
    Ok(Output::ok())
}

fn list_contexts(device: &Device, _: Tick) -> Vec<Instance> {
    let handles = device.wired_eap.eap.iter().flat_map(|eap| [eap.client, eap.root]).flatten();
    handles
        .map(|handle| {
            let mut context = Instance::new(CONTEXT);
            let id = certificate_id(handle);
            context.push("ElementInContext", reference(CERTIFICATE, &[("InstanceID", &id)]));
            context.push("ElementProvidingContext", reference(SETTINGS, &[("InstanceID", SETTINGS_ID)]));
            context
        })
        .collect()
}

fn list_profile(device: &Device, _: Tick) -> Vec<Instance> {
    let wired = &device.wired_eap;
    let fixed = [
        ("ActiveInS0", wired.in_s0.to_string()),
        ("ElementName", PROFILE_NAME.to_owned()),
        ("Enabled", (wired.enabled != OFF).to_string()),
        ("InstanceID", PROFILE_ID.to_owned()),
    ];
    let number = wired.eap.as_ref().map_or(0, |eap| eap.protocol);
    let mut profile = told(PROFILE, wired, if number == FAST_TLS { OLD_FAST_TLS } else { number }, &fixed);
    if let Some(eap) = &wired.eap {
        for (name, handle) in [("ClientCertificate", eap.client), ("ServerCertificateIssuer", eap.root)] {
            if let Some(handle) = handle {
                profile.push(name, reference(CERTIFICATE, &[("InstanceID", &certificate_id(handle))]));
            }
        }
    }
    vec![profile]
}

/// The older class takes certificates along with everything else.
fn put_profile(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let own = [
        "ActiveInS0",
        "ClientCertificate",
        "ElementName",
        "Enabled",
        "InstanceID",
        "PxeTimeout",
        "ServerCertificateIssuer",
    ];
    fields.only(&[&own, eap::PROPERTIES].concat())?;
    fields.unchanged(current, &["ElementName"])?;
    let enabled = fields.need_bool("Enabled")?;
    let in_s0 = fields.bool("ActiveInS0")?.unwrap_or(device.wired_eap.in_s0);
    let pxe_timeout = fields.number("PxeTimeout", 0..=MAX_PXE_TIMEOUT)?.unwrap_or(device.wired_eap.pxe_timeout);
    let client = eap::client(device, call, "ClientCertificate").map_err(Refusal::into_fault)?;
    let root = eap::root(device, call, "ServerCertificateIssuer").map_err(Refusal::into_fault)?;
    let eap = if enabled {
        let protocol =
            match fields.number("AuthenticationProtocol", 0..=OLD_FAST_TLS)?.ok_or_else(Fault::missing_values)? {
                OLD_FAST_TLS => FAST_TLS,
                number => number,
            };
        let mut eap = eap::read(&call.input, protocol, device.wired_eap.eap.as_ref())?;
        if eap.by_certificate() && client.is_none() {
            return Err(Fault::missing_values());
        }
        (eap.client, eap.root) = (client, root);
        Some(eap)
    } else {
        if client.is_some() || root.is_some() {
            return Err(Fault::invalid_values());
        }
        none(&fields)?
    };
    let enabled = if enabled { WITH_CERTIFICATES } else { OFF };
    device.wired_eap = WiredEap { enabled, in_s0, pxe_timeout, eap };
    Ok(())
}
