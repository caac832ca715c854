//! WS-Man from the machine's own system: by its local management service (LMS) where there is one, else by the firmware's client LME.

mod hello;
mod lme;
mod procedure;
mod sign;
mod survey;

pub use hello::{SentHello, send_hello};
pub use procedure::{ActivateJob, UnprovisionJob, activate, start_hello, status, stop_hello, unprovision};
pub use sign::{MAX_SIGNATURE, NoSigner, RemoteChains, SIGNING_TIME, Signer};
pub use survey::{Survey, survey};

use crate::mei::Mei;
use crate::tls::{Wire, io_failure};
use amt_core::{ErrorCode, Failure, SystemId};
use lme::Lme;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

const STAGE: &str = "connect-locally";
/// How long a local service may take to accept.
const ACCEPT: Duration = Duration::from_secs(3);

/// The firmware's port for WS-Man, and the same with TLS.
const PLAIN: u16 = 16992;
const SECURE: u16 = 16993;

/// By which way the firmware's network services are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// By LMS if it answers, else by LME.
    #[default]
    Auto,
    /// By LMS only.
    Lms,
    /// By LME only.
    Lme,
}

/// How the machine's own firmware is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct LocalAccess {
    /// Its management engine interface.
    pub mei: Arc<dyn Mei>,
    /// The way to its network services.
    pub route: Route,
    /// Where LMS listens: 127.0.0.1, literally, because a name might resolve to something else.
    pub lms: IpAddr,
}

impl LocalAccess {
    /// The firmware behind `mei`.
    pub fn new(mei: Arc<dyn Mei>) -> Self {
        Self { mei, route: Route::Auto, lms: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// The firmware behind the device at `path`.
    ///
    /// # Errors
    /// `UNSUPPORTED` on systems where the device is no file.
    pub fn at(path: &Path) -> Result<Self, Failure> {
        #[cfg(target_os = "linux")]
        return Ok(Self::new(Arc::new(crate::mei::LinuxMei::at(path))));
        #[cfg(not(target_os = "linux"))]
        return Err(Failure::new(
            ErrorCode::UNSUPPORTED,
            "mei",
            format!("{}: a device can be named on Linux only", path.display()),
        ));
    }

    /// The firmware of the machine that this runs on.
    ///
    /// # Errors
    /// `MEI_ABSENT` if there is no interface to it.
    pub fn system() -> Result<Self, Failure> {
        crate::mei::system().map(Self::new)
    }
}

/// Connections to the firmware's local ports, one at a time.
pub(crate) struct LocalChannel {
    access: LocalAccess,
    id: SystemId,
    lme: Option<Lme>,
    /// The last connection was to LMS.
    is_by_lms: bool,
}

impl LocalChannel {
    pub(crate) fn new(access: LocalAccess, id: SystemId) -> Self {
        Self { access, id, lme: None, is_by_lms: false }
    }

    pub(crate) fn mei(&self) -> &dyn Mei {
        self.access.mei.as_ref()
    }

    /// What a failure means by the way that was taken: the system accepts connections for a service that hangs, and no answer comes.
    fn judge(&self, failure: Failure) -> Failure {
        let silent = matches!(failure.code, ErrorCode::REPLY_TIMEOUT | ErrorCode::CONNECT_TIMEOUT);
        if !self.is_by_lms || !silent {
            return failure;
        }
        let text = format!("the local management service at {} does not answer: {}", self.access.lms, failure.message);
        Failure::new(ErrorCode::LMS_HUNG, failure.into_details().stage, text)
    }

    /// Connects to `port`, in place of the connection before.
    pub(crate) async fn connect(&mut self, port: u16) -> Result<Wire, Failure> {
        self.is_by_lms = self.access.route == Route::Lms;
        match self.access.route {
            Route::Lms => return self.dial_lms(port).await,
            // Once the firmware was reached without LMS, there is none.
            Route::Auto if self.lme.is_none() => match self.dial_lms(port).await {
                Ok(wire) => {
                    self.is_by_lms = true;
                    return Ok(wire);
                }
                Err(failure) if matches!(failure.code, ErrorCode::LMS_HUNG | ErrorCode::LOCAL_TLS_REQUIRED) => {
                    return Err(failure);
                }
                Err(_) => {}
            },
            Route::Auto | Route::Lme => {}
        }
        if let Some(lme) = self.lme.as_mut().filter(|lme| lme.is_alive()) {
            match lme.connect(port).await {
                // The session is of no more use: the firmware was reset, broke the protocol or stopped listening. Another may be.
                Err(failure)
                    if matches!(
                        failure.code,
                        ErrorCode::MEI_RESET | ErrorCode::APF_PROTOCOL | ErrorCode::MEI_TIMEOUT
                    ) => {}
                connected_or_not => return connected_or_not,
            }
        }
        self.lme = None;
        let mut lme = Lme::begin(self.mei(), self.id).await?;
        let connected = lme.connect(port).await;
        self.lme = Some(lme);
        connected
    }

    /// Connects to LMS. It listens at the ports that the firmware offers: one with TLS alone means that the plain one is not offered.
    async fn dial_lms(&self, port: u16) -> Result<Wire, Failure> {
        match self.dial(port).await {
            Err(failure) if failure.code == ErrorCode::CONNECT_REFUSED && port == PLAIN => {
                if self.dial(SECURE).await.is_err() {
                    return Err(failure);
                }
                let text =
                    format!("the local management service listens at port {SECURE} with TLS, and not at {PLAIN}");
                Err(Failure::new(ErrorCode::LOCAL_TLS_REQUIRED, STAGE, text))
            }
            connected_or_not => connected_or_not,
        }
    }

    async fn dial(&self, port: u16) -> Result<Wire, Failure> {
        let address = SocketAddr::new(self.access.lms, port);
        let tcp = timeout(ACCEPT, TcpStream::connect(address)).await.map_err(|_| {
            let text = format!("{address} does not accept a connection within {} s", ACCEPT.as_secs());
            Failure::new(ErrorCode::LMS_HUNG, STAGE, text)
        })?;
        let tcp = tcp.map_err(|error| {
            let mut failure = io_failure(&error, &format!("the local management service at {address}"));
            if failure.code == ErrorCode::CONNECT_REFUSED {
                failure = failure
                    .hint("there is no such service, or it is stopped: without it the firmware is reached directly");
            }
            failure.at(STAGE)
        })?;
        tcp.set_nodelay(true).map_err(|error| io_failure(&error, "socket"))?;
        Ok(Box::new(tcp))
    }
}
