//! What is sent by those who mean no good, or know no better: refused, with memory flat. A process of its own, so that its memory
//! is that of nothing else.
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod support;

use amt_fleet::intake::wire::{ClientKey, MAX_BODY};
use amt_fleet::intake::{IntakeConfig, MAX_HEAD, MAX_HEADERS, Rate};
use amt_fleet::{FactKey, TokenTerms};
use serde_json::json;
use std::time::{Duration, Instant};
use support::{PATIENCE, Reply, Running, Stream, enroll_body, id, read_reply, resident_kib, token_text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

const LARGE: usize = 10 * 1024 * 1024;
/// How long head and body may take in these tests.
const PATIENT: Duration = Duration::from_millis(700);
/// What memory may move by over hundreds of megabytes sent: pages of the allocator, caches of the database.
const FLAT_KIB: u64 = 24 * 1024;

fn quick() -> IntakeConfig {
    let mut config = IntakeConfig::default();
    (config.handshake, config.head, config.body) = (PATIENT, PATIENT, PATIENT);
    let much = Rate::new(1_000_000, 1_000_000);
    (config.per_source, config.per_token, config.per_client) = (much, much, much);
    config.max_per_source = 500;
    config
}

/// Memory is measured of one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An intake, a token for many, and a client key that is enrolled for machine 1.
async fn start() -> (Running, String, String) {
    let running = Running::start(|builder| builder.config(quick())).await;
    let mut terms = TokenTerms::default();
    terms.uses = 100;
    let token = token_text(&running.fleet.new_token(terms).await.unwrap().1);
    let key = ClientKey::random().unwrap().reveal().expose().clone();
    let body = enroll_body(id(1), &key, 1, &json!({ "host_name": "pc" }));
    assert_eq!(running.client.post("/v1/enroll", Some(&token), &body).await.status, 200);
    (running, token, key)
}

fn head(path: &str, bearer: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: intake\r\nAuthorization: Bearer {bearer}\r\n{more}\r\n")
}

/// Writes while the other side lets it, then reads what it said; `None` if it only closed.
async fn send(mut stream: Stream, parts: impl IntoIterator<Item = Vec<u8>>) -> Option<Reply> {
    let exchange = async {
        for part in parts {
            if stream.write_all(&part).await.is_err() {
                break;
            }
        }
        let _ = stream.flush().await;
        read_reply(&mut stream).await
    };
    timeout(PATIENCE, exchange).await.expect("the server makes an end")
}

/// Refused with this status and code, or closed before that could be read: what was sent was too much.
fn assert_refused(reply: Option<Reply>, status: u16, code: &str) -> bool {
    let Some(reply) = reply else { return false };
    assert_eq!(reply.refusal(), (status, code.to_owned()));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_ten_megabytes_are_refused_with_memory_flat() {
    let _alone = ALONE.lock().await;
    let (running, token, key) = start().await;
    let ways: [(&str, &str, &str, bool); 3] = [
        ("/v1/enroll", &token, "TOO-LARGE", true),
        ("/v1/facts", &key, "TOO-LARGE", false),
        // Whoever is not known is turned away whatever he sends.
        ("/v1/enroll", "amt_x", "TOKEN", true),
    ];
    let round = async |path: &str, bearer: &str, code: &str, with_length: bool| {
        let (first, parts): (String, Vec<Vec<u8>>) = if with_length {
            let first = head(path, bearer, &format!("Content-Length: {LARGE}\r\n"));
            (first, vec![vec![b' '; 64 * 1024]; LARGE / (64 * 1024)])
        } else {
            let chunk = [format!("{:x}\r\n", 32 * 1024).into_bytes(), vec![b' '; 32 * 1024], b"\r\n".to_vec()].concat();
            (head(path, bearer, "Transfer-Encoding: chunked\r\n"), vec![chunk; LARGE / (32 * 1024)])
        };
        let stream = running.client.connect().await.unwrap();
        let reply = send(stream, std::iter::once(first.into_bytes()).chain(parts)).await;
        assert_refused(reply, if code == "TOKEN" { 401 } else { 413 }, code)
    };
    // Warm: threads, caches and the allocator have what they keep.
    for (path, bearer, code, with_length) in ways {
        round(path, bearer, code, with_length).await;
    }
    let before = resident_kib();
    let (mut said, mut peak) = (0, before);
    for _ in 0..10 {
        for (path, bearer, code, with_length) in ways {
            said += u32::from(round(path, bearer, code, with_length).await);
            peak = peak.max(resident_kib());
        }
    }
    println!("300 MB in 30 bodies: {before} KiB before, {peak} KiB at the peak; {said} heard why");
    assert!(peak < before + FLAT_KIB, "{before} KiB grew to {peak} KiB");
    assert!(said > 0, "nobody was told why");

    // A body that is announced and not sent is refused at once.
    let mut stream = running.client.connect().await.unwrap();
    let announced = head("/v1/enroll", &token, &format!("Expect: 100-continue\r\nContent-Length: {LARGE}\r\n"));
    stream.write_all(announced.as_bytes()).await.unwrap();
    let began = Instant::now();
    let reply = timeout(PATIENCE, read_reply(&mut stream)).await.unwrap();
    assert!(assert_refused(reply, 413, "TOO-LARGE"));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(running.fleet.machines().await.unwrap().len(), 1, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_report_are_refused_and_write_nothing() {
    let _alone = ALONE.lock().await;
    let (running, token, _) = start().await;
    let key = ClientKey::random().unwrap().reveal().expose().clone();
    let good = enroll_body(id(2), &key, 1, &json!({ "host_name": "pc", "mac": ["02:00:00:00:00:01"] }));
    let change = |from: &str, to: &str| {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        bad
    };
    let deep = format!("{{\"facts\":{}", "{\"os\":".repeat(10_000));
    for (body, code, names) in [
        (String::new(), "MALFORMED", "EOF"),
        ("nonsense".to_owned(), "MALFORMED", "line 1"),
        (good[..good.len() - 1].to_owned(), "MALFORMED", "EOF"),
        (format!("{good}{good}"), "MALFORMED", "trailing"),
        (deep, "MALFORMED", "facts.os"),
        (format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000)), "MALFORMED", "line 1"),
        (change("\"sequence\":1", "\"sequence\":1.5"), "MALFORMED", "sequence"),
        (change("\"sequence\":1", "\"sequence\":-1"), "MALFORMED", "sequence"),
        (change("\"sequence\":1", "\"sequence\":9223372036854775808"), "VALUE", "sequence"),
        (change("\"host_name\":\"pc\"", "\"host_name\":[\"pc\"]"), "MALFORMED", "facts.host_name"),
        (change("\"host_name\":\"pc\"", "\"profile\":\"pc\""), "MALFORMED", "profile"),
        (change("\"host_name\":\"pc\"", "\"host_name\":\"p c\""), "VALUE", "host_name"),
        (change("\"host_name\":\"pc\"", "\"host_name\":\"pc\\u0000\""), "VALUE", "host_name"),
        (change("02:00:00:00:00:01", "00:00:00:00:00:00"), "VALUE", "mac"),
        (change(&id(2).to_string(), "03000200-0400-0500-0006-000700080009"), "UUID", "many machines"),
        (change(&id(2).to_string(), "not-a-uuid"), "MALFORMED", "uuid"),
        (change(&key, "short"), "MALFORMED", "client_key"),
    ] {
        let reply = running.client.post("/v1/enroll", Some(&token), &body).await;
        assert_eq!(reply.refusal(), (400, code.to_owned()), "{body:.80}");
        assert!(reply.text.contains(names), "{names}: {reply:?}");
        assert!(reply.text.len() < 1024 && !reply.text.contains(&key));
    }
    let mut stream = running.client.connect().await.unwrap();
    let first = head("/v1/enroll", &token, "Content-Length: 4\r\n");
    let not_text = [first.as_bytes(), b"\xff\xfe\xff\xfe"].concat();
    stream.write_all(&not_text).await.unwrap();
    assert!(assert_refused(timeout(PATIENCE, read_reply(&mut stream)).await.unwrap(), 400, "MALFORMED"));
    assert_eq!(running.fleet.machines().await.unwrap().len(), 1);
    assert_eq!(running.fleet.facts(id(2)).await.unwrap().iter().count(), 0);
    assert_eq!(running.fleet.tokens().await.unwrap()[0].used, 1);
    assert_eq!(running.client.post("/v1/enroll", Some(&token), &good).await.status, 200, "the good one is taken");
    assert_eq!(running.fleet.facts(id(2)).await.unwrap().value(FactKey::HostName), Some("pc"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handshakes_heads_and_bodies_are_cut_while_others_are_served() {
    const SLOW: usize = 100;
    let _alone = ALONE.lock().await;
    let (running, token, key) = start().await;
    let before = resident_kib();
    let mut tasks = JoinSet::new();
    for n in 0..SLOW {
        let (client, token) = (running.client.clone(), token.clone());
        tasks.spawn(async move {
            // Every way to send nothing in particular for ever, a byte at a time.
            match n % 4 {
                0 => {
                    let mut stream = TcpStream::connect(client.address).await.unwrap();
                    let began = Instant::now();
                    let mut one = [0];
                    assert_eq!(timeout(PATIENCE, stream.read(&mut one)).await.unwrap().unwrap_or(0), 0);
                    (began.elapsed(), None)
                }
                1 => trickle(client.connect().await.unwrap(), String::new(), b'G').await,
                2 => {
                    let first = head("/v1/enroll", &token, "Content-Length: 60000\r\n");
                    trickle(client.connect().await.unwrap(), first, b' ').await
                }
                _ => {
                    let first = format!("GET /v1/status HTTP/1.1\r\nHost: {}", "x".repeat(100));
                    trickle(client.connect().await.unwrap(), first, b'y').await
                }
            }
        });
    }
    // Meanwhile.
    let began = Instant::now();
    assert_eq!(running.client.get("/v1/status", Some(&key)).await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(20));
    let (mut longest, mut told) = (Duration::ZERO, 0);
    while let Some(done) = tasks.join_next().await {
        let (took, reply) = done.unwrap();
        longest = longest.max(took);
        if let Some(reply) = reply.filter(|reply| reply.head.contains("application/json")) {
            assert_eq!(reply.refusal(), (408, "SLOW".into()));
            told += 1;
        }
    }
    let after = resident_kib();
    println!(
        "{SLOW} slow connections: the longest lived {longest:?}; {told} were told why; {before} KiB, then {after} KiB"
    );
    assert!(longest < Duration::from_secs(20), "{longest:?}");
    assert!(told > 0);
    assert!(after < before + FLAT_KIB, "{before} KiB grew to {after} KiB");

    // A connection on which nothing more is asked is not kept for ever.
    let mut stream = running.client.connect().await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: intake\r\n\r\n").await.unwrap();
    let reply = timeout(Duration::from_secs(10), read_reply(&mut stream)).await.expect("closed when idle");
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_few_and_end_and_others_wait_their_turn() {
    let _alone = ALONE.lock().await;
    let mut config = quick();
    (config.max_connections, config.lifetime) = (4, Duration::from_millis(1500));
    config.head = Duration::from_secs(30);
    let running = Running::start(|builder| builder.config(config)).await;
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(running.client.connect().await.unwrap());
    }
    let (fifth, least) = tokio::join!(running.client.get("/healthz", None), async {
        let mut ends = Vec::new();
        for stream in &mut held {
            let mut one = [0];
            assert_eq!(timeout(PATIENCE, stream.read(&mut one)).await.unwrap().unwrap_or(0), 0, "nothing was asked");
            ends.push(began.elapsed());
        }
        ends.into_iter().min().unwrap()
    });
    assert_eq!(fifth.status, 200);
    assert!(least >= Duration::from_millis(1000), "a connection lives as long as it may: {least:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// Sends `first`, then one byte again and again until the other side has enough.
async fn trickle(mut stream: Stream, first: String, byte: u8) -> (Duration, Option<Reply>) {
    let began = Instant::now();
    let exchange = async {
        let _ = stream.write_all(first.as_bytes()).await;
        let (mut reading, mut writing) = tokio::io::split(stream);
        let write = async {
            loop {
                if writing.write_all(&[byte]).await.is_err() || writing.flush().await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let mut bytes = Vec::new();
        tokio::select! {
            () = write => {}
            _ = reading.read_to_end(&mut bytes) => {}
        }
        bytes
    };
    let bytes = timeout(PATIENCE, exchange).await.expect("the server makes an end");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let reply = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_ascii_lowercase(), text: body.to_owned() })
    });
    (began.elapsed(), reply)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_long_or_no_http_are_refused() {
    let _alone = ALONE.lock().await;
    let (running, token, _) = start().await;
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(MAX_HEAD));
    let many = (0..=MAX_HEADERS).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let twice = head("/v1/enroll", &token, "Content-Length: 3\r\nContent-Length: 4\r\n");
    let both = head("/v1/enroll", &token, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n");
    let huge = head("/v1/enroll", &token, "Content-Length: 99999999999999999999999\r\n");
    let chunk = head("/v1/enroll", &token, "Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n";
    for text in
        [long, path, many, twice, huge, chunk, "\0\0\0\0\r\n\r\n".to_owned(), "GET / HTTP/9.9\r\n\r\n".to_owned()]
    {
        let stream = running.client.connect().await.unwrap();
        let reply = send(stream, [text.clone().into_bytes()]).await;
        assert!(reply.is_none_or(|reply| reply.status >= 400), "{text:.60}");
    }
    // Of the two lengths the chunks count, and the connection ends with it: nothing can be smuggled behind.
    let stream = running.client.connect().await.unwrap();
    let smuggled = format!("{both}0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let reply = send(stream, [smuggled.into_bytes()]).await;
    assert!(reply.is_none_or(|reply| reply.status >= 400 && !reply.text.contains("ok\n")));
    assert_eq!(running.client.get("/healthz", None).await.text, "ok\n");
    let largest = " ".repeat(MAX_BODY);
    assert_eq!(running.client.post("/v1/enroll", Some(&token), &largest).await.refusal().1, "MALFORMED");
    assert_eq!(running.client.post("/v1/enroll", Some(&token), &(largest + " ")).await.refusal().1, "TOO-LARGE");
}
