//! Calls to one machine, each made on the calling thread.

use super::{Canceller, EventLoop};
use crate::device::{Device, Transport};
use crate::tls::ClientCertificates;
use amt_core::tls::{LegacyTls, TlsOutcome};
use amt_core::{Failure, FirmwareVersion};
use amt_wsman::client::Credentials;
use amt_wsman::op::{Reply, Request};
use std::fmt;
use std::net::SocketAddr;

/// A session with one machine; see [`Device`].
pub struct Session {
    // Before the event loop, whose sockets it holds: fields are dropped in order.
    device: Device,
    waiting: EventLoop,
}

impl Session {
    /// A machine at `address`; connects at the first call.
    ///
    /// # Errors
    /// `IO` if the operating system has no random bytes or gives no event queue.
    pub fn new(address: SocketAddr, transport: Transport, credentials: Credentials) -> Result<Self, Failure> {
        let device = Device::new(address, transport, credentials)?;
        Ok(Self { device, waiting: EventLoop::new(Canceller::default())? })
    }

    /// The same with consent to older TLS: see [`Device::legacy_tls`].
    #[must_use]
    pub fn legacy_tls(mut self, consent: LegacyTls) -> Self {
        self.device = self.device.legacy_tls(consent);
        self
    }

    /// The same, showing one of these certificates if the machine asks for one: see [`Device::client_certificates`].
    #[must_use]
    pub fn client_certificates(mut self, certificates: ClientCertificates) -> Self {
        self.device = self.device.client_certificates(certificates);
        self
    }

    /// The same, ended by this canceller.
    #[must_use]
    pub fn cancelled_by(mut self, canceller: Canceller) -> Self {
        self.waiting.canceller = canceller;
        self
    }

    /// Makes one call. A ReturnValue other than 0 is an error.
    ///
    /// # Errors
    /// As [`Device::call`]; `CANCELLED` from the time on that the canceller was used.
    pub fn call(&mut self, request: &Request) -> Result<Reply, Failure> {
        let Self { device, waiting } = self;
        waiting.run(device.call(request))
    }

    /// Does something of several calls, such as one of [`operate`](crate::operate).
    ///
    /// # Errors
    /// What it ends with; `CANCELLED` from the time on that the canceller was used.
    pub fn operate<T>(&mut self, operation: impl AsyncFnOnce(&mut Device) -> Result<T, Failure>) -> Result<T, Failure> {
        let Self { device, waiting } = self;
        waiting.run(operation(device))
    }

    /// What ends this from another thread, also while a call is waiting.
    pub fn canceller(&self) -> Canceller {
        self.waiting.canceller.clone()
    }

    /// What the last TLS handshake brought.
    pub fn tls(&self) -> Option<&TlsOutcome> {
        self.device.tls()
    }

    /// Firmware version by the `Server` header, once something was answered.
    pub fn version(&self) -> Option<FirmwareVersion> {
        self.device.version()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("version", &self.version()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::ErrorCode;
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn cancelling_ends_a_waiting_call_and_every_later_one() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let credentials = Credentials { user: "admin".into(), password: "P@ssw0rd".into() };
        let mut session = Session::new(listener.local_addr().unwrap(), Transport::Plain, credentials).unwrap();
        let canceller = session.canceller();
        let start = Instant::now();
        let request = Request::get("AMT_GeneralSettings");
        let failure = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                canceller.cancel();
            });
            session.call(&request).unwrap_err()
        });
        assert_eq!(failure.code, ErrorCode::CANCELLED);
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(session.call(&request).unwrap_err().code, ErrorCode::CANCELLED);
    }
}
