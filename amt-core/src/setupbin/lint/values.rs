//! Each value by itself (`spec/setupbin.md` §2).

use super::super::{Entry, Kind, POWER_PACKAGES, Record, SetupBin, Value, Variable, Version};
use super::{List, Place};
use crate::Severity::{Error, Info, Warning};
use crate::hello::HashAlgorithm;

/// Lengths that values of 2/22 are known to have.
const IPV6_LENGTHS: [usize; 2] = [204, 84];

pub(super) fn check(file: &SetupBin, place: Place<'_>, record: &Record, list: &mut List) {
    for entry in record.entries() {
        let field = place.entry(&entry);
        let Some(variable) = entry.variable() else {
            let text = format!("variable {}/{} is not known; kept as it is", entry.module, entry.id);
            list.add("VAR-UNKNOWN", Warning, field, text, "firmware passes over what it does not know");
            continue;
        };
        if variable.since > file.version() {
            let text =
                format!("version {} does not carry it, the oldest that does is {}", file.version(), variable.since);
            list.add("VAR-VERSION", Warning, field, text, "make the file of that version, or leave the variable out");
        }
        match Value::read(&entry) {
            Ok(value) => check_value(file, field, variable, &value, list),
            Err(failure) if matches!(variable.kind, Kind::Text { .. }) => {
                list.add("VAR-TEXT", Error, field, failure.into_details().message, "use ASCII");
            }
            Err(failure) => {
                list.add("VAR-VALUE", Error, field, failure.into_details().message, "firmware cannot read this value")
            }
        }
        if variable.name == "ipv6" && !IPV6_LENGTHS.contains(&entry.value.len()) {
            let text = format!("{} bytes; known values have 204 or 84", entry.value.len());
            list.add("VAR-LENGTH", Info, field, text, "");
        }
    }
}

fn check_value(file: &SetupBin, field: Place<'_>, variable: &Variable, value: &Value, list: &mut List) {
    match (variable.kind, value) {
        (Kind::Text { min, max }, Value::Text(text)) => {
            let text = text.expose();
            if let Some(at) = text.bytes().position(|byte| !(b' '..=b'~').contains(&byte)) {
                let message = format!("character {} is a control character or not ASCII", at + 1);
                list.add("VAR-TEXT", Error, field, message, "use printable ASCII");
            }
            // Passwords and pairs have rules of their own.
            let own = variable.secret && variable.module == 1 || ["pid", "pps"].contains(&variable.name);
            if !own && !(min..=max).contains(&text.len()) {
                let message = format!("{} characters; {min} to {max} are allowed", text.len());
                list.add("VAR-LENGTH", Error, field, message, "");
            }
        }
        (Kind::Number { min, max, .. }, Value::Number(number)) => {
            let named = variable.choices.is_empty() || variable.choice(*number).is_some();
            if !(min..=max).contains(number) || !named {
                let allowed = match variable.choices {
                    [] => format!("{min} to {max}"),
                    choices => {
                        let names: Vec<String> = choices.iter().map(|(n, name)| format!("{n} {name}")).collect();
                        names.join(", ")
                    }
                };
                list.add("VAR-VALUE", Error, field, format!("{number} has no meaning; allowed: {allowed}"), "");
            }
        }
        (Kind::Address, Value::Address(address)) if address.is_unspecified() || address.is_broadcast() => {
            list.add("VAR-VALUE", Error, field, format!("{address} is no machine's address"), "");
        }
        (Kind::Address, Value::Address(address)) if matches!(address.octets(), [0 | 127 | 224.., ..]) => {
            let [a, b, c, d] = address.octets();
            let hint = format!("octets stand in the file last first: was {d}.{c}.{b}.{a} meant?");
            list.add("VAR-VALUE", Warning, field, format!("{address} is no address of a server"), &hint);
        }
        (Kind::Identifier, Value::Identifier(bytes))
            if variable.name == "power_package" && !POWER_PACKAGES.iter().any(|(known, _)| known == bytes) =>
        {
            let hint = "the first three groups are swapped if it was read as a Microsoft GUID";
            list.add("VAR-VALUE", Warning, field, "none of the published power packages", hint);
        }
        (Kind::Root, Value::Root(root)) => {
            if root.algorithm != HashAlgorithm::SHA1 && file.version() < Version::V3 {
                let text = format!("version {} carries SHA-1 hashes only, this is {}", file.version(), root.algorithm);
                list.add("VAR-VERSION", Warning, field, text, "make the file version 3");
            }
            match root.name.len() {
                0..=31 => {}
                32 => list.add("ROOT-NAME", Warning, field, "a name of 32 characters; not all firmware takes 32", ""),
                n => list.add("ROOT-NAME", Error, field, format!("a name of {n} characters, at most 32 are taken"), ""),
            }
        }
        _ => {}
    }
}

/// The text of an entry, if it is text.
pub(super) fn text<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    std::str::from_utf8(entry.value).ok()
}
