//! Certificate authorities for tests: one that signs, an EST server over TLS, and an AD CS whose `certreq` is a script.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use amt_core::SystemId;
use amt_fleet::ca::{CertificateAuthority as _, LocalCa, LocalCaFiles};
use amt_provision::{CaAnswer, CertificateRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::x509::der::asn1::SetOfVec;
use cms::cert::x509::der::{Any, Decode as _, Encode as _};
use cms::cert::{CertificateChoices, x509::Certificate};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A "certs-only" message of these certificates.
pub fn certs_only(certificates: &[Vec<u8>]) -> Vec<u8> {
    const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
    const DATA: &str = "1.2.840.113549.1.7.1";
    let choices = certificates.iter().map(|der| CertificateChoices::Certificate(Certificate::from_der(der).unwrap()));
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo { econtent_type: DATA.parse().unwrap(), econtent: None },
        certificates: Some(CertificateSet(choices.collect::<Vec<_>>().try_into().unwrap())),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::new()),
    };
    let content = Any::encode_from(&signed).unwrap();
    ContentInfo { content_type: SIGNED_DATA.parse().unwrap(), content }.to_der().unwrap()
}

/// Signs requests at once, with the names that stand in them.
pub struct Signer(LocalCa);

impl Signer {
    pub fn new(folder: &Path) -> Self {
        Self(LocalCa::open(&LocalCaFiles::new(folder.join("issuing.pem"), folder.join("issuing.key"))).unwrap())
    }

    /// The certificate, and the authority's own.
    pub async fn sign(&self, csr: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (_, parsed) = X509CertificationRequest::from_der(csr).unwrap();
        parsed.verify_signature().unwrap();
        let subject = &parsed.certification_request_info.subject;
        let name = subject.iter_common_name().next().unwrap().as_str().unwrap().to_owned();
        let id = SystemId::from_wire([1; 16]);
        let request = CertificateRequest::new(id, csr.to_vec(), name.clone(), vec![name]);
        match self.0.certify(&request).await {
            CaAnswer::Issued { certificate, chain } => (certificate, chain),
            other => panic!("{other:?}"),
        }
    }

    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.0.chain().to_vec()
    }
}

/// AD CS: a folder with the script under the names `certreq` and `certutil`.
pub struct AdCs {
    folder: PathBuf,
    signer: Signer,
}

impl AdCs {
    pub const AUTHORITY: &str = "CA1.example.com\\Example Issuing CA";
    pub const TEMPLATE: &str = "AMTWebServer";

    pub fn new(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../amt-fleet/tests/support/certreq.sh");
        for name in ["certreq", "certutil"] {
            // Written by another process: a file that this one ever held open for writing may be "busy" in a test's fork.
            let copied = Command::new("cp").arg(&script).arg(folder.join(name)).status().unwrap();
            assert!(copied.success());
            assert!(Command::new("chmod").arg("755").arg(folder.join(name)).status().unwrap().success());
        }
        std::fs::create_dir_all(folder.join("adcs")).unwrap();
        Self { folder: folder.to_owned(), signer: Signer::new(folder) }
    }

    pub fn certreq(&self) -> PathBuf {
        self.folder.join("certreq")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("adcs").join(name)
    }

    /// The ids of what was submitted.
    pub fn requests(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join("adcs")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut ids: Vec<String> = names.filter_map(|name| name.strip_suffix(".req").map(str::to_owned)).collect();
        ids.sort();
        ids
    }

    /// How often it was called with `verb`.
    pub fn calls(&self, verb: &str) -> usize {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().filter(|line| line.split('|').nth(1) == Some(verb)).count()
    }

    /// What the manager does under Pending Requests: All Tasks > Issue.
    pub async fn issue(&self, id: &str) {
        let pem = std::fs::read(self.path(&format!("{id}.req"))).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
        let (certificate, chain) = self.signer.sign(&pem.contents).await;
        let mut all = chain;
        all.push(certificate.clone());
        // Windows writes both under this label.
        let text = |der: &[u8]| {
            format!("-----BEGIN CERTIFICATE-----\r\n{}\r\n-----END CERTIFICATE-----\r\n", STANDARD.encode(der))
        };
        std::fs::write(self.path(&format!("{id}.p7b")), text(&certs_only(&all))).unwrap();
        std::fs::write(self.path(&format!("{id}.cer.new")), text(&certificate)).unwrap();
        std::fs::rename(self.path(&format!("{id}.cer.new")), self.path(&format!("{id}.cer"))).unwrap();
    }

    /// All Tasks > Deny.
    pub fn deny(&self, id: &str, words: &str) {
        std::fs::write(self.path(&format!("{id}.denied")), words).unwrap();
    }

    pub fn down(&self, is_down: bool) {
        if is_down {
            std::fs::write(self.path("down"), "").unwrap();
        } else {
            std::fs::remove_file(self.path("down")).unwrap();
        }
    }
}

/// What an EST server does next, and what it saw.
#[derive(Default)]
pub struct EstState {
    /// Answers `/simpleenroll` with this status and text instead of a certificate.
    pub answer: Option<(u16, String)>,
    /// `Retry-After` of these answers.
    pub retry_after: Option<u64>,
    /// Answers everything with these bytes.
    pub raw: Option<Vec<u8>>,
    /// PKCS#10 requests posted with a login that is right, in order.
    pub posted: Vec<Vec<u8>>,
    /// Certificates issued.
    pub issued: Vec<Vec<u8>>,
    /// Questions that were not let in.
    pub refused: usize,
}

/// An EST server with HTTP Basic over TLS, and with client certificates if `clients` is given.
pub struct EstServer {
    pub address: SocketAddr,
    pub state: Arc<Mutex<EstState>>,
}

impl EstServer {
    pub const USER: &str = "amt-server";
    pub const PASSWORD: &str = "est:pass word";

    /// Writes `est-root.pem`, the root of its own TLS certificate, into `folder`.
    pub async fn start(folder: &Path, clients: Option<Vec<u8>>) -> Self {
        let root_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&root_key).unwrap();
        std::fs::write(folder.join("est-root.pem"), root.pem()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = params.signed_by(&key, &rcgen::Issuer::from_ca_cert_der(root.der(), root_key).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from(root)).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![own.der().clone()], key).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<EstState>>::default());
        let (signer, seen) = (Arc::new(Signer::new(folder)), Arc::clone(&state));
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, signer, state) = (acceptor.clone(), Arc::clone(&signer), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        state.lock().unwrap().refused += 1;
                        return;
                    };
                    let Some((head, body)) = request(&mut stream).await else { return };
                    let answer = answer(&head, &body, &signer, &state).await;
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub fn set(&self, change: impl FnOnce(&mut EstState)) {
        change(&mut self.state.lock().unwrap());
    }
}

async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut body = bytes.split_off(end + 4);
    let length: usize = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn http(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn pkcs7(certificates: &[Vec<u8>]) -> Vec<u8> {
    let kind = ("Content-Type", "application/pkcs7-mime; smime-type=certs-only".to_owned());
    let text = STANDARD.encode(certs_only(certificates));
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    http(200, &[kind, ("Content-Transfer-Encoding", "base64".to_owned())], (lines.join("\r\n") + "\r\n").as_bytes())
}

async fn answer(head: &str, body: &[u8], signer: &Signer, state: &Mutex<EstState>) -> Vec<u8> {
    let text = ("Content-Type", "text/plain".to_owned());
    if let Some(raw) = state.lock().unwrap().raw.clone() {
        return raw;
    }
    match head.lines().next().unwrap_or_default() {
        "GET /.well-known/est/cacerts HTTP/1.1" => pkcs7(&signer.chain()),
        "POST /.well-known/est/simpleenroll HTTP/1.1" => {
            let login = format!("Basic {}", STANDARD.encode(format!("{}:{}", EstServer::USER, EstServer::PASSWORD)));
            if header(head, "authorization") != Some(&login) {
                state.lock().unwrap().refused += 1;
                return http(401, &[text, ("WWW-Authenticate", "Basic realm=\"est\"".to_owned())], b"who are you?");
            }
            assert_eq!(header(head, "content-type"), Some("application/pkcs10"));
            let base64: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            let csr = STANDARD.decode(base64).unwrap();
            let decided = {
                let mut state = state.lock().unwrap();
                state.posted.push(csr.clone());
                state.answer.clone().map(|answer| (answer, state.retry_after))
            };
            if let Some(((status, words), retry_after)) = decided {
                let mut headers = vec![text];
                headers.extend(retry_after.map(|seconds| ("Retry-After", seconds.to_string())));
                return http(status, &headers, words.as_bytes());
            }
            let (certificate, _) = signer.sign(&csr).await;
            state.lock().unwrap().issued.push(certificate.clone());
            // RFC 7030 §4.2.3: the certificate alone.
            pkcs7(&[certificate])
        }
        _ => http(404, &[text], b"no such label"),
    }
}
