//! From JSON to a file: a new one by the rules, or the one that `show` printed.

use amt_core::hello::HashAlgorithm;
use amt_core::setupbin::{
    Draft, Header, Kind, MAX_FILE, MAX_RECORDS, RawEntry, Record, RootEntry, SetupBin, Value, Variable, Version,
};
use amt_core::{ErrorCode, Failure, Secret};
use serde::Deserialize;
use serde_json::Value as Json;

/// Longest description: what is told about as many full records as are read, with room to spare.
pub const MAX_DOCUMENT: usize = 2 * MAX_FILE;

const STAGE: &str = "create";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Option<Json>,
    flags: Option<u16>,
    reusable: Option<bool>,
    #[serde(default)]
    consumed: u32,
    modules: Option<Vec<u16>>,
    header: Option<OddHeader>,
    records: Vec<OneRecord>,
    trailing: Option<Bytes>,
    #[serde(default, rename = "findings")]
    _findings: serde::de::IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OddHeader {
    major: Option<u8>,
    minor: Option<u8>,
    chunks: Option<u16>,
    bytes: Option<u16>,
    number: Option<u32>,
    record_count: Option<u32>,
    record_chunks: Option<u16>,
    reserved: Option<u16>,
    padding: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneRecord {
    number: Option<u32>,
    valid: Option<bool>,
    scrambled: Option<bool>,
    #[serde(rename = "type")]
    kind: Option<u32>,
    flags: Option<u32>,
    reserved: Option<String>,
    chunks: Option<u16>,
    header_bytes: Option<u16>,
    entries: Entries,
    rest: Option<Bytes>,
}

/// A list as `show` prints it, or an object of names and values as people write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entries {
    List(Vec<serde_json::Map<String, Json>>),
    Named(serde_json::Map<String, Json>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes {
    length: usize,
    hex: Option<String>,
}

/// Makes the file that the JSON document `text` describes: a new one by the rules, or the one that [`document`](super::document()) told.
///
/// # Errors
/// `SETUP_BIN` names the place in the document; values are not repeated.
pub fn read(text: &[u8]) -> Result<SetupBin, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let document: Document = serde_path_to_error::deserialize(&mut reader).map_err(|error| unreadable(&error))?;
    reader.end().map_err(|_| refused("something follows the JSON document"))?;
    if document.records.len() > MAX_RECORDS {
        return Err(refused(format!("{} records, at most {MAX_RECORDS} are written", document.records.len())));
    }
    document.build().map_err(|failure| failure.at(STAGE))
}

impl Document {
    fn build(self) -> Result<SetupBin, Failure> {
        let entries: Vec<Vec<RawEntry>> =
            self.records.iter().enumerate().map(|(at, record)| record.entries(at)).collect::<Result<_, _>>()?;
        let version = self.version(&entries)?;
        let flags = self.flags.unwrap_or_default() | u16::from(self.reusable == Some(true));
        let (mut header, records) = if self.modules.is_some() || self.header.is_some() {
            self.again(version, &entries)?
        } else {
            self.anew(version, flags, entries)?
        };
        header.flags = flags;
        header.consumed = self.consumed;
        let mut built = Vec::with_capacity(records.len());
        for (at, (record, told)) in records.into_iter().zip(&self.records).enumerate() {
            built.push(told.complete(record, at, header.record_chunks)?);
        }
        header.count = self.header.as_ref().and_then(|odd| odd.record_count).unwrap_or(header.count);
        let trailing = self.trailing.as_ref().map(|bytes| bytes.read("trailing", MAX_FILE)).transpose()?;
        SetupBin::from_parts(header, built, Secret::new(trailing.unwrap_or_default()))
    }

    /// A new file: the rules for writers hold, but for entries given in hex.
    fn anew(
        &self,
        version: Version,
        flags: u16,
        entries: Vec<Vec<RawEntry>>,
    ) -> Result<(Header, Vec<Record>), Failure> {
        let mut draft = Draft::new(version, flags & 1 != 0)?;
        for (entries, record) in entries.into_iter().zip(&self.records) {
            draft.push(entries, record.scrambled.unwrap_or_default())?;
        }
        let (header, records, _) = draft.finish()?.into_parts();
        Ok((header, records))
    }

    /// A file that `show` printed.
    fn again(&self, version: Version, entries: &[Vec<RawEntry>]) -> Result<(Header, Vec<Record>), Failure> {
        let odd = self.header.as_ref();
        let mut header = Header::for_records(version, &[]);
        header.record_chunks = odd.and_then(|odd| odd.record_chunks).unwrap_or(1);
        let body = SetupBin::from_parts(header.clone(), Vec::new(), Secret::default())?.body_size();
        let mut records = Vec::with_capacity(entries.len());
        for (at, (entries, told)) in entries.iter().zip(&self.records).enumerate() {
            let rest = told.rest.as_ref().map(|rest| rest.read(&format!("records[{at}].rest"), body)).transpose()?;
            records.push(Record::from_entries(number(at), entries, &rest.unwrap_or_default(), body)?);
        }
        let computed = Header::for_records(version, &records);
        header.count = computed.count;
        header.modules = self.modules.clone().unwrap_or(computed.modules);
        header.bytes = header.expected_bytes();
        if let Some(odd) = odd {
            header.major = odd.major.unwrap_or(header.major);
            header.minor = odd.minor.unwrap_or(header.minor);
            header.chunks = odd.chunks.unwrap_or(header.chunks);
            header.bytes = odd.bytes.unwrap_or(header.bytes);
            header.number = odd.number.unwrap_or(header.number);
            header.reserved = odd.reserved.unwrap_or(header.reserved);
            let padding = odd.padding.as_ref().map(|bytes| bytes.read("header.padding", MAX_FILE)).transpose()?;
            header.padding = padding.unwrap_or_default();
        }
        Ok((header, records))
    }

    /// The version told; without one 2.1 for pairs, which no later version carries, otherwise 4.
    fn version(&self, entries: &[Vec<RawEntry>]) -> Result<Version, Failure> {
        let is_pair = |entry: &RawEntry| entry.module == 2 && (entry.id == 1 || entry.id == 2);
        match &self.version {
            None if entries.iter().flatten().any(is_pair) => Ok(Version::V2_1),
            None => Ok(Version::V4),
            Some(Json::String(text)) => text.parse(),
            Some(Json::Number(number)) => number.to_string().parse(),
            Some(_) => Err(refused("version: write it like \"2.1\"")),
        }
    }
}

impl OneRecord {
    fn entries(&self, at: usize) -> Result<Vec<RawEntry>, Failure> {
        match &self.entries {
            Entries::List(list) => {
                let one = |(n, entry): (usize, _)| one_entry(&format!("records[{at}].entries[{n}]"), entry);
                list.iter().enumerate().map(one).collect()
            }
            Entries::Named(named) => {
                let mut entries = Vec::new();
                for (name, value) in named {
                    let field = format!("records[{at}].entries.{name}");
                    let variable = Variable::named(name).ok_or_else(|| unknown(&field, name))?;
                    // Several root hashes are a list of them.
                    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    for value in values {
                        entries.push(typed(&field, variable, value)?);
                    }
                }
                Ok(entries)
            }
        }
    }

    /// The record with everything that is told about it beside its entries.
    fn complete(&self, mut record: Record, at: usize, chunks: u16) -> Result<Record, Failure> {
        let bit = |told: Option<bool>, default: bool, bit: u32| if told.unwrap_or(default) { bit } else { 0 };
        let more = self.flags.unwrap_or_default() & !3;
        let scrambled = record.is_scrambled();
        record.flags = more | bit(self.valid, true, 1) | bit(self.scrambled, scrambled, 2);
        record.number = self.number.unwrap_or(number(at));
        record.kind = self.kind.unwrap_or(record.kind);
        record.chunks = self.chunks.unwrap_or(chunks.max(1));
        record.header_bytes = self.header_bytes.unwrap_or(record.header_bytes);
        if let Some(reserved) = &self.reserved {
            let field = format!("records[{at}].reserved");
            record.reserved = hex_bytes(&field, reserved)?
                .try_into()
                .map_err(|_| refused(format!("{field}: 16 hex digits are needed")))?;
        }
        Ok(record)
    }
}

impl Bytes {
    fn read(&self, field: &str, limit: usize) -> Result<Vec<u8>, Failure> {
        let Some(text) = &self.hex else {
            return Err(refused(format!("{field}: the bytes are hidden: use what `show --json --reveal` prints")));
        };
        let mut bytes = hex_bytes(field, text)?;
        if bytes.len() > self.length || self.length > limit {
            return Err(refused(format!("{field}: {} bytes in {}", bytes.len(), self.length)));
        }
        bytes.resize(self.length, 0);
        Ok(bytes)
    }
}

/// One entry of a list; `hex` wins over `value`.
fn one_entry(field: &str, told: &serde_json::Map<String, Json>) -> Result<RawEntry, Failure> {
    const FIELDS: [&str; 9] =
        ["module", "variable", "name", "value", "hex", "secret", "meaning", "reserved", "padding"];
    if let Some(other) = told.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(refused(format!("{field}: there is no field {other:?}; there are {}", FIELDS.join(", "))));
    }
    let number = |name: &str| match told.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|value| u16::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => Err(refused(format!("{field}.{name}: a number up to 65535 is needed"))),
        },
    };
    let text = |name: &str| match told.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(refused(format!("{field}.{name}: text is needed"))),
    };
    let (module, id) = match (number("module")?, number("variable")?, text("name")?) {
        (Some(module), Some(id), _) => (module, id),
        (None, None, Some(name)) => {
            let variable = Variable::named(name).ok_or_else(|| unknown(field, name))?;
            (variable.module, variable.id)
        }
        _ => return Err(refused(format!("{field}: give name, or module and variable"))),
    };
    let mut entry = match (text("hex")?, told.get("value"), Variable::find(module, id)) {
        (Some(hex), _, _) => {
            let mut entry = RawEntry::new(module, id, Secret::new(hex_bytes(&format!("{field}.hex"), hex)?));
            entry.forced = true;
            entry
        }
        (None, Some(value), Some(variable)) if !value.is_null() => typed(field, variable, value)?,
        (None, Some(Json::Null), _) if told.get("secret") == Some(&Json::Bool(true)) => {
            return Err(refused(format!("{field}: the secret is hidden: use what `show --json --reveal` prints")));
        }
        (None, _, Some(_)) => return Err(refused(format!("{field}: give value or hex"))),
        (None, _, None) => return Err(refused(format!("{field}: give hex, since {module}/{id} is not known"))),
    };
    entry.reserved = number("reserved")?.unwrap_or_default();
    if let Some(padding) = text("padding")? {
        for (to, from) in entry.padding.iter_mut().zip(hex_bytes(&format!("{field}.padding"), padding)?) {
            *to = from;
        }
    }
    Ok(entry)
}

/// An entry for a value in its own type. No message holds the value: it may be secret.
fn typed(field: &str, variable: &Variable, value: &Json) -> Result<RawEntry, Failure> {
    let name = variable.name;
    let typed = match (variable.kind, value) {
        (Kind::Text { .. }, Json::String(text)) => Value::Text(text.as_str().into()),
        (Kind::Number { .. }, value) => Value::Number(number_of(field, variable, value)?),
        (Kind::Identifier, Json::String(text)) => {
            let digits = hex_bytes(field, &text.replace('-', ""))?;
            let bytes = digits.try_into().map_err(|_| refused(format!("{field}: {name} has 32 hex digits")))?;
            Value::Identifier(bytes)
        }
        (Kind::Address, Json::String(text)) => {
            let address = text.trim().parse().map_err(|_| refused(format!("{field}: {name} is an IPv4 address")))?;
            Value::Address(address)
        }
        (Kind::Root, Json::Object(root)) => Value::Root(root_of(field, root)?),
        (Kind::Root, _) => {
            let text = format!("{field}: {name} is {{\"algorithm\": \"sha256\", \"digest\": \"…\", \"name\": \"…\"}}");
            return Err(refused(text));
        }
        (Kind::Opaque, _) => {
            let text = format!("{field}: the encoding of {name} is not published: give its bytes as \"hex\"");
            return Err(refused(text));
        }
        _ => return Err(refused(format!("{field}: {name} is written as text"))),
    };
    RawEntry::typed(variable, &typed)
}

fn number_of(field: &str, variable: &Variable, value: &Json) -> Result<u32, Failure> {
    let number = match value {
        Json::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Json::Bool(on) => {
            Some(u32::from(*on)).filter(|on| variable.choice(*on).is_some_and(|c| c == "on" || c == "off"))
        }
        Json::String(text) => {
            let named = variable.choices.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
            named.map(|(number, _)| *number).or_else(|| text.trim().parse().ok())
        }
        _ => None,
    };
    number.ok_or_else(|| {
        let names: Vec<&str> = variable.choices.iter().map(|(_, name)| *name).collect();
        let or = if names.is_empty() { String::new() } else { format!(", or one of {}", names.join(", ")) };
        refused(format!("{field}: {} is a number{or}", variable.name))
    })
}

fn root_of(field: &str, root: &serde_json::Map<String, Json>) -> Result<RootEntry, Failure> {
    let text = |name: &str| root.get(name).and_then(Json::as_str);
    let algorithm = match text("algorithm").map(|text| text.to_ascii_lowercase().replace('-', "")).as_deref() {
        Some("sha1") => HashAlgorithm::SHA1,
        Some("sha256") => HashAlgorithm::SHA256,
        Some("sha384") => HashAlgorithm::SHA384,
        _ => return Err(refused(format!("{field}.algorithm: one of sha1, sha256, sha384"))),
    };
    let digest = text("digest").ok_or_else(|| refused(format!("{field}.digest: the hash in hex is missing")))?;
    let digest = hex_bytes(&format!("{field}.digest"), &digest.replace([':', ' '], ""))?;
    RootEntry::new(algorithm, digest, text("name").unwrap_or_default().to_owned())
}

fn hex_bytes(field: &str, text: &str) -> Result<Vec<u8>, Failure> {
    // The crate's own message shows the character, which may be of a secret.
    hex::decode(text.trim()).map_err(|_| refused(format!("{field}: an even number of hex digits is needed")))
}

fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

fn unknown(field: &str, name: &str) -> Failure {
    refused(format!("{field}: there is no variable {name:?}")).hint("`amt setupbin variables` lists them")
}

/// Where the document is wrong. Values are not repeated: they may be secret.
fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Failure {
    let (path, inner) = (error.path().to_string(), error.inner());
    let place = format!("line {} column {}", inner.line(), inner.column());
    if inner.classify() != serde_json::error::Category::Data {
        return refused(format!("{place}: this is not JSON"));
    }
    let text = inner.to_string();
    let reason = match text.split_once(" at line ").map_or(text.as_str(), |(reason, _)| reason) {
        reason if reason.starts_with("missing field") || reason.starts_with("unknown field") => reason,
        _ => "a value of another type is needed",
    };
    refused(format!("{path}, {place}: {reason}"))
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::SETUP_BIN, STAGE, message)
        .hint("`amt setupbin create --help` shows what a description looks like")
}
