//! The chain of a chip's own authority, checked with its signatures.

use super::facts;
use amt_core::pki::{self, MAX_ON_DIE, OnDieFault};

/// Checks a chain as it was presented, leaf first.
///
/// # Errors
/// The check that it does not pass.
pub(crate) fn check_on_die(presented: &[Vec<u8>], roots: &[Vec<u8>]) -> Result<(), OnDieFault> {
    // Whoever presents it decides how long it is.
    if presented.len() > MAX_ON_DIE {
        return Err(OnDieFault::Length { have: presented.len() });
    }
    let all = facts::chain(&[presented, roots].concat(), &[], None);
    let facts = all.map_err(|failure| OnDieFault::Unreadable { why: failure.into_details().message })?;
    pki::check_on_die(&facts, presented, roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384,
    };

    /// Names and units from the root down to the leaf, as real chains have them.
    const NAMES: [(&str, &str); 6] = [
        ("OnDie CA Root Cert Signing", ""),
        ("OnDie CA CSME Intermediate CA", "ODCA 2 CSME P"),
        ("CSME TGL ROM CA", ""),
        ("CSME TGL Kernel CA", ""),
        ("CSME TGL AMT CA", ""),
        ("AMT RCFG", ""),
    ];

    /// A chain of elliptic keys, leaf first.
    fn chain(names: &[(&str, &str)]) -> Vec<Vec<u8>> {
        let mut chain = Vec::new();
        let mut issuer: Option<(CertificateParams, KeyPair)> = None;
        for (name, unit) in names {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, *name);
            if !unit.is_empty() {
                params.distinguished_name.push(DnType::OrganizationalUnitName, *unit);
            }
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let made = match &issuer {
                None => params.self_signed(&key),
                Some((above, signer)) => params.signed_by(&key, &Issuer::from_params(above, signer)),
            };
            chain.insert(0, made.unwrap().der().to_vec());
            issuer = Some((params, key));
        }
        chain
    }

    fn with(at: usize, name: (&'static str, &'static str)) -> Vec<Vec<u8>> {
        let mut names = NAMES;
        names[at] = name;
        chain(&names)
    }

    #[test]
    fn a_chain_of_six_and_one_of_four_are_taken_by_what_is_trusted() {
        let six = chain(&NAMES);
        assert_eq!(check_on_die(&six, &six[5..]), Ok(()));
        assert_eq!(check_on_die(&six[..4], &six[4..5]), Ok(()), "by the authority above the ROM");
        let other = chain(&NAMES);
        assert!(matches!(check_on_die(&six, &other[5..]), Err(OnDieFault::Root { .. })), "of the same name");
        assert!(matches!(check_on_die(&six, &[]), Err(OnDieFault::Root { .. })));
        assert!(matches!(check_on_die(&six[..4], &six[5..]), Err(OnDieFault::Root { .. })), "a gap");
    }

    #[test]
    fn each_check_that_fails_is_named() {
        let six = chain(&NAMES);
        let roots = &six[5..];
        let fault = |presented: &[Vec<u8>]| check_on_die(presented, roots).unwrap_err();
        for length in [0, 1, 2, 3, 5] {
            assert_eq!(fault(&six[..length]), OnDieFault::Length { have: length });
        }
        assert_eq!(fault(&[&six[..], &six[..]].concat()), OnDieFault::Length { have: 12 });
        let check = |chain: Vec<Vec<u8>>| check_on_die(&chain, &chain[5..]).unwrap_err();
        assert!(matches!(check(with(5, ("AMT RCFG 2", ""))), OnDieFault::Leaf { .. }));
        assert!(matches!(check(with(2, ("CSME TGL RAM CA", ""))), OnDieFault::Rom { .. }));
        assert!(matches!(check(with(1, ("Intermediate", "OCDA 2"))), OnDieFault::Authority { .. }));
        assert!(matches!(check(with(1, ("Intermediate", ""))), OnDieFault::Authority { .. }));
        let mut swapped = six.clone();
        swapped.swap(1, 2);
        assert!(matches!(fault(&swapped), OnDieFault::Order { at: 1, .. }));
        let mut forged = six.clone();
        forged[0] = chain(&NAMES)[0].clone();
        assert_eq!(fault(&forged), OnDieFault::Signature { at: 1 });
        // The last byte of a signature.
        for at in 0..5 {
            let mut broken = six.clone();
            *broken[at].last_mut().unwrap() ^= 1;
            assert_eq!(fault(&broken), OnDieFault::Signature { at: at + 1 });
        }
        let text = OnDieFault::Signature { at: 2 }.to_string();
        assert_eq!(text, "signature: the one on certificate 2 is not by its issuer");
    }

    #[test]
    fn a_certificate_cut_anywhere_is_told_as_such() {
        let six = chain(&NAMES);
        for at in [0, 3, 5] {
            for length in 0..six[at].len() {
                let mut cut = six.clone();
                cut[at].truncate(length);
                let fault = check_on_die(&cut, &six[5..]).unwrap_err();
                assert!(matches!(fault, OnDieFault::Unreadable { .. }), "{at} {length}: {fault:?}");
            }
        }
    }
}
