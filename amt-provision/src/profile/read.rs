//! Reading a document, with everything that is wrong with it at once.

use super::json::Strict;
use super::secret::NOT_HERE;
use super::{FORMAT, Profile, schema};
use crate::document::{self, Document, Part, Path};
use amt_core::{ErrorCode, Failure, Finding, FirmwareVersion, Severity};
use serde_json::Value;

/// Longest document that is read.
pub const MAX_DOCUMENT: usize = 1024 * 1024;
/// Most wrong values that are reported of one document.
const MAX_WRONG: usize = 64;
/// Most characters of a message that quotes the document.
const MAX_MESSAGE: usize = 400;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Syntax {
    /// By the name of a file: JSON if it ends in `.json`, else TOML.
    pub fn of(path: &std::path::Path) -> Self {
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) { Self::Json } else { Self::Toml }
    }

    /// By the document itself: JSON if it begins with a brace, which no TOML does.
    pub fn guess(document: &str) -> Self {
        if document.trim_start().starts_with('{') { Self::Json } else { Self::Toml }
    }
}

impl Profile {
    /// Reads a document. Unknown keys and values of the wrong type are told all at once; then there is no profile, and what is wrong with the
    /// rest is among the findings. What a profile means is judged by [`check`](Self::check).
    ///
    /// # Errors
    /// `DECODE_TOO_LARGE` and `PARSE_TEXT` if it is not TOML or JSON at all, with line and column.
    pub fn read(text: &str, syntax: Syntax) -> Result<(Option<Self>, Vec<Finding>), Failure> {
        Self::read_for(text, syntax, None)
    }

    /// The same for a machine with `firmware`: where there is no profile, what that firmware can't do of the rest is among the findings too.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_for(
        text: &str,
        syntax: Syntax,
        firmware: Option<FirmwareVersion>,
    ) -> Result<(Option<Self>, Vec<Finding>), Failure> {
        if text.len() > MAX_DOCUMENT {
            let text = format!("the profile has {} bytes, more than {MAX_DOCUMENT}", text.len());
            return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, "profile", text));
        }
        // Editors and shells of Windows put it before what they save.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut values = match syntax {
            Syntax::Toml => toml::from_str::<Value>(text).map_err(|error| not_toml(text, &error))?,
            Syntax::Json => {
                serde_json::from_str::<Strict>(text).map_err(|error| not_read("JSON", &error.to_string()))?.0
            }
        };
        let mut removed = Removed::default();
        let mut findings = Vec::new();
        if let Some(format) = values.get("format").and_then(Value::as_u64)
            && format != u64::from(FORMAT)
        {
            findings.push(Finding::new(
                "PROFILE-FORMAT",
                Severity::Error,
                "format",
                format!("the document has format {format}"),
                format!("this version reads format {FORMAT}; use a newer one, or write the profile anew"),
            ));
            return Ok((None, findings));
        }
        loop {
            match document::read::<Self>(&values) {
                Ok(Document { value: profile, unknown }) => {
                    findings.extend(unknown.iter().map(|path| unknown_key(&removed.before(&path.to_string()))));
                    if findings.is_empty() {
                        return Ok((Some(profile), findings));
                    }
                    // What could be read is judged all the same: one run tells everything.
                    for mut finding in profile.check(firmware) {
                        finding.field = removed.before(&finding.field);
                        finding.message = removed.before_within(&finding.message);
                        findings.push(finding);
                    }
                    return Ok((None, findings));
                }
                Err(wrong) => {
                    let told = wrong_value(&removed.before(&wrong.path.to_string()), &wrong.why);
                    // What is missing because it was wrong and is out by now was told already.
                    if !is_told(&findings, &told) {
                        findings.push(told);
                    }
                    // Without the wrong value the rest can be judged too.
                    if findings.len() >= MAX_WRONG || !removed.take(&mut values, &wrong.path) {
                        return Ok((None, findings));
                    }
                }
            }
        }
    }
}

/// Why it is no TOML, with line and column. The line itself is not shown: it may hold what should be a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    not_read("TOML", &format!("{} at line {line} column {column}", shortened(error.message())))
}

fn not_read(language: &str, why: &str) -> Failure {
    Failure::new(ErrorCode::PARSE_TEXT, "profile", format!("the profile is not {language}: {why}"))
}

fn unknown_key(path: &str) -> Finding {
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let known = schema::keys(parent);
    let hint = if known.is_empty() {
        "take it out; `amt profile schema` lists every key".to_owned()
    } else {
        format!("take it out, or use one of: {}", known.join(", "))
    };
    Finding::new("PROFILE-KEY", Severity::Error, path, "there is no such key", hint)
}

fn wrong_value(path: &str, why: &str) -> Finding {
    let field = if path.is_empty() { "profile" } else { path };
    // What stands where a secret is named may be the secret: it is not repeated.
    let why = why
        .find(NOT_HERE)
        .map_or_else(|| shortened(why), |at| format!("expected {}", &why.get(at..).unwrap_or_default()));
    Finding::new("PROFILE-VALUE", Severity::Error, field, why, "see `amt profile schema` for what belongs there")
}

/// A message that quotes a document, up to a length that can be read.
fn shortened(text: &str) -> String {
    let mut short: String = text.trim().chars().take(MAX_MESSAGE).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}

/// Whether this says that a field is missing of which it was told that it is wrong.
fn is_told(findings: &[Finding], new: &Finding) -> bool {
    let Some(name) = new.message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) else {
        return false;
    };
    let field = if new.field == "profile" { name.to_owned() } else { format!("{}.{name}", new.field) };
    findings.iter().any(|one| one.field == field)
}

/// Entries that were taken out of lists because they were wrong: what comes behind them in the same list moved up.
#[derive(Default)]
struct Removed(Vec<(String, usize)>);

impl Removed {
    /// The path that stands in the document as it was read.
    fn before(&self, path: &str) -> String {
        let mut path = path.to_owned();
        // The last removal first: each is undone in the list as it was then.
        for (list, index) in self.0.iter().rev() {
            let Some((now, rest)) = path.strip_prefix(list.as_str()).and_then(entry) else { continue };
            if now >= *index {
                path = format!("{list}[{}]{rest}", now + 1);
            }
        }
        path
    }

    /// A text with paths in it, each as it stands in the document that was read.
    fn before_within(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (list, index) in self.0.iter().rev() {
            let mut parts = text.split(list.as_str());
            let mut told = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                told += list;
                match entry(part) {
                    Some((now, rest)) if now >= *index => told += &format!("[{}]{rest}", now + 1),
                    _ => told += part,
                }
            }
            text = told;
        }
        text
    }

    /// Takes the value at `path` out of the document; false if it cannot be.
    fn take(&mut self, document: &mut Value, path: &Path) -> bool {
        let Some((last, outer)) = path.0.split_last() else { return false };
        let parent = outer.iter().try_fold(document, |value, part| match part {
            Part::Key(key) => value.get_mut(key),
            Part::Index(index) => value.get_mut(index),
        });
        match (parent, last) {
            (Some(Value::Array(values)), Part::Index(index)) if *index < values.len() => {
                values.remove(*index);
                self.0.push((Path(outer.to_vec()).to_string(), *index));
                true
            }
            (Some(Value::Object(table)), Part::Key(key)) => table.remove(key).is_some(),
            _ => false,
        }
    }
}

/// The number in `[3].name`, and what is behind it.
fn entry(text: &str) -> Option<(usize, &str)> {
    let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(String, String)> {
        let (profile, findings) = Profile::read(text, Syntax::Toml).unwrap();
        assert_eq!(profile.is_none(), findings.iter().any(|f| f.severity == Severity::Error));
        findings.into_iter().map(|f| (f.code.to_owned(), f.field)).collect()
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_all_told_at_once() {
        let text = "format = 1\nname = \"x\"\ncolour = 3\n[general]\nping = \"yes\"\npong = true\n[wired]\nmode = \"dhpc\"\n\
                    [[wifi.profiles]]\nname = \"a\"\nssid = \"b\"\npriority = 1\nsecurity = \"wpa2-psk\"\npasswort = 1\n";
        let all = findings(text);
        for expected in [
            "PROFILE-VALUE general.ping",
            "PROFILE-VALUE wired.mode",
            "PROFILE-KEY colour",
            "PROFILE-KEY general.pong",
            "PROFILE-KEY wifi.profiles[0].passwort",
        ] {
            assert!(all.iter().any(|(code, field)| format!("{code} {field}") == expected), "{expected} in {all:?}");
        }
    }

    #[test]
    fn a_key_that_looks_like_a_path_is_taken_out_like_any_other() {
        let text = "format = 1\nname = \"x\"\n[machines.\"11.8[0].x\"]\nhost_name = 3\n[kvm]\nenabled = \"yes\"\n";
        let fields: Vec<_> = findings(text).into_iter().map(|(_, field)| field).collect();
        assert!(fields.contains(&"kvm.enabled".to_owned()), "{fields:?}");
    }

    #[test]
    fn a_wrong_entry_of_a_list_hides_nothing_behind_it() {
        let text = "format = 1\nname = \"x\"\n[[access.users]]\nname = \"first\"\n[[access.users]]\nname = \"second\"\nfrom = \"mars\"\n\
                    realms = [\"nope\", \"redirection\", \"neither\"]\n[kvm]\nenabled = \"yes\"\nsession_minutes = 256\n";
        let all: Vec<_> = findings(text).into_iter().map(|(code, field)| format!("{code} {field}")).collect();
        assert_eq!(
            all,
            [
                "PROFILE-VALUE access.users[0]",
                "PROFILE-VALUE access.users[1].from",
                "PROFILE-VALUE access.users[1].realms[0]",
                "PROFILE-VALUE access.users[1].realms[2]",
                "PROFILE-VALUE kvm.enabled",
                "KVM-SESSION kvm.session_minutes",
            ]
        );
        let text = "format = 1\nname = \"x\"\n[[access.users]]\nname = \"first\"\n[[access.users]]\nname = \"$$x\"\n\
                    password = { env = \"P\" }\nfrom = \"any\"\nrealms = [\"eit\"]\n";
        let all: Vec<_> = findings(text).into_iter().map(|(code, field)| format!("{code} {field}")).collect();
        assert_eq!(all, ["PROFILE-VALUE access.users[0]", "USER-NAME access.users[1].name"]);
    }

    #[test]
    fn what_the_firmware_cannot_do_is_told_beside_what_is_wrong() {
        let text = "format = 1\nname = \"x\"\ncolour = 3\n[general]\nping = \"yes\"\n[[wifi.profiles]]\nname = \"a\"\nssid = \"b\"\n\
                    priority = 1\nsecurity = \"wpa3-sae\"\npassphrase = { env = \"P\" }\n";
        let fields = |firmware: Option<&str>| -> Vec<String> {
            let firmware = firmware.map(|version| version.parse().unwrap());
            let (profile, findings) = Profile::read_for(text, Syntax::Toml, firmware).unwrap();
            assert!(profile.is_none());
            findings.into_iter().map(|finding| finding.field).collect()
        };
        assert_eq!(fields(None), ["general.ping", "colour"]);
        assert_eq!(fields(Some("11.8")), ["general.ping", "colour", "wifi.profiles[0].security"]);
    }

    #[test]
    fn what_is_said_of_another_entry_names_it_as_it_stands_in_the_document() {
        let network = "ssid = \"s\"\npriority = 1\nsecurity = \"wpa2-psk\"\npassphrase = { env = \"P\" }\n";
        let text = format!(
            "format = 1\nname = \"x\"\n[[wifi.profiles]]\nname = \"wrong\"\n[[wifi.profiles]]\nname = \"a\"\n{network}\
             [[wifi.profiles]]\nname = \"wrong too\"\n[[wifi.profiles]]\nname = \"a\"\n{network}"
        );
        let findings = Profile::read(&text, Syntax::Toml).unwrap().1;
        let twice = findings.iter().find(|finding| finding.code == "WIFI-NAME").unwrap();
        assert_eq!(
            (twice.field.as_str(), twice.message.as_ref()),
            ("wifi.profiles[3].name", "wifi.profiles[1] has this name too")
        );
    }

    #[test]
    fn a_secret_that_stands_in_the_document_is_not_repeated() {
        let toml = "format = 1\nname = \"x\"\n";
        for section in [
            "[passwords]\nadmin = \"S3cretLiteral\"",
            "[passwords]\nmebx = { derived_from = \"S3cretLiteral\" }",
            "[kvm]\nrfb_password = \"S3cretLiteral\"",
            "[kvm]\nrfb_password = 53127731",
            "[kerberos]\npassword = \"S3cretLiteral\"",
            "[[wifi.profiles]]\nname = \"a\"\nssid = \"b\"\npriority = 1\nsecurity = \"wpa2-psk\"\npassphrase = \"S3cretLiteral\"",
            "[[access.users]]\nname = \"a\"\npassword = \"S3cretLiteral\"\nfrom = \"any\"\nrealms = []",
        ] {
            let (profile, findings) = Profile::read(&format!("{toml}{section}"), Syntax::Toml).unwrap();
            let text: String = findings.into_iter().map(|finding| finding.message + "\n").collect();
            assert!(profile.is_none() && text.contains(NOT_HERE), "{section}: {text}");
            assert!(!text.contains("S3cret") && !text.contains("53127731"), "{section}: {text}");
        }
        let broken = Profile::read(&format!("{toml}passphrase = \"S3cretLiteral\n"), Syntax::Toml).unwrap_err();
        assert!(broken.message.contains("line 3") && !broken.message.contains("S3cret"), "{}", broken.message);
    }

    #[test]
    fn a_key_is_there_once_and_a_byte_order_mark_is_none_of_it() {
        let twice = r#"{"format": 1, "name": "x", "general": {"ping": true, "ping": false}}"#;
        let refused = Profile::read(twice, Syntax::Json).unwrap_err();
        assert_eq!(refused.code, ErrorCode::PARSE_TEXT);
        assert!(refused.message.contains("\"ping\" stands there twice"), "{}", refused.message);
        for (text, syntax) in
            [("format = 1\nname = \"x\"", Syntax::Toml), (r#"{"format": 1, "name": "x"}"#, Syntax::Json)]
        {
            assert!(Profile::read(&format!("\u{feff}{text}"), syntax).unwrap().0.is_some(), "{syntax:?}");
        }
    }

    #[test]
    fn what_is_quoted_of_a_document_has_an_end() {
        let long = "x".repeat(10_000);
        let broken = Profile::read(&format!("name = \"{long}"), Syntax::Toml).unwrap_err();
        assert!(broken.message.len() < 1000, "{}", broken.message.len());
        let findings = Profile::read(&format!("format = 1\nname = \"x\"\ntags = \"{long}\""), Syntax::Toml).unwrap().1;
        assert!(findings[0].message.len() < 1000, "{findings:?}");
    }

    #[test]
    fn toml_and_json_are_one_schema_and_absent_differs_from_off() {
        let toml = "format = 1\nname = \"x\"\n[general]\nping = false\n";
        let json = r#"{"name": "x", "general": {"ping": false}, "format": 1}"#;
        let one = Profile::read(toml, Syntax::Toml).unwrap().0.unwrap();
        let other = Profile::read(json, Syntax::Json).unwrap().0.unwrap();
        assert_eq!((&one, one.revision()), (&other, other.revision()));
        let general = one.general.unwrap();
        assert_eq!((general.ping, general.rmcp_ping), (Some(false), None));
    }

    #[test]
    fn a_document_cut_anywhere_is_refused_or_read_and_never_more_than_that() {
        let whole = "format = 1\nname = \"x\"\n[[wifi.profiles]]\nname = \"a\"\nssid = \"\u{e9}t\u{e9}\"\npriority = 1\n\
                     security = \"wpa2-psk\"\npassphrase = { file = \"p\" }\n";
        assert!(Profile::read(whole, Syntax::Toml).unwrap().0.is_some());
        let json = serde_json::to_string(&Profile::read(whole, Syntax::Toml).unwrap().0).unwrap();
        for (text, syntax) in [(whole, Syntax::Toml), (json.as_str(), Syntax::Json)] {
            for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                if let Ok((None, findings)) = Profile::read(&text[..cut], syntax) {
                    assert!(!findings.is_empty(), "{syntax:?} {cut}");
                }
            }
        }
        let long = "x".repeat(MAX_DOCUMENT + 1);
        assert_eq!(Profile::read(&long, Syntax::Toml).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
    }

    #[test]
    fn what_is_no_document_names_the_place() {
        let broken = Profile::read("format = 1\nname = \n", Syntax::Toml).unwrap_err();
        assert!(broken.message.contains("line 2"), "{}", broken.message);
        let broken = Profile::read("{\"format\": 1,\n]", Syntax::Json).unwrap_err();
        assert!(broken.message.contains("line 2"), "{}", broken.message);
        assert_eq!(
            findings("format = 2\nname = \"x\"\nnew = 1\n"),
            [("PROFILE-FORMAT".to_owned(), "format".to_owned())]
        );
        let missing = findings("format = 1\n");
        assert_eq!(missing, [("PROFILE-VALUE".to_owned(), "profile".to_owned())]);
    }
}
