//! A provisioning certificate for virtual machines: what one would buy from a listed authority, made from the key pool.
//!
//! For demonstrations and tests only: the keys are public. The chain is what firmware asks for (`spec/hello-tls.md` §2.3):
//! root, intermediate, and a leaf with server authentication, Intel's OID and a common name below the DNS suffix.

use crate::keys;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};

/// Intel's OID for setup servers, 2.16.840.1.113741.1.2.3.
pub const SETUP_SERVER_OID: [u64; 8] = [2, 16, 840, 1, 113_741, 1, 2, 3];

// Keys at the end of the pool, where few machines draw theirs.
const ROOT_KEY: usize = keys::POOL_SIZE - 1;
const INTERMEDIATE_KEY: usize = keys::POOL_SIZE - 2;
const LEAF_KEY: usize = keys::POOL_SIZE - 3;

/// A chain that virtual machines with its root in their list accept.
pub struct ProvisioningChain {
    /// Leaf, intermediate, root; DER.
    pub chain: Vec<Vec<u8>>,
    /// Key of the leaf, PKCS#8 DER.
    pub key: Vec<u8>,
}

impl ProvisioningChain {
    /// A chain whose leaf is named `provisionserver.<suffix>`.
    pub fn new(suffix: &str) -> Self {
        let root = params("Virtual AMT provisioning root", 1, true);
        let intermediate = params("Virtual AMT provisioning intermediate", 2, true);
        let mut leaf = params(&format!("provisionserver.{suffix}"), 3, false);
        leaf.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Other(SETUP_SERVER_OID.to_vec())];
        let root_issuer = Issuer::from_params(&root, pair(ROOT_KEY));
        let intermediate_issuer = Issuer::from_params(&intermediate, pair(INTERMEDIATE_KEY));
        let made = "the parameters are fixed";
        let chain = vec![
            leaf.signed_by(&pair(LEAF_KEY), &intermediate_issuer).expect(made).der().to_vec(),
            intermediate.signed_by(&pair(INTERMEDIATE_KEY), &root_issuer).expect(made).der().to_vec(),
            root.self_signed(&pair(ROOT_KEY)).expect(made).der().to_vec(),
        ];
        Self { chain, key: keys::key(LEAF_KEY).pkcs8().to_vec() }
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

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).filter_map(|at| base64.get(at..base64.len().min(at + 64))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn pair(index: usize) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&keys::key(index).pkcs8().into(), &PKCS_RSA_SHA256)
        .expect("keys of the pool are RSA")
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
