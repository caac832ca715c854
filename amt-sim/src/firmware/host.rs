//! The computer that the firmware sits in: its power, what it boots from, and the agent in its operating system
//! (`spec/wsman.md` §3.11).

use amt_core::Tick;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many boots the truth remembers; the count goes on.
pub const MAX_BOOTS: usize = 128;

/// Return values of CIM's methods (`spec/wsman.md` §2.5).
pub(crate) mod value {
    pub(crate) const NOT_SUPPORTED: u32 = 1;
    /// What firmware says of a graceful change that no agent carries out.
    pub(crate) const NOT_READY: u32 = 2;
    pub(crate) const INVALID_REFERENCE: u32 = 4;
    pub(crate) const INVALID_PARAMETER: u32 = 5;
    pub(crate) const INVALID_TRANSITION: u32 = 4097;
}

// The firmware's own lists and numbers, not the library's: a mistake shared by both would be blessed here.
/// States of RequestPowerStateChange.
mod state {
    pub(super) const ON: u32 = 2;
    pub(super) const CYCLE: u32 = 5;
    pub(super) const OFF: u32 = 8;
    pub(super) const RESET: u32 = 10;
    /// Non-maskable interrupt: the operating system's business.
    pub(super) const NMI: u32 = 11;
    pub(super) const OFF_GRACEFUL: u32 = 12;
    pub(super) const RESET_GRACEFUL: u32 = 14;
}

const NETWORK: &str = "Intel(r) AMT: Force PXE Boot";
const HARD_DRIVE: &str = "Intel(r) AMT: Force Hard-drive Boot";
const OPTICAL: &str = "Intel(r) AMT: Force CD/DVD Boot";

/// Truth values of `AMT_BootSettingData` that can be set.
const FLAGS: &[&str] = &[
    "BIOSPause",
    "BIOSSetup",
    "ConfigurationDataReset",
    "ForcedProgressEvents",
    "LockKeyboard",
    "LockPowerButton",
    "LockResetButton",
    "LockSleepButton",
    "PlatformErase",
    "ReflashBIOS",
    "SecureErase",
    "UseIDER",
    "UseSOL",
    "UseSafeMode",
    "UserPasswordBypass",
];

/// Something to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootSource {
    /// `InstanceID`.
    pub(crate) id: &'static str,
    pub(crate) structured: &'static str,
    /// Name in the truth.
    pub(crate) name: &'static str,
}

pub(crate) const SOURCES: &[BootSource] = &[
    BootSource { id: HARD_DRIVE, structured: "CIM:Hard-Disk:1", name: "hard-drive" },
    BootSource { id: OPTICAL, structured: "CIM:CD/DVD:1", name: "optical" },
    BootSource { id: NETWORK, structured: "CIM:Network:1", name: "network" },
];

/// Options that leave no room for a boot source.
pub(crate) const EXCLUDE_A_SOURCE: &[&str] =
    &["BIOSPause", "BIOSSetup", "PlatformErase", "ReflashBIOS", "SecureErase", "UseIDER"];

/// What the computer booted from, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrueBoot {
    /// Counted from 1.
    pub sequence: u64,
    /// Machine time in milliseconds.
    pub at: u64,
    /// `network`, `hard-drive`, `optical`; `default` where the BIOS chose by itself.
    pub source: String,
}

/// The options of `AMT_BootSettingData` that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootOptions {
    pub(crate) flags: BTreeMap<&'static str, bool>,
    pub(crate) media_index: u32,
    pub(crate) verbosity: u32,
    pub(crate) ider_device: u32,
}

impl Default for BootOptions {
    fn default() -> Self {
        let flags = FLAGS.iter().map(|name| (*name, false)).collect();
        Self { flags, media_index: 0, verbosity: 0, ider_device: 0 }
    }
}

impl BootOptions {
    /// Whether the next boot could follow both these options and `source`.
    pub(crate) fn fit(&self, source: Option<BootSource>) -> bool {
        let is_on = |name: &str| self.flags.get(name).is_some_and(|on| *on);
        let Some(source) = source else { return true };
        let picks_medium = source.id != NETWORK;
        !EXCLUDE_A_SOURCE.iter().any(|name| is_on(name))
            && (picks_medium || self.media_index == 0)
            && (source.id == HARD_DRIVE || !is_on("UseSafeMode"))
    }
}

/// The computer.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    is_on: bool,
    /// An agent in the operating system carries out graceful changes.
    agent: bool,
    /// When the BIOS, busy since the last start, takes up the boot settings.
    boots_at: Option<Tick>,
    pub(crate) options: BootOptions,
    /// Whether the BIOS has cleared the options since they were set.
    pub(crate) options_cleared: bool,
    pub(crate) order: Option<BootSource>,
    pub(crate) next_single_use: bool,
    boots: VecDeque<TrueBoot>,
    boot_total: u64,
}

impl Host {
    /// A computer that runs.
    pub(crate) fn new(agent: bool) -> Self {
        Self {
            is_on: true,
            agent,
            boots_at: None,
            options: BootOptions::default(),
            options_cleared: true,
            order: None,
            next_single_use: false,
            boots: VecDeque::new(),
            boot_total: 0,
        }
    }

    /// `PowerState`.
    pub(crate) const fn power_state(&self) -> u32 {
        if self.is_on { state::ON } else { state::OFF }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    pub(crate) const fn boots_at(&self) -> Option<Tick> {
        self.boots_at
    }

    pub(crate) fn boots(&self) -> impl Iterator<Item = &TrueBoot> {
        self.boots.iter()
    }

    pub(crate) const fn boot_total(&self) -> u64 {
        self.boot_total
    }

    /// States that can be asked for now.
    pub(crate) fn available(&self) -> Vec<u32> {
        if !self.is_on {
            return vec![state::ON];
        }
        let mut states = vec![state::RESET, state::OFF, state::CYCLE, state::NMI];
        if self.agent_runs() {
            states.extend([state::RESET_GRACEFUL, state::OFF_GRACEFUL]);
        }
        states
    }

    fn agent_runs(&self) -> bool {
        self.agent && self.is_on && self.boots_at.is_none()
    }

    /// RequestPowerStateChange. The BIOS needs `post` before it looks at the boot settings.
    pub(crate) fn request(&mut self, now: Tick, wanted: u32, post: Duration) -> u32 {
        match wanted {
            state::ON if self.is_on => return value::INVALID_TRANSITION,
            state::CYCLE | state::OFF | state::RESET | state::NMI | state::OFF_GRACEFUL | state::RESET_GRACEFUL
                if !self.is_on =>
            {
                return value::INVALID_TRANSITION;
            }
            state::OFF_GRACEFUL | state::RESET_GRACEFUL if !self.agent_runs() => return value::NOT_READY,
            state::ON | state::CYCLE | state::RESET | state::RESET_GRACEFUL => self.start(now, post),
            state::OFF | state::OFF_GRACEFUL => {
                self.is_on = false;
                self.boots_at = None;
            }
            state::NMI => {}
            3 | 4 | 6 | 7 | 9 | 13 | 15 | 16 => return value::NOT_SUPPORTED,
            _ => return value::INVALID_PARAMETER,
        }
        0
    }

    /// The computer starts, from off or by a reset.
    pub(crate) fn start(&mut self, now: Tick, post: Duration) {
        self.is_on = true;
        self.boots_at = Some(now.after(post));
    }

    /// The BIOS takes up the boot settings, if it is time: a source that counts for one boot is used up by it.
    pub(crate) fn boot(&mut self, now: Tick) {
        if self.boots_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let source = self.order.filter(|_| self.next_single_use);
        if self.next_single_use {
            self.next_single_use = false;
            self.order = None;
        }
        self.options = BootOptions::default();
        self.options_cleared = true;
        self.boot_total += 1;
        if self.boots.len() == MAX_BOOTS {
            self.boots.pop_front();
        }
        let source = source.map_or("default", |source| source.name).to_owned();
        self.boots.push_back(TrueBoot { sequence: self.boot_total, at: now.0, source });
    }

    /// Boot settings belong to the setup: they go with it. What the computer did stays done.
    pub(crate) fn forget_settings(&mut self) {
        self.options = BootOptions::default();
        self.options_cleared = true;
        self.order = None;
        self.next_single_use = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Duration = Duration::from_secs(3);

    fn sources(host: &Host) -> Vec<&str> {
        host.boots().map(|boot| boot.source.as_str()).collect()
    }

    #[test]
    fn a_source_for_one_boot_is_used_up_by_it() {
        let mut host = Host::new(true);
        host.order = Some(SOURCES[2]);
        assert_eq!(host.request(Tick(0), state::RESET, POST), 0);
        host.boot(Tick(3000));
        assert_eq!(sources(&host), ["default"], "without its role the order does not count");
        host.next_single_use = true;
        for second in [10, 20] {
            host.request(Tick(second * 1000), state::CYCLE, POST);
            host.boot(Tick(second * 1000 + 2999));
            host.boot(Tick(second * 1000 + 3000));
        }
        assert_eq!(sources(&host), ["default", "network", "default"]);
        assert!(!host.next_single_use && host.order.is_none());
    }

    #[test]
    fn a_reset_before_the_bios_looked_leaves_the_source_for_the_next() {
        let mut host = Host::new(true);
        (host.order, host.next_single_use) = (Some(SOURCES[2]), true);
        host.request(Tick(0), state::RESET, POST);
        host.request(Tick(1000), state::OFF, POST);
        host.boot(Tick(5000));
        assert!(sources(&host).is_empty() && host.next_single_use);
        assert_eq!(host.request(Tick(6000), state::ON, POST), 0);
        host.boot(Tick(9000));
        assert_eq!(sources(&host), ["network"]);
    }

    #[test]
    fn power_changes_that_cannot_be_are_refused() {
        let mut host = Host::new(false);
        for (state, answer) in [(2, 4097), (12, 2), (14, 2), (7, 1), (0, 5), (99, 5), (8, 0), (8, 4097), (10, 4097)] {
            assert_eq!(host.request(Tick(0), state, POST), answer, "{state}");
        }
        assert_eq!(host.available(), [state::ON]);
    }
}
