//! A small client of its own for these tests: HTTP, digest, SOAP and TLS written apart from the simulator and from
//! the library, so that a mistake shared by both is not blessed here.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod chains;
#[cfg(feature = "legacy-tls")]
pub mod old;
pub mod store;

use amt_core::{SystemId, Tick};
use amt_sim::firmware::{Input, MachineConfig, Output, Port};
use amt_sim::{Firmware, MachineInfo, Persona, RootHash, SimConfig, Simulator};
use amt_wsman::xml::{self, Node};
use md5::{Digest, Md5};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

pub const SUFFIX: &str = "example.com";
pub const AMT: &str = "http://intel.com/wbem/wscim/1/amt-schema/1/";
pub const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
pub const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";

/// Starts one machine and waits until it can be reached.
pub async fn start(config: SimConfig) -> (Simulator, MachineInfo) {
    let simulator = Simulator::start(config).await.unwrap();
    let info = simulator.machines()[0];
    ready(&simulator, info).await;
    (simulator, info)
}

/// Waits until the machine has power and listens.
pub async fn ready(simulator: &Simulator, machine: MachineInfo) {
    while !simulator.truth(machine.id).unwrap().secure_port {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn uri(class: &str) -> String {
    match class.split_once('_') {
        Some(("AMT", _)) => format!("{AMT}{class}"),
        Some(("IPS", _)) => format!("http://intel.com/wbem/wscim/1/ips-schema/1/{class}"),
        _ => format!("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/{class}"),
    }
}

/// Bytes out, bytes of one whole reply back. `None`: the machine closed or reset the connection, or said nothing.
pub trait Line {
    fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>>;
    /// A fresh connection after the machine closed one.
    fn reconnect(&mut self);
}

/// A machine in memory.
pub struct Memory {
    pub firmware: Firmware,
    pub now: Tick,
    pub connection: u64,
    pub chain: Vec<Vec<u8>>,
    pub port: Port,
    pub closed: bool,
    pub hellos: Vec<Vec<u8>>,
    pub listens: (bool, bool),
    pub redirection: (bool, bool),
}

/// A fresh machine of this persona whose keys are ready at once, and a client that has the factory's password.
pub fn machine(persona: &str, change: impl FnOnce(&mut MachineConfig)) -> Client<Memory> {
    let mut config = Memory::config();
    let text = format!("based_on = \"{persona}\"\n[keys]\nnot_ready_percent = 0\n");
    config.persona = Persona::parse(&text).unwrap().into();
    change(&mut config);
    Client::new(Memory::new(config), Some("admin"))
}

impl Memory {
    pub fn new(mut config: MachineConfig) -> Self {
        let good = chains::good();
        if config.roots.is_empty() {
            config.roots = vec![RootHash::sha256(good.root())];
        }
        config.suffix = config.suffix.or(Some(SUFFIX.to_owned()));
        let mut memory = Self {
            firmware: Firmware::new(config),
            now: Tick(0),
            connection: 0,
            chain: good.certificates,
            port: Port::Secure,
            closed: true,
            hellos: Vec::new(),
            listens: (false, false),
            redirection: (false, false),
        };
        memory.feed_input(Input::Power);
        memory
    }

    pub fn config() -> MachineConfig {
        MachineConfig::new(SystemId::from_wire([0x42; 16]))
    }

    pub fn feed_input(&mut self, input: Input<'_>) -> Vec<u8> {
        self.firmware.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while let Some(output) = self.firmware.poll() {
            match output {
                Output::Hello { bytes, .. } => self.hellos.push(bytes),
                Output::Transmit { connection, bytes } if connection == self.connection => sent.extend(bytes),
                Output::Close { connection, .. } if connection == self.connection => self.closed = true,
                Output::Listen { plain, secure } => self.listens = (plain, secure),
                Output::Moved { .. } => {}
                Output::ListenRedirection { plain, secure } => self.redirection = (plain, secure),
                _ => {}
            }
        }
        sent
    }

    /// Lets time pass, stopping at every deadline on the way.
    pub fn wait(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(deadline) = self.firmware.deadline().filter(|d| *d <= end) {
            self.now = self.now.max(deadline);
            self.feed_input(Input::Timeout);
        }
        self.now = end;
        self.feed_input(Input::Timeout);
    }
}

impl Line for Memory {
    fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.closed {
            self.reconnect();
        }
        if self.closed {
            return None;
        }
        let connection = self.connection;
        let reply = self.feed_input(Input::Bytes { connection, bytes });
        (!reply.is_empty()).then_some(reply)
    }

    fn reconnect(&mut self) {
        self.connection += 1;
        self.closed = false;
        let (connection, port, chain) = (self.connection, self.port, self.chain.clone());
        self.feed_input(Input::Accepted { connection, port, peer: None, chain });
    }
}

/// A machine on the network, over TLS or plain.
pub struct Network {
    pub to: SocketAddr,
    pub tls: Option<Arc<rustls::ClientConfig>>,
    stream: Option<Stream>,
    pub served: Vec<u8>,
    pub error: Option<String>,
}

enum Stream {
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
    Plain(TcpStream),
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tls(s) => s.read(buf),
            Self::Plain(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tls(s) => s.write(buf),
            Self::Plain(s) => s.write(buf),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Tls(s) => s.flush(),
            Self::Plain(s) => s.flush(),
        }
    }
}

impl Network {
    pub fn secure(address: Ipv4Addr, chain: Option<&chains::Chain>) -> Self {
        let to = SocketAddr::from((address, 16_993));
        Self { to, tls: Some(client_config(chain)), stream: None, served: Vec::new(), error: None }
    }

    pub fn plain(address: Ipv4Addr) -> Self {
        let to = SocketAddr::from((address, 16_992));
        Self { to, tls: None, stream: None, served: Vec::new(), error: None }
    }

    pub fn try_connect(&mut self) -> Result<(), String> {
        let tcp = TcpStream::connect_timeout(&self.to, Duration::from_secs(5)).map_err(|e| format!("connect: {e}"))?;
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        tcp.set_nodelay(true).unwrap();
        let Some(config) = &self.tls else {
            self.stream = Some(Stream::Plain(tcp));
            return Ok(());
        };
        let name = ServerName::IpAddress(self.to.ip().into());
        let mut connection = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut tcp = tcp;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).map_err(|e| format!("handshake: {e}"))?;
        }
        self.served = connection.peer_certificates().unwrap()[0].to_vec();
        self.stream = Some(Stream::Tls(Box::new(rustls::StreamOwned::new(connection, tcp))));
        Ok(())
    }
}

/// Sends a request and reads its reply, as much of it as comes; also whether the machine ends the connection with it.
fn ask(stream: &mut (impl Read + Write), bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    stream.write_all(bytes).ok()?;
    stream.flush().ok()?;
    let mut reply = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !is_whole(&reply) {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => reply.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    let over = reply.windows(17).any(|w| w == b"Connection: close");
    Some((reply, over))
}

impl Line for Network {
    fn exchange(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.stream.is_none() {
            self.reconnect();
        }
        let (reply, over) = ask(self.stream.as_mut()?, bytes)?;
        if over {
            self.stream = None;
        }
        (!reply.is_empty()).then_some(reply)
    }

    fn reconnect(&mut self) {
        self.stream = None;
        self.error = self.try_connect().err();
    }
}

fn client_config(chain: Option<&chains::Chain>) -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    Arc::new(match chain {
        None => builder.with_no_client_auth(),
        Some(chain) => {
            let certificates = chain.certificates.iter().map(|c| CertificateDer::from(c.clone())).collect();
            let key = PrivatePkcs8KeyDer::from(chain.key.clone());
            // A key that does not fit or is too small is what some of the tests are about: no checks here.
            let key = rustls::crypto::ring::default_provider().key_provider.load_private_key(key.into());
            let key = key.expect("rustls can sign with the leaf's key");
            let certified = rustls::sign::CertifiedKey::new(certificates, key);
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
        }
    })
}

#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        rustls::crypto::verify_tls12_signature(message, cert, dss, &provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::ring::default_provider();
        rustls::crypto::verify_tls13_signature(message, cert, dss, &provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn split(reply: &[u8]) -> Option<(String, &[u8])> {
    let at = reply.windows(4).position(|w| w == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&reply[..at]).into_owned(), &reply[at + 4..]))
}

pub fn is_whole(reply: &[u8]) -> bool {
    let Some((head, body)) = split(reply) else { return false };
    if head.contains("chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).and_then(|l| l.parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

/// A decoded reply.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }

    fn parse(reply: &[u8]) -> Option<Self> {
        let (head, mut rest) = split(reply)?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut body = Vec::new();
        if head.contains("Transfer-Encoding: chunked") {
            loop {
                let end = rest.windows(2).position(|w| w == b"\r\n")?;
                let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&rest[end + 2..end + 2 + size]);
                rest = &rest[end + 4 + size..];
            }
        } else {
            body = rest.to_vec();
        }
        Some(Self { status, head, body })
    }

    /// The first element of the SOAP body.
    pub fn element(&self) -> Node {
        let root = xml::parse(&self.body).expect("a reply is XML");
        root.child("Body").and_then(|b| b.children.first()).cloned().unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> String {
        find(&self.element(), name).unwrap_or_default()
    }

    pub fn return_value(&self) -> u32 {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.text("ReturnValue").parse().expect("a ReturnValue")
    }

    /// `Subcode` and the last word of the detail, for example `InvalidRepresentation MissingValues`.
    pub fn fault(&self) -> String {
        assert_eq!(self.status, 400, "{}", String::from_utf8_lossy(&self.body));
        assert!(self.head.contains("Connection: close"));
        let fault = self.element();
        assert_eq!(fault.name, "Fault");
        let code = fault.child("Code").unwrap();
        let subcode = code.child("Subcode").and_then(|s| s.child("Value")).map(|v| v.text.clone());
        let name = subcode.unwrap_or_else(|| code.child("Value").unwrap().text.clone());
        let detail = fault.child("Detail").unwrap();
        let detail = detail.children.first().map_or(detail.text.clone(), |d| d.text.clone());
        let last = detail.rsplit('/').next().unwrap_or_default();
        format!("{} {last}", name.rsplit(':').next().unwrap()).trim().to_owned()
    }
}

fn find(node: &Node, name: &str) -> Option<String> {
    if node.name == name && node.children.is_empty() {
        return Some(node.text.clone());
    }
    node.children.iter().find_map(|c| find(c, name))
}

/// A client on some line.
pub struct Client<L> {
    pub line: L,
    pub user: String,
    pub password: Option<String>,
    /// Send an Authorization with every request, or only when asked.
    challenge: Option<(String, String)>,
    count: u32,
    message: u32,
    pub log_ins: u32,
}

impl<L: Line> Client<L> {
    pub fn new(line: L, password: Option<&str>) -> Self {
        let password = password.map(str::to_owned);
        Self { line, user: "admin".into(), password, challenge: None, count: 0, message: 0, log_ins: 0 }
    }

    pub fn forget(&mut self) {
        self.challenge = None;
        self.line.reconnect();
    }

    pub fn set_password(&mut self, password: &str) {
        self.password = Some(password.to_owned());
    }

    /// One HTTP exchange with these headers, exactly.
    pub fn raw(&mut self, bytes: &[u8]) -> Option<Answer> {
        Answer::parse(&self.line.exchange(bytes)?)
    }

    fn authorization(&mut self) -> Option<String> {
        let (realm, nonce) = self.challenge.clone()?;
        let password = self.password.clone()?;
        self.count += 1;
        let (nc, user) = (format!("{:08x}", self.count), &self.user);
        let md5 = |text: String| Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let ha1 = md5(format!("{user}:{realm}:{password}"));
        let ha2 = md5("POST:/wsman".to_owned());
        let response = md5(format!("{ha1}:{nonce}:{nc}:0a1b:auth:{ha2}"));
        Some(format!(
            "Authorization: Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"/wsman\",\
             qop=\"auth\",nc=\"{nc}\",cnonce=\"0a1b\",response=\"{response}\"\r\n"
        ))
    }

    /// Posts a SOAP envelope, answering one challenge if it comes and there is a password.
    pub fn post(&mut self, body: &str) -> Option<Answer> {
        for attempt in 0..3 {
            let authorization = self.authorization().unwrap_or_default();
            let request = format!(
                "POST /wsman HTTP/1.1\r\nHost: amt:16993\r\n{authorization}\
                 Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = self.raw(request.as_bytes())?;
            if answer.status != 401 || self.password.is_none() {
                return Some(answer);
            }
            let challenge = answer.header("WWW-Authenticate").expect("a challenge").to_owned();
            let part = |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
            let fresh = self.challenge.is_none() || challenge.contains("stale=\"true\"");
            let known_wrong = !fresh && attempt > 0;
            self.challenge = Some((part("realm").to_owned(), part("nonce").to_owned()));
            self.log_ins += 1;
            self.line.reconnect();
            if known_wrong {
                return Some(answer);
            }
        }
        None
    }

    pub fn envelope(&mut self, action: &str, class: &str, header: &str, body: &str) -> String {
        self.message += 1;
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><Header><a:Action>{action}</a:Action>\
             <a:To>/wsman</a:To><w:ResourceURI>{}</w:ResourceURI><a:MessageID>{}</a:MessageID><a:ReplyTo>\
             <a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
             <w:OperationTimeout>PT60S</w:OperationTimeout>{header}</Header><Body>{body}</Body></Envelope>",
            uri(class),
            self.message
        )
    }

    fn send(&mut self, action: &str, class: &str, selector: Option<(&str, &str)>, body: &str) -> Answer {
        let header = selector.map_or(String::new(), |(name, value)| {
            format!("<w:SelectorSet><w:Selector Name=\"{name}\">{value}</w:Selector></w:SelectorSet>")
        });
        let envelope = self.envelope(action, class, &header, body);
        self.post(&envelope).expect("an answer")
    }

    pub fn get(&mut self, class: &str) -> Answer {
        self.send(&format!("{TRANSFER}/Get"), class, None, "")
    }

    pub fn get_one(&mut self, class: &str, selector: (&str, &str)) -> Answer {
        self.send(&format!("{TRANSFER}/Get"), class, Some(selector), "")
    }

    pub fn put(&mut self, class: &str, selector: Option<(&str, &str)>, properties: &str) -> Answer {
        let body = format!("<h:{class} xmlns:h=\"{}\">{properties}</h:{class}>", uri(class));
        self.send(&format!("{TRANSFER}/Put"), class, selector, &body)
    }

    /// Reads an instance without references in it and puts it back whole, one property changed.
    pub fn put_back(&mut self, class: &str, selector: Option<(&str, &str)>, change: (&str, &str)) -> Answer {
        let current = selector.map(|selector| self.get_one(class, selector)).unwrap_or_else(|| self.get(class));
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let property = |name: &str, text: &str| format!("<h:{name}>{}</h:{name}>", escaped(text));
        let current = current.element();
        let kept = current.children.iter().filter(|node| node.name != change.0);
        let properties: String = kept.map(|node| property(&node.name, &node.text)).collect();
        self.put(class, selector, &format!("{properties}{}", property(change.0, change.1)))
    }

    pub fn create(&mut self, class: &str, properties: &str) -> Answer {
        let body = format!("<h:{class} xmlns:h=\"{}\">{properties}</h:{class}>", uri(class));
        self.send(&format!("{TRANSFER}/Create"), class, None, &body)
    }

    pub fn delete(&mut self, class: &str, selector: Option<(&str, &str)>) -> Answer {
        self.send(&format!("{TRANSFER}/Delete"), class, selector, "")
    }

    pub fn invoke(&mut self, class: &str, method: &str, arguments: &str) -> Answer {
        let body = format!("<h:{method}_INPUT xmlns:h=\"{}\">{arguments}</h:{method}_INPUT>", uri(class));
        self.send(&format!("{}/{method}", uri(class)), class, None, &body)
    }

    pub fn enumeration(&mut self, class: &str, operation: &str, body: &str) -> Answer {
        let body = format!("<n:{operation} xmlns:n=\"{ENUMERATION}\">{body}</n:{operation}>");
        self.send(&format!("{ENUMERATION}/{operation}"), class, None, &body)
    }

    /// Enumerate and one Pull that takes all.
    pub fn all(&mut self, class: &str) -> Vec<Node> {
        let context = self.enumeration(class, "Enumerate", "").text("EnumerationContext");
        let body = format!("<n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>999</n:MaxElements>");
        let answer = self.enumeration(class, "Pull", &body);
        let element = answer.element();
        assert!(element.child("EndOfSequence").is_some());
        element.child("Items").map(|i| i.children.clone()).unwrap_or_default()
    }
}

/// How the truth tells a secret.
pub fn sha256(secret: impl AsRef<[u8]>) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `SetAdminAclEntryEx` argument for this password.
pub fn digest_password(realm: &str, password: &str) -> String {
    use base64::Engine;
    let md5 = Md5::digest(format!("admin:{realm}:{password}").as_bytes());
    base64::engine::general_purpose::STANDARD.encode(md5)
}

/// An endpoint reference as an argument.
pub fn reference(class: &str, selector: &str, value: &str) -> String {
    format!(
        "<a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"{selector}\">{value}</w:Selector>\
         </w:SelectorSet></a:ReferenceParameters>",
        uri(class)
    )
}

/// A machine in admin control mode with this password, on its plain port, with its clock set.
pub fn managed(config: MachineConfig, password: &str) -> Client<Memory> {
    let mut client = Client::new(Memory::new(config), Some("admin"));
    let time = "AMT_TimeSynchronizationService";
    let ta0 = client.invoke(time, "GetLowAccuracyTimeSynch", "").text("Ta0");
    let arguments = format!("<h:Ta0>{ta0}</h:Ta0><h:Tm1>1800000000</h:Tm1><h:Tm2>1800000000</h:Tm2>");
    assert_eq!(client.invoke(time, "SetHighAccuracyTimeSynch", &arguments).return_value(), 0);
    let settings = "<h:HostName>pc1</h:HostName><h:PingResponseEnabled>true</h:PingResponseEnabled>\
        <h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put("AMT_GeneralSettings", None, settings).status, 200);
    let realm = client.get("AMT_GeneralSettings").text("DigestRealm");
    let digest = digest_password(&realm, password);
    let arguments = format!("<h:Username>admin</h:Username><h:DigestPassword>{digest}</h:DigestPassword>");
    assert_eq!(client.invoke("AMT_AuthorizationService", "SetAdminAclEntryEx", &arguments).return_value(), 0);
    client.set_password(password);
    assert_eq!(client.invoke("AMT_SetupAndConfigurationService", "CommitChanges", "").return_value(), 0);
    client.line.port = Port::Plain;
    client.line.closed = true;
    client.line.wait(Duration::from_secs(60));
    client.forget();
    client
}

/// The properties of an instance as it was told, with one changed or added.
pub fn with(instance: &Node, name: &str, value: &str) -> String {
    let mut found = false;
    let mut out = String::new();
    for child in &instance.children {
        let text = if child.name == name {
            found = true;
            value
        } else {
            child.text.as_str()
        };
        out += &format!("<h:{0}>{text}</h:{0}>", child.name);
    }
    if !found {
        out += &format!("<h:{name}>{value}</h:{name}>");
    }
    out
}
