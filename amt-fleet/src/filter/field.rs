//! The one table of what can be asked for: parser, evaluator, SQL, sorting and the manual all read it.

use crate::fact::{FactKey, FactSource};
use crate::store::{version_of, version_order};
use crate::{Machine, MachineState, Origin};
use amt_core::{ErrorCode, FirmwareVersion, SystemId};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest age that can be asked for.
pub const MAX_AGE: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What sort of thing a field is, and so how it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// Text, compared without regard to case: `=`, `!=`, `~`, `in`.
    Text,
    /// One of a few words: as text.
    Word,
    /// A firmware version: all but `~`.
    Version,
    /// A number: all but `~`.
    Number,
    /// Time since something happened, as a duration: `<`, `<=`, `>`, `>=`.
    Age,
    /// An error by its name or number: `=`, `!=`, `in`.
    Error,
    /// Yes or no: stands alone.
    Flag,
}

impl FieldKind {
    /// In words, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Word => "word",
            Self::Version => "version",
            Self::Number => "number",
            Self::Age => "age",
            Self::Error => "error",
            Self::Flag => "yes or no",
        }
    }
}

/// A value as it is compared: by the evaluator and, the same, in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

/// A field of a machine's own record.
#[derive(Debug)]
pub(super) struct Column {
    /// What it is called in an expression.
    pub(super) name: &'static str,
    /// How it can be compared.
    pub(super) kind: FieldKind,
    /// What it is.
    pub(super) about: &'static str,
    /// An expression with it.
    pub(super) example: &'static str,
    /// The expression over `machines m`, to be put in parentheses; NULL where the machine has no such value.
    pub(super) sql: &'static str,
    /// The same out of a record.
    pub(super) of: fn(&Machine) -> Option<Scalar<'_>>,
}

fn text(value: Option<&String>) -> Option<Scalar<'_>> {
    value.map(|v| Scalar::Text(Cow::Borrowed(v.as_str())))
}

fn owned<'a>(value: Option<impl ToString>) -> Option<Scalar<'a>> {
    value.map(|v| Scalar::Text(Cow::Owned(v.to_string())))
}

fn word<'a>(value: &'static str) -> Option<Scalar<'a>> {
    Some(Scalar::Text(Cow::Borrowed(value)))
}

fn flag<'a>(value: bool) -> Option<Scalar<'a>> {
    Some(Scalar::Number(i64::from(value)))
}

fn moment<'a>(value: Option<SystemTime>) -> Option<Scalar<'a>> {
    value.map(|v| Scalar::Number(millis(v)))
}

/// The field whose values stand alone as well.
pub(super) const STATE: &str = "state";

/// Every field of a machine's own record.
pub(super) static COLUMNS: &[Column] = &[
    Column {
        name: "uuid",
        kind: FieldKind::Text,
        about: "UUID, as the hello says",
        example: "uuid ~ \"4c4c4544-*\"",
        sql: "m.uuid",
        of: |m| owned(Some(m.id)),
    },
    Column {
        name: "name",
        kind: FieldKind::Text,
        about: "host and domain as one name",
        example: "name = pc1.example.com",
        sql: "m.host_name || ifnull('.' || m.domain_name, '')",
        of: |m| owned(m.name()),
    },
    Column {
        name: "host",
        kind: FieldKind::Text,
        about: "host name given to the machine",
        example: "host ~ \"lab-*\"",
        sql: "m.host_name",
        of: |m| text(m.host_name.as_ref()),
    },
    Column {
        name: "domain",
        kind: FieldKind::Text,
        about: "domain given to the machine",
        example: "domain = example.com",
        sql: "m.domain_name",
        of: |m| text(m.domain_name.as_ref()),
    },
    Column {
        name: "suffix",
        kind: FieldKind::Text,
        about: "DNS suffix that the firmware has",
        example: "suffix in (a.example.com, b.example.com)",
        sql: "m.dns_suffix",
        of: |m| text(m.dns_suffix.as_ref()),
    },
    Column {
        name: STATE,
        kind: FieldKind::Word,
        about: "where it stands: known, parked, working, waiting, failed, verified; each of them also stands alone",
        example: "state in (failed, waiting)",
        sql: "m.state",
        of: |m| word(m.state.name()),
    },
    Column {
        name: "version",
        kind: FieldKind::Version,
        about: "firmware version read at setup; what a client told is fact.version",
        example: "version >= 16.1 and not verified",
        sql: "m.version_order",
        of: |m| m.firmware.map(|v| Scalar::Number(version_order(v))),
    },
    Column {
        name: "control_mode",
        kind: FieldKind::Text,
        about: "control mode, once proven",
        example: "control_mode = admin",
        sql: "m.control_mode",
        of: |m| text(m.control_mode.as_ref()),
    },
    Column {
        name: "origin",
        kind: FieldKind::Word,
        about: "who made it known: hello, list, agent, caller",
        example: "origin = list",
        sql: "m.origin",
        of: |m| word(m.origin.name()),
    },
    Column {
        name: "profile",
        kind: FieldKind::Text,
        about: "profile decided; none: the default one",
        example: "not has profile",
        sql: "m.profile",
        of: |m| text(m.profile.as_ref()),
    },
    Column {
        name: "ou",
        kind: FieldKind::Text,
        about: "organisational unit decided",
        example: "ou ~ \"*,OU=Lab,*\"",
        sql: "m.ou",
        of: |m| text(m.ou.as_ref()),
    },
    Column {
        name: "address",
        kind: FieldKind::Text,
        about: "address last seen",
        example: "address ~ \"10.1.*\"",
        sql: "m.address",
        of: |m| owned(m.address),
    },
    Column {
        name: "attempts",
        kind: FieldKind::Number,
        about: "attempts since the last success",
        example: "attempts > 3",
        sql: "m.attempts",
        of: |m| Some(Scalar::Number(i64::from(m.attempts))),
    },
    Column {
        name: "error",
        kind: FieldKind::Error,
        about: "why the last attempt failed",
        example: "error = TLS_CHAIN_REFUSED",
        sql: "iif(m.failure_message IS NULL, NULL, m.failure_code)",
        of: |m| m.failure.as_ref().map(|f| Scalar::Number(i64::from(f.code.number()))),
    },
    Column {
        name: "parked_code",
        kind: FieldKind::Text,
        about: "why it is not let in, a stable word",
        example: "parked_code = IN-USE",
        sql: "iif(m.parked_reason IS NULL, NULL, m.parked_code)",
        of: |m| m.parked.as_ref().map(|p| Scalar::Text(Cow::Borrowed(p.code.as_str()))),
    },
    Column {
        name: "hello",
        kind: FieldKind::Age,
        about: "time since the last hello",
        example: "hello < 7d",
        sql: "m.hello_at",
        of: |m| moment(m.hello_at),
    },
    Column {
        name: "verified",
        kind: FieldKind::Age,
        about: "time since the last proof; alone: it is provisioned and proven",
        example: "verified > 365d",
        sql: "m.verified_at",
        of: |m| moment(m.verified_at),
    },
    Column {
        name: "first_verified",
        kind: FieldKind::Age,
        about: "time since the first proof ever",
        example: "first_verified < 1day",
        sql: "m.first_verified_at",
        of: |m| moment(m.first_verified_at),
    },
    Column {
        name: "admitted",
        kind: FieldKind::Flag,
        about: "it may be provisioned",
        example: "not admitted",
        sql: "m.admitted",
        of: |m| flag(m.admitted),
    },
    Column {
        name: "temporary",
        kind: FieldKind::Flag,
        about: "its name was made from the UUID, the final one is to come",
        example: "verified and temporary",
        sql: "m.temporary",
        of: |m| flag(m.temporary),
    },
    Column {
        name: "released",
        kind: FieldKind::Flag,
        about: "somebody let it in whatever the guard says",
        example: "released and not verified",
        sql: "m.released_at IS NOT NULL",
        of: |m| flag(m.released.is_some()),
    },
    Column {
        name: "redo",
        kind: FieldKind::Flag,
        about: "it is provisioned again at its next hello",
        example: "redo",
        sql: "m.redo",
        of: |m| flag(m.redo),
    },
    Column {
        name: "wanted",
        kind: FieldKind::Text,
        about: "final name decided, until the machine carries it",
        example: "has wanted",
        sql: "m.wanted_host || ifnull('.' || m.wanted_domain, '')",
        of: |m| owned(m.wanted.as_ref()),
    },
    Column {
        name: "certificate",
        kind: FieldKind::Text,
        about: "SHA-256 of its TLS certificate, hexadecimal",
        example: "has certificate",
        sql: "SELECT j.certificate FROM journal j WHERE j.machine = m.id",
        of: |m| text(m.certificate_sha256.as_ref()),
    },
];

/// Other words for fields.
pub(super) const ALIASES: &[(&str, &str)] = &[("firmware", "version")];

/// Begins the name of a fact where a column has the shorter one.
pub(super) const FACT: &str = "fact";

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Column(&'static Column),
    /// What is said about `key`: by `source`, or else by whoever counts.
    Fact {
        source: Option<FactSource>,
        key: FactKey,
    },
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Field {}

impl Field {
    /// The field called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix(FACT).and_then(|rest| rest.strip_prefix('.')) {
            let key = |name: &str| FactKey::ALL.iter().copied().find(|key| key.name() == name);
            return match rest.split_once('.') {
                None => Some(Self::Fact { source: None, key: key(rest)? }),
                Some((source, name)) => {
                    let source = FactSource::ALL.iter().copied().find(|known| known.name() == source)?;
                    Some(Self::Fact { source: Some(source), key: key(name)? })
                }
            };
        }
        let lower = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, name)| name);
        if let Some(column) = COLUMNS.iter().find(|column| column.name == lower) {
            return Some(Self::Column(column));
        }
        FactKey::ALL.iter().find(|key| key.name() == lower).map(|key| Self::Fact { source: None, key: *key })
    }

    /// Its shortest name.
    pub(super) fn name(self) -> Cow<'static, str> {
        match self {
            Self::Column(column) => Cow::Borrowed(column.name),
            Self::Fact { source: Some(source), key } => Cow::Owned(format!("{FACT}.{source}.{key}")),
            Self::Fact { source: None, key } if Self::is_shadowed(key) => Cow::Owned(format!("{FACT}.{key}")),
            Self::Fact { source: None, key } => Cow::Borrowed(key.name()),
        }
    }

    /// Whether the plain name of a fact is that of a column.
    fn is_shadowed(key: FactKey) -> bool {
        COLUMNS.iter().any(|column| column.name == key.name())
    }

    pub(super) fn kind(self) -> FieldKind {
        match self {
            Self::Column(column) => column.kind,
            Self::Fact { key: FactKey::Version, .. } => FieldKind::Version,
            Self::Fact { .. } => FieldKind::Text,
        }
    }

    /// Whether values are stored in one form only, so that case needs no regard.
    pub(super) fn is_exact(self) -> bool {
        match self {
            Self::Column(column) => matches!(column.name, "uuid" | "address") || column.kind != FieldKind::Text,
            Self::Fact { key, .. } => !matches!(
                key,
                FactKey::Os
                    | FactKey::Model
                    | FactKey::Serial
                    | FactKey::DigestRealm
                    | FactKey::ProvisioningRecord
                    | FactKey::Profile
                    | FactKey::Label
                    | FactKey::Ou
            ),
        }
    }

    /// `value` in the form in which the field is stored.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the field's name, and what would be right.
    pub(super) fn read(self, value: &str) -> Result<Scalar<'static>, (String, String)> {
        let wrong = |why: &str, hint: &str| (why.to_owned(), hint.to_owned());
        let one_of = |names: Vec<&'static str>| {
            let lower = value.to_ascii_lowercase();
            names.iter().copied().find(|name| *name == lower).map(|name| Scalar::Text(Cow::Borrowed(name))).ok_or_else(
                || {
                    let hint = super::error::did_you_mean(value, names.iter().copied());
                    (format!("is one of {}, not {value:?}", names.join(", ")), hint)
                },
            )
        };
        match (self, self.kind()) {
            (_, FieldKind::Version) => {
                value.parse::<FirmwareVersion>().map(|v| Scalar::Number(version_order(v))).map_err(|_| {
                    (format!("is a version, not {value:?}"), "write a version such as 16 or 16.1.25".to_owned())
                })
            }
            (_, FieldKind::Number) => value
                .parse::<u32>()
                .map(|n| Scalar::Number(i64::from(n)))
                .map_err(|_| (format!("is a number, not {value:?}"), String::new())),
            (_, FieldKind::Age) => match humantime::parse_duration(value) {
                Ok(age) if age <= MAX_AGE => Ok(Scalar::Number(duration_millis(age))),
                Ok(_) => Err(wrong("is an age, and nothing is older than a hundred years", "")),
                Err(_) => {
                    Err((format!("is an age, not {value:?}"), "write an age such as 90s, 12h, 7d or 3months".into()))
                }
            },
            (_, FieldKind::Error) => ErrorCode::ALL
                .iter()
                .find(|(number, name, _)| name.eq_ignore_ascii_case(value) || number.to_string() == value)
                .map(|(number, ..)| Scalar::Number(i64::from(*number)))
                .ok_or_else(|| {
                    let hint = super::error::did_you_mean(value, ErrorCode::ALL.iter().map(|(_, name, _)| *name));
                    let hint = if hint.is_empty() { "`amt explain` lists all errors".to_owned() } else { hint };
                    (format!("is an error by name or number, not {value:?}"), hint)
                }),
            (_, FieldKind::Flag) => Err(wrong("is yes or no", "write it alone, or `not` before it")),
            (Self::Column(column), _) => match column.name {
                STATE => one_of(MachineState::ALL.iter().map(|s| s.name()).collect()),
                "origin" => one_of(Origin::ALL.iter().map(|o| o.name()).collect()),
                "uuid" => value.parse::<SystemId>().map(|id| Scalar::Text(Cow::Owned(id.to_string()))).map_err(|_| {
                    (format!("is a UUID, not {value:?}"), "for a part of it write uuid ~ \"…*\"".to_owned())
                }),
                "address" => value
                    .parse::<IpAddr>()
                    .map(|a| Scalar::Text(Cow::Owned(a.to_canonical().to_string())))
                    .map_err(|_| {
                        let hint = "for a part of it write address ~ \"10.1.*\"";
                        (format!("is an IP address, not {value:?}"), hint.to_owned())
                    }),
                _ if value.is_empty() => Err(wrong("is never empty", &format!("write `not has {}`", column.name))),
                _ => Ok(Scalar::Text(Cow::Owned(value.to_owned()))),
            },
            (Self::Fact { key, .. }, _) => key.normalise(value).map(|v| Scalar::Text(Cow::Owned(v))).map_err(|why| {
                (
                    format!("cannot be {value:?}, which {why}"),
                    format!("for a part of a value write {} ~ \"…*\"", self.name()),
                )
            }),
        }
    }
}

impl Scalar<'_> {
    /// As it is written in an expression, for a field of this kind.
    pub(super) fn write(&self, kind: FieldKind) -> Cow<'_, str> {
        match (self, kind) {
            (Self::Text(text), _) => Cow::Borrowed(text),
            (Self::Number(order), FieldKind::Version) => Cow::Owned(version_of(*order).to_string()),
            (Self::Number(age), FieldKind::Age) => {
                let age = Duration::from_millis(u64::try_from(*age).unwrap_or_default());
                Cow::Owned(humantime::format_duration(age).to_string())
            }
            (Self::Number(code), FieldKind::Error) => {
                let known = u32::try_from(*code).ok().and_then(ErrorCode::from_number);
                known.map_or_else(|| Cow::Owned(code.to_string()), |code| Cow::Borrowed(code.name()))
            }
            (Self::Number(number), _) => Cow::Owned(number.to_string()),
        }
    }
}

pub(super) fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, duration_millis)
}

fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
