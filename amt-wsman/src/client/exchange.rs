//! One operation as a sequence of messages: one for most, Enumerate, Pulls and Release for an enumeration.

use crate::Error;
use crate::http::Response;
use crate::op::{Reply, Request};
use crate::soap::{Envelope, Kind};
use amt_core::Secret;

/// Most messages of one enumeration. Firmware normally needs two.
pub const MAX_PULLS: usize = 512;
/// Most bytes of all replies of one enumeration.
pub const MAX_ENUMERATION_BYTES: usize = 8 * 1024 * 1024;

/// What comes after a message.
pub(crate) enum Next {
    /// Another message is to be sent.
    Message,
    /// The operation is over.
    Done(Result<Reply, Error>),
}

/// An operation in flight.
pub(crate) struct Exchange {
    request: Request,
    max_items: usize,
    phase: Phase,
    reply: Reply,
    pulls: usize,
    bytes: usize,
}

enum Phase {
    First,
    Pull {
        context: String,
    },
    /// The enumeration is given up, for this reason.
    Release {
        context: String,
        reason: Error,
    },
}

impl Exchange {
    pub(crate) fn new(request: &Request, max_items: usize) -> Self {
        let reply = Reply::to(request);
        Self { request: request.clone(), max_items, phase: Phase::First, reply, pulls: 0, bytes: 0 }
    }

    /// The message to be sent now.
    pub(crate) fn message(&self, id: u32) -> Secret<Vec<u8>> {
        Secret::new(match &self.phase {
            Phase::First => self.request.encode(id),
            Phase::Pull { context } => self.request.encode_pull(id, context),
            Phase::Release { context, .. } => self.request.encode_release(id, context),
        })
    }

    /// Takes the response to the message with this identity.
    pub(crate) fn take(&mut self, id: u32, response: &Response) -> Next {
        let result = envelope(id, response).and_then(|envelope| self.take_envelope(&envelope, response.body.len()));
        match (std::mem::replace(&mut self.phase, Phase::First), result) {
            // The device has forgotten the enumeration, or will by itself: what matters is why it was given up.
            (Phase::Release { reason, .. }, _) => Next::Done(Err(reason)),
            (_, Ok(Some(context))) => {
                self.phase = Phase::Pull { context };
                Next::Message
            }
            (_, Ok(None)) => Next::Done(Ok(std::mem::take(&mut self.reply))),
            (Phase::Pull { context }, Err(reason)) if worth_releasing(&reason) => {
                self.phase = Phase::Release { context, reason };
                Next::Message
            }
            (_, Err(reason)) => Next::Done(Err(reason)),
        }
    }

    /// The context to go on with, if there is more.
    fn take_envelope(&mut self, envelope: &Envelope, bytes: usize) -> Result<Option<String>, Error> {
        let page = self.reply.take(envelope)?;
        if !self.request.is_enumeration() {
            return Ok(None);
        }
        let Some(context) = page.context.filter(|_| !page.end) else {
            return Ok(None);
        };
        // Where the limit is reached, the context just received is the one to release.
        if let Phase::Pull { context: current } = &mut self.phase {
            current.clone_from(&context);
        }
        self.pulls += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let over = |limit, unit| Err(Error::Enumeration { limit, unit });
        if self.reply.instances().len() > self.max_items {
            return over(self.max_items, "instances");
        }
        if self.pulls > MAX_PULLS {
            return over(MAX_PULLS, "messages");
        }
        if self.bytes > MAX_ENUMERATION_BYTES {
            return over(MAX_ENUMERATION_BYTES, "bytes");
        }
        Ok(Some(context))
    }
}

/// Whether the device still keeps the context after this error.
fn worth_releasing(reason: &Error) -> bool {
    reason.subcode() != Some("InvalidEnumerationContext")
}

/// The envelope in a response, if it answers message `id` and is no fault.
fn envelope(id: u32, response: &Response) -> Result<Envelope, Error> {
    let status = response.status;
    let success = (200..300).contains(&status);
    if response.is_page() {
        // Some refusals come from the web interface, as a page (§1.3).
        return Err(if success || status == 400 { Error::NotSoap { status } } else { Error::HttpStatus { status } });
    }
    let envelope = match Envelope::decode(&response.body) {
        Ok(envelope) => envelope,
        Err(error) if success || status == 400 => return Err(error),
        Err(_) => return Err(Error::HttpStatus { status }),
    };
    if let Some(fault) = envelope.fault() {
        return Err(Error::Fault(Box::new(fault)));
    }
    if !success {
        return Err(Error::HttpStatus { status });
    }
    if envelope.kind() != Kind::Response {
        return Err(Error::Envelope { what: "it is no reply" });
    }
    let related = envelope.relates_to.as_deref().unwrap_or_default();
    if !related.is_empty() && related != id.to_string() {
        return Err(Error::Envelope { what: "it answers another message" });
    }
    Ok(envelope)
}
