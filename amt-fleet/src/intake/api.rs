//! One request and its answer.
//!
//! Who asks is looked at before anything that was sent is kept: without a token or key that is known, no body is read into memory and
//! nothing reaches the one task that writes.

use super::limits;
use super::wire::{
    self, ClientKey, Enroll, Facts, MAX_BODY, MAX_SEQUENCE, MAX_WAIT, Problem, ProblemCode, Status, Token,
};
use super::{Shared, lock, status};
use crate::store::{EnrolClient, HearClient, Report, Taken};
use amt_core::{Failure, SystemId};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

/// A status request looks again so often.
const LOOK: Duration = Duration::from_secs(1);
/// It looks again after so long even if this process wrote nothing: other programs write too.
const LOOK_ANYWAY: Duration = Duration::from_secs(3);
/// The rest of a request that is refused is read past for so long, so that the refusal reaches its sender.
const PAST: Duration = Duration::from_secs(2);
/// And so far, in bytes.
const MAX_PAST: usize = 256 * 1024;
/// How long to stay away when the server cannot write.
const BUSY: Duration = Duration::from_secs(5);
pub(super) const OPENAPI: &str = include_str!("openapi.json");

pub(super) type Answer = Response<Full<Bytes>>;

/// A refusal on its way to become an answer.
struct Refusal {
    code: ProblemCode,
    message: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    fn later(code: ProblemCode, message: &str, wait: Duration) -> Self {
        Self { code, message: message.to_owned(), retry_after: Some(wait) }
    }
}

/// The database failed: what it said is for the log.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        tracing::error!(%failure, "the intake cannot use the database");
        Self::later(ProblemCode::Busy, "the server cannot take this now", BUSY)
    }
}

impl From<ProblemCode> for Refusal {
    fn from(code: ProblemCode) -> Self {
        let message = match code {
            ProblemCode::Token => "this server does not know the token",
            ProblemCode::Revoked => "the token was revoked",
            ProblemCode::Expired => "the token has expired",
            ProblemCode::UsedUp => "the token was used as often as it may be",
            ProblemCode::Foreign => "the token or client key belongs to another machine",
            ProblemCode::Key => "this server does not know the client key",
            ProblemCode::Enrolled => "this machine is enrolled with another client key",
            ProblemCode::Replay => "the sequence number is not higher than that of the newest report taken",
            _ => "the request cannot be taken",
        };
        Self::new(code, message)
    }
}

/// One request of a connection.
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Shared,
    pub(super) source: IpAddr,
    /// Set when the server stops: whoever waits is answered.
    pub(super) stop: watch::Receiver<bool>,
}

impl Asked<'_> {
    /// The answer to `request`; never none.
    pub(super) async fn answer(mut self, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        let outcome = match self.limit() {
            Err(refusal) => Err(refusal),
            Ok(()) => match (&head.method, head.uri.path()) {
                (&Method::POST, wire::ENROLL) => self.enroll(&head.headers, &mut body).await.map(|s| json(200, &s)),
                (&Method::POST, wire::FACTS) => self.facts(&head.headers, &mut body).await.map(|s| json(200, &s)),
                (&Method::GET, wire::STATUS) => self.status(&head.headers, query).await.map(|s| json(200, &s)),
                (&Method::GET, wire::OPENAPI) => Ok(with_body(200, "application/json", OPENAPI.into())),
                (&Method::GET, wire::HEALTH) => Ok(with_body(200, "text/plain", "ok\n".into())),
                (_, wire::ENROLL | wire::FACTS | wire::STATUS | wire::OPENAPI | wire::HEALTH) => {
                    Err(Refusal::new(ProblemCode::Method, "this path does not take this method"))
                }
                _ => Err(Refusal::new(ProblemCode::Path, "there is nothing at this path")),
            },
        };
        match outcome {
            Ok(answer) => answer,
            Err(refusal) => {
                if !head.headers.contains_key(header::EXPECT) {
                    skip(&mut body).await;
                }
                refused(&refusal)
            }
        }
    }

    fn limit(&self) -> Result<(), Refusal> {
        let now = Instant::now().into_std();
        let taken = lock(&self.shared.by_source).take(limits::source(self.source), now);
        taken.map_err(|wait| Refusal::later(ProblemCode::Rate, "too many requests from this address", wait))
    }

    /// Counts a request of a token or client that is known.
    fn limit_holder(&self, digest: [u8; 32], is_token: bool) -> Result<(), Refusal> {
        let table = if is_token { &self.shared.by_token } else { &self.shared.by_client };
        let taken = lock(table).take(digest, Instant::now().into_std());
        taken.map_err(|wait| Refusal::later(ProblemCode::Rate, "too many requests with this token or key", wait))
    }

    async fn enroll(&mut self, headers: &HeaderMap, body: &mut Incoming) -> Result<Status, Refusal> {
        let fleet = &self.shared.fleet;
        let none = || Refusal::new(ProblemCode::Token, "no enrolment token came with the request");
        let token = bearer(headers).and_then(|text| Token::parse(text).ok()).ok_or_else(none)?;
        if !fleet.is_token(token.digest()).await? {
            return Err(ProblemCode::Token.into());
        }
        self.limit_holder(token.digest(), true)?;
        let enroll: Enroll = self.read(body).await?;
        let (report, sequence) = checked(enroll.uuid, enroll.sequence, enroll.facts.report(enroll.uuid))?;
        let change = EnrolClient::new(&token, &enroll.client_key, report, sequence, self.source);
        self.settle(enroll.uuid, "enrolled", fleet.write(change).await?).await
    }

    async fn facts(&mut self, headers: &HeaderMap, body: &mut Incoming) -> Result<Status, Refusal> {
        let fleet = &self.shared.fleet;
        let (client, id) = self.client(headers).await?;
        self.limit_holder(client, false)?;
        let facts: Facts = self.read(body).await?;
        if facts.uuid != id {
            return Err(ProblemCode::Foreign.into());
        }
        let (report, sequence) = checked(facts.uuid, facts.sequence, facts.facts.report(facts.uuid))?;
        let change = HearClient { client, report, sequence, source: self.source };
        self.settle(id, "reported", fleet.write(change).await?).await
    }

    /// Tells the diary and the setup server of a report that is on disk.
    async fn settle(&self, id: SystemId, kind: &'static str, taken: Taken) -> Result<Status, Refusal> {
        match taken {
            Taken::Refused(code) => return Err(code.into()),
            Taken::Known => {}
            Taken::Recorded { news } => {
                if news {
                    self.shared.fleet.note(id, kind, format!("a client on the machine {kind}, from {}", self.source));
                }
                // A setup server on the same database decides again with it.
                self.shared.fleet.touch(id);
                if let Some(on_report) = &self.shared.on_report {
                    on_report(id);
                }
            }
        }
        Ok(status::of(&self.shared.fleet.machine(id).await?))
    }

    async fn status(&mut self, headers: &HeaderMap, query: &str) -> Result<Status, Refusal> {
        let (client, id) = self.client(headers).await?;
        self.limit_holder(client, false)?;
        let (wait, since) = waiting(query)?;
        let until = Instant::now() + wait;
        let fleet = &self.shared.fleet;
        loop {
            let (commits, looked) = (fleet.commits(), Instant::now());
            let now = status::of(&fleet.machine(id).await?);
            let left = until.saturating_duration_since(Instant::now());
            if since != Some(now.revision) || left.is_zero() || *self.stop.borrow() {
                return Ok(now);
            }
            while fleet.commits() == commits && looked.elapsed() < LOOK_ANYWAY && Instant::now() < until {
                let pause = LOOK.min(until.saturating_duration_since(Instant::now()));
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = self.stop.changed() => return Ok(now),
                }
            }
            // Whoever was reset meanwhile is told nothing more.
            if fleet.client_of(client).await? != Some(id) {
                return Err(ProblemCode::Key.into());
            }
        }
    }

    async fn client(&self, headers: &HeaderMap) -> Result<([u8; 32], SystemId), Refusal> {
        let none = || Refusal::new(ProblemCode::Key, "no client key came with the request");
        let key = bearer(headers).and_then(|text| ClientKey::parse(text).ok()).ok_or_else(none)?;
        let id = self.shared.fleet.client_of(key.digest()).await?.ok_or(ProblemCode::Key)?;
        Ok((key.digest(), id))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, body: &mut Incoming) -> Result<T, Refusal> {
        let within = self.shared.config.body;
        let bytes = timeout(within, collect(body)).await.map_err(|_| {
            Refusal::new(ProblemCode::Slow, format!("the body did not come within {} s", within.as_secs_f32()))
        })??;
        wire::read(&bytes).map_err(|failure| Refusal::new(ProblemCode::Malformed, failure.into_details().message))
    }
}

/// What a report must be before the database is asked.
fn checked(id: SystemId, sequence: u64, report: Result<Report, Failure>) -> Result<(Report, i64), Refusal> {
    if !id.is_usable_as_key() {
        return Err(Refusal::new(ProblemCode::Uuid, format!("the UUID {id} is one that many machines share")));
    }
    let too_high = |_| Refusal::new(ProblemCode::Value, format!("sequence is higher than {MAX_SEQUENCE}"));
    let sequence = i64::try_from(sequence).map_err(too_high)?;
    let report = report.map_err(|failure| Refusal::new(ProblemCode::Value, failure.into_details().message))?;
    Ok((report, sequence))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// `wait=SECONDS&since=REVISION`, both optional.
fn waiting(query: &str) -> Result<(Duration, Option<u64>), Refusal> {
    let (mut wait, mut since) = (0, None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let number = |text: &str| {
            let bad = |_| Refusal::new(ProblemCode::Malformed, "wait and since are whole numbers");
            text.parse::<u64>().map_err(bad)
        };
        match part.split_once('=') {
            Some(("wait", text)) => wait = number(text)?.min(MAX_WAIT),
            Some(("since", text)) => since = Some(number(text)?),
            _ => return Err(Refusal::new(ProblemCode::Malformed, "the query knows wait and since, nothing else")),
        }
    }
    Ok((Duration::from_secs(wait), since))
}

/// The whole body, if it is no longer than it may be. What is announced as longer is not begun.
async fn collect(body: &mut Incoming) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let too_large = || Refusal::new(ProblemCode::TooLarge, format!("the body is longer than {MAX_BODY} bytes"));
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(ProblemCode::Malformed, "the body broke off"))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// Reads past what was sent, within bounds and without keeping it: a connection closed over unread bytes takes its answer with it.
async fn skip(body: &mut Incoming) {
    let past = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MAX_PAST {
                break;
            }
        }
    };
    let _ = timeout(PAST, past).await;
}

fn json(status: u16, value: &impl serde::Serialize) -> Answer {
    // What is answered with is made of strings, numbers and flags, which are always written.
    with_body(status, "application/json", serde_json::to_vec(value).unwrap_or_default().into())
}

fn refused(refusal: &Refusal) -> Answer {
    let mut answer = json(refusal.code.status(), &Problem::new(refusal.code, refusal.message.as_str()));
    let headers = answer.headers_mut();
    if refusal.code.status() == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
    }
    if matches!(refusal.code, ProblemCode::Slow | ProblemCode::TooLarge) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn with_body(status: u16, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::ErrorCode;

    #[test]
    fn the_query_of_a_status_request_is_read_strictly() {
        let read = |text| waiting(text).map_err(|refusal| refusal.code);
        assert_eq!(read(""), Ok((Duration::ZERO, None)));
        assert_eq!(read("wait=5&since=7"), Ok((Duration::from_secs(5), Some(7))));
        assert_eq!(read("wait=99999999"), Ok((Duration::from_secs(MAX_WAIT), None)));
        for bad in ["wait", "wait=-1", "since=x", "uuid=1", "wait=99999999999999999999"] {
            assert_eq!(read(bad), Err(ProblemCode::Malformed), "{bad}");
        }
    }

    #[test]
    fn only_a_bearer_is_one() {
        let bearer_of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(text));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(bearer_of("bearer  x").as_deref(), Some("x"));
        assert_eq!(bearer_of("Basic eDp5"), None);
        assert_eq!(bearer_of("Bearer"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn what_the_database_said_is_not_told() {
        let refusal = Refusal::from(Failure::new(ErrorCode::STORE, "store", "/var/lib/amt/fleet.db: disk full"));
        assert_eq!((refusal.code, refusal.message.contains("disk")), (ProblemCode::Busy, false));
        assert_eq!(refused(&refusal).headers()[header::RETRY_AFTER], "5");
    }
}
