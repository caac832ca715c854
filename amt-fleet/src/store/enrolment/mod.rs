//! Enrolment tokens and the clients that used them, in the database.
//!
//! Tokens and client keys are known by their SHA-256 alone. They are looked up by it: how long a look-up takes may tell
//! something of a digest, from which nothing leads back to 32 random bytes. What was found is compared in constant time.

#[cfg(test)]
mod tests;

use super::change::Tx;
use super::facts::{Report, tell};
use super::machine::{Origin, optional, required, time};
use super::writer::Change;
use super::{Fleet, MAX_DIARY, failed, millis};
use crate::fact::{FactKey, FactSource};
use crate::intake::wire::{AgentFacts, ClientKey, ProblemCode, Token};
use amt_core::{ErrorCode, Failure, SystemId};
use sqlx::sqlite::SqliteRow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use subtle::ConstantTimeEq as _;

/// Most machines that one token can be made for.
pub const MAX_TOKEN_USES: u32 = 1_000_000;
/// Longest note on a token, in bytes.
pub const MAX_TOKEN_NOTE: usize = 255;
/// Tokens that were revoked or expired so long ago are no longer listed.
pub const TOKENS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// SHA-256 of a token or client key.
pub(crate) type Digest = [u8; 32];

/// What a new token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenTerms {
    /// How many machines may enrol with it.
    pub uses: u32,
    /// Until when.
    pub expires_at: Option<SystemTime>,
    /// The only machine that may enrol with it; absent: any.
    pub machine: Option<SystemId>,
    /// What it is for, in words.
    pub note: Option<String>,
}

impl Default for TokenTerms {
    /// One machine, any, for ever.
    fn default() -> Self {
        Self { uses: 1, expires_at: None, machine: None, note: None }
    }
}

/// A token, without the token itself: that was shown once and is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolmentToken {
    /// Its number, to speak of it.
    pub number: i64,
    /// What it is good for.
    pub terms: TokenTerms,
    /// Machines that are enrolled with it. Resetting one gives its use back.
    pub used: u32,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it was revoked.
    pub revoked_at: Option<SystemTime>,
}

impl EnrolmentToken {
    /// Why no further machine can enrol with it at `now`; `None` if one can.
    pub fn refusal(&self, now: SystemTime) -> Option<ProblemCode> {
        if self.revoked_at.is_some() {
            Some(ProblemCode::Revoked)
        } else if self.terms.expires_at.is_some_and(|at| at <= now) {
            Some(ProblemCode::Expired)
        } else if self.used >= self.terms.uses {
            Some(ProblemCode::UsedUp)
        } else {
            None
        }
    }

    fn from_row(row: &SqliteRow) -> Result<Self, Failure> {
        let count = |name| Ok::<_, Failure>(u32::try_from(required::<i64>(row, name)?).unwrap_or(u32::MAX));
        Ok(Self {
            number: required(row, "id")?,
            terms: TokenTerms {
                uses: count("uses")?,
                expires_at: time(row, "expires_at")?,
                machine: optional::<String>(row, "machine")?.map(|id| id.parse()).transpose()?,
                note: optional(row, "note")?,
            },
            used: count("used")?,
            created_at: super::from_millis(required(row, "created_at")?),
            revoked_at: time(row, "revoked_at")?,
        })
    }
}

/// The columns that [`EnrolmentToken::from_row`] reads; append a WHERE.
macro_rules! select_tokens {
    ($rest:literal) => {
        concat!(
            "SELECT t.*, (SELECT count(*) FROM enrolments e WHERE e.token = t.id) AS used FROM enrolment_tokens t ",
            $rest
        )
    };
}

impl Fleet {
    /// Makes a token. This is the only time that it can be seen.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for terms that cannot be: no uses or more than [`MAX_TOKEN_USES`], several for one machine, an end in the
    /// past, a machine whose UUID many share, a note with control characters or longer than [`MAX_TOKEN_NOTE`]; `IO`, `STORE`.
    pub async fn new_token(&self, terms: TokenTerms) -> Result<(i64, Token), Failure> {
        let bad = |text: String| Failure::new(ErrorCode::INVALID_ARGUMENT, "new token", text);
        if !(1..=MAX_TOKEN_USES).contains(&terms.uses) {
            return Err(bad(format!("a token is for 1 to {MAX_TOKEN_USES} machines")));
        }
        if let Some(id) = terms.machine {
            if !id.is_usable_as_key() {
                return Err(bad(format!("{id} is a placeholder that many machines share")));
            }
            if terms.uses > 1 {
                return Err(bad("a token for one machine is used once".to_owned()));
            }
        }
        if terms.expires_at.is_some_and(|at| at <= SystemTime::now()) {
            return Err(bad("the token would be expired already".to_owned()));
        }
        let is_note = |note: &String| note.len() <= MAX_TOKEN_NOTE && !note.chars().any(char::is_control);
        if !terms.note.as_ref().is_none_or(is_note) {
            return Err(bad(format!("a note has at most {MAX_TOKEN_NOTE} bytes and no control characters")));
        }
        let token = Token::random()?;
        let number = self.write(NewToken { digest: token.digest(), terms }).await?;
        Ok((number, token))
    }

    /// Every token, oldest first.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn tokens(&self) -> Result<Vec<EnrolmentToken>, Failure> {
        let rows = sqlx::query(select_tokens!("ORDER BY t.id")).fetch_all(self.readers()).await;
        rows.map_err(failed("read"))?.iter().map(EnrolmentToken::from_row).collect()
    }

    /// Nobody can enrol with this token any more. Machines that did stay enrolled.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if there is no such token, `STORE`.
    pub async fn revoke_token(&self, number: i64) -> Result<(), Failure> {
        self.write(RevokeToken(number)).await
    }

    /// Forgets the client key of a machine, so that a client there can enrol anew. What it reported stays. Returns whether one was
    /// enrolled.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`.
    pub async fn reset_enrolment(&self, id: SystemId) -> Result<bool, Failure> {
        self.write(ResetEnrolment(id)).await
    }

    /// Records what a program on a machine found, as the intake does, for an embedding program that has a channel of its own to its clients: it
    /// vouches for them in place of a token. A machine that is not known becomes so, and is not let in by that. `by` tells the diary
    /// who said it. Returns whether anything is new.
    ///
    /// # Errors
    /// `PARSE_TEXT` for a value that cannot be, `INVALID_ARGUMENT` for a UUID that many machines share or a `by` that is none, `STORE`.
    pub async fn hear(&self, id: SystemId, facts: &AgentFacts, by: &str) -> Result<bool, Failure> {
        let bad = |text: String| Failure::new(ErrorCode::INVALID_ARGUMENT, "facts", text);
        if !id.is_usable_as_key() {
            return Err(bad(format!("{id} is a placeholder that many machines share")));
        }
        if by.is_empty() || by.len() > MAX_TOKEN_NOTE || by.chars().any(char::is_control) {
            return Err(bad(format!("by: 1 to {MAX_TOKEN_NOTE} bytes without control characters")));
        }
        let news = self.write(HearAgent(facts.report(id)?)).await?;
        if news {
            self.note(id, "reported", format!("facts of a client on the machine came by {by}"));
        }
        self.touch(id);
        Ok(news)
    }

    /// Whether a token is known, good or not: asked before the writer is troubled.
    pub(crate) async fn is_token(&self, digest: Digest) -> Result<bool, Failure> {
        let row = sqlx::query("SELECT digest FROM enrolment_tokens WHERE digest = ?1")
            .bind(digest.to_vec())
            .fetch_optional(self.readers())
            .await
            .map_err(failed("read"))?;
        row.map_or(Ok(false), |row| is_same(&row, "digest", &digest))
    }

    /// The machine whose client holds this key.
    pub(crate) async fn client_of(&self, digest: Digest) -> Result<Option<SystemId>, Failure> {
        let row = sqlx::query(
            "SELECT m.uuid, e.client_key FROM enrolments e JOIN machines m ON m.id = e.machine WHERE e.client_key = ?1",
        )
        .bind(digest.to_vec())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("read"))?;
        match row {
            Some(row) if is_same(&row, "client_key", &digest)? => required::<String>(&row, "uuid")?.parse().map(Some),
            _ => Ok(None),
        }
    }
}

fn is_same(row: &SqliteRow, column: &str, digest: &Digest) -> Result<bool, Failure> {
    Ok(required::<Vec<u8>>(row, column)?.ct_eq(digest).into())
}

/// What became of a client's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is recorded.
    Recorded {
        /// Whether it says anything that was not said before.
        news: bool,
    },
    /// It was recorded before: nothing was written.
    Known,
    /// Nothing was written.
    Refused(ProblemCode),
}

/// A client enrols: token, enrolment and facts in one transaction, or nothing of them.
pub(crate) struct EnrolClient {
    pub(crate) token: Digest,
    pub(crate) client: Digest,
    /// Normalised.
    pub(crate) report: Report,
    pub(crate) sequence: i64,
    pub(crate) source: IpAddr,
}

impl EnrolClient {
    pub(crate) fn new(token: &Token, client: &ClientKey, report: Report, sequence: i64, source: IpAddr) -> Self {
        Self { token: token.digest(), client: client.digest(), report, sequence, source }
    }
}

impl Change for EnrolClient {
    type Reply = Taken;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Taken, Failure> {
        let id = self.report.id;
        let row = sqlx::query(select_tokens!("WHERE t.digest = ?1"))
            .bind(self.token.to_vec())
            .fetch_optional(&mut *tx.connection)
            .await
            .map_err(failed("read"))?;
        let Some(row) = row else { return Ok(Taken::Refused(ProblemCode::Token)) };
        if !is_same(&row, "digest", &self.token)? {
            return Ok(Taken::Refused(ProblemCode::Token));
        }
        let token = EnrolmentToken::from_row(&row)?;
        if token.revoked_at.is_some() {
            return Ok(Taken::Refused(ProblemCode::Revoked));
        }
        if token.terms.machine.is_some_and(|only| only != id) {
            return Ok(Taken::Refused(ProblemCode::Foreign));
        }
        let machine = tx.row_of(id).await?;
        let enrolled = match machine {
            Some(machine) => tx.enrolment(machine).await?,
            None => None,
        };
        let own = enrolled.as_ref().is_some_and(|e| bool::from(e.client.ct_eq(&self.client)));
        if let (true, Some(machine), Some(enrolled)) = (own, machine, &enrolled) {
            // Said again because the answer was lost, or by a client that starts anew: no further use of the token.
            if self.sequence <= enrolled.sequence {
                return Ok(Taken::Known);
            }
            return tx.take(machine, &self.report, self.sequence, self.source).await;
        }
        if let Some(refusal) = token.refusal(super::from_millis(tx.now)) {
            return Ok(Taken::Refused(refusal));
        }
        if enrolled.is_some() {
            return Ok(Taken::Refused(ProblemCode::Enrolled));
        }
        if tx.client(&self.client).await?.is_some() {
            return Ok(Taken::Refused(ProblemCode::Foreign));
        }
        let machine = match machine {
            Some(machine) => machine,
            None => tx.insert_machine(id, Origin::Agent, false).await?,
        };
        sqlx::query(
            "INSERT INTO enrolments (machine, token, client_key, sequence, source, first_at, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        )
        .bind(machine)
        .bind(token.number)
        .bind(self.client.to_vec())
        .bind(self.sequence)
        .bind(self.source.to_string())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write enrolment"))?;
        tell(tx, machine, &self.report).await?;
        Ok(Taken::Recorded { news: true })
    }
}

/// An enrolled client says more.
pub(crate) struct HearClient {
    pub(crate) client: Digest,
    /// Normalised.
    pub(crate) report: Report,
    pub(crate) sequence: i64,
    pub(crate) source: IpAddr,
}

impl Change for HearClient {
    type Reply = Taken;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Taken, Failure> {
        let Some((machine, id)) = tx.client(&self.client).await? else {
            return Ok(Taken::Refused(ProblemCode::Key));
        };
        if id != self.report.id {
            return Ok(Taken::Refused(ProblemCode::Foreign));
        }
        let newest = tx.enrolment(machine).await?.map_or(i64::MAX, |enrolled| enrolled.sequence);
        if self.sequence > newest {
            return tx.take(machine, &self.report, self.sequence, self.source).await;
        }
        let again = self.sequence == newest && tx.stands(machine, &self.report).await?;
        Ok(if again { Taken::Known } else { Taken::Refused(ProblemCode::Replay) })
    }
}

/// An embedding program passes on what its own client says.
struct HearAgent(Report);

impl Change for HearAgent {
    /// Whether it says anything that was not said before.
    type Reply = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let (machine, is_new) = match tx.row_of(self.0.id).await? {
            Some(machine) => (machine, false),
            None => (tx.insert_machine(self.0.id, Origin::Agent, false).await?, true),
        };
        Ok(tx.hear(machine, &self.0).await? || is_new)
    }
}

/// What is known of a machine's client.
struct Enrolment {
    client: Vec<u8>,
    sequence: i64,
}

impl Tx<'_> {
    async fn enrolment(&mut self, machine: i64) -> Result<Option<Enrolment>, Failure> {
        let row = sqlx::query("SELECT client_key, sequence FROM enrolments WHERE machine = ?1")
            .bind(machine)
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(failed("read"))?;
        row.map(|row| Ok(Enrolment { client: required(&row, "client_key")?, sequence: required(&row, "sequence")? }))
            .transpose()
    }

    /// The machine whose client holds this key.
    async fn client(&mut self, digest: &Digest) -> Result<Option<(i64, SystemId)>, Failure> {
        let row = sqlx::query(
            "SELECT m.id, m.uuid, e.client_key FROM enrolments e JOIN machines m ON m.id = e.machine \
             WHERE e.client_key = ?1",
        )
        .bind(digest.to_vec())
        .fetch_optional(&mut *self.connection)
        .await
        .map_err(failed("read"))?;
        match row {
            Some(row) if is_same(&row, "client_key", digest)? => {
                Ok(Some((required(&row, "id")?, required::<String>(&row, "uuid")?.parse()?)))
            }
            _ => Ok(None),
        }
    }

    /// Records the next report of an enrolled client.
    async fn take(&mut self, machine: i64, report: &Report, sequence: i64, source: IpAddr) -> Result<Taken, Failure> {
        sqlx::query("UPDATE enrolments SET sequence = ?2, source = ?3, at = ?4 WHERE machine = ?1")
            .bind(machine)
            .bind(sequence)
            .bind(source.to_string())
            .bind(self.now)
            .execute(&mut *self.connection)
            .await
            .map_err(failed("write enrolment"))?;
        Ok(Taken::Recorded { news: self.hear(machine, report).await? })
    }

    /// Records what a client says; whether anything is new.
    async fn hear(&mut self, machine: i64, report: &Report) -> Result<bool, Failure> {
        let news = tell(self, machine, report).await?;
        if news {
            // Each is a line in the diary, and this machine may say no hello that would cut it.
            let sql = "DELETE FROM events WHERE machine = ?1 AND id <= \
                       (SELECT id FROM events WHERE machine = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            sqlx::query(sql)
                .bind(machine)
                .bind(MAX_DIARY)
                .execute(&mut *self.connection)
                .await
                .map_err(failed("forget"))?;
        }
        Ok(news)
    }

    /// Whether all that `report` says stands already as its source's word, and nothing else about the same keys.
    async fn stands(&mut self, machine: i64, report: &Report) -> Result<bool, Failure> {
        let facts = self.facts(report.id, machine).await?;
        let mut told: BTreeMap<FactKey, BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in &report.facts {
            told.entry(*key).or_default().insert(value);
        }
        let said = |key| facts.about(key).filter(|f| f.source == FactSource::Agent).map(|f| f.value.as_str());
        Ok(told.into_iter().all(|(key, values)| said(key).collect::<BTreeSet<_>>() == values))
    }
}

struct NewToken {
    digest: Digest,
    terms: TokenTerms,
}

impl Change for NewToken {
    type Reply = i64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, Failure> {
        let kept = i64::try_from(TOKENS_KEPT.as_millis()).unwrap_or(i64::MAX);
        sqlx::query("DELETE FROM enrolment_tokens WHERE revoked_at < ?1 OR expires_at < ?1")
            .bind(tx.now.saturating_sub(kept))
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("forget"))?;
        sqlx::query(
            "INSERT INTO enrolment_tokens (digest, note, machine, uses, created_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(self.digest.to_vec())
        .bind(self.terms.note.as_deref())
        .bind(self.terms.machine.map(|id| id.to_string()))
        .bind(i64::from(self.terms.uses))
        .bind(tx.now)
        .bind(self.terms.expires_at.map(millis))
        .execute(&mut *tx.connection)
        .await
        .map(|done| done.last_insert_rowid())
        .map_err(failed("write token"))
    }
}

struct RevokeToken(i64);

impl Change for RevokeToken {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let done = sqlx::query("UPDATE enrolment_tokens SET revoked_at = ifnull(revoked_at, ?2) WHERE id = ?1")
            .bind(self.0)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write token"))?;
        if done.rows_affected() == 0 {
            let text = format!("there is no token {}", self.0);
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "revoke token", text)
                .hint("`amt fleet token list` shows their numbers"));
        }
        Ok(())
    }
}

struct ResetEnrolment(SystemId);

impl Change for ResetEnrolment {
    type Reply = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let machine = tx.existing_row(self.0).await?;
        sqlx::query("DELETE FROM enrolments WHERE machine = ?1")
            .bind(machine)
            .execute(&mut *tx.connection)
            .await
            .map(|done| done.rows_affected() > 0)
            .map_err(failed("write enrolment"))
    }
}
