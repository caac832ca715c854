//! Provisioning chains: a good one, and one for every rule that it breaks.

use amt_sim::keys;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_RSA_SHA256,
};

pub const OID: &[u64] = &[2, 16, 840, 1, 113_741, 1, 2, 3];
pub const OU: &str = "Intel(R) Client Setup Certificate";

/// Leaf first.
#[derive(Clone, Debug)]
pub struct Chain {
    pub certificates: Vec<Vec<u8>>,
    /// PKCS#8 of the leaf's key.
    pub key: Vec<u8>,
}

impl Chain {
    pub fn root(&self) -> &[u8] {
        self.certificates.last().unwrap()
    }

    pub fn without_root(mut self) -> Self {
        self.certificates.pop();
        self
    }

    pub fn reversed(mut self) -> Self {
        self.certificates.reverse();
        self
    }
}

/// What a leaf says.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub name: String,
    pub ou: Option<String>,
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    pub expired: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            name: "provision.example.com".into(),
            ou: None,
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::Other(OID.to_vec())],
            expired: false,
        }
    }
}

pub fn pair(index: usize) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&keys::key(index).pkcs8().into(), &PKCS_RSA_SHA256).unwrap()
}

pub fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

pub fn authority(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn leaf_params(leaf: &Leaf) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&leaf.name);
    if let Some(ou) = &leaf.ou {
        params.distinguished_name.push(DnType::OrganizationalUnitName, ou.as_str());
    }
    params.extended_key_usages.clone_from(&leaf.usages);
    if leaf.expired {
        params.not_before = rcgen::date_time_ymd(2010, 1, 1);
        params.not_after = rcgen::date_time_ymd(2012, 1, 1);
    }
    // So that an otherwise empty leaf still is a version 3 certificate.
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0])];
    params
}

/// Leaf, intermediate and root.
pub fn with_leaf(leaf: &Leaf) -> Chain {
    let root = CertifiedIssuer::self_signed(authority("Test root"), pair(8)).unwrap();
    let middle = CertifiedIssuer::signed_by(authority("Test intermediate"), pair(9), &root).unwrap();
    let key = pair(10);
    let certificate = leaf_params(leaf).signed_by(&key, &middle).unwrap();
    Chain {
        certificates: vec![certificate.der().to_vec(), middle.der().to_vec(), root.der().to_vec()],
        key: keys::key(10).pkcs8().to_vec(),
    }
}

pub fn good() -> Chain {
    with_leaf(&Leaf::default())
}

/// Same names, but the leaf is signed by a key that is not the intermediate's.
pub fn forged() -> Chain {
    let mut chain = good();
    let root = CertifiedIssuer::self_signed(authority("Test root"), pair(8)).unwrap();
    let impostor = CertifiedIssuer::signed_by(authority("Test intermediate"), pair(11), &root).unwrap();
    let leaf = leaf_params(&Leaf::default()).signed_by(&pair(10), &impostor).unwrap();
    chain.certificates[0] = leaf.der().to_vec();
    chain
}

/// A CA that issues server certificates for machines.
pub fn server_authority() -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority("Site CA"), pair(12)).unwrap()
}

/// A chain made by OpenSSL (`tests/chains`); the leaf's key is number 10 of the pool.
pub fn from_file(name: &str) -> Chain {
    let path = format!("{}/tests/chains/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path).unwrap();
    let certificates = x509_parser::pem::Pem::iter_from_buffer(&text).map(|p| p.unwrap().contents).collect();
    Chain { certificates, key: keys::key(10).pkcs8().to_vec() }
}
