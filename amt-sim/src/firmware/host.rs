//! The computer that the firmware sits in: its power, what it boots from, and the agent in its operating system
//! (`spec/wsman.md` §3.11).

use crate::persona::Persona;
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
    pub(super) const SLEEP: u32 = 4;
    pub(super) const CYCLE: u32 = 5;
    pub(super) const HIBERNATE: u32 = 7;
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
const HTTPS: &str = "Intel(r) AMT: Force OCR UEFI HTTPS Boot";

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
    BootSource { id: HTTPS, structured: "CIM:Network:1", name: "https" },
];

/// Options that leave no room for a boot source.
pub(crate) const EXCLUDE_A_SOURCE: &[&str] =
    &["BIOSPause", "BIOSSetup", "PlatformErase", "ReflashBIOS", "SecureErase", "UseIDER"];

impl BootSource {
    /// Whether this firmware and BIOS have it.
    pub(crate) fn is_in(self, persona: &Persona) -> bool {
        self.id != HTTPS || (persona.power.https_boot && persona.version.major >= 16)
    }
}

/// What the computer booted from, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrueBoot {
    /// Counted from 1.
    pub sequence: u64,
    /// Machine time in milliseconds.
    pub at: u64,
    /// `network`, `hard-drive`, `optical`, `https`; `bios-setup`; `default` where the BIOS chose by itself.
    pub source: String,
    /// Of `https`, the URL.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether the console went over the network.
    #[serde(default)]
    pub sol: bool,
}

/// The options of `AMT_BootSettingData` that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootOptions {
    pub(crate) flags: BTreeMap<&'static str, bool>,
    pub(crate) media_index: u32,
    pub(crate) verbosity: u32,
    pub(crate) ider_device: u32,
    pub(crate) secure_boot: bool,
    /// Where UEFI shall boot from over HTTPS.
    pub(crate) url: Option<String>,
    /// The parameters as they came.
    pub(crate) parameters: (u32, String),
}

impl Default for BootOptions {
    fn default() -> Self {
        let flags = FLAGS.iter().map(|name| (*name, false)).collect();
        let parameters = (0, String::new());
        Self { flags, media_index: 0, verbosity: 0, ider_device: 0, secure_boot: false, url: None, parameters }
    }
}

impl BootOptions {
    /// Whether the next boot could follow both these options and `source`.
    pub(crate) fn fit(&self, source: Option<BootSource>) -> bool {
        let Some(source) = source else { return true };
        let picks_medium = !matches!(source.id, NETWORK | HTTPS);
        !EXCLUDE_A_SOURCE.iter().any(|name| self.is_on(name))
            && (source.id != HTTPS || self.url.is_some())
            && (picks_medium || self.media_index == 0)
            && (source.id == HARD_DRIVE || !self.is_on("UseSafeMode"))
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|on| *on)
    }
}

/// What the computer does with its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// Its memory has power: waking up is no boot.
    Asleep,
    /// Its memory is on disk: a start is a boot, and the BIOS takes up the boot settings.
    Hibernated,
    Off,
}

/// The computer.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    power: Power,
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
            power: Power::On,
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
        match self.power {
            Power::On => state::ON,
            Power::Asleep => state::SLEEP,
            Power::Hibernated => state::HIBERNATE,
            Power::Off => state::OFF,
        }
    }

    /// Name in the truth.
    pub(crate) const fn power_name(&self) -> &'static str {
        match self.power {
            Power::On => "on",
            Power::Asleep => "asleep",
            Power::Hibernated => "hibernated",
            Power::Off => "off",
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.power == Power::On
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
        let mut states = match self.power {
            Power::On => vec![state::RESET, state::OFF, state::CYCLE, state::NMI],
            Power::Asleep => vec![state::ON, state::RESET, state::OFF, state::CYCLE],
            Power::Hibernated | Power::Off => vec![state::ON],
        };
        if self.agent_runs() {
            states.extend([state::SLEEP, state::HIBERNATE, state::RESET_GRACEFUL, state::OFF_GRACEFUL]);
        }
        states
    }

    fn agent_runs(&self) -> bool {
        self.agent && self.is_on() && self.boots_at.is_none()
    }

    /// RequestPowerStateChange. The BIOS needs `post` before it looks at the boot settings.
    pub(crate) fn request(&mut self, now: Tick, wanted: u32, post: Duration) -> u32 {
        use state::{CYCLE, HIBERNATE, NMI, OFF, OFF_GRACEFUL, ON, RESET, RESET_GRACEFUL, SLEEP};
        let draws_power = matches!(self.power, Power::On | Power::Asleep);
        match wanted {
            ON if self.is_on() => return value::INVALID_TRANSITION,
            CYCLE | OFF | RESET if !draws_power => return value::INVALID_TRANSITION,
            NMI | OFF_GRACEFUL | RESET_GRACEFUL | SLEEP | HIBERNATE if !self.is_on() => {
                return value::INVALID_TRANSITION;
            }
            OFF_GRACEFUL | RESET_GRACEFUL | SLEEP | HIBERNATE if !self.agent_runs() => return value::NOT_READY,
            ON if self.power == Power::Asleep => self.power = Power::On,
            ON | CYCLE | RESET | RESET_GRACEFUL => self.start(now, post),
            OFF | OFF_GRACEFUL => self.stop(Power::Off),
            SLEEP => self.stop(Power::Asleep),
            HIBERNATE => self.stop(Power::Hibernated),
            NMI => {}
            3 | 6 | 9 | 13 | 15 | 16 => return value::NOT_SUPPORTED,
            _ => return value::INVALID_PARAMETER,
        }
        0
    }

    /// The computer starts, from off or by a reset.
    pub(crate) fn start(&mut self, now: Tick, post: Duration) {
        self.power = Power::On;
        self.boots_at = Some(now.after(post));
    }

    fn stop(&mut self, power: Power) {
        self.power = power;
        self.boots_at = None;
    }

    /// The BIOS takes up the boot settings, if it is time: a source that counts for one boot is used up by it. Whether it was.
    pub(crate) fn boot(&mut self, now: Tick) -> bool {
        if self.boots_at.take_if(|at| *at <= now).is_none() {
            return false;
        }
        let source = self.order.filter(|_| self.next_single_use);
        if self.next_single_use {
            self.next_single_use = false;
            self.order = None;
        }
        let options = std::mem::take(&mut self.options);
        self.options_cleared = true;
        self.boot_total += 1;
        if self.boots.len() == MAX_BOOTS {
            self.boots.pop_front();
        }
        let by_itself = if options.is_on("BIOSSetup") { "bios-setup" } else { "default" };
        let url = options.url.clone().filter(|_| source.is_some_and(|source| source.id == HTTPS));
        let source = source.map_or(by_itself, |source| source.name).to_owned();
        let sol = options.is_on("UseSOL");
        self.boots.push_back(TrueBoot { sequence: self.boot_total, at: now.0, source, url, sol });
        true
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
        for (state, answer) in
            [(2, 4097), (12, 2), (14, 2), (7, 2), (6, 1), (0, 5), (99, 5), (8, 0), (8, 4097), (10, 4097)]
        {
            assert_eq!(host.request(Tick(0), state, POST), answer, "{state}");
        }
        assert_eq!(host.available(), [state::ON]);
    }

    #[test]
    fn waking_up_is_no_boot_and_a_start_from_hibernation_is_one() {
        let mut host = Host::new(true);
        assert_eq!((host.request(Tick(0), state::SLEEP, POST), host.power_state()), (0, state::SLEEP));
        assert_eq!(host.request(Tick(0), state::NMI, POST), value::INVALID_TRANSITION);
        assert_eq!((host.request(Tick(0), state::ON, POST), host.boots_at()), (0, None));
        assert_eq!((host.request(Tick(0), state::HIBERNATE, POST), host.available()), (0, vec![state::ON]));
        assert_eq!(host.request(Tick(0), state::ON, POST), 0);
        host.boot(Tick(3000));
        assert_eq!(sources(&host), ["default"]);
    }
}
