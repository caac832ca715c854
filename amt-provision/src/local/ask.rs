//! One question to a client of the firmware.

use crate::machine::{Cx, MeiRequest};
use crate::step::Step;
use amt_core::codec::DecodeError;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure};
use amt_heci::amthi::{self, AnswerError, Command};
use amt_heci::mei::Client;
use zeroize::Zeroizing;

/// Why AMTHI brought no good answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// The firmware's answer.
    Answer(AnswerError, Step),
    /// There was none.
    Other(Failure),
}

impl AskError {
    /// The status with which the firmware refused.
    pub(crate) fn status(&self) -> Option<PtStatus> {
        match self {
            Self::Answer(error, _) => error.status(),
            Self::Other(_) => None,
        }
    }

    /// Whether the command was sent and what became of it is not known.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Answer(error, _) => error.status().is_none(),
            Self::Other(failure) => {
                matches!(failure.code, ErrorCode::MEI_RESET | ErrorCode::MEI_TIMEOUT | ErrorCode::MEI_UNEXPECTED)
            }
        }
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Answer(error, step) => error.failure(step.name()),
            AskError::Other(failure) => failure,
        }
    }
}

/// Asks AMTHI. What may be asked twice is asked again once if what came was no answer to it: a late one to another question, or
/// a damaged one.
pub(crate) async fn ask<C: Command>(cx: &Cx, step: Step, command: &C) -> Result<C::Answer, AskError> {
    let message = Zeroizing::new(amthi::request(command));
    let request = MeiRequest { client: Client::Amthi, message, repeatable: C::REPEATABLE };
    let bytes = exchange(cx, step, request, |bytes| amthi::answer::<C>(bytes).map(drop)).await?;
    amthi::answer::<C>(&bytes).map_err(|error| AskError::Answer(error, step))
}

/// What asking has in common, whatever is asked: brings an answer that `check` lets pass.
async fn exchange(
    cx: &Cx,
    step: Step,
    request: MeiRequest,
    check: fn(&[u8]) -> Result<(), AnswerError>,
) -> Result<Zeroizing<Vec<u8>>, AskError> {
    let mut again = request.repeatable;
    loop {
        let sent = cx.mei(request.clone()).await.map(Zeroizing::new);
        let bytes = sent.map_err(|failure| AskError::Other(failure.at(step.name())))?;
        match check(&bytes) {
            Ok(()) => return Ok(bytes),
            Err(error) if error.status().is_none() && again => {
                cx.note(format!("the firmware's answer is unusable and is asked for again: {error}"));
                again = false;
            }
            Err(error) => return Err(AskError::Answer(error, step)),
        }
    }
}

/// Asks AMTHI for what firmware need not know: none if it refuses.
pub(crate) async fn ask_if_known<C: Command>(cx: &Cx, step: Step, command: &C) -> Result<Option<C::Answer>, Failure> {
    match ask(cx, step, command).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.status().is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks another client. None if the firmware has no such client, another program holds it, or what it says cannot be read: what
/// these clients tell is good to know and decides nothing alone.
pub(crate) async fn ask_client<A>(
    cx: &Cx,
    step: Step,
    client: Client,
    message: &[u8],
    read: fn(&[u8]) -> Result<A, DecodeError>,
) -> Result<Option<A>, Failure> {
    let request = MeiRequest { client, message: Zeroizing::new(message.to_vec()), repeatable: true };
    match cx.mei(request).await {
        Ok(bytes) => match read(&bytes) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                cx.note(format!("the answer of {client} cannot be read: {error}"));
                Ok(None)
            }
        },
        Err(failure) if failure.code == ErrorCode::CANCELLED => Err(failure),
        Err(failure) if matches!(failure.code, ErrorCode::MEI_ABSENT | ErrorCode::MEI_PERMISSION) => {
            Err(failure.at(step.name()))
        }
        Err(_) => Ok(None),
    }
}
