//! One request to the intake: address, TLS, HTTP, limits, and what every way of failing means.

use super::STAGE;
use super::trust::{Trust, Verifier};
use crate::http;
use crate::intake::wire::{self, MAX_ANSWER, Problem, ProblemCode};
use amt_core::{DeviceStatus, ErrorCode, Failure, Secret};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest address of a server, in bytes.
pub const MAX_URL: usize = 1000;
/// Longest text of the server's that is repeated, in bytes.
pub(super) const MAX_WORDS: usize = 500;
/// Longest time that a server may ask to be left alone.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

const CONNECT: Duration = Duration::from_secs(10);
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Where the intake is: `https://host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    host: String,
    port: u16,
    /// What stands before `/v1/…`, where a proxy has put the intake into a folder.
    base: String,
}

impl FromStr for ServerUrl {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let bad = |why: &str| {
            Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("the server's address {why}"))
                .hint("write it like https://intake.example.com:9972")
        };
        let text = text.trim();
        if text.len() > MAX_URL {
            return Err(bad(&format!("is longer than {MAX_URL} bytes")));
        }
        let uri: Uri = text.parse().map_err(|error| bad(&format!("cannot be read: {error}")))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") => return Err(bad("begins with http: a token is sent over TLS only, so use https")),
            _ => return Err(bad("does not begin with https://")),
        }
        let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("has a user in it: the token is the only credential"));
        }
        if uri.query().is_some() {
            return Err(bad("has a ? in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if ServerName::try_from(host.as_str()).is_err() {
            return Err(bad("has no host name or address in it"));
        }
        Ok(Self { host, port: authority.port_u16().unwrap_or(443), base: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.base)
    }
}

impl ServerUrl {
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unanswered {
    /// What happened, and the next step.
    pub failure: Failure,
    /// The server's own word for its refusal, if it is one that this version knows.
    pub problem: Option<ProblemCode>,
    /// Whether the same request may well be answered later: the server is away or busy.
    pub passes: bool,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Unanswered {
    pub(super) fn for_good(failure: Failure) -> Self {
        Self { failure, problem: None, passes: false, retry_after: None }
    }

    fn for_now(failure: Failure) -> Self {
        Self { passes: true, ..Self::for_good(failure) }
    }
}

/// What is asked of the server.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// From `/v1` on.
    pub(super) path: &'a str,
    pub(super) bearer: &'a Secret<String>,
    pub(super) body: Option<Vec<u8>>,
    /// How long the server may take once it is reached.
    pub(super) patience: Duration,
}

/// A server and how it is believed. Each request has a connection of its own: between two of them lie minutes.
#[derive(Clone)]
pub(super) struct Connection {
    url: ServerUrl,
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl Connection {
    pub(super) fn new(url: ServerUrl, trust: &Trust) -> Result<Self, Failure> {
        let (config, verifier) = trust.config()?;
        Ok(Self { url, config, verifier })
    }

    /// Asks, and reads the answer as a `T`.
    pub(super) async fn ask<T: DeserializeOwned>(&self, question: Question<'_>) -> Result<T, Unanswered> {
        let patience = question.patience;
        let stream = self.connect().await?;
        match timeout(patience, self.talk(stream, question)).await {
            Ok(answer) => answer,
            Err(_) => {
                let text = format!("{} did not answer within {} s", self.url, patience.as_secs());
                Err(Unanswered::for_now(Failure::new(ErrorCode::REPLY_TIMEOUT, STAGE, text).hint(CHECK_SERVER)))
            }
        }
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Unanswered> {
        let authority = self.url.authority();
        let tcp = self.reach(&authority).await.map_err(Unanswered::for_now)?;
        // A small request is one packet either way.
        let _ = tcp.set_nodelay(true);
        let name = ServerName::try_from(self.url.host.clone())
            .map_err(|error| Unanswered::for_good(Failure::new(ErrorCode::PARSE_TEXT, STAGE, error.to_string())))?;
        match timeout(HANDSHAKE, TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls) => Unanswered::for_good(self.verifier.explain(tls, &authority)),
                None => Unanswered::for_now(broken(&authority, &error)),
            }),
            Err(_) => {
                let text = format!("{authority} did not finish the TLS handshake within {} s", HANDSHAKE.as_secs());
                Err(Unanswered::for_now(Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, text).hint(CHECK_SERVER)))
            }
        }
    }

    /// The first of the server's addresses that takes a connection.
    async fn reach(&self, authority: &str) -> Result<TcpStream, Failure> {
        let unknown = |why: String| {
            Failure::new(ErrorCode::DNS, STAGE, format!("{}: {why}", self.url.host))
                .hint("check the name in --server, the network cable, and whether this system has got an address and a DNS server")
        };
        let lookup = timeout(CONNECT, tokio::net::lookup_host((self.url.host.as_str(), self.url.port)));
        let addresses = match lookup.await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(unknown(error.to_string())),
            Err(_) => return Err(unknown("no answer from DNS".to_owned())),
        };
        let mut last = unknown("has no address".to_owned());
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = broken(authority, &error),
                Err(_) => {
                    let text = format!("{authority} did not take a connection within {} s", CONNECT.as_secs());
                    last = Failure::new(ErrorCode::CONNECT_TIMEOUT, STAGE, text).hint(CHECK_SERVER);
                }
            }
        }
        Err(last)
    }

    async fn talk<T: DeserializeOwned>(
        &self,
        stream: tokio_rustls::client::TlsStream<TcpStream>,
        question: Question<'_>,
    ) -> Result<T, Unanswered> {
        let request = self.request(question).map_err(Unanswered::for_good)?;
        let lost = |error: hyper::Error| self.lost(&error);
        let (mut sender, connection) = http::speak(Box::new(stream)).await.map_err(lost)?;
        // Driven beside the request, and gone with it: nothing goes on behind the caller's back.
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(lost)?;
            self.read(answer).await
        };
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            // It ends first where the server closes at once; what came until then is still to be read.
            _ = connection => exchange.await,
        }
    }

    fn request(&self, question: Question<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let unusable = |error: String| Failure::new(ErrorCode::INVALID_ARGUMENT, STAGE, error);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", question.bearer.expose()))
            .map_err(|_| unusable("the token or key cannot be sent".to_owned()))?;
        bearer.set_sensitive(true);
        Request::builder()
            .method(question.method)
            .uri(format!("{}{}", self.url.base, question.path))
            .header(header::HOST, self.url.authority())
            .header(header::AUTHORIZATION, bearer)
            .header(header::USER_AGENT, concat!("amt/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(question.body.unwrap_or_default())))
            .map_err(|error| unusable(error.to_string()))
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response<hyper::body::Incoming>) -> Result<T, Unanswered> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let text = format!("{} answered with more than {MAX_ANSWER} bytes", self.url);
                return Err(Unanswered::for_good(
                    Failure::new(ErrorCode::REPLY_TOO_LARGE, STAGE, text).hint(NO_INTAKE),
                ));
            }
            Err(error) => {
                return Err(match error.downcast_ref::<hyper::Error>() {
                    Some(error) => self.lost(error),
                    None => Unanswered::for_now(Failure::new(ErrorCode::IO, STAGE, error.to_string())),
                });
            }
        };
        if head.status == StatusCode::OK {
            return wire::read(&body).map_err(|failure| {
                let text = format!("the answer of {} cannot be read: {}", self.url, words(&failure.message));
                Unanswered::for_good(Failure::new(ErrorCode::HTTP_MALFORMED, STAGE, text).hint(NO_INTAKE))
            });
        }
        let mut unanswered = match wire::read::<Problem>(&body) {
            Ok(problem) => refused(&problem, head.status),
            Err(_) => self.no_intake(head.status, head.headers.get(header::LOCATION)),
        };
        unanswered.retry_after = retry_after(head.headers.get(header::RETRY_AFTER));
        Err(unanswered)
    }

    /// A status without the intake's own words: a proxy in front of it that passes, or something else altogether.
    fn no_intake(&self, status: StatusCode, location: Option<&HeaderValue>) -> Unanswered {
        let elsewhere =
            location.map(|to| format!(", which sends to {}", words(&String::from_utf8_lossy(to.as_bytes()))));
        let text =
            format!("{} answered with HTTP status {}{}", self.url, status.as_u16(), elsewhere.unwrap_or_default());
        let failure = Failure::new(ErrorCode::HTTP_STATUS, STAGE, text)
            .device(DeviceStatus::Http(status.as_u16()))
            .hint(NO_INTAKE);
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Unanswered::for_now(failure.hint(CHECK_SERVER))
            }
            StatusCode::TOO_MANY_REQUESTS => Unanswered::for_now(failure.hint("it is asked again later")),
            _ => Unanswered::for_good(failure),
        }
    }

    fn lost(&self, error: &hyper::Error) -> Unanswered {
        if error.is_parse() || error.is_parse_too_large() {
            let text = format!("{} does not speak HTTP as it should: {error}", self.url);
            return Unanswered::for_good(Failure::new(ErrorCode::HTTP_MALFORMED, STAGE, text).hint(NO_INTAKE));
        }
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let text = format!("{} ended the connection: {error}{cause}", self.url);
        Unanswered::for_now(Failure::new(ErrorCode::CONNECTION_CLOSED, STAGE, text).hint(CHECK_SERVER))
    }
}

const CHECK_SERVER: &str =
    "check that `amt serve` runs with an [intake] and that no firewall is in between; it is tried again by itself";
const NO_INTAKE: &str =
    "check --server: name and port must be those of the intake itself, not of a web server, proxy or log-in page";

/// The intake's own refusal.
fn refused(problem: &Problem, status: StatusCode) -> Unanswered {
    let known = problem.known_code();
    let text = format!("the server refuses: {} ({})", words(&problem.message), words(&problem.code));
    let hint = words(&problem.hint);
    let failure = Failure::new(ErrorCode::ENROLMENT, STAGE, text);
    let failure = if hint.is_empty() { failure } else { failure.hint(hint) };
    let passes = match known {
        Some(code) => matches!(code, ProblemCode::Rate | ProblemCode::Busy | ProblemCode::Slow),
        None => status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
    };
    Unanswered { failure, problem: known, passes, retry_after: None }
}

fn retry_after(value: Option<&HeaderValue>) -> Option<Duration> {
    let seconds: u64 = value?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn broken(authority: &str, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCode::CONNECT_REFUSED,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ErrorCode::CONNECTION_RESET,
        io::ErrorKind::UnexpectedEof => ErrorCode::CONNECTION_CLOSED,
        io::ErrorKind::TimedOut => ErrorCode::CONNECT_TIMEOUT,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorCode::UNREACHABLE,
        _ => ErrorCode::IO,
    };
    Failure::new(code, STAGE, format!("{authority}: {error}")).hint(CHECK_SERVER)
}

/// A server's text, fit for a terminal and of bounded length.
pub(super) fn words(text: &str) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.truncate(clean.floor_char_boundary(MAX_WORDS));
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_wrong_ones_say_why() {
        for (text, want) in [
            ("https://intake.example.com", "https://intake.example.com:443"),
            (" https://intake.example.com:8443/ ", "https://intake.example.com:8443"),
            ("HTTPS://10.0.0.5:8443/amt/", "https://10.0.0.5:8443/amt"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), want);
            assert_eq!(url.to_string().parse::<ServerUrl>().unwrap(), url);
        }
        for (text, why) in [
            ("http://intake.example.com", "over TLS only"),
            ("intake.example.com", "https://"),
            ("ftp://intake.example.com", "https://"),
            ("", "cannot be read"),
            ("https://", "cannot be read"),
            ("https://user:pw@intake.example.com", "has a user"),
            ("https://intake.example.com?x=1", "has a ?"),
            ("https://in_take..example.com", "no host name"),
            (&format!("https://{}", "x".repeat(MAX_URL)), "longer"),
        ] {
            let failure = text.parse::<ServerUrl>().unwrap_err();
            assert!(failure.message.contains(why) && failure.hint.contains("9972"), "{text}: {failure:?}");
        }
    }

    #[test]
    fn a_servers_words_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(words("\u{1b}[2J\r\nok\u{9b}"), "[2J  ok");
        assert!(words(&"é".repeat(9000)).len() <= MAX_WORDS);
    }

    #[test]
    fn refusals_pass_or_do_not() {
        for code in ProblemCode::ALL {
            let refusal = refused(&Problem::new(*code, "x"), StatusCode::from_u16(code.status()).unwrap());
            assert_eq!(refusal.problem, Some(*code));
            assert_eq!(refusal.passes, matches!(code.name(), "RATE" | "BUSY" | "SLOW"), "{code}");
            assert_eq!(refusal.failure.hint, code.hint());
        }
        let later = Problem { code: "NEW".to_owned(), message: "x".to_owned(), hint: String::new() };
        assert!(refused(&later, StatusCode::INTERNAL_SERVER_ERROR).passes);
        assert!(!refused(&later, StatusCode::FORBIDDEN).passes);
    }

    #[test]
    fn a_wish_to_be_left_alone_is_heard_up_to_a_limit() {
        let wish = |text: &'static str| retry_after(Some(&HeaderValue::from_static(text)));
        assert_eq!(wish("7"), Some(Duration::from_secs(7)));
        assert_eq!(wish("99999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(wish("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(None), None);
    }
}
