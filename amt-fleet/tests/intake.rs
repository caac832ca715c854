//! Clients that enrol, over real sockets: who may, what they may, and how their machine fares.
#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

use crate::support;
use crate::support::{Running, enroll_body, exchange, facts_body, id, say_hello, token_text};
use amt::ProvisioningCertificate;
use amt_core::{ErrorCode, SystemId};
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::intake::wire::ClientKey;
use amt_fleet::intake::{IntakeConfig, Rate};
use amt_fleet::{FactKey, Fleet, Machine, MachineState, Origin, Server, TokenTerms};
use amt_sim::authority::ProvisioningChain;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

fn key() -> String {
    ClientKey::random().unwrap().reveal().expose().clone()
}

async fn token(fleet: &Fleet, uses: u32) -> String {
    let mut terms = TokenTerms::default();
    terms.uses = uses;
    token_text(&fleet.new_token(terms).await.unwrap().1)
}

/// A setup server that lets nobody in: it records hellos.
async fn setup_server(fleet: &Fleet, folder: &Path) -> Server {
    let chain = ProvisioningChain::new("example.com");
    let certificate = ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap();
    let ca = LocalCa::open(&LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key"))).unwrap();
    Server::builder(fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([certificate])
        .ca(Arc::new(ca))
        .bind()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_enrol_while_five_hundred_machines_say_hello() {
    const MACHINES: u16 = 500;
    let told: Arc<Mutex<BTreeSet<SystemId>>> = Arc::default();
    let listener = Arc::clone(&told);
    let on_report = Arc::new(move |id| {
        listener.lock().unwrap().insert(id);
    });
    let running = Running::start(|builder| builder.on_report(on_report)).await;
    let token = token(&running.fleet, u32::from(MACHINES)).await;
    let server = setup_server(&running.fleet, running.folder.path()).await;
    let hellos = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async { drop(stopped.await) }));
    let before = (running.fleet.commits(), Instant::now());

    let mut tasks = JoinSet::new();
    for n in 0..MACHINES {
        let [high, low] = n.to_be_bytes();
        let source = Ipv4Addr::new(127, 90, high, low.max(1));
        tasks.spawn(say_hello(id(n), source.into(), hellos, false));
        let (client, token) = (running.client.clone(), token.clone());
        tasks.spawn(async move {
            let facts = json!({ "mac": [format!("02:00:00:00:{high:02x}:{low:02x}")], "host_name": format!("pc-{n}") });
            let mut stream = client.connect_from(source).await.unwrap();
            let body = enroll_body(id(n), &key(), 1, &facts);
            let reply = exchange(&mut stream, "POST", "/v1/enroll", Some(&token), &body).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let status = reply.json();
            assert_eq!(status["uuid"], id(n).to_string());
            assert!(["reported", "heard", "parked"].contains(&status["stage"].as_str().unwrap()), "{status}");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let took = before.1.elapsed();
    let heard = async {
        loop {
            let machines = running.fleet.machines().await.unwrap();
            // Heard, and decided about.
            let decided = |m: &&Machine| m.hello_at.is_some() && m.state == MachineState::Parked;
            if machines.iter().filter(decided).count() == usize::from(MACHINES) {
                return machines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let machines = tokio::time::timeout(support::PATIENCE, heard).await.expect("every hello is recorded");
    assert_eq!(machines.len(), usize::from(MACHINES), "client and hello speak of the same machine");
    assert!(machines.iter().all(|m| m.state == MachineState::Parked && !m.admitted));
    for n in 0..MACHINES {
        let facts = running.fleet.facts(id(n)).await.unwrap();
        assert_eq!(facts.value(FactKey::HostName), Some(format!("pc-{n}").as_str()));
        assert_eq!(facts.values(FactKey::Mac).len(), 1);
    }
    assert_eq!(told.lock().unwrap().len(), usize::from(MACHINES), "the setup server is told of each");
    let commits = running.fleet.commits() - before.0;
    println!("{MACHINES} clients and {MACHINES} hellos in {took:?}, {commits} commits");
    assert!(commits < u64::from(MACHINES), "changes that came together share a commit: {commits}");
    let listed = &running.fleet.tokens().await.unwrap()[0];
    assert_eq!((listed.used, listed.terms.uses), (u32::from(MACHINES), u32::from(MACHINES)));
    let body = enroll_body(id(MACHINES), &key(), 1, &json!({}));
    let late = running.client.post("/v1/enroll", Some(&token), &body).await;
    assert_eq!(late.refusal(), (403, "USED-UP".into()));

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    running.stop().await.close().await;
}

#[tokio::test]
async fn a_token_that_is_wrong_expired_revoked_used_up_or_foreign_gets_nothing() {
    let running = Running::start(|builder| builder).await;
    let fleet = &running.fleet;
    let with = |change: fn(&mut TokenTerms)| async move {
        let mut terms = TokenTerms::default();
        change(&mut terms);
        let (number, token) = fleet.new_token(terms).await.unwrap();
        (number, token_text(&token))
    };
    let (_, expired) = with(|t| t.expires_at = Some(SystemTime::now() + Duration::from_millis(30))).await;
    let (number, revoked) = with(|_| {}).await;
    fleet.revoke_token(number).await.unwrap();
    let (_, foreign) = with(|t| t.machine = Some(id(2))).await;
    let (_, used) = with(|_| {}).await;
    let body = |n| enroll_body(id(n), &key(), 1, &json!({ "host_name": "pc" }));
    assert_eq!(running.client.post("/v1/enroll", Some(&used), &body(9)).await.status, 200);
    tokio::time::sleep(Duration::from_millis(40)).await;
    let wrong = format!("amt_{}", "A".repeat(43));
    for (bearer, refusal) in [
        (None, (401, "TOKEN")),
        (Some("x"), (401, "TOKEN")),
        (Some(wrong.as_str()), (401, "TOKEN")),
        (Some(&expired), (403, "EXPIRED")),
        (Some(&revoked), (403, "REVOKED")),
        (Some(&foreign), (403, "FOREIGN")),
        (Some(&used), (403, "USED-UP")),
    ] {
        let reply = running.client.post("/v1/enroll", bearer, &body(1)).await;
        assert_eq!(reply.refusal(), (refusal.0, refusal.1.to_owned()), "{bearer:?}");
        assert_eq!(reply.head.contains("www-authenticate: bearer"), refusal.0 == 401);
    }
    let machines = running.fleet.machines().await.unwrap();
    assert_eq!(machines.iter().map(|m| m.id).collect::<Vec<_>>(), [id(9)], "nothing was written");
    assert_eq!(fleet.facts(id(1)).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn a_client_sees_and_changes_its_own_machine_alone() {
    let running = Running::start(|builder| builder).await;
    let token = token(&running.fleet, 3).await;
    let (one, two) = (key(), key());
    let post = |path: &'static str, bearer: String, body: String| {
        let client = running.client.clone();
        async move { client.post(path, Some(&bearer), &body).await }
    };
    let named = |name: &str| json!({ "host_name": name });
    let enroll =
        |n, key: &str, sequence| post("/v1/enroll", token.clone(), enroll_body(id(n), key, sequence, &named("pc")));
    assert_eq!(enroll(1, &one, 5).await.status, 200);
    assert_eq!(enroll(2, &two, 5).await.status, 200);
    // Said again, the answer is the same and the token not used again.
    assert_eq!(enroll(1, &one, 5).await.status, 200);
    assert_eq!(running.fleet.tokens().await.unwrap()[0].used, 2);
    assert_eq!(enroll(1, &key(), 6).await.refusal(), (409, "ENROLLED".into()));
    assert_eq!(enroll(3, &one, 6).await.refusal(), (403, "FOREIGN".into()));

    let facts = |key: &str, n, sequence, name: &str| {
        post("/v1/facts", key.to_owned(), facts_body(id(n), sequence, &named(name)))
    };
    assert_eq!(facts(&one, 2, 9, "stolen").await.refusal(), (403, "FOREIGN".into()));
    assert_eq!(facts(&key(), 2, 9, "stolen").await.refusal(), (401, "KEY".into()));
    assert_eq!(facts(&token, 2, 9, "stolen").await.refusal(), (401, "KEY".into()), "a token is no client key");
    assert_eq!(facts(&one, 1, 6, "new").await.status, 200);
    assert_eq!(facts(&one, 1, 6, "new").await.status, 200, "its answer may have been lost");
    assert_eq!(facts(&one, 1, 6, "other").await.refusal(), (409, "REPLAY".into()));
    assert_eq!(facts(&one, 1, 5, "pc").await.refusal(), (409, "REPLAY".into()));
    assert_eq!(facts(&one, 1, u64::MAX, "pc").await.refusal(), (400, "VALUE".into()));
    for (n, name) in [(1, "new"), (2, "pc")] {
        assert_eq!(running.fleet.facts(id(n)).await.unwrap().value(FactKey::HostName), Some(name));
    }

    let status = running.client.get("/v1/status", Some(&two)).await;
    assert_eq!((status.status, status.json()["uuid"].clone()), (200, json!(id(2).to_string())));
    assert!(!status.text.contains(&id(1).to_string()) && !status.text.contains("new"));
    assert_eq!(running.client.get("/v1/status", None).await.refusal(), (401, "KEY".into()));
    assert_eq!(running.client.get("/v1/status", Some(&key())).await.refusal(), (401, "KEY".into()));
    let query = format!("/v1/status?uuid={}", id(1));
    assert_eq!(running.client.get(&query, Some(&two)).await.refusal(), (400, "MALFORMED".into()));

    running.fleet.reset_enrolment(id(1)).await.unwrap();
    assert_eq!(facts(&one, 1, 7, "pc").await.refusal(), (401, "KEY".into()));
    assert_eq!(enroll(1, &key(), 1).await.status, 200, "a new client may come");
    let diary = running.fleet.diary(id(1), 100).await.unwrap();
    let kinds: Vec<_> = diary.iter().map(|entry| entry.kind.as_str()).collect();
    assert!(kinds.contains(&"enrolled") && kinds.contains(&"reported"), "{kinds:?}");
}

#[tokio::test]
async fn a_status_is_waited_for_until_something_changes() {
    let running = Running::start(|builder| builder).await;
    let (token, key) = (token(&running.fleet, 1).await, key());
    let body = enroll_body(id(1), &key, 1, &json!({}));
    let first = running.client.post("/v1/enroll", Some(&token), &body).await.json();
    assert_eq!((first["stage"].as_str(), first["done"].as_bool()), (Some("reported"), Some(false)));
    let machine = running.fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.origin, machine.admitted, machine.state), (Origin::Agent, false, MachineState::Known));

    let began = Instant::now();
    let wait = |seconds: u64| format!("/v1/status?wait={seconds}&since={}", first["revision"]);
    let same = running.client.get(&wait(1), Some(&key)).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(same.json(), first);
    let server = setup_server(&running.fleet, running.folder.path()).await;
    let hellos = server.addresses()[0];
    let server = tokio::spawn(server.run(std::future::pending()));
    let (client, path, bearer) = (running.client.clone(), wait(50), key.clone());
    let waiting = tokio::spawn(async move { client.get(&path, Some(&bearer)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    say_hello(id(1), Ipv4Addr::LOCALHOST.into(), hellos, false).await;
    let began = Instant::now();
    let changed = waiting.await.unwrap().json();
    assert!(began.elapsed() < Duration::from_secs(10), "told soon: {:?}", began.elapsed());
    assert_eq!(changed["stage"], "parked");
    assert_ne!(changed["revision"], first["revision"]);
    assert!(changed["hint"].as_str().unwrap().contains("administrator"));
    // Without `since` nothing is waited for.
    assert_eq!(running.client.get("/v1/status?wait=50", Some(&key)).await.json(), changed);

    // Whoever waits when the server stops is answered.
    let (client, bearer) = (running.client.clone(), key.clone());
    let path = format!("/v1/status?wait=50&since={}", changed["revision"]);
    let waiting = tokio::spawn(async move { client.get(&path, Some(&bearer)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    server.abort();
    running.stop().await;
    assert_eq!(waiting.await.unwrap().json(), changed);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn addresses_tokens_and_clients_are_slowed_down() {
    let mut config = IntakeConfig::default();
    (config.per_client, config.per_token) = (Rate::new(2, 1), Rate::new(2, 1));
    (config.per_source, config.max_per_source) = (Rate::new(24, 1), 3);
    let running = Running::start(|builder| builder.config(config)).await;
    let (token, key) = (token(&running.fleet, 9).await, key());
    let body = enroll_body(id(1), &key, 1, &json!({}));
    for _ in 0..2 {
        assert_eq!(running.client.post("/v1/enroll", Some(&token), &body).await.status, 200);
    }
    let reply = running.client.post("/v1/enroll", Some(&token), &body).await;
    assert_eq!(reply.refusal(), (429, "RATE".into()));
    assert!(reply.head.contains("retry-after: 1"), "{reply:?}");
    for status in [200, 200, 429] {
        assert_eq!(running.client.get("/v1/status", Some(&key)).await.status, status);
    }
    // Twelve of the address's 24 are left: a connection and a request each.
    let mut last = 200;
    while last == 200 {
        match running.client.connect().await {
            Ok(mut stream) => last = exchange(&mut stream, "GET", "/healthz", None, "").await.status,
            // Dropped before TLS.
            Err(_) => last = 0,
        }
    }
    assert!([0, 429].contains(&last));
    let other = Ipv4Addr::new(127, 91, 0, 1);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(running.client.connect_from(other).await.expect("another address is another matter"));
    }
    assert!(running.client.connect_from(other).await.is_err(), "three connections are open");
    assert_eq!(exchange(&mut open[0], "GET", "/healthz", None, "").await.text, "ok\n");
}

#[tokio::test]
async fn documents_are_served_and_the_certificate_is_the_one_pinned() {
    let running = Running::start(|builder| builder).await;
    let document = running.client.get("/v1/openapi.json", None).await;
    assert_eq!((document.status, document.json()["openapi"].clone()), (200, json!("3.1.0")));
    assert!(document.head.contains("content-type: application/json"));
    assert_eq!(running.client.get("/nothing", None).await.refusal(), (404, "PATH".into()));
    assert_eq!(running.client.get("/v1/enroll", None).await.refusal(), (405, "METHOD".into()));
    let stream = running.client.connect().await.unwrap();
    let served = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let digest: String = Sha256::digest(&served).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, running.pin);
    let again = amt_fleet::intake::Intake::builder(running.fleet.clone());
    let again = again.listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).bind().await.unwrap();
    assert_eq!(again.pin(), running.pin);
    let none = amt_fleet::intake::Intake::builder(running.fleet.clone()).bind().await;
    assert_eq!(none.unwrap_err().code, ErrorCode::LISTEN);
}
