//! Connections: accepted within bounds, TLS, requests one after another, an end to each.

use super::api::Asked;
use super::{Shared, limits, lock};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Longest head of a request, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// Most header fields of a request.
pub const MAX_HEADERS: usize = 32;
/// Pause after the operating system refused to accept, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may take to end when the server stops, or when a connection has lived long enough.
const DRAIN: Duration = Duration::from_secs(5);

/// Accepts until told to stop; its connections end with it.
pub(super) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, source, permit) = tokio::select! {
            _ = stop.changed() => break,
            next = next(&listener, &shared) => match next {
                Some(next) => next,
                None => continue,
            },
        };
        let source = source.to_canonical();
        let key = limits::source(source);
        // A handshake costs more than anything asked after it: it is counted as a request.
        let admitted = lock(&shared.open).enter(key, shared.config.max_per_source);
        if !admitted {
            tracing::debug!(%source, "intake: too many connections from this address");
            continue;
        }
        let place = Place { shared: Arc::clone(&shared), key };
        if lock(&shared.by_source).take(key, Instant::now().into_std()).is_err() {
            tracing::debug!(%source, "intake: connections from this address come too fast");
            continue;
        }
        let (acceptor, stop) = (acceptor.clone(), stop.clone());
        connections.spawn(async move {
            serve(stream, source, &acceptor, &place.shared, stop).await;
            drop((place, permit));
        });
    }
    drop(listener);
    let until = Instant::now() + DRAIN;
    while let Ok(Some(_)) = tokio::time::timeout_at(until, connections.join_next()).await {}
    connections.shutdown().await;
}

async fn next(listener: &TcpListener, shared: &Shared) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    // Taken before a connection is accepted: over the limit they wait in the kernel and not in our memory.
    let permit = Arc::clone(&shared.sockets).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), permit)),
        Err(error) => {
            tracing::debug!(%error, "accept failed");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// One connection of a source; gives the place back however the connection ends.
struct Place {
    shared: Arc<Shared>,
    key: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.open).leave(self.key);
    }
}

async fn serve(
    stream: TcpStream,
    source: IpAddr,
    acceptor: &TlsAcceptor,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let config = &shared.config;
    // Answers are short: none waits for a next one.
    let _ = stream.set_nodelay(true);
    let tls = match timeout(config.handshake, acceptor.accept(stream)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            tracing::debug!(%source, %error, "intake: no TLS");
            return;
        }
        Err(_) => {
            tracing::debug!(%source, "intake: the TLS handshake took too long");
            return;
        }
    };
    let asked = stop.clone();
    let service = service_fn(|request| {
        let asked = Asked { shared, source, stop: asked.clone() };
        async move { Ok::<_, Infallible>(asked.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.head)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(tls), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(config.lifetime) => None,
        _ = stop.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // Whoever does not take its answer within this time does not get it.
            match timeout(DRAIN, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%source, %error, "intake: the connection broke off");
    }
}
