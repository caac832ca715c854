//! Machines that wait for a pre-shared key, with OpenSSL's `s_client` as a client of its own.
#![cfg(feature = "legacy-tls")]

use crate::support;
use amt_core::psk::{Form, PskPair};
use amt_sim::{MachineInfo, Persona, SimConfig, Simulator};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PID: &str = "AMT1SET7";
const PPS: &str = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";
const OTHER: &str = "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ";

fn pair() -> PskPair {
    PskPair::parse(PID, PPS, Form::Strict).unwrap()
}

async fn machine(base: &str, persona: &str, hello: Option<std::net::SocketAddr>) -> (Simulator, MachineInfo) {
    let mut config = SimConfig::new(1);
    config.base_address = base.parse().unwrap();
    config.persona = Persona::built_in(persona).unwrap().into();
    config.psk = vec![pair()];
    config.hello = hello;
    support::start(config).await
}

/// What `openssl s_client` prints with this identity and key.
async fn s_client(
    info: MachineInfo,
    version: &'static str,
    identity: &'static str,
    key: &str,
    more: &'static [&str],
) -> String {
    let address = format!("{}:16993", info.address);
    let key: String = key.bytes().map(|b| format!("{b:02x}")).collect();
    tokio::task::spawn_blocking(move || {
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, version, "-psk_identity", identity, "-psk", &key, "-ign_eof"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the openssl program");
        let request = "POST /wsman HTTP/1.1\r\nHost: amt\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        // A refused client may be gone before it reads this.
        let _ = child.stdin.as_mut().unwrap().write_all(request.as_bytes());
        let output = child.wait_with_output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
    .await
    .unwrap()
}

const PSK: &[&str] = &["-cipher", "PSK@SECLEVEL=0"];

#[tokio::test]
async fn openssl_completes_a_handshake_with_the_right_pair() {
    let (simulator, info) = machine("127.62.10.1", "9.5", None).await;
    for (flag, version) in [("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1")] {
        let text = s_client(info, flag, PID, PPS, PSK).await;
        assert!(text.contains("HTTP/1.1 401 Unauthorized"), "{text}");
        assert!(text.contains("PSK-AES128-CBC-SHA") && text.contains(&format!("Protocol  : {version}\n")), "{text}");
        assert!(text.contains("no peer certificate available"), "{text}");
    }
    let text = s_client(info, "-tls1", PID, PPS, &["-cipher", "PSK-AES256-CBC-SHA@SECLEVEL=0"]).await;
    assert!(text.contains("HTTP/1.1 401"), "{text}");
    let truth = simulator.truth(info.id).unwrap();
    assert_eq!((truth.state.as_str(), truth.handshakes_refused), ("in", 0));
    let tls = truth.tls.unwrap();
    assert_eq!((tls.engine.as_str(), tls.version.as_str()), ("openssl", "TLS 1.0"));
    assert_eq!(tls.suite, "TLS_PSK_WITH_AES_256_CBC_SHA");
    assert_eq!(truth.pid.as_deref(), Some("AMT1-SET7"));
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_name_a_wrong_key_and_a_certificate_are_refused_each_in_its_way() {
    let (simulator, info) = machine("127.62.10.2", "9.5", None).await;
    let text = s_client(info, "-tls1_1", "AMT1SET8", PPS, PSK).await;
    assert!(text.contains("unknown psk identity") && !text.contains("HTTP/1.1"), "{text}");
    let text = s_client(info, "-tls1_1", PID, OTHER, PSK).await;
    assert!(text.contains("bad record mac") && !text.contains("HTTP/1.1"), "{text}");
    let text = s_client(info, "-tls1_1", PID, PPS, &["-cipher", "RSA@SECLEVEL=0"]).await;
    assert!(text.contains("handshake failure") && !text.contains("HTTP/1.1"), "{text}");
    let text = s_client(info, "-tls1_2", PID, PPS, PSK).await;
    // The machine answers with the best that it has, and the client will not have it.
    assert!(text.contains("unsupported protocol") && !text.contains("HTTP/1.1"), "{text}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let truth = simulator.truth(info.id).unwrap();
    let reasons: Vec<&str> = truth.refusals.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(reasons[0], "psk: no key for the identity AMT1SET8");
    assert_eq!(reasons[1], "psk: the client has another key");
    assert_eq!(reasons[2..], ["no shared cipher", "wrong version number"]);
    assert_eq!((truth.state.as_str(), truth.handshakes_refused), ("pre", 4));
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn only_the_pair_itself_is_told_to_match() {
    let mut config = SimConfig::new(1);
    config.base_address = "127.62.10.20".parse().unwrap();
    config.persona = Persona::built_in("9.5").unwrap().into();
    config.psk = vec![pair()];
    config.control = Some("127.0.0.1:0".parse().unwrap());
    let simulator = Simulator::start(config).await.unwrap();
    let id = simulator.machines()[0].id;
    assert!(simulator.check_psk(id, &pair()));
    assert!(!simulator.check_psk(id, &PskPair::parse(PID, OTHER, Form::Strict).unwrap()));
    let mut lines = BufReader::new(TcpStream::connect(simulator.control().unwrap()).await.unwrap());
    for (pps, answer) in [(PPS, "{\"matches\":true}\n"), (OTHER, "{\"matches\":false}\n")] {
        let request = serde_json::json!({"command": "check-psk", "uuid": id.to_string(), "pid": PID, "pps": pps});
        lines.get_mut().write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).await.unwrap();
        assert_eq!(line, answer);
    }
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn the_hello_names_the_pair_in_32_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (simulator, info) = machine("127.62.10.3", "9.5", Some(listener.local_addr().unwrap())).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!((&bytes[..8], &bytes[8..24]), (&[0, 0, 2, 0, 0, 0, 0, 0][..], &info.id.to_wire()[..]));
    assert_eq!(&bytes[24..], PID.as_bytes());
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn several_pairs_are_dealt_out_and_one_is_shared() {
    let mut config = SimConfig::new(3);
    config.base_address = "127.62.10.10".parse().unwrap();
    config.persona = Persona::built_in("9.5").unwrap().into();
    config.psk = amt_sim::mix::pairs(&format!("pid,pps\n{PID},{PPS}\n\n0000-037M,{OTHER}\n")).unwrap();
    let pids = |config: SimConfig| async {
        let simulator = Simulator::start(config).await.unwrap();
        let pids: Vec<_> = simulator.truths().into_iter().map(|t| t.pid.unwrap_or_default()).collect();
        simulator.stop().await.unwrap();
        pids
    };
    assert_eq!(pids(config.clone()).await, ["AMT1-SET7", "0000-037M", ""]);
    config.psk.truncate(1);
    assert_eq!(pids(config.clone()).await, ["AMT1-SET7"; 3]);
    config.persona = Persona::default().into();
    let error = Simulator::start(config).await.err().unwrap();
    assert_eq!(error.code, amt_core::ErrorCode::PSK_UNSUPPORTED);
    let wrong = amt_sim::mix::pairs(&format!("{PID},{PPS}\n{PID},{OTHER}X\n")).unwrap_err();
    assert!(wrong.message.starts_with("line 2: ") && !wrong.message.contains(OTHER), "{wrong}");
}
