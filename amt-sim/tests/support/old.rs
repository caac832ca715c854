//! A client for machines that rustls cannot talk to: blocking OpenSSL.

use super::chains::Chain;
use super::{Line, ask};
use amt_core::psk::PskPair;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

pub struct Old {
    to: SocketAddr,
    context: SslContext,
    stream: Option<SslStream<TcpStream>>,
    /// DER of what the machine served, version and suite.
    pub served: Vec<u8>,
    pub version: String,
    pub suite: String,
    pub error: Option<String>,
}

fn context(change: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_security_level(0);
    context.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    context.set_options(SslOptions::NO_TICKET);
    context.set_verify(SslVerifyMode::NONE);
    change(&mut context);
    context.build()
}

impl Old {
    fn new(address: Ipv4Addr, context: SslContext) -> Self {
        let to = SocketAddr::from((address, 16_993));
        let (version, suite) = (String::new(), String::new());
        Self { to, context, stream: None, served: Vec::new(), version, suite, error: None }
    }

    /// Presents this chain, if any; everything old is offered, the weaker suites first.
    pub fn chain(address: Ipv4Addr, chain: Option<&Chain>) -> Self {
        Self::offering("AES128-SHA:AES256-SHA:kRSA:ECDHE", address, chain)
    }

    /// The same with these suites only.
    pub fn offering(suites: &str, address: Ipv4Addr, chain: Option<&Chain>) -> Self {
        Self::new(
            address,
            context(|context| {
                context.set_cipher_list(&format!("{suites}:@SECLEVEL=0")).unwrap();
                let Some(chain) = chain else { return };
                let certificate = |der: &Vec<u8>| X509::from_der(der).unwrap();
                context.set_certificate(&certificate(&chain.certificates[0])).unwrap();
                for rest in &chain.certificates[1..] {
                    context.add_extra_chain_cert(certificate(rest)).unwrap();
                }
                context.set_private_key(&PKey::private_key_from_pkcs8(&chain.key).unwrap()).unwrap();
            }),
        )
    }

    /// Shows that it has the key of this pair.
    pub fn psk(address: Ipv4Addr, pair: PskPair) -> Self {
        Self::new(
            address,
            context(|context| {
                context.set_cipher_list("PSK:@SECLEVEL=0").unwrap();
                context.set_psk_client_callback(move |_, _, identity, key| {
                    let pid = pair.pid.plain();
                    identity[..pid.len()].copy_from_slice(pid.as_bytes());
                    identity[pid.len()] = 0;
                    key[..32].copy_from_slice(pair.pps.expose());
                    Ok::<_, ErrorStack>(32)
                });
            }),
        )
    }

    pub fn try_connect(&mut self) -> Result<(), String> {
        let tcp = TcpStream::connect_timeout(&self.to, Duration::from_secs(5)).map_err(|e| format!("connect: {e}"))?;
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        tcp.set_nodelay(true).unwrap();
        let ssl = openssl::ssl::Ssl::new(&self.context).unwrap();
        let stream = ssl.connect(tcp).map_err(|e| format!("handshake: {e}"))?;
        self.served = stream.ssl().peer_certificate().map(|c| c.to_der().unwrap()).unwrap_or_default();
        self.version = stream.ssl().version_str().to_owned();
        self.suite = stream.ssl().current_cipher().unwrap().name().to_owned();
        self.stream = Some(stream);
        Ok(())
    }
}

impl Line for Old {
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
