//! AD CS through a stand-in for `certreq`, and EST over real TLS, as a procedure asks them.
#![cfg(unix)]

#[path = "support/authority.rs"]
mod authority;

use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_fleet::ca::{CertificateAuthority as _, CertreqCa, ClientCertificate, EstCa, EstSettings};
use amt_fleet::config::Config;
use amt_fleet::doctor::{Area, Doctor};
use amt_provision::{CaAnswer, CertificateRequest};
use authority::{AdCs, EstServer, certs_only};
use std::path::Path;
use std::time::{Duration, Instant};
use x509_parser::prelude::{FromDer as _, X509Certificate};

fn request(name: &str) -> CertificateRequest {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    CertificateRequest::new(SystemId::from_wire([1; 16]), csr, name.to_owned(), vec![name.to_owned()])
}

fn again(request: &CertificateRequest, id: &str) -> CertificateRequest {
    let mut again = request.clone();
    again.request_id = Some(id.to_owned());
    again
}

fn certreq(adcs: &AdCs, folder: &Path) -> CertreqCa {
    CertreqCa::new(AdCs::AUTHORITY, AdCs::TEMPLATE, folder.join("work")).unwrap().program(adcs.certreq())
}

fn issued(answer: CaAnswer, name: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let CaAnswer::Issued { certificate, chain } = answer else { panic!("{answer:?}") };
    let (_, leaf) = X509Certificate::from_der(&certificate).unwrap();
    assert!(leaf.subject().iter_common_name().any(|cn| cn.as_str() == Ok(name)));
    let (_, issuer) = X509Certificate::from_der(&chain[0]).unwrap();
    leaf.verify_signature(Some(issuer.public_key())).unwrap();
    (certificate, chain)
}

fn pending(answer: CaAnswer) -> (String, Option<Duration>, String, String) {
    let CaAnswer::Pending { request_id, retry_after, words, hint } = answer else { panic!("{answer:?}") };
    (request_id, retry_after, words.unwrap_or_default(), hint.unwrap_or_default())
}

fn failed(answer: CaAnswer) -> Failure {
    let CaAnswer::Failed(failure) = answer else { panic!("{answer:?}") };
    assert_eq!(failure.code, ErrorCode::CA_UNAVAILABLE, "{failure}");
    failure
}

fn denied(answer: CaAnswer) -> String {
    let CaAnswer::Denied { reason } = answer else { panic!("{answer:?}") };
    reason
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("work")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn ad_cs_puts_a_request_off_until_its_manager_issues_it() {
    let folder = tempfile::tempdir().unwrap();
    let adcs = AdCs::new(folder.path());
    let ca = certreq(&adcs, folder.path());
    let wanted = request("pc.example.com");
    let (id, _, words, hint) = pending(ca.certify(&wanted).await);
    assert_eq!((id.as_str(), words.as_str()), ("17", "Certificate request is pending: Taken Under Submission (0)"));
    assert!(hint.contains("certutil -config \"CA1.example.com\\Example Issuing CA\" -resubmit 17"), "{hint}");
    for _ in 0..3 {
        assert_eq!(pending(ca.certify(&again(&wanted, &id)).await).0, "17");
    }
    adcs.down(true);
    let failure = failed(ca.certify(&again(&wanted, &id)).await);
    assert!(failure.message.contains("0x800706ba") && failure.hint.contains("-ping"), "{failure:?}");
    adcs.down(false);
    adcs.issue(&id).await;
    let (_, chain) = issued(ca.certify(&again(&wanted, &id)).await, "pc.example.com");
    assert_eq!(chain.len(), 1);
    assert_eq!((adcs.requests(), adcs.calls("-submit"), adcs.calls("-retrieve")), (vec!["17".to_owned()], 1, 5));
    assert_eq!(files(folder.path()), 0, "nothing is left lying about");
}

#[tokio::test]
async fn a_submission_whose_answer_was_not_noted_is_found_and_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let adcs = AdCs::new(folder.path());
    let wanted = request("pc.example.com");
    let (id, ..) = pending(certreq(&adcs, folder.path()).certify(&wanted).await);
    // As after a kill before anybody could note the id: another process, and no id known.
    for _ in 0..2 {
        assert_eq!(pending(certreq(&adcs, folder.path()).certify(&wanted).await).0, id);
    }
    adcs.issue(&id).await;
    issued(certreq(&adcs, folder.path()).certify(&wanted).await, "pc.example.com");
    assert_eq!(adcs.calls("-submit"), 1);
    // One that was killed before certreq printed anything: it may still be at work.
    let other = request("pc2.example.com");
    pending(certreq(&adcs, folder.path()).certify(&other).await);
    let printed = std::fs::read_dir(folder.path().join("work")).unwrap().map(|entry| entry.unwrap().path());
    let printed = printed.into_iter().find(|path| path.extension().is_some_and(|end| end == "txt")).unwrap();
    std::fs::write(&printed, "").unwrap();
    let failure = failed(certreq(&adcs, folder.path()).certify(&other).await);
    assert!(failure.message.contains("may still be at work"), "{failure}");
    assert_eq!(adcs.calls("-submit"), 2);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let impatient = certreq(&adcs, folder.path()).timeout(Duration::from_millis(300));
    assert_eq!(pending(impatient.certify(&other).await).0, "19", "longer than its time, and it is not");
}

#[tokio::test]
async fn what_ad_cs_refuses_is_said_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let adcs = AdCs::new(folder.path());
    let wanted = request("pc.example.com");
    let ca = certreq(&adcs, folder.path());
    let (id, ..) = pending(ca.certify(&wanted).await);
    adcs.deny(&id, "The request was denied by a certificate manager or CA administrator.");
    let reason = denied(ca.certify(&again(&wanted, &id)).await);
    assert!(
        reason.contains("Denied by EXAMPLE\\carla 0x80094014") && reason.contains("certificate manager"),
        "{reason}"
    );
    assert_eq!(files(folder.path()), 0);
    let wrong = CertreqCa::new(AdCs::AUTHORITY, "User2", folder.path().join("work")).unwrap().program(adcs.certreq());
    let reason = denied(wrong.certify(&request("pc.example.com")).await);
    assert!(reason.contains("0x80094800") && reason.contains("User2"), "{reason}");
    let reason = denied(ca.certify(&again(&wanted, "4711")).await);
    assert!(reason.contains("CERTSRV_E_PROPERTY_EMPTY"), "a request that it does not know: {reason}");
    let reason = denied(ca.certify(&again(&wanted, "sha-of-another-kind")).await);
    assert!(reason.contains("the authority was changed"), "{reason}");
    let gone = CertreqCa::new(AdCs::AUTHORITY, AdCs::TEMPLATE, folder.path().join("work")).unwrap();
    let failure = failed(gone.program("/nonexistent/certreq").certify(&wanted).await);
    assert!(failure.message.contains("/nonexistent/certreq cannot be started"), "{failure}");
    issued(
        {
            let (id, ..) = pending(ca.certify(&wanted).await);
            adcs.issue(&id).await;
            ca.certify(&again(&wanted, &id)).await
        },
        "pc.example.com",
    );
}

/// A `certreq` that prints this, writes nothing, and ends with this status.
fn printing(folder: &Path, text: &str, status: u8) -> CertreqCa {
    let path = folder.join("printing");
    let done = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\ncat <<.\\n%s\\n.\\nexit %s\\n' \"$1\" \"$2\" > \"$0\"; chmod 755 \"$0\""])
        .arg(&path)
        .args([text, &status.to_string()])
        .status();
    assert!(done.unwrap().success());
    CertreqCa::new(AdCs::AUTHORITY, AdCs::TEMPLATE, folder.join("work")).unwrap().program(path)
}

#[tokio::test]
async fn a_certreq_in_another_language_is_understood_by_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let ask = async |text: &str, status| printing(folder.path(), text, status).certify(&request("pc")).await;
    let pends =
        pending(ask("Anforderungs-ID: 5\nAnforderungs-ID: \"5\"\nDie Zertifikatanforderung steht aus (0)", 0).await);
    assert_eq!(pends.0, "5");
    for (text, status) in [
        ("ID: 5\nID: \"5\"\nAbgelehnt 0x80094014 (-2146877420 CERTSRV_E_ADMIN_DENIED_REQUEST)", 0),
        ("ID: 5\nID: \"5\"\nAbgelehnt 0x80094801 (-2146875391)", 0),
        ("Abgelehnt 0x80094802 (-2146875390)", 2),
    ] {
        assert!(denied(ask(text, status).await).contains("Abgelehnt 0x8009"), "{text}");
    }
    for (text, status, expected) in [
        ("0x80094006 (-2146877434 CERTSRV_E_SERVER_SUSPENDED)", 6, "SUSPENDED"),
        ("Zugriff verweigert 0x80070005 (WIN32: 5 ERROR_ACCESS_DENIED)", 5, "0x80070005"),
        ("", 0, "said nothing"),
        ("Zertifikat: 5", 0, "Zertifikat: 5"),
    ] {
        let failure = failed(ask(text, status).await);
        assert!(failure.message.contains(expected), "{text}: {failure}");
    }
}

#[tokio::test]
async fn certutil_says_whether_the_authority_answers() {
    let folder = tempfile::tempdir().unwrap();
    let adcs = AdCs::new(folder.path());
    let ca = certreq(&adcs, folder.path());
    assert_eq!(ca.ping().await, Some(Ok(())));
    adcs.down(true);
    let why = ca.ping().await.unwrap().unwrap_err();
    assert!(why.contains("RPC_S_SERVER_UNAVAILABLE"), "{why}");
    std::fs::remove_file(folder.path().join("certutil")).unwrap();
    assert_eq!(ca.ping().await, None);
}

/// What the doctor finds out about the authority of this `[ca]`.
async fn doctor(folder: &Path, section: &str, offline: bool) -> Vec<(String, String)> {
    let text =
        format!("database = \"fleet.db\"\nseal_key_file = \"seal.key\"\nlisten = \"127.0.0.1:0\"\n[ca]\n{section}\n");
    let config = Config::parse(&text, folder, "amt.toml").unwrap();
    let doctor = Doctor::new(&config);
    let found = if offline { doctor.offline().examine().await } else { doctor.examine().await };
    let ours = found.into_iter().filter(|diagnosis| diagnosis.area == Area::Authority);
    ours.map(|diagnosis| (diagnosis.finding.code.to_string(), diagnosis.finding.message)).collect()
}

fn only_code(found: &[(String, String)]) -> Vec<&str> {
    found.iter().map(|(code, _)| code.as_str()).collect()
}

#[tokio::test]
async fn the_doctor_asks_the_authority_whether_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let adcs = AdCs::new(folder.path());
    let section = format!(
        "kind = \"certreq\"\nprogram = \"./certreq\"\nconfig = '{}'\ntemplate = \"{}\"",
        AdCs::AUTHORITY,
        AdCs::TEMPLATE
    );
    assert_eq!(only_code(&doctor(folder.path(), &section, false).await), ["CA-OK", "CA-ANSWERS"]);
    assert_eq!(only_code(&doctor(folder.path(), &section, true).await), ["CA-OK"]);
    adcs.down(true);
    let found = doctor(folder.path(), &section, false).await;
    assert!(only_code(&found) == ["CA-OK", "CA-UNREACHABLE"] && found[1].1.contains("RPC_S_SERVER"), "{found:?}");
    std::fs::remove_file(folder.path().join("certreq")).unwrap();
    assert_eq!(only_code(&doctor(folder.path(), &section, false).await), ["CA-PROGRAM"]);
    assert_eq!((adcs.requests().len(), files(folder.path())), (0, 0), "nothing was submitted");

    let server = EstServer::start(folder.path(), None).await;
    let section = format!("kind = \"est\"\nurl = \"{}\"\ntrust = \"est-root.pem\"", server.url());
    let found = doctor(folder.path(), &section, false).await;
    assert!(only_code(&found) == ["CA-ANSWERS"] && found[0].1.ends_with("authority: 1"), "{found:?}");
    assert_eq!(only_code(&doctor(folder.path(), &section, true).await), ["CA-NOT-ASKED"]);
    let distrustful = section.replace("est-root.pem", "issuing.pem");
    assert_eq!(only_code(&doctor(folder.path(), &distrustful, false).await), ["CA-UNREACHABLE"]);
}

fn settings(server: &EstServer, folder: &Path) -> EstSettings {
    let anchors = amt::certificate::authorities(&std::fs::read(folder.join("est-root.pem")).unwrap()).unwrap();
    let mut settings = EstSettings::new(server.url(), anchors);
    settings.login = Some((EstServer::USER.to_owned(), Secret::from(EstServer::PASSWORD)));
    settings
}

#[tokio::test]
async fn est_is_asked_with_the_same_request_until_it_is_issued() {
    let folder = tempfile::tempdir().unwrap();
    let server = EstServer::start(folder.path(), None).await;
    server.set(|state| (state.answer, state.retry_after) = (Some((202, "Waiting for Carla".to_owned())), None));
    let wanted = request("pc.example.com");
    let ca = EstCa::new(settings(&server, folder.path())).unwrap();
    let (id, rest, words, hint) = pending(ca.certify(&wanted).await);
    assert_eq!((id.len(), rest, words.as_str()), (64, None, "Waiting for Carla"));
    assert!(hint.contains(&id[..16]) && hint.contains("localhost"), "{hint}");
    // Another process.
    let ca = EstCa::new(settings(&server, folder.path())).unwrap();
    server.set(|state| state.retry_after = Some(2));
    let (same, rest, ..) = pending(ca.certify(&again(&wanted, &id)).await);
    assert_eq!((&same, rest), (&id, Some(Duration::from_secs(2))));
    server.set(|state| state.answer = None);
    let asked = Instant::now();
    let (same, rest, words, _) = pending(ca.certify(&again(&wanted, &id)).await);
    assert!(same == id && rest.is_some_and(|rest| rest <= Duration::from_secs(2)), "it is left alone until then");
    assert_eq!(words, "Waiting for Carla");
    assert_eq!(server.state.lock().unwrap().posted.len(), 2);
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(asked.elapsed())).await;
    let (certificate, chain) = issued(ca.certify(&again(&wanted, &id)).await, "pc.example.com");
    assert_eq!(chain.len(), 1, "from /cacerts");
    let state = server.state.lock().unwrap();
    assert_eq!((state.issued.as_slice(), state.posted.len(), state.refused), ([certificate].as_slice(), 3, 0));
    assert!(state.posted.iter().all(|csr| *csr == wanted.csr));
}

#[tokio::test]
async fn est_denials_and_troubles_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = EstServer::start(folder.path(), None).await;
    let ca = EstCa::new(settings(&server, folder.path())).unwrap();
    let wanted = request("pc.example.com");
    for (status, words) in [(400, "bad CN"), (403, "not on the list")] {
        server.set(|state| state.answer = Some((status, words.to_owned())));
        let reason = denied(ca.certify(&wanted).await);
        assert!(reason.contains(&status.to_string()) && reason.ends_with(words), "{reason}");
    }
    for (status, hint) in [(500, "the request is repeated"), (503, "repeated"), (404, "label"), (302, "redirections")] {
        server.set(|state| state.answer = Some((status, "<html>busy</html>".to_owned())));
        let failure = failed(ca.certify(&wanted).await);
        assert!(failure.message.contains(&status.to_string()) && failure.hint.contains(hint), "{failure:?}");
        assert!(!failure.message.contains("html"), "{failure}");
    }
    let mut wrong = settings(&server, folder.path());
    wrong.login = Some((EstServer::USER.to_owned(), Secret::from("guess")));
    let failure = failed(EstCa::new(wrong).unwrap().certify(&wanted).await);
    assert!(failure.message.contains("401") && failure.hint.contains("password"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("guess"));
    // Another root: the login is not even sent.
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = EstServer::start(elsewhere.path(), None).await;
    let mut distrustful = settings(&stranger, folder.path());
    distrustful.url = stranger.url();
    let failure = failed(EstCa::new(distrustful).unwrap().certify(&wanted).await);
    assert!(failure.message.contains("UnknownIssuer") || failure.message.contains("certificate"), "{failure}");
    assert!(stranger.state.lock().unwrap().posted.is_empty());
}

#[test]
fn what_openssl_writes_is_read() {
    // openssl crl2pkcs7 -nocrl -certfile a.pem -certfile b.pem -outform DER
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/certs_only/openssl");
    let found = amt_fleet::ca::certs_only(&std::fs::read(path).unwrap()).unwrap();
    let names = found.iter().map(|der| X509Certificate::from_der(der).unwrap().1.subject().to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["CN=Example root", "CN=Example two"]);
}

#[tokio::test]
async fn est_takes_client_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["amt.example.com".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let client_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(root.der(), key).unwrap();
    let params = rcgen::CertificateParams::new(vec!["amt.example.com".to_owned()]).unwrap();
    let client = params.signed_by(&client_key, &issuer).unwrap();
    let server = EstServer::start(folder.path(), Some(root.der().to_vec())).await;
    let wanted = request("pc.example.com");
    failed(EstCa::new(settings(&server, folder.path())).unwrap().certify(&wanted).await);
    assert_eq!(server.state.lock().unwrap().posted.len(), 0);
    let mut with = settings(&server, folder.path());
    let key = Secret::new(client_key.serialize_pem().into_bytes());
    with.certificate = Some(ClientCertificate { chain: vec![client.der().to_vec()], key });
    issued(EstCa::new(with).unwrap().certify(&wanted).await, "pc.example.com");
}

#[tokio::test]
async fn whatever_an_est_server_answers_is_bounded_and_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = EstServer::start(folder.path(), None).await;
    let wanted = request("pc.example.com");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime\r\nConnection: close\r\n";
    let body =
        |bytes: &[u8]| [head.as_bytes(), format!("Content-Length: {}\r\n\r\n", bytes.len()).as_bytes(), bytes].concat();
    let empty = certs_only(&[]);
    for (raw, expected) in [
        (body(b"<html>log in</html>"), "not base64"),
        (body(b""), "it is empty"),
        (body(&vec![b'A'; 300_000]), "more than 262144 bytes"),
        (body(b"MAA="), "cannot be read"),
        (body(&empty), "certificate"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
            "instead of application",
        ),
        (format!("{head}Content-Length: 100\r\n\r\nMAA=").into_bytes(), "too early"),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "was not reached"),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000)).into_bytes(), "was not reached"),
        (b"".to_vec(), "was not reached"),
    ] {
        server.set(|state| state.raw = Some(raw));
        let failure = failed(EstCa::new(settings(&server, folder.path())).unwrap().certify(&wanted).await);
        assert!(failure.message.contains(expected), "{expected}: {failure}");
        assert!(failure.message.len() < 2000, "{}", failure.message.len());
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut hasty = settings(&server, folder.path());
    hasty.url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    hasty.timeout = Duration::from_millis(300);
    assert!(failed(EstCa::new(hasty).unwrap().certify(&wanted).await).message.contains("within 0.3 s"));
}
