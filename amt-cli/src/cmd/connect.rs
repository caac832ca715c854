//! How a command reaches one machine: the options that all such commands share.

use super::Error;
use crate::input;
use amt::{Device, Transport};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure};
use amt_wsman::client::Credentials;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
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
        Ok(Device::new(address, transport, Credentials { user: self.user, password })?)
    }
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let unknown = |why: String| Failure::new(ErrorCode::DNS, "connect", format!("{host}: {why}"));
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no address".to_owned()))
}

/// All certificates of a PEM file, DER.
pub(super) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bad = |why: &str| Failure::new(ErrorCode::CERTIFICATE_PARSE, "read", format!("{}: {why}", file.display()));
    let bytes = input::read(file, MAX_CERTIFICATES)?;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&bytes).map(|c| c.map(|c| c.to_vec())).collect();
    let certificates = certificates.map_err(|error| bad(&error.to_string()))?;
    if certificates.is_empty() { Err(bad("no certificate in it")) } else { Ok(certificates) }
}

/// 64 hexadecimal digits, with or without colons.
pub(super) fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let byte = |at: usize| digits.get(at * 2..at * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    let is_hex = digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit());
    bytes
        .filter(|_| is_hex)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "write the 64 hexadecimal digits of a SHA-256".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_64_digits() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(fingerprint(&hex).unwrap()[..3], [0x01, 0x23, 0x45]);
        let colons: Vec<_> = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        assert_eq!(fingerprint(&colons.join(":")), fingerprint(&hex));
        for bad in ["", "01", &hex[1..], &format!("{hex}0"), &hex.replace('f', "g"), &format!("{hex}zz")] {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }
}
