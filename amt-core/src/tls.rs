//! TLS policy in and facts out; the engines live above.

mod ladder;

pub use ladder::{Ladder, LegacyTls, Rung};

use crate::psk::PskPair;
use crate::version::TlsVersion;

/// Whom to accept as the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerIdentity {
    /// Any certificate: setup mode presents a self-signed one, and our own chain is what authorises.
    /// The handshake signature is still checked against the key in it.
    Any,
    /// Exactly this leaf certificate, as DER.
    Pinned(Vec<u8>),
    /// The leaf certificate whose DER has this SHA-256.
    Fingerprint([u8; 32]),
    /// A chain to one of these roots (DER) for this name.
    Verified {
        /// Trusted roots, DER.
        roots: Vec<Vec<u8>>,
        /// Host name that the certificate must carry.
        name: String,
    },
    /// A chain of a chip's own authority, of AMT's name, to one of these roots (DER): see [`check_on_die`](crate::pki::check_on_die).
    OnDie {
        /// Trusted roots, or authorities below them, DER.
        roots: Vec<Vec<u8>>,
    },
    /// Whoever holds the key of this pair; there are no certificates.
    Psk(PskPair),
}

/// A SHA-256 as people write it: 64 hexadecimal digits in either case, with or without colons.
pub fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let mut nibbles =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let mut sha256 = [0; 32];
    for byte in &mut sha256 {
        *byte = nibbles.next()?? << 4 | nibbles.next()??;
    }
    nibbles.next().is_none().then_some(sha256)
}

/// What to do in one TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPlan {
    /// Whom to accept.
    pub identity: PeerIdentity,
    /// Which of the caller's provisioning chains to present, by position; none after setup.
    pub present: Option<usize>,
    /// Newest version to offer. 1.2 while provisioning: some firmware completes 1.3 and then drops the first request.
    pub max: TlsVersion,
    /// Engine and oldest version.
    pub rung: Rung,
    /// Whether RC4 and 3DES may be offered, by an engine that has them.
    pub weak_ciphers: bool,
}

impl TlsPlan {
    /// A handshake on the modern rung of the ladder, up to TLS 1.3, that presents nothing.
    pub const fn new(identity: PeerIdentity) -> Self {
        Self { identity, present: None, max: TlsVersion::V1_3, rung: Rung::Modern, weak_ciphers: false }
    }

    /// A handshake with a machine in setup mode: up to TLS 1.2.
    #[must_use]
    pub const fn setting_up(mut self, present: Option<usize>) -> Self {
        self.present = present;
        self.max = TlsVersion::V1_2;
        self
    }
}

/// What a handshake brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOutcome {
    /// Negotiated version.
    pub version: TlsVersion,
    /// Negotiated suite, by its IANA name.
    pub suite: String,
    /// Engine that made the connection: `rustls` or `openssl`.
    pub engine: &'static str,
    /// The peer's certificates, leaf first, DER; none with a pre-shared key.
    pub peer: Vec<Vec<u8>>,
    /// Whether the peer asked for our certificate.
    pub certificate_requested: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_has_64_digits() {
        let hex = "0123456789abcDEF".repeat(4);
        assert_eq!(parse_sha256(&hex).unwrap()[..3], [0x01, 0x23, 0x45]);
        let colons: Vec<_> = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        assert_eq!(parse_sha256(&colons.join(":")), parse_sha256(&hex));
        for bad in ["", "01", &hex[1..], &format!("{hex}0"), &hex.replace('c', "g"), &format!("{hex}zz"), "é"] {
            assert_eq!(parse_sha256(bad), None, "{bad}");
        }
    }
}
