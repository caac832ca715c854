//! Whether one certificate signed another, for old and small keys too: what firmware thinks of them is preflight's to say, and it
//! can only if the link is seen.

use amt_core::pki::{CertFacts, LinkSignature, PublicKey, SignatureHash};
use ring::signature::{self, RsaParameters, UnparsedPublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::verify::verify_signature;

/// Smallest and largest RSA keys whose signatures can be checked.
const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=8192;

const PKCS1_STEM: &str = "1.2.840.113549.1.1.";

/// Checks the signature on `certificate` with the key of `issuer`.
pub(super) fn link(
    certificate: (&X509Certificate<'_>, &CertFacts),
    issuer: (&X509Certificate<'_>, &CertFacts),
) -> LinkSignature {
    let (parsed, facts) = certificate;
    let key = issuer.0.public_key();
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    let signature = &parsed.signature_value;
    let message = parsed.tbs_certificate.as_ref();
    let is_pss = algorithm == format!("{PKCS1_STEM}10");
    match (&issuer.1.key, rsa(&facts.signature)) {
        (PublicKey::Rsa(bits), _) if !RSA_BITS.contains(bits) => LinkSignature::Unchecked,
        (PublicKey::Rsa(bits), Some((parameters, smallest))) if algorithm.starts_with(PKCS1_STEM) && !is_pss => {
            if *bits < smallest {
                return LinkSignature::Unchecked;
            }
            let checked =
                UnparsedPublicKey::new(parameters, &key.subject_public_key.data).verify(message, &signature.data);
            if checked.is_ok() { LinkSignature::Good } else { LinkSignature::Bad }
        }
        (PublicKey::Rsa(bits), _) if *bits < 2048 => LinkSignature::Unchecked,
        _ => match verify_signature(key, &parsed.signature_algorithm, signature, message) {
            Ok(()) => LinkSignature::Good,
            Err(X509Error::SignatureUnsupportedAlgorithm) => LinkSignature::Unchecked,
            Err(_) => LinkSignature::Bad,
        },
    }
}

/// How PKCS#1 v1.5 signatures of a hash are checked, and from how many bits on.
fn rsa(hash: &SignatureHash) -> Option<(&'static RsaParameters, u32)> {
    Some(match hash {
        SignatureHash::Sha1 => (&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, 1024),
        SignatureHash::Sha2(256) => (&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, 1024),
        SignatureHash::Sha2(384) => (&signature::RSA_PKCS1_2048_8192_SHA384, 2048),
        SignatureHash::Sha2(512) => (&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, 1024),
        _ => return None,
    })
}
