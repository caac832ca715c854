//! The client of the intake against servers that answer as they like: well, late, never, and with intent to harm.

use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use amt_fleet::intake::client::{Client, ClientState, Ended, Enrolment, Pin, ServerUrl, Step, Trust, agent_facts};
use amt_fleet::intake::wire::{AgentFacts, Stage, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn id() -> SystemId {
    UUID.parse().unwrap()
}

fn token() -> Token {
    Token::parse(&format!("amt_{}", URL_SAFE_NO_PAD.encode([7; 32]))).unwrap()
}

/// What a request was.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    bearer: String,
    body: Value,
}

enum Reply {
    Json(u16, Value),
    Raw(Vec<u8>),
    /// These bytes, then one more every 20 ms, for ever.
    Drip(&'static [u8]),
    /// These bytes, then those again and again, for ever.
    Flood(&'static [u8], Vec<u8>),
    Close,
}

type Script = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

/// An HTTPS server that keeps to a script.
struct Scripted {
    address: SocketAddr,
    pem: String,
    pin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A certificate for `name`, with its key.
fn certificate(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    (parameters.self_signed(&key).unwrap(), key)
}

impl Scripted {
    async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::on(listener, certificate("localhost", |_| {}), script)
    }

    fn on(
        listener: TcpListener,
        (cert, key): (rcgen::Certificate, rcgen::KeyPair),
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let pin = Sha256::digest(cert.der()).iter().map(|b| format!("{b:02x}")).collect();
        let this = Self { address: listener.local_addr().unwrap(), pem: cert.pem(), pin, seen: Arc::clone(&seen) };
        let (acceptor, script): (_, Arc<Script>) = (TlsAcceptor::from(Arc::new(config)), Arc::new(script));
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, script, seen) = (acceptor.clone(), Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        let _ = serve(stream, &*script, &seen).await;
                    }
                });
            }
        });
        this
    }

    fn url(&self) -> ServerUrl {
        format!("https://localhost:{}", self.address.port()).parse().unwrap()
    }

    fn client(&self) -> Client {
        Client::new(self.url(), &Trust::pin(self.pin.parse::<Pin>().unwrap())).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    script: &Script,
    all: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let (head, start) = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let value = |name: &str| {
        let field =
            |line: &str| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned());
        head.lines().find_map(field).unwrap_or_default()
    };
    let length: usize = value("content-length").parse().unwrap_or(0);
    while bytes.len() < start + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let seen = Seen {
        line: head.lines().next().unwrap_or_default().to_owned(),
        bearer: value("authorization"),
        body: serde_json::from_slice(&bytes[start..]).unwrap_or_default(),
    };
    let number = {
        let mut all = all.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    match script(number, &seen) {
        Reply::Json(status, body) => {
            stream.write_all(http(status, "application/json", &body.to_string()).as_bytes()).await?
        }
        Reply::Raw(bytes) => stream.write_all(&bytes).await?,
        Reply::Drip(start) => {
            stream.write_all(start).await?;
            loop {
                stream.write_all(b" ").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Reply::Flood(start, again) => {
            stream.write_all(start).await?;
            loop {
                stream.write_all(&again).await?;
            }
        }
        Reply::Close => return Ok(()),
    }
    stream.shutdown().await
}

fn http(status: u16, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn status(stage: &str, revision: u64) -> Value {
    let done = matches!(stage, "verified" | "failed");
    json!({
        "uuid": UUID, "stage": stage, "message": format!("it is {stage}"), "hint": "", "name": "pc1.example.com",
        "control_mode": null, "revision": revision, "done": done,
    })
}

fn problem(status: u16, code: &str) -> Reply {
    Reply::Json(status, json!({ "code": code, "message": format!("no: {code}"), "hint": format!("do {code}") }))
}

fn is_status(seen: &Seen) -> bool {
    seen.line.starts_with("GET /v1/status?")
}

/// Runs to the end and collects what was told.
async fn run(enrolment: Enrolment) -> (Result<Ended, Failure>, Vec<Step>) {
    let mut steps = Vec::new();
    let ended = enrolment.timeout(Duration::from_secs(20)).run(|step| steps.push(step)).await;
    (ended, steps)
}

fn enrolment(client: Client, state: ClientState) -> Enrolment {
    Enrolment::new(client, state, id(), AgentFacts::default()).token(token())
}

fn in_memory() -> ClientState {
    ClientState::in_memory(id()).unwrap()
}

fn stages(steps: &[Step]) -> Vec<Stage> {
    steps.iter().filter_map(|s| if let Step::Status(status) = s { Some(status.stage) } else { None }).collect()
}

#[tokio::test]
async fn each_stage_is_told_once_and_in_order() {
    let server = Scripted::start(|at, seen| {
        assert_eq!(at > 0, is_status(seen), "{seen:?}");
        Reply::Json(200, status(["reported", "parked", "parked", "working", "verified"][at], [9, 4, 4, 77, 2][at]))
    })
    .await;
    let (ended, steps) = run(enrolment(server.client(), in_memory())).await;
    assert!(matches!(ended.unwrap(), Ended::Verified(status) if status.name.as_deref() == Some("pc1.example.com")));
    assert_eq!(steps[0], Step::Reported { enrolled: true });
    assert_eq!(stages(&steps), [Stage::Reported, Stage::Parked, Stage::Working, Stage::Verified]);
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1/enroll HTTP/1.1");
    assert_eq!(seen[0].bearer, format!("Bearer {}", token().reveal().expose()));
    let key = format!("Bearer {}", seen[0].body["client_key"].as_str().unwrap());
    let since: Vec<_> = seen[1..].iter().map(|s| s.line.as_str()).collect();
    for (line, revision) in since.iter().zip([9, 4, 4, 77]) {
        assert_eq!(*line, format!("GET /v1/status?wait=30&since={revision} HTTP/1.1"));
    }
    assert!(seen[1..].iter().all(|s| s.bearer == key), "the token is sent once");
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (cert, key) = certificate("localhost", |_| {});
    let url: ServerUrl = format!("https://localhost:{}", address.port()).parse().unwrap();
    let client = Client::new(url, &Trust::roots(cert.pem().as_bytes()).unwrap()).unwrap();
    let begin = tokio::spawn(run(enrolment(client, in_memory())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let server = Scripted::on(listener, (cert, key), |at, _| match at {
        0 => problem(503, "BUSY"),
        1 => Reply::Raw(http(502, "text/html", "<html>Bad Gateway</html>").into_bytes()),
        2 => Reply::Json(200, status("working", 1)),
        3 => Reply::Close,
        _ => Reply::Json(200, status("verified", 2)),
    });
    let (ended, steps) = begin.await.unwrap();
    assert!(matches!(ended.unwrap(), Ended::Verified(_)), "{steps:?}");
    let kinds: Vec<&str> = steps
        .iter()
        .map(|step| match step {
            Step::Away { failure, .. } => failure.code.name(),
            Step::Back => "back",
            Step::Reported { .. } => "reported",
            Step::Status(status) => status.stage.name(),
            _ => "?",
        })
        .collect();
    let want = [
        "CONNECT_REFUSED",
        "ENROLMENT",
        "HTTP_STATUS",
        "back",
        "reported",
        "working",
        "CONNECTION_CLOSED",
        "back",
        "verified",
    ];
    assert_eq!(kinds, want);
    let numbers: Vec<_> = server.seen().iter().take(3).map(|s| s.body["sequence"].as_u64().unwrap()).collect();
    assert!(
        numbers.iter().all(|n| *n == numbers[0]),
        "a report that may have arrived is repeated as it was: {numbers:?}"
    );
}

#[tokio::test]
async fn ended_in_the_middle_and_run_again_it_is_the_same_client() {
    let server = Scripted::start(|at, seen| match (at, is_status(seen)) {
        (0, _) => Reply::Drip(b"HTTP/1.1 200 OK\r\n"), // taken, and the answer never comes
        (_, false) => Reply::Json(200, status("heard", 1)),
        (_, true) => Reply::Json(200, status("verified", 2)),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let open = || ClientState::open(folder.path(), id()).unwrap();
    let first = tokio::spawn(run(enrolment(server.client(), open())));
    while server.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let (ended, steps) = run(enrolment(server.client(), open())).await;
    assert!(matches!(ended.unwrap(), Ended::Verified(_)));
    assert_eq!(steps[0], Step::Reported { enrolled: true });
    // From now on it is known: no token is needed.
    let again = Enrolment::new(server.client(), open(), id(), AgentFacts::default()).no_wait();
    let (ended, steps) = run(again).await;
    assert!(matches!(ended.unwrap(), Ended::Reported(_)));
    assert_eq!(steps[0], Step::Reported { enrolled: false });
    let posts: Vec<Seen> = server.seen().into_iter().filter(|s| !is_status(s)).collect();
    assert_eq!(posts.len(), 3);
    assert_eq!(posts[0].body["client_key"], posts[1].body["client_key"]);
    assert_eq!(posts[2].line, "POST /v1/facts HTTP/1.1");
    assert_eq!(posts[2].bearer, format!("Bearer {}", posts[0].body["client_key"].as_str().unwrap()));
    let number = |at: usize| posts[at].body["sequence"].as_u64().unwrap();
    assert!(number(0) < number(1) && number(1) < number(2));
}

#[tokio::test]
async fn what_is_refused_for_good_is_asked_once() {
    for (code, http) in
        [("TOKEN", 401), ("REVOKED", 403), ("EXPIRED", 403), ("USED-UP", 403), ("FOREIGN", 403), ("ENROLLED", 409)]
    {
        let server = Scripted::start(move |_, _| problem(http, code)).await;
        let (ended, steps) = run(enrolment(server.client(), in_memory())).await;
        let failure = ended.unwrap_err();
        assert_eq!((failure.code, failure.hint.as_ref()), (ErrorCode::ENROLMENT, format!("do {code}").as_str()));
        assert!(failure.message.contains(code) && steps.is_empty(), "{failure} {steps:?}");
        assert!(!format!("{failure:?}").contains(token().reveal().expose()));
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_reset_machine_enrols_again_and_a_number_too_low_is_raised() {
    let server = Scripted::start(|at, seen| match at {
        0 | 5 => Reply::Json(200, status("verified", 1)),
        1 | 2 => problem(409, "REPLAY"),
        3 => problem(401, "KEY"),
        4 => {
            assert!(seen.line.starts_with("POST /v1/enroll"));
            Reply::Json(200, status("verified", 1))
        }
        _ => problem(401, "KEY"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let open = || ClientState::open(folder.path(), id()).unwrap();
    for _ in 0..2 {
        assert!(matches!(run(enrolment(server.client(), open())).await.0.unwrap(), Ended::Verified(_)));
    }
    let seen = server.seen();
    let number = |at: usize| seen[at].body["sequence"].as_u64().unwrap();
    assert!(number(1) < number(2) && number(2) < number(3));
    assert_eq!(seen[4].body["client_key"], seen[0].body["client_key"]);
    // Without a token the server's word stands.
    let no_token = || Enrolment::new(server.client(), open(), id(), AgentFacts::default());
    assert!(matches!(run(no_token()).await.0.unwrap(), Ended::Verified(_)));
    assert_eq!(run(no_token()).await.0.unwrap_err().hint, "do KEY");
}

#[tokio::test]
async fn without_token_and_enrolment_nothing_is_sent() {
    let server = Scripted::start(|_, _| Reply::Close).await;
    let (ended, _) = run(Enrolment::new(server.client(), in_memory(), id(), AgentFacts::default())).await;
    assert!(ended.unwrap_err().hint.contains("token new"));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_end_of_the_time_says_what_was_last_known() {
    let server = Scripted::start(|at, seen| match at {
        0 => Reply::Json(200, status("parked", 1)),
        _ if is_status(seen) => Reply::Json(200, status("parked", 1)),
        _ => Reply::Close,
    })
    .await;
    let begin = Instant::now();
    let parked = enrolment(server.client(), in_memory()).timeout(Duration::from_millis(1700)).run(|_| {}).await;
    assert!(matches!(parked.unwrap(), Ended::TimedOut { status: Some(s), away: None } if s.stage == Stage::Parked));
    assert!(begin.elapsed() < Duration::from_secs(3));
    let asked = server.seen().len();
    assert!(asked <= 6, "a server that answers at once is not asked without pause: {asked}");
    let failed = Scripted::start(|_, _| Reply::Json(200, status("failed", 1))).await;
    assert!(matches!(run(enrolment(failed.client(), in_memory())).await.0.unwrap(), Ended::Failed(_)));
}

#[tokio::test]
async fn a_server_that_is_not_believed_gets_nothing() {
    type Change = fn(&mut rcgen::CertificateParams);
    let cases: [(&str, &str, Change, ErrorCode, &str, &str); 4] = [
        ("localhost", "own", |_| {}, ErrorCode::OK, "", ""),
        ("elsewhere.example", "own", |_| {}, ErrorCode::TLS_HANDSHAKE, "another name", "--pin"),
        (
            "localhost",
            "own",
            |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1),
            ErrorCode::TLS_HANDSHAKE,
            "expired",
            "clock",
        ),
        (
            "localhost",
            "own",
            |p| p.not_before = rcgen::date_time_ymd(2999, 1, 1),
            ErrorCode::TLS_HANDSHAKE,
            "not valid yet",
            "clock",
        ),
    ];
    for (name, _, change, code, message, hint) in cases {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Scripted::on(listener, certificate(name, change), |_, _| Reply::Json(200, status("verified", 1)));
        let client = Client::new(server.url(), &Trust::roots(server.pem.as_bytes()).unwrap()).unwrap();
        let ended = run(enrolment(client, in_memory())).await.0;
        if code == ErrorCode::OK {
            assert!(matches!(ended.unwrap(), Ended::Verified(_)));
            continue;
        }
        let failure = ended.unwrap_err();
        assert!(
            failure.code == code && failure.message.contains(message) && failure.hint.contains(hint),
            "{failure:?}"
        );
        assert!(server.seen().is_empty());
        // The pin looks at none of that.
        assert!(matches!(run(enrolment(server.client(), in_memory())).await.0.unwrap(), Ended::Verified(_)));
    }
    let server = Scripted::start(|_, _| Reply::Json(200, status("verified", 1))).await;
    let other = Trust::pin("ab".repeat(32).parse().unwrap());
    let failure = run(enrolment(Client::new(server.url(), &other).unwrap(), in_memory())).await.0.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TLS_PIN_MISMATCH);
    assert!(failure.message.contains(&server.pin) && failure.hint.contains("amt serve"), "{failure:?}");
    let (stranger, _) = certificate("localhost", |_| {});
    let other = Trust::roots(stranger.pem().as_bytes()).unwrap();
    let failure = run(enrolment(Client::new(server.url(), &other).unwrap(), in_memory())).await.0.unwrap_err();
    assert!(
        failure.message.contains("not trusted") && failure.hint.contains(&format!("--pin {}", server.pin)),
        "{failure:?}"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_noticed() {
    let (cert, _) = certificate("localhost", |_| {});
    let pin: String = Sha256::digest(cert.der()).iter().map(|b| format!("{b:02x}")).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let other = rcgen::KeyPair::generate().unwrap();
    let signer =
        provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(other.serialize_der()).into()).unwrap();
    #[derive(Debug)]
    struct Thief(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Thief {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let stolen = rustls::sign::CertifiedKey::new(vec![cert.der().clone()], signer);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Thief(Arc::new(stolen))));
    let port = listener.local_addr().unwrap().port();
    let taken = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok().map(|_| bytes)
    });
    let url: ServerUrl = format!("https://localhost:{port}").parse().unwrap();
    let client = Client::new(url, &Trust::pin(pin.parse().unwrap())).unwrap();
    let failure = run(enrolment(client, in_memory())).await.0.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TLS_HANDSHAKE, "{failure:?}");
    assert!(taken.await.unwrap().is_none_or(|bytes| bytes.is_empty()), "nothing is sent before the server is believed");
}

#[tokio::test]
async fn hostile_answers_end_at_once_with_what_is_wrong() {
    let json = |text: &str| http(200, "application/json", text).into_bytes();
    let good = status("verified", 1).to_string();
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 10_000_000);
    let cases: Vec<(Vec<u8>, ErrorCode)> = vec![
        (json("<html>log in</html>"), ErrorCode::HTTP_MALFORMED),
        (http(404, "text/html", "<html>not here</html>").into_bytes(), ErrorCode::HTTP_STATUS),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://evil.example/\x1b[2J\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ErrorCode::HTTP_MALFORMED,
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ErrorCode::HTTP_STATUS,
        ),
        ([long.as_bytes(), &vec![b'x'; 10_000_000]].concat(), ErrorCode::REPLY_TOO_LARGE),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), ErrorCode::HTTP_MALFORMED),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(500)).into_bytes(), ErrorCode::HTTP_MALFORMED),
        (format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "b".repeat(100_000)).into_bytes(), ErrorCode::HTTP_MALFORMED),
        (json(""), ErrorCode::HTTP_MALFORMED),
        (json("{}"), ErrorCode::HTTP_MALFORMED),
        (json(&"[".repeat(60_000)), ErrorCode::HTTP_MALFORMED),
        (json(&good.replace("verified", "nonsense")), ErrorCode::HTTP_MALFORMED),
        (json(&good.replace(UUID, "99112233-4455-6677-8899-aabbccddeeff")), ErrorCode::HTTP_MALFORMED),
    ];
    for (bytes, code) in cases {
        let begins = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let server = Scripted::start(move |_, _| Reply::Raw(bytes.clone())).await;
        let begin = Instant::now();
        let failure = run(enrolment(server.client(), in_memory())).await.0.unwrap_err();
        assert_eq!(failure.code, code, "{begins}: {failure:?}");
        assert!(failure.message.len() < 1200 && !failure.message.chars().any(char::is_control), "{failure:?}");
        assert!(!failure.hint.is_empty() && begin.elapsed() < Duration::from_secs(3), "{begins}");
    }
    let server = Scripted::start(|_, _| {
        Reply::Flood(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"400\r\n".iter().copied().chain([b'x'; 1024]).chain(*b"\r\n").collect(),
        )
    })
    .await;
    assert_eq!(run(enrolment(server.client(), in_memory())).await.0.unwrap_err().code, ErrorCode::REPLY_TOO_LARGE);
    let server = Scripted::start(|_, _| {
        let mut bad = status("verified", 1);
        bad["message"] = "\u{1b}[2J\u{7}\r\nok".into();
        Reply::Json(200, bad)
    })
    .await;
    let Ended::Verified(status) = run(enrolment(server.client(), in_memory())).await.0.unwrap() else { panic!() };
    assert_eq!(status.message, "[2J   ok");
}

#[tokio::test]
async fn slow_answers_do_not_hold_longer_than_was_allowed() {
    for start in [&b""[..], b"HTTP/1.1 200 OK\r\nx-a: ", b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"] {
        let server = Scripted::start(move |_, _| Reply::Drip(start)).await;
        let begin = Instant::now();
        let ended = enrolment(server.client(), in_memory()).timeout(Duration::from_secs(1)).run(|_| {}).await;
        assert!(matches!(ended, Ok(Ended::TimedOut { status: None, .. })) || ended.is_err(), "{ended:?}");
        assert!(begin.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn facts_are_the_machines_and_names_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("sys/class/dmi/id/product_uuid", UUID);
    put("sys/class/dmi/id/product_name", "OptiPlex 7090");
    put("proc/sys/kernel/hostname", "PC7");
    put("etc/resolv.conf", "search corp.example.com");
    let read = |root: &Path| amt::System::read_under(root).unwrap();
    let facts = agent_facts(&read(folder.path()), None).unwrap();
    assert_eq!((facts.host_name.as_deref(), facts.fqdn.as_deref()), (Some("pc7"), None));
    assert_eq!(
        (facts.environment.as_deref(), facts.dns_suffix.as_deref()),
        (Some("installed"), Some("corp.example.com"))
    );
    assert!(facts.report(id()).is_ok(), "the server takes it");
    let facts = agent_facts(&read(folder.path()), Some("Reception.Example.com.")).unwrap();
    assert_eq!((facts.host_name.as_deref(), facts.fqdn.as_deref()), (None, Some("reception.example.com")));
    for bad in ["", " ", "pc 1", "pc_1", "-pc", "pc1..example.com", &"x".repeat(64), "pc\u{1b}[2J", "ü"] {
        let failure = agent_facts(&read(folder.path()), Some(bad)).unwrap_err();
        assert!(
            failure.hint.contains("pc1.example.com") && !failure.message.contains('\u{1b}'),
            "{bad:?}: {failure:?}"
        );
    }
    let mut system = read(folder.path());
    system.version = Some(FirmwareVersion::new(16, 1));
    system.standing = Some(amt_provision::local::Standing::InProvisioning);
    let facts = agent_facts(&system, None).unwrap();
    assert_eq!((facts.version.as_deref(), facts.control_mode.as_deref()), (Some("16.1.0"), Some("none")));
    assert!(facts.report(id()).is_ok(), "the server takes it");
    put("proc/cmdline", "boot=live");
    let facts = agent_facts(&read(folder.path()), None).unwrap();
    assert_eq!((facts.environment.as_deref(), facts.host_name), (Some("live"), None), "a stick's own name is nobody's");
    put("proc/cmdline", "");
    put("proc/sys/kernel/hostname", "not_a_name");
    assert_eq!(agent_facts(&read(folder.path()), None).unwrap().host_name, None);
}
