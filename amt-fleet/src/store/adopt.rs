//! A machine that another console set up, taken into the database as it is.

use super::change::{SaveRecord, Tx};
use super::writer::Change;
use super::{Fleet, failed, journal_place};
use crate::host::machine_report;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::{MachineFacts, Record, Step};
use std::net::IpAddr;

/// `ProvisioningState` of a machine that is set up.
const SET_UP: u32 = 2;

/// A machine that is set up, and a password that opened it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adoption {
    /// What it says of itself, read with the password.
    pub facts: MachineFacts,
    /// Where it is.
    pub address: IpAddr,
    /// The password of `admin` that opened it.
    pub password: Secret<String>,
    /// The profile that it is given; none: the one that it has, or the default.
    pub profile: Option<String>,
    /// Who takes it, for the diary.
    pub by: String,
}

impl Adoption {
    /// The machine of `facts` at `address`, which `password` opened.
    pub const fn new(facts: MachineFacts, address: IpAddr, password: Secret<String>, by: String) -> Self {
        Self { facts, address, password, profile: None, by }
    }
}

struct Adopt {
    journal: SaveRecord,
    id: SystemId,
    address: String,
    control_mode: String,
    profile: Option<String>,
    diary: String,
}

impl Change for Adopt {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        self.journal.apply(tx).await?;
        let row = tx.existing_row(self.id).await?;
        // No event: what follows from a setup (settings, programs) does not follow from an adoption.
        sqlx::query(
            "UPDATE machines SET state = 'verified', admitted = 1, attempts = 0, redo = 0, retry_at = NULL, \
             failure_code = NULL, failure_stage = NULL, failure_message = NULL, failure_hint = NULL, parked_code = NULL, \
             parked_reason = NULL, parked_hint = NULL, taken_back_at = NULL, \
             taken_back_by = NULL, taken_back = NULL, address = ?2, control_mode = ?3, profile = ifnull(?4, profile), \
             verified_at = ?5, first_verified_at = ifnull(first_verified_at, ?5), changed_at = ?5 WHERE id = ?1",
        )
        .bind(row)
        .bind(self.address.as_str())
        .bind(self.control_mode.as_str())
        .bind(self.profile.as_deref())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write machine"))?;
        tx.diary(row, "adopted", &self.diary).await
    }
}

impl Fleet {
    /// Takes a machine that is set up into the database: its password, the certificate by which it is known from now on, what it says of
    /// itself. Nothing is changed in the machine, and nothing follows by itself; jobs reach it from now on. Passwords that the
    /// database knew of it stay as candidates until a login, which this was, makes them needless.
    ///
    /// # Errors
    /// `WRONG_STATE` if it is not set up or serves no certificate, `STORE`.
    pub async fn adopt(&self, adoption: Adoption) -> Result<(), Failure> {
        let Adoption { facts, address, password, profile, by } = adoption;
        let id = facts.id;
        let not = |what: &str| Err(Failure::new(ErrorCode::WRONG_STATE, "adopt", format!("the machine {what}")));
        if facts.provisioning_state != Some(SET_UP) {
            return not("is not set up: let a setup server set it up");
        }
        let Some(certificate) = facts.certificate.clone() else { return not("serves no certificate to know it by") };
        let mut record = self.record(id).await?.unwrap_or_else(|| Record::new(id));
        record.step = Step::Done;
        record.realm.clone_from(&facts.realm);
        record.admin_passwords = vec![password];
        record.certificate = Some(certificate);
        (record.admin_proven, record.verified) = (true, true);
        record.version = facts.version.or(record.version);
        let sealed = self.seal().seal(journal_place(&id.to_string()), record.encode().expose())?;
        let control_mode = facts.control_mode.as_ref().map_or("unknown", |mode| mode.as_str()).to_owned();
        self.write(Adopt {
            journal: SaveRecord { record, sealed },
            id,
            address: address.to_string(),
            control_mode,
            profile,
            diary: format!("adopted at {address} by {by}, as it is"),
        })
        .await?;
        self.report(machine_report(&facts)).await?;
        self.touch(id);
        Ok(())
    }
}
