//! PEM text with certificates and keys, or a single DER certificate.

use super::{MAX_CERTIFICATES, keys, too_many, unreadable};
use amt_core::{Failure, Secret};
use base64::prelude::{BASE64_STANDARD, Engine};
use x509_parser::pem::Pem;

/// DER as PEM, in lines of 64 characters.
pub fn write(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64_STANDARD.encode(der).as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// What was found, in order.
pub(super) struct Found {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) keys: Vec<Secret<Vec<u8>>>,
}

pub(super) fn read(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Found, Failure> {
    if !is_pem(bytes) {
        return Ok(Found { certificates: vec![bytes.to_vec()], keys: Vec::new() });
    }
    let mut found = Found { certificates: Vec::new(), keys: Vec::new() };
    for block in blocks(bytes) {
        let (label, contents) = block?;
        match label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" => found.certificates.push(contents.expose().clone()),
            _ => found.keys.extend(keys::read_block(&label, contents, password)?),
        }
        too_many("certificates and keys", found.certificates.len() + found.keys.len(), 2 * MAX_CERTIFICATES)?;
    }
    Ok(found)
}

/// Text with an armour line; anything else is taken for DER.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

/// Labels and contents of the blocks; text between them is skipped.
pub(super) fn blocks(bytes: &[u8]) -> impl Iterator<Item = Result<(String, Secret<Vec<u8>>), Failure>> {
    // Its header lines are no base64: told before they are taken for damage.
    const OLD_ENCRYPTION: &[u8] = b"Proc-Type: 4,ENCRYPTED";
    let old = bytes.windows(OLD_ENCRYPTION.len()).any(|window| window == OLD_ENCRYPTION);
    Pem::iter_from_buffer(bytes).enumerate().map(move |(at, block)| match block {
        Ok(Pem { label, contents }) => Ok((label, Secret::new(contents))),
        Err(_) if old => Err(keys::old_or_damaged(&format!("{}", at + 1))),
        Err(error) => Err(unreadable(format!("PEM block {}: {error}", at + 1))),
    })
}
