//! Enrollment over Secure Transport (RFC 7030, with the corrections of RFC 8951): `/simpleenroll` and `/cacerts` over HTTPS.

use super::bundle::{any_form, arrange};
use super::{Asked, CertificateAuthority};
use crate::cause::causes;
use crate::digest::sha256_hex;
use crate::http;
use crate::program::{MAX_ANSWER, readable};
use crate::roots;
use amt_core::{DeviceStatus, ErrorCode, Failure, Secret};
use amt_provision::{CaAnswer, CertificateRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Where an EST server has its operations (RFC 7030 §3.2.2).
const WELL_KNOWN: &str = "/.well-known/est";
const STAGE: &str = "certify";
/// Longest URL.
const MAX_URL: usize = 1000;
/// Longest rest that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The authority's certificates are asked for again after this: they change once in years.
const KEEP_AUTHORITIES: Duration = Duration::from_secs(3600);
/// Most requests whose time to rest is remembered.
const MAX_RESTING: usize = 10_000;

/// How an EST server is reached, trusted and logged in to.
#[derive(Debug)]
#[non_exhaustive]
pub struct EstSettings {
    /// `https://host[:port]`; a path, if there is one, stands for `/.well-known/est`.
    pub url: String,
    /// Certificates that the server's own must be issued by (the explicit trust anchor of RFC 7030), DER. No others are trusted.
    pub anchors: Vec<Vec<u8>>,
    /// HTTP Basic.
    pub login: Option<(String, Secret<String>)>,
    /// TLS client certificate.
    pub certificate: Option<ClientCertificate>,
    /// How long one exchange may take.
    pub timeout: Duration,
}

/// By what a client shows the server who it is.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The certificate, its issuers after it, DER.
    pub chain: Vec<Vec<u8>>,
    /// Its private key, PEM.
    pub key: Secret<Vec<u8>>,
}

impl EstSettings {
    /// A server without a login, given half a minute for each answer.
    pub fn new(url: impl Into<String>, anchors: Vec<Vec<u8>>) -> Self {
        Self { url: url.into(), anchors, login: None, certificate: None, timeout: Duration::from_secs(30) }
    }
}

/// Enrols by EST.
///
/// EST has no ids for requests: one that was put off is asked about by sending the same PKCS#10 again (RFC 7030 §4.2.3). Here its SHA-256
/// is the id. The server's `Retry-After` is kept to, however often it is asked.
pub struct EstCa {
    url: Uri,
    tls: Arc<ClientConfig>,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    authorities: Mutex<Option<(Instant, Vec<Vec<u8>>)>>,
    /// Requests that the server wants to rest, by id: until when, and its words.
    resting: Mutex<HashMap<String, (Instant, Option<String>)>>,
}

impl std::fmt::Debug for EstCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EstCa").field("url", &self.url.to_string()).finish_non_exhaustive()
    }
}

/// An answer of the server's, within bounds.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl EstCa {
    /// A client of the server that `settings` describe. Nothing is connected to yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: EstSettings) -> Result<Self, String> {
        let url = base(&settings.url)?;
        let authorization = settings.login.map(|(user, password)| basic(&user, &password)).transpose()?;
        let mut roots = RootCertStore::empty();
        for (at, anchor) in settings.anchors.into_iter().enumerate() {
            let added = roots.add(CertificateDer::from(anchor));
            added.map_err(|error| format!("trust anchor {} cannot be used: {error}", at + 1))?;
        }
        if roots.is_empty() {
            return Err("there is no trust anchor".to_owned());
        }
        let builder = roots::client(roots).map_err(|error| error.to_string())?;
        let tls = match settings.certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { chain, key }) => {
                let key = private_key(&key)?;
                let chain = chain.into_iter().map(CertificateDer::from).collect();
                let usable = builder.with_client_auth_cert(chain, key);
                usable.map_err(|error| format!("the client certificate cannot be used: {error}"))?
            }
        };
        let timeout = settings.timeout;
        let tls = Arc::new(tls);
        Ok(Self { url, tls, authorization, timeout, authorities: Mutex::default(), resting: Mutex::default() })
    }

    /// Where the server is.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// The authority's own certificates, by `/cacerts`.
    ///
    /// # Errors
    /// `CA_UNAVAILABLE` with what went wrong.
    pub async fn authorities(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let answer = self.exchange(Method::GET, "/cacerts", None).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        self.bundle(&answer).map_err(|why| self.unavailable(format!("answered /cacerts, but {why}")))
    }

    async fn known_authorities(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let known = self.authorities.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, known)) = known
            && at.elapsed() < KEEP_AUTHORITIES
        {
            return Ok(known);
        }
        let fresh = self.authorities().await?;
        *self.authorities.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }

    async fn ask(&self, request: &CertificateRequest) -> Result<CaAnswer, Failure> {
        let request_id = sha256_hex(&request.csr);
        if let Some((rest, words)) = self.rest_of(&request_id) {
            return Ok(self.pending(request_id, Some(rest), words));
        }
        // Before anything is issued: without its issuers a certificate would be of no use, and EST issues a second one if asked again.
        let authorities = self.known_authorities().await?;
        let answer = self.exchange(Method::POST, "/simpleenroll", Some(lines_of_base64(&request.csr))).await?;
        match answer.status {
            StatusCode::OK => {
                let issued = self.bundle(&answer).map_err(|why| self.unavailable(format!("issued, but {why}")))?;
                let wrong = |why: String| {
                    Failure::new(ErrorCode::CA_CERTIFICATE_WRONG, STAGE, format!("the EST server {}: {why}", self.url))
                };
                let (certificate, chain) = arrange(&request.csr, &issued, &authorities).map_err(wrong)?;
                Ok(CaAnswer::Issued { certificate, chain })
            }
            StatusCode::ACCEPTED => {
                let rest = retry_after(answer.headers.get(header::RETRY_AFTER), SystemTime::now());
                let words = words(&answer);
                self.remember(&request_id, rest, words.as_ref());
                Ok(self.pending(request_id, rest, words))
            }
            // The server judged the request. What it says of the client, the address or the hour is no answer to it.
            StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY => {
                let said = words(&answer).map(|words| format!(": {words}")).unwrap_or_default();
                Ok(CaAnswer::Denied { reason: format!("{} answered {}{said}", self.url, answer.status) })
            }
            _ => Err(self.refused(&answer)),
        }
    }

    fn pending(&self, request_id: String, retry_after: Option<Duration>, words: Option<String>) -> CaAnswer {
        let short = request_id.get(..16).unwrap_or(&request_id);
        let hint = format!(
            "have the request approved at the authority behind {}: EST has no request ids, it is the one whose PKCS#10 (DER) has the \
             SHA-256 {short}…; the same request is sent again until it is decided",
            self.url
        );
        CaAnswer::Pending { request_id, retry_after, words, hint: Some(hint) }
    }

    /// What is still to be waited, and what the server said then.
    fn rest_of(&self, request_id: &str) -> Option<(Duration, Option<String>)> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        resting.retain(|_, (until, _)| *until > now);
        resting.get(request_id).map(|(until, words)| (until.saturating_duration_since(now), words.clone()))
    }

    fn remember(&self, request_id: &str, rest: Option<Duration>, words: Option<&String>) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = rest.and_then(|rest| Instant::now().checked_add(rest))
            && resting.len() < MAX_RESTING
        {
            resting.insert(request_id.to_owned(), (until, words.cloned()));
        }
    }

    fn bundle(&self, answer: &Answer) -> Result<Vec<Vec<u8>>, String> {
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.trim().to_ascii_lowercase().starts_with("application/pkcs7-mime") {
            return Err(format!("as {kind:?} instead of application/pkcs7-mime"));
        }
        // RFC 8951: base64 always. Some servers send DER or PEM none the less.
        any_form(&answer.body)
    }

    async fn exchange(&self, method: Method, operation: &str, body: Option<String>) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{operation}", self.url))
            .header(header::ACCEPT, "application/pkcs7-mime")
            .header(header::USER_AGENT, concat!("amt/", env!("CARGO_PKG_VERSION")));
        if body.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/pkcs10")
                .header("Content-Transfer-Encoding", "base64");
        }
        // `/cacerts` is for everybody; whoever asks need not say who it is.
        if let Some(authorization) = self.authorization.as_ref().filter(|_| body.is_some()) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| self.unavailable(format!("cannot be asked: {error}")))?;
        let asked = async {
            let response = http::send(Some(&self.tls), request).await;
            let response =
                response.map_err(|error| self.unavailable(format!("was not reached: {}", causes(error.as_ref()))))?;
            let (head, body) = response.into_parts();
            let limit = usize::try_from(MAX_ANSWER).unwrap_or(usize::MAX);
            let body = Limited::new(body, limit).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return self.unavailable(format!("answered more than {MAX_ANSWER} bytes"));
                }
                self.unavailable(format!("ended its answer too early: {}", causes(error.as_ref())))
            })?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unavailable(format!("did not answer within {} s", self.timeout.as_secs_f32()))),
        }
    }

    /// An answer that is none to the request.
    fn refused(&self, answer: &Answer) -> Failure {
        let said = words(answer).map(|words| format!(": {words}")).unwrap_or_default();
        let hint = match answer.status {
            StatusCode::UNAUTHORIZED => "check ca.user and its password, or the client certificate",
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT | StatusCode::METHOD_NOT_ALLOWED => {
                "check ca.url: some servers want a label at its end, https://host/.well-known/est/LABEL"
            }
            status if status.is_redirection() => {
                "redirections are not followed: give ca.url as the server itself has it"
            }
            _ => ErrorCode::CA_UNAVAILABLE.hint(),
        };
        self.unavailable(format!("answered {}{said}", answer.status))
            .device(DeviceStatus::Http(answer.status.as_u16()))
            .hint(hint)
    }

    fn unavailable(&self, why: String) -> Failure {
        Failure::new(ErrorCode::CA_UNAVAILABLE, STAGE, format!("the EST server {} {why}", self.url))
    }
}

impl CertificateAuthority for EstCa {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move { self.ask(request).await.unwrap_or_else(CaAnswer::Failed) })
    }
}

/// The URL without a slash at its end, checked.
fn base(text: &str) -> Result<Uri, String> {
    let text = text.trim();
    if text.len() > MAX_URL {
        return Err(format!("the URL is longer than {MAX_URL} bytes"));
    }
    let url: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
    match (url.scheme_str(), url.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => {
            return Err("a user or password does not belong into the URL".to_owned());
        }
        (Some("https"), Some(_)) => {}
        (Some("http"), _) => return Err("EST is spoken over https only".to_owned()),
        _ => return Err("the URL does not begin with https:// and a host".to_owned()),
    }
    if url.query().is_some() {
        return Err("the URL has a ? in it".to_owned());
    }
    let path = match url.path().trim_end_matches('/') {
        "" => WELL_KNOWN,
        path => path,
    };
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("https://{authority}{path}").parse().map_err(|error| format!("{text:?} is no URL: {error}"))
}

fn basic(user: &str, password: &Secret<String>) -> Result<HeaderValue, String> {
    if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
        return Err("the user of HTTP Basic is empty or has a colon in it".to_owned());
    }
    let pair = zeroize::Zeroizing::new(format!("{user}:{}", password.expose()));
    let text = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::try_from(text.as_str()).map_err(|_| "the login cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn private_key(pem: &Secret<Vec<u8>>) -> Result<PrivateKeyDer<'static>, String> {
    use rustls::pki_types::pem::PemObject as _;
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| "the file of the client's key holds none in PEM".to_owned())
}

/// Base64 as in mail: some servers read no longer lines.
fn lines_of_base64(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = String::with_capacity(text.len() + text.len() / 32);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            lines.push_str("\r\n");
        }
        lines.push(c);
    }
    lines.push_str("\r\n");
    lines
}

/// `Retry-After` in either of its forms: seconds, or a time of day.
fn retry_after(value: Option<&HeaderValue>, now: SystemTime) -> Option<Duration> {
    let text = value?.to_str().ok()?.trim();
    let rest = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(rest.min(MAX_RETRY_AFTER))
}

/// The server's own words. A page made for a browser is none.
fn words(answer: &Answer) -> Option<String> {
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = readable(&answer.body);
    (!text.is_empty() && !kind.contains("html") && !text.starts_with('<')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_and_checked() {
        for (text, expected) in [
            ("https://est.example.com", "https://est.example.com/.well-known/est"),
            ("https://est.example.com:8443/", "https://est.example.com:8443/.well-known/est"),
            ("https://[::1]:1/.well-known/est/amt/", "https://[::1]:1/.well-known/est/amt"),
        ] {
            assert_eq!(base(text).unwrap().to_string(), expected);
        }
        for (text, why) in [
            ("http://est.example.com", "over https only"),
            ("est.example.com", "does not begin"),
            ("https://u:p@est.example.com", "a user or password"),
            ("https://est.example.com/?x", "a ? in it"),
            ("https://", "no URL"),
            (&format!("https://{}", "x".repeat(1000)), "longer than"),
        ] {
            let error = base(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("p@"), "{text}: {error}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = httpdate::parse_http_date("Thu, 01 Jan 2026 00:00:00 GMT").unwrap();
        for (text, expected) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Thu, 01 Jan 2026 01:00:00 GMT", Some(3600)),
            ("Wed, 01 Jan 2020 00:00:00 GMT", Some(0)),
            ("99999999999", Some(24 * 3600)),
            ("soon", None),
            ("-5", None),
        ] {
            let value = HeaderValue::from_static(text);
            assert_eq!(retry_after(Some(&value), now).map(|rest| rest.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn a_login_is_encoded_and_hidden() {
        let value = basic("amt", &Secret::from("s3cret")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic YW10OnMzY3JldA==");
        assert!(!format!("{value:?}").contains("YW10"));
        basic("a:b", &Secret::from("x")).unwrap_err();
        basic("", &Secret::from("x")).unwrap_err();
    }
}
