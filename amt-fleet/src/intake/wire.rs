//! What travels between a client and the intake: JSON bodies, paths and limits, the same types on both sides.
//!
//! `POST /v1/enroll` takes an [`Enroll`] with a [`Token`] as bearer and answers with a [`Status`]; `POST /v1/facts` takes a
//! [`Facts`] and `GET /v1/status?wait=SECONDS&since=REVISION` nothing, both with the [`ClientKey`] as bearer. Every other
//! answer than 200 carries a [`Problem`].

use crate::fact::{FactKey, FactSource, MAX_FACT, MAX_VALUES};
use crate::store::Report;
use crate::words::words;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Where a client enrols.
pub const ENROLL: &str = "/v1/enroll";
/// Where an enrolled client says more.
pub const FACTS: &str = "/v1/facts";
/// Where it asks how its machine fares.
pub const STATUS: &str = "/v1/status";
/// The OpenAPI document.
pub const OPENAPI: &str = "/v1/openapi.json";
/// Answers `ok` while the server runs; for load balancers.
pub const HEALTH: &str = "/healthz";

/// Longest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Longest body of an answer, in bytes: a client need not read more. The OpenAPI document is the longest.
pub const MAX_ANSWER: usize = 64 * 1024;
/// Longest `wait` of a status request, in seconds; longer ones are cut to it.
pub const MAX_WAIT: u64 = 60;
/// Highest `sequence`.
pub const MAX_SEQUENCE: u64 = i64::MAX.unsigned_abs();
/// Longest text of a UUID, in bytes: braces and blanks included.
const MAX_UUID_TEXT: usize = 64;
/// Longest message about a body that cannot be read, in bytes.
const MAX_MESSAGE: usize = 300;

/// Bytes of a key or token.
const KEY: usize = 32;
/// How every token begins, so that one is recognised where it does not belong.
const TOKEN_PREFIX: &str = "amt_";

/// A key that a client made for itself and keeps: 32 random bytes. On the wire base64url without padding, 43 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey(Secret<[u8; KEY]>);

impl ClientKey {
    /// A new one.
    ///
    /// # Errors
    /// `IO` if the operating system gives no randomness.
    pub fn random() -> Result<Self, Failure> {
        random().map(Self)
    }

    /// Reads the form that [`reveal`](Self::reveal) gives.
    ///
    /// # Errors
    /// `PARSE_TEXT` for anything else. The text is not repeated in the error.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        decode(text).map(Self).ok_or_else(|| bad("the client key is not base64url of 32 bytes"))
    }

    /// The text that goes into the `Authorization` header and into a client's own state file.
    pub fn reveal(&self) -> Secret<String> {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.expose()))
    }

    /// What the server keeps of it.
    pub(crate) fn digest(&self) -> [u8; KEY] {
        Sha256::digest(self.0.expose()).into()
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey([redacted])")
    }
}

impl Serialize for ClientKey {
    /// Sent to the server that shall know it, and nowhere else.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal().expose())
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ClientKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64url of 32 bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ClientKey, E> {
                decode(text).map(ClientKey).ok_or_else(|| E::custom("is not base64url of 32 bytes"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// An enrolment token: `amt_` and 43 characters of base64url. Shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Secret<[u8; KEY]>);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// `IO` if the operating system gives no randomness.
    pub(crate) fn random() -> Result<Self, Failure> {
        random().map(Self)
    }

    /// Reads a token; white space around it, as at the end of a file, does not count.
    ///
    /// # Errors
    /// `PARSE_TEXT` for anything else. The text is not repeated in the error.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let token = text.trim().strip_prefix(TOKEN_PREFIX).and_then(decode).map(Self);
        token.ok_or_else(|| bad("the token is not `amt_` and 43 characters, as `amt fleet token new` prints it"))
    }

    /// The token itself, for the one time it is shown and for the `Authorization` header.
    pub fn reveal(&self) -> Secret<String> {
        let mut text = TOKEN_PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(self.0.expose(), &mut text);
        Secret::new(text)
    }

    /// What the server keeps of it.
    pub(crate) fn digest(&self) -> [u8; KEY] {
        Sha256::digest(self.0.expose()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

fn random() -> Result<Secret<[u8; KEY]>, Failure> {
    let mut bytes = [0; KEY];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(ErrorCode::IO, "random", format!("no randomness from the system: {error}")))?;
    Ok(Secret::new(bytes))
}

fn decode(text: &str) -> Option<Secret<[u8; KEY]>> {
    let mut bytes = [0; KEY];
    // Of other length it is no key, and nothing is decoded that is longer.
    let is_key = text.len() == 43 && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).is_ok_and(|n| n == KEY);
    is_key.then(|| Secret::new(bytes))
}

/// Body of `POST /v1/enroll`. Repeated with the same UUID and key it changes nothing and is answered as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enroll {
    /// The machine, as its SMBIOS says.
    #[serde(with = "uuid_text")]
    pub uuid: SystemId,
    /// The key by which the client is known from now on.
    pub client_key: ClientKey,
    /// Number of this report: see [`Facts::sequence`].
    pub sequence: u64,
    /// What the client found.
    #[serde(default)]
    pub facts: AgentFacts,
}

/// Body of `POST /v1/facts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The machine; it must be the one that the client key belongs to.
    #[serde(with = "uuid_text")]
    pub uuid: SystemId,
    /// Number of this report, higher than any sent before, at most [`MAX_SEQUENCE`]. The same number is taken again only with
    /// the same facts, so a report whose answer was lost can be repeated. The time of day in milliseconds will do.
    pub sequence: u64,
    /// What the client found.
    #[serde(default)]
    pub facts: AgentFacts,
}

/// What a client may say of its machine: the [`FactKey`]s [for agents](FactKey::is_for_agents). Of what is left out, what was
/// said before still stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentFacts {
    /// Addresses of the network interfaces, at most [`MAX_VALUES`].
    #[serde(default, deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub mac: Vec<String>,
    /// Full name of the host: the operating system's, or the one asked for at the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
    /// Name of the host without a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// DNS suffix of the machine's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_suffix: Option<String>,
    /// Operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// `installed`, or `live` for a system started from a stick, a network or WinPE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `none`, `client` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_mode: Option<String>,
    /// AMT firmware version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Maker and model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number of the chassis or board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl AgentFacts {
    /// Every value with its key, in any form.
    pub fn iter(&self) -> impl Iterator<Item = (FactKey, &str)> {
        let macs = self.mac.iter().map(|mac| (FactKey::Mac, mac.as_str()));
        let single = [
            (FactKey::Fqdn, &self.fqdn),
            (FactKey::HostName, &self.host_name),
            (FactKey::DnsSuffix, &self.dns_suffix),
            (FactKey::Os, &self.os),
            (FactKey::Environment, &self.environment),
            (FactKey::ControlMode, &self.control_mode),
            (FactKey::Version, &self.version),
            (FactKey::Model, &self.model),
            (FactKey::Serial, &self.serial),
        ];
        macs.chain(single.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))))
    }

    /// As a report of the agent on `id`, every value in its one form.
    ///
    /// # Errors
    /// `PARSE_TEXT` naming the first key whose value is none.
    pub fn report(&self, id: SystemId) -> Result<Report, Failure> {
        let report =
            self.iter().fold(Report::new(id, FactSource::Agent), |report, (key, value)| report.with(key, value));
        report.normalised()
    }
}

words! {
    /// How far a machine is, for its own client.
    Stage {
        /// The client's word is taken; the machine has not said hello yet.
        Reported = "reported",
        /// It said hello, and nothing was done yet.
        Heard = "heard",
        /// Not let in: the administrator has to decide.
        Parked = "parked",
        /// Being provisioned.
        Working = "working",
        /// Tried again by itself later.
        Waiting = "waiting",
        /// Waits for its next hello, or for somebody to mend the cause.
        Failed = "failed",
        /// Provisioned and proven.
        Verified = "verified",
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::ALL.iter().copied().find(|stage| stage.name() == text).ok_or_else(|| D::Error::custom("is no stage"))
    }
}

/// How a machine fares: what its own client may know. Nothing in it is secret, nothing is about another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The machine.
    #[serde(with = "uuid_text")]
    pub uuid: SystemId,
    /// How far it is.
    pub stage: Stage,
    /// The same in words.
    pub message: String,
    /// What to do next; empty where nothing is to be done.
    pub hint: String,
    /// Name that the machine has in the database.
    pub name: Option<String>,
    /// Name of the profile decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Control mode, once proven: `admin`.
    pub control_mode: Option<String>,
    /// Differs as soon as anything else here does; to be given back as `since`. It is no counter.
    pub revision: u64,
    /// Whether nothing more is to come.
    pub done: bool,
}

words! {
    /// Why a request was refused. `Problem::code` is one of these.
    ProblemCode {
        /// 400: the body is not the JSON it should be; the message names field and place.
        Malformed = "MALFORMED",
        /// 400: a fact has a value that cannot be.
        Value = "VALUE",
        /// 400: the UUID is blank or a placeholder that many machines share.
        Uuid = "UUID",
        /// 401: no bearer, or a token that this server does not know.
        Token = "TOKEN",
        /// 403: the token was revoked.
        Revoked = "REVOKED",
        /// 403: the token's time is over.
        Expired = "EXPIRED",
        /// 403: the token was used as often as it may be.
        UsedUp = "USED-UP",
        /// 403: the token or the client key is for another machine.
        Foreign = "FOREIGN",
        /// 401: no bearer, or a client key that this server does not know.
        Key = "KEY",
        /// 409: the machine is enrolled with another client key.
        Enrolled = "ENROLLED",
        /// 409: the sequence number is not higher than the newest one taken.
        Replay = "REPLAY",
        /// 404: no such path.
        Path = "PATH",
        /// 405: not with this method.
        Method = "METHOD",
        /// 408: head or body did not come in time.
        Slow = "SLOW",
        /// 413: the body is longer than [`MAX_BODY`].
        TooLarge = "TOO-LARGE",
        /// 429: too many requests; `Retry-After` says when to come back.
        Rate = "RATE",
        /// 503: the server cannot take it now; `Retry-After` says when to come back.
        Busy = "BUSY",
    }
}

impl ProblemCode {
    /// The HTTP status that it comes with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Value | Self::Uuid => 400,
            Self::Token | Self::Key => 401,
            Self::Revoked | Self::Expired | Self::UsedUp | Self::Foreign => 403,
            Self::Path => 404,
            Self::Method => 405,
            Self::Slow => 408,
            Self::Enrolled | Self::Replay => 409,
            Self::TooLarge => 413,
            Self::Rate => 429,
            Self::Busy => 503,
        }
    }

    /// What to do, for the person at the client.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Malformed => "use a client of this server's version; GET /v1/openapi.json describes the body",
            Self::Value => "correct the value named in the message",
            Self::Uuid => "have the UUID programmed with the maker's tool: this one does not tell machines apart",
            Self::Token => "ask the administrator for a token: `amt fleet token new`",
            Self::Revoked | Self::Expired | Self::UsedUp => {
                "ask the administrator for a new token: `amt fleet token new`"
            }
            Self::Foreign => "use what belongs to this machine; a copied state file must be deleted",
            Self::Key => {
                "enrol first; if this machine was enrolled before, the administrator has reset it: enrol again"
            }
            Self::Enrolled => {
                "if the client's state was lost, have the administrator run `amt fleet token reset UUID`, then enrol again"
            }
            Self::Replay => "send the report again with a higher sequence number",
            Self::Path | Self::Method => "GET /v1/openapi.json lists what there is",
            Self::Slow => "check the network between here and the server, and send again",
            Self::TooLarge => "no genuine report is this large: check what is sending it",
            Self::Rate | Self::Busy => "wait as long as Retry-After says, and send again",
        }
    }
}

/// Body of every answer but 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word: see [`ProblemCode`].
    pub code: String,
    /// In words.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// A refusal with the general hint of its code.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code: code.name().to_owned(), message: message.into(), hint: code.hint().to_owned() }
    }

    /// The code, if this version knows it.
    pub fn known_code(&self) -> Option<ProblemCode> {
        self.code.parse().ok()
    }
}

/// Reads a body.
///
/// # Errors
/// `DECODE_TOO_LARGE` beyond [`MAX_BODY`]; `DECODE_INVALID` naming the field, line and column of what is not as it should be.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.len() > MAX_BODY {
        let text = format!("the body is longer than {MAX_BODY} bytes");
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, "read", text));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        malformed(if path == "." { None } else { Some(&path) }, error.inner())
    })?;
    reader.end().map_err(|error| malformed(None, &error))?;
    Ok(value)
}

fn malformed(field: Option<&str>, error: &serde_json::Error) -> Failure {
    let mut text = field.map_or_else(String::new, |field| format!("{field}: "));
    text += &error.to_string();
    // The message quotes what was sent, which may be long.
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text += &format!("… at line {} column {}", error.line(), error.column());
    }
    Failure::new(ErrorCode::DECODE_INVALID, "read", text)
}

fn bad(text: &'static str) -> Failure {
    Failure::new(ErrorCode::PARSE_TEXT, "read", text)
}

/// A list of at most [`MAX_VALUES`] texts of at most [`MAX_FACT`] bytes; the first beyond that ends the reading.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_VALUES} texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = list.next_element::<String>()? {
                if values.len() == MAX_VALUES {
                    return Err(A::Error::custom(format!("has more than {MAX_VALUES} values")));
                }
                if value.len() > MAX_FACT {
                    return Err(A::Error::custom(format!("is longer than {MAX_FACT} bytes")));
                }
                values.push(value);
            }
            Ok(values)
        }
    }
    deserializer.deserialize_seq(Few)
}

mod uuid_text {
    use super::{MAX_UUID_TEXT, SystemId};
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(id: &SystemId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemId, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SystemId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUID")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SystemId, E> {
                let id = if text.len() > MAX_UUID_TEXT { None } else { text.parse().ok() };
                id.ok_or_else(|| E::custom("is not a UUID"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    fn body() -> String {
        let key = URL_SAFE_NO_PAD.encode([7; KEY]);
        format!(
            r#"{{"uuid":"{UUID}","client_key":"{key}","sequence":3,"facts":{{"mac":["00-1B-21-AA-BB-CC"],"fqdn":"PC1.Example.com"}}}}"#
        )
    }

    #[test]
    fn a_body_is_read_and_written_the_same() {
        let enroll: Enroll = read(body().as_bytes()).unwrap();
        assert_eq!(enroll.uuid.to_string(), UUID);
        assert_eq!(serde_json::to_string(&enroll).unwrap(), body());
        let report = enroll.facts.report(enroll.uuid).unwrap();
        assert_eq!(
            report.facts,
            [(FactKey::Mac, "00:1b:21:aa:bb:cc".into()), (FactKey::Fqdn, "pc1.example.com".into())]
        );
    }

    #[test]
    fn every_key_for_agents_and_no_other_can_be_told() {
        for key in FactKey::ALL {
            let value = if key.is_many() { r#"["x"]"# } else { r#""x""# };
            let text = format!(r#"{{"{key}":{value}}}"#);
            let facts = read::<AgentFacts>(text.as_bytes());
            assert_eq!(facts.is_ok(), key.is_for_agents(), "{key}");
            if let Ok(facts) = facts {
                assert_eq!(facts.iter().collect::<Vec<_>>(), [(*key, "x")]);
                assert_eq!(serde_json::to_string(&facts).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_body_cut_anywhere_or_wrong_in_a_field_is_refused_with_the_place() {
        let whole = body();
        for end in 0..whole.len() {
            assert!(read::<Enroll>(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for (from, to, names) in [
            ("\"sequence\":3", "\"sequence\":-3", "sequence"),
            ("\"sequence\":3", "\"sequence\":\"3\"", "sequence"),
            ("\"sequence\":3", "\"sequence\":3,\"sequence\":4", "duplicate field `sequence`"),
            ("\"sequence\":3,", "", "missing field `sequence`"),
            ("\"fqdn\"", "\"profile\"", "unknown field `profile`"),
            ("\"PC1.Example.com\"", "[[[[]]]]", "facts.fqdn"),
            (UUID, "x", "uuid"),
            ("\"client_key\":\"Bw", "\"client_key\":\"B", "client_key: is not base64url"),
            ("\"00-1B-21-AA-BB-CC\"", "7", "facts.mac"),
        ] {
            let text = whole.replace(from, to);
            assert_ne!(text, whole);
            let failure = read::<Enroll>(text.as_bytes()).unwrap_err();
            assert!(failure.message.contains(names) && failure.message.contains("line 1"), "{failure}");
        }
        assert!(read::<Enroll>(format!("{whole} x").as_bytes()).unwrap_err().message.contains("trailing"));
        let deep = format!("{{\"uuid\":{}", "[".repeat(MAX_BODY - 20));
        assert_eq!(read::<Enroll>(deep.as_bytes()).unwrap_err().code, ErrorCode::DECODE_INVALID);
        let long = format!("{{\"{}\":1}}", "é".repeat(MAX_BODY / 4));
        assert!(read::<Enroll>(long.as_bytes()).unwrap_err().message.len() < MAX_MESSAGE + 40);
        assert_eq!(read::<Enroll>(&[b' '; MAX_BODY + 1]).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
        let many = format!("{{\"mac\":[{}\"\"]}}", "\"\",".repeat(MAX_VALUES));
        assert!(read::<AgentFacts>(many.as_bytes()).unwrap_err().message.contains("more than 32"));
    }

    #[test]
    fn keys_and_tokens_are_not_shown_by_accident() {
        let (key, token) = (ClientKey::random().unwrap(), Token::random().unwrap());
        assert_eq!(format!("{key:?} {token:?}"), "ClientKey([redacted]) Token([redacted])");
        assert_eq!(ClientKey::parse(key.reveal().expose()).unwrap(), key);
        assert_eq!(Token::parse(&format!(" {}\n", token.reveal().expose())).unwrap(), token);
        for text in ["", "amt_", "x", key.reveal().expose().as_str()] {
            assert!(Token::parse(text).is_err());
        }
        assert!(!ClientKey::parse("geheim").unwrap_err().to_string().contains("geheim"));
        assert_ne!(ClientKey::random().unwrap(), key);
    }
}
