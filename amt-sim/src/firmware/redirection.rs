//! The redirection ports, 16994 and 16995, from a console's request for a session to its login (`spec/wsman.md` §1.1, §3.9). The sessions
//! themselves are not simulated: who goes on after the login is disconnected.

use super::class::Caller;
use super::device::{Device, Phase};
use super::soap::Operation;
use super::{ConnectionId, Ending, Firmware, Output, Port};
use crate::digest::Verdict;
use amt_core::Tick;
use amt_core::codec::{DecodeError, Reader};
use amt_core::redirection::{
    ConsoleMessage, Granted, LOGIN_URI, LoginMessage, LoginMethod, MAX_LOGIN, SessionAnswer, SessionKind,
    SessionStatus, StartSession,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// IANA's number of Intel.
const INTEL: u32 = 343;
/// Bits of `AMT_RedirectionService.EnabledState`.
const DRIVES: u32 = 1;
const SERIAL: u32 = 2;
/// What a refused login answers, and one that is to be tried with the nonce that comes along.
const REFUSED: u8 = 1;
/// Longest thing that a console may leave unfinished.
const MAX_PENDING: usize = MAX_LOGIN + 16;

/// Who has which session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    /// Those of somebody outside of the simulation.
    pub(crate) elsewhere: BTreeSet<SessionKind>,
    /// Those that a connection asked for, and whether it has logged in.
    held: BTreeMap<SessionKind, bool>,
}

impl Sessions {
    /// Whether nobody else gets it.
    pub(crate) fn is_taken(&self, kind: SessionKind) -> bool {
        self.elsewhere.contains(&kind) || self.held.contains_key(&kind)
    }

    /// Whether somebody who has logged in has it.
    pub(crate) fn runs(&self, kind: SessionKind) -> bool {
        self.elsewhere.contains(&kind) || self.held.get(&kind) == Some(&true)
    }
}

/// A connection to one of the two ports.
#[derive(Debug)]
pub(super) struct Console {
    pending: Vec<u8>,
    kind: Option<SessionKind>,
    logged_in: bool,
}

impl Device {
    /// Whether the firmware offers the session.
    fn offers(&self, kind: SessionKind) -> bool {
        match kind {
            SessionKind::Serial => self.redirection.0 & SERIAL != 0,
            SessionKind::Drives => self.redirection.0 & DRIVES != 0,
            _ => self.config.persona.features.kvm && self.settings.kvm.on,
        }
    }
}

impl Firmware {
    /// Which of the two ports listen: those beside the open ones of WS-Man, while the listener is enabled.
    pub(super) fn redirection_ports(&self, now: Tick) -> (bool, bool) {
        let (plain, secure) = self.ports(now);
        let on = self.device.phase == Phase::Post && self.device.redirection.1;
        (on && plain, on && secure)
    }

    /// Tells which ports listen, and ends the sessions that are no longer offered.
    pub(super) fn mind_redirection(&mut self, now: Tick) {
        let ports = self.redirection_ports(now);
        if ports != self.redirecting {
            self.redirecting = ports;
            self.outputs.push_back(Output::ListenRedirection { plain: ports.0, secure: ports.1 });
        }
        if ports == (false, false) {
            self.device.sessions.elsewhere.clear();
        }
        let device = &self.device;
        let ended = self
            .consoles
            .iter()
            .filter(|(_, console)| ports == (false, false) || console.kind.is_some_and(|kind| !device.offers(kind)));
        for id in ended.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_console(now, id);
        }
    }

    /// Somebody outside of the simulation takes a session, or gives it back.
    pub(super) fn take_session(&mut self, kind: SessionKind, taken: bool) {
        let elsewhere = &mut self.device.sessions.elsewhere;
        if taken {
            elsewhere.insert(kind);
        } else {
            elsewhere.remove(&kind);
        }
    }

    pub(super) fn accept_console(&mut self, id: ConnectionId) {
        self.consoles.insert(id, Console { pending: Vec::new(), kind: None, logged_in: false });
    }

    /// Bytes of a console; false if the connection is none.
    pub(super) fn console_bytes(&mut self, now: Tick, id: ConnectionId, bytes: &[u8]) -> bool {
        let Some(console) = self.consoles.get_mut(&id) else { return false };
        console.pending.extend_from_slice(bytes);
        loop {
            let Some(console) = self.consoles.get_mut(&id) else { return true };
            if console.pending.is_empty() {
                return true;
            }
            if console.logged_in {
                self.turn_away(now, id, "nothing of a session after its login is simulated".to_owned());
                return true;
            }
            let mut reader = Reader::new(&console.pending);
            match ConsoleMessage::decode(&mut reader) {
                Ok(message) => {
                    let used = reader.offset();
                    console.pending.drain(..used);
                    self.console_message(now, id, message);
                }
                Err(DecodeError::Truncated { .. }) if console.pending.len() < MAX_PENDING => return true,
                Err(error) => {
                    self.turn_away(now, id, error.to_string());
                    return true;
                }
            }
        }
    }

    fn console_message(&mut self, now: Tick, id: ConnectionId, message: ConsoleMessage) {
        let kind = self.consoles.get(&id).and_then(|console| console.kind);
        match message {
            ConsoleMessage::Start(start) if kind.is_none() => self.start_session(now, id, start),
            ConsoleMessage::Login(login) if kind.is_some() && !login.is_reply => self.console_login(now, id, &login),
            ConsoleMessage::End => self.end_console(now, id),
            _ => self.turn_away(now, id, "a message out of turn".to_owned()),
        }
    }

    fn start_session(&mut self, now: Tick, id: ConnectionId, start: StartSession) {
        let status = match start.kind() {
            None => SessionStatus::UNKNOWN_TYPE,
            Some(kind) if !self.device.offers(kind) => SessionStatus::UNSUPPORTED,
            Some(kind) if self.device.sessions.is_taken(kind) => SessionStatus::BUSY,
            Some(kind) => {
                self.device.sessions.held.insert(kind, false);
                if let Some(console) = self.consoles.get_mut(&id) {
                    console.kind = Some(kind);
                }
                let version = self.device.config.persona.version;
                let manager = (u8::try_from(version.major).unwrap_or(u8::MAX), 0);
                let granted = Granted { protocol: (1, 0), manager, oem: INTEL, oem_data: Vec::new() };
                let answer = SessionAnswer { status: SessionStatus::GRANTED, granted: Some(granted) };
                return self.say_to_console(now, id, answer.encode());
            }
        };
        self.say_to_console(now, id, SessionAnswer::refused(status).encode());
        self.turn_away(now, id, format!("{}: {status}", String::from_utf8_lossy(&start.tag).trim_end()));
    }

    fn console_login(&mut self, now: Tick, id: ConnectionId, login: &LoginMessage) {
        if login.method == LoginMethod::QUERY {
            return self.login_reply(now, id, 0, LoginMethod::QUERY, vec![LoginMethod::DIGEST.0]);
        }
        let fields = (login.method == LoginMethod::DIGEST)
            .then(|| login.fields().ok())
            .flatten()
            .and_then(|fields| <[&[u8]; 8]>::try_from(fields).ok());
        let Some(fields) = fields else {
            self.login_reply(now, id, REFUSED, login.method, Vec::new());
            return self.turn_away(now, id, "401: not a digest".to_owned());
        };
        let [user, realm, nonce, uri, cnonce, nc, response, qop] =
            fields.map(|field| String::from_utf8_lossy(field).replace(['\\', '"'], ""));
        if response.is_empty() {
            return self.challenge_console(now, id);
        }
        let authorization = format!(
            "Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",cnonce=\"{cnonce}\",nc={nc},\
             response=\"{response}\",qop={qop}"
        );
        let device = &self.device;
        let settings = &device.config.persona.login;
        let verdict = self.gate.check(now, settings, &device.realm, &authorization, "POST", LOGIN_URI, &[], |user| {
            device.secret(user, false)
        });
        let reason = match verdict {
            Verdict::Accepted(user) => {
                let caller = Caller { user, ..Caller::default() };
                if device.covers(&caller, "AMT_RedirectionService", &Operation::Get) {
                    return self.console_logged_in(now, id);
                }
                "realm missing"
            }
            Verdict::Challenge { reason, .. } => {
                if matches!(reason, "wrong password" | "locked") {
                    self.device.log_failed_login(now, &user, None);
                }
                reason
            }
        };
        self.refuse(now, "redirection", format!("401: {reason}"));
        self.challenge_console(now, id);
    }

    fn console_logged_in(&mut self, now: Tick, id: ConnectionId) {
        let Some(console) = self.consoles.get_mut(&id) else { return };
        console.logged_in = true;
        if let Some(kind) = console.kind {
            self.device.sessions.held.insert(kind, true);
        }
        self.device.log_login();
        self.login_reply(now, id, 0, LoginMethod::DIGEST, Vec::new());
    }

    fn challenge_console(&mut self, now: Tick, id: ConnectionId) {
        let nonce = self.gate.nonce();
        let mut data = Vec::new();
        for field in [self.device.realm.as_str(), &nonce, "auth"] {
            data.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
            data.extend(field.bytes().take(usize::from(u8::MAX)));
        }
        self.login_reply(now, id, REFUSED, LoginMethod::DIGEST, data);
    }

    fn login_reply(&mut self, now: Tick, id: ConnectionId, status: u8, method: LoginMethod, data: Vec<u8>) {
        self.say_to_console(now, id, LoginMessage { is_reply: true, status, method, data }.encode());
    }

    fn say_to_console(&mut self, now: Tick, id: ConnectionId, bytes: Vec<u8>) {
        self.put_out(now, Duration::ZERO, Output::Transmit { connection: id, bytes });
    }

    fn turn_away(&mut self, now: Tick, id: ConnectionId, reason: String) {
        self.refuse(now, "redirection", reason);
        self.end_console(now, id);
    }

    fn end_console(&mut self, now: Tick, id: ConnectionId) {
        if self.forget_console(id) {
            self.put_out(now, Duration::ZERO, Output::Close { connection: id, ending: Ending::Close });
        }
    }

    /// The connection is gone, and with it the session; false if it was none of a console.
    pub(super) fn forget_console(&mut self, id: ConnectionId) -> bool {
        let Some(console) = self.consoles.remove(&id) else { return false };
        if let Some(kind) = console.kind {
            self.device.sessions.held.remove(&kind);
        }
        true
    }

    /// Every connection and every session ends.
    pub(super) fn drop_consoles(&mut self, ending: Ending) {
        for connection in std::mem::take(&mut self.consoles).into_keys() {
            self.outputs.push_back(Output::Close { connection, ending });
        }
        self.device.sessions = Sessions::default();
    }
}

impl Port {
    /// Whether TLS is spoken there.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Secure | Self::SecureRedirection)
    }

    /// Whether it is one of redirection.
    pub const fn is_redirection(self) -> bool {
        matches!(self, Self::PlainRedirection | Self::SecureRedirection)
    }
}
