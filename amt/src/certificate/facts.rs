//! DER certificates to plain facts.

use super::{keys, unreadable, verify};
use amt_core::pki::{
    CertFacts, ChainFacts, KeyFacts, Link, LinkSignature, Name, PeerFacts, PfxFacts, PublicKey, SignatureHash,
};
use amt_core::{Failure, Secret};
use ring::digest::{self, Algorithm};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

/// Reads a bundle's certificates, links them, and finds the certificate of each key.
pub(super) fn chain(
    certificates: &[Vec<u8>],
    keys: &[Secret<Vec<u8>>],
    pfx: Option<PfxFacts>,
) -> Result<ChainFacts, Failure> {
    let mut parsed: Vec<(X509Certificate<'_>, CertFacts)> = Vec::with_capacity(certificates.len());
    for (at, der) in certificates.iter().enumerate() {
        if parsed.iter().any(|(_, known)| known.der == *der) {
            continue;
        }
        let certificate =
            parse(der).map_err(|why| unreadable(format!("certificate {} of the bundle: {why}", at + 1)))?;
        let facts = certificate_facts(der, &certificate);
        parsed.push((certificate, facts));
    }
    let mut links = Vec::new();
    for (at, (certificate, facts)) in parsed.iter().enumerate() {
        for (issuer_at, (issuer, issuer_facts)) in parsed.iter().enumerate() {
            if facts.issuer.is(&issuer_facts.subject) {
                let signature = verify::link((certificate, facts), (issuer, issuer_facts));
                links.push(Link { certificate: at, issuer: issuer_at, signature });
            }
        }
    }
    let owner = |key| {
        let owns = |(certificate, _): &(X509Certificate<'_>, _)| {
            keys::belongs(key, &certificate.public_key().subject_public_key.data)
        };
        KeyFacts { certificate: parsed.iter().position(owns) }
    };
    let keys = keys.iter().map(owner).collect();
    Ok(ChainFacts { certificates: parsed.into_iter().map(|(_, facts)| facts).collect(), links, keys, pfx })
}

/// What is known of the certificate that a machine itself presented. Never fails: a bad one is what is looked for.
pub fn peer_facts(der: &[u8]) -> PeerFacts {
    match parse(der) {
        Err(why) => PeerFacts { unreadable: Some(why), validity: None },
        Ok(certificate) => {
            let validity = certificate.validity();
            let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
            PeerFacts { unreadable: None, validity: (from > 0 && to > from).then_some((from, to)) }
        }
    }
}

/// Facts of one certificate, and whether its signature is its own; none if it cannot be read.
pub(crate) fn single(der: &[u8]) -> Option<(CertFacts, bool)> {
    let certificate = parse(der).ok()?;
    let facts = certificate_facts(der, &certificate);
    let own =
        facts.is_self_issued() && verify::link((&certificate, &facts), (&certificate, &facts)) != LinkSignature::Bad;
    Some((facts, own))
}

/// A distinguished name in DER, for people; none if it is none.
pub(crate) fn name_text(der: &[u8]) -> Option<String> {
    let (_, parsed) = X509Name::from_der(der).ok()?;
    Some(name(&parsed).text)
}

/// Whether the key of `issuer` signed `der`; none if one cannot be read, or the names do not fit.
pub(super) fn signed(der: &[u8], issuer: &[u8]) -> Option<LinkSignature> {
    let (certificate, issuer_certificate) = (parse(der).ok()?, parse(issuer).ok()?);
    let (facts, issuer_facts) = (certificate_facts(der, &certificate), certificate_facts(issuer, &issuer_certificate));
    facts
        .issuer
        .is(&issuer_facts.subject)
        .then(|| verify::link((&certificate, &facts), (&issuer_certificate, &issuer_facts)))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(format!("{} bytes follow the certificate", rest.len())),
        Err(error) => Err(format!("not an X.509 certificate in DER: {error}")),
    }
}

fn certificate_facts(der: &[u8], certificate: &X509Certificate<'_>) -> CertFacts {
    let validity = certificate.validity();
    CertFacts {
        der: der.to_vec(),
        sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, der),
        sha256: hash(&digest::SHA256, der),
        sha384: hash(&digest::SHA384, der),
        key_sha256: hash(&digest::SHA256, certificate.public_key().raw),
        subject: name(certificate.subject()),
        issuer: name(certificate.issuer()),
        dns_names: dns_names(certificate),
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
        key: public_key(certificate.public_key()),
        signature: signature_hash(&certificate.signature_algorithm),
        extended_key_usage: extended_key_usage(certificate),
        is_ca: certificate.is_ca(),
    }
}

/// The digest, whose length the algorithm fixes.
fn hash<const N: usize>(algorithm: &'static Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(digest::digest(algorithm, bytes).as_ref()) {
        *to = *from;
    }
    out
}

fn name(name: &X509Name<'_>) -> Name {
    let attributes = name.iter_attributes().filter_map(|attribute| {
        let value = text(attribute.attr_value())?;
        Some((attribute.attr_type().to_id_string(), value))
    });
    let attributes: Vec<_> = attributes.collect();
    // What it says is printed on terminals and in logs: it may not control them.
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let text = name.to_string().chars().map(visible).collect();
    Name { der: name.as_raw().to_vec(), text, attributes }
}

/// Text of a name's value, of whatever string type.
fn text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString | Tag::NumericString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        // Latin 1 in practice.
        Tag::T61String => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = value.data.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes));
            Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        _ => None,
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extensions = certificate.extensions().iter();
    let names = extensions.filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    let dns = names.flatten().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    dns.collect()
}

/// The usages as OIDs; an extension that cannot be read has none.
fn extended_key_usage(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    let extension = certificate.extensions().iter().find(|e| e.oid.to_id_string() == EXTENDED_KEY_USAGE)?;
    let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension() else { return Some(Vec::new()) };
    let named = [
        (usage.any, "2.5.29.37.0"),
        (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let named = named.into_iter().filter(|(present, _)| *present).map(|(_, oid)| oid.to_owned());
    Some(named.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect())
}

fn public_key(key: &SubjectPublicKeyInfo<'_>) -> PublicKey {
    let bits = |bytes: &[u8]| {
        let bare: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let first = bare.first().map_or(0, |byte| byte.leading_zeros());
        u32::try_from(bare.len() * 8).unwrap_or(u32::MAX).saturating_sub(first)
    };
    match key.parsed() {
        Ok(ParsedKey::RSA(rsa)) => PublicKey::Rsa(bits(rsa.modulus)),
        Ok(ParsedKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            PublicKey::Ec(match curve.map(|oid| oid.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => 256,
                Some("1.3.132.0.34") => 384,
                Some("1.3.132.0.35") => 521,
                _ => 0,
            })
        }
        _ => PublicKey::Other(key.algorithm.algorithm.to_id_string()),
    }
}

fn signature_hash(algorithm: &AlgorithmIdentifier<'_>) -> SignatureHash {
    let oid = algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.4" => SignatureHash::Md5,
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => SignatureHash::Sha1,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => SignatureHash::Sha2(224),
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => SignatureHash::Sha2(256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => SignatureHash::Sha2(384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => SignatureHash::Sha2(512),
        "1.2.840.113549.1.1.10" => {
            let parameters = algorithm.parameters.as_ref().and_then(|any| RsaSsaPssParams::try_from(any).ok());
            match parameters.map(|p| p.hash_algorithm_oid().to_id_string()).as_deref() {
                Some("1.3.14.3.2.26") => SignatureHash::Sha1,
                Some("2.16.840.1.101.3.4.2.1") => SignatureHash::Sha2(256),
                Some("2.16.840.1.101.3.4.2.2") => SignatureHash::Sha2(384),
                Some("2.16.840.1.101.3.4.2.3") => SignatureHash::Sha2(512),
                _ => SignatureHash::Other(oid),
            }
        }
        _ => SignatureHash::Other(oid),
    }
}
