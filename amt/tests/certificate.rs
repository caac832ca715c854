//! Provisioning certificates out of files of every kind, and what is said of files that are none.

use crate::chains;
use crate::chains::*;
use amt::ProvisioningCertificate;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt_core::hello::{HashAlgorithm, Hello, HelloKind, RootHash};
use amt_core::pki::{ChooseInput, MAX_CERTIFICATES, choose};
use amt_core::{ErrorCode, Secret, SystemId};
use p12_keystore::EncryptionAlgorithm;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;

const PASSWORD: &str = "P@ssw0rd";

fn chain() -> [Spec; 3] {
    let root = root("Good Root", &key("root", 2048));
    let intermediate = issuer("Good Issuer", &key("intermediate", 2048), root.signer());
    [leaf("vpro.example.com", &key("leaf", 2048), intermediate.signer()), intermediate, root]
}

fn hello(root: &[u8]) -> Hello {
    let digest = ring::digest::digest(&ring::digest::SHA256, root);
    let roots = RootHash::new(HashAlgorithm::SHA256, digest.as_ref()).into_iter().collect();
    let id = SystemId::from_wire([7; 16]);
    Hello { admin_credentials_set: true, retry: 0, id, kind: HelloKind::Pki { roots }, trailing: 0 }
}

#[test]
fn a_chain_in_any_order_is_presented_leaf_to_root() {
    let [leaf, intermediate, root] = chain();
    let expected = [leaf.der(), intermediate.der(), root.der()];
    for order in [[&leaf, &intermediate, &root], [&root, &intermediate, &leaf], [&intermediate, &leaf, &root]] {
        let text = [pem(&order), pem_key(&leaf.key)].concat();
        let certificate = ProvisioningCertificate::from_pem(&text, None, None).unwrap();
        assert_eq!(certificate.chain(None), expected);
        assert_eq!(certificate.key().expose(), &leaf.key.pkcs8);
        assert_eq!(
            certificate.leaf_sha256_hex(),
            certificate.facts().certificates[certificate.facts().leaf().unwrap()].sha256_hex()
        );
        assert!(!format!("{certificate:?}").contains(&format!("{:?}", &leaf.key.pkcs8[40..60])), "shows the key");
    }
}

#[test]
fn the_hello_decides_between_cross_signed_ways() {
    let [leaf, intermediate, root] = chain();
    let second = chains::root("Second Root", &key("other", 2048));
    let cross = issuer("Good Issuer", &intermediate.key, second.signer());
    let text = [pem(&[&leaf, &intermediate, &cross, &second, &root]), pem_key(&leaf.key)].concat();
    let certificate = ProvisioningCertificate::from_pem(&text, None, None).unwrap();
    assert_eq!(certificate.chain(Some(&hello(&root.der()))), [leaf.der(), intermediate.der(), root.der()]);
    assert_eq!(certificate.chain(Some(&hello(&second.der()))), [leaf.der(), cross.der(), second.der()]);
}

#[test]
fn keys_of_every_form_become_pkcs8() {
    let [leaf, intermediate, root] = chain();
    let certificates = pem(&[&leaf, &intermediate, &root]);
    let private = rsa::PrivateKey::from_pkcs8_der(&leaf.key.pkcs8).unwrap();
    let pkcs1 = block("RSA PRIVATE KEY", private.to_pkcs1_der().unwrap().as_bytes());
    for key in [pem_key(&leaf.key), leaf.key.pkcs8.clone(), pkcs1] {
        let certificate = ProvisioningCertificate::from_pem(&certificates, Some(&key), None).unwrap();
        assert_eq!(certificate.key().expose(), &leaf.key.pkcs8);
    }
}

#[test]
fn an_encrypted_key_opens_with_its_password_only() {
    let [leaf, intermediate, root] = chain();
    let certificates = pem(&[&leaf, &intermediate, &root]);
    let salt = [7; 16];
    let scheme = pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1000, &salt, [9; 16]).unwrap();
    let info = pkcs8::PrivateKeyInfoRef::try_from(leaf.key.pkcs8.as_slice()).unwrap();
    let encrypted = info.encrypt_with_params(scheme, PASSWORD).unwrap();
    let text = block("ENCRYPTED PRIVATE KEY", encrypted.as_bytes());
    let open = |key: &[u8], password: Option<&str>| {
        ProvisioningCertificate::from_pem(&certificates, Some(key), password.map(Secret::from).as_ref())
    };
    assert_eq!(open(&text, Some(PASSWORD)).unwrap().key().expose(), &leaf.key.pkcs8);
    assert_eq!(open(encrypted.as_bytes(), Some(PASSWORD)).unwrap().key().expose(), &leaf.key.pkcs8);
    for password in [None, Some(""), Some("wrong")] {
        assert_eq!(open(&text, password).unwrap_err().code, ErrorCode::PFX_OPEN, "{password:?}");
    }
}

#[test]
fn a_key_that_is_encrypted_the_old_way_is_told_with_the_remedy() {
    let [leaf, ..] = chain();
    let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
        -----END RSA PRIVATE KEY-----\n";
    let failure = Bundle::from_pem(&pem(&[&leaf]), Some(old), Some(&Secret::from(PASSWORD))).unwrap_err();
    assert_eq!(failure.code, ErrorCode::PFX_OPEN);
    assert!(failure.message.starts_with("key file: ") && failure.hint.contains("openssl pkcs8"), "{failure}");
}

#[test]
fn a_wrong_password_is_never_called_a_bad_file() {
    let [leaf, intermediate, root] = chain();
    for algorithm in [
        EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
        EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
        EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc,
    ] {
        let file = pfx(&[&leaf, &intermediate, &root], &leaf.key, PASSWORD, algorithm);
        let right = ProvisioningCertificate::from_pfx(&file, &Secret::from(PASSWORD)).unwrap();
        assert_eq!(right.chain(None), [leaf.der(), intermediate.der(), root.der()]);
        // Without the integrity check a wrong password shows only in what comes out.
        for file in [file.clone(), without_mac(&file)] {
            let failure = Bundle::from_pfx(&file, &Secret::from("wrong")).unwrap_err();
            assert_eq!(failure.code, ErrorCode::PFX_OPEN, "{failure}");
            assert!(failure.message.contains("password") && !failure.message.contains("wrong\""), "{failure}");
        }
    }
}

#[test]
fn files_of_another_kind_are_named() {
    let [leaf, ..] = chain();
    let password = Secret::from(PASSWORD);
    for bytes in [&b""[..], b"junk", &leaf.der(), b"\x30\x03\x02\x01\x04"] {
        assert_eq!(Bundle::from_pfx(bytes, &password).unwrap_err().code, ErrorCode::CERTIFICATE_PARSE);
    }
    for bytes in [&b""[..], b"junk", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"] {
        assert_eq!(Bundle::from_pem(bytes, None, None).unwrap_err().code, ErrorCode::CERTIFICATE_PARSE);
    }
    let mut damaged = leaf.der();
    damaged.truncate(damaged.len() - 1);
    let failure = Bundle::from_pem(&pem_of(&damaged), None, None).unwrap_err();
    assert!(failure.message.contains("certificate 1 of the bundle"), "{failure}");
}

fn pem_of(der: &[u8]) -> Vec<u8> {
    block("CERTIFICATE", der)
}

#[test]
fn every_truncation_of_a_pfx_fails_and_none_panics() {
    let [leaf, intermediate, root] = chain();
    let file =
        pfx(&[&leaf, &intermediate, &root], &leaf.key, PASSWORD, EncryptionAlgorithm::PbeWithHmacSha256AndAes256);
    for cut in (0..file.len()).step_by(41) {
        assert!(Bundle::from_pfx(&file[..cut], &Secret::from(PASSWORD)).is_err(), "cut at {cut}");
    }
}

#[test]
fn the_limits_are_kept() {
    let too_large = vec![b'x'; MAX_BUNDLE + 1];
    assert_eq!(Bundle::from_pem(&too_large, None, None).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
    assert_eq!(Bundle::from_pfx(&too_large, &Secret::from("")).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
    let [leaf, ..] = chain();
    let one = pem(&[&leaf]);
    let many = one.repeat(MAX_CERTIFICATES + 1);
    assert_eq!(Bundle::from_pem(&many, None, None).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
    assert_eq!(Bundle::from_pem(&one.repeat(MAX_CERTIFICATES), None, None).unwrap().facts().certificates.len(), 1);
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    let [leaf, intermediate, root] = chain();
    let certificates = pem(&[&leaf, &intermediate, &root]);
    let with = |keys: &[&Key]| {
        let keys: Vec<u8> = keys.iter().flat_map(|key| pem_key(key)).collect();
        ProvisioningCertificate::from_pem(&[certificates.clone(), keys].concat(), None, None)
    };
    for keys in [&[][..], &[&*leaf.key, &*root.key], &[&*root.key], &[&*key("other", 2048)]] {
        assert_eq!(with(keys).unwrap_err().code, ErrorCode::PFX_OPEN);
    }
}

#[test]
fn candidates_are_tried_by_root_then_winner_then_suffix() {
    let [leaf, intermediate, root] = chain();
    let second = chains::root("Second Root", &key("other", 2048));
    let load = |specs: &[&Spec], key: &Key| {
        ProvisioningCertificate::from_pem(&[pem(specs), pem_key(key)].concat(), None, None).unwrap()
    };
    let other_name = chains::leaf("vpro.example.org", &leaf.key, intermediate.signer());
    let other_root = chains::leaf("vpro.example.com", &leaf.key, second.signer());
    let candidates = [
        load(&[&other_root, &second], &leaf.key),
        load(&[&other_name, &intermediate, &root], &leaf.key),
        load(&[&leaf, &intermediate, &root], &leaf.key),
    ];
    let facts: Vec<_> = candidates.iter().map(ProvisioningCertificate::facts).collect();
    let order = |input: &ChooseInput<'_>| choose(&facts, input).iter().map(|c| c.index).collect::<Vec<_>>();
    let hello = hello(&root.der());
    assert_eq!(order(&ChooseInput::default()), [0, 1, 2], "nothing known: as given");
    let by_suffix = ChooseInput { suffix: Some("example.com"), ..ChooseInput::default() };
    assert_eq!(order(&by_suffix), [0, 2, 1]);
    let by_both = ChooseInput { hello: Some(&hello), ..by_suffix };
    assert_eq!(order(&by_both), [2, 1, 0]);
    let winner = candidates[1].leaf_sha256_hex();
    assert_eq!(order(&ChooseInput { remembered: Some(&winner), ..by_both }), [1, 2, 0]);
    // A winner of the past whose root is no longer listed cannot win again.
    let winner = candidates[0].leaf_sha256_hex();
    assert_eq!(order(&ChooseInput { remembered: Some(&winner), ..by_both }), [2, 1, 0]);
    assert_eq!(choose(&facts, &by_both).iter().map(|c| c.fits).collect::<Vec<_>>(), [true, false, false]);
}
