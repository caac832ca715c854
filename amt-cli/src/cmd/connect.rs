//! How a command reaches one machine: the options that all such commands share.

use super::Error;
use crate::input;
use amt::certificate::authorities;
use amt::{Device, Transport};
use amt_core::tls::{LegacyTls, PeerIdentity, parse_sha256};
use amt_core::{ErrorCode, Failure};
use amt_wsman::client::Credentials;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const TLS_PORT: u16 = 16993;
const PLAIN_PORT: u16 = 16992;
/// Longest file of certificates.
const MAX_CERTIFICATES: usize = 1024 * 1024;

/// One machine, and whom to take it for.
#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// Name or address of the machine
    #[arg(long)]
    host: String,
    /// Port [default: 16993, with --plain 16992]
    #[arg(long)]
    port: Option<u16>,
    /// Digest user
    #[arg(long, default_value = "admin")]
    user: String,
    /// File whose first line is the password; otherwise AMT_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    /// Name in the machine's certificate, if it is not the host
    #[arg(long, value_name = "NAME", requires = "ca")]
    name: Option<String>,
    /// Whether older TLS may be used where the machine speaks nothing else (AMT before 14): refuse, allow, allow-weak (RC4 and 3DES too)
    #[arg(long, value_name = "CONSENT", default_value = "refuse", value_parser = consent())]
    legacy_tls: LegacyTls,
}

fn consent() -> impl TypedValueParser<Value = LegacyTls> {
    let words = [LegacyTls::Refuse, LegacyTls::Allow, LegacyTls::AllowWeak].map(LegacyTls::name);
    PossibleValuesParser::new(words).try_map(|text| text.parse::<LegacyTls>())
}

/// Exactly one way of knowing that the machine is the right one has to be chosen: there is no safe default.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Identity {
    /// Trust certificates from the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Accept only the certificate with this SHA-256 fingerprint
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pin: Option<[u8; 32]>,
    /// Accept any certificate: whoever is in between reads and changes everything
    #[arg(long)]
    insecure_any: bool,
    /// No TLS at all: firmware before 16.1 only, and readable by everyone on the way
    #[arg(long)]
    plain: bool,
}

impl Connect {
    /// The machine, not connected yet.
    pub(crate) async fn device(self) -> Result<Device, Error> {
        let password = input::password(self.password_file.as_ref(), "AMT_PASSWORD")?;
        let port = self.port.unwrap_or(if self.identity.plain { PLAIN_PORT } else { TLS_PORT });
        let address = resolve(&self.host, port).await?;
        let transport = match self.identity {
            Identity { plain: true, .. } => Transport::Plain,
            Identity { pin: Some(pin), .. } => Transport::Tls(PeerIdentity::Fingerprint(pin)),
            Identity { ca: Some(file), .. } => {
                let roots = certificates(&file)?;
                Transport::Tls(PeerIdentity::Verified { roots, name: self.name.unwrap_or(self.host) })
            }
            Identity { .. } => Transport::Tls(PeerIdentity::Any),
        };
        let device = Device::new(address, transport, Credentials { user: self.user, password })?;
        Ok(device.legacy_tls(self.legacy_tls))
    }
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let unknown = |why: String| Failure::new(ErrorCode::DNS, "connect", format!("{host}: {why}"));
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no address".to_owned()))
}

/// All certificates of a PEM file, DER.
pub(super) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = input::read(file, MAX_CERTIFICATES)?;
    authorities(&bytes).map_err(|mut failure| {
        failure.message = format!("{}: {}", file.display(), failure.message);
        failure
    })
}

/// 64 hexadecimal digits, with or without colons.
pub(super) fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_sha256(text).ok_or_else(|| "write the 64 hexadecimal digits of a SHA-256".to_owned())
}
