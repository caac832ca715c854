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

/// Sends `request`, whose URI is whole, to whom that names; over TLS if there is `tls`. The connection ends with the answer's body.
pub(crate) async fn send(
    tls: Option<&Arc<ClientConfig>>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let uri = std::mem::take(request.uri_mut());
    let authority = uri.authority().ok_or("the URL has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    request.headers_mut().insert(HOST, HeaderValue::try_from(authority.as_str())?);
    *request.uri_mut() = uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));

    let tcp = TcpStream::connect((host, port)).await?;
    // A small request is one packet.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = match tls {
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned())?;
            Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?)
        }
        None => Box::new(tcp),
    };
    let (mut sender, connection) = speak(stream).await?;
    // What becomes of it is seen in the answer.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_request_names_its_host_asks_for_the_path_alone_and_ends_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"{}") {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\ndone").await.unwrap();
            // Nothing more comes, and it is over.
            assert_eq!(stream.read_buf(&mut asked).await.unwrap(), 0);
            String::from_utf8(asked).unwrap()
        });
        let request = Request::post(format!("http://{address}/hook?x=1")).body(Full::from("{}")).unwrap();
        let answer = send(None, request).await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
        let asked = server.await.unwrap();
        assert!(asked.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
    }

    #[tokio::test]
    async fn who_is_not_there_is_an_error() {
        let request = Request::get("http://127.0.0.1:1/").body(Full::default()).unwrap();
        assert!(send(None, request).await.unwrap_err().to_string().contains("refused"));
    }
}
