//! APF, the port forwarding protocol: how a program in the machine's own system (over the client LME) and a management presence
//! server (over CIRA) reach the firmware's network services (`spec/heci.md` §5).
//!
//! [`message`] is the wire. [`channel`] counts the windows of one channel. [`session`] is the host's side of LME: one message of HECI
//! carries one of APF. [`stream`] takes a byte stream apart, where messages come split and joined.

pub mod channel;
pub mod message;
pub mod session;
pub mod stream;

pub use message::Message;
pub use session::Session;
