//! Certificates as authorities hand them out: PEM, DER, or a "certs-only" PKCS#7, in any order.

use super::MAX_CERTIFICATES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::AnyRef;
use der::oid::ObjectIdentifier;
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// `id-signedData` of RFC 5652.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// Most issuers that a machine is given: more than any chain in use has.
const MAX_ISSUERS: usize = 8;

/// The certificates of a "certs-only" message (RFC 5652 `SignedData` without signers, RFC 8951), DER, in its order, byte for byte as
/// they came: written anew, one with an odd encoding would no longer fit its signature.
///
/// # Errors
/// What is wrong with it. At most [`MAX_CERTIFICATES`] are taken.
pub fn certs_only(message: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let found = signed_data_certificates(message).map_err(|error| format!("the PKCS#7 cannot be read: {error}"))?;
    checked(found.ok_or("it is a PKCS#7, but not one with certificates")?)
}

fn signed_data_certificates(message: &[u8]) -> der::Result<Option<Vec<Vec<u8>>>> {
    let explicit = |number| Tag::ContextSpecific { constructed: true, number: TagNumber(number) };
    let outer = AnyRef::from_der(message)?;
    outer.header().tag().assert_eq(Tag::Sequence)?;
    let mut content_info = SliceReader::new(outer.value())?;
    if ObjectIdentifier::decode(&mut content_info)? != SIGNED_DATA {
        return Ok(None);
    }
    let content = AnyRef::decode(&mut content_info)?;
    content.header().tag().assert_eq(explicit(0))?;
    let signed_data = AnyRef::from_der(content.value())?;
    signed_data.header().tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(signed_data.value())?;
    // Version, digest algorithms and the content, which is absent.
    for tag in [Tag::Integer, Tag::Set, Tag::Sequence] {
        AnyRef::decode(&mut fields)?.header().tag().assert_eq(tag)?;
    }
    if fields.is_finished() {
        return Ok(None);
    }
    let certificates = AnyRef::decode(&mut fields)?;
    if certificates.header().tag() != explicit(0) {
        return Ok(None);
    }
    let mut certificates = SliceReader::new(certificates.value())?;
    let mut found = Vec::new();
    while !certificates.is_finished() && found.len() <= MAX_CERTIFICATES {
        let each = certificates.tlv_bytes()?;
        // Attribute certificates and others have tags of their own.
        if AnyRef::from_der(each)?.header().tag() == Tag::Sequence {
            found.push(each.to_vec());
        }
    }
    Ok(Some(found))
}

/// Certificates in whatever form: PEM blocks that hold certificates or a PKCS#7, bare base64 of one, or DER of one.
pub(super) fn any_form(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if bytes.first() == Some(&0x30) {
        return one_or_bundle(bytes);
    }
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !bytes.starts_with(b"-----BEGIN") && !contains(bytes, b"\n-----BEGIN") {
        return one_or_bundle(&unwrapped_base64(bytes)?);
    }
    let mut found = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|_| "a PEM block is damaged".to_owned())?;
        // Windows writes PKCS#7 under "CERTIFICATE", others under "PKCS7".
        found.extend(one_or_bundle(&block.contents)?);
    }
    checked(found)
}

/// Base64 over any number of lines.
fn unwrapped_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let compact: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).map_err(|_| "it is not base64".to_owned())
}

fn one_or_bundle(der: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if is_certificate(der) { Ok(vec![der.to_vec()]) } else { certs_only(der) }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn is_certificate(der: &[u8]) -> bool {
    matches!(x509_parser::parse_x509_certificate(der), Ok((rest, _)) if rest.is_empty())
}

fn checked(found: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, String> {
    if found.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    if found.len() > MAX_CERTIFICATES {
        return Err(format!("more than {MAX_CERTIFICATES} certificates"));
    }
    match found.iter().position(|der| !is_certificate(der)) {
        Some(at) => Err(format!("certificate {} cannot be read", at + 1)),
        None => Ok(found),
    }
}

/// The certificate for the key of `csr` among `issued`, and its issuers found there and in `authorities`, in order up to the root.
pub(super) fn arrange(
    csr: &[u8],
    issued: &[Vec<u8>],
    authorities: &[Vec<u8>],
) -> Result<(Vec<u8>, Vec<Vec<u8>>), String> {
    let (_, request) = X509CertificationRequest::from_der(csr).map_err(|_| "the request cannot be read".to_owned())?;
    let key = request.certification_request_info.subject_pki.raw;
    let parsed = |all: &'_ [Vec<u8>]| -> Vec<(usize, bool)> {
        all.iter()
            .enumerate()
            .filter_map(|(at, der)| Some((at, X509Certificate::from_der(der).ok()?.1.public_key().raw == key)))
            .collect()
    };
    let found = parsed(issued).into_iter().find(|(_, is_ours)| *is_ours).and_then(|(at, _)| issued.get(at));
    let certificate = found.ok_or("none of the certificates is for the key of the request")?;
    let mut pool: Vec<&Vec<u8>> = issued.iter().chain(authorities).filter(|der| *der != certificate).collect();
    let mut chain: Vec<Vec<u8>> = Vec::new();
    while chain.len() < MAX_ISSUERS {
        let last = chain.last().unwrap_or(certificate);
        let Ok((_, last)) = X509Certificate::from_der(last) else { break };
        if last.subject() == last.issuer() {
            break;
        }
        let by_name = |der: &&Vec<u8>| {
            X509Certificate::from_der(der).is_ok_and(|(_, issuer)| issuer.subject().as_raw() == last.issuer().as_raw())
        };
        // An authority with two keys has two certificates of one name.
        let by_signature = |der: &&Vec<u8>| {
            by_name(der)
                && X509Certificate::from_der(der)
                    .is_ok_and(|(_, issuer)| last.verify_signature(Some(issuer.public_key())).is_ok())
        };
        let Some(at) = pool.iter().position(by_signature).or_else(|| pool.iter().position(by_name)) else {
            break;
        };
        chain.push(pool.swap_remove(at).clone());
    }
    Ok((certificate.clone(), chain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use std::slice::from_ref;

    /// A "certs-only" message with these certificates, as RFC 5652 has it.
    fn message(certificates: &[Vec<u8>]) -> Vec<u8> {
        let tlv = |tag: u8, value: &[u8]| {
            let mut out = vec![tag, 0x83];
            out.extend(u32::try_from(value.len()).unwrap().to_be_bytes().iter().skip(1));
            // DER wants the shortest form.
            if value.len() < 128 {
                out = vec![tag, u8::try_from(value.len()).unwrap()];
            } else if value.len() < 256 {
                out = vec![tag, 0x81, u8::try_from(value.len()).unwrap()];
            } else if value.len() < 65536 {
                out = vec![tag, 0x82];
                out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            }
            out.extend(value);
            out
        };
        let data = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
        let signed = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
        let mut body = [vec![0x02, 0x01, 0x01, 0x31, 0x00], tlv(0x30, &data)].concat();
        if !certificates.is_empty() {
            body.extend(tlv(0xa0, &certificates.concat()));
        }
        body.extend([0x31, 0x00]);
        tlv(0x30, &[signed.to_vec(), tlv(0xa0, &tlv(0x30, &body))].concat())
    }

    struct World {
        csr: Vec<u8>,
        leaf: Vec<u8>,
        middle: Vec<u8>,
        root: Vec<u8>,
    }

    fn world() -> World {
        let authority = |name: &str| {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let (root_key, middle_key, key) =
            (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority("root").self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(authority("root"), root_key);
        let middle = authority("middle").signed_by(&middle_key, &root_issuer).unwrap();
        let middle_issuer = Issuer::new(authority("middle"), middle_key);
        let params = CertificateParams::new(vec!["pc.example.com".to_owned()]).unwrap();
        World {
            csr: params.serialize_request(&key).unwrap().der().to_vec(),
            leaf: params.signed_by(&key, &middle_issuer).unwrap().der().to_vec(),
            middle: middle.der().to_vec(),
            root: root.der().to_vec(),
        }
    }

    #[test]
    fn every_form_gives_the_same_certificates_byte_for_byte() {
        let World { leaf, middle, root, .. } = world();
        let all = vec![leaf, middle, root];
        let bundle = message(&all);
        assert_eq!(certs_only(&bundle).unwrap(), all);
        let pem = |label: &str, der: &[u8]| super::super::pem(label, der);
        for text in [
            bundle.clone(),
            pem("PKCS7", &bundle).into_bytes(),
            pem("CERTIFICATE", &bundle).replace('\n', "\r\n").into_bytes(),
            STANDARD.encode(&bundle).into_bytes(),
            all.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>().into_bytes(),
        ] {
            assert_eq!(any_form(&text).unwrap(), all);
        }
        assert_eq!(any_form(&all[0]).unwrap(), all[..1]);
    }

    #[test]
    fn a_message_cut_anywhere_or_changed_anywhere_is_refused_or_read_and_never_a_panic() {
        let World { leaf, root, .. } = world();
        let bundle = message(&[leaf, root]);
        for length in 0..bundle.len() {
            certs_only(&bundle[..length]).unwrap_err();
            any_form(&bundle[..length]).unwrap_err();
        }
        for at in 0..bundle.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = bundle.clone();
                changed[at] ^= bit;
                if let Ok(found) = certs_only(&changed) {
                    assert!((1..=2).contains(&found.len()));
                }
            }
        }
        certs_only(&[bundle, vec![0]].concat()).unwrap_err();
    }

    #[test]
    fn what_holds_no_certificate_or_too_many_is_refused_by_name() {
        let World { leaf, .. } = world();
        for (bytes, expected) in [
            (message(&[]), "not one with certificates"),
            (message(&vec![leaf.clone(); MAX_CERTIFICATES + 1]), "more than 16"),
            (message(&[vec![0x30, 0x00]]), "certificate 1 cannot be read"),
            (message(&[vec![0xa1, 0x00]]), "no certificate"),
            (b"".to_vec(), "empty"),
            (b"<html>".to_vec(), "not base64"),
        ] {
            let why = any_form(&bytes).unwrap_err();
            assert!(why.contains(expected), "{expected}: {why}");
        }
    }

    #[test]
    fn the_certificate_of_the_key_comes_first_and_its_issuers_in_order() {
        let World { csr, leaf, middle, root } = world();
        let stranger = world();
        let issued = [root.clone(), stranger.leaf.clone(), leaf.clone()];
        // A middle of the same name that did not sign it comes before the one that did.
        let (certificate, chain) = arrange(&csr, &issued, &[stranger.middle, middle.clone()]).unwrap();
        assert_eq!((certificate, chain), (leaf.clone(), vec![middle.clone(), root]));
        assert_eq!(arrange(&csr, from_ref(&leaf), from_ref(&middle)).unwrap(), (leaf.clone(), vec![middle.clone()]));
        assert!(arrange(&csr, &[stranger.leaf], &[]).unwrap_err().contains("for the key of the request"));
    }
}
