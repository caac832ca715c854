//! Private keys in the forms that files have them; all become PKCS#8.

use super::{STAGE, pem, unreadable};
use amt_core::{ErrorCode, Failure, Secret};
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use x509_parser::der_parser::der::parse_der;

/// Most rounds of key derivation that are carried out for an encrypted key.
pub(super) const MAX_KDF_ROUNDS: u32 = 10_000_000;
/// Most memory that scrypt may take for one.
const MAX_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;

/// `rsaEncryption` with its NULL parameter, as AlgorithmIdentifier.
const RSA_ALGORITHM: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";

/// The keys of a file: PEM, or PKCS#8 in DER.
pub(super) fn read_file(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Vec<Secret<Vec<u8>>>, Failure> {
    if !pem::is_pem(bytes) {
        let label =
            if EncryptedPrivateKeyInfoRef::try_from(bytes).is_ok() { "ENCRYPTED PRIVATE KEY" } else { "PRIVATE KEY" };
        return Ok(read_block(label, Secret::new(bytes.to_vec()), password)?.into_iter().collect());
    }
    let mut keys = Vec::new();
    for block in pem::blocks(bytes) {
        let (label, contents) = block?;
        keys.extend(read_block(&label, contents, password)?);
    }
    Ok(keys)
}

/// The key in one PEM block; `None` if the block is of another kind.
pub(super) fn read_block(
    label: &str,
    contents: Secret<Vec<u8>>,
    password: Option<&Secret<String>>,
) -> Result<Option<Secret<Vec<u8>>>, Failure> {
    let key = match label {
        "PRIVATE KEY" => contents,
        "RSA PRIVATE KEY" => rsa_to_pkcs8(&contents)?,
        "EC PRIVATE KEY" => ec_to_pkcs8(&contents)?,
        "ENCRYPTED PRIVATE KEY" => decrypt(&contents, password)?,
        _ => return Ok(None),
    };
    match PrivateKeyInfoRef::try_from(key.expose().as_slice()) {
        Ok(_) => Ok(Some(key)),
        Err(_) => Err(unreadable(format!("the block {label} is not a private key"))),
    }
}

/// Whether `key` (PKCS#8) is the private half of a certificate's key, given as the contents of its BIT STRING.
pub(super) fn belongs(key: &Secret<Vec<u8>>, public: &[u8]) -> bool {
    let Ok(info) = PrivateKeyInfoRef::try_from(key.expose().as_slice()) else { return false };
    match info.algorithm.oid.to_string().as_str() {
        RSA_ENCRYPTION => {
            let private = integers(info.private_key.as_bytes());
            let public = integers(public);
            // Version, modulus, exponent, ... against modulus, exponent.
            match (private.as_slice(), public.as_slice()) {
                ([_, modulus, exponent, ..], [n, e]) => modulus == n && exponent == e,
                _ => false,
            }
        }
        EC_PUBLIC_KEY => [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING].into_iter().any(|curve| {
            let pair = EcdsaKeyPair::from_pkcs8(curve, key.expose(), &SystemRandom::new());
            pair.is_ok_and(|pair| pair.public_key().as_ref() == public)
        }),
        _ => false,
    }
}

/// The integers of a DER sequence, without leading zeros.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    let Ok((_, parsed)) = parse_der(der) else { return Vec::new() };
    let Ok(items) = parsed.as_sequence() else { return Vec::new() };
    let bare = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    items.iter().map_while(|item| item.as_slice().ok().map(bare)).collect()
}

fn decrypt(contents: &Secret<Vec<u8>>, password: Option<&Secret<String>>) -> Result<Secret<Vec<u8>>, Failure> {
    let locked = |text: &str| Failure::new(ErrorCode::PFX_OPEN, STAGE, text);
    let info = EncryptedPrivateKeyInfoRef::try_from(contents.expose().as_slice()).map_err(|_| {
        locked("the private key is encrypted in a way that is not supported")
            .hint("convert it with: openssl pkcs8 -topk8 -v2 aes256")
    })?;
    let password = password.ok_or_else(|| locked("the private key is encrypted and no password was given"))?;
    let affordable = match info.encryption_algorithm.pbes2().map(|scheme| &scheme.kdf) {
        Some(Kdf::Pbkdf2(kdf)) => kdf.iteration_count <= MAX_KDF_ROUNDS,
        Some(Kdf::Scrypt(kdf)) => {
            let bytes = kdf.cost_parameter.checked_mul(128 * u64::from(kdf.block_size));
            bytes.is_some_and(|bytes| bytes <= MAX_SCRYPT_BYTES) && kdf.parallelization <= 4
        }
        _ => true,
    };
    if !affordable {
        return Err(locked("the private key is encrypted with more rounds than are carried out"));
    }
    let opened = info.decrypt(password.expose()).map_err(|_| {
        locked("the private key does not open: the password is wrong, or its encryption is not supported")
            .hint("check the password, or convert the key with: openssl pkcs8 -topk8 -v2 aes256")
    })?;
    Ok(Secret::new(opened.as_bytes().to_vec()))
}

/// Wraps a PKCS#1 key.
fn rsa_to_pkcs8(contents: &Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Failure> {
    if integers(contents.expose()).len() < 9 {
        return Err(old_or_damaged("RSA PRIVATE KEY"));
    }
    Ok(wrap(RSA_ALGORITHM, contents.expose()))
}

/// Wraps a SEC 1 key; its curve stands in its own parameters.
fn ec_to_pkcs8(contents: &Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Failure> {
    let bad = || old_or_damaged("EC PRIVATE KEY");
    let (_, parsed) = parse_der(contents.expose()).map_err(|_| bad())?;
    let items = parsed.as_sequence().map_err(|_| bad())?;
    let curve = items.iter().find(|item| item.header.tag().0 == 0 && item.header.is_contextspecific());
    let curve = curve.and_then(|item| item.as_slice().ok()).ok_or_else(bad)?;
    let mut algorithm = vec![6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    algorithm.extend_from_slice(curve);
    Ok(wrap(&tagged(0x30, &algorithm), contents.expose()))
}

/// Keys with `Proc-Type: 4,ENCRYPTED` in them are encrypted by a scheme that is one round of MD5.
pub(super) fn old_or_damaged(block: &str) -> Failure {
    Failure::new(ErrorCode::PFX_OPEN, STAGE, format!("PEM block {block} is encrypted the old way, or damaged"))
        .hint("convert it with: openssl pkcs8 -topk8 -v2 aes256")
}

/// PKCS#8 `PrivateKeyInfo` around a key of another form.
fn wrap(algorithm: &[u8], key: &[u8]) -> Secret<Vec<u8>> {
    let mut info = vec![2, 1, 0];
    info.extend_from_slice(algorithm);
    let key = Secret::new(tagged(0x04, key));
    info.extend_from_slice(key.expose());
    let info = Secret::new(info);
    Secret::new(tagged(0x30, info.expose()))
}

/// DER tag and length before `contents`.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = contents.len();
    let mut out = vec![tag];
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes: Vec<u8> = len.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | bytes.len() as u8);
            out.extend_from_slice(&bytes);
        }
    }
    out.extend_from_slice(contents);
    out
}
