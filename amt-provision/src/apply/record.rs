//! What a crash must not lose of the application of a profile.

use crate::certificate::{Draft, Drafted};
use crate::replace::{self, Replacement, Stage};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 2;
/// The version of a record without a client's certificate: earlier versions of this library read it too.
const FORMAT_PLAIN: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 1024 * 1024;

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

/// What the record knows of a machine's account in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAccount {
    /// Nothing: this account was not noted.
    Unknown,
    /// It has this password.
    Same,
    /// It is the machine's, and was given another password.
    OtherPassword,
}

/// Which account in a directory was noted last, and with which password.
const ACCOUNT: &str = "directory.account";
const ACCOUNT_PASSWORD: &str = "directory.password";

/// What a crash must not lose. Of secrets it holds digests with a key of its own: enough to see that one is the same. Only the key that
/// was made for a machine that makes none itself stands in it as it is, until the machine was seen using it.
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
    pub(super) moved_to: Option<IpAddr>,
    /// Where this attempt found the machine, if that is not where it was to be looked for. For whoever keeps the record; not part of what
    /// is encoded.
    pub found_at: Option<IpAddr>,
    /// Whether something was staged on the machine that counts only after a commit.
    pub(super) commit_due: bool,
    /// The machine's certificate for 802.1X.
    pub(super) client: Replacement,
    /// The name that it was asked for with.
    pub(super) client_name: Option<String>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<replace::Stored>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
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
            found_at: None,
            commit_due: false,
            client: Replacement::new(id),
            client_name: None,
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

    /// What is known of the account at `dn` in a directory, whose password shall be `password`.
    pub fn account(&self, dn: &str, password: &Secret<String>) -> KnownAccount {
        match (self.has(ACCOUNT, &dn.to_lowercase().into()), self.has(ACCOUNT_PASSWORD, password)) {
            (false, _) => KnownAccount::Unknown,
            (true, true) => KnownAccount::Same,
            (true, false) => KnownAccount::OtherPassword,
        }
    }

    /// Notes that the machine's account is at `dn` and has `password`. The machine is given its key anew if that is news: the key depends
    /// on both.
    pub fn note_account(&mut self, dn: &str, password: &Secret<String>) {
        if self.account(dn, password) != KnownAccount::Same {
            self.written(ACCOUNT, &dn.to_lowercase().into());
            self.written(ACCOUNT_PASSWORD, password);
            self.forget(super::kerberos::PASSWORD);
        }
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

    /// The certificate by which the machine logs in to its network (802.1X), DER; none if it was given none. While another one is
    /// made, the old one as long as the new one was not issued.
    pub fn client_certificate(&self) -> Option<&[u8]> {
        self.client.certificate.as_deref().or_else(|| self.client.superseded.last().map(Vec::as_slice))
    }

    /// JSON, to be stored where others do not read it: it may hold the key that was made for a machine that makes none itself.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let has_client = self.client.stage != Stage::Idle;
        let stored = Stored {
            format: if has_client { FORMAT } else { FORMAT_PLAIN },
            id: self.id.to_string(),
            stage: self.stage,
            profile: self.profile.clone(),
            revision: self.revision.clone(),
            moved_to: self.moved_to,
            commit_due: self.commit_due,
            salt: hex::encode(self.salt),
            written: self.written.clone(),
            client: has_client.then(|| self.client.to_stored()),
            client_name: self.client_name.clone().filter(|_| has_client),
        };
        // A struct of strings and words always serialises.
        Secret::new(serde_json::to_vec(&stored).unwrap_or_default())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let what = "the record of the profile";
        let stored: Stored = replace::read(bytes, MAX_RECORD, FORMAT, what)?;
        let bad = |text: String| Failure::new(ErrorCode::JOURNAL, "journal", text);
        let mut salt = [0; 32];
        hex::decode_to_slice(&stored.salt, &mut salt).map_err(|_| bad(format!("salt in {what} is damaged")))?;
        let id: SystemId = stored.id.parse()?;
        let client = match stored.client {
            Some(client) => Replacement::from_stored(client, what)?,
            None => Replacement::new(id),
        };
        if client.id != id {
            return Err(bad(format!("the certificate in {what} is of another machine")));
        }
        Ok(Self {
            id,
            stage: stored.stage,
            profile: stored.profile,
            revision: stored.revision,
            moved_to: stored.moved_to,
            found_at: None,
            commit_due: stored.commit_due,
            client,
            client_name: stored.client_name,
            salt,
            written: stored.written,
        })
    }
}

impl Drafted for ApplyRecord {
    fn draft(&mut self) -> Draft<'_> {
        self.client.draft()
    }

    // The stage says enough: what is missing is found on the machine.
    fn note_step(&mut self, _: Step) {}
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
        let bytes = record.encode().expose().clone();
        assert!(!String::from_utf8(bytes.clone()).unwrap().contains("ssw0rd"));
        let read = ApplyRecord::decode(&bytes).unwrap();
        assert_eq!(read, record);
        assert!(read.has("access.users.alice", &secret));
        assert!(!read.has("access.users.bob", &secret), "a digest is of one field");
        assert!(!read.has("access.users.alice", &"other".into()));
        for cut in 0..bytes.len() {
            assert_eq!(ApplyRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let newer = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":3");
        assert!(ApplyRecord::decode(newer.as_bytes()).unwrap_err().message.contains("format 3"));
    }

    #[test]
    fn an_account_is_known_by_its_place_and_a_new_one_has_the_machine_keyed_anew() {
        let mut record = ApplyRecord::new(SystemId::from_wire([3; 16]), [9; 32]);
        let (dn, one, two) = ("CN=pc1-amt,OU=AMT,DC=example,DC=com", Secret::from("Pw-1"), Secret::from("Pw-2"));
        assert_eq!(record.account(dn, &one), KnownAccount::Unknown);
        for (at, password, before) in [
            (dn, &one, KnownAccount::Unknown),
            (dn, &two, KnownAccount::OtherPassword),
            ("CN=pc9-amt,OU=AMT,DC=example,DC=com", &two, KnownAccount::Unknown),
        ] {
            record.written(super::super::kerberos::PASSWORD, password);
            assert_eq!(record.account(at, password), before);
            record.note_account(at, password);
            assert!(!record.has(super::super::kerberos::PASSWORD, password));
            record = ApplyRecord::decode(record.encode().expose()).unwrap();
            assert_eq!(record.account(&at.to_lowercase(), password), KnownAccount::Same, "places have no capitals");
            record.written(super::super::kerberos::PASSWORD, password);
            record.note_account(at, password);
            assert!(record.has(super::super::kerberos::PASSWORD, password), "nothing new, nothing to be written");
        }
    }

    #[test]
    fn a_record_with_a_clients_certificate_has_a_newer_format_and_shows_no_key() {
        let mut record = ApplyRecord::new(SystemId::from_wire([3; 16]), [9; 32]);
        (record.client.stage, record.client.ca_request) = (Stage::Preparing, Some("42".into()));
        record.client.keys_before = Some(vec!["aa".into()]);
        record.client.private_key = Some(Secret::new(vec![0x30, 9]));
        record.client_name = Some("pc1.example.com".into());
        let bytes = record.encode().expose().clone();
        assert_eq!(ApplyRecord::decode(&bytes).unwrap(), record);
        assert!(String::from_utf8(bytes.clone()).unwrap().starts_with("{\"format\":2,"));
        for cut in 0..bytes.len() {
            assert_eq!(ApplyRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        assert!(!format!("{record:?}").contains("48, 9"), "no key in Debug");
        let (mine, other) = (SystemId::from_wire([3; 16]).to_string(), SystemId::from_wire([4; 16]).to_string());
        let foreign = String::from_utf8(bytes).unwrap().replacen(&mine, &other, 1);
        assert!(ApplyRecord::decode(foreign.as_bytes()).unwrap_err().message.contains("another machine"));
    }

    #[test]
    fn a_second_end_is_no_news() {
        let mut record = ApplyRecord::new(SystemId::from_wire([3; 16]), [9; 32]);
        assert!(record.finish("Office", "aa"));
        assert!(!record.finish("Office", "aa"));
        assert!(record.finish("Office", "bb"));
    }
}
