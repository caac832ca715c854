//! All tests of the crate in one program: linking takes longer than running most of them.

mod authorities;
mod documents;
mod embedding;
mod enrolment;
mod guard;
mod intake;
mod mutual;
mod observing;
#[cfg(feature = "legacy-tls")]
mod psk;
mod renewal;
mod signed;
mod simulated;
mod support;
mod unprovision;
