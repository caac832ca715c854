//! What a crash must not lose of a rename.

use crate::certificate::{Draft, Drafted};
use crate::names;
use crate::replace::{self, Replacement, Stage};
use crate::step::Step;
use amt_core::{Failure, Secret, SystemId};
use serde::{Deserialize, Serialize};

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 1024 * 1024;

/// What a crash must not lose of a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenameRecord {
    /// Host name that it is to have.
    pub host_name: String,
    /// Domain that it is to have; absent: the one that it has, which is filled in when the rename begins.
    pub domain_name: Option<String>,
    /// The certificate for these names, and how far it has come.
    pub replacement: Replacement,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    host_name: String,
    domain_name: Option<String>,
    #[serde(flatten)]
    replacement: replace::Stored,
}

impl RenameRecord {
    /// A rename that is still to be done. Without a domain the machine keeps the one that it has.
    pub const fn new(id: SystemId, host_name: String, domain_name: Option<String>) -> Self {
        Self { host_name, domain_name, replacement: Replacement::new(id) }
    }

    /// Gives the rename another aim, wherever it stands: what was made for the former is removed from the machine when the new one
    /// is proven. A key that has no certificate yet is used for the new one. Without a domain that of the former aim stays; an aim
    /// that it has already changes nothing.
    pub fn retarget(&mut self, host_name: String, domain_name: Option<String>) {
        let domain_name = domain_name.or_else(|| self.domain_name.clone());
        if host_name == self.host_name && domain_name == self.domain_name {
            return;
        }
        if self.replacement.stage == Stage::Done {
            *self = Self::new(self.replacement.id, host_name, domain_name);
            return;
        }
        (self.host_name, self.domain_name) = (host_name, domain_name);
        self.replacement.give_up();
    }

    /// Host and domain as one name.
    pub fn fqdn(&self) -> String {
        names::full(&self.host_name, self.domain_name.as_deref())
    }

    /// JSON, to be sealed before it is stored: it may hold the key that was made for a machine that makes none itself.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let stored = Stored {
            format: FORMAT,
            host_name: self.host_name.clone(),
            domain_name: self.domain_name.clone(),
            replacement: self.replacement.to_stored(),
        };
        // A struct of strings, words and numbers always serialises.
        Secret::new(serde_json::to_vec(&stored).unwrap_or_default())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let what = "the rename record";
        let stored: Stored = replace::read(bytes, MAX_RECORD, FORMAT, what)?;
        let replacement = Replacement::from_stored(stored.replacement, what)?;
        Ok(Self { host_name: stored.host_name, domain_name: stored.domain_name, replacement })
    }
}

impl Drafted for RenameRecord {
    fn draft(&mut self) -> Draft<'_> {
        self.replacement.draft()
    }

    // The stage says enough: what is missing is found on the machine.
    fn note_step(&mut self, _: Step) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;
    use amt_core::ErrorCode;

    fn record() -> RenameRecord {
        let mut rename = RenameRecord::new(SystemId::from_wire([3; 16]), "desk7".into(), Some("example.com".into()));
        let record = &mut rename.replacement;
        record.stage = Stage::Committing;
        record.key_handle = Some("Intel(r) AMT Key: Handle: 1".into());
        record.csr = Some(vec![0x30, 1]);
        record.certificate = Some(vec![0x30, 2]);
        record.certificate_chain = vec![vec![0x30, 3]];
        record.superseded = vec![vec![0x30, 4]];
        rename
    }

    #[test]
    fn a_record_survives_encoding_and_damage_is_refused() {
        let record = record();
        let bytes = record.encode().expose().clone();
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
        assert!(!rename.replacement.carry_over(&mut journal));
        assert_eq!(journal.certificate, Some(vec![0x30, 4]));
        rename.replacement.stage = Stage::Proven;
        assert!(rename.replacement.carry_over(&mut journal) && !rename.replacement.carry_over(&mut journal));
        assert_eq!(
            (&journal.certificate, &journal.key_handle),
            (&rename.replacement.certificate, &rename.replacement.key_handle)
        );
        let mut other = Record::new(SystemId::from_wire([4; 16]));
        assert!(!rename.replacement.carry_over(&mut other), "another machine's");
    }

    #[test]
    fn another_aim_leaves_what_was_made_to_be_removed() {
        let mut rename = record();
        rename.retarget("desk8".into(), None);
        assert_eq!(rename.replacement.superseded, [vec![0x30, 4], vec![0x30, 2]]);
        assert_eq!(
            (&rename.replacement.certificate, &rename.replacement.csr, &rename.replacement.key_handle),
            (&None, &None, &None)
        );
        assert_eq!((rename.replacement.stage, rename.fqdn().as_str()), (Stage::Preparing, "desk8.example.com"));
        let same = rename.clone();
        rename.retarget("desk8".into(), None);
        assert_eq!(rename, same);
        let mut early = record();
        early.replacement.certificate = None;
        early.retarget("desk8".into(), None);
        assert!(early.replacement.key_handle.is_some(), "a key without a certificate is of use");
        let mut done = record();
        done.replacement.stage = Stage::Done;
        done.retarget("desk8".into(), None);
        assert_eq!(done, RenameRecord::new(done.replacement.id, "desk8".into(), Some("example.com".into())));
    }
}
