//! One request over a connection of its own, for what is asked seldom: an authority, a webhook, an intake.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Most headers in an answer, and most bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 * 1024;

/// What HTTP is spoken over. One type whatever it is: HTTP is compiled once.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Begins to speak HTTP/1.1.
pub(crate) async fn speak(
    stream: Box<dyn Stream>,
) -> hyper::Result<(http1::SendRequest<Full<Bytes>>, http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>)> {
    http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).handshake(TokioIo::new(stream)).await
}

/// Sends `request`, whose URI is whole, to whom that names; over TLS by `tls` if it is `https`. The connection ends with the answer's body.
pub(crate) async fn send(
    tls: &Arc<ClientConfig>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let uri = std::mem::take(request.uri_mut());
    let authority = uri.authority().ok_or("the URL has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let secure = uri.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    request.headers_mut().insert(HOST, HeaderValue::try_from(authority.as_str())?);
    *request.uri_mut() = uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));

    let tcp = TcpStream::connect((host, port)).await?;
    // A small request is one packet.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = if secure {
        let name = ServerName::try_from(host.to_owned())?;
        Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?)
    } else {
        Box::new(tcp)
    };
    let (mut sender, connection) = speak(stream).await?;
    // What becomes of it is seen in the answer.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
