//! What the setup server tells while it works: for progress displays, logs and embedding programs.

use crate::TlsFacts;
use amt_core::tls::Rung;
use amt_core::{Failure, FirmwareVersion, SystemId};
use amt_provision::Step;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast;

/// Events kept for a subscriber that is slow; older ones are counted and dropped.
pub const MAX_BACKLOG: usize = 1 << 16;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// A hello was heard.
    Hello {
        /// The machine's own count.
        retry: u32,
        /// Whether it says that its credentials are already set.
        credentials_set: bool,
        /// PID of the pre-shared key that it waits for, without a dash; absent: it waits for a certificate.
        pid: Option<String>,
    },
    /// Something that came to the hello port was turned away.
    Refused(Failure),
    /// The machine is not admitted.
    Parked(Failure),
    /// A verified machine said hello; it is left alone.
    LeftAlone,
    /// It waits for its turn.
    Queued,
    /// An attempt begins, the first being 1.
    Started {
        /// Which attempt since the last success.
        attempt: u32,
        /// Whether an earlier attempt's journal is taken up.
        resumed: bool,
    },
    /// A step begins.
    Step(Step),
    /// A TLS connection stands.
    Connected(TlsFacts),
    /// The machine has nothing in common with an engine; the next one is tried.
    SteppedDown {
        /// What was tried.
        from: Rung,
        /// What is tried now.
        to: Rung,
        /// What the device said or did.
        reason: String,
    },
    /// The firmware refused a provisioning certificate.
    CertificateRefused {
        /// Which of the server's certificates.
        index: usize,
        /// What the firmware said or did.
        reason: String,
    },
    /// The firmware version is known.
    Version(FirmwareVersion),
    /// The certificate authority has not decided yet.
    CaPending {
        /// The authority's name for the request.
        request: String,
    },
    /// Something worth reading.
    Note(String),
    /// The attempt failed.
    Failed {
        /// Why.
        failure: Failure,
        /// When it is repeated; absent: at the machine's next hello.
        retry_in: Option<Duration>,
    },
    /// Provisioned, and proven over the network.
    Verified {
        /// Control mode, as the machine says.
        control_mode: String,
        /// The connection of the proof.
        tls: TlsFacts,
        /// How long the attempt took.
        took: Duration,
    },
    /// An action was carried out.
    Acted {
        /// Its name, and what it follows from.
        action: String,
        /// What was done.
        message: String,
    },
    /// An action was not carried out.
    ActionFailed {
        /// Its name, and what it follows from.
        action: String,
        /// Why.
        failure: Failure,
        /// When it is tried again; absent: not by itself.
        retry_in: Option<Duration>,
    },
    /// The subscriber was too slow: so many events are missing here.
    Missed(u64),
}

impl Progress {
    /// The stable word for the sort of event, as in the diary and in JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Refused(_) => "refused",
            Self::Parked(_) => "parked",
            Self::LeftAlone => "left-alone",
            Self::Queued => "queued",
            Self::Started { .. } => "started",
            Self::Step(_) => "step",
            Self::Connected(_) => "connected",
            Self::SteppedDown { .. } => "stepped-down",
            Self::CertificateRefused { .. } => "certificate-refused",
            Self::Version(_) => "version",
            Self::CaPending { .. } => "ca-pending",
            Self::Note(_) => "note",
            Self::Failed { .. } => "failed",
            Self::Verified { .. } => "verified",
            Self::Acted { .. } => "action",
            Self::ActionFailed { .. } => "action-failed",
            Self::Missed(_) => "missed",
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { retry, credentials_set, pid } => {
                write!(f, "hello, attempt {} of the machine", retry.saturating_add(1))?;
                if let Some(pid) = pid {
                    write!(f, "; it waits for the pre-shared key of PID {pid}")?;
                }
                if *credentials_set { f.write_str("; it says its credentials are already set") } else { Ok(()) }
            }
            Self::Refused(failure) => write!(f, "refused: {failure}"),
            Self::Parked(failure) => write!(f, "not provisioned: {failure}; next: {}", failure.hint),
            Self::LeftAlone => {
                f.write_str("already provisioned by this server: left alone; `amt fleet redo` has it set up again")
            }
            Self::Queued => f.write_str("waits for its turn"),
            Self::Started { attempt, resumed } => {
                write!(f, "attempt {attempt} begins{}", if *resumed { ", from the journal" } else { "" })
            }
            Self::Step(step) => write!(f, "{step}"),
            Self::Connected(tls) => write!(f, "connected with {} {} ({})", tls.version, tls.suite, tls.engine),
            Self::SteppedDown { from, to, reason } => {
                write!(f, "older TLS is tried, which the profile allows: {to} instead of {from}, because: {reason}")
            }
            Self::CertificateRefused { index, reason } => {
                write!(f, "the firmware refused provisioning certificate {}: {reason}", index + 1)
            }
            Self::Version(version) => write!(f, "firmware {version}"),
            Self::CaPending { request } => write!(f, "the certificate authority has not decided request {request}"),
            Self::Note(text) => f.write_str(text),
            Self::Acted { action, message } => write!(f, "action {action}: {message}"),
            Self::ActionFailed { action, failure, retry_in } => {
                write!(f, "action {action} was not carried out: {failure}; next: {}", failure.hint)?;
                match retry_in {
                    Some(wait) => write!(f, "; tried again in {:.1} s", wait.as_secs_f64()),
                    None => Ok(()),
                }
            }
            Self::Failed { failure, retry_in } => {
                write!(f, "failed: {failure}; next: {}; ", failure.hint)?;
                match retry_in {
                    Some(wait) => write!(f, "tried again in {:.1} s", wait.as_secs_f64()),
                    None => f.write_str("tried again at the machine's next hello"),
                }
            }
            Self::Verified { control_mode, tls, took } => write!(
                f,
                "verified in {control_mode} control mode over {} {} ({}) after {:.1} s",
                tls.version,
                tls.suite,
                tls.engine,
                took.as_secs_f64()
            ),
            Self::Missed(count) => write!(f, "{count} events were missed"),
        }
    }
}

/// Something happened, mostly to one machine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FleetEvent {
    /// When.
    pub at: SystemTime,
    /// The machine; absent for what came from nobody in particular.
    pub id: Option<SystemId>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// What.
    pub progress: Progress,
}

impl FleetEvent {
    pub(crate) fn new(id: Option<SystemId>, address: Option<IpAddr>, progress: Progress) -> Self {
        Self { at: SystemTime::now(), id, address, progress }
    }
}

impl fmt::Display for FleetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, &self.address) {
            (Some(id), Some(address)) => write!(f, "{id} {address} {}", self.progress),
            (Some(id), None) => write!(f, "{id} {}", self.progress),
            (None, Some(address)) => write!(f, "{address} {}", self.progress),
            (None, None) => write!(f, "{}", self.progress),
        }
    }
}

/// A stream of events, from the moment of subscription on.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Arc<FleetEvent>>);

impl Subscription {
    /// The next event; `None` when the server is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Arc<FleetEvent>> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                Some(Arc::new(FleetEvent::new(None, None, Progress::Missed(count))))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) struct Events(broadcast::Sender<Arc<FleetEvent>>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(MAX_BACKLOG).0)
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }

    pub(crate) fn send(&self, event: FleetEvent) {
        // Nobody listening is fine.
        let _ = self.0.send(Arc::new(event));
    }
}
