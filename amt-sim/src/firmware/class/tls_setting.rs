//! `AMT_TLSSettingData`: TLS of the remote and of the local ports (`spec/wsman.md` §3.8).

use super::{Call, Class, Fields, Instance, instance};
use crate::firmware::device::{Device, TlsInstance};
use crate::firmware::soap::Fault;
use crate::persona::PlainPort;
use amt_core::Tick;
use amt_core::status::PtStatus;

const CLASS: &str = "AMT_TLSSettingData";
const REMOTE: &str = "Intel(r) AMT 802.3 TLS Settings";
const LOCAL: &str = "Intel(r) AMT LMS TLS Settings";
const MAX_TRUSTED_NAMES: usize = 4;

pub(super) const CLASSES: &[Class] = &[Class { put: Some(put), ..Class::read(CLASS, &["InstanceID"], list) }];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let mut both = vec![
        settings(device, REMOTE, "Intel(r) AMT 802.3 TLS Settings", &device.staged.remote),
        settings(device, LOCAL, "Intel(r) AMT LMS TLS Settings", &device.staged.local),
    ];
    if !device.config.persona.tls_settings.remote_first {
        both.reverse();
    }
    both
}

fn settings(device: &Device, id: &str, name: &str, tls: &TlsInstance) -> Instance {
    let flag = |on: bool| if on { "true" } else { "false" };
    let mut out = instance(
        CLASS,
        &[
            ("AcceptNonSecureConnections", flag(tls.accept_non_secure)),
            ("ElementName", name),
            ("Enabled", flag(tls.enabled)),
            ("InstanceID", id),
            ("MutualAuthentication", flag(tls.mutual)),
        ],
    );
    // The field came with the firmware that lost the plain ports.
    if device.config.persona.network.plain_port == PlainPort::Removed {
        out.push("NonSecureConnectionsSupported", flag(false));
    }
    for name in &tls.trusted_names {
        out.push("TrustedCN", name.as_str());
    }
    out
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.only(&[
        "AcceptNonSecureConnections",
        "ElementName",
        "Enabled",
        "InstanceID",
        "MutualAuthentication",
        "TrustedCN",
    ])?;
    fields.unchanged(current, &["ElementName"])?;
    if fields.text("InstanceID").is_none() || fields.text("ElementName").is_none() {
        return Err(Fault::missing_values());
    }
    let enabled = fields.need_bool("Enabled")?;
    let mutual = fields.need_bool("MutualAuthentication")?;
    let accept_non_secure = fields.bool("AcceptNonSecureConnections")?;
    let trusted_names: Vec<String> = call.input.texts("TrustedCN").iter().map(|t| (*t).to_owned()).collect();
    if trusted_names.len() > MAX_TRUSTED_NAMES || trusted_names.iter().any(|n| n.is_empty() || n.len() > 63) {
        return Err(Fault::invalid_values());
    }
    let local = current.text("InstanceID") == Some(LOCAL);
    if local {
        fields.unchanged(current, &["AcceptNonSecureConnections"])?;
    } else if accept_non_secure == Some(true) && device.config.persona.network.plain_port == PlainPort::Removed {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    let target = if local { &mut device.staged.local } else { &mut device.staged.remote };
    target.enabled = enabled;
    target.mutual = mutual;
    target.accept_non_secure = accept_non_secure.unwrap_or(target.accept_non_secure);
    target.trusted_names.clone_from(&trusted_names);
    // Trusted names count at once; all else waits for CommitChanges.
    let running = if local { &mut device.active.local } else { &mut device.active.remote };
    running.trusted_names = trusted_names;
    Ok(())
}
