//! The chip's own authority: the chain that the local TLS port serves from CSME 15 on (`spec/wsman.md` §4(d) d3).
//!
//! Real chains end at Intel's root. These end at a root that all virtual machines share, [`root`], and that a test or a program
//! is told; its key is one of the public test keys.

use crate::authority::pem;
use crate::keys::{DeviceKey, PoolKey, key};
use crate::seed::Seeded;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SerialNumber, date_time_ymd,
};

/// Common name of the leaf.
pub const LEAF: &str = "AMT RCFG";
/// Common name of the fourth certificate: the one that the chip's ROM vouches with.
pub const ROM: &str = "CSME Virtual ROM CA";
/// Organizational unit of the ROM certificate's issuer.
pub const AUTHORITY_UNIT: &str = "ODCA 2 CSME P";

const ROOT: &str = "Virtual OnDie CA Root Cert Signing";
const AUTHORITY: &str = "Virtual ODCA 2 CSME Intermediate CA";
/// Keys of the pool, from the root down to the leaf's issuer.
const KEYS: [usize; 5] = [4, 5, 6, 7, 8];

/// The root that every virtual machine's chain ends at, DER.
pub fn root() -> Vec<u8> {
    let made = authority(ROOT, None, 1).self_signed(&pair(key(KEYS[0])));
    made.expect("the parameters are fixed").der().to_vec()
}

/// The same as PEM.
pub fn root_pem() -> String {
    pem("CERTIFICATE", &root())
}

/// The chain of a machine, leaf first: leaf, two authorities of the firmware, the ROM's, the maker's, and the root.
pub(crate) fn chain(leaf_key: &DeviceKey, seed: u64) -> Vec<Vec<u8>> {
    let mut serials = Seeded::new(seed, "ondie");
    let mut serial = || serials.number() >> 1 | 1 << 62;
    let mut chain = Vec::new();
    let root = authority(ROOT, None, 1);
    let mut issuer = (root.clone(), key(KEYS[0]));
    chain.push(sign(root, key(KEYS[0]), None));
    let names = [
        (AUTHORITY, Some(AUTHORITY_UNIT)),
        (ROM, None),
        ("CSME Virtual Kernel CA", None),
        ("CSME Virtual AMT CA", None),
    ];
    for ((name, unit), own) in names.into_iter().zip(KEYS.into_iter().skip(1)) {
        let number = if name == AUTHORITY { 2 } else { serial() };
        let params = authority(name, unit, number);
        chain.push(sign(params.clone(), key(own), Some(&issuer)));
        issuer = (params, key(own));
    }
    let mut leaf = named(LEAF, None, serial());
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let public = KeyPair::from_pkcs8_der_and_sign_algo(&leaf_key.pkcs8().into(), &PKCS_RSA_SHA256);
    // Personas with this chain have keys that ring signs with.
    let public = public.expect("a key of 2048 bits or more");
    let (params, issuer_key) = issuer;
    let signed = leaf.signed_by(&public, &Issuer::from_params(&params, pair(issuer_key)));
    chain.push(signed.expect("the parameters are fixed").der().to_vec());
    chain.reverse();
    chain
}

fn sign(params: CertificateParams, own: &PoolKey, issuer: Option<&(CertificateParams, &'static PoolKey)>) -> Vec<u8> {
    let signed = match issuer {
        None => params.self_signed(&pair(own)),
        Some((issuer, key)) => params.signed_by(&pair(own), &Issuer::from_params(issuer, pair(key))),
    };
    signed.expect("the parameters are fixed").der().to_vec()
}

fn pair(key: &PoolKey) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), &PKCS_RSA_SHA256).expect("keys of the pool are RSA")
}

fn authority(name: &str, unit: Option<&str>, serial: u64) -> CertificateParams {
    let mut params = named(name, unit, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str, unit: Option<&str>, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(unit) = unit {
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    }
    params.distinguished_name.push(DnType::OrganizationName, "Virtual AMT");
    params.not_before = date_time_ymd(2021, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::*;

    #[test]
    fn the_chain_is_linked_and_named_as_documented() {
        let chain = chain(&DeviceKey::Pool(key(1)), 7);
        assert_eq!(chain.len(), 6);
        assert!(crate::chain::is_linked(&chain));
        assert_eq!(chain[5], root());
        let subject = |at: usize| X509Certificate::from_der(&chain[at]).unwrap().1.subject().to_string();
        assert!(subject(0).contains(LEAF) && subject(3).contains("ROM CA"));
        let rom = X509Certificate::from_der(&chain[3]).unwrap().1;
        let unit = rom.issuer().iter_organizational_unit().next().unwrap().as_str().unwrap();
        assert!(unit.starts_with("ODCA"));
        assert_ne!(super::chain(&DeviceKey::Pool(key(1)), 8)[0], chain[0], "of one machine");
    }
}
