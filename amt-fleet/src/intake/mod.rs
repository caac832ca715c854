//! The intake: an HTTPS endpoint where clients on the machines push their facts and learn how their machine fares.
//!
//! A client holds an enrolment token once and then a key that it made itself. With that key it can write the facts of its own
//! machine and read its own status, nothing else. What becomes of the machine is decided by the resolver, on the server.

pub mod client;
pub mod wire;
