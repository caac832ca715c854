//! PFX (PKCS#12) files.

use super::{STAGE, unreadable};
use amt_core::pki::{Encryption, PfxFacts};
use amt_core::{ErrorCode, Failure, Secret};
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use x509_parser::der_parser::der::parse_der;

/// A PFX; empty if its encryption is not supported.
pub(super) struct Pfx {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) keys: Vec<Secret<Vec<u8>>>,
    pub(super) facts: PfxFacts,
}

pub(super) fn open(bytes: &[u8], password: &Secret<String>) -> Result<Pfx, Failure> {
    if !is_pfx(bytes) {
        return Err(unreadable("the file is not a PFX (PKCS#12)"));
    }
    let encryption = encryption(bytes);
    let locked = |text: String| Err(Failure::new(ErrorCode::PFX_OPEN, STAGE, text));
    match Pkcs12Archive::from_pkcs12(bytes, password.expose()) {
        Ok(archive) => Ok(Pfx {
            certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
            keys: archive.keys.iter().map(|bag| Secret::new(bag.key.as_der().to_vec())).collect(),
            facts: PfxFacts { encryption, opened: true },
        }),
        Err(Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm) => {
            let facts = PfxFacts { encryption, opened: false };
            Ok(Pfx { certificates: Vec::new(), keys: Vec::new(), facts })
        }
        Err(Error::MacError(_)) => locked("the PFX does not open: the password is wrong".to_owned()),
        Err(Error::UnsupportedCertificateType) => Err(unreadable("the PFX holds a certificate that is not X.509")),
        // Without an integrity check a wrong password is seen only as nonsense after decryption: whatever went wrong inside, it
        // may be that.
        Err(_) => locked("the PFX does not open: the password is wrong, or the file is damaged".to_owned()),
    }
}

/// A sequence that begins with version 3.
fn is_pfx(bytes: &[u8]) -> bool {
    let Ok((_, parsed)) = parse_der(bytes) else { return false };
    let version = parsed.as_sequence().ok().and_then(|items| items.first()?.as_u32().ok());
    version == Some(3)
}

/// Names of the encryption schemes, by their object identifiers wherever these stand in the file. What hides another one inside
/// encrypted contents is itself named, and ten bytes in a row do not come about by chance.
fn encryption(bytes: &[u8]) -> Vec<Encryption> {
    const SCHEMES: &[(&[u8], &str, bool)] = &[
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x01", "RC4-128 (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x02", "RC4-40 (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03", "3DES (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x04", "2-key 3DES (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x05", "RC2-128 (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06", "RC2-40 (PBE-SHA1)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x03", "DES (PBE-MD5)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0a", "DES (PBE-SHA1)", true),
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x02", "AES-128 (PBES2)", false),
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x16", "AES-192 (PBES2)", false),
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a", "AES-256 (PBES2)", false),
        (b"\x2a\x86\x48\x86\xf7\x0d\x03\x07", "3DES (PBES2)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x03\x02", "RC2 (PBES2)", true),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e", "PBMAC1", false),
    ];
    let has = |oid: &[u8]| {
        let mut tagged = vec![6, oid.len() as u8];
        tagged.extend_from_slice(oid);
        bytes.windows(tagged.len()).any(|window| window == tagged)
    };
    let found = SCHEMES.iter().filter(|(oid, _, _)| has(oid));
    found.map(|(_, name, legacy)| Encryption { name: (*name).to_owned(), legacy: *legacy }).collect()
}
