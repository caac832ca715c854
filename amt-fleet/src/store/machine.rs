//! What the database says about a machine.

use crate::words::words;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_provision::Step;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

words! {
    /// Where a machine stands with the setup server.
    MachineState {
        /// On the list; it has not said hello yet.
        Known = "known",
        /// It said hello and is not admitted.
        Parked = "parked",
        /// Being provisioned; found so at start, it is resumed.
        Working = "working",
        /// Tried again by itself later.
        Waiting = "waiting",
        /// Waits for its next hello, or for somebody to mend the cause.
        Failed = "failed",
        /// Provisioned and proven. Not touched again unless told so.
        Verified = "verified",
    }
}

words! {
    /// Who made a machine's row.
    Origin {
        /// A hello.
        Hello = "hello",
        /// An imported list.
        List = "list",
        /// A client that enrolled.
        Agent = "agent",
        /// The embedding program.
        Caller = "caller",
    }
}

words! {
    /// What a credential opens.
    CredentialKind {
        /// The network administrator `admin`.
        Admin = "admin",
        /// The machine's setup menu.
        Mebx = "mebx",
    }
}

/// TLS of the last proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// Version, for example `TLS 1.2`.
    pub version: String,
    /// Suite, by its IANA name.
    pub suite: String,
    /// Engine: `rustls` or `openssl`.
    pub engine: String,
}

/// A host name and its domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// First label.
    pub host: String,
    /// The rest, if any.
    pub domain: Option<String>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match &self.domain {
            Some(domain) => write!(f, ".{domain}"),
            None => Ok(()),
        }
    }
}

/// Why a machine is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// A stable word: `UNKNOWN`, `IN-USE`, `UUID-TWICE`, …
    pub code: String,
    /// In words.
    pub reason: String,
    /// What to do.
    pub hint: String,
}

impl Parked {
    /// Why, by a stable word and in words, and what to do.
    pub fn new(code: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.into(), reason: reason.into(), hint: hint.into() }
    }
}

/// Somebody overruled the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// When.
    pub at: SystemTime,
    /// Who: a name given at the command line, or `resolver`.
    pub by: String,
}

/// Its setup was taken back, and nobody has let it in again since.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenBack {
    /// When.
    pub at: SystemTime,
    /// Who had it done.
    pub by: String,
    /// How much of it: `full` or `partial`.
    pub extent: String,
}

/// One machine, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// UUID.
    pub id: SystemId,
    /// Who made the row.
    pub origin: Origin,
    /// Whether it may be provisioned.
    pub admitted: bool,
    /// Where it stands.
    pub state: MachineState,
    /// Whether it is to be provisioned again although verified.
    pub redo: bool,
    /// Address last seen.
    pub address: Option<IpAddr>,
    /// Time of the last hello.
    pub hello_at: Option<SystemTime>,
    /// Host name assigned.
    pub host_name: Option<String>,
    /// Domain assigned.
    pub domain_name: Option<String>,
    /// DNS suffix the firmware has, if known.
    pub dns_suffix: Option<String>,
    /// Attempts since the last success.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Option<SystemTime>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Control mode, once proven: `admin`.
    pub control_mode: Option<String>,
    /// TLS of the proof.
    pub tls: Option<TlsFacts>,
    /// SHA-256 (hex) of the provisioning certificate that the firmware accepted.
    pub winner: Option<String>,
    /// Time of the proof.
    pub verified_at: Option<SystemTime>,
    /// Time of the first proof ever: earlier than `verified_at` on a machine that was provisioned again.
    pub first_verified_at: Option<SystemTime>,
    /// Name of the profile decided; absent: the default one.
    pub profile: Option<String>,
    /// Organisational unit decided.
    pub ou: Option<String>,
    /// SHA-256 (hex) of the only provisioning certificate to present, if that was decided.
    pub present: Option<String>,
    /// Whether its name was made from the UUID and the final one is to come.
    pub temporary: bool,
    /// Name that it shall have, until it has it.
    pub wanted: Option<Name>,
    /// Why it is not let in.
    pub parked: Option<Parked>,
    /// Who let it in whatever the guard says, and when.
    pub released: Option<Release>,
    /// Who let a boot action fire once whatever the guard says, and when.
    pub boot_released: Option<Release>,
    /// Its setup was taken back, and it is kept out since.
    pub taken_back: Option<TakenBack>,
    /// PID of the pre-shared key that it waited for in its last hello, without a dash; absent: it waited for a certificate.
    pub pid: Option<String>,
    /// Of several machines with this UUID, the one at this address is meant.
    pub bound_address: Option<IpAddr>,
    /// Last step in the journal.
    pub step: Option<Step>,
    /// Whether CommitChanges may have been sent.
    pub commit_sent: bool,
    /// Digest realm.
    pub realm: Option<String>,
    /// Firmware version.
    pub firmware: Option<FirmwareVersion>,
    /// SHA-256 (hex) of the machine's TLS certificate.
    pub certificate_sha256: Option<String>,
    /// From when that certificate is good.
    pub certificate_from: Option<SystemTime>,
    /// Until when.
    pub certificate_until: Option<SystemTime>,
}

impl Machine {
    /// Host and domain as one name.
    pub fn name(&self) -> Option<String> {
        let host = self.host_name.clone()?;
        Some(Name { host, domain: self.domain_name.clone() }.to_string())
    }

    /// Whether everything is done and proven.
    pub fn is_verified(&self) -> bool {
        self.state == MachineState::Verified
    }

    /// Whether it is let in and nothing speaks against it.
    pub fn may_be_provisioned(&self) -> bool {
        self.admitted && self.parked.is_none()
    }

    /// From a row of [`SELECT`].
    pub(super) fn from_row(row: &SqliteRow) -> Result<Self, Failure> {
        let text = |name: &str| optional::<String>(row, name);
        let failure = match (optional::<i64>(row, "failure_code")?, text("failure_message")?) {
            (Some(code), Some(message)) => {
                let code = u32::try_from(code).ok().and_then(ErrorCode::from_number).unwrap_or(ErrorCode::STORE);
                let failure = Failure::new(code, text("failure_stage")?.unwrap_or_default(), message);
                Some(failure.hint(text("failure_hint")?.unwrap_or_default()))
            }
            _ => None,
        };
        let tls = match (text("tls_version")?, text("tls_suite")?, text("tls_engine")?) {
            (Some(version), Some(suite), Some(engine)) => Some(TlsFacts { version, suite, engine }),
            _ => None,
        };
        Ok(Self {
            id: required::<String>(row, "uuid")?.parse()?,
            origin: required::<String>(row, "origin")?.parse()?,
            admitted: required(row, "admitted")?,
            state: required::<String>(row, "state")?.parse()?,
            redo: required(row, "redo")?,
            // An address that no longer parses is as good as none: the next hello brings another.
            address: text("address")?.and_then(|a| a.parse().ok()),
            hello_at: time(row, "hello_at")?,
            host_name: text("host_name")?,
            domain_name: text("domain_name")?,
            dns_suffix: text("dns_suffix")?,
            attempts: u32::try_from(required::<i64>(row, "attempts")?).unwrap_or(u32::MAX),
            retry_at: time(row, "retry_at")?,
            failure,
            control_mode: text("control_mode")?,
            tls,
            winner: text("winner")?,
            verified_at: time(row, "verified_at")?,
            first_verified_at: time(row, "first_verified_at")?,
            profile: text("profile")?,
            ou: text("ou")?,
            present: text("present")?,
            temporary: required(row, "temporary")?,
            wanted: match text("wanted_host")? {
                Some(host) => Some(Name { host, domain: text("wanted_domain")? }),
                None => None,
            },
            parked: match (text("parked_code")?, text("parked_reason")?) {
                (Some(code), Some(reason)) => {
                    Some(Parked { code, reason, hint: text("parked_hint")?.unwrap_or_default() })
                }
                _ => None,
            },
            released: release(row, "released_at", "released_by")?,
            boot_released: release(row, "boot_released_at", "boot_released_by")?,
            taken_back: match time(row, "taken_back_at")? {
                Some(at) => Some(TakenBack {
                    at,
                    by: text("taken_back_by")?.unwrap_or_default(),
                    extent: text("taken_back")?.unwrap_or_default(),
                }),
                None => None,
            },
            pid: text("pid")?,
            bound_address: text("bound_address")?.and_then(|a| a.parse().ok()),
            step: text("step")?.map(|step| step.parse()).transpose()?,
            commit_sent: optional::<bool>(row, "commit_sent")?.unwrap_or(false),
            realm: text("realm")?,
            // A setup that is begun anew has no record yet; the firmware is still what it was.
            firmware: match text("firmware")? {
                Some(version) => Some(version.parse()?),
                None => optional::<i64>(row, "version_order")?.map(version_of),
            },
            certificate_sha256: text("certificate")?,
            certificate_from: time(row, "certificate_from")?,
            certificate_until: time(row, "certificate_until")?,
        })
    }
}

/// The columns that [`Machine::from_row`] reads; append a WHERE.
macro_rules! select_machines {
    ($rest:literal) => {
        concat!(
            "SELECT m.*, j.step, j.commit_sent, j.realm, j.firmware, j.certificate \
             FROM machines m LEFT JOIN journal j ON j.machine = m.id ",
            $rest
        )
    };
}
pub(super) use select_machines;

/// A credential with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// What it opens.
    pub kind: CredentialKind,
    /// Account.
    pub account: String,
    /// The password.
    pub password: Secret<String>,
    /// When it was recorded: before it was first sent.
    pub added_at: SystemTime,
    /// When a login with another one made it obsolete.
    pub retired_at: Option<SystemTime>,
}

/// A line of a machine's diary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiaryEntry {
    /// When.
    pub at: SystemTime,
    /// What sort: `hello`, `step`, `connected`, `failed`, …
    pub kind: String,
    /// In words.
    pub message: String,
}

/// A request at the certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaRequest {
    /// The authority's own name for it.
    pub request: String,
    /// `pending`, `issued` or `denied`.
    pub state: String,
    /// The authority's words, if any.
    pub message: Option<String>,
    /// When it was submitted.
    pub first_at: SystemTime,
    /// When it was last asked about.
    pub asked_at: SystemTime,
    /// How often it was asked about.
    pub times: u32,
}

/// A certificate that the machine's TLS server was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedCertificate {
    /// SHA-256 (hex).
    pub sha256: String,
    /// When it was recorded.
    pub issued_at: SystemTime,
    /// DER.
    pub der: Vec<u8>,
}

/// A version as one number whose order is that of versions.
pub(crate) fn version_order(version: FirmwareVersion) -> i64 {
    [version.minor, version.hotfix, version.build]
        .iter()
        .fold(i64::from(version.major), |order, part| (order << 16) | i64::from(*part))
}

/// The version that [`version_order`] made this number of.
pub(crate) fn version_of(order: i64) -> FirmwareVersion {
    let [a, b, c, d, e, f, g, h] = order.to_be_bytes();
    let part = |high, low| u16::from_be_bytes([high, low]);
    let mut version = FirmwareVersion::new(part(a, b), part(c, d));
    (version.hotfix, version.build) = (part(e, f), part(g, h));
    version
}

fn release(row: &SqliteRow, at: &str, by: &str) -> Result<Option<Release>, Failure> {
    let by = optional(row, by)?.unwrap_or_default();
    Ok(time(row, at)?.map(|at| Release { at, by }))
}

pub(super) fn required<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, Failure>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(super::failed("read"))
}

pub(super) fn optional<'r, T>(row: &'r SqliteRow, name: &str) -> Result<Option<T>, Failure>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(super::failed("read"))
}

pub(super) fn time(row: &SqliteRow, name: &str) -> Result<Option<SystemTime>, Failure> {
    Ok(optional::<i64>(row, name)?.map(super::from_millis))
}
