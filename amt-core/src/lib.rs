//! Wire formats, identities, firmware facts, error codes and policy of Intel AMT provisioning.
//!
//! Layer 0 of the workspace: no I/O, no clock, no randomness, no TLS or X.509 library. Everything here is a value
//! or a rule over values, and builds for `wasm32-unknown-unknown`.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)
)]

pub mod audit_log;
pub mod code;
pub mod codec;
pub mod event_log;
pub mod failure;
pub mod finding;
pub mod hello;
pub mod id;
pub mod pki;
pub mod psk;
pub mod redirection;
pub mod secret;
pub mod setupbin;
pub mod status;
pub mod time;
pub mod tls;
pub mod version;

pub use code::ErrorCode;
pub use failure::{DeviceStatus, Failure, FailureDetails};
pub use finding::{Finding, Severity};
pub use id::SystemId;
pub use secret::Secret;
pub use time::Tick;
pub use version::FirmwareVersion;
