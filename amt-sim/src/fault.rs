//! Faults on purpose: what goes wrong, where, and how often.
//!
//! A fault is aimed at a message (a request by number or by method, the TLS handshake, the hello) and a direction, or
//! thrown at random by the machine's seed. Text form: `PLACE:DIRECTION:KIND[:TIMES]`, for example
//! `AMT_SetupAndConfigurationService.CommitChanges:out:reset`, `request 3:in:garbage`, `handshake:out:stall`,
//! `hello:out:truncate:2`, `any:out:delay=500`, `AMT_GeneralSettings.Put:in:status=38`.

use crate::seed::Seeded;
use amt_core::{ErrorCode, Failure};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Seen from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// A message on its way to the machine: it is lost before the firmware acts on it.
    In,
    /// A message from the machine: the firmware has acted.
    Out,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The answer comes later by this much real time.
    Delay(Duration),
    /// The connection is reset.
    Reset,
    /// Half of the message, then the connection is closed.
    Truncate,
    /// Nothing more is said, and the connection stays open.
    Stall,
    /// The bytes are damaged.
    Garbage,
    /// More bytes follow the message than it says: an answer of the firmware's, or its hello.
    Oversize,
    /// The firmware refuses with this PT_STATUS: a method as ReturnValue, a command of AMTHI as its status, the rest as a fault with
    /// AMT-STATUS.
    Status(u32),
    /// A connection to a client is refused: the firmware has no room for it.
    Busy,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Every one.
    Any,
    /// The hello.
    Hello,
    /// The TLS handshake.
    Handshake,
    /// The request of this number, counted from 1 over the machine's life.
    Request(u64),
    /// Requests of this label, `Class.Method`; commands of AMTHI are `AMTHI.Name`, messages of other clients `LME.message`, connections to
    /// one `AMTHI.connect`.
    Label(String),
    /// The message to a client of the firmware with this number, counted from 1 over the machine's life.
    Mei(u64),
}

/// The message that is about to pass.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A hello.
    Hello,
    /// A handshake.
    Handshake,
    /// A request, or the reply to it.
    Request {
        /// Its number.
        number: u64,
        /// Its label, `Class.Method`; empty if it is no WS-Man.
        label: &'a str,
    },
    /// A message to a client of the firmware, or its answer.
    Mei {
        /// Its number, counted from 1 over the machine's life; 0 for a connect.
        number: u64,
        /// Its label: `AMTHI.GetUuid`, `AMTHI.connect`, `LME.message`.
        label: &'a str,
    },
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// Which way.
    pub direction: Direction,
    /// What.
    pub kind: FaultKind,
    /// How many times it strikes.
    pub times: u32,
}

impl Fault {
    /// Strikes once.
    pub fn once(place: Place, direction: Direction, kind: FaultKind) -> Self {
        Self { place, direction, kind, times: 1 }
    }
}

/// All faults of one machine.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    aimed: Vec<Fault>,
    percent: u8,
    choices: Option<Seeded>,
    struck: u64,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// These, in this order of precedence.
    pub fn aimed(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { aimed: faults.into_iter().collect(), ..Self::default() }
    }

    /// A delay, reset, truncation, stall or garbage at `percent` of all messages, chosen by `seed`.
    pub fn random(seed: u64, percent: u8) -> Self {
        Self { percent, choices: Some(Seeded::new(seed, "fault")), ..Self::default() }
    }

    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        self.aimed.push(fault);
    }

    /// How many have struck.
    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// The same faults for another machine: the random ones fall elsewhere.
    pub fn for_machine(&self, seed: u64) -> Self {
        let mut plan = self.clone();
        plan.choices = self.choices.is_some().then(|| Seeded::new(seed, "fault"));
        plan
    }

    /// Asks whether `message` passes; a fault that strikes is used up.
    pub fn strike(&mut self, message: Message<'_>, direction: Direction) -> Option<FaultKind> {
        let hit = self.aimed.iter_mut().find(|f| f.times > 0 && f.direction == direction && f.place.is(message));
        let kind = match hit {
            Some(fault) => {
                fault.times = fault.times.saturating_sub(1);
                Some(fault.kind)
            }
            None => self.choices.as_mut().and_then(|choices| {
                choices.percent(self.percent).then(|| match choices.below(5) {
                    0 => FaultKind::Delay(Duration::from_millis(50 + choices.below(450))),
                    1 => FaultKind::Reset,
                    2 => FaultKind::Truncate,
                    3 => FaultKind::Stall,
                    _ => FaultKind::Garbage,
                })
            }),
        };
        self.struck += u64::from(kind.is_some());
        kind
    }
}

impl Place {
    fn is(&self, message: Message<'_>) -> bool {
        match (self, message) {
            (Self::Any, _) | (Self::Hello, Message::Hello) | (Self::Handshake, Message::Handshake) => true,
            (Self::Request(n), Message::Request { number, .. }) => *n == number,
            (Self::Label(l), Message::Request { label, .. } | Message::Mei { label, .. }) => l == label,
            (Self::Mei(n), Message::Mei { number, .. }) => *n == number,
            _ => false,
        }
    }
}

/// Damages bytes where it hurts: the middle third is overwritten.
pub(crate) fn damage(bytes: &mut [u8], choices: &mut Seeded) {
    let third = bytes.len() / 3;
    for byte in bytes.iter_mut().skip(third).take(third.max(1)) {
        *byte = u8::try_from(0x80 | choices.below(0x80)).unwrap_or(0xff);
    }
}

/// Lets more follow the message.
pub(crate) fn lengthen(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len() + 64, 0xa5);
}

impl FromStr for Fault {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let bad = |why: &str| {
            let message = format!("fault {text:?}: {why}; expected PLACE:in|out:KIND[:TIMES]");
            Failure::new(ErrorCode::PARSE_TEXT, "fault", message)
        };
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (place, direction, kind, times) = match parts.as_slice() {
            [place, direction, kind] => (*place, *direction, *kind, "1"),
            [place, direction, kind, times] => (*place, *direction, *kind, *times),
            _ => return Err(bad("three or four parts")),
        };
        let place = match place {
            "any" => Place::Any,
            "hello" => Place::Hello,
            "handshake" => Place::Handshake,
            other if other.starts_with("mei ") => {
                Place::Mei(other["mei ".len()..].trim().parse().map_err(|_| bad("number of a message"))?)
            }
            other => match other.strip_prefix("request") {
                Some(number) => Place::Request(number.trim().parse().map_err(|_| bad("request number"))?),
                None if other.contains('.') => Place::Label(other.to_owned()),
                None => return Err(bad("place is any, hello, handshake, request N, mei N or Class.Method")),
            },
        };
        let direction = match direction {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err(bad("direction is in or out")),
        };
        let (name, value) = kind.split_once('=').unwrap_or((kind, ""));
        let kind = match name {
            "delay" => FaultKind::Delay(Duration::from_millis(value.parse().map_err(|_| bad("delay=MILLISECONDS"))?)),
            "reset" => FaultKind::Reset,
            "truncate" => FaultKind::Truncate,
            "stall" => FaultKind::Stall,
            "garbage" => FaultKind::Garbage,
            "oversize" => FaultKind::Oversize,
            "busy" => FaultKind::Busy,
            "status" => FaultKind::Status(value.parse().map_err(|_| bad("status=NUMBER"))?),
            _ => return Err(bad("kind is delay=MS, reset, truncate, stall, garbage, oversize, busy or status=N")),
        };
        Ok(Self { place, direction, kind, times: times.parse().map_err(|_| bad("times"))? })
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(by) => write!(f, "delay={}", by.as_millis()),
            Self::Reset => f.write_str("reset"),
            Self::Truncate => f.write_str("truncate"),
            Self::Stall => f.write_str("stall"),
            Self::Garbage => f.write_str("garbage"),
            Self::Oversize => f.write_str("oversize"),
            Self::Busy => f.write_str("busy"),
            Self::Status(n) => write!(f, "status={n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aimed_faults_strike_their_message_as_often_as_told() {
        let mut plan = FaultPlan::aimed([
            "AMT_GeneralSettings.Get:out:reset:2".parse().unwrap(),
            "request 7:in:delay=250".parse().unwrap(),
        ]);
        let get = |number| Message::Request { number, label: "AMT_GeneralSettings.Get" };
        assert_eq!(plan.strike(get(1), Direction::In), None);
        assert_eq!(plan.strike(get(1), Direction::Out), Some(FaultKind::Reset));
        assert_eq!(plan.strike(get(7), Direction::In), Some(FaultKind::Delay(Duration::from_millis(250))));
        assert_eq!(plan.strike(get(7), Direction::Out), Some(FaultKind::Reset));
        assert_eq!(plan.strike(get(8), Direction::Out), None);
        assert_eq!(plan.strike(Message::Hello, Direction::Out), None);
        assert_eq!(plan.struck(), 3);
    }

    #[test]
    fn random_faults_repeat_with_the_seed() {
        let run = |seed| {
            let mut plan = FaultPlan::random(seed, 30);
            (0..50).map(|_| plan.strike(Message::Hello, Direction::Out)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).iter().flatten().count() > 5);
    }

    #[test]
    fn text_that_is_no_fault_says_what_is_wrong() {
        for (text, why) in [
            ("hello", "three or four"),
            ("world:in:reset", "place"),
            ("hello:up:reset", "direction"),
            ("hello:in:explode", "kind"),
            ("hello:in:delay=x", "delay"),
            ("request x:in:reset", "number"),
            ("hello:in:reset:x", "times"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.message.contains(why), "{text}: {error}");
        }
    }
}
