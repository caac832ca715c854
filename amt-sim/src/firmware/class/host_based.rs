//! Setup from the machine's own system (`spec/wsman.md` §3.3). Its methods have return values of their own.

use super::{Call, Class, Instance, Output, SERVICE, argument, number, service};
use crate::chain;
use crate::firmware::device::{Device, Effect, Phase, StoredPassword};
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use x509_parser::prelude::*;

/// Not set up, client control mode, admin control mode.
const CLIENT: u32 = 1;
const ADMIN: u32 = 2;
/// MD5 of user, realm and password.
const MD5: u32 = 2;
/// RSA with SHA-256.
const RSA_SHA256: u32 = 2;
const NONCE: usize = 20;

/// Return values of Setup, AdminSetup and UpgradeClientToAdmin.
mod value {
    pub(super) const INVALID_STATE: u32 = 2;
    pub(super) const INVALID_PARAMETER: u32 = 3;
    pub(super) const METHOD_DISABLED: u32 = 4;
    pub(super) const AUTHENTICATION_FAILED: u32 = 5;
}

/// Return values of AddNextCertInChain.
mod chain_value {
    pub(super) const INVALID_PARAMETER: u32 = 1;
    pub(super) const INVALID_STATE: u32 = 3;
    pub(super) const VERIFY_FAILED: u32 = 4;
    pub(super) const TOO_LONG: u32 = 5;
}

pub(super) const CLASSES: &[Class] = &[Class {
    methods: &[
        ("AddNextCertInChain", add_certificate),
        ("AdminSetup", admin_setup),
        ("DisableClientControlMode", disable_client),
        ("Setup", setup),
        ("UpgradeClientToAdmin", upgrade),
    ],
    ..Class::read("IPS_HostBasedSetupService", SERVICE, list)
}];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let mode = device.control_mode.to_string();
    let nonce = STANDARD.encode(device.nonce);
    let chain = match (device.local.chain.is_empty(), device.local.chain_complete) {
        (true, _) => "0",
        (_, false) => "1",
        (_, true) => "2",
    };
    let properties = [
        ("AllowedControlModes", "2"),
        ("CertChainStatus", chain),
        ("ConfigurationNonce", nonce.as_str()),
        ("CurrentControlMode", mode.as_str()),
    ];
    let mut out = service("IPS_HostBasedSetupService", "Intel(r) AMT Host Based Setup Service", &properties);
    let allowed = device.config.persona.local.allowed_modes.iter();
    let allowed = allowed.filter(|mode| **mode != CLIENT || device.local.client_allowed);
    out.set_all("AllowedControlModes", allowed.map(|mode| mode.to_string().as_str().into()));
    vec![out]
}

fn allows(device: &Device, mode: u32) -> bool {
    device.config.persona.local.allowed_modes.contains(&mode) && (mode != CLIENT || device.local.client_allowed)
}

/// Setup is for a machine that nobody has set up, and for its own system.
fn may_set_up(device: &Device, call: &Call<'_>) -> bool {
    call.caller.local && device.phase == Phase::Pre && device.control_mode == 0
}

/// The password comes as hex of the 16 bytes of MD5(admin:realm:password): small letters of most programs, capitals of MeshCmd.
fn password(call: &Call<'_>) -> Result<Option<[u8; 16]>, Fault> {
    let text = argument(call, "NetworkAdminPassword")?;
    if number(call, "NetAdminPassEncryptionType")? != MD5
        || text.len() != 32
        || !text.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Ok(None);
    }
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok();
    let bytes: Option<Vec<u8>> = (0..16).map(byte).collect();
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}

fn setup(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let Some(ha1) = password(call)? else { return Ok(Output::value(value::INVALID_PARAMETER)) };
    if !may_set_up(device, call) {
        return Ok(Output::value(value::INVALID_STATE));
    }
    if !allows(device, CLIENT) {
        return Ok(Output::value(value::METHOD_DISABLED));
    }
    set_up(device, CLIENT, Some(ha1));
    Ok(Output::ok())
}

fn admin_setup(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let Some(ha1) = password(call)? else { return Ok(Output::value(value::INVALID_PARAMETER)) };
    // Where local ports speak TLS only, an administrator's setup goes by StartConfigurationHBased.
    let elsewhere = device.config.persona.version.capabilities().local_tls_enforced;
    if elsewhere || !may_set_up(device, call) || !device.local.chain_complete || !allows(device, ADMIN) {
        return Ok(Output::value(value::INVALID_STATE));
    }
    match signature(device, call)? {
        Ok(()) => set_up(device, ADMIN, Some(ha1)),
        Err(refused) => return Ok(Output::value(refused)),
    }
    Ok(Output::ok())
}

fn upgrade(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if device.control_mode != CLIENT || !device.local.chain_complete || !allows(device, ADMIN) {
        return Ok(Output::value(value::INVALID_STATE));
    }
    match signature(device, call)? {
        Ok(()) => set_up(device, ADMIN, None),
        Err(refused) => return Ok(Output::value(refused)),
    }
    Ok(Output::ok())
}

fn disable_client(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    if device.control_mode == CLIENT {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    device.local.client_allowed = false;
    Ok(Output::ok())
}

fn set_up(device: &mut Device, mode: u32, ha1: Option<[u8; 16]>) {
    if let Some(ha1) = ha1 {
        device.admin = StoredPassword::hashed(ha1);
    }
    device.control_mode = mode;
    device.phase = Phase::Post;
    device.otp = None;
    device.accepted = std::mem::take(&mut device.local.chain);
    device.local.chain_complete = false;
    device.renew_nonce();
    device.effects.push(Effect::SetUpByHost);
}

/// Checks the signature over the firmware's nonce and the caller's, by the leaf's key.
fn signature(device: &Device, call: &Call<'_>) -> Result<Result<(), u32>, Fault> {
    let bytes = |name| argument(call, name).map(|text| STANDARD.decode(text).unwrap_or_default());
    let (nonce, signature) = (bytes("McNonce")?, bytes("DigitalSignature")?);
    if number(call, "SigningAlgorithm")? != RSA_SHA256 || nonce.len() != NONCE || signature.is_empty() {
        return Ok(Err(value::INVALID_PARAMETER));
    }
    let signed = [device.nonce.as_slice(), &nonce].concat();
    let leaf = device.local.chain.first().map_or(&[][..], Vec::as_slice);
    let good = X509Certificate::from_der(leaf).is_ok_and(|(_, leaf)| {
        let key = &leaf.public_key().subject_public_key.data;
        UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key).verify(&signed, &signature).is_ok()
    });
    Ok(if good { Ok(()) } else { Err(value::AUTHENTICATION_FAILED) })
}

fn add_certificate(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let flag = |name| match argument(call, name)? {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::invalid_values()),
    };
    let (is_leaf, is_root) = (flag("IsLeafCertificate")?, flag("IsRootCertificate")?);
    let der = STANDARD.decode(argument(call, "NextCertificate")?).unwrap_or_default();
    if der.len() > crate::certificate::MAX_BLOB || X509Certificate::from_der(&der).is_err() {
        return Ok(Output::value(chain_value::INVALID_PARAMETER));
    }
    let set_up = device.phase == Phase::In || device.control_mode == ADMIN;
    let persona = device.config.persona.clone();
    if is_leaf && persona.local.leaf_restarts && !set_up {
        device.local.chain.clear();
        device.local.chain_complete = false;
    }
    if set_up || device.local.chain_complete || is_leaf != device.local.chain.is_empty() {
        return Ok(Output::value(chain_value::INVALID_STATE));
    }
    if device.local.chain.len() >= persona.local.max_chain {
        return Ok(Output::value(chain_value::TOO_LONG));
    }
    device.local.chain.push(der);
    device.local.chain_complete = is_root;
    // Each certificate is checked against the one before when it comes; the whole, when its root has come.
    let faults = chain::judge(&device.chain_rules(call.now), &device.local.chain);
    let broken =
        |fault: &chain::ChainFault| matches!(fault, chain::ChainFault::Broken(_) | chain::ChainFault::Unreadable(_));
    if faults.iter().any(|fault| is_root || broken(fault)) {
        device.local.chain.clear();
        device.local.chain_complete = false;
        return Ok(Output::value(chain_value::VERIFY_FAILED));
    }
    Ok(Output::ok())
}
