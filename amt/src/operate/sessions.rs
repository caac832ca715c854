//! Who has the sessions of redirection: serial line, remote drives, screen, and the consent to them (`spec/wsman.md` §1.1, §3.9).
//!
//! Of serial line and drives only the firmware's answer to a console tells whether somebody has them: each is asked for as a console
//! does, without a login, and the connection is closed at once. The screen's state and the consent are in their classes.

use crate::device::{Device, is_absent};
use amt_core::codec::{DecodeError, Reader};
use amt_core::redirection::{SessionAnswer, SessionKind, SessionStatus, StartSession};
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::RedirectionService;
use amt_wsman::class::cim::KvmRedirectionSap;
use amt_wsman::class::ips::OptInService;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const STAGE: &str = "sessions";
/// How long the firmware may take to answer a console.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the firmware may take to notice that a connection was closed: until then it holds the session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// Whoever logs in may have it.
    Free,
    /// Somebody has it.
    Taken,
    /// It is switched off.
    Off,
    /// The firmware does not have it.
    Absent,
    /// It could not be found out; [`Session::why`] tells the reason.
    Unclear,
}

impl SessionState {
    /// `free`, `taken`, `off`, `absent`, `unclear`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Taken => "taken",
            Self::Off => "off",
            Self::Absent => "absent",
            Self::Unclear => "unclear",
        }
    }
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// Which.
    pub kind: SessionKind,
    /// How it stands.
    pub state: SessionState,
    /// What is to be said to that.
    pub why: Option<String>,
}

/// For what the person before the machine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConsentFor {
    /// Nothing.
    Nothing,
    /// The screen.
    Screen,
    /// All that is redirected, as in client control mode.
    All,
    /// A number without a name.
    Other(u32),
}

impl ConsentFor {
    /// `nothing`, `screen`, `all`, `other`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Screen => "screen",
            Self::All => "all",
            Self::Other(_) => "other",
        }
    }

    const fn of(number: u32) -> Self {
        match number {
            OptInService::NONE => Self::Nothing,
            OptInService::KVM => Self::Screen,
            OptInService::ALL => Self::All,
            other => Self::Other(other),
        }
    }
}

/// How far asking for consent is, by the firmware's number. Open: unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsentState(pub u32);

impl ConsentState {
    /// A session runs with it.
    pub const IN_SESSION: Self = Self(4);

    /// `idle`, `requested`, `displayed`, `received`, `in-session`; `other` for what has no name here.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "idle",
            1 => "requested",
            2 => "displayed",
            3 => "received",
            4 => "in-session",
            _ => "other",
        }
    }
}

/// Consent of the person before the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consent {
    /// For what it is needed; none where the firmware does not tell.
    pub needed_for: Option<ConsentFor>,
    /// How far it is; anything but idle means that somebody is at it.
    pub state: Option<ConsentState>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sessions {
    /// Whether the ports of redirection listen, as the firmware tells.
    pub listener: Option<bool>,
    /// Serial line, drives, screen.
    pub sessions: Vec<Session>,
    /// Consent; none where the firmware has none.
    pub consent: Option<Consent>,
}

impl Sessions {
    /// The session of this kind.
    pub fn of(&self, kind: SessionKind) -> Option<&Session> {
        self.sessions.iter().find(|session| session.kind == kind)
    }
}

/// Asks which sessions are free. `port` is that of redirection; none: 16995 with TLS, 16994 without.
///
/// Each session that is switched on is held for the moment of asking: a console that wants it just then is told that it is taken.
///
/// # Errors
/// As [`Device::call`]. What one session does not tell is no error, and [`SessionState::Unclear`].
pub async fn sessions(device: &mut Device, port: Option<u16>) -> Result<Sessions, Failure> {
    let service = read::<RedirectionService>(device).await?;
    let listener = service.as_ref().ok().and_then(|service| service.listener_enabled);
    let mut sessions = Vec::new();
    for (kind, bit) in
        [(SessionKind::Serial, RedirectionService::SERIAL), (SessionKind::Drives, RedirectionService::DRIVES)]
    {
        let (state, why) = match &service {
            Err((state, why)) => (*state, why.clone()),
            Ok(service) if service.enabled_state.is_some_and(|state| state & bit == 0) => (SessionState::Off, None),
            Ok(_) if listener == Some(false) => {
                (SessionState::Off, Some("the machine does not listen for redirection".to_owned()))
            }
            Ok(_) => judge(ask_session(device, kind, port).await),
        };
        sessions.push(Session { kind, state, why });
    }
    let (state, why) = match read::<KvmRedirectionSap>(device).await? {
        Err(told) => told,
        Ok(sap) => match sap.enabled_state {
            Some(KvmRedirectionSap::IN_SESSION) => (SessionState::Taken, None),
            Some(KvmRedirectionSap::IDLE) => (SessionState::Free, None),
            Some(3) => (SessionState::Off, None),
            Some(other) => (SessionState::Unclear, Some(format!("the firmware says EnabledState {other}"))),
            None => (SessionState::Unclear, Some("the firmware does not say".to_owned())),
        },
    };
    sessions.push(Session { kind: SessionKind::Screen, state, why });
    let consent = read::<OptInService>(device).await?.ok().map(|service| Consent {
        needed_for: service.opt_in_required.map(ConsentFor::of),
        state: service.opt_in_state.map(ConsentState),
    });
    Ok(Sessions { listener, sessions, consent })
}

/// Asks for one session as a console does, and leaves before it would log in.
///
/// # Errors
/// 6xxx and 4xxx for the connection, 1xxx for an answer that is none, `REPLY_TIMEOUT` if there is none in time.
pub async fn ask_session(device: &mut Device, kind: SessionKind, port: Option<u16>) -> Result<SessionAnswer, Failure> {
    let mut stream = device.redirection(port).await?;
    let lost =
        |error: &std::io::Error| Failure::new(ErrorCode::CONNECTION_RESET, STAGE, format!("redirection: {error}"));
    let talk = async {
        stream.write_all(&StartSession::new(kind).encode()).await.map_err(|error| lost(&error))?;
        stream.flush().await.map_err(|error| lost(&error))?;
        let (mut answer, mut buffer) = (Vec::new(), [0; SessionAnswer::MAX_LEN]);
        loop {
            let count = stream.read(&mut buffer).await.map_err(|error| lost(&error))?;
            let bytes = buffer.get(..count).unwrap_or_default();
            answer.extend_from_slice(bytes);
            match SessionAnswer::decode(&mut Reader::new(&answer)) {
                Ok(answer) => return Ok(answer),
                // An answer has few bytes: it is whole before this many have come.
                Err(DecodeError::Truncated { .. }) if count > 0 && answer.len() < SessionAnswer::MAX_LEN => {}
                Err(_) if answer.is_empty() => {
                    let text = "the machine closed the connection of redirection without an answer";
                    return Err(Failure::new(ErrorCode::CONNECTION_CLOSED, STAGE, text));
                }
                Err(error) => return Err(Failure::from(error).at(STAGE)),
            }
        }
    };
    let answer = timeout(ANSWER_TIMEOUT, talk).await.unwrap_or_else(|_| {
        let text = format!("no answer to the request for a session within {} s", ANSWER_TIMEOUT.as_secs());
        Err(Failure::new(ErrorCode::REPLY_TIMEOUT, STAGE, text))
    });
    // What was granted is given back, and the firmware has seen that before this returns.
    let leave = async {
        let _ = stream.shutdown().await;
        let mut rest = [0; 64];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    };
    let _ = timeout(CLOSE_TIMEOUT, leave).await;
    answer
}

fn judge(answer: Result<SessionAnswer, Failure>) -> (SessionState, Option<String>) {
    match answer {
        Ok(SessionAnswer { status: SessionStatus::GRANTED, .. }) => (SessionState::Free, None),
        Ok(SessionAnswer { status: SessionStatus::BUSY, .. }) => (SessionState::Taken, None),
        Ok(SessionAnswer { status: SessionStatus::UNKNOWN_TYPE, .. }) => (SessionState::Absent, None),
        Ok(SessionAnswer { status: SessionStatus::UNSUPPORTED, .. }) => {
            (SessionState::Off, Some("the firmware says that it is not supported".to_owned()))
        }
        Ok(SessionAnswer { status, .. }) => (SessionState::Unclear, Some(format!("the firmware says: {status}"))),
        Err(failure) => (SessionState::Unclear, Some(failure.into_details().message)),
    }
}

/// The only instance of a class; what a fault says of it instead.
async fn read<T: Class>(device: &mut Device) -> Result<Result<T, (SessionState, Option<String>)>, Failure> {
    let failure = match device.call(&T::get()).await {
        Ok(reply) => return reply.typed().map(Ok).map_err(|error| error.failure(STAGE)),
        Err(failure) => failure,
    };
    match &failure.device {
        _ if is_absent(&failure) => Ok(Err((SessionState::Absent, None))),
        Some(fault @ DeviceStatus::Fault { .. }) => {
            Ok(Err((SessionState::Unclear, Some(format!("{}: {fault}", T::NAME)))))
        }
        _ => Err(failure.at(STAGE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_state() {
        let refused = |status| judge(Ok(SessionAnswer::refused(SessionStatus(status))));
        assert_eq!(refused(0), (SessionState::Free, None));
        assert_eq!(refused(1), (SessionState::Absent, None));
        assert_eq!(refused(2), (SessionState::Taken, None));
        assert_eq!(refused(3).0, SessionState::Off);
        assert_eq!(refused(255), (SessionState::Unclear, Some("the firmware says: error".to_owned())));
        let lost = Failure::new(ErrorCode::CONNECT_REFUSED, STAGE, "closed");
        assert_eq!(judge(Err(lost)), (SessionState::Unclear, Some("closed".to_owned())));
    }

    #[test]
    fn numbers_of_consent_have_names() {
        let needed = [0, 1, u32::MAX, 7].map(|number| ConsentFor::of(number).name());
        assert_eq!(needed, ["nothing", "screen", "all", "other"]);
        let states = [0, 1, 2, 3, 4, 5].map(|number| ConsentState(number).name());
        assert_eq!(states, ["idle", "requested", "displayed", "received", "in-session", "other"]);
    }
}
