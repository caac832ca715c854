//! What can be asked for, for people and for lists with columns of their choice.

use super::FilterError;
use super::eval::Subject;
use super::field::{COLUMNS, Field, FieldKind, Scalar};
use super::parse::no_such_field;
use crate::fact::{FactKey, Facts};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A line of the table of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// What it is called in an expression.
    pub name: Cow<'static, str>,
    /// How it can be compared.
    pub kind: FieldKind,
    /// Whether it is something that somebody said, rather than a part of the machine's record.
    pub is_fact: bool,
    /// What it is.
    pub about: &'static str,
    /// An expression with it.
    pub example: &'static str,
}

/// Every field: first those of a machine's record, then what may be said of it.
pub fn fields() -> Vec<FieldInfo> {
    let columns = COLUMNS.iter().map(|column| FieldInfo {
        name: Cow::Borrowed(column.name),
        kind: column.kind,
        is_fact: false,
        about: column.about,
        example: column.example,
    });
    let facts = FactKey::ALL.iter().map(|key| {
        let field = Field::Fact { source: None, key: *key };
        let (about, example) = about_fact(*key);
        FieldInfo { name: field.name(), kind: field.kind(), is_fact: true, about, example }
    });
    columns.chain(facts).collect()
}

fn about_fact(key: FactKey) -> (&'static str, &'static str) {
    match key {
        FactKey::Mac => ("address of a network interface; several", "mac = 00:1b:21:aa:bb:cc"),
        FactKey::Fqdn => ("full name of the operating system's host", "fact.agent.fqdn ~ \"*.example.com\""),
        FactKey::HostName => ("name of the host without a domain", "host_name ~ \"lab-*\""),
        FactKey::DnsSuffix => ("DNS suffix that its network gives it", "dns_suffix = example.com"),
        FactKey::Os => ("operating system", "os ~ \"win*\""),
        FactKey::Environment => ("where the client ran: installed, live", "environment = live"),
        FactKey::ControlMode => ("control mode told: none, client, admin", "fact.control_mode = client"),
        FactKey::Version => ("firmware version told", "fact.version < 12"),
        FactKey::Model => ("maker and model", "model ~ \"*optiplex*\""),
        FactKey::Serial => ("serial number of chassis or board", "serial = ABC123"),
        FactKey::Address => ("address that it was seen at", "fact.address ~ \"10.1.*\""),
        FactKey::ReverseDns => ("name that DNS gives for its address", "has reverse_dns"),
        FactKey::CredentialsSet => {
            ("it says that its admin credentials are set: true, false", "credentials_set = true")
        }
        FactKey::DigestRealm => ("digest realm", "digest_realm ~ \"Digest:A4*\""),
        FactKey::ProvisioningRecord => ("a provisioning record in its firmware", "has provisioning_record"),
        FactKey::Profile => ("profile that somebody wants for it", "fact.list.profile = lab"),
        FactKey::Label => ("label; several", "label in (red, blue)"),
        FactKey::Ou => ("organisational unit that somebody wants for it", "fact.ou ~ \"*OU=Lab*\""),
    }
}

/// A field by its name, to read values from machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldName(Field);

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue {
    /// Text, a word, a version, the name of an error.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// When it was, for what an expression asks as an age.
    Moment(SystemTime),
}

impl FieldName {
    /// Whether facts are needed to read it.
    pub const fn is_fact(self) -> bool {
        matches!(self.0, Field::Fact { .. })
    }

    /// Whether a machine may have several values.
    pub const fn is_many(self) -> bool {
        matches!(self.0, Field::Fact { key, .. } if key.is_many())
    }

    /// What a machine has under this name.
    pub fn read(self, machine: &crate::Machine, facts: &Facts) -> Vec<FieldValue> {
        let subject = Subject { machine, facts, collections: &[], now: UNIX_EPOCH };
        let kind = self.0.kind();
        let value = |scalar: Scalar<'_>| match (&scalar, kind) {
            (Scalar::Number(millis), FieldKind::Age) => {
                FieldValue::Moment(UNIX_EPOCH + Duration::from_millis(u64::try_from(*millis).unwrap_or_default()))
            }
            (Scalar::Number(flag), FieldKind::Flag) => FieldValue::Flag(*flag != 0),
            (Scalar::Number(number), FieldKind::Number) => FieldValue::Number(*number),
            _ => FieldValue::Text(scalar.write(kind).into_owned()),
        };
        self.0.values(&subject).into_iter().map(value).collect()
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
}

impl FromStr for FieldName {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Field::named(text).map(Self).ok_or_else(|| no_such_field(text, 0, text))
    }
}
