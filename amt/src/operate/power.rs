//! Power of the computer: how it stands, what can be done, and doing it once.

use crate::device::Device;
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::cim::{AssociatedPowerManagementService, PowerManagementService};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::sleep;

const STAGE: &str = "power";

/// After a lost reply: how often the machine is asked how it stands, and how long it is given before each time.
const LOOKS: u32 = 3;
const BEFORE_LOOK: Duration = Duration::from_secs(2);

/// What a computer can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PowerAction {
    /// Start, or wake up.
    On,
    /// Off at once: what was not saved is lost.
    Off,
    /// Off at once and on again.
    Cycle,
    /// Reset at once.
    Reset,
    /// Shut down by the operating system; an agent there has to carry it out.
    SoftOff,
    /// Restart by the operating system; an agent there has to carry it out.
    SoftReset,
    /// Sleep with memory powered (S3); carried out by the operating system.
    Sleep,
    /// Sleep with memory on disk (S4); carried out by the operating system.
    Hibernate,
    /// A non-maskable interrupt: the operating system usually stops and writes a dump.
    Nmi,
}

impl PowerAction {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::On,
        Self::Off,
        Self::Cycle,
        Self::Reset,
        Self::SoftOff,
        Self::SoftReset,
        Self::Sleep,
        Self::Hibernate,
        Self::Nmi,
    ];

    /// Name: `on`, `off`, `cycle`, `reset`, `soft-off`, `soft-reset`, `sleep`, `hibernate`, `nmi`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Cycle => "cycle",
            Self::Reset => "reset",
            Self::SoftOff => "soft-off",
            Self::SoftReset => "soft-reset",
            Self::Sleep => "sleep",
            Self::Hibernate => "hibernate",
            Self::Nmi => "nmi",
        }
    }

    /// Number of the state that is asked for.
    pub const fn number(self) -> u32 {
        match self {
            Self::On => PowerManagementService::ON,
            Self::Off => PowerManagementService::OFF,
            Self::Cycle => PowerManagementService::CYCLE,
            Self::Reset => PowerManagementService::RESET,
            Self::SoftOff => PowerManagementService::OFF_GRACEFUL,
            Self::SoftReset => PowerManagementService::RESET_GRACEFUL,
            Self::Sleep => PowerManagementService::SLEEP,
            Self::Hibernate => PowerManagementService::HIBERNATE,
            Self::Nmi => PowerManagementService::NMI,
        }
    }

    /// The action of this number, if it is one of these.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.number() == number)
    }

    /// Whether the operating system has to carry it out, by Intel's agent in it (LMS).
    pub const fn needs_agent(self) -> bool {
        matches!(self, Self::SoftOff | Self::SoftReset | Self::Sleep | Self::Hibernate)
    }

    /// Whether `state`, seen afterwards in place of another, shows that it was done. Of a reset nothing is seen.
    fn shows(self, state: PowerState) -> bool {
        match self {
            Self::On => state.is_on(),
            Self::Off | Self::SoftOff => state.is_off(),
            Self::Sleep => state.is_asleep(),
            Self::Hibernate => state == PowerState::HIBERNATED,
            Self::Cycle | Self::Reset | Self::SoftReset | Self::Nmi => false,
        }
    }
}

impl fmt::Display for PowerAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PowerAction {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::ALL.iter().copied().find(|action| action.name() == text).ok_or_else(|| {
            let message = format!("{text:?} is no power action: {}", names(Self::ALL));
            Failure::new(ErrorCode::INVALID_ARGUMENT, STAGE, message)
        })
    }
}

/// How the computer stands, by CIM's number. Open: unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PowerState(pub u32);

impl PowerState {
    /// It runs.
    pub const ON: Self = Self(2);
    /// Asleep, its memory on disk.
    pub const HIBERNATED: Self = Self(7);

    /// It runs.
    pub fn is_on(self) -> bool {
        self == Self::ON
    }

    /// It is off, in whatever way it got there.
    pub const fn is_off(self) -> bool {
        matches!(self.0, 6 | 8 | 12 | 13)
    }

    /// Asleep, its memory powered.
    pub const fn is_asleep(self) -> bool {
        matches!(self.0, 3 | 4)
    }

    /// `on`, `asleep`, `hibernated`, `off`; `other` for what has no name here.
    pub fn name(self) -> &'static str {
        match self {
            Self::ON => "on",
            Self::HIBERNATED => "hibernated",
            _ if self.is_asleep() => "asleep",
            _ if self.is_off() => "off",
            _ => "other",
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "other" => write!(f, "in state {}", self.0),
            name => f.write_str(name),
        }
    }
}

/// How the computer stands and what it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PowerStatus {
    /// Now.
    pub state: PowerState,
    /// What can be asked for now; none where the firmware does not tell.
    pub available: Option<Vec<PowerAction>>,
    /// Numbers of further states that can be asked for.
    pub other: Vec<u32>,
}

impl PowerStatus {
    fn of(read: &AssociatedPowerManagementService) -> Self {
        let numbers = &read.available_requested_power_states;
        let action = |number: &u32| PowerAction::from_number(*number);
        // Firmware before 8 or so has no such list: that says nothing about what it does.
        let available = (!numbers.is_empty()).then(|| numbers.iter().filter_map(action).collect());
        let other = numbers.iter().copied().filter(|number| action(number).is_none()).collect();
        Self { state: PowerState(read.power_state), available, other }
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PowerChange {
    /// What was asked for.
    pub action: PowerAction,
    /// How the computer stood before.
    pub before: PowerState,
    /// Whether the firmware's own answer was lost, and the computer was seen in the state asked for instead.
    pub seen_only: bool,
}

/// Reads how the computer stands.
///
/// # Errors
/// As [`Device::call`].
pub async fn power_status(device: &mut Device) -> Result<PowerStatus, Failure> {
    let reply = device.call(&AssociatedPowerManagementService::get()).await.map_err(|failure| failure.at(STAGE))?;
    let read = reply.typed().map_err(|error| error.failure(STAGE))?;
    Ok(PowerStatus::of(&read))
}

/// Has the computer do `action`, once.
///
/// What the firmware does not list as possible now is refused before anything is sent. When the reply is lost, the computer's
/// state is read; the request is never repeated.
///
/// # Errors
/// `WRONG_STATE` for what is not possible now, `RETURN_VALUE` with the firmware's reason if it refused, else as
/// [`Device::call`]; after a lost reply the message says how the computer was seen last.
pub async fn change_power(device: &mut Device, action: PowerAction) -> Result<PowerChange, Failure> {
    let status = power_status(device).await?;
    check(&status, action)?;
    let before = status.state;
    match device.call(&PowerManagementService::request_power_state_change(action.number())).await {
        Ok(_) => Ok(PowerChange { action, before, seen_only: false }),
        Err(failure) if failure.code.is_reply_lost() => look_after(device, failure, action, before).await,
        Err(failure) => Err(explain(failure.at(STAGE), action)),
    }
}

/// Refuses what the firmware does not offer.
pub(super) fn check(status: &PowerStatus, action: PowerAction) -> Result<(), Failure> {
    let Some(available) = &status.available else { return Ok(()) };
    if available.contains(&action) {
        return Ok(());
    }
    let message = format!("{action} is not possible: the computer is {}", status.state);
    let mut hint = format!("possible now: {}", names(available));
    if action.needs_agent() && status.state.is_on() {
        hint += "; what the operating system carries out needs Intel's agent (LMS) running in it";
    }
    Err(Failure::new(ErrorCode::WRONG_STATE, STAGE, message).hint(hint))
}

fn names(actions: &[PowerAction]) -> String {
    let names: Vec<&str> = actions.iter().map(|action| action.name()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The state tells whether a request without an answer was carried out, for those actions that a state shows.
async fn look_after(
    device: &mut Device,
    mut failure: Failure,
    action: PowerAction,
    before: PowerState,
) -> Result<PowerChange, Failure> {
    let mut last = None;
    for _ in 0..LOOKS {
        sleep(BEFORE_LOOK).await;
        let Ok(status) = power_status(device).await else { continue };
        last = Some(status.state);
        if action.shows(status.state) && !action.shows(before) {
            return Ok(PowerChange { action, before, seen_only: true });
        }
    }
    let seen = match last {
        Some(state) => format!("the computer is {state} now"),
        None => "the machine has not answered since".to_owned(),
    };
    failure.message = format!("the reply to {action} was lost ({}); {seen}", failure.message);
    failure.hint = "it was not repeated: look at the computer, or at `amt power status`, before you do".into();
    Err(failure.at(STAGE))
}

/// What to do about a refusal.
fn explain(failure: Failure, action: PowerAction) -> Failure {
    let Some(DeviceStatus::ReturnValue { value, .. }) = &failure.device else { return failure };
    match value {
        // What firmware says when nothing in the operating system takes the request.
        2 | 32_770 if action.needs_agent() => {
            failure.hint("the operating system has to do this: Intel's agent (LMS) must run in it, and answer")
        }
        4097 => failure.hint("the computer's state has just changed: read it again with `amt power status`"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(state: u32, available: &[u32]) -> PowerStatus {
        let mut read = AssociatedPowerManagementService::default();
        read.power_state = state;
        read.available_requested_power_states = available.to_vec();
        PowerStatus::of(&read)
    }

    #[test]
    fn names_and_numbers_lead_back_to_the_action() {
        for action in PowerAction::ALL {
            assert_eq!(action.name().parse::<PowerAction>().unwrap(), *action);
            assert_eq!(PowerAction::from_number(action.number()), Some(*action));
        }
        let failure = "explode".parse::<PowerAction>().unwrap_err();
        assert!(failure.message.contains("soft-reset"), "{failure}");
    }

    #[test]
    fn what_is_not_offered_is_refused_with_what_is() {
        let running = read(2, &[10, 8, 5, 11, 99]);
        assert_eq!(running.other, [99]);
        check(&running, PowerAction::Reset).unwrap();
        let failure = check(&running, PowerAction::On).unwrap_err();
        assert_eq!(failure.code, ErrorCode::WRONG_STATE);
        assert_eq!(failure.hint, "possible now: reset, off, cycle, nmi");
        assert!(check(&running, PowerAction::SoftOff).unwrap_err().hint.contains("LMS"));
        assert!(!check(&read(8, &[2]), PowerAction::SoftOff).unwrap_err().hint.contains("LMS"), "it is off");
    }

    #[test]
    fn firmware_that_lists_nothing_is_asked() {
        let old = read(8, &[]);
        assert_eq!(old.available, None);
        check(&old, PowerAction::On).unwrap();
    }

    #[test]
    fn states_have_names_and_unknown_ones_their_number() {
        let names = [2, 3, 4, 6, 7, 8, 13, 1].map(|number| PowerState(number).to_string());
        assert_eq!(names, ["on", "asleep", "asleep", "off", "hibernated", "off", "off", "in state 1"]);
    }
}
