//! `AMT_PublicKeyManagementService` and the key pairs (`spec/wsman.md` §3.8).

use super::certificate::{CERTIFICATE, certificate_id};
use super::{Call, Class, Instance, Output, SERVICE, argument, instance, number, service};
use crate::certificate::{Facts, MAX_BLOB, RequestFault, facts, sign_request};
use crate::firmware::device::{Device, StoredKey};
use crate::firmware::soap::{Fault, reference};
use crate::keys::{DeviceKey, SignatureHash};
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const KEY_PAIR: &str = "AMT_PublicPrivateKeyPair";

pub(super) const CLASSES: &[Class] = &[
    Class {
        methods: &[
            ("AddCertificate", add_certificate),
            ("AddKey", add_key),
            ("AddTrustedRootCertificate", add_root),
            ("GenerateKeyPair", generate),
            ("GeneratePKCS10RequestEx", request),
        ],
        ..Class::read("AMT_PublicKeyManagementService", SERVICE, list)
    },
    Class { delete: Some(delete_key), ..Class::read(KEY_PAIR, &["InstanceID"], list_keys) },
];

fn list(_: &Device, _: Tick) -> Vec<Instance> {
    let name = "Intel(r) AMT Certificate Store Service";
    vec![service("AMT_PublicKeyManagementService", name, &[("EnabledState", "5"), ("RequestedState", "12")])]
}

fn key_id(handle: u32) -> String {
    format!("Intel(r) AMT Key: Handle: {handle}")
}

fn handle_of(id: &str) -> Option<u32> {
    id.strip_prefix("Intel(r) AMT Key: Handle: ")?.parse().ok()
}

fn list_keys(device: &Device, _: Tick) -> Vec<Instance> {
    let keys = device.keys.iter();
    keys.map(|key| {
        let public = STANDARD.encode(key.key.public_pkcs1());
        let id = key_id(key.handle);
        instance(KEY_PAIR, &[("DERKey", &public), ("ElementName", "Intel(r) AMT Key"), ("InstanceID", &id)])
    })
    .collect()
}

fn delete_key(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let handle = current.text("InstanceID").and_then(handle_of).ok_or_else(Fault::no_instance)?;
    if device.certificates.iter().any(|c| c.key == Some(handle)) {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    device.keys.retain(|k| k.handle != handle);
    Ok(())
}

/// Firmware before 6.0 makes no keys: the setup server makes one and uploads it.
fn makes_keys(device: &Device) -> Result<(), Fault> {
    let can = device.config.persona.version.capabilities().generate_key_pair;
    if can { Ok(()) } else { Err(Fault::action_not_supported()) }
}

fn generate(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    makes_keys(device)?;
    let (algorithm, length) = (number(call, "KeyAlgorithm")?, number(call, "KeyLength")?);
    let rules = &device.config.persona.keys;
    let Some(size) = rules.bits.iter().copied().find(|size| algorithm == 0 && size.bits() == length) else {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    };
    if device.keys.len() >= rules.slots {
        return Ok(Output::value(PtStatus::MAX_LIMIT_REACHED.0));
    }
    if let Some(ready) = device.key_ready
        && call.now < ready
    {
        // The first call starts the work; until it is done, every call is told to wait in one of these words.
        if ready == Tick(u64::MAX) {
            device.key_ready = Some(call.now.after(Duration::from_secs(rules.generation_seconds)));
        }
        let words = rules.not_ready_status.clone();
        let at = device.choices.below(words.len() as u64);
        let status = usize::try_from(at).ok().and_then(|at| words.get(at)).copied();
        return Ok(Output::value(status.unwrap_or(PtStatus::PKI_GENERATING_KEYS.0)));
    }
    let handle = device.make_key(size);
    Ok(Output::ok().with("KeyPair", reference(KEY_PAIR, &[("InstanceID", &key_id(handle))])))
}

fn request(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    makes_keys(device)?;
    let pair = call.input.reference("KeyPair").ok_or_else(Fault::missing_values)?;
    let key = (pair.class() == Some(KEY_PAIR)).then(|| pair.selector("InstanceID")).flatten().and_then(handle_of);
    let Some(StoredKey { key, .. }) = key.and_then(|handle| device.key(handle)) else {
        return Ok(Output::value(PtStatus::INVALID_HANDLE.0));
    };
    let invalid = Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    let hash = match number(call, "SigningAlgorithm")? {
        0 if device.config.persona.chain.allow_sha1 => return Ok(Output::value(PtStatus::UNSUPPORTED.0)),
        1 => SignatureHash::Sha256,
        2 => SignatureHash::Sha384,
        _ => return invalid,
    };
    let Ok(blob) = STANDARD.decode(argument(call, "NullSignedCertificateRequest")?) else { return invalid };
    match sign_request(&blob, key, hash) {
        Ok(signed) => Ok(Output::ok().with("SignedCertificateRequest", STANDARD.encode(signed))),
        Err(RequestFault::Unreadable) => invalid,
        Err(RequestFault::KeyMismatch) => Ok(Output::value(PtStatus::INVALID_KEY.0)),
    }
}

/// Takes a private key: base64 of PKCS#1.
fn add_key(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let text = argument(call, "KeyBlob")?;
    let der = STANDARD.decode(text).ok().filter(|der| der.len() <= MAX_BLOB);
    let Some(key) = der.and_then(|der| DeviceKey::uploaded(&der)) else {
        return Ok(Output::value(PtStatus::INVALID_KEY.0));
    };
    if device.keys.iter().any(|stored| stored.key == key) {
        return Ok(Output::value(PtStatus::DUPLICATE.0));
    }
    if device.keys.len() >= device.config.persona.keys.slots {
        return Ok(Output::value(PtStatus::MAX_LIMIT_REACHED.0));
    }
    let handle = device.store_key(key);
    Ok(Output::ok().with("CreatedKey", reference(KEY_PAIR, &[("InstanceID", &key_id(handle))])))
}

/// Decodes and reads a blob; the status to refuse it with otherwise.
fn blob(device: &Device, call: &Call<'_>) -> Result<Result<(Vec<u8>, Facts), PtStatus>, Fault> {
    let text = argument(call, "CertificateBlob")?;
    // Armour and line breaks are not taken away by firmware.
    let Ok(der) = STANDARD.decode(text) else { return Ok(Err(PtStatus::INVALID_CERT)) };
    if der.len() > MAX_BLOB {
        return Ok(Err(PtStatus::INVALID_CERT));
    }
    let Some(facts) = facts(&der) else { return Ok(Err(PtStatus::INVALID_CERT)) };
    if device.certificates.iter().any(|c| c.der == der) {
        return Ok(Err(PtStatus::DUPLICATE));
    }
    if device.certificates.len() >= device.config.persona.certificates.slots {
        return Ok(Err(PtStatus::MAX_LIMIT_REACHED));
    }
    Ok(Ok((der, facts)))
}

fn created(handle: u32) -> Output {
    Output::ok().with("CreatedCertificate", reference(CERTIFICATE, &[("InstanceID", &certificate_id(handle))]))
}

fn add_certificate(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (der, facts) = match blob(device, call)? {
        Ok(read) => read,
        Err(status) => return Ok(Output::value(status.0)),
    };
    let key = device.keys.iter().find(|k| k.key.public_pkcs1() == facts.public_key).map(|k| k.handle);
    // An intermediate authority has its key elsewhere; a leaf must belong to a key pair of this machine.
    if key.is_none() && !facts.is_ca {
        return Ok(Output::value(PtStatus::CERT_KEY_NOT_MATCH.0));
    }
    Ok(created(device.store_certificate(der, false, key)))
}

fn add_root(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (der, facts) = match blob(device, call)? {
        Ok(read) => read,
        Err(status) => return Ok(Output::value(status.0)),
    };
    if !facts.is_ca {
        return Ok(Output::value(PtStatus::INVALID_CERT.0));
    }
    if device.certificates.iter().filter(|c| c.trusted_root).count() >= device.config.persona.certificates.trusted_roots
    {
        return Ok(Output::value(PtStatus::MAX_LIMIT_REACHED.0));
    }
    Ok(created(device.store_certificate(der, true, None)))
}
