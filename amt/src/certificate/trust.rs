//! Authorities that a machine trusts, as a PEM bundle: the root first, whatever another one signed behind it.

use super::{MAX_BUNDLE, facts, pem, single};
use amt_core::pki::{CertFacts, LinkSignature};
use amt_core::{Finding, Severity};
use std::io::{BufRead, Cursor, Read};
use x509_parser::error::PEMError;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

/// Most certificates of a bundle; firmware has room for far fewer.
pub const MAX_AUTHORITIES: usize = 64;
/// Largest certificate that firmware is documented to take, DER (`spec/wsman.md` §1.7).
pub const MAX_MACHINE_CERTIFICATE: usize = 4100;

/// A certificate of a bundle, or of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authority {
    /// DER.
    pub der: Vec<u8>,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// Subject, for people.
    pub subject: String,
    /// Issuer, for people.
    pub issuer: String,
    /// Validity, seconds since 1970.
    pub validity: (i64, i64),
    /// Its signature is its own.
    pub is_root: bool,
    /// It may sign others.
    pub is_authority: bool,
    /// Line in the file on which it begins, from 1 on; 0 if it comes from elsewhere.
    pub line: usize,
}

impl Authority {
    /// Reads one certificate; none if it cannot be read.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (facts, is_root) = single(der)?;
        Some(Self::of(&facts, is_root, 0))
    }

    fn of(facts: &CertFacts, is_root: bool, line: usize) -> Self {
        Self {
            der: facts.der.clone(),
            sha256: facts.sha256,
            subject: facts.subject.text.clone(),
            issuer: facts.issuer.text.clone(),
            validity: (facts.not_before, facts.not_after),
            is_root,
            is_authority: facts.is_ca,
            line,
        }
    }

    /// First and last day of validity, for example `2026-01-01 to 2036-01-01`.
    pub fn validity_text(&self) -> String {
        let day = |time| {
            ASN1Time::from_timestamp(time).map_or_else(|_| "?".to_owned(), |t| t.to_datetime().date().to_string())
        };
        format!("{} to {}", day(self.validity.0), day(self.validity.1))
    }

    /// Whether the key of this one may have signed `other`: its names fit, and the signature is not another's.
    pub fn signed(&self, other: &Self) -> bool {
        facts::signed(&other.der, &self.der).is_some_and(|signature| signature != LinkSignature::Bad)
    }
}

/// A bundle that can be written into a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustBundle {
    /// In the order of the file.
    pub authorities: Vec<Authority>,
    /// What is odd and no reason to refuse it.
    pub warnings: Vec<Finding>,
}

impl TrustBundle {
    /// Reads a bundle and checks it: authorities only, each once, a root first, and every other one signed by one before it. `now` is
    /// in seconds since 1970.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with the place in the file, and what is odd with it.
    pub fn read(file: &[u8], now: i64) -> Result<Self, Vec<Finding>> {
        let mut bundle = Self { authorities: Vec::new(), warnings: Vec::new() };
        let mut findings = Vec::new();
        if file.len() > MAX_BUNDLE {
            let text = format!("it has {} bytes, at most {MAX_BUNDLE} are read", file.len());
            return Err(vec![error("TRUST-SIZE", "file", text, "give a file of certificates only")]);
        }
        let mut blocks = blocks(file);
        if blocks.len() > MAX_AUTHORITIES {
            let text = format!("it has more than {MAX_AUTHORITIES} certificates");
            findings.push(error("TRUST-SIZE", "file", text, "split it: a machine has room for far fewer"));
            blocks.truncate(MAX_AUTHORITIES);
        }
        if blocks.is_empty() {
            let text = "there is no certificate in it".to_owned();
            findings.push(error(
                "TRUST-EMPTY",
                "file",
                text,
                "give PEM text: the lines from -----BEGIN CERTIFICATE----- on",
            ));
        }
        for (at, block) in blocks.into_iter().enumerate() {
            bundle.take(at, block, now, &mut findings);
        }
        if findings.is_empty() {
            return Ok(bundle);
        }
        findings.append(&mut bundle.warnings);
        Err(findings)
    }

    fn take(&mut self, at: usize, block: Block, now: i64, findings: &mut Vec<Finding>) {
        let place = format!("certificate {}, line {}", at + 1, block.line);
        let der = match block.content {
            Content::Certificate(der) => der,
            Content::Other(label) => {
                let text = format!("a block {label:?} is no certificate");
                let hint = if label.contains("KEY") {
                    "take it out: a private key has no place in a file that is handed around"
                } else {
                    "take it out: only blocks CERTIFICATE belong here"
                };
                return findings.push(error("TRUST-PEM", &place, text, hint));
            }
            Content::Broken(why) => {
                return findings.push(error("TRUST-PEM", &place, why, "copy the file again, whole"));
            }
        };
        let Some((facts, is_root)) = single(&der) else {
            let text = "it is no X.509 certificate".to_owned();
            return findings.push(error("TRUST-PEM", &place, text, "export the certificate again"));
        };
        let authority = Authority::of(&facts, is_root, block.line);
        let place = format!("{place} ({})", authority.subject);
        if let Some(first) = self.authorities.iter().find(|known| known.der == der) {
            let text = format!("it is the same as the one at line {}", first.line);
            return findings.push(error("TRUST-TWICE", &place, text, "take one of them out"));
        }
        if !authority.is_authority {
            let text = "it is of an end entity: it may not sign others".to_owned();
            findings.push(error("TRUST-NOT-CA", &place, text, "give the certificate of the authority that issued it"));
        } else if !authority.is_root && !self.authorities.iter().any(|known| known.signed(&authority)) {
            findings.push(self.out_of_order(&authority, &place));
        }
        if facts.not_after < now {
            let hint = "replace it: machines refuse what it signed, once their clock is right";
            self.warn("TRUST-EXPIRED", &place, format!("its validity ended ({})", authority.validity_text()), hint);
        } else if facts.not_before > now {
            let hint = "check this computer's clock, or wait";
            self.warn("TRUST-NOT-YET", &place, format!("it is not valid yet ({})", authority.validity_text()), hint);
        }
        if der.len() > MAX_MACHINE_CERTIFICATE {
            let text = format!("it has {} bytes; firmware is documented to take {MAX_MACHINE_CERTIFICATE}", der.len());
            self.warn("TRUST-LARGE", &place, text, "use a smaller certificate if the machine refuses it");
        }
        self.authorities.push(authority);
    }

    fn out_of_order(&self, authority: &Authority, place: &str) -> Finding {
        let issuer = &authority.issuer;
        if let Some(known) = self.authorities.iter().find(|known| known.subject == *issuer) {
            let text = format!("the one at line {} has its issuer's name, and did not sign it", known.line);
            return error("TRUST-SIGNATURE", place, text, "give the certificate of the key that signed it");
        }
        let text = format!("its issuer is not before it: {issuer}");
        error("TRUST-ORDER", place, text, "put the root first, and each certificate behind the one that signed it")
    }

    fn warn(&mut self, code: &'static str, place: &str, text: String, hint: &str) {
        self.warnings.push(Finding::new(code, Severity::Warning, place, text, hint));
    }
}

/// Puts certificates in the order of a bundle: roots, and every other one behind the one that signed it. What nobody among them signed
/// comes last, and so does what is no authority. Repetitions and what cannot be read are left out.
pub fn root_first(certificates: &[Vec<u8>]) -> Vec<Authority> {
    let mut left: Vec<Authority> = Vec::new();
    for authority in certificates.iter().filter_map(|der| Authority::read(der)) {
        if !left.iter().any(|known| known.der == authority.der) {
            left.push(authority);
        }
    }
    let mut ordered: Vec<Authority> = Vec::new();
    let mut take = |left: &mut Vec<Authority>, fits: &dyn Fn(&Authority, &[Authority]) -> bool| {
        let found = left.iter().position(|authority| fits(authority, &ordered));
        found.map(|at| ordered.push(left.remove(at))).is_some()
    };
    while take(&mut left, &|authority, _| authority.is_root && authority.is_authority) {}
    while take(&mut left, &|authority, before| {
        authority.is_authority && before.iter().any(|known| known.signed(authority))
    }) {}
    while take(&mut left, &|authority, _| authority.is_authority) {}
    ordered.extend(left);
    ordered
}

/// The bundle as text: each certificate under comments with subject, issuer, validity and SHA-256.
pub fn write_bundle(authorities: &[Authority]) -> String {
    let mut text = String::new();
    for authority in authorities {
        let digest: String = authority.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        // Names come from certificates: one line each, whatever is in them.
        let line = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
        text += &format!("# subject: {}\n", line(&authority.subject));
        if !authority.is_root {
            text += &format!("# issuer: {}\n", line(&authority.issuer));
        }
        text += &format!("# valid: {}\n# sha256: {digest}\n", authority.validity_text());
        text += &pem::write("CERTIFICATE", &authority.der);
    }
    text
}

fn error(code: &'static str, place: &str, text: String, hint: &str) -> Finding {
    Finding::new(code, Severity::Error, place, text, hint)
}

/// One block of PEM.
struct Block {
    /// From 1 on.
    line: usize,
    content: Content,
}

enum Content {
    Certificate(Vec<u8>),
    Other(String),
    Broken(String),
}

/// The blocks of a file with the lines on which they begin, no more than one over the limit.
fn blocks(file: &[u8]) -> Vec<Block> {
    let (mut found, mut cursor, mut lines) = (Vec::new(), Cursor::new(file), 1);
    while found.len() <= MAX_AUTHORITIES {
        // What stands before the block, text of any encoding.
        let mut line = Vec::new();
        let begins = loop {
            line.clear();
            let begins = cursor.position();
            match cursor.read_until(b'\n', &mut line) {
                Ok(1..) if line.starts_with(b"-----BEGIN ") => break begins,
                Ok(1..) => lines += 1,
                _ => return found,
            }
        };
        let rest = file.get(usize::try_from(begins).unwrap_or(usize::MAX)..).unwrap_or_default();
        let mut block = Cursor::new(rest);
        let content = match Pem::read(&mut block) {
            Ok((pem, _)) if matches!(pem.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") => {
                Content::Certificate(pem.contents)
            }
            Ok((pem, _)) => Content::Other(pem.label.chars().filter(|c| !c.is_control()).take(40).collect()),
            Err(PEMError::IncompletePEM) => Content::Broken("the line that ends it is missing".to_owned()),
            Err(error) => Content::Broken(format!("it cannot be read: {error}")),
        };
        found.push(Block { line: lines, content });
        // A reader that failed early is still within the block: go on behind its first line at least.
        let used = block.position().max(u64::try_from(line.len()).unwrap_or_default());
        let mut skipped = Vec::new();
        let _ = Cursor::new(rest).take(used).read_to_end(&mut skipped);
        lines += skipped.iter().filter(|byte| **byte == b'\n').count();
        cursor.set_position(begins.saturating_add(used));
    }
    found
}
