//! What a crash must not lose: the record that is durable before anything is sent that depends on it.

use crate::step::Step;
use amt_core::psk::{Form, PskPair};
use amt_core::tls::Rung;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Version of the encoded form. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;

/// Everything known about one machine's provisioning. Holds every candidate credential, likeliest first; a candidate goes only
/// after a login with another was seen (`spec/wsman.md` §4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The machine.
    pub id: SystemId,
    /// The step that was about to be taken.
    pub step: Step,
    /// Digest realm, needed to compute the password's hash.
    pub realm: Option<String>,
    /// Passwords of `admin`, likeliest first.
    pub admin_passwords: Vec<Secret<String>>,
    /// Passwords of the setup menu, likeliest first.
    pub mebx_passwords: Vec<Secret<String>>,
    /// Whether a login with the first of `admin_passwords` was seen.
    pub admin_proven: bool,
    /// Handle of the key pair on the machine.
    pub key_handle: Option<String>,
    /// The request that the machine signed, DER.
    pub csr: Option<Vec<u8>>,
    /// The authority's name for a request that is not decided yet.
    pub ca_request: Option<String>,
    /// Certificate of the machine's TLS server, DER.
    pub certificate: Option<Vec<u8>>,
    /// Issuers of that certificate, DER.
    pub certificate_chain: Vec<Vec<u8>>,
    /// Handle of that certificate on the machine.
    pub certificate_handle: Option<String>,
    /// SHA-256 (hex) of the leaf of the provisioning certificate that the firmware accepted.
    pub provisioning_certificate: Option<String>,
    /// CommitChanges may have been sent: the answer is in the machine's state, not in a repetition.
    pub commit_sent: bool,
    /// The proof was seen.
    pub verified: bool,
    /// Firmware version, once known.
    pub version: Option<FirmwareVersion>,
    /// The rung of the TLS ladder on which the machine was reached last.
    pub rung: Option<Rung>,
    /// Pre-shared pairs that the machine may hold, likeliest first.
    pub psk: Vec<PskPair>,
    /// The pair chosen for the machine's next setup, until it is proven; one of `psk`.
    pub fresh_psk: Option<PskPair>,
    /// Key that was made for a machine that makes none itself, PKCS#1 DER; kept until the machine was seen using it.
    pub private_key: Option<Secret<Vec<u8>>>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Stored {
    format: u32,
    id: String,
    step: String,
    realm: Option<String>,
    admin_passwords: Vec<String>,
    mebx_passwords: Vec<String>,
    admin_proven: bool,
    key_handle: Option<String>,
    csr: Option<String>,
    ca_request: Option<String>,
    certificate: Option<String>,
    certificate_chain: Vec<String>,
    certificate_handle: Option<String>,
    provisioning_certificate: Option<String>,
    commit_sent: bool,
    verified: bool,
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rung: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    psk: Vec<[String; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fresh_psk: Option<[String; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
}

impl Record {
    /// A machine of which nothing is known yet.
    pub fn new(id: SystemId) -> Self {
        Self {
            id,
            step: Step::Start,
            realm: None,
            admin_passwords: Vec::new(),
            mebx_passwords: Vec::new(),
            admin_proven: false,
            key_handle: None,
            csr: None,
            ca_request: None,
            certificate: None,
            certificate_chain: Vec::new(),
            certificate_handle: None,
            provisioning_certificate: None,
            commit_sent: false,
            verified: false,
            version: None,
            rung: None,
            psk: Vec::new(),
            fresh_psk: None,
            private_key: None,
        }
    }

    /// JSON **with the secrets in clear**, to be sealed before it is stored.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let clear = |list: &[Secret<String>]| list.iter().map(|s| s.expose().clone()).collect();
        let pair = |pair: &PskPair| [pair.pid.plain(), pair.pps.plain().expose().clone()];
        let stored = Stored {
            format: FORMAT,
            id: self.id.to_string(),
            step: self.step.name().to_owned(),
            realm: self.realm.clone(),
            admin_passwords: clear(&self.admin_passwords),
            mebx_passwords: clear(&self.mebx_passwords),
            admin_proven: self.admin_proven,
            key_handle: self.key_handle.clone(),
            csr: self.csr.as_ref().map(|d| STANDARD.encode(d)),
            ca_request: self.ca_request.clone(),
            certificate: self.certificate.as_ref().map(|d| STANDARD.encode(d)),
            certificate_chain: self.certificate_chain.iter().map(|d| STANDARD.encode(d)).collect(),
            certificate_handle: self.certificate_handle.clone(),
            provisioning_certificate: self.provisioning_certificate.clone(),
            commit_sent: self.commit_sent,
            verified: self.verified,
            version: self.version.map(|v| v.to_string()),
            rung: self.rung.map(|rung| rung.name().to_owned()),
            psk: self.psk.iter().map(pair).collect(),
            fresh_psk: self.fresh_psk.as_ref().map(pair),
            private_key: self.private_key.as_ref().map(|der| STANDARD.encode(der.expose())),
        };
        // A struct of strings, numbers and booleans always serialises.
        Secret::new(serde_json::to_vec(&stored).unwrap_or_default())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |what: String| Failure::new(ErrorCode::JOURNAL, "journal", what);
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|e| bad(format!("the journal record is damaged at byte {}", e.column())))?;
        if stored.format > FORMAT {
            return Err(bad(format!(
                "the journal record has format {}, this version reads up to {FORMAT}",
                stored.format
            )));
        }
        let der = |text: &String| {
            STANDARD.decode(text).map_err(|_| bad("a certificate in the journal record is damaged".to_owned()))
        };
        let pair = |[pid, pps]: &[String; 2]| {
            PskPair::parse(pid, pps, Form::Strict)
                .map_err(|_| bad("a pre-shared pair in the journal record is damaged".to_owned()))
        };
        let secrets = |list: &[String]| list.iter().map(|s| Secret::from(s.as_str())).collect();
        Ok(Self {
            id: stored.id.parse()?,
            step: stored.step.parse()?,
            realm: stored.realm.clone(),
            admin_passwords: secrets(&stored.admin_passwords),
            mebx_passwords: secrets(&stored.mebx_passwords),
            admin_proven: stored.admin_proven,
            key_handle: stored.key_handle.clone(),
            csr: stored.csr.as_ref().map(der).transpose()?,
            ca_request: stored.ca_request.clone(),
            certificate: stored.certificate.as_ref().map(der).transpose()?,
            certificate_chain: stored.certificate_chain.iter().map(der).collect::<Result<_, _>>()?,
            certificate_handle: stored.certificate_handle.clone(),
            provisioning_certificate: stored.provisioning_certificate.clone(),
            commit_sent: stored.commit_sent,
            verified: stored.verified,
            version: stored.version.as_ref().map(|v| v.parse()).transpose()?,
            rung: stored.rung.as_ref().map(|rung| rung.parse()).transpose()?,
            psk: stored.psk.iter().map(pair).collect::<Result<_, _>>()?,
            fresh_psk: stored.fresh_psk.as_ref().map(pair).transpose()?,
            private_key: stored.private_key.as_ref().map(der).transpose()?.map(Secret::new),
        })
    }

    /// Puts `pair` first among the pre-shared pairs, keeping the others.
    pub(crate) fn prefer_psk(&mut self, pair: &PskPair) {
        self.psk.retain(|other| other != pair);
        self.psk.insert(0, pair.clone());
    }

    /// Puts `password` first among the administrator's candidates, keeping the others.
    pub(crate) fn prefer_admin(&mut self, password: &Secret<String>) {
        prefer(&mut self.admin_passwords, password);
    }
}

/// Moves or inserts `value` at the front.
pub(crate) fn prefer(list: &mut Vec<Secret<String>>, value: &Secret<String>) {
    list.retain(|other| other != value);
    list.insert(0, value.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_encoding() {
        let mut record = Record::new("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap());
        record.step = Step::SetAdminPassword;
        record.realm = Some("Digest:0123".into());
        record.admin_passwords = vec!["new".into(), "old".into()];
        record.certificate = Some(vec![0x30, 0x82]);
        record.version = Some("16.0.5.1000".parse().unwrap());
        record.rung = Some(Rung::LegacyTls10);
        record.psk = vec![PskPair::parse("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Strict).unwrap()];
        record.fresh_psk = record.psk.first().cloned();
        record.private_key = Some(Secret::new(vec![0x30, 1]));
        let bytes = record.encode();
        assert_eq!(Record::decode(bytes.expose()).unwrap(), record);
        assert!(!format!("{record:?}").contains("new"), "no secret in Debug");
    }

    #[test]
    fn damage_and_newer_formats_are_refused_without_showing_content() {
        let bytes = Record::new(SystemId::from_wire([1; 16])).encode();
        for cut in 0..bytes.expose().len() {
            assert_eq!(Record::decode(&bytes.expose()[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let newer = String::from_utf8(bytes.expose().clone()).unwrap().replace("\"format\":1", "\"format\":2");
        assert!(Record::decode(newer.as_bytes()).unwrap_err().message.contains("format 2"));
    }

    #[test]
    fn records_of_the_first_release_are_read() {
        let text = concat!(
            r#"{"format":1,"id":"00112233-4455-6677-8899-aabbccddeeff","step":"commit","realm":"Digest:0123","#,
            r#""admin_passwords":["new","old"],"mebx_passwords":["menu"],"admin_proven":true,"#,
            r#""key_handle":"Intel(r) AMT Key: Handle: 0","csr":"MIIB","ca_request":null,"certificate":"MII=","#,
            r#""certificate_chain":["MIIC"],"certificate_handle":"Intel(r) AMT Certificate: Handle: 0","#,
            r#""provisioning_certificate":"ab12","commit_sent":true,"verified":false,"version":"16.0.5.1000"}"#
        );
        let record = Record::decode(text.as_bytes()).unwrap();
        assert_eq!((record.step, record.admin_passwords.len(), record.commit_sent), (Step::Commit, 2, true));
        assert_eq!(record.certificate, Some(vec![0x30, 0x82]));
        assert_eq!(record.encode().expose().as_slice(), text.as_bytes(), "and written the same");
    }

    #[test]
    fn preferring_moves_a_known_candidate_and_keeps_the_rest() {
        let mut list: Vec<Secret<String>> = vec!["a".into(), "b".into()];
        prefer(&mut list, &"b".into());
        prefer(&mut list, &"c".into());
        let text: Vec<_> = list.iter().map(|s| s.expose().as_str()).collect();
        assert_eq!(text, ["c", "b", "a"]);
    }
}
