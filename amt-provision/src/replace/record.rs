//! What a crash must not lose of a certificate that takes the place of another.

use crate::certificate::Draft;
use crate::journal::Record;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// How far a replacement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Nothing was done to the machine.
    Idle,
    /// The new certificate is being made; the machine serves the certificate that it had.
    Preparing,
    /// The commit may have been sent: the machine serves the old certificate or the new one.
    Committing,
    /// The new certificate was seen. What it replaces may still be on the machine.
    Proven,
    /// All done.
    Done,
}

/// What a crash must not lose of a certificate that takes the place of another on a machine.
///
/// It keeps the old identity until the new one is proven. From [`Proven`](Stage::Proven) on, `certificate` is what the machine is to be
/// known by: whoever keeps its pin stores it together with this record ([`carry_over`](Self::carry_over)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replacement {
    /// The machine.
    pub id: SystemId,
    /// How far it has come.
    pub stage: Stage,
    /// Whether anything was changed; known when done.
    pub changed: bool,
    /// Handle of the new key pair on the machine.
    pub key_handle: Option<String>,
    /// SHA-256 (hex) of the key pairs without a certificate that were on the machine when ours was about to be made: they are not ours.
    pub keys_before: Option<Vec<String>>,
    /// The request that was signed with it, DER.
    pub csr: Option<Vec<u8>>,
    /// The authority's name for a request that is not decided yet.
    pub ca_request: Option<String>,
    /// The certificate that the machine is to serve, DER.
    pub certificate: Option<Vec<u8>>,
    /// Its issuers, DER.
    pub certificate_chain: Vec<Vec<u8>>,
    /// Its handle on the machine.
    pub certificate_handle: Option<String>,
    /// Certificates that are removed after the proof, with their keys: the one served before, and those that were made and given up. DER.
    pub superseded: Vec<Vec<u8>>,
    /// Key that was made for a machine that makes none itself, PKCS#1 DER; kept until the machine was seen using it.
    pub private_key: Option<Secret<Vec<u8>>>,
}

/// The same as it is stored, a part of the records that have one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    id: String,
    stage: Stage,
    changed: bool,
    key_handle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys_before: Option<Vec<String>>,
    csr: Option<String>,
    ca_request: Option<String>,
    certificate: Option<String>,
    certificate_chain: Vec<String>,
    certificate_handle: Option<String>,
    superseded: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
}

impl Replacement {
    pub(crate) const fn new(id: SystemId) -> Self {
        Self {
            id,
            stage: Stage::Idle,
            changed: false,
            key_handle: None,
            keys_before: None,
            csr: None,
            ca_request: None,
            certificate: None,
            certificate_chain: Vec::new(),
            certificate_handle: None,
            superseded: Vec::new(),
            private_key: None,
        }
    }

    /// Whether the machine was seen with what it was to get.
    pub const fn is_proven(&self) -> bool {
        matches!(self.stage, Stage::Proven | Stage::Done)
    }

    /// Puts the new identity into the machine's journal, once it is proven; before that nothing. Tells whether it did.
    pub fn carry_over(&self, record: &mut Record) -> bool {
        if !self.is_proven()
            || self.certificate.is_none()
            || record.id != self.id
            || record.certificate == self.certificate
        {
            return false;
        }
        record.key_handle.clone_from(&self.key_handle);
        record.certificate.clone_from(&self.certificate);
        record.certificate_chain.clone_from(&self.certificate_chain);
        record.certificate_handle.clone_from(&self.certificate_handle);
        (record.csr, record.ca_request, record.private_key) = (None, None, None);
        true
    }

    /// What was made so far is not wanted any more and is removed from the machine in the end. A key that has no certificate yet is used
    /// for the next one.
    pub(crate) fn give_up(&mut self) {
        (self.csr, self.ca_request, self.certificate_handle, self.private_key) = (None, None, None, None);
        self.certificate_chain.clear();
        if let Some(given_up) = self.certificate.take() {
            self.key_handle = None;
            self.supersede(given_up);
        }
        if self.stage != Stage::Idle {
            self.stage = Stage::Preparing;
        }
    }

    pub(crate) fn supersede(&mut self, certificate: Vec<u8>) {
        if self.certificate.as_ref() != Some(&certificate) && !self.superseded.contains(&certificate) {
            self.superseded.push(certificate);
        }
    }

    /// The machine serves a certificate already that fits: no other is needed.
    pub(crate) fn settle_on(&mut self, certificate: Vec<u8>) {
        if self.certificate.as_ref() != Some(&certificate) {
            (self.key_handle, self.csr, self.ca_request, self.certificate_handle) = (None, None, None, None);
            self.private_key = None;
            self.certificate_chain.clear();
            self.superseded.retain(|other| *other != certificate);
            if let Some(unused) = self.certificate.replace(certificate) {
                self.supersede(unused);
            }
        }
    }

    pub(crate) fn draft(&mut self) -> Draft<'_> {
        Draft {
            key_handle: &mut self.key_handle,
            keys_before: Some(&mut self.keys_before),
            csr: &mut self.csr,
            ca_request: &mut self.ca_request,
            certificate: &mut self.certificate,
            certificate_chain: &mut self.certificate_chain,
            certificate_handle: &mut self.certificate_handle,
            private_key: Some(&mut self.private_key),
        }
    }

    pub(crate) fn to_stored(&self) -> Stored {
        let encode = |der: &Vec<u8>| STANDARD.encode(der);
        Stored {
            id: self.id.to_string(),
            stage: self.stage,
            changed: self.changed,
            key_handle: self.key_handle.clone(),
            keys_before: self.keys_before.clone(),
            csr: self.csr.as_ref().map(encode),
            ca_request: self.ca_request.clone(),
            certificate: self.certificate.as_ref().map(encode),
            certificate_chain: self.certificate_chain.iter().map(encode).collect(),
            certificate_handle: self.certificate_handle.clone(),
            superseded: self.superseded.iter().map(encode).collect(),
            private_key: self.private_key.as_ref().map(|key| STANDARD.encode(key.expose())),
        }
    }

    /// `what`: the record that it is a part of.
    pub(crate) fn from_stored(mut stored: Stored, what: &str) -> Result<Self, Failure> {
        let decode = |name: &str, text: &String| {
            let bad = |_| Failure::new(ErrorCode::JOURNAL, "journal", format!("{name} in {what} is damaged"));
            STANDARD.decode(text).map_err(bad)
        };
        let all = |name: &str, list: &[String]| list.iter().map(|text| decode(name, text)).collect::<Result<_, _>>();
        let private_key =
            stored.private_key.as_ref().map(|text| decode("private_key", text).map(Secret::new)).transpose()?;
        stored.private_key.zeroize();
        Ok(Self {
            id: stored.id.parse()?,
            csr: stored.csr.as_ref().map(|text| decode("csr", text)).transpose()?,
            certificate: stored.certificate.as_ref().map(|text| decode("certificate", text)).transpose()?,
            certificate_chain: all("certificate_chain", &stored.certificate_chain)?,
            superseded: all("superseded", &stored.superseded)?,
            private_key,
            stage: stored.stage,
            changed: stored.changed,
            key_handle: stored.key_handle,
            keys_before: stored.keys_before,
            ca_request: stored.ca_request,
            certificate_handle: stored.certificate_handle,
        })
    }
}

/// Reads a record in JSON. `format` is the newest that is known, `max` the longest that is read, `what` names it.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    max: usize,
    format: u32,
    what: &str,
) -> Result<T, Failure> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let bad = |text: String| Failure::new(ErrorCode::JOURNAL, "journal", text);
    if bytes.len() > max {
        return Err(bad(format!("{what} has {} bytes, at most {max} are read", bytes.len())));
    }
    let damaged = |e: serde_json::Error| bad(format!("{what} is damaged at byte {}", e.column()));
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.format > format {
        return Err(bad(format!("{what} has format {}, this version reads up to {format}", head.format)));
    }
    serde_json::from_slice(bytes).map_err(damaged)
}
