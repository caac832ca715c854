//! WS-Man over the connection of a procedure.

use crate::event::Event;
use crate::machine::{Cx, Input, Output};
use crate::password::Random;
use crate::step::Step;
use amt_core::tls::{Ladder, PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::{ErrorCode, Failure, FirmwareVersion};
use amt_wsman::Error;
use amt_wsman::class::Class;
use amt_wsman::class::amt::GeneralSettings;
use amt_wsman::client::{self, Client, ClientConfig, Credentials};
use amt_wsman::instance::Instance;
use amt_wsman::op::{Reply, Request};

/// Why a call did not bring a good answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The machine's answer, or the lack of one.
    Wsman(Error, Step),
    /// Something outside WS-Man: no connection, cancelled.
    Other(Failure),
}

impl CallError {
    /// The `ReturnValue`, if the machine answered with one.
    pub(crate) fn return_value(&self) -> Option<u32> {
        match self {
            Self::Wsman(error, _) => error.return_value().map(|v| v.value),
            Self::Other(_) => None,
        }
    }

    /// Whether it is a fault with this subcode.
    pub(crate) fn is_fault(&self, subcode: &str) -> bool {
        matches!(self, Self::Wsman(error, _) if error.fault().is_some_and(|f| f.subcode.as_deref() == Some(subcode)))
    }

    /// Whether the machine refused: it answered, with a fault or a ReturnValue.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Wsman(error, _) if error.return_value().is_some() || error.fault().is_some())
    }

    /// Whether the credentials were refused.
    pub(crate) fn is_login(&self) -> bool {
        self.code() == ErrorCode::WRONG_OR_LOCKED
    }

    /// Whether the request was sent and its answer was lost: the machine may have done it.
    pub(crate) fn is_lost(&self) -> bool {
        self.code().is_reply_lost()
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::Wsman(error, step) => error.failure(step.name()).code,
            Self::Other(failure) => failure.code,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Wsman(error, step) => error.failure(step.name()),
            CallError::Other(failure) => failure,
        }
    }
}

/// One logical session with a machine: the connection is remade when the firmware drops it, to the same peer.
pub(crate) struct Session {
    cx: Cx,
    client: Client,
    port: u16,
    /// None: without TLS.
    plan: Option<TlsPlan>,
    /// Whom to accept where the plan's identity is refused: a pair that was just replaced.
    other: Option<PeerIdentity>,
    /// The connection made by [`open`](Self::open) stands, and the client has not asked for it yet.
    unused: bool,
    outcome: Option<TlsOutcome>,
    /// Requests that may have written something.
    writes: u32,
}

impl Session {
    /// Connects. From here on only the certificate seen now is accepted: whoever answered first cannot be swapped.
    pub(crate) async fn open(
        cx: &Cx,
        authority: &str,
        port: u16,
        mut plan: TlsPlan,
        seed: [u8; 32],
    ) -> Result<Self, Failure> {
        let outcome = cx.connect(port, Some(plan.clone())).await?;
        let leaf = outcome.as_ref().and_then(|outcome| outcome.peer.first());
        if let (PeerIdentity::Any, Some(leaf)) = (&plan.identity, leaf) {
            plan.identity = PeerIdentity::Pinned(leaf.clone());
        }
        Ok(Self::on(cx, authority, port, Some(plan), outcome, seed))
    }

    /// Connects without TLS: inside the machine itself.
    pub(crate) async fn open_plain(cx: &Cx, authority: &str, port: u16, seed: [u8; 32]) -> Result<Self, Failure> {
        let outcome = cx.connect(port, None).await?;
        Ok(Self::on(cx, authority, port, None, outcome, seed))
    }

    fn on(
        cx: &Cx,
        authority: &str,
        port: u16,
        plan: Option<TlsPlan>,
        outcome: Option<TlsOutcome>,
        seed: [u8; 32],
    ) -> Self {
        let client = Client::new(ClientConfig::new(authority), seed);
        Self { cx: cx.clone(), client, port, plan, other: None, outcome, unused: true, writes: 0 }
    }

    /// What the handshake brought; none without TLS.
    pub(crate) const fn outcome(&self) -> Option<&TlsOutcome> {
        self.outcome.as_ref()
    }

    /// The certificate that the machine serves.
    pub(crate) fn leaf(&self) -> Option<&Vec<u8>> {
        self.outcome.as_ref()?.peer.first()
    }

    /// Whether the machine asked for a certificate: it is in setup mode, or wants its clients to prove themselves.
    pub(crate) fn certificate_requested(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.certificate_requested)
    }

    /// Connects on the rung where `ladder` stands, and steps down for the reasons that it accepts.
    pub(crate) async fn climb(
        cx: &Cx,
        authority: &str,
        port: u16,
        mut plan: TlsPlan,
        ladder: &mut Ladder,
        random: &mut Random,
    ) -> Result<Self, Failure> {
        loop {
            let from = ladder.rung();
            (plan.rung, plan.weak_ciphers) = (from, ladder.weak_ciphers());
            let failure = match Self::open(cx, authority, port, plan.clone(), random.fork()).await {
                Ok(session) => return Ok(session),
                Err(failure) => failure,
            };
            let reason = failure.message.clone();
            let to = ladder.next(failure)?;
            cx.event(Event::SteppedDown { from, to, reason });
        }
    }

    /// The rung of the TLS ladder that this session is on.
    pub(crate) fn rung(&self) -> Option<Rung> {
        self.plan.as_ref().map(|plan| plan.rung)
    }

    pub(crate) fn log_in_as(&mut self, credentials: Credentials) {
        self.client.set_credentials(Some(credentials));
    }

    /// Logs in by Kerberos and not by a password.
    pub(crate) fn log_in_by_tokens(&mut self) {
        self.client.use_tokens();
    }

    /// Whether the machine ever asked for a digest.
    pub(crate) fn challenged(&self) -> bool {
        self.client.challenged()
    }

    /// Realm of the last challenge.
    pub(crate) fn realm(&self) -> Option<&str> {
        self.client.realm()
    }

    /// Version by the `Server` header.
    pub(crate) fn version(&self) -> Option<FirmwareVersion> {
        self.client.version()
    }

    /// From the next connection on this peer is accepted too.
    pub(crate) fn accept_too(&mut self, identity: PeerIdentity) {
        self.other = Some(identity);
    }

    async fn reconnect(&mut self) -> Result<Option<TlsOutcome>, Failure> {
        let failure = match self.cx.connect(self.port, self.plan.clone()).await {
            Err(failure) if matches!(failure.code, ErrorCode::PSK_WRONG | ErrorCode::PSK_IDENTITY) => failure,
            made_or_not => return made_or_not,
        };
        match (self.other.take(), &mut self.plan) {
            (Some(other), Some(plan)) => {
                plan.identity = other;
                self.cx.connect(self.port, self.plan.clone()).await
            }
            _ => Err(failure),
        }
    }

    /// How many requests of this session may have written something.
    pub(crate) const fn writes(&self) -> u32 {
        self.writes
    }

    /// Makes one call whose answer is an instance.
    pub(crate) async fn instance(&mut self, step: Step, request: &Request) -> Result<Instance, Failure> {
        let reply = self.call(step, request).await?;
        reply.instance().cloned().map_err(|error| error.failure(step.name()))
    }

    /// Makes one call. A ReturnValue other than 0 is an error.
    pub(crate) async fn call(&mut self, step: Step, request: &Request) -> Result<Reply, CallError> {
        let wrap = |error| CallError::Wsman(error, step);
        if self.cx.is_closed() {
            self.unused = false;
            self.client.handle(self.cx.now(), client::Input::Closed).map_err(wrap)?;
        }
        self.writes = self.writes.saturating_add(u32::from(request.may_write()));
        self.client.start(self.cx.now(), request).map_err(wrap)?;
        loop {
            while let Some(output) = self.client.poll() {
                match output {
                    client::Output::Connect => {
                        if !std::mem::take(&mut self.unused) {
                            let made = self.reconnect().await;
                            self.outcome = made.map_err(|failure| CallError::Other(failure.at(step.name())))?;
                        }
                        if self.client.wants_token() {
                            match self.cx.token(self.port).await {
                                Ok(token) => self.client.set_token(token),
                                Err(failure) => {
                                    self.client.cancel();
                                    return Err(CallError::Other(failure));
                                }
                            }
                        }
                        self.client.handle(self.cx.now(), client::Input::Connected).map_err(wrap)?;
                    }
                    client::Output::Transmit(bytes) => self.cx.emit(Output::Transmit(bytes)),
                    client::Output::Done(result) => return result.map_err(wrap),
                }
            }
            let input = self.cx.input(self.client.deadline()).await.map_err(CallError::Other)?;
            let now = self.cx.now();
            match &input {
                Input::Bytes(bytes) => self.client.handle(now, client::Input::Bytes(bytes)),
                Input::Closed => self.client.handle(now, client::Input::Closed),
                Input::Timeout => self.client.handle(now, client::Input::Timeout),
                _ => Ok(()),
            }
            .map_err(wrap)?;
        }
    }
}

/// `AMT_GeneralSettings`.
pub(crate) async fn read_general(session: &mut Session, step: Step) -> Result<Instance, Failure> {
    session.instance(step, &GeneralSettings::get()).await
}

/// A call whose refusal is an answer: `Ok(Err(_))` if the machine said no, `Err` if it could not be asked.
pub(crate) async fn try_call(
    session: &mut Session,
    step: Step,
    request: &Request,
) -> Result<Result<Reply, CallError>, Failure> {
    match session.call(step, request).await {
        Ok(reply) => Ok(Ok(reply)),
        Err(error) if error.is_refusal() => Ok(Err(error)),
        Err(error) => Err(error.into()),
    }
}

/// Reads all instances of a class; none if the firmware has no such class.
pub(crate) async fn all(session: &mut Session, step: Step, class: &str) -> Result<Vec<Instance>, Failure> {
    match try_call(session, step, &Request::enumerate(class)).await? {
        Ok(reply) => Ok(reply.instances().to_vec()),
        Err(error) if error.is_fault("DestinationUnreachable") => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
