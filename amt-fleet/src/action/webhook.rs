//! Webhooks: a signed POST.

use super::message;
use crate::Action;
use crate::cause::causes;
use crate::digest::hex;
use crate::http;
use crate::resolve::Question;
use crate::roots;
use amt_core::{ErrorCode, Failure, Secret};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use ring::hmac;
use rustls::ClientConfig;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most bytes of an answer that are read, for what is shown of a refusal.
pub const MAX_BODY_READ: usize = 4096;

/// A URL that is told of a machine: a JSON object as body of a POST with the headers
///
/// | header | |
/// |---|---|
/// | `X-AMT-Delivery` | number of the action: the same on every attempt |
/// | `X-AMT-Timestamp` | seconds since 1970, of this attempt |
/// | `X-AMT-Signature` | `sha256=` and HMAC-SHA256 (hex) over the timestamp, a full stop and the body, if there is a secret |
///
/// An answer 2xx means that it is done. After any other it is told again later.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: Uri,
    secret: Option<Secret<String>>,
    timeout: Duration,
}

impl Webhook {
    /// A webhook, given up for this time if it does not answer within 15 seconds.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        match (url.scheme_str(), url.authority()) {
            (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => {}
            (Some("http" | "https"), Some(_)) => return Err("a user or password does not belong into the URL".into()),
            _ => return Err("the URL does not begin with https:// or http:// and a host".into()),
        }
        Ok(Self { url, secret: None, timeout: Duration::from_secs(15) })
    }

    /// The same, signed.
    #[must_use]
    pub fn secret(mut self, secret: Secret<String>) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) async fn tell(&self, action: &Action, question: &Question) -> Result<(), Failure> {
        let failed = |why: String| {
            // What stands behind the host may be a secret of its own.
            let host = self.url.authority().map_or("", |a| a.as_str());
            Failure::new(ErrorCode::ACTION, "action", format!("the webhook at {host} {why}"))
        };
        let request = self.request(action, question).map_err(|e| failed(format!("cannot be told: {e}")))?;
        let asked = async {
            let secure = self.url.scheme_str() == Some("https");
            let tls = secure.then(tls).transpose().map_err(|why| failed(format!("cannot be reached: {why}")))?;
            let response = http::send(tls.as_ref(), request).await;
            let response = response.map_err(|e| failed(format!("was not reached: {}", causes(e.as_ref()))))?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let body = Limited::new(response.into_body(), MAX_BODY_READ).collect().await;
            let said = body.map(|b| crate::program::readable(&b.to_bytes())).unwrap_or_default();
            Err(failed(format!("answered {status} {said}").trim_end().to_owned()))
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(format!("did not answer within {:.1} s", self.timeout.as_secs_f64()))),
        }
    }

    fn request(&self, action: &Action, question: &Question) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let body = message(action, question).to_string();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut request = Request::post(self.url.clone())
            .header("Content-Type", "application/json")
            .header("User-Agent", concat!("amt/", env!("CARGO_PKG_VERSION")))
            .header("X-AMT-Delivery", action.id)
            .header("X-AMT-Timestamp", now);
        if let Some(secret) = &self.secret {
            request = request.header("X-AMT-Signature", signature(secret, now, &body));
        }
        request.body(Full::from(body))
    }
}

fn signature(secret: &Secret<String>, timestamp: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, format!("{timestamp}.{body}").as_bytes()).as_ref()))
}

/// One for all: the system's root certificates are read once.
fn tls() -> Result<Arc<ClientConfig>, String> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(Arc::clone(tls));
    }
    let roots = roots::of_the_system();
    if roots.is_empty() {
        return Err("this system has no root certificates to check it with".to_owned());
    }
    let tls = roots::client(roots).map_err(|error| error.to_string())?.with_no_client_auth();
    Ok(Arc::clone(TLS.get_or_init(|| Arc::new(tls))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_and_secrets_in_them_refused() {
        for good in ["https://cmdb.example.com/hooks/amt?x=1", "http://127.0.0.1:8080/"] {
            Webhook::new(good).unwrap();
        }
        for (bad, why) in [
            ("", "no URL"),
            ("cmdb.example.com/hook", "no URL"),
            ("ftp://cmdb.example.com/", "does not begin"),
            ("/hook", "does not begin"),
            ("https://user:password@cmdb.example.com/", "a user or password"),
        ] {
            let error = Webhook::new(bad).unwrap_err();
            assert!(error.contains(why) && !error.contains("password@"), "{bad}: {error}");
        }
    }

    #[test]
    fn the_signature_is_over_timestamp_and_body() {
        // As Python's hmac module computes it.
        let expected = "sha256=0b11ad78b35f6df0c6fda0d5984cf18662017d814e983fbf6b2d001d928ad5b3";
        assert_eq!(signature(&"shared with the webhook".into(), 1_700_000_000, "{\"id\":7}"), expected);
    }
}
