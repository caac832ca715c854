//! What a crash must not lose of the application of a profile.

use amt_core::{ErrorCode, Failure, Secret, SystemId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 256 * 1024;

/// How far the application of a profile has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ApplyStage {
    /// Nothing was written.
    Idle,
    /// Something may have been written, and not all was proven.
    Writing,
    /// All of it was read back.
    Done,
}

/// What a crash must not lose. Of secrets it holds digests with a key of its own: enough to see that one is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyRecord {
    /// The machine.
    pub id: SystemId,
    /// How far it has come.
    pub stage: ApplyStage,
    /// Name of the profile that was applied last, whole.
    pub profile: Option<String>,
    /// Its revision.
    pub revision: Option<String>,
    /// The fixed address that the machine was given last, or is just being given.
    pub moved_to: Option<IpAddr>,
    /// Whether something was staged on the machine that counts only after a commit.
    pub(super) commit_due: bool,
    salt: [u8; 32],
    written: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    id: String,
    stage: ApplyStage,
    profile: Option<String>,
    revision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved_to: Option<IpAddr>,
    #[serde(default)]
    commit_due: bool,
    salt: String,
    written: BTreeMap<String, String>,
}

impl ApplyRecord {
    /// A machine to which no profile was applied. `salt` is random; it keys the digests of secrets.
    pub const fn new(id: SystemId, salt: [u8; 32]) -> Self {
        Self {
            id,
            stage: ApplyStage::Idle,
            profile: None,
            revision: None,
            moved_to: None,
            commit_due: false,
            salt,
            written: BTreeMap::new(),
        }
    }

    /// Whether `secret` was written last for `field`.
    pub(super) fn has(&self, field: &str, secret: &Secret<String>) -> bool {
        self.written.get(field) == Some(&self.digest(field, secret))
    }

    pub(super) fn written(&mut self, field: &str, secret: &Secret<String>) {
        let digest = self.digest(field, secret);
        self.written.insert(field.to_owned(), digest);
    }

    /// The secret of `field` is not on the machine any more.
    pub(super) fn forget(&mut self, field: &str) {
        self.written.remove(field);
    }

    /// Something is about to be written. Tells whether the record has to be kept first.
    pub(super) fn begin(&mut self) -> bool {
        std::mem::replace(&mut self.stage, ApplyStage::Writing) != ApplyStage::Writing
    }

    /// All was proven. Tells whether that is news.
    pub(super) fn finish(&mut self, profile: &str, revision: &str) -> bool {
        let before = self.clone();
        self.stage = ApplyStage::Done;
        (self.profile, self.revision) = (Some(profile.to_owned()), Some(revision.to_owned()));
        *self != before
    }

    fn digest(&self, field: &str, secret: &Secret<String>) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.salt) else {
            // HMAC takes keys of every length.
            return String::new();
        };
        mac.update(field.as_bytes());
        mac.update(&[0]);
        mac.update(secret.expose().as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// JSON, to be stored.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            format: FORMAT,
            id: self.id.to_string(),
            stage: self.stage,
            profile: self.profile.clone(),
            revision: self.revision.clone(),
            moved_to: self.moved_to,
            commit_due: self.commit_due,
            salt: hex::encode(self.salt),
            written: self.written.clone(),
        };
        // A struct of strings and words always serialises.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |what: String| Failure::new(ErrorCode::JOURNAL, "journal", what);
        if bytes.len() > MAX_RECORD {
            return Err(bad(format!("the record has {} bytes, at most {MAX_RECORD} are read", bytes.len())));
        }
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("the record of the profile is damaged at byte {}", error.column())))?;
        if stored.format > FORMAT {
            return Err(bad(format!("the record has format {}, this version reads up to {FORMAT}", stored.format)));
        }
        let mut salt = [0; 32];
        hex::decode_to_slice(&stored.salt, &mut salt)
            .map_err(|_| bad("salt in the record of the profile is damaged".to_owned()))?;
        Ok(Self {
            id: stored.id.parse()?,
            stage: stored.stage,
            profile: stored.profile,
            revision: stored.revision,
            moved_to: stored.moved_to,
            commit_due: stored.commit_due,
            salt,
            written: stored.written,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_secrets_without_holding_them() {
        let mut record = ApplyRecord::new(SystemId::from_wire([3; 16]), [9; 32]);
        let secret = Secret::from("P@ssw0rd-of-alice");
        assert!(!record.has("access.users.alice", &secret));
        record.written("access.users.alice", &secret);
        record.moved_to = Some("10.0.0.5".parse().unwrap());
        assert!(record.begin() && !record.begin());
        let bytes = record.encode();
        assert!(!String::from_utf8(bytes.clone()).unwrap().contains("ssw0rd"));
        let read = ApplyRecord::decode(&bytes).unwrap();
        assert_eq!(read, record);
        assert!(read.has("access.users.alice", &secret));
        assert!(!read.has("access.users.bob", &secret), "a digest is of one field");
        assert!(!read.has("access.users.alice", &"other".into()));
        for cut in 0..bytes.len() {
            assert_eq!(ApplyRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let newer = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":2");
        assert!(ApplyRecord::decode(newer.as_bytes()).unwrap_err().message.contains("format 2"));
    }

    #[test]
    fn a_second_end_is_no_news() {
        let mut record = ApplyRecord::new(SystemId::from_wire([3; 16]), [9; 32]);
        assert!(record.finish("Office", "aa"));
        assert!(!record.finish("Office", "aa"));
        assert!(record.finish("Office", "bb"));
    }
}
