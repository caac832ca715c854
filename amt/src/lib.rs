//! Provision Intel AMT machines over the network: sockets, TLS, the hello listener and the driver of the procedures.
//!
//! Layer 3 of the workspace and the only one that does I/O. Procedures come from `amt-provision`; what they ask for is done here.

mod administrator;
mod apply;
pub mod blocking;
pub mod certificate;
mod clock;
pub mod device;
pub mod discover;
mod driver;
#[doc(hidden)]
pub mod failpoint;
pub mod host;
pub mod job;
pub mod kerberos;
mod key;
pub mod listener;
pub mod local;
mod lock;
pub mod managed;
pub mod mei;
pub mod operate;
pub mod place;
pub mod profile;
mod provision;
mod rename;
mod renew;
mod rotate;
pub mod system;
pub mod tls;
mod unprovision;

pub use administrator::Administrator;
pub use apply::{ApplyHost, ApplyJob, apply};
pub use certificate::{Bundle, ProvisioningCertificate};
pub use clock::{ClockJob, clock};
pub use device::{Device, Transport};
pub use host::Host;
pub use job::Job;
pub use listener::{HelloEvent, HelloListener, ListenerConfig};
pub use lock::MachineLock;
pub use managed::{BootHost, BootJob, Target, boot_once, read_facts};
pub use provision::provision;
pub use rename::{RenameHost, RenameJob, rename};
pub use renew::{RenewHost, RenewJob, renew};
pub use rotate::{RotateJob, rotate};
pub use system::System;
pub use unprovision::{UnprovisionJob, unprovision};

use amt_core::psk::PskPair;
use amt_core::{ErrorCode, Failure, Secret};

/// Fresh random bytes of the operating system: the one place where randomness enters.
pub(crate) fn random_seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| no_randomness(&error))?;
    Ok(seed)
}

/// Our time, UTC, seconds since 1970.
pub(crate) fn wall_clock() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// A new pair of PID and PPS.
///
/// # Errors
/// `IO` if the operating system has no random bytes.
pub fn fresh_pair() -> Result<PskPair, Failure> {
    PskPair::generate(getrandom::fill).map_err(|error| no_randomness(&error))
}

/// A new strong password that every AMT firmware takes.
///
/// # Errors
/// `IO` if the operating system has no random bytes.
pub fn fresh_password() -> Result<Secret<String>, Failure> {
    Ok(amt_provision::password::generate(random_seed()?))
}

fn no_randomness(error: &getrandom::Error) -> Failure {
    Failure::new(ErrorCode::IO, "start", format!("the operating system has no random bytes: {error}"))
}
