//! A machine that is reached with a password of its administrator: connect, log in, make sure that it is the right one.

use crate::event::Event;
use crate::machine::Cx;
use crate::password::{ADMIN, FACTORY, Random};
use crate::plan::GUESS_SPACING;
use crate::remote::Candidate;
use crate::session::{CallError, Session};
use crate::step::Step;
use amt_core::tls::{Ladder, LegacyTls, PeerIdentity, Rung, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId, Tick};
use amt_wsman::class::Class;
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::client::Credentials;
use amt_wsman::instance::Instance;
use amt_wsman::op::{Reply, Request};
use std::time::Duration;

/// How a machine is reached.
#[derive(Debug)]
#[non_exhaustive]
pub struct Access {
    /// The machine; another that answers at its address is left alone.
    pub id: SystemId,
    /// `address:port` for HTTP's `Host`.
    pub authority: String,
    /// TLS port.
    pub port: u16,
    /// Whom to accept: the certificate that the machine was given at setup.
    pub identity: PeerIdentity,
    /// Provisioning certificates to present to a machine in setup mode, in this order. One that is set up asks for none.
    pub candidates: Vec<Candidate>,
    /// The certificate that is shown to a set-up machine which asks for one, with its issuers (DER), by whoever makes the connections: what
    /// the machine may be told to let in with mutual TLS. None: there is none to show.
    pub client: Option<Vec<Vec<u8>>>,
    /// Passwords of `admin`, likeliest first.
    pub admin_passwords: Vec<Secret<String>>,
    /// Log in by Kerberos instead, as somebody whom the machine's list of users names: for what only reads.
    pub tickets: bool,
    /// Time between two different passwords.
    pub guess_spacing: Duration,
    /// Fresh random bytes: nonces come from them.
    pub seed: [u8; 32],
    /// Firmware version, if it is known: chooses the TLS engine.
    pub version: Option<FirmwareVersion>,
    /// The rung of the TLS ladder on which the machine was reached last.
    pub rung: Option<Rung>,
    /// Whether old TLS may be used.
    pub legacy_tls: LegacyTls,
}

impl Access {
    /// The machine `id` at `authority` (`address:port`), which serves the certificate of `identity` and is opened by one of
    /// `admin_passwords`.
    pub fn new(
        id: SystemId,
        authority: String,
        port: u16,
        identity: PeerIdentity,
        admin_passwords: Vec<Secret<String>>,
    ) -> Self {
        let (candidates, guess_spacing, seed) = (Vec::new(), GUESS_SPACING, [0; 32]);
        let (version, rung, legacy_tls) = (None, None, LegacyTls::default());
        Self {
            id,
            authority,
            port,
            identity,
            candidates,
            client: None,
            admin_passwords,
            tickets: false,
            guess_spacing,
            seed,
            version,
            rung,
            legacy_tls,
        }
    }
}

/// A session that is logged in, with the machine that was meant.
pub(crate) struct Managed {
    pub(crate) session: Session,
    /// `AMT_SetupAndConfigurationService` at the login.
    pub(crate) state: Instance,
    /// The password that opened it; none if it did not ask for one.
    pub(crate) password: Option<Secret<String>>,
}

impl Managed {
    /// Connects and logs in.
    pub(crate) async fn open(cx: &Cx, access: &Access) -> Result<Self, Failure> {
        let session = connect(cx, access).await?;
        Self::enter(cx, access, session).await
    }

    /// Logs in on a connection that [`connect`] made.
    pub(crate) async fn enter(cx: &Cx, access: &Access, mut session: Session) -> Result<Self, Failure> {
        cx.event(Event::Step(Step::ReadState));
        let request = Request::get(SetupAndConfigurationService::NAME);
        if access.tickets {
            session.log_in_by_tokens();
            let state = session.instance(Step::ReadState, &request).await?;
            check_machine(&mut session, access.id).await?;
            return Ok(Self { session, state, password: None });
        }
        // One with mutual TLS asks too: a guess would bring its lock-out nearer.
        let setting_up = session.certificate_requested() && !access.candidates.is_empty();
        let passwords = passwords(access, setting_up);
        let spacing = access.guess_spacing;
        let (reply, password) =
            log_in(cx, &mut session, Step::ReadState, &passwords, &request, spacing, &mut None).await?;
        let state = reply.instance().map_err(|e| e.failure(Step::ReadState.name()))?.clone();
        check_machine(&mut session, access.id).await?;
        Ok(Self { session, state, password })
    }

    /// `ProvisioningState`.
    pub(crate) fn provisioning_state(&self) -> Option<u32> {
        self.state.u32("ProvisioningState")
    }
}

/// Connects, with the candidates in turn to a machine that asks for a certificate.
pub(crate) async fn connect(cx: &Cx, access: &Access) -> Result<Session, Failure> {
    cx.event(Event::Step(Step::Connect));
    let mut random = Random::new(access.seed);
    let mut ladder = Ladder::new(&access.identity, access.version, access.rung, access.legacy_tls)?;
    let mut first = None;
    // A machine that is set up takes 1.3 where it has it; some in setup mode complete it and drop the first request.
    let max = if access.candidates.is_empty() { TlsVersion::V1_3 } else { TlsVersion::V1_2 };
    let present = access.candidates.iter().map(|candidate| Some(candidate.index));
    let nothing = access.candidates.is_empty().then_some(None);
    for present in present.chain(nothing) {
        let mut plan = TlsPlan::new(access.identity.clone());
        plan.present = present;
        plan.max = max;
        match Session::climb(cx, &access.authority, access.port, plan, &mut ladder, &mut random).await {
            Err(failure)
                if present.is_some()
                    && matches!(failure.code, ErrorCode::TLS_CHAIN_REFUSED | ErrorCode::TLS_CLOSED) =>
            {
                if let Some(index) = present {
                    cx.event(Event::CertificateRefused { index, reason: failure.message.clone() });
                }
                first.get_or_insert(failure);
            }
            opened_or_not => return opened_or_not,
        }
    }
    Err(first.unwrap_or_else(|| Failure::new(ErrorCode::NO_CERTIFICATE_FITS, Step::Connect.name(), "nothing to try")))
}

/// The known passwords; in setup mode those of the factory too.
fn passwords(access: &Access, setting_up: bool) -> Vec<Secret<String>> {
    let mut all = access.admin_passwords.clone();
    for factory in [FACTORY, ""].map(Secret::from) {
        if setting_up && !all.contains(&factory) {
            all.push(factory);
        }
    }
    all
}

async fn check_machine(session: &mut Session, expected: SystemId) -> Result<(), Failure> {
    let reply = session.call(Step::ReadState, &SetupAndConfigurationService::get_uuid()).await?;
    let uuid = SetupAndConfigurationService::uuid(&reply).map_err(|e| e.failure(Step::ReadState.name()))?;
    let answering = SystemId::from_wire(uuid);
    if answering == expected {
        return Ok(());
    }
    let text = format!("the machine at this address says it is {answering}, expected {expected}");
    Err(Failure::new(ErrorCode::WRONG_MACHINE, Step::ReadState.name(), text))
}

/// Logs in with `passwords` in turn, at least `spacing` apart, by making `request`. Returns the reply and which password was
/// accepted; none if the machine did not ask for one.
pub(crate) async fn log_in(
    cx: &Cx,
    session: &mut Session,
    step: Step,
    passwords: &[Secret<String>],
    request: &Request,
    spacing: Duration,
    last_refusal: &mut Option<Tick>,
) -> Result<(Reply, Option<Secret<String>>), Failure> {
    let mut refused = None;
    for password in passwords {
        if let Some(at) = *last_refusal {
            let waited = cx.now().since(at);
            if waited < spacing {
                cx.note(format!(
                    "a password was refused; the next is tried in {} s, within the firmware's lock-out",
                    (spacing - waited).as_secs()
                ));
                cx.sleep(spacing - waited).await?;
            }
        }
        session.log_in_as(Credentials { user: ADMIN.to_owned(), password: password.clone() });
        match session.call(step, request).await {
            Ok(reply) => return Ok((reply, session.challenged().then(|| password.clone()))),
            Err(error) if error.is_login() => {
                *last_refusal = Some(cx.now());
                refused = Some(Failure::from(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let tried = passwords.len();
    let text = format!("the machine refused all {tried} passwords known for {ADMIN}, or the account is locked");
    let mut failure = Failure::new(ErrorCode::ADMIN_PASSWORD_UNKNOWN, step.name(), text);
    failure.device = refused.and_then(|f| f.into_details().device);
    Err(failure)
}

/// Refuses a machine that is not set up; `what` is to be done to it.
pub(crate) fn need_set_up(state: Option<u32>, step: Step, what: &str) -> Result<(), Failure> {
    if state == Some(SetupAndConfigurationService::POST) {
        return Ok(());
    }
    let text = format!("the machine is not set up: only a set-up machine can be {what}");
    Err(Failure::new(ErrorCode::WRONG_STATE, step.name(), text))
}

impl CallError {
    /// Whether asking again later may help: the connection failed or the answer was lost.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_lost() || matches!(self, Self::Other(failure) if matches!(failure.code.number(), 6001..=6999))
    }
}
