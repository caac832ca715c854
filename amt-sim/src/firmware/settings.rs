//! What a configuration profile sets, as the machine keeps it. All of it goes back to the factory's values with the setup.

use super::audit_policy::AuditPolicy;
use crate::persona::Persona;
use amt_core::{Secret, Tick};
use std::net::Ipv6Addr;

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kvm: Kvm,
    pub(crate) opt_in: OptIn,
    pub(crate) wireless_port: WirelessPort,
    pub(crate) ipv6: Ipv6,
    /// Which of the power packages is active.
    pub(crate) power_package: usize,
    pub(crate) audit_policy: AuditPolicy,
}

impl Settings {
    pub(crate) fn factory(persona: &Persona) -> Self {
        Self {
            kvm: Kvm::default(),
            opt_in: OptIn::default(),
            wireless_port: WirelessPort::default(),
            ipv6: Ipv6::default(),
            power_package: 1,
            audit_policy: AuditPolicy::factory(persona),
        }
    }

    /// The secrets that were set, by what they are for.
    pub(crate) fn secrets(&self) -> Vec<(String, &Secret<String>)> {
        self.kvm.rfb_password.iter().map(|password| ("rfb".to_owned(), password)).collect()
    }
}

/// The wireless `AMT_EthernetPortSettings`. Networks are in [`Wireless`](super::wireless::Wireless).
#[derive(Clone, Debug)]
pub(crate) struct WirelessPort {
    pub(crate) link_policy: Vec<u32>,
    pub(crate) link_preference: u32,
    pub(crate) protection_level: u32,
}

impl Default for WirelessPort {
    fn default() -> Self {
        Self { link_policy: vec![14, 16], link_preference: 2, protection_level: 1 }
    }
}

/// `IPS_IPv6PortSettings` of the wired port.
#[derive(Clone, Debug)]
pub(crate) struct Ipv6 {
    pub(crate) address: Ipv6Addr,
    pub(crate) router: Ipv6Addr,
    pub(crate) primary_dns: Ipv6Addr,
    pub(crate) secondary_dns: Ipv6Addr,
    pub(crate) interface_type: u32,
    pub(crate) interface: String,
}

impl Default for Ipv6 {
    fn default() -> Self {
        let none = Ipv6Addr::UNSPECIFIED;
        let interface = "0".repeat(16);
        Self { address: none, router: none, primary_dns: none, secondary_dns: none, interface_type: 0, interface }
    }
}

/// The screen, over the network.
#[derive(Clone, Debug)]
pub(crate) struct Kvm {
    /// `CIM_KVMRedirectionSAP`: on or off.
    pub(crate) on: bool,
    pub(crate) requested: u32,
    /// The legacy port of VNC.
    pub(crate) port_5900: bool,
    pub(crate) opt_in_policy: bool,
    pub(crate) opt_in_timeout: u32,
    pub(crate) session_timeout: u32,
    pub(crate) default_screen: u32,
    pub(crate) back_to_back: bool,
    pub(crate) rfb_password: Option<Secret<String>>,
}

impl Default for Kvm {
    fn default() -> Self {
        Self {
            on: false,
            // 5: no change was asked for.
            requested: 5,
            port_5900: false,
            opt_in_policy: true,
            opt_in_timeout: 300,
            session_timeout: 3,
            default_screen: 0,
            back_to_back: false,
            rfb_password: None,
        }
    }
}

/// Consent of whoever sits before the machine.
#[derive(Clone, Debug)]
pub(crate) struct OptIn {
    pub(crate) required: u32,
    pub(crate) code_timeout: u32,
    pub(crate) display_timeout: u32,
    /// The code on the screen, and until when it counts.
    pub(crate) shown: Option<(u32, Tick)>,
    /// A code was taken, and lasts until then.
    pub(crate) received_until: Option<Tick>,
}

impl OptIn {
    /// Consent for everything.
    pub(crate) const ALL: u32 = u32::MAX;
    pub(crate) const KVM: u32 = 1;

    /// What the screen shows.
    pub(crate) fn code(&self, now: Tick) -> Option<String> {
        let (code, _) = self.shown.filter(|_| self.state(now) == 2)?;
        Some(format!("{code:06}"))
    }

    /// `OptInState`.
    pub(crate) fn state(&self, now: Tick) -> u32 {
        match (self.received_until, self.shown) {
            (Some(until), _) if now < until => 3,
            (_, Some((_, until))) if now < until => 2,
            _ => 0,
        }
    }
}

impl Default for OptIn {
    fn default() -> Self {
        Self { required: Self::KVM, code_timeout: 120, display_timeout: 300, shown: None, received_until: None }
    }
}
