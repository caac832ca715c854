//! WS-Management for Intel AMT as a machine without I/O: HTTP, digest, SOAP, classes.
//!
//! Layer 1 of the workspace. Reading order: [`op`] says what can be asked, [`client`] turns a request into bytes and
//! bytes into a reply, [`class`] names what AMT has. Below them [`soap`], [`http`] and [`xml`]; [`instance`] is the
//! value that all of them carry. The same modules serve the other side of the wire: a simulator decodes requests with
//! [`soap::Envelope`] and answers with [`soap::Head`].
//!
//! No clock, no randomness, no sockets: time is a [`Tick`](amt_core::Tick), randomness a seed. Every byte of a peer is
//! bounded by a named `MAX_`.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)
)]

pub mod class;
pub mod client;
pub mod compose;
pub mod decode;
pub mod digest;
mod error;
pub mod http;
pub mod instance;
pub mod names;
pub mod ns;
pub mod op;
pub mod soap;
pub mod xml;

pub use error::Error;
