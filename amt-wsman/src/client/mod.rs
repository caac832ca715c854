//! A WS-Man client as a machine: requests in, bytes out; bytes in, replies out. No sockets, no clock.
//!
//! The driver owns the connection (plain or TLS) and the clock:
//!
//! 1. [`Client::start`] takes a request; then, and after every [`Client::handle`], drain [`Client::poll`].
//! 2. [`Output::Connect`]: drop the connection, if there is one, open another, then give [`Input::Connected`].
//! 3. [`Output::Transmit`]: write these bytes in one write, with `TCP_NODELAY`.
//! 4. Give what arrives as [`Input::Bytes`], the end of the connection as [`Input::Closed`], and [`Input::Timeout`]
//!    when [`Client::deadline`] has passed.
//! 5. [`Output::Done`] ends the request. The connection stays open for the next one.
//!
//! **Login** (`spec/wsman.md` §1.4). The first request carries no digest; from the first challenge on, every request
//! does. A 401 means that the request was not carried out, so it is repeated: once, or once more if the device says
//! `stale`. A 401 to a digest over a cached nonce says nothing about the password (nonces are reset at any time, and
//! every change of an access list resets the login of a connection); a 401 to a digest over a nonce just received does.
//!
//! **Kerberos** (§1.5). After [`Client::use_tokens`] there is no digest at all: the first request of every connection carries
//! a token, which the driver gives by [`Client::set_token`] when a connection is asked for, and later ones carry nothing. A
//! token counts once, so a 401 to a later request is answered with another connection and another token.
//!
//! **Nothing is sent twice** otherwise. A connection that ends before the reply leaves the caller to find out what
//! became of the request.

mod exchange;

pub use exchange::{MAX_ENUMERATION_BYTES, MAX_PULLS};

use crate::Error;
use crate::digest::{Challenge, Subject, hex};
use crate::http::{self, Response, ResponseReader};
use crate::op::{Reply, Request};
use amt_core::{FirmwareVersion, Secret, Tick};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::{Exchange, Next};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Request target of all WS-Man.
pub const TARGET: &str = "/wsman";
/// Most times one message is sent: without digest, with one, and again if the nonce was stale by then.
pub const MAX_SENDS: u8 = 3;
/// Most characters of a token, base64, that firmware before 6.0 takes (`spec/wsman.md` §1.5).
pub const MAX_TOKEN: usize = 4096;
/// From so many refused logins in a row on, the account is likelier locked than the password wrong. How many firmware takes is told
/// nowhere; MeshCentral and rps stop after this many.
pub const LIKELY_LOCKED: u32 = 3;
/// A refusal counts no longer towards a lock-out.
const FORGIVEN_AFTER: Duration = Duration::from_secs(20);
/// Major version of the first firmware of which no such limit is known.
const NO_TOKEN_LIMIT: u16 = 6;
/// Most instances of one enumeration, unless configured otherwise.
pub const MAX_ITEMS: usize = 4096;

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password.
    pub password: Secret<String>,
}

impl Credentials {
    /// Credentials of `user`.
    pub fn new(user: &str, password: impl Into<Secret<String>>) -> Self {
        Self { user: user.to_owned(), password: password.into() }
    }
}

/// Settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Host and port for the `Host` header: `10.0.0.5:16993`.
    pub authority: String,
    /// How long a reply may take, from the moment its request was handed out. 30 s unless changed.
    pub reply_timeout: Duration,
    /// Most instances that an enumeration may bring.
    pub max_items: usize,
}

impl ClientConfig {
    /// Settings for a device; the rest as documented at the fields.
    pub fn new(authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), reply_timeout: Duration::from_secs(30), max_items: MAX_ITEMS }
    }
}

/// What happened outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The connection asked for is open.
    Connected,
    /// These bytes arrived.
    Bytes(&'a [u8]),
    /// The connection ended, was reset, or could not be opened.
    Closed,
    /// The deadline may have passed.
    Timeout,
}

/// What is to be done outside. `Debug` does not show the bytes of a request.
#[derive(PartialEq, Eq)]
pub enum Output {
    /// Drop the connection if there is one, open another, then give [`Input::Connected`].
    Connect,
    /// Write these bytes in one piece. They may hold secrets.
    Transmit(Vec<u8>),
    /// The request is over.
    Done(Result<Reply, Error>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("Connect"),
            Self::Transmit(bytes) => write!(f, "Transmit({} bytes)", bytes.len()),
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
        }
    }
}

/// A client of one device: one request in flight, one connection.
pub struct Client {
    config: ClientConfig,
    seed: Secret<[u8; 32]>,
    client_nonces: u64,
    message_id: u32,
    credentials: Option<Credentials>,
    /// In the place of credentials.
    tokens: Option<Tokens>,
    /// These credentials were accepted once.
    accepted: bool,
    /// Logins refused in a row, and when the last one was.
    refusals: (u32, Option<Tick>),
    expected_realm: Option<String>,
    challenge: Option<Cached>,
    challenged: bool,
    realm: Option<String>,
    server: Option<String>,
    link: Link,
    /// The next request needs another connection.
    renew: bool,
    task: Option<Task>,
    deadline: Option<Tick>,
    out: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Opening,
    Up,
}

/// Kerberos on the connection.
#[derive(Default)]
struct Tokens {
    /// For the connection that is opened.
    next: Option<Secret<Vec<u8>>>,
    /// Length of the base64 text that the present connection has carried; none yet.
    presented: Option<usize>,
}

struct Cached {
    challenge: Challenge,
    /// How often the nonce was used.
    count: u32,
}

/// A message in flight.
struct Task {
    exchange: Exchange,
    id: u32,
    message: Secret<Vec<u8>>,
    login: Login,
    sends: u8,
    reader: ResponseReader,
}

/// The login that the message in flight carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    None,
    /// Over a nonce from an earlier message.
    Cached,
    /// Over the nonce that the device sent in answer to this very message; or a token of this very message.
    Fresh,
}

impl Client {
    /// A client without connection and credentials. Client nonces are made from `seed`: use a random one.
    pub fn new(config: ClientConfig, seed: [u8; 32]) -> Self {
        Self {
            config,
            seed: Secret::new(seed),
            client_nonces: 0,
            message_id: 0,
            credentials: None,
            tokens: None,
            accepted: false,
            refusals: (0, None),
            expected_realm: None,
            challenge: None,
            challenged: false,
            realm: None,
            server: None,
            link: Link::Down,
            renew: false,
            task: None,
            deadline: None,
            out: VecDeque::new(),
        }
    }

    /// Sets or removes user and password and forgets the cached challenge. The next request opens a connection of its
    /// own, because firmware remembers the login of a connection.
    pub fn set_credentials(&mut self, credentials: Option<Credentials>) {
        let user = |credentials: &Option<Credentials>| credentials.as_ref().map(|known| known.user.clone());
        if user(&self.credentials) != user(&credentials) {
            // Each account has a lock of its own.
            self.refusals = (0, None);
        }
        self.credentials = credentials;
        self.tokens = None;
        self.accepted = false;
        self.challenge = None;
        self.renew = true;
    }

    /// From the next request on, which opens a connection of its own, logs in by tokens of Kerberos and not by digest.
    pub fn use_tokens(&mut self) {
        self.set_credentials(None);
        self.tokens = Some(Tokens::default());
    }

    /// Whether the connection that is opened needs a token before [`Input::Connected`].
    pub fn wants_token(&self) -> bool {
        self.link == Link::Opening && self.tokens.as_ref().is_some_and(|tokens| tokens.next.is_none())
    }

    /// The token for the connection that is opened: what GSS-API makes for the service of the device. It is sent once.
    pub fn set_token(&mut self, token: Secret<Vec<u8>>) {
        if let Some(tokens) = &mut self.tokens {
            tokens.next = Some(token);
        }
    }

    /// Sets the realm that is expected: before a digest for another one is computed, the request fails.
    pub fn expect_realm(&mut self, realm: Option<String>) {
        self.expected_realm = realm;
    }

    /// Begins a request. Fails if one is in flight.
    pub fn start(&mut self, now: Tick, request: &Request) -> Result<(), Error> {
        if self.task.is_some() {
            return Err(Error::Busy);
        }
        if !self.out.is_empty() {
            return Err(Error::NotDrained);
        }
        if std::mem::take(&mut self.renew) {
            self.link = Link::Down;
        }
        let exchange = Exchange::new(request, self.config.max_items);
        self.next_message(now, exchange);
        Ok(())
    }

    /// Gives up the request in flight, if any: there will be no `Done`. The connection is not used again.
    pub fn cancel(&mut self) {
        if self.task.take().is_some() {
            self.out.clear();
            self.deadline = None;
            self.link = Link::Down;
        }
    }

    /// Takes one input; then drain [`poll`](Self::poll). Errors are misuse only: a request's own are in its `Done`.
    pub fn handle(&mut self, now: Tick, input: Input<'_>) -> Result<(), Error> {
        if input == Input::Closed && self.take_back_transmit() {
            return Ok(());
        }
        if !self.out.is_empty() {
            return Err(Error::NotDrained);
        }
        match (input, self.link) {
            (Input::Connected, Link::Opening) => {
                self.link = Link::Up;
                if let Some(tokens) = &mut self.tokens {
                    tokens.presented = None;
                }
                self.transmit(now);
            }
            (Input::Connected, _) => return Err(Error::Unexpected { what: "connected" }),
            (Input::Bytes(bytes), Link::Up) => self.bytes(now, bytes),
            // The rest of a connection that is not used any more.
            (Input::Bytes(_), Link::Down) => {}
            (Input::Bytes(_), Link::Opening) => return Err(Error::Unexpected { what: "bytes without connection" }),
            (Input::Closed, link) => self.closed(now, link),
            (Input::Timeout, _) => {
                if self.deadline.is_some_and(|deadline| now >= deadline) {
                    self.link = Link::Down;
                    self.finish(Err(Error::Timeout));
                }
            }
        }
        Ok(())
    }

    /// What is to be done next; `None` when the client waits.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to give [`Input::Timeout`]. Opening a connection has no deadline here: the driver has its own.
    pub fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    /// Realm of the last challenge.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// `Server` header seen last.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Firmware version out of the `Server` header.
    pub fn version(&self) -> Option<FirmwareVersion> {
        FirmwareVersion::from_server_header(self.server()?)
    }

    /// Whether the device has asked for a login.
    pub fn challenged(&self) -> bool {
        self.challenged
    }

    /// Whether the device has accepted the credentials now set, by a digest.
    pub fn authenticated(&self) -> bool {
        self.accepted
    }

    fn next_message(&mut self, now: Tick, exchange: Exchange) {
        self.message_id = self.message_id.wrapping_add(1);
        let (id, reader) = (self.message_id, ResponseReader::new());
        let message = exchange.message(id);
        self.task = Some(Task { exchange, id, message, login: Login::None, sends: 0, reader });
        self.send(now);
    }

    /// Sends the message of the task, on a new connection if there is none.
    fn send(&mut self, now: Tick) {
        self.deadline = None;
        match self.link {
            Link::Up => self.transmit(now),
            Link::Down | Link::Opening => {
                self.link = Link::Opening;
                self.out.push_back(Output::Connect);
            }
        }
    }

    fn transmit(&mut self, now: Tick) {
        let Some(mut task) = self.task.take() else {
            return;
        };
        match self.authorization(&task) {
            Ok(authorization) => {
                let body = task.message.expose();
                let bytes = http::post(TARGET, &self.config.authority, authorization.as_deref(), body);
                if self.tokens.is_some() {
                    task.login = if authorization.is_some() { Login::Fresh } else { Login::Cached };
                } else if authorization.is_some() && task.login == Login::None {
                    task.login = Login::Cached;
                }
                task.sends = task.sends.saturating_add(1);
                task.reader = ResponseReader::new();
                self.task = Some(task);
                self.deadline = Some(now.after(self.config.reply_timeout));
                self.out.push_back(Output::Transmit(bytes));
            }
            Err(error) => self.finish(Err(error)),
        }
    }

    fn authorization(&mut self, task: &Task) -> Result<Option<String>, Error> {
        let small = self.version().is_some_and(|version| version.major < NO_TOKEN_LIMIT);
        if let Some(tokens) = &mut self.tokens {
            return tokens.authorization(small);
        }
        let (Some(cached), Some(credentials)) = (&mut self.challenge, &self.credentials) else {
            return Ok(None);
        };
        if let Some(expected) = self.expected_realm.as_ref().filter(|realm| **realm != cached.challenge.realm) {
            return Err(Error::RealmMismatch { expected: expected.clone(), found: cached.challenge.realm.clone() });
        }
        cached.count = cached.count.saturating_add(1);
        self.client_nonces = self.client_nonces.wrapping_add(1);
        let hash = Sha256::new().chain_update(self.seed.expose()).chain_update(self.client_nonces.to_be_bytes());
        let client_nonce: String = hex(&hash.finalize()).chars().take(32).collect();
        let subject = Subject { method: "POST", uri: TARGET, body: task.message.expose() };
        let Credentials { user, password } = credentials;
        Ok(Some(cached.challenge.authorize(user, password, subject, cached.count, &client_nonce)))
    }

    /// The connection ended before the request left this machine: sends it on another one instead.
    fn take_back_transmit(&mut self) -> bool {
        let queued = self.link == Link::Up && matches!(self.out.front(), Some(Output::Transmit(_)));
        if queued {
            self.out.clear();
            if let Some(task) = &mut self.task {
                task.sends = task.sends.saturating_sub(1);
            }
            self.deadline = None;
            self.link = Link::Opening;
            self.out.push_back(Output::Connect);
        }
        queued
    }

    fn bytes(&mut self, now: Tick, bytes: &[u8]) {
        let Some(task) = &mut self.task else {
            // Nobody asked: whatever it is, this connection is not to be trusted with a request.
            self.link = Link::Down;
            return;
        };
        match task.reader.push(bytes) {
            Ok(None) => {}
            Ok(Some(response)) => self.response(now, &response),
            Err(error) => {
                self.link = Link::Down;
                self.finish(Err(error.into()));
            }
        }
    }

    fn closed(&mut self, now: Tick, link: Link) {
        self.link = Link::Down;
        let Some(task) = &mut self.task else {
            return;
        };
        let error = match (link, task.reader.close()) {
            (Link::Up, Some(response)) => return self.response(now, &response),
            (Link::Up, None) if task.reader.started() => Error::Truncated,
            (Link::Up, None) => Error::Closed { sent: true },
            // The message may have been sent before, but then the device answered with a challenge: not carried out.
            (Link::Opening | Link::Down, _) => Error::Closed { sent: false },
        };
        self.finish(Err(error));
    }

    fn response(&mut self, now: Tick, response: &Response) {
        if !response.reusable {
            self.link = Link::Down;
        }
        if let Some(server) = response.header("Server") {
            self.server = Some(server.to_owned());
        }
        let result = if response.status == 401 { self.refused(now, response) } else { self.answered(response) };
        match result {
            Ok(Next::Message) => {
                if let Some(task) = self.task.take() {
                    self.next_message(now, task.exchange);
                }
            }
            Ok(Next::Done(result)) => self.finish(result),
            Err(Again) => self.send(now),
        }
    }

    fn answered(&mut self, response: &Response) -> Result<Next, Again> {
        let Some(task) = &mut self.task else {
            return Ok(Next::Done(Err(Error::Unexpected { what: "response" })));
        };
        // A page may come from before the login was looked at.
        if task.login != Login::None && !response.is_page() {
            self.accepted = true;
            self.refusals = (0, None);
        }
        Ok(task.exchange.take(task.id, response))
    }

    /// A 401: the message was not carried out, and may be sent again with a digest over the new nonce.
    fn refused(&mut self, now: Tick, response: &Response) -> Result<Next, Again> {
        let over = |error| Ok(Next::Done(Err(error)));
        self.challenged = true;
        if self.tokens.is_some() {
            return self.token_refused(response);
        }
        let challenge = match Challenge::select(response.headers("WWW-Authenticate")) {
            Ok(challenge) => challenge,
            Err(reason) => return over(Error::AuthUnsupported { what: reason.what() }),
        };
        self.realm = Some(challenge.realm.clone());
        if let Some(expected) = self.expected_realm.as_ref().filter(|realm| **realm != challenge.realm) {
            self.link = Link::Down;
            return over(Error::RealmMismatch { expected: expected.clone(), found: challenge.realm });
        }
        if self.credentials.is_none() {
            return over(Error::LoginRequired);
        }
        let stale = challenge.stale;
        self.challenge = Some(Cached { challenge, count: 0 });
        let Some(task) = &mut self.task else {
            return over(Error::Unexpected { what: "response" });
        };
        if task.login == Login::Fresh && !stale || task.sends >= MAX_SENDS {
            self.challenge = None;
            return over(Error::WrongOrLocked { worked_before: self.accepted, refused: self.count_refusal(now) });
        }
        task.login = Login::Fresh;
        Err(Again)
    }

    /// How many logins were refused in a row. Those 20 s apart lock no account (`spec/wsman.md` §1.4).
    fn count_refusal(&mut self, now: Tick) -> u32 {
        let (count, last) = self.refusals;
        let in_a_row = last.is_some_and(|last| now.since(last) < FORGIVEN_AFTER);
        let count = if in_a_row { count.saturating_add(1) } else { 1 };
        self.refusals = (count, Some(now));
        count
    }

    /// A 401 to a token says that the machine does not let its owner in; a 401 later says only that the login of the
    /// connection was forgotten.
    fn token_refused(&mut self, response: &Response) -> Result<Next, Again> {
        self.link = Link::Down;
        let small = self.version().is_none_or(|version| version.major < NO_TOKEN_LIMIT);
        let size = self.tokens.as_ref().and_then(|tokens| tokens.presented).unwrap_or_default();
        match &self.task {
            Some(task) if task.login == Login::Cached && task.sends < MAX_SENDS => Err(Again),
            _ if small && size > MAX_TOKEN => Ok(Next::Done(Err(Error::TokenTooLarge { size, limit: MAX_TOKEN }))),
            _ => {
                let offered = response.headers("WWW-Authenticate").any(is_negotiate);
                let date = response.header("Date").map(str::to_owned);
                Ok(Next::Done(Err(Error::TicketRefused { offered, date })))
            }
        }
    }

    fn finish(&mut self, result: Result<Reply, Error>) {
        self.task = None;
        self.deadline = None;
        self.out.push_back(Output::Done(result));
    }
}

impl Tokens {
    /// The header of the first request of a connection. `small`: the firmware is known to have a limit.
    fn authorization(&mut self, small: bool) -> Result<Option<String>, Error> {
        if self.presented.is_some() {
            return Ok(None);
        }
        let token = self.next.take().ok_or(Error::TokenMissing)?;
        let text = STANDARD.encode(token.expose());
        let size = text.len();
        if small && size > MAX_TOKEN {
            return Err(Error::TokenTooLarge { size, limit: MAX_TOKEN });
        }
        self.presented = Some(size);
        Ok(Some(format!("Negotiate {text}")))
    }
}

fn is_negotiate(challenge: &str) -> bool {
    challenge.split_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Negotiate"))
}

/// The message in flight is to be sent again.
struct Again;
