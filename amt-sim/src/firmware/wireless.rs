//! The wireless interface: its port, its profiles, and who shares them (`spec/wsman.md` §3.6).

use super::eap::Eap;
use amt_core::Secret;

/// Profiles of any kind.
pub(crate) const MAX_PROFILES: usize = 16;
/// Profiles that the computer's own system shared.
pub(crate) const MAX_USER_PROFILES: usize = 8;

/// `RequestStateChange` of the port: off.
pub(crate) const OFF: u32 = 3;
/// On while the computer is on.
pub(crate) const ON_IN_S0: u32 = 32_768;
/// On in sleep as well, on mains.
pub(crate) const ON_IN_SX: u32 = 32_769;

/// What an administrator wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WifiProfile {
    pub(crate) name: String,
    pub(crate) ssid: Option<String>,
    pub(crate) authentication: u32,
    pub(crate) encryption: u32,
    pub(crate) priority: u32,
    pub(crate) passphrase: Option<Secret<String>>,
    pub(crate) eap: Option<Eap>,
}

/// The interface. Whether there is one, the persona says.
#[derive(Clone, Debug)]
pub(crate) struct Wireless {
    pub(crate) port_state: u32,
    /// `localProfileSynchronizationEnabled`: 0 off, 1 the user's profiles, 3 all.
    pub(crate) synchronization: u32,
    pub(crate) uefi_share: bool,
    pub(crate) profiles: Vec<WifiProfile>,
    /// Networks that the computer's own system shared.
    pub(crate) user_profiles: Vec<String>,
}

impl Wireless {
    pub(crate) const FACTORY: Self = Self {
        port_state: OFF,
        synchronization: 0,
        uefi_share: false,
        profiles: Vec::new(),
        user_profiles: Vec::new(),
    };

    pub(crate) fn uses(&self, certificate: u32) -> bool {
        self.profiles.iter().filter_map(|profile| profile.eap.as_ref()).any(|eap| eap.uses(certificate))
    }

    /// Takes over what the system knows, as far as there is room.
    pub(crate) fn synchronize(&mut self, known: &[String]) {
        let room = MAX_PROFILES.saturating_sub(self.profiles.len()).min(MAX_USER_PROFILES);
        self.user_profiles = known.iter().take(room).cloned().collect();
    }
}
