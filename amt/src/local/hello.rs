//! The hello, sent by software in the firmware's place.

use super::{LocalAccess, status};
use crate::tls::io_failure;
use amt_core::hello::Hello;
use amt_core::{ErrorCode, Failure};
use amt_provision::local::Standing;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;

const STAGE: &str = "send-hello";
/// How long the setup server may take to take the connection, and then the hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hello that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentHello {
    /// What was said.
    pub hello: Hello,
    /// The setup server that took it.
    pub server: SocketAddr,
    /// Where it came from: the address that the server calls back.
    pub from: IpAddr,
    /// The address of the firmware's wired interface, where it tells one.
    pub firmware: Option<Ipv4Addr>,
    /// How the machine stands.
    pub standing: Standing,
}

impl SentHello {
    /// Whether the server calls where the firmware listens; none if the firmware does not tell its address.
    pub fn is_from_firmware_address(&self) -> Option<bool> {
        self.firmware.map(|firmware| self.from == IpAddr::V4(firmware))
    }
}

/// Says hello to the setup server at `host` and `port` in the firmware's place, with what the firmware tells of itself, from the address
/// `from` or the one that the system chooses.
///
/// The server calls the machine back at that address. Whether the firmware then takes the connection is its own affair: it does
/// while its window is open ([`start_hello`](super::start_hello) opens it), and it is not known which firmware does after that.
///
/// # Errors
/// Those of [`LocalStatus::hello`](amt_provision::local::LocalStatus::hello); `DNS`, `CONNECT_REFUSED`, `CONNECT_TIMEOUT` and others of the
/// way to the server; 3xxx for the way to the firmware.
pub async fn send_hello(
    access: &LocalAccess,
    host: &str,
    port: u16,
    from: Option<IpAddr>,
) -> Result<SentHello, Failure> {
    let status = status(access).await?;
    let hello = status.hello()?;
    let mut last = Failure::new(ErrorCode::DNS, STAGE, format!("{host} has no address"));
    let found = lookup_host((host, port)).await;
    for server in found.map_err(|error| Failure::new(ErrorCode::DNS, STAGE, format!("{host}: {error}")))? {
        match send(server, from, &hello).await {
            Ok(from) => {
                let firmware = status.wired.as_ref().map(|wired| wired.address).filter(|ip| !ip.is_unspecified());
                return Ok(SentHello { hello, server, from, firmware, standing: status.facts.standing });
            }
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn send(server: SocketAddr, from: Option<IpAddr>, hello: &Hello) -> Result<IpAddr, Failure> {
    let failed = |error: std::io::Error| {
        let failure = io_failure(&error, &format!("the setup server at {server}")).at(STAGE);
        failure.hint("see that the setup server runs, and that this is its address and its port for hellos")
    };
    let late = |_| {
        let text = format!("the setup server at {server} does not take the hello within {} s", PATIENCE.as_secs());
        Failure::new(ErrorCode::CONNECT_TIMEOUT, STAGE, text)
    };
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0)).map_err(|error| {
            io_failure(&error, &format!("from {from} to {server}"))
                .at(STAGE)
                .hint("give an address of this machine, of the server's family")
        })?;
    }
    let mut stream = timeout(PATIENCE, socket.connect(server)).await.map_err(late)?.map_err(failed)?;
    let local = stream.local_addr().map_err(failed)?.ip();
    let said = async {
        stream.write_all(&hello.encode()).await?;
        stream.shutdown().await
    };
    timeout(PATIENCE, said).await.map_err(late)?.map_err(failed)?;
    Ok(local)
}
