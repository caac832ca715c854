//! A provisioning certificate for virtual machines: what one would buy from a listed authority, made from the key pool.
//!
//! For demonstrations and tests only: the keys are public. The chain is what firmware asks for (`spec/hello-tls.md` §2.3):
//! root, intermediate, and a leaf with server authentication, Intel's OID and a common name below the DNS suffix.

use crate::keys::{KeySize, PoolKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, PKCS_RSA_SHA384, SerialNumber, date_time_ymd,
};

/// Intel's OID for setup servers, 2.16.840.1.113741.1.2.3.
pub const SETUP_SERVER_OID: [u64; 8] = [2, 16, 840, 1, 113_741, 1, 2, 3];

/// A chain that virtual machines with its root in their list accept.
pub struct ProvisioningChain {
    /// Leaf, intermediate, root; DER.
    pub chain: Vec<Vec<u8>>,
    /// Key of the leaf, PKCS#8 DER.
    pub key: Vec<u8>,
}

/// What a chain is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// RSA-2048 and SHA-256: firmware up to AMT 21.
    Rsa2048,
    /// RSA-3072 and SHA-384: AMT 22.
    Rsa3072,
}

impl Strength {
    fn size(self) -> KeySize {
        match self {
            Self::Rsa2048 => KeySize::Rsa2048,
            Self::Rsa3072 => KeySize::Rsa3072,
        }
    }

    fn pair(self, key: &PoolKey) -> KeyPair {
        let algorithm = if self == Self::Rsa3072 { &PKCS_RSA_SHA384 } else { &PKCS_RSA_SHA256 };
        KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), algorithm).expect("keys of the pool are RSA")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "Virtual AMT provisioning",
            Self::Rsa3072 => "Virtual AMT provisioning RSA-3072",
        }
    }

    /// Keys of root, intermediate and leaf: at the end of the pool, where few machines draw theirs.
    fn keys(self) -> [&'static PoolKey; 3] {
        let last = self.size().pool_size() - 1;
        [0, 1, 2].map(|back| self.size().key(last - back))
    }
}

impl ProvisioningChain {
    /// A chain whose leaf is named `provisionserver.<suffix>`, of RSA-2048 and SHA-256.
    pub fn new(suffix: &str) -> Self {
        Self::of(Strength::Rsa2048, suffix)
    }

    /// The same, made with `strength`.
    pub fn of(strength: Strength, suffix: &str) -> Self {
        let name = strength.name();
        let root = params(&format!("{name} root"), 1, true);
        let intermediate = params(&format!("{name} intermediate"), 2, true);
        let mut leaf = params(&format!("provisionserver.{suffix}"), 3, false);
        leaf.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Other(SETUP_SERVER_OID.to_vec())];
        let [root_key, intermediate_key, leaf_key] = strength.keys();
        let pair = |key| strength.pair(key);
        let root_issuer = Issuer::from_params(&root, pair(root_key));
        let intermediate_issuer = Issuer::from_params(&intermediate, pair(intermediate_key));
        let made = "the parameters are fixed";
        let chain = vec![
            leaf.signed_by(&pair(leaf_key), &intermediate_issuer).expect(made).der().to_vec(),
            intermediate.signed_by(&pair(intermediate_key), &root_issuer).expect(made).der().to_vec(),
            root.self_signed(&pair(root_key)).expect(made).der().to_vec(),
        ];
        Self { chain, key: leaf_key.pkcs8().to_vec() }
    }

    /// Signs with the leaf's key: RSA, PKCS#1 v1.5, SHA-256, as host-based setup wants it.
    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let pair = ring::rsa::KeyPair::from_pkcs8(&self.key).expect("a key of the pool");
        let mut signature = vec![0; pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        pair.sign(&ring::signature::RSA_PKCS1_SHA256, &random, data, &mut signature).expect("the buffer fits");
        signature
    }

    /// Chain and key as PEM, in one text: what setup servers read.
    pub fn pem(&self) -> String {
        let mut text: String = self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        text.push_str(&pem("PRIVATE KEY", &self.key));
        text
    }

    /// The root as PEM.
    pub fn root_pem(&self) -> String {
        pem("CERTIFICATE", self.root())
    }

    /// The root, DER: what goes into the machines' list by its hash.
    pub fn root(&self) -> &[u8] {
        self.chain.last().map_or(&[], Vec::as_slice)
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).filter_map(|at| base64.get(at..base64.len().min(at + 64))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn params(common_name: &str, serial: u64, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.distinguished_name.push(DnType::OrganizationName, "Virtual AMT");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2039, 12, 31);
    params.serial_number = Some(SerialNumber::from(serial));
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    } else {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    }
    params
}
