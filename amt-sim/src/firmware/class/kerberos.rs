//! `AMT_KerberosSettingData` (`spec/wsman.md` §1.5).

use super::{Call, Class, Fields, Instance};
use crate::firmware::device::Device;
use crate::firmware::kerberos::{Kerberos, KerberosKey, MAX_TOLERANCE, RC4};
use crate::firmware::soap::Fault;
use amt_core::{Secret, Tick};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CLASS: &str = "AMT_KerberosSettingData";
const MAX_TEXT: usize = 255;
/// Bytes of a key of RC4-HMAC.
const MASTER_KEY: usize = 16;

const PROPERTIES: &[&str] = &[
    "ElementName",
    "EncryptionAlgorithm",
    "InstanceID",
    "KeyVersion",
    "KrbEnabled",
    "MasterKey",
    "MaximumClockTolerance",
    "RealmName",
    "ServicePrincipalName",
    "ServicePrincipalProtocol",
];
/// Since the firmware knows AES.
const LATER: &[&str] =
    &["ConfiguredEncryptionAlgorithms", "IterationCount", "Passphrase", "Salt", "SupportedEncryptionAlgorithms"];

pub(super) const CLASSES: &[Class] = &[Class { put: Some(put), ..Class::read(CLASS, &["InstanceID"], list) }];

fn knows_aes(device: &Device) -> bool {
    device.config.persona.version.major >= 8
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let mut told = Instance::new(CLASS);
    let kerberos = device.switches.kerberos.as_ref();
    if let Some(kerberos) = kerberos.filter(|_| knows_aes(device)) {
        kerberos.algorithms.iter().for_each(|number| told.push("ConfiguredEncryptionAlgorithms", *number));
    }
    told.push("ElementName", "Intel(r) AMT: Kerberos Settings");
    if kerberos.is_some() {
        told.push("EncryptionAlgorithm", RC4);
    }
    // The blank is the firmware's.
    told.push("InstanceID", "Intel (r) AMT: Kerberos Settings");
    if let Some(kerberos) = kerberos {
        told.push("KeyVersion", kerberos.key_version);
    }
    told.push("KrbEnabled", kerberos.is_some());
    if let Some(kerberos) = kerberos {
        told.push("MaximumClockTolerance", kerberos.tolerance);
        told.push("RealmName", kerberos.realm.as_str());
    }
    if knows_aes(device) {
        (0..3_u32).for_each(|number| told.push("SupportedEncryptionAlgorithms", number));
    }
    vec![told]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    if knows_aes(device) {
        fields.only(&[PROPERTIES, LATER].concat())?;
    } else {
        fields.only(PROPERTIES)?;
    }
    fields.unchanged(current, &["ElementName"])?;
    if call.input.texts("SupportedEncryptionAlgorithms").iter().any(|number| !matches!(*number, "0" | "1" | "2")) {
        return Err(Fault::invalid_values());
    }
    // The names of the service are the firmware's own affair, whatever is sent.
    device.switches.kerberos = if fields.need_bool("KrbEnabled")? { Some(read(device, call)?) } else { None };
    Ok(())
}

fn read(device: &Device, call: &Call<'_>) -> Result<Kerberos, Fault> {
    let fields = Fields(&call.input);
    let text = |name: &str| match fields.text(name) {
        None | Some("") => Ok(None),
        Some(text) if text.len() <= MAX_TEXT => Ok(Some(text.to_owned())),
        Some(_) => Err(Fault::invalid_values()),
    };
    let realm = text("RealmName")?.ok_or_else(Fault::missing_values)?;
    let key_version = fields.number("KeyVersion", 0..=u32::MAX)?.ok_or_else(Fault::missing_values)?;
    let tolerance = fields.number("MaximumClockTolerance", 1..=MAX_TOLERANCE)?.unwrap_or(MAX_TOLERANCE);
    fields.number("EncryptionAlgorithm", RC4..=RC4)?;
    let algorithms: Option<Vec<u32>> =
        call.input.texts("ConfiguredEncryptionAlgorithms").iter().map(|text| text.parse().ok()).collect();
    let algorithms = algorithms.filter(|list| list.iter().all(|number| *number <= 2));
    let mut algorithms = algorithms.ok_or_else(Fault::invalid_values)?;
    if algorithms.is_empty() {
        algorithms.push(RC4);
    }
    let key = match (text("MasterKey")?, text("Passphrase")?) {
        (Some(_), Some(_)) => return Err(Fault::invalid_values()),
        (Some(master), None) => {
            let key = STANDARD.decode(master).ok().filter(|key| key.len() == MASTER_KEY);
            KerberosKey::Master(Secret::new(key.ok_or_else(Fault::invalid_values)?))
        }
        (None, Some(passphrase)) => KerberosKey::Passphrase {
            passphrase: Secret::new(passphrase),
            salt: text("Salt")?.ok_or_else(Fault::missing_values)?,
            iterations: fields.number("IterationCount", 1..=u32::MAX)?.ok_or_else(Fault::missing_values)?,
        },
        // A key cannot be read, and so not put back: what it was made for must be the same.
        (None, None) => {
            let old = device.switches.kerberos.as_ref();
            let same = old.filter(|old| old.realm == realm && old.key_version == key_version);
            same.map(|old| old.key.clone()).ok_or_else(Fault::missing_values)?
        }
    };
    // The key of RC4-HMAC is none of AES.
    if matches!(key, KerberosKey::Master(_)) && algorithms.iter().any(|number| *number != RC4) {
        return Err(Fault::invalid_values());
    }
    Ok(Kerberos { realm, key_version, key, algorithms, tolerance })
}
