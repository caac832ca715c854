//! What a firmware can't do (`spec/wsman.md` §0.1, `spec/profile.md` §2).

use super::Report;
use crate::profile::{AuditEvents, Profile, WifiSecurity};
use amt_core::FirmwareVersion;

/// HTTP proxies of remote access.
const PROXIES: FirmwareVersion = FirmwareVersion::new(12, 0);
/// From here on there is no port 5900.
const NO_VNC: FirmwareVersion = FirmwareVersion::new(12, 0);
/// Wi-Fi networks shared with the BIOS.
const UEFI_WIFI: FirmwareVersion = FirmwareVersion::new(16, 0);
/// KVM.
const KVM: FirmwareVersion = FirmwareVersion::new(6, 0);
/// The boundary is not documented: where WPA3 is asked of older firmware, it is doubtful.
const WPA3: FirmwareVersion = FirmwareVersion::new(15, 0);

pub(super) fn check(profile: &Profile, version: FirmwareVersion, report: &mut Report) {
    let mut lacks = |field: &str, wanted: bool, what: &str| {
        if wanted {
            let text = format!("AMT {version} {what}");
            report.error("FIRMWARE", field, text, "take it out of the profile for these machines");
        }
    };
    let plain = version.capabilities().remote_plain_http;
    if let Some(tls) = &profile.tls {
        let wants = tls.remote.is_some_and(|mode| mode.plain());
        lacks("tls.remote", wants && !plain, "has no port without TLS for the network");
        let local = tls.local.is_some_and(|mode| mode.plain()) && version.capabilities().local_tls_enforced;
        lacks("tls.local", local, "speaks only TLS with its own system");
    }
    if let Some(kvm) = &profile.kvm {
        lacks("kvm", kvm.enabled == Some(true) && version < KVM, "has no KVM");
        lacks("kvm.port_5900", kvm.port_5900 == Some(true) && version >= NO_VNC, "has no port 5900 for VNC viewers");
        lacks("kvm.rfb_password", kvm.rfb_password.is_some() && version >= NO_VNC, "has no VNC password");
    }
    if let Some(audit) = profile.audit.as_ref().filter(|audit| audit.enabled == Some(true)) {
        let newer = |events: &AuditEvents| matches!(events, AuditEvents::Kvm | AuditEvents::UserConsent);
        let wanted = audit.events.as_ref().is_none_or(|all| all.iter().any(newer));
        lacks("audit.events", wanted && version < KVM, "records nothing of KVM and consent: name the other parts");
    }
    if let Some(wifi) = &profile.wifi {
        lacks(
            "wifi.share_with_uefi",
            wifi.share_with_uefi == Some(true) && version < UEFI_WIFI,
            "can't share networks with the BIOS",
        );
        for (index, network) in wifi.profiles.iter().flatten().enumerate() {
            let wpa3 = network.security == WifiSecurity::Wpa3Sae && version < WPA3;
            lacks(&format!("wifi.profiles[{index}].security"), wpa3, "is not known to have WPA3");
        }
    }
    if let Some(remote) = &profile.remote_access {
        let proxies = remote.proxies.as_ref().is_some_and(|proxies| !proxies.is_empty()) && version < PROXIES;
        lacks("remote_access.proxies", proxies, "has no proxies for remote access");
    }
}
