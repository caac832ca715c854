//! Log-in by Kerberos: tokens for the services of machines (`spec/wsman.md` §1.5).
//!
//! A machine whose profile has `[kerberos]` lets in whom its list of users names by a SID. What proves it is a token that the
//! operating system makes out of the caller's ticket: GSS-API on Linux, SSPI on Windows, both in builds with the feature
//! `kerberos` only. Any other way to get a token is a [`TokenSource`] of one's own.
//!
//! ```no_run
//! # async fn example() -> Result<(), amt_core::Failure> {
//! use amt::kerberos::{Tickets, system};
//! let tickets = Tickets::new(system()?, "pc1.example.com");
//! # Ok(()) }
//! ```

#[cfg(all(feature = "kerberos", target_os = "linux"))]
mod gss;
#[cfg(any(test, all(feature = "kerberos", any(target_os = "linux", windows))))]
mod spnego;
#[cfg(all(feature = "kerberos", windows))]
mod sspi;

use amt_core::{ErrorCode, Failure, Secret};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Most that clocks may differ (`spec/wsman.md` §1.5).
pub const MAX_SKEW: Duration = Duration::from_secs(5 * 60);
/// Ports of a machine that log-ins are made to, each with a service name of its own.
pub const PORTS: [u16; 6] = [16992, 16993, 16994, 16995, 623, 664];

const STAGE: &str = "kerberos";

/// Makes tokens.
pub trait TokenSource: Send + Sync {
    /// The token to be sent to the service `spn` (`HTTP/pc1.example.com:16993`), once. May block: a domain controller may have to be
    /// asked.
    ///
    /// # Errors
    /// 2020 to 2025, each with what to do.
    fn token(&self, spn: &str) -> Result<Secret<Vec<u8>>, Failure>;
}

/// Name of the service of the machine `host` at `port`. The port is part of it, and `HTTP` holds for TLS too.
pub fn spn(host: &str, port: u16) -> String {
    format!("HTTP/{}:{port}", host.trim_end_matches('.').to_lowercase())
}

/// The tickets of the account that this program runs in.
///
/// # Errors
/// `UNSUPPORTED` in a build without Kerberos.
pub fn system() -> Result<Arc<dyn TokenSource>, Failure> {
    #[cfg(all(feature = "kerberos", target_os = "linux"))]
    return Ok(Arc::new(gss::Gss));
    #[cfg(all(feature = "kerberos", windows))]
    return Ok(Arc::new(sspi::Sspi));
    #[cfg(not(all(feature = "kerberos", any(target_os = "linux", windows))))]
    Err(Failure::new(ErrorCode::UNSUPPORTED, STAGE, "this build cannot log in by Kerberos")
        .hint("build with the feature kerberos (on Linux it needs libkrb5-dev and libclang-dev), or log in by digest"))
}

/// Where tokens come from, and the name under which the directory knows the machine.
#[derive(Clone)]
pub struct Tickets {
    source: Arc<dyn TokenSource>,
    host: String,
}

impl Tickets {
    /// Tokens of `source` for the machine with the full name `host`.
    pub fn new(source: Arc<dyn TokenSource>, host: impl Into<String>) -> Self {
        Self { source, host: host.into() }
    }

    /// The token for one connection to `port`.
    pub(crate) async fn token(&self, port: u16) -> Result<Secret<Vec<u8>>, Failure> {
        let (source, spn) = (Arc::clone(&self.source), spn(&self.host, port));
        let made = tokio::task::spawn_blocking(move || source.token(&spn)).await;
        made.map_err(|error| Failure::new(ErrorCode::PANIC, STAGE, format!("the source of tokens: {error}")))?
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The failure of a call, with the machine's clock looked at: where it is out, nothing else needs to be said.
pub(crate) fn explain(error: &amt_wsman::Error, stage: &'static str) -> Failure {
    let failure = error.failure(stage);
    let amt_wsman::Error::TicketRefused { date: Some(date), .. } = error else { return failure };
    let Ok(there) = httpdate::parse_http_date(date) else { return failure };
    let here = SystemTime::now();
    let (apart, word) = match there.duration_since(here) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart <= MAX_SKEW {
        return failure;
    }
    let text = format!(
        "the machine did not accept the Kerberos ticket: its clock is {} minutes {word} this computer's",
        apart.as_secs() / 60
    );
    let told = Failure::new(ErrorCode::TICKET_CLOCK, stage, text);
    match error.device() {
        Some(status) => told.device(status),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_have_the_port_and_small_letters() {
        assert_eq!(spn("PC1.Example.com.", 16993), "HTTP/pc1.example.com:16993");
    }

    #[test]
    fn a_ticket_refused_by_a_machine_whose_clock_is_out_says_so() {
        let refused = |date: &str| amt_wsman::Error::TicketRefused { offered: true, date: Some(date.to_owned()) };
        let failure = explain(&refused("Sun, 06 Nov 1994 08:49:37 GMT"), "call");
        assert_eq!(failure.code, ErrorCode::TICKET_CLOCK);
        assert!(failure.message.contains("behind"), "{failure:?}");
        assert_eq!(explain(&refused("nonsense"), "call").code, ErrorCode::TICKET_REFUSED);
    }
}
