//! All tests of the crate in one program: linking takes longer than running most of them.

mod certificate;
mod chains;
mod discover;
mod elsewhere;
#[cfg(feature = "legacy-tls")]
mod legacy_tls;
mod listener;
#[cfg(feature = "legacy-tls")]
mod local;
mod managed;
mod operate;
#[cfg(feature = "legacy-tls")]
mod personas;
mod preflight;
mod provision;
mod pure;
mod rename;
mod sessions;
mod support;
mod trust;
#[cfg(feature = "weak-ciphers")]
mod weak_ciphers;
