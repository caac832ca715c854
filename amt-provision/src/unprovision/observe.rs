//! What a machine shows of itself from outside: whether it is set up still.

use super::{Proof, Run};
use crate::Access;
use crate::commit::Comeback;
use crate::machine::Cx;
use crate::managed::{Managed, connect};
use crate::session::Session;
use crate::step::Step;
use amt_core::tls::{Ladder, PeerIdentity, TlsPlan};
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::amt::SetupAndConfigurationService;

/// What one look brought.
pub(super) enum Seen {
    /// It is set up: logged in.
    SetUp(Box<Managed>),
    /// It says that it is not.
    State,
    /// Its TLS server is that of setup mode.
    SetupMode,
    /// Its port is closed.
    Closed(Failure),
    /// It could not be reached, or something else answers.
    Unclear(Failure),
}

impl Seen {
    /// What it proves. `sent`: the request may have been sent before. `known`: it is certain that this is the machine.
    pub(super) fn proof(self, sent: bool, known: bool) -> Result<Proof, Failure> {
        match self {
            Self::State => Ok(Proof::State),
            Self::SetupMode if known => Ok(Proof::SetupMode),
            Self::SetupMode => {
                let text =
                    "something in setup mode answers at this address, and the record says that the machine is set up";
                Err(Failure::new(ErrorCode::WRONG_STATE, Step::ReadState.name(), text).hint(
                    "another machine may have its address now; if the machine's setup was taken back by other means, its hellos say so",
                ))
            }
            Self::Closed(_) if sent => Ok(Proof::PortClosed),
            Self::SetUp(_) => {
                let text = "the machine was told to unprovision, and is still set up";
                Err(Failure::new(ErrorCode::PROOF_FAILED, Step::Unprovision.name(), text)
                    .hint("its passwords are kept; run it again: it looks first, and asks again only if the machine is still set up"))
            }
            Self::Unclear(failure) if sent => {
                let text = format!("whether the setup was taken back cannot be seen: {}", failure.message);
                let mut proof = Failure::new(ErrorCode::PROOF_FAILED, Step::Unprovision.name(), text);
                proof.device = failure.into_details().device;
                Err(proof.hint("its passwords are kept; run it again when the machine can be reached: it looks first"))
            }
            Self::Closed(failure) | Self::Unclear(failure) => Err(failure),
        }
    }
}

impl Run {
    /// Looks until it is clear, at most for the time that the machine has. `once_set_up`: a machine that is set up is clear too.
    pub(super) async fn watch(&mut self, once_set_up: bool) -> Result<Seen, Failure> {
        let mut comeback = Comeback::within(self.cx.now(), self.proof_timeout);
        loop {
            let seen = self.look().await?;
            let clear = match &seen {
                Seen::State | Seen::SetupMode => true,
                Seen::SetUp(_) => once_set_up,
                Seen::Closed(_) | Seen::Unclear(_) => false,
            };
            if clear || comeback.is_over(self.cx.now()) {
                return Ok(seen);
            }
            drop(seen);
            comeback.wait(&self.cx).await?;
        }
    }

    /// One look. An error is what no further look would change.
    pub(super) async fn look(&mut self) -> Result<Seen, Failure> {
        self.access.seed = self.random.fork();
        let session = match connect(&self.cx, &self.access).await {
            Ok(session) => session,
            Err(failure) => return self.look_behind(failure).await,
        };
        // It asks and nothing was presented: nothing more would come of this connection.
        if session.certificate_requested() && self.access.candidates.is_empty() && self.access.client.is_none() {
            return Ok(Seen::SetupMode);
        }
        match Managed::enter(&self.cx, &self.access, session).await {
            Ok(machine) if machine.provisioning_state() == Some(SetupAndConfigurationService::POST) => {
                Ok(Seen::SetUp(Box::new(machine)))
            }
            Ok(_) => Ok(Seen::State),
            Err(failure) if is_passing(&failure) => Ok(Seen::Unclear(failure)),
            Err(failure) => Err(failure),
        }
    }

    /// No connection to the machine as it was known.
    async fn look_behind(&mut self, failure: Failure) -> Result<Seen, Failure> {
        match failure.code {
            ErrorCode::CANCELLED | ErrorCode::TLS_LEGACY_NOT_ALLOWED | ErrorCode::TLS_LEGACY_MISSING => Err(failure),
            ErrorCode::CONNECT_REFUSED => Ok(Seen::Closed(failure)),
            ErrorCode::TLS_CHAIN_REFUSED => Ok(Seen::SetupMode),
            ErrorCode::TLS_PIN_MISMATCH => {
                match climb(&self.cx, &self.access, &PeerIdentity::Any, self.random.fork()).await {
                    Ok(session) if session.certificate_requested() && self.access.client.is_none() => {
                        Ok(Seen::SetupMode)
                    }
                    // Somebody has set it up with another certificate, or it is another machine.
                    Ok(_) => Ok(Seen::Unclear(failure)),
                    Err(other)
                        if matches!(other.code, ErrorCode::TLS_CHAIN_REFUSED | ErrorCode::TLS_CLIENT_REFUSED) =>
                    {
                        Ok(Seen::SetupMode)
                    }
                    Err(_) => self.look_by_key(failure).await,
                }
            }
            // Nothing in common: it may wait for a pre-shared key.
            _ => self.look_by_key(failure).await,
        }
    }

    /// Whether it waits for a pre-shared key that is known: then it is in setup mode, and the machine that was meant.
    async fn look_by_key(&mut self, failure: Failure) -> Result<Seen, Failure> {
        for pair in self.record.psk.clone() {
            match climb(&self.cx, &self.access, &PeerIdentity::Psk(pair), self.random.fork()).await {
                Ok(_) => return Ok(Seen::SetupMode),
                Err(other) if other.code == ErrorCode::CANCELLED => return Err(other),
                Err(_) => {}
            }
        }
        Ok(Seen::Unclear(failure))
    }
}

/// Connects to whoever fits `identity`, and presents nothing.
async fn climb(cx: &Cx, access: &Access, identity: &PeerIdentity, seed: [u8; 32]) -> Result<Session, Failure> {
    let mut ladder = Ladder::new(identity, access.version, access.rung, access.legacy_tls)?;
    let plan = TlsPlan::new(identity.clone()).setting_up(None);
    Session::climb(cx, &access.authority, access.port, plan, &mut ladder, &mut crate::password::Random::new(seed)).await
}

/// Whether another look may bring more.
fn is_passing(failure: &Failure) -> bool {
    crate::commit::is_restart(failure) || failure.code.is_reply_lost()
}
