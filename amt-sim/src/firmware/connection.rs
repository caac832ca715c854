//! One connection: HTTP, the login, and the faults on the way (`spec/wsman.md` §1.2–1.4).

use super::class::Caller;
use super::{ConnectionId, Ending, Firmware, MAX_AUDIT, Output, Port, soap};
use crate::digest::Verdict;
use crate::fault::{Direction, FaultKind, Message, damage, lengthen};
use crate::http::{self, Request, RequestParser, Response};
use crate::persona::CommitReply;
use crate::ticket;
use amt_core::Tick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::time::Duration;

/// A connection of the machine.
#[derive(Debug)]
pub(super) struct Connection {
    port: Port,
    peer: Option<IpAddr>,
    parser: RequestParser,
    /// From the machine's own system.
    pub(super) local: bool,
    /// The digest cache of a TLS connection: who logged in, and under which state of the ACL.
    logged_in: Option<(u64, String)>,
    /// The same by Kerberos, on a connection of either kind.
    ticket: Option<u64>,
    /// Who made the request that is served.
    user: String,
    /// What its domain knows it by.
    sids: Vec<Vec<u8>>,
    /// A stalled connection hears nothing more.
    deaf: bool,
    /// Of a handshake after which the firmware forgets the first request.
    pub(super) drops_first: bool,
}

impl Connection {
    pub(super) fn new(port: Port, peer: Option<IpAddr>) -> Self {
        Self {
            port,
            peer,
            parser: RequestParser::default(),
            local: false,
            logged_in: None,
            ticket: None,
            user: String::new(),
            sids: Vec::new(),
            deaf: false,
            drops_first: false,
        }
    }
}

/// Most characters of a token that firmware before [`NO_TOKEN_LIMIT`] takes.
const MAX_TOKEN: usize = 4096;
const NO_TOKEN_LIMIT: u16 = 6;
const REFUSED_PAGE: &str = "Log on failed. Incorrect user name or password, or user account temporarily locked.";

impl Firmware {
    pub(super) fn receive(&mut self, now: Tick, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.deaf) else { return };
        connection.parser.push(bytes);
        loop {
            let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.deaf) else { return };
            match connection.parser.next_request() {
                Ok(Some(request)) => self.serve(now, id, &request),
                Ok(None) => return,
                Err(bad) => {
                    self.refuse(now, "http", bad.reason.to_owned());
                    let response = Response::page(bad.status, bad.reason);
                    self.transmit(now, id, &response, None, Duration::ZERO);
                    self.end(now, id, Ending::Close);
                    return;
                }
            }
        }
    }

    fn serve(&mut self, now: Tick, id: ConnectionId, request: &Request) {
        if self.connections.get(&id).is_some_and(|c| c.drops_first) {
            self.refuse(now, "tls", "the first request after TLS 1.3 in setup mode is dropped".to_owned());
            return self.end(now, id, Ending::Close);
        }
        self.audit.total += 1;
        let number = self.audit.total;
        let soap = soap::read(&request.body);
        let label = match &soap {
            Ok(Ok(read)) => read.label(),
            _ => String::new(),
        };
        let message = Message::Request { number, label: &label };
        let mut delay = Duration::ZERO;
        let mut forced = None;
        match self.faults.strike(message, Direction::In) {
            Some(FaultKind::Delay(by)) => delay = by,
            Some(FaultKind::Reset) => return self.end(now, id, Ending::Reset),
            Some(FaultKind::Truncate) => return self.end(now, id, Ending::Close),
            Some(FaultKind::Stall) => return self.go_deaf(id),
            Some(FaultKind::Garbage) => {
                self.refuse(now, &label, "damaged on the way".to_owned());
                let response = Response::page(400, "The request could not be understood.");
                self.transmit(now, id, &response, None, delay);
                return self.end(now, id, Ending::Close);
            }
            Some(FaultKind::Status(status)) => forced = Some(status),
            Some(FaultKind::Busy | FaultKind::Oversize) | None => {}
        }
        let response = match self.login(now, id, request, &label) {
            Err(challenge) => challenge,
            Ok(()) => {
                self.count(&label);
                self.audit.writes += u64::from(matches!(&soap, Ok(Ok(read)) if read.is_write()));
                self.answer(now, id, request, soap, forced)
            }
        };
        let outgoing = self.faults.strike(message, Direction::Out);
        let committed = self.device.effects.contains(&super::Effect::Committed);
        let lost = committed && self.device.config.persona.network.commit_reply == CommitReply::Dropped;
        let peer = self.connections.get(&id).and_then(|c| c.peer);
        match outgoing {
            Some(FaultKind::Reset) => self.end(now, id, Ending::Reset),
            Some(FaultKind::Stall) => self.go_deaf(id),
            _ if lost => self.end(now, id, Ending::Reset),
            _ => {
                if let Some(FaultKind::Delay(by)) = outgoing {
                    delay += by;
                }
                self.transmit(now, id, &response, outgoing, delay);
                if response.close || request.closes() || committed || outgoing == Some(FaultKind::Truncate) {
                    self.end(now, id, Ending::Close);
                }
            }
        }
        self.apply_effects(now, peer);
    }

    fn count(&mut self, label: &str) {
        let label = if label.is_empty() { "?" } else { label };
        // Labels come from clients: their number is bounded like the log's length.
        if self.audit.requests.len() < MAX_AUDIT || self.audit.requests.contains_key(label) {
            *self.audit.requests.entry(label.to_owned()).or_default() += 1;
        }
        if self.audit.log.len() == MAX_AUDIT {
            self.audit.log.pop_front();
        }
        self.audit.log.push_back(label.to_owned());
    }

    /// The login, or the reply that asks for one.
    fn login(&mut self, now: Tick, id: ConnectionId, request: &Request, label: &str) -> Result<(), Response> {
        let epoch = self.acl_epoch;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let local = connection.local;
        if !self.device.login_required(local) {
            return Ok(());
        }
        if let Some(token) = request.header("authorization").and_then(|value| value.strip_prefix("Negotiate ")) {
            return self.login_by_ticket(now, id, token, label);
        }
        let login = &self.device.config.persona.login;
        let Some(authorization) = request.header("authorization") else {
            if connection.port == Port::Secure
                && let Some((_, user)) = connection.logged_in.as_ref().filter(|(at, _)| *at == epoch)
            {
                connection.user.clone_from(user);
                return Ok(());
            }
            if connection.ticket == Some(epoch) {
                return Ok(());
            }
            connection.ticket = None;
            return Err(self.ask_for_login(false));
        };
        let device = &self.device;
        let verdict = self.gate.check(
            now,
            login,
            &device.realm,
            authorization,
            &request.method,
            &request.target,
            &request.body,
            |user| device.secret(user, local),
        );
        match verdict {
            Verdict::Accepted(user) => {
                connection.ticket = None;
                connection.sids.clear();
                connection.user.clone_from(&user);
                connection.logged_in = Some((epoch, user));
                self.device.log_login();
                Ok(())
            }
            Verdict::Challenge { stale, reason } => {
                connection.logged_in = None;
                let peer = connection.peer;
                if matches!(reason, "wrong password" | "locked") {
                    let user = crate::digest::user(authorization).unwrap_or_default();
                    self.device.log_failed_login(now, &user, peer);
                }
                self.refuse(now, if label.is_empty() { "login" } else { label }, format!("401: {reason}"));
                Err(self.ask_for_login(stale))
            }
        }
    }

    /// Kerberos (`spec/wsman.md` §1.5): the token counts for the connection.
    fn login_by_ticket(&mut self, now: Tick, id: ConnectionId, token: &str, label: &str) -> Result<(), Response> {
        let clock = self.device.clock(now);
        let device = &self.device;
        let old = device.config.persona.version.major < NO_TOKEN_LIMIT;
        let judged = match &device.switches.kerberos {
            None => Err("Kerberos is switched off"),
            Some(_) if old && token.len() > MAX_TOKEN => Err("ticket too large"),
            Some(kerberos) => match STANDARD.decode(token) {
                Ok(token) => ticket::client(kerberos, &mut self.tickets_seen, clock, &token),
                Err(_) => Err("not base64"),
            },
        };
        let judged = judged.and_then(|user| {
            let known = device.config.sids.iter().filter(|(principal, _)| *principal == user);
            let sids: Vec<Vec<u8>> = known.map(|(_, sid)| sid.clone()).collect();
            if device.domain_users(&sids).next().is_some() { Ok((user, sids)) } else { Err("user not in the list") }
        });
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.logged_in = None;
        match judged {
            Ok((user, sids)) => {
                (connection.user, connection.sids, connection.ticket) = (user, sids, Some(self.acl_epoch));
                self.device.log_login();
                Ok(())
            }
            Err(reason) => {
                connection.ticket = None;
                self.refuse(now, if label.is_empty() { "login" } else { label }, format!("401: Kerberos: {reason}"));
                Err(self.ask_for_login(false))
            }
        }
    }

    fn ask_for_login(&mut self, stale: bool) -> Response {
        let mut response = Response::page(401, REFUSED_PAGE);
        let challenge = self.gate.challenge(&self.device.config.persona.login, &self.device.realm, stale);
        response.headers.push(("WWW-Authenticate", challenge));
        if self.device.switches.kerberos.is_some() {
            response.headers.push(("WWW-Authenticate", "Negotiate".to_owned()));
        }
        response
    }

    fn answer(
        &mut self,
        now: Tick,
        id: ConnectionId,
        request: &Request,
        soap: Result<Result<soap::Request, soap::Fault>, ()>,
        forced: Option<u32>,
    ) -> Response {
        // Firmware before 3.0 speaks an older SOAP on other paths, which nothing here does.
        let speaks_wsman = self.device.config.persona.version.capabilities().wsman;
        if request.target != "/wsman" || !speaks_wsman {
            self.refuse(now, "http", format!("target {:.80}", request.target));
            return Response::page(404, "The requested page does not exist.");
        }
        if request.method != "POST" {
            self.refuse(now, "http", format!("method {:.20}", request.method));
            return Response::page(405, "Only POST is served here.");
        }
        self.replies = self.replies.wrapping_add(1);
        let number = self.replies;
        let caller = self.connections.get(&id).map_or_else(Caller::default, |connection| Caller {
            secure: connection.port == Port::Secure,
            local: connection.local,
            user: connection.user.clone(),
            sids: connection.sids.clone(),
            peer: connection.peer,
        });
        let mut response = match soap {
            Err(()) => {
                self.refuse(now, "soap", "not SOAP".to_owned());
                return Response::page(400, "The request could not be understood.");
            }
            Ok(Err(fault)) => {
                self.refuse(now, "soap", fault.name());
                Response::soap(400, fault.write(None, number))
            }
            Ok(Ok(read)) => match self.operate(now, &read, caller, forced) {
                Ok(body) => {
                    if let soap::Body::Output { value, .. } = &body
                        && *value != 0
                    {
                        self.refuse(now, &read.label(), format!("ReturnValue {value}"));
                    }
                    Response::soap(200, soap::write(&read, number, &body))
                }
                Err(fault) => {
                    self.refuse(now, &read.label(), fault.name());
                    Response::soap(400, fault.write(Some(&read), number))
                }
            },
        };
        let framing = &self.device.config.persona.http;
        response.chunks = framing.chunked.then_some(framing.max_chunk);
        response
    }

    fn transmit(
        &mut self,
        now: Tick,
        id: ConnectionId,
        response: &Response,
        fault: Option<FaultKind>,
        delay: Duration,
    ) {
        let server = format!("Intel(R) Active Management Technology {}", self.device.config.persona.version);
        let mut bytes = response.encode(&server, &http::date(self.device.clock(now)), &mut self.chunks);
        match fault {
            Some(FaultKind::Oversize) => lengthen(&mut bytes),
            Some(FaultKind::Truncate) => bytes.truncate(bytes.len() / 2),
            Some(FaultKind::Garbage) => damage(&mut bytes, &mut self.damage),
            _ => {}
        }
        self.put_out(now, delay, Output::Transmit { connection: id, bytes });
    }

    fn end(&mut self, now: Tick, id: ConnectionId, ending: Ending) {
        if self.connections.remove(&id).is_some() {
            self.put_out(now, Duration::ZERO, Output::Close { connection: id, ending });
        }
    }

    fn go_deaf(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.deaf = true;
        }
    }
}
