//! The keys of virtual machines: pools of pre-made ones, and those that a setup server uploads.
//!
//! The keys of the pools are public test keys (see `keys/README.md`). A real machine takes seconds to make one; a process
//! with thousands of virtual ones cannot, so they share. Certificates stay distinct.

use ring::rsa::KeyPair;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::traits::PublicKeyParts as _;
use serde::Deserialize;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Number of keys in the pool of RSA-2048.
pub const POOL_SIZE: usize = 16;
/// Smallest and largest RSA modulus that a setup server may upload, in bits.
const UPLOADED_BITS: std::ops::RangeInclusive<u32> = 1024..=2048;

/// A key of a pool.
pub struct PoolKey {
    pkcs8: &'static [u8],
    /// What signs; ring has nothing for keys below 2048 bits, rounded up to bytes.
    pair: Option<KeyPair>,
    public: Vec<u8>,
}

/// Hash of an RSA PKCS#1 v1.5 signature that the machines can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureHash {
    /// SHA-1: only in certificates of old firmware.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

macro_rules! files {
    ($bits:literal $($n:literal)*) => {
        [$(include_bytes!(concat!("../keys/rsa", $bits, "-", $n, ".der")).as_slice(),)*]
    };
}

/// The size of a key that a machine holds from the factory or makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub enum KeySize {
    /// 1024 bits: firmware of the first years.
    Rsa1024,
    /// 2047 bits, as AMT 7 has been seen with.
    Rsa2047,
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits: AMT 22.
    Rsa3072,
}

impl TryFrom<u32> for KeySize {
    type Error = String;

    fn try_from(bits: u32) -> Result<Self, String> {
        let all = [Self::Rsa1024, Self::Rsa2047, Self::Rsa2048, Self::Rsa3072];
        all.into_iter().find(|size| size.bits() == bits).ok_or_else(|| format!("there are no keys of {bits} bits"))
    }
}

impl KeySize {
    /// Bits of the modulus.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Rsa1024 => 1024,
            Self::Rsa2047 => 2047,
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
        }
    }

    fn pool(self) -> &'static [PoolKey] {
        static POOLS: [OnceLock<Vec<PoolKey>>; 4] = [const { OnceLock::new() }; 4];
        let files: &[&'static [u8]] = match self {
            Self::Rsa1024 => &files!("1024" "00" "01"),
            Self::Rsa2047 => &files!("2047" "00" "01" "02" "03"),
            Self::Rsa2048 => {
                &files!("2048" "00" "01" "02" "03" "04" "05" "06" "07" "08" "09" "10" "11" "12" "13" "14" "15")
            }
            Self::Rsa3072 => &files!("3072" "00" "01" "02" "03"),
        };
        POOLS[self as usize].get_or_init(|| files.iter().map(|pkcs8| PoolKey::read(pkcs8)).collect())
    }

    /// The key at `index`, counted modulo the pool's size.
    pub fn key(self, index: usize) -> &'static PoolKey {
        let pool = self.pool();
        &pool[index % pool.len()]
    }

    /// Number of keys in the pool.
    pub fn pool_size(self) -> usize {
        self.pool().len()
    }
}

/// The RSA-2048 key at `index`, counted modulo the pool's size.
pub fn key(index: usize) -> &'static PoolKey {
    KeySize::Rsa2048.key(index)
}

impl PoolKey {
    fn read(pkcs8: &'static [u8]) -> Self {
        let public = rsa_key(pkcs8).to_public_key().to_pkcs1_der().expect("an RSA key has a public half");
        Self { pkcs8, pair: KeyPair::from_pkcs8(pkcs8).ok(), public: public.as_bytes().to_vec() }
    }

    /// The private key, PKCS#8 DER.
    pub fn pkcs8(&self) -> &'static [u8] {
        self.pkcs8
    }

    /// The public half as PKCS#1 `RSAPublicKey`: what `AMT_PublicPrivateKeyPair.DERKey` holds.
    pub fn public_pkcs1(&self) -> &[u8] {
        &self.public
    }

    /// An RSA PKCS#1 v1.5 signature over `message`.
    pub fn sign(&self, hash: SignatureHash, message: &[u8]) -> Vec<u8> {
        let padding: &dyn ring::signature::RsaEncoding = match hash {
            SignatureHash::Sha1 => return sign_slowly(self.pkcs8, hash, message),
            SignatureHash::Sha256 => &ring::signature::RSA_PKCS1_SHA256,
            SignatureHash::Sha384 => &ring::signature::RSA_PKCS1_SHA384,
        };
        let Some(pair) = &self.pair else { return sign_slowly(self.pkcs8, hash, message) };
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(padding, &ring::rand::SystemRandom::new(), message, &mut signature)
            .expect("the buffer has the modulus' length");
        signature
    }
}

/// What ring does not sign: SHA-1, and keys below 2048 bits.
fn sign_slowly(pkcs8: &[u8], hash: SignatureHash, message: &[u8]) -> Vec<u8> {
    let key = rsa_key(pkcs8);
    let signed = match hash {
        SignatureHash::Sha1 => key.pkcs1v15_sign::<sha1::Sha1>(message),
        SignatureHash::Sha256 => key.pkcs1v15_sign::<sha2::Sha256>(message),
        SignatureHash::Sha384 => key.pkcs1v15_sign::<sha2::Sha384>(message),
    };
    signed.expect("an RSA key of 1024 bits has room for every hash")
}

fn rsa_key(pkcs8: &[u8]) -> rsa::PrivateKey {
    rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("keys were read before")
}

/// A private key that a machine holds.
#[derive(Clone)]
pub enum DeviceKey {
    /// One of a pool: made in the machine, or its own from the factory.
    Pool(&'static PoolKey),
    /// One that a setup server made (`AddKey`).
    Uploaded(Arc<UploadedKey>),
}

/// A key from outside.
pub struct UploadedKey {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl DeviceKey {
    /// Reads a PKCS#1 `RSAPrivateKey`. Nothing if it is none, if its parts do not belong together, or if its size is not
    /// between 1024 and 2048 bits.
    pub fn uploaded(pkcs1: &[u8]) -> Option<Self> {
        let key = rsa::PrivateKey::from_pkcs1_der(pkcs1).ok()?;
        key.validate().ok()?;
        if !UPLOADED_BITS.contains(&key.n().bit_width()) {
            return None;
        }
        let pkcs8 = key.to_pkcs8_der().ok()?.as_bytes().to_vec();
        let public = key.to_public_key().to_pkcs1_der().ok()?.as_bytes().to_vec();
        Some(Self::Uploaded(Arc::new(UploadedKey { pkcs8, public })))
    }

    /// The private key, PKCS#8 DER.
    pub fn pkcs8(&self) -> &[u8] {
        match self {
            Self::Pool(key) => key.pkcs8,
            Self::Uploaded(key) => &key.pkcs8,
        }
    }

    /// The public half, PKCS#1 `RSAPublicKey`.
    pub fn public_pkcs1(&self) -> &[u8] {
        match self {
            Self::Pool(key) => key.public_pkcs1(),
            Self::Uploaded(key) => &key.public,
        }
    }

    /// An RSA PKCS#1 v1.5 signature over `message`.
    pub fn sign(&self, hash: SignatureHash, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Pool(key) => key.sign(hash, message),
            Self::Uploaded(key) => sign_slowly(&key.pkcs8, hash, message),
        }
    }
}

impl PartialEq for DeviceKey {
    fn eq(&self, other: &Self) -> bool {
        self.public_pkcs1() == other.public_pkcs1()
    }
}

impl Eq for DeviceKey {}

impl fmt::Debug for DeviceKey {
    /// Nothing of the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_of_the_pool_reads_and_differs() {
        let publics: HashSet<&[u8]> = (0..POOL_SIZE).map(|i| key(i).public_pkcs1()).collect();
        assert_eq!(publics.len(), POOL_SIZE);
        assert_eq!(key(POOL_SIZE).public_pkcs1(), key(0).public_pkcs1());
        assert_eq!(key(3).sign(SignatureHash::Sha256, b"x").len(), 256);
    }

    #[test]
    fn keys_of_every_size_sign_with_every_hash() {
        for bits in [1024, 2047, 2048, 3072] {
            let size = KeySize::try_from(bits).unwrap();
            let publics: HashSet<&[u8]> = (0..size.pool_size()).map(|i| size.key(i).public_pkcs1()).collect();
            assert_eq!(publics.len(), size.pool_size());
            let key = size.key(1);
            let public = rsa_key(key.pkcs8()).to_public_key();
            assert_eq!(public.n().bit_width(), bits);
            public.pkcs1v15_verify::<sha1::Sha1>(b"x", &key.sign(SignatureHash::Sha1, b"x")).unwrap();
            public.pkcs1v15_verify::<sha2::Sha256>(b"x", &key.sign(SignatureHash::Sha256, b"x")).unwrap();
            public.pkcs1v15_verify::<sha2::Sha384>(b"x", &key.sign(SignatureHash::Sha384, b"x")).unwrap();
        }
        assert!(KeySize::try_from(4096).is_err());
    }

    #[test]
    fn an_uploaded_key_is_whole_and_of_a_size_that_fits() {
        use rsa::pkcs1::EncodeRsaPrivateKey as _;
        let pkcs1 = |size: KeySize| rsa_key(size.key(0).pkcs8()).to_pkcs1_der().unwrap().as_bytes().to_vec();
        for size in [KeySize::Rsa1024, KeySize::Rsa2047, KeySize::Rsa2048] {
            let key = DeviceKey::uploaded(&pkcs1(size)).unwrap();
            assert_eq!(key, DeviceKey::Pool(size.key(0)));
            assert_eq!(format!("{key:?}"), "DeviceKey");
        }
        assert!(DeviceKey::uploaded(&pkcs1(KeySize::Rsa3072)).is_none(), "too large");
        let good = pkcs1(KeySize::Rsa1024);
        for cut in 0..good.len() {
            assert!(DeviceKey::uploaded(&good[..cut]).is_none(), "cut at {cut}");
        }
        assert!(DeviceKey::uploaded(key(0).pkcs8()).is_none(), "PKCS#8 is not PKCS#1");
        // Another modulus than the primes have.
        let mut wrong = good.clone();
        wrong[40] ^= 4;
        assert!(DeviceKey::uploaded(&wrong).is_none());
    }
}
