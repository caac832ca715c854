//! SOAP 1.2 envelopes of WS-Management, read and written, for either side of the wire (`spec/wsman.md` §2).

mod envelope;
mod fault;
mod head;
mod reference;

pub use envelope::{Envelope, Kind};
pub use fault::Fault;
pub use head::Head;
pub use reference::{MAX_REFERENCE_DEPTH, Reference, Selector, SelectorValue};

/// The part of a qualified name behind its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}
