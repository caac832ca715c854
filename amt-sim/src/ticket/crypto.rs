//! Keys and decryption of Kerberos: RC4-HMAC (RFC 4757) and AES (RFC 3961, 3962).

use crate::firmware::kerberos::{AES128, AES256, Kerberos, KerberosKey, RC4};
use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use picky_krb::crypto::CipherSuite;
use picky_krb::crypto::aes::{AesSize, derive_key};
use rc4::{Rc4, StreamCipher};
use std::num::NonZeroU32;

const ETYPE_AES128: i64 = 17;
const ETYPE_AES256: i64 = 18;
const ETYPE_RC4: i64 = 23;
/// Checksum in front of what RC4-HMAC encrypts, and the random bytes in it.
const RC4_CHECKSUM: usize = 16;
const RC4_CONFOUNDER: usize = 8;

/// The machine's key for an algorithm that it is configured for.
pub(super) fn key(kerberos: &Kerberos, etype: i64) -> Option<Vec<u8>> {
    let (number, size) = match etype {
        ETYPE_RC4 => (RC4, None),
        ETYPE_AES128 => (AES128, Some(AesSize::Aes128)),
        ETYPE_AES256 => (AES256, Some(AesSize::Aes256)),
        _ => return None,
    };
    if !kerberos.algorithms.contains(&number) {
        return None;
    }
    match (&kerberos.key, size) {
        (KerberosKey::Master(key), None) => Some(key.expose().clone()),
        (KerberosKey::Master(_), Some(_)) => None,
        (KerberosKey::Passphrase { passphrase, .. }, None) => {
            let wide: Vec<u8> = passphrase.expose().encode_utf16().flat_map(u16::to_le_bytes).collect();
            Some(Md4::digest(wide).to_vec())
        }
        (KerberosKey::Passphrase { passphrase, salt, iterations }, Some(size)) => {
            from_passphrase(passphrase.expose(), salt, *iterations, &size)
        }
    }
}

/// RFC 3962 §4.
fn from_passphrase(passphrase: &str, salt: &str, iterations: u32, size: &AesSize) -> Option<Vec<u8>> {
    let mut stretched = vec![0; size.key_length()];
    ring::pbkdf2::derive(
        ring::pbkdf2::PBKDF2_HMAC_SHA1,
        NonZeroU32::new(iterations)?,
        salt.as_bytes(),
        passphrase.as_bytes(),
        &mut stretched,
    );
    derive_key(&stretched, b"kerberos", size).ok()
}

/// The plain text, if `key` is the right one and nothing was changed.
pub(super) fn decrypt(etype: i64, key: &[u8], usage: i32, sealed: &[u8]) -> Option<Vec<u8>> {
    let (suite, length) = match etype {
        ETYPE_RC4 => return rc4_hmac(key, usage, sealed),
        ETYPE_AES128 => (CipherSuite::Aes128CtsHmacSha196, AesSize::Aes128.key_length()),
        ETYPE_AES256 => (CipherSuite::Aes256CtsHmacSha196, AesSize::Aes256.key_length()),
        _ => return None,
    };
    if key.len() != length {
        return None;
    }
    suite.cipher().decrypt(key, usage, sealed).ok()
}

/// RFC 4757 §4.
fn rc4_hmac(key: &[u8], usage: i32, sealed: &[u8]) -> Option<Vec<u8>> {
    let (checksum, sealed) = sealed.split_at_checked(RC4_CHECKSUM)?;
    let base = hmac_md5(key, &usage.to_le_bytes())?;
    let mut plain = sealed.to_vec();
    Rc4::new_from_slice(&hmac_md5(&base, checksum)?).ok()?.apply_keystream(&mut plain);
    if hmac_md5(&base, &plain)? != checksum {
        return None;
    }
    plain.get(RC4_CONFOUNDER..).map(<[u8]>::to_vec)
}

fn hmac_md5(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;
    use amt_core::Secret;

    /// RFC 3962 appendix B, with 1, 2 and 1200 rounds.
    #[test]
    fn keys_of_passphrases_are_those_of_the_rfc() {
        for (rounds, size, expected) in [
            (1, AesSize::Aes128, "42263c6e89f4fc28b8df68ee09799f15"),
            (1, AesSize::Aes256, "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"),
            (2, AesSize::Aes128, "c651bf29e2300ac27fa469d693bdda13"),
            (1200, AesSize::Aes256, "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"),
        ] {
            let key = from_passphrase("password", "ATHENA.MIT.EDUraeburn", rounds, &size).unwrap();
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn a_passphrase_gives_the_key_of_rc4_too_and_only_configured_algorithms_have_one() {
        let key = KerberosKey::Passphrase { passphrase: Secret::new("foo".into()), salt: "x".into(), iterations: 1 };
        let kerberos = Kerberos { realm: "R".into(), key_version: 1, key, algorithms: vec![RC4], tolerance: 5 };
        // RFC 4757 §7.
        assert_eq!(hex(&super::key(&kerberos, ETYPE_RC4).unwrap()), "ac8e657f83df82beea5d43bdaf7800cc");
        assert_eq!(super::key(&kerberos, ETYPE_AES256), None);
    }
}
