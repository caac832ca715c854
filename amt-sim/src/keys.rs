//! The pool of pre-made RSA-2048 keys that virtual machines draw from.
//!
//! The keys are public test keys (see `keys/README.md`). A real machine takes seconds to make one; a process with
//! thousands of virtual ones cannot, so they share. Certificates stay distinct.

use ring::rsa::KeyPair;
use std::fmt;
use std::sync::OnceLock;

/// Number of keys in the pool.
pub const POOL_SIZE: usize = 16;

/// A key of the pool.
pub struct PoolKey {
    pkcs8: &'static [u8],
    pair: KeyPair,
    public: Vec<u8>,
}

/// Hash of an RSA PKCS#1 v1.5 signature that the pool can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

macro_rules! files {
    ($($n:literal)*) => { [$(include_bytes!(concat!("../keys/rsa2048-", $n, ".der")).as_slice(),)*] };
}

static FILES: [&[u8]; POOL_SIZE] =
    files!("00" "01" "02" "03" "04" "05" "06" "07" "08" "09" "10" "11" "12" "13" "14" "15");

/// The key at `index`, counted modulo the pool's size.
pub fn key(index: usize) -> &'static PoolKey {
    static POOL: OnceLock<Vec<PoolKey>> = OnceLock::new();
    let pool = POOL.get_or_init(|| FILES.iter().map(|pkcs8| PoolKey::read(pkcs8)).collect());
    &pool[index % POOL_SIZE]
}

/// A private key that a machine holds.
#[derive(Clone)]
pub enum DeviceKey {
    /// One of the pool: made in the machine, or its own from the factory.
    Pool(&'static PoolKey),
}

impl DeviceKey {
    /// The private key, PKCS#8 DER.
    pub fn pkcs8(&self) -> &[u8] {
        match self {
            Self::Pool(key) => key.pkcs8,
        }
    }

    /// The public half, PKCS#1 `RSAPublicKey`.
    pub fn public_pkcs1(&self) -> &[u8] {
        match self {
            Self::Pool(key) => key.public_pkcs1(),
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

impl PoolKey {
    fn read(pkcs8: &'static [u8]) -> Self {
        let pair = KeyPair::from_pkcs8(pkcs8).expect("the keys of the pool are committed and tested");
        let public = pair.public().as_ref().to_vec();
        Self { pkcs8, pair, public }
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
            SignatureHash::Sha256 => &ring::signature::RSA_PKCS1_SHA256,
            SignatureHash::Sha384 => &ring::signature::RSA_PKCS1_SHA384,
        };
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(padding, &ring::rand::SystemRandom::new(), message, &mut signature)
            .expect("the buffer has the modulus' length");
        signature
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
}
