//! The legacy engine against OpenSSL's own server, as a program of its own.

use amt::tls::{ClientChain, Endpoint, TlsStream, connect};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::{PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{DeviceStatus, ErrorCode, Failure, Secret};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PID: &str = "AMT1SET7";
const PPS: &str = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";
const OTHER: &str = "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ";

/// `openssl s_server` on a port of its own; it answers every line with the line reversed.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(["s_server", "-accept", "127.0.0.1:0", "-rev"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program openssl runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| line.ok()?.strip_prefix("ACCEPT 127.0.0.1:")?.parse::<u16>().ok());
        let Some(port) = port else {
            let output = child.wait_with_output().unwrap();
            panic!("s_server did not start: {}", String::from_utf8_lossy(&output.stderr));
        };
        // Read on, so that the server never waits for its reader.
        std::thread::spawn(move || lines.for_each(drop));
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || BufReader::new(stderr).lines().for_each(drop));
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    fn psk(folder: &Path, version: &str) -> Self {
        let key: String = PPS.bytes().map(|b| format!("{b:02x}")).collect();
        let psk = ["-nocert", "-psk_identity", PID, "-psk", &key, "-cipher", "PSK:@SECLEVEL=0", version];
        Self::start(folder, &psk)
    }

    fn rsa(folder: &Path, bits: u16, arguments: &[&str]) -> Self {
        make_certificate(folder, "server", bits);
        let own = ["-cert", "server.pem", "-key", "server.key"];
        Self::start(folder, &[own.as_slice(), arguments].concat())
    }

    async fn connect(&self, plan: &TlsPlan, chains: &[ClientChain]) -> Result<TlsOutcome, Failure> {
        let (mut stream, outcome) = connect(&Endpoint::new(self.address, plan), chains).await?;
        assert_eq!(reversed(&mut stream, "hello").await, "olleh");
        Ok(outcome)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn reversed(stream: &mut TlsStream, line: &str) -> String {
    stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; line.len()];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// A self-signed certificate, SHA-1 as old firmware signs it.
fn make_certificate(folder: &Path, name: &str, bits: u16) {
    let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-nodes", "-sha1", "-days", "9", "-subj", "/CN=firmware"]);
    command.args(["-newkey", &format!("rsa:{bits}"), "-keyout", &key, "-out", &out]).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

fn legacy(identity: PeerIdentity) -> TlsPlan {
    let mut plan = TlsPlan::new(identity);
    plan.rung = Rung::Legacy;
    plan
}

fn pair(pps: &str) -> PeerIdentity {
    PeerIdentity::Psk(PskPair::parse(PID, pps, Form::Strict).unwrap())
}

#[tokio::test]
async fn a_pre_shared_key_is_accepted_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    for (argument, version) in
        [("-tls1", TlsVersion::V1_0), ("-tls1_1", TlsVersion::V1_1), ("-tls1_2", TlsVersion::V1_2)]
    {
        let server = Server::psk(folder.path(), argument);
        let outcome = server.connect(&legacy(pair(PPS)), &[]).await.unwrap();
        assert_eq!((outcome.version, outcome.engine), (version, "openssl"));
        assert_eq!(outcome.suite, "TLS_PSK_WITH_AES_128_CBC_SHA");
        assert!(outcome.peer.is_empty() && !outcome.certificate_requested);
        let wrong = server.connect(&legacy(pair(OTHER)), &[]).await.unwrap_err();
        assert_eq!((wrong.code, &wrong.device), (ErrorCode::PSK_WRONG, &Some(DeviceStatus::TlsAlert(20))), "{wrong}");
        assert!(!wrong.to_string().contains(OTHER));
    }
    let mut oldest = legacy(pair(PPS));
    oldest.rung = Rung::LegacyTls10;
    let server = Server::psk(folder.path(), "-tls1");
    assert_eq!(server.connect(&oldest, &[]).await.unwrap().version, TlsVersion::V1_0);
}

#[tokio::test]
async fn rsa_key_exchange_and_cbc_work_in_every_version_with_keys_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    for (argument, bits, version, suite) in [
        ("-tls1", 1024, TlsVersion::V1_0, "AES128-SHA"),
        ("-tls1_1", 2047, TlsVersion::V1_1, "AES256-SHA"),
        ("-tls1_2", 3072, TlsVersion::V1_2, "AES128-GCM-SHA256"),
    ] {
        let suites = format!("{suite}:@SECLEVEL=0");
        let server = Server::rsa(folder.path(), bits, &[argument, "-cipher", &suites]);
        // What the modern engine cannot do is a reason to step down, not a riddle.
        let modern = server.connect(&TlsPlan::new(PeerIdentity::Any), &[]).await.unwrap_err();
        assert_eq!(modern.code, ErrorCode::TLS_VERSION, "{modern}");
        let outcome = server.connect(&legacy(PeerIdentity::Any), &[]).await.unwrap();
        assert_eq!(outcome.version, version);
        assert!(outcome.suite.starts_with("TLS_RSA_WITH_AES_"), "{}", outcome.suite);
        let leaf = outcome.peer[0].clone();
        server.connect(&legacy(PeerIdentity::Pinned(leaf.clone())), &[]).await.unwrap();
        let other = legacy(PeerIdentity::Pinned(leaf[1..].to_vec()));
        assert_eq!(server.connect(&other, &[]).await.unwrap_err().code, ErrorCode::TLS_PIN_MISMATCH);
        let digest = ring::digest::digest(&ring::digest::SHA256, &leaf);
        let fingerprint = <[u8; 32]>::try_from(digest.as_ref()).unwrap();
        server.connect(&legacy(PeerIdentity::Fingerprint(fingerprint)), &[]).await.unwrap();
        let other = legacy(PeerIdentity::Fingerprint([0; 32]));
        assert_eq!(server.connect(&other, &[]).await.unwrap_err().code, ErrorCode::TLS_PIN_MISMATCH);
    }
}

#[tokio::test]
async fn the_whole_chain_is_presented_root_included() {
    let folder = tempfile::tempdir().unwrap();
    let authority = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.path().join("root.pem"), authority.root_pem()).unwrap();
    let chain = ClientChain::new(&authority.chain, &Secret::new(authority.key.clone())).unwrap();
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        let verify = ["-Verify", "5", "-CAfile", "root.pem", "-purpose", "any", "-cipher", "AES128-SHA:@SECLEVEL=0"];
        let server = Server::rsa(folder.path(), 2048, &[verify.as_slice(), &[version]].concat());
        let plan = legacy(PeerIdentity::Any).setting_up(Some(0));
        let outcome = server.connect(&plan, std::slice::from_ref(&chain)).await.unwrap();
        assert!(outcome.certificate_requested);
        // Asked for and not given: the server ends it, and that is what is told.
        let none = server.connect(&legacy(PeerIdentity::Any), &[]).await.unwrap_err();
        assert_eq!(none.code, ErrorCode::TLS_CHAIN_REFUSED, "{none}");
    }
}

#[tokio::test]
async fn what_is_newer_or_no_tls_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::rsa(folder.path(), 2048, &["-tls1_3"]);
    let newer = server.connect(&legacy(PeerIdentity::Any), &[]).await.unwrap_err();
    assert_eq!(newer.code, ErrorCode::TLS_VERSION, "{newer}");
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap();
    let closing = std::thread::spawn(move || drop(mute.accept().unwrap()));
    let plan = legacy(PeerIdentity::Any);
    let closed = connect(&Endpoint::new(address, &plan), &[]).await.unwrap_err();
    assert!(matches!(closed.code, ErrorCode::TLS_CLOSED | ErrorCode::CONNECTION_RESET), "{closed}");
    closing.join().unwrap();
}
