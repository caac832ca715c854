//! One TCP connection to a machine: the handshake, then bytes both ways, one write a reply.

use super::machine::{Event, Origin, Shared};
use super::tls::{self, Accepted, Gate, Handshake};
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
    origin: Origin,
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
) {
    // A reply is one write and goes out at once.
    let _ = tcp.set_nodelay(true);
    match port {
        Port::Plain | Port::PlainRedirection => {
            let (wire, orders) = unbounded_channel();
            let _ = events.send(Event::Accepted { id, port, origin, peer, chain: Vec::new(), session: None, wire });
            let mut tcp = Gate::new(tcp, Arc::default(), None, Arc::clone(&shared));
            if pump(&mut tcp, id, &events, orders).await {
                return reset(tcp.inner());
            }
            finish(&mut tcp).await;
        }
        Port::Secure | Port::SecureRedirection => secure(tcp, peer, id, port, origin, shared, events).await,
    }
}

async fn secure(
    mut tcp: TcpStream,
    peer: IpAddr,
    id: ConnectionId,
    port: Port,
    origin: Origin,
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
) {
    let (before, within) = {
        let mut firmware = shared.firmware();
        (firmware.handshake_fault(Direction::In), firmware.handshake_fault(Direction::Out))
    };
    match before {
        None | Some(FaultKind::Status(_) | FaultKind::Busy | FaultKind::Oversize) => {}
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
    let now = shared.now();
    let serving = match origin {
        Origin::Network => shared.firmware().tls(now),
        Origin::Local => shared.firmware().local_tls(now),
    };
    let mute = Arc::new(AtomicBool::new(false));
    let gate = Gate::new(tcp, Arc::clone(&mute), within, Arc::clone(&shared));
    let handshake = Handshake { serving: &serving, persona: &shared.persona, mute: &mute };
    let Accepted { mut stream, chain, session } =
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls::accept(handshake, gate)).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(mut refused)) => {
                if let Some(refusal) = refused.refusal {
                    let _ = events.send(Event::Refused { refusal });
                }
                if within == Some(FaultKind::Reset) {
                    return reset(refused.carrier.gate().inner());
                }
                return finish(refused.carrier.gate()).await;
            }
            Err(_) => return,
        };
    let (wire, orders) = unbounded_channel();
    let _ = events.send(Event::Accepted { id, port, origin, peer, chain, session: Some(session), wire });
    if pump(&mut stream, id, &events, orders).await {
        return reset(stream.gate().inner());
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
