//! One TCP connection to a machine: the handshake, then bytes both ways, one write a reply.

use super::machine::{Event, Shared};
use super::tls::{self, Gate, Verdict};
use crate::chain::ChainFault;
use crate::fault::{Direction, FaultKind};
use crate::firmware::{ConnectionId, Ending, Port};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a client may take for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closed connection is drained, so that the last bytes are not lost to a reset.
const LINGER: Duration = Duration::from_millis(500);

/// What the machine wants on a connection.
#[derive(Debug)]
pub(super) enum Wire {
    Send(Vec<u8>),
    End(Ending),
}

pub(super) async fn run(
    tcp: TcpStream,
    peer: IpAddr,
    id: ConnectionId,
    port: Port,
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
) {
    // A reply is one write and goes out at once.
    let _ = tcp.set_nodelay(true);
    match port {
        Port::Plain => {
            let (wire, orders) = unbounded_channel();
            let _ = events.send(Event::Accepted { id, port, peer, chain: Vec::new(), wire });
            let mut tcp = Gate::new(tcp, Arc::default(), None, Arc::clone(&shared));
            if pump(&mut tcp, id, &events, orders).await {
                return reset(tcp.inner());
            }
            finish(&mut tcp).await;
        }
        Port::Secure => secure(tcp, peer, id, shared, events).await,
    }
}

async fn secure(
    mut tcp: TcpStream,
    peer: IpAddr,
    id: ConnectionId,
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
) {
    if shared.firmware().waits_for_psk() {
        // There is no PSK handshake here yet; a certificate is of no use to such a machine either way.
        shared.firmware().record_no_psk(shared.now());
        return finish(&mut Gate::new(tcp, Arc::default(), None, Arc::clone(&shared))).await;
    }
    let (before, within) = {
        let mut firmware = shared.firmware();
        (firmware.handshake_fault(Direction::In), firmware.handshake_fault(Direction::Out))
    };
    match before {
        None | Some(FaultKind::Status(_)) => {}
        Some(FaultKind::Delay(by)) => tokio::time::sleep(by).await,
        Some(FaultKind::Reset) => return reset(&tcp),
        Some(FaultKind::Truncate) => return finish(&mut tcp).await,
        Some(FaultKind::Stall) => return stall(&mut tcp, &shared).await,
        Some(FaultKind::Garbage) => {
            let _ = tcp.write_all(&[0xa5; 64]).await;
            return finish(&mut tcp).await;
        }
    }
    if let Some(FaultKind::Delay(by)) = within {
        tokio::time::sleep(by).await;
    }
    let serving = shared.firmware().tls(shared.now());
    let verdict = Verdict::default();
    let mute = Arc::new(AtomicBool::new(false));
    let Ok(config) = tls::config(&serving, &shared.persona.network, &verdict, &mute) else { return };
    let gate = Gate::new(tcp, Arc::clone(&mute), within, Arc::clone(&shared));
    let accept = tokio_rustls::TlsAcceptor::from(config).accept(gate).into_fallible();
    let mut stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, accept).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, mut gate))) => {
            let mut faults = verdict.take();
            let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
            if matches!(inner, Some(rustls::Error::NoCertificatesPresented)) {
                faults.push(ChainFault::NoCertificate);
            }
            if !faults.is_empty() {
                let _ = events.send(Event::Refused { faults });
            }
            if within == Some(FaultKind::Reset) {
                return reset(gate.inner());
            }
            return finish(&mut gate).await;
        }
        Err(_) => return,
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    let (wire, orders) = unbounded_channel();
    let _ = events.send(Event::Accepted { id, port: Port::Secure, peer, chain, wire });
    if pump(&mut stream, id, &events, orders).await {
        return reset(stream.get_ref().0.inner());
    }
    finish(&mut stream).await;
}

/// Bytes both ways until one side ends it; true if it is to be reset.
async fn pump<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    id: ConnectionId,
    events: &UnboundedSender<Event>,
    mut orders: UnboundedReceiver<Wire>,
) -> bool {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Wire::Send(bytes)) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        let _ = events.send(Event::Closed { id });
                        return false;
                    }
                }
                Some(Wire::End(Ending::Reset)) => return true,
                Some(Wire::End(Ending::Close)) | None => return false,
                Some(Wire::End(Ending::Stay)) => {}
            },
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => {
                    let _ = events.send(Event::Closed { id });
                    return false;
                }
                Ok(n) => {
                    let _ = events.send(Event::Bytes { id, bytes: buffer[..n].to_vec() });
                }
            },
        }
    }
}

/// Ends a connection in order: what was written arrives although the peer may still be sending.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    let drain = async { while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {} };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

async fn stall(tcp: &mut TcpStream, shared: &Shared) {
    let mut rest = [0; 1024];
    while let Ok(n @ 1..) = tcp.read(&mut rest).await {
        shared.wire.bytes.fetch_add(n as u64, Ordering::SeqCst);
    }
}

/// The next close of this socket is a reset.
pub(super) fn reset(tcp: &TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}
