//! What a crash must not lose of a rename.

use crate::certificate::{Draft, Drafted};
use crate::journal::Record;
use crate::names;
use crate::step::Step;
use amt_core::{ErrorCode, Failure, SystemId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 1024 * 1024;

/// How far a rename has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RenameStage {
    /// Nothing was done to the machine.
    Idle,
    /// The new certificate is being made, names are being set; the machine serves the certificate that it had.
    Preparing,
    /// The commit may have been sent: the machine serves the old certificate or the new one.
    Committing,
    /// The new names and the new certificate were seen. What they replace may still be on the machine.
    Proven,
    /// All done.
    Done,
}

/// What a crash must not lose of a rename. Holds no secrets: private keys never leave the machine.
///
/// It keeps the old identity until the new one is proven. From [`Proven`](RenameStage::Proven) on, `certificate` is what the machine is
/// to be known by: whoever keeps its pin stores it together with this record ([`carry_over`](Self::carry_over)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenameRecord {
    /// The machine.
    pub id: SystemId,
    /// Host name that it is to have.
    pub host_name: String,
    /// Domain that it is to have; absent: the one that it has, which is filled in when the rename begins.
    pub domain_name: Option<String>,
    /// How far it has come.
    pub stage: RenameStage,
    /// Whether anything was changed; known when done.
    pub changed: bool,
    /// Handle of the new key pair on the machine.
    pub key_handle: Option<String>,
    /// The request that the machine signed with it, DER.
    pub csr: Option<Vec<u8>>,
    /// The authority's name for a request that is not decided yet.
    pub ca_request: Option<String>,
    /// The certificate that the machine is to serve, DER.
    pub certificate: Option<Vec<u8>>,
    /// Its issuers, DER.
    pub certificate_chain: Vec<Vec<u8>>,
    /// Its handle on the machine.
    pub certificate_handle: Option<String>,
    /// Certificates that are removed after the proof, with their keys: the one served before, and those made for a name that was
    /// given up. DER.
    pub superseded: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    id: String,
    host_name: String,
    domain_name: Option<String>,
    stage: RenameStage,
    changed: bool,
    key_handle: Option<String>,
    csr: Option<String>,
    ca_request: Option<String>,
    certificate: Option<String>,
    certificate_chain: Vec<String>,
    certificate_handle: Option<String>,
    superseded: Vec<String>,
}

impl RenameRecord {
    /// A rename that is still to be done. Without a domain the machine keeps the one that it has.
    pub const fn new(id: SystemId, host_name: String, domain_name: Option<String>) -> Self {
        Self {
            id,
            host_name,
            domain_name,
            stage: RenameStage::Idle,
            changed: false,
            key_handle: None,
            csr: None,
            ca_request: None,
            certificate: None,
            certificate_chain: Vec::new(),
            certificate_handle: None,
            superseded: Vec::new(),
        }
    }

    /// Gives the rename another aim, wherever it stands: what was made for the former is removed from the machine when the new one
    /// is proven. A key that has no certificate yet is used for the new one. Without a domain that of the former aim stays; an aim
    /// that it has already changes nothing.
    pub fn retarget(&mut self, host_name: String, domain_name: Option<String>) {
        let domain_name = domain_name.or_else(|| self.domain_name.clone());
        if host_name == self.host_name && domain_name == self.domain_name {
            return;
        }
        if self.stage == RenameStage::Done {
            *self = Self::new(self.id, host_name, domain_name);
            return;
        }
        (self.host_name, self.domain_name) = (host_name, domain_name);
        (self.csr, self.ca_request, self.certificate_handle) = (None, None, None);
        self.certificate_chain.clear();
        if let Some(given_up) = self.certificate.take() {
            self.key_handle = None;
            self.supersede(given_up);
        }
        if self.stage != RenameStage::Idle {
            self.stage = RenameStage::Preparing;
        }
    }

    /// Puts the new identity into the machine's journal, once it is proven; before that nothing. Tells whether it did.
    pub fn carry_over(&self, record: &mut Record) -> bool {
        let proven = matches!(self.stage, RenameStage::Proven | RenameStage::Done);
        if !proven || self.certificate.is_none() || record.id != self.id || record.certificate == self.certificate {
            return false;
        }
        record.key_handle.clone_from(&self.key_handle);
        record.certificate.clone_from(&self.certificate);
        record.certificate_chain.clone_from(&self.certificate_chain);
        record.certificate_handle.clone_from(&self.certificate_handle);
        (record.csr, record.ca_request) = (None, None);
        true
    }

    /// Host and domain as one name.
    pub fn fqdn(&self) -> String {
        names::full(&self.host_name, self.domain_name.as_deref())
    }

    pub(super) fn supersede(&mut self, certificate: Vec<u8>) {
        if self.certificate.as_ref() != Some(&certificate) && !self.superseded.contains(&certificate) {
            self.superseded.push(certificate);
        }
    }

    /// The machine serves a certificate already that fits: no other is needed.
    pub(super) fn settle_on(&mut self, certificate: Vec<u8>) {
        if self.certificate.as_ref() != Some(&certificate) {
            (self.key_handle, self.csr, self.ca_request, self.certificate_handle) = (None, None, None, None);
            self.certificate_chain.clear();
            self.superseded.retain(|other| *other != certificate);
            if let Some(unused) = self.certificate.replace(certificate) {
                self.supersede(unused);
            }
        }
    }

    /// JSON, to be stored.
    pub fn encode(&self) -> Vec<u8> {
        let encode = |der: &Vec<u8>| STANDARD.encode(der);
        let stored = Stored {
            format: FORMAT,
            id: self.id.to_string(),
            host_name: self.host_name.clone(),
            domain_name: self.domain_name.clone(),
            stage: self.stage,
            changed: self.changed,
            key_handle: self.key_handle.clone(),
            csr: self.csr.as_ref().map(encode),
            ca_request: self.ca_request.clone(),
            certificate: self.certificate.as_ref().map(encode),
            certificate_chain: self.certificate_chain.iter().map(encode).collect(),
            certificate_handle: self.certificate_handle.clone(),
            superseded: self.superseded.iter().map(encode).collect(),
        };
        // A struct of strings, words and numbers always serialises.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |what: String| Failure::new(ErrorCode::JOURNAL, "journal", what);
        if bytes.len() > MAX_RECORD {
            return Err(bad(format!("the rename record has {} bytes, at most {MAX_RECORD} are read", bytes.len())));
        }
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|e| bad(format!("the rename record is damaged at byte {}", e.column())))?;
        if stored.format > FORMAT {
            let text = format!("the rename record has format {}, this version reads up to {FORMAT}", stored.format);
            return Err(bad(text));
        }
        let decode = |name: &str, text: &String| {
            STANDARD.decode(text).map_err(|_| bad(format!("{name} in the rename record is damaged")))
        };
        let all = |name: &str, list: &[String]| list.iter().map(|text| decode(name, text)).collect::<Result<_, _>>();
        Ok(Self {
            id: stored.id.parse()?,
            csr: stored.csr.as_ref().map(|text| decode("csr", text)).transpose()?,
            certificate: stored.certificate.as_ref().map(|text| decode("certificate", text)).transpose()?,
            certificate_chain: all("certificate_chain", &stored.certificate_chain)?,
            superseded: all("superseded", &stored.superseded)?,
            host_name: stored.host_name,
            domain_name: stored.domain_name,
            stage: stored.stage,
            changed: stored.changed,
            key_handle: stored.key_handle,
            ca_request: stored.ca_request,
            certificate_handle: stored.certificate_handle,
        })
    }
}

impl Drafted for RenameRecord {
    fn draft(&mut self) -> Draft<'_> {
        Draft {
            key_handle: &mut self.key_handle,
            csr: &mut self.csr,
            ca_request: &mut self.ca_request,
            certificate: &mut self.certificate,
            certificate_chain: &mut self.certificate_chain,
            certificate_handle: &mut self.certificate_handle,
            private_key: None,
        }
    }

    // The stage says enough: what is missing is found on the machine.
    fn note_step(&mut self, _: Step) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RenameRecord {
        let mut record = RenameRecord::new(SystemId::from_wire([3; 16]), "desk7".into(), Some("example.com".into()));
        record.stage = RenameStage::Committing;
        record.key_handle = Some("Intel(r) AMT Key: Handle: 1".into());
        record.csr = Some(vec![0x30, 1]);
        record.certificate = Some(vec![0x30, 2]);
        record.certificate_chain = vec![vec![0x30, 3]];
        record.superseded = vec![vec![0x30, 4]];
        record
    }

    #[test]
    fn a_record_survives_encoding_and_damage_is_refused() {
        let record = record();
        let bytes = record.encode();
        assert_eq!(RenameRecord::decode(&bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert_eq!(RenameRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let text = String::from_utf8(bytes).unwrap();
        let newer = text.replace("\"format\":1", "\"format\":2");
        assert!(RenameRecord::decode(newer.as_bytes()).unwrap_err().message.contains("format 2"));
        let damaged = text.replace("[\"MAQ=\"]", "[\"M*Q=\"]");
        assert!(RenameRecord::decode(damaged.as_bytes()).unwrap_err().message.contains("superseded"));
        assert!(RenameRecord::decode(&vec![b' '; MAX_RECORD + 1]).unwrap_err().message.contains("1048577"));
    }

    #[test]
    fn the_journal_gets_the_new_identity_only_after_the_proof() {
        let mut journal = Record::new(SystemId::from_wire([3; 16]));
        journal.certificate = Some(vec![0x30, 4]);
        let mut rename = record();
        assert!(!rename.carry_over(&mut journal));
        assert_eq!(journal.certificate, Some(vec![0x30, 4]));
        rename.stage = RenameStage::Proven;
        assert!(rename.carry_over(&mut journal) && !rename.carry_over(&mut journal));
        assert_eq!((&journal.certificate, &journal.key_handle), (&rename.certificate, &rename.key_handle));
        let mut other = Record::new(SystemId::from_wire([4; 16]));
        assert!(!rename.carry_over(&mut other), "another machine's");
    }

    #[test]
    fn another_aim_leaves_what_was_made_to_be_removed() {
        let mut rename = record();
        rename.retarget("desk8".into(), None);
        assert_eq!(rename.superseded, [vec![0x30, 4], vec![0x30, 2]]);
        assert_eq!((&rename.certificate, &rename.csr, &rename.key_handle), (&None, &None, &None));
        assert_eq!((rename.stage, rename.fqdn().as_str()), (RenameStage::Preparing, "desk8.example.com"));
        let same = rename.clone();
        rename.retarget("desk8".into(), None);
        assert_eq!(rename, same);
        let mut early = record();
        early.certificate = None;
        early.retarget("desk8".into(), None);
        assert!(early.key_handle.is_some(), "a key without a certificate is of use");
        let mut done = record();
        done.stage = RenameStage::Done;
        done.retarget("desk8".into(), None);
        assert_eq!(done, RenameRecord::new(done.id, "desk8".into(), Some("example.com".into())));
    }
}
