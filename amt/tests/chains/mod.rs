//! Real certificates of every kind that the diagnosis knows, good and bad, written out in DER.
//!
//! No certificate library makes all of them: SHA-1 signatures, RSA-1024 and mismatched issuers are what they refuse to make.
#![allow(unreachable_pub, dead_code, reason = "each test program uses a part")]

use p12_keystore::{Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rsa::Pkcs1v15Sign;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

pub const COMMON_NAME: &str = "2.5.4.3";
pub const ORGANIZATION: &str = "2.5.4.10";
pub const UNIT: &str = "2.5.4.11";
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub const SETUP: &str = "2.16.840.1.113741.1.2.3";
pub const SETUP_UNIT: &str = "Intel(R) Client Setup Certificate";

/// 2026-01-01, within the validity of every certificate here unless it says otherwise.
pub const NOW: i64 = 1_767_225_600;

/// A key pair.
pub struct Key {
    rsa: Option<rsa::PrivateKey>,
    pub pkcs8: Vec<u8>,
    spki: Vec<u8>,
}

/// Whose certificate it is, and the key that signs for it.
pub type Signer = (Vec<(&'static str, String)>, Arc<Key>);

type Keys = BTreeMap<(&'static str, usize), Arc<Key>>;

/// The RSA key of this name, made once in a run.
pub fn key(name: &'static str, bits: usize) -> Arc<Key> {
    static KEYS: OnceLock<Mutex<Keys>> = OnceLock::new();
    let mut keys = KEYS.get_or_init(Mutex::default).lock().unwrap();
    Arc::clone(keys.entry((name, bits)).or_insert_with(|| {
        let rsa = rsa::PrivateKey::new(&mut p12_keystore::rand::rng(), bits).unwrap();
        let pkcs8 = rsa.to_pkcs8_der().unwrap().as_bytes().to_vec();
        let spki = rsa::PublicKey::from(&rsa).to_public_key_der().unwrap().into_vec();
        Arc::new(Key { rsa: Some(rsa), pkcs8, spki })
    }))
}

/// A P-256 key.
pub fn ec_key() -> Arc<Key> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let algorithm = sequence(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]);
    let spki = sequence(&[algorithm, bits(pair.public_key().as_ref())]);
    Arc::new(Key { rsa: None, pkcs8: pkcs8.as_ref().to_vec(), spki })
}

#[derive(Clone, Copy, PartialEq)]
pub enum Hash {
    Sha1,
    Sha256,
}

/// What a certificate shall say; [`leaf`], [`issuer`] give usual ones.
#[derive(Clone)]
pub struct Spec {
    pub subject: Vec<(&'static str, String)>,
    pub key: Arc<Key>,
    pub signer: Signer,
    pub hash: Hash,
    pub valid: (&'static str, &'static str),
    pub usages: Option<Vec<&'static str>>,
    pub alternative: Vec<&'static str>,
    pub is_ca: bool,
    pub serial: u8,
}

pub fn common_name(name: &str) -> Vec<(&'static str, String)> {
    vec![(COMMON_NAME, name.to_owned())]
}

/// A self-signed root.
pub fn root(name: &str, key: &Arc<Key>) -> Spec {
    issuer(name, key, (common_name(name), Arc::clone(key)))
}

/// A certificate that signs others.
pub fn issuer(name: &str, key: &Arc<Key>, signer: Signer) -> Spec {
    Spec {
        subject: common_name(name),
        key: Arc::clone(key),
        signer,
        hash: Hash::Sha256,
        valid: ("20200101000000Z", "20400101000000Z"),
        usages: None,
        alternative: Vec::new(),
        is_ca: true,
        serial: 1,
    }
}

/// A provisioning certificate without fault.
pub fn leaf(name: &str, key: &Arc<Key>, signer: Signer) -> Spec {
    let usages = Some(vec![SERVER_AUTH, SETUP]);
    Spec { usages, is_ca: false, valid: ("20250101000000Z", "20270101000000Z"), ..issuer(name, key, signer) }
}

impl Spec {
    /// To sign others with.
    pub fn signer(&self) -> Signer {
        (self.subject.clone(), Arc::clone(&self.key))
    }

    /// The certificate.
    pub fn der(&self) -> Vec<u8> {
        let (prefix, algorithm): (&[u8], _) = match self.hash {
            Hash::Sha1 => (&[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 14, 3, 2, 0x1a, 5, 0, 4, 20], "1.2.840.113549.1.1.5"),
            Hash::Sha256 => (
                &[0x30, 0x31, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 32],
                "1.2.840.113549.1.1.11",
            ),
        };
        let algorithm = sequence(&[oid(algorithm), vec![5, 0]]);
        let body = sequence(&[
            tagged(0xa0, &[2, 1, 2]),
            tagged(2, &[self.serial]),
            algorithm.clone(),
            name(&self.signer.0),
            sequence(&[tagged(0x18, self.valid.0.as_bytes()), tagged(0x18, self.valid.1.as_bytes())]),
            name(&self.subject),
            self.key.spki.clone(),
            tagged(0xa3, &sequence(&self.extensions())),
        ]);
        let digest = match self.hash {
            Hash::Sha1 => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &body),
            Hash::Sha256 => digest::digest(&digest::SHA256, &body),
        };
        let padding = Pkcs1v15Sign { hash_len: Some(digest.as_ref().len()), prefix: prefix.into() };
        let signature = self.signer.1.rsa.as_ref().unwrap().sign(padding, digest.as_ref()).unwrap();
        sequence(&[body, algorithm, bits(&signature)])
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let extension = |id: &str, value: Vec<u8>| sequence(&[oid(id), tagged(4, &value)]);
        let mut out = Vec::new();
        if self.is_ca {
            out.push(extension("2.5.29.19", sequence(&[vec![1, 1, 0xff]])));
        }
        if let Some(usages) = &self.usages {
            let usages: Vec<_> = usages.iter().map(|id| oid(id)).collect();
            out.push(extension("2.5.29.37", sequence(&usages)));
        }
        if !self.alternative.is_empty() {
            let names: Vec<_> = self.alternative.iter().map(|name| tagged(0x82, name.as_bytes())).collect();
            out.push(extension("2.5.29.17", sequence(&names)));
        }
        out
    }
}

/// PEM text of certificates, in this order.
pub fn pem(certificates: &[&Spec]) -> Vec<u8> {
    certificates.iter().flat_map(|spec| block("CERTIFICATE", &spec.der())).collect()
}

/// PEM text of a private key.
pub fn pem_key(key: &Key) -> Vec<u8> {
    block("PRIVATE KEY", &key.pkcs8)
}

/// A PEM block.
pub fn block(label: &str, der: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let value = u32::from_be_bytes([0, chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)]);
        for at in 0..4u32 {
            let letter = ALPHABET[(value >> (18 - 6 * at)) as usize & 63];
            text.push(if at as usize <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

/// A PFX with the chain (leaf first) and its key.
pub fn pfx(certificates: &[&Spec], key: &Key, password: &str, encryption: EncryptionAlgorithm) -> Vec<u8> {
    let certificates = certificates.iter().map(|spec| Certificate::from_der(&spec.der()).unwrap());
    let chain = PrivateKeyChain::new("1", PrivateKey::from_der(&key.pkcs8).unwrap(), certificates);
    let mut store = KeyStore::new();
    store.add_entry("setup", KeyStoreEntry::PrivateKeyChain(chain));
    store
        .writer(password)
        .encryption_algorithm(encryption)
        .encryption_iterations(1000)
        .mac_iterations(1000)
        .write()
        .unwrap()
}

/// The same PFX without its integrity check: the file ends after the second item of the outer sequence.
pub fn without_mac(pfx: &[u8]) -> Vec<u8> {
    let (head, len) = header(pfx);
    let version = &pfx[head..head + 3];
    let content = &pfx[head + 3..head + len];
    let (inner_head, inner_len) = header(content);
    sequence(&[version.to_vec(), content[..inner_head + inner_len].to_vec()])
}

/// Lengths of the header and of the contents of what `der` begins with.
fn header(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..=0x7f => (2, short.into()),
        long => {
            let octets = usize::from(long & 0x7f);
            (2 + octets, der[2..2 + octets].iter().fold(0, |len, octet| len << 8 | usize::from(*octet)))
        }
    }
}

fn name(attributes: &[(&'static str, String)]) -> Vec<u8> {
    let one =
        |(kind, value): &(&'static str, String)| tagged(0x31, &sequence(&[oid(kind), tagged(0x0c, value.as_bytes())]));
    sequence(&attributes.iter().map(one).collect::<Vec<_>>())
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tagged(3, &[&[0], bytes].concat())
}

fn oid(dotted: &str) -> Vec<u8> {
    let parts: Vec<u32> = dotted.split('.').map(|part| part.parse().unwrap()).collect();
    let mut out = vec![(parts[0] * 40 + parts[1]) as u8];
    for part in &parts[2..] {
        let septets = (0..5).rev().map(|at| (part >> (7 * at)) as u8 & 0x7f).skip_while(|septet| *septet == 0);
        let mut septets: Vec<u8> = septets.collect();
        if septets.is_empty() {
            septets.push(0);
        }
        let last = septets.len() - 1;
        septets[..last].iter_mut().for_each(|septet| *septet |= 0x80);
        out.extend_from_slice(&septets);
    }
    tagged(6, &out)
}

fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    tagged(0x30, &items.concat())
}

fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = contents.len();
    let head = match len {
        0..=0x7f => vec![tag, len as u8],
        0x80..=0xff => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [&head, contents].concat()
}
