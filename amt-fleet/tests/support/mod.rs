//! An intake that runs, and a client of it on bare sockets: what is sent is exactly what a test says.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use amt_core::hello::{Hello, HelloKind, Roots};
use amt_core::{Secret, SystemId};
use amt_fleet::Fleet;
use amt_fleet::intake::wire::Token;
use amt_fleet::intake::{Intake, IntakeBuilder};
use amt_fleet::seal::{KEY_LEN, SealKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub type Stream = TlsStream<TcpStream>;

/// Nothing of these tests takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn fleet(folder: &Path) -> Fleet {
    Fleet::open(folder.join("fleet.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap()
}

pub fn id(n: u16) -> SystemId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    SystemId::from_wire(bytes)
}

/// A hello as the machine at `source` would say it.
pub async fn say_hello(id: SystemId, source: IpAddr, server: SocketAddr, admin_credentials_set: bool) {
    let kind = HelloKind::Pki { roots: Roots::NONE };
    let hello = Hello { admin_credentials_set, retry: 0, id, kind, trailing: 0 };
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    stream.write_all(&hello.encode()).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// An intake on loopback with a database of its own.
pub struct Running {
    pub fleet: Fleet,
    pub client: Client,
    pub pin: String,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), amt_core::Failure>>,
    pub folder: TempDir,
}

impl Running {
    pub async fn start(with: impl FnOnce(IntakeBuilder) -> IntakeBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fleet = fleet(folder.path()).await;
        let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let intake = with(Intake::builder(fleet.clone()).listen(listen)).bind().await.unwrap();
        let client = Client::new(intake.addresses()[0], &folder.path().join("fleet.db.intake.pem"));
        let pin = intake.pin().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(intake.run(async { drop(stopped.await) }));
        Self { fleet, client, pin, stop, task, folder }
    }

    pub async fn stop(self) -> Fleet {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("it stops").unwrap().unwrap();
        self.fleet
    }
}

#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    connector: TlsConnector,
}

impl Client {
    fn new(address: SocketAddr, certificate: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, connector: TlsConnector::from(Arc::new(config)) }
    }

    pub async fn connect(&self) -> std::io::Result<Stream> {
        self.connect_from(Ipv4Addr::LOCALHOST).await
    }

    /// Connects from this address of loopback.
    pub async fn connect_from(&self, source: Ipv4Addr) -> std::io::Result<Stream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(self.address).await?;
        self.connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Reply {
        self.ask("GET", path, bearer, "").await
    }

    pub async fn post(&self, path: &str, bearer: Option<&str>, body: &str) -> Reply {
        self.ask("POST", path, bearer, body).await
    }

    pub async fn ask(&self, method: &str, path: &str, bearer: Option<&str>, body: &str) -> Reply {
        let mut stream = self.connect().await.unwrap();
        exchange(&mut stream, method, path, bearer, body).await
    }
}

pub async fn exchange(stream: &mut Stream, method: &str, path: &str, bearer: Option<&str>, body: &str) -> Reply {
    let bearer = bearer.map(|secret| format!("Authorization: Bearer {secret}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: intake\r\n{bearer}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(PATIENCE, read_reply(stream)).await.expect("an answer in time").expect("an answer")
}

/// What the server sent until it closed; `None` if that was no answer.
pub async fn read_reply(stream: &mut Stream) -> Option<Reply> {
    let mut bytes = Vec::new();
    // A reset after the answer is no matter.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head: head.to_ascii_lowercase(), text: body.to_owned() })
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Lower case.
    pub head: String,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of a refusal, which has a message and a hint.
    pub fn refusal(&self) -> (u16, String) {
        let problem = self.json();
        for field in ["message", "hint"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{self:?}");
        }
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }
}

pub fn token_text(token: &Token) -> String {
    token.reveal().expose().clone()
}

/// A body that enrols `id` with `key`.
pub fn enroll_body(id: SystemId, key: &str, sequence: u64, facts: &Value) -> String {
    serde_json::json!({ "uuid": id.to_string(), "client_key": key, "sequence": sequence, "facts": facts }).to_string()
}

pub fn facts_body(id: SystemId, sequence: u64, facts: &Value) -> String {
    serde_json::json!({ "uuid": id.to_string(), "sequence": sequence, "facts": facts }).to_string()
}

/// Memory of this process now, in KiB.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
