//! What the variables of a record say together, and the records of a file (`spec/setupbin.md` §2.4, §3, §4, §8).

use super::super::record::DATA;
use super::super::{Entry, MAX_ROOT_HASHES, Record, SetupBin, Version};
use super::{List, Place, values};
use crate::Severity::{Error, Info, Warning};
use crate::psk::{Form, Pid, Pps};
use std::collections::HashSet;

/// What was seen in the file so far.
pub(super) struct File<'a> {
    file: &'a SetupBin,
    pids: HashSet<&'a [u8]>,
    told_of_sharing: bool,
    with_secrets_left: usize,
}

/// The factory's MEBx password.
const FACTORY: &str = "admin";
/// Lengths of every other one.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=32;

impl<'a> File<'a> {
    pub(super) fn new(file: &'a SetupBin) -> Self {
        Self { file, pids: HashSet::new(), told_of_sharing: false, with_secrets_left: 0 }
    }

    pub(super) fn check(&mut self, field: Place<'_>, record: &'a Record, list: &mut List) {
        if record.kind != DATA {
            return;
        }
        let entries: Vec<Entry<'a>> = record.entries().collect();
        order(field, &entries, list);
        if !record.is_usable() {
            self.with_secrets_left += usize::from(entries.iter().any(Entry::is_secret));
            return;
        }
        let find = |name: &str| entries.iter().find(|entry| entry.variable().is_some_and(|v| v.name == name));
        self.passwords(field, find("current_password"), find("new_password"), list);
        self.pair(field, find("pid"), find("pps"), list);
        let roots = entries.iter().filter(|entry| (entry.module, entry.id) == (2, 8)).count();
        if roots > MAX_ROOT_HASHES {
            let text = format!("{roots} root hashes; firmware of AMT 3 to 7 stores {MAX_ROOT_HASHES}");
            list.add("ROOT-COUNT", Warning, field, text, "");
        }
        let is = |name: &str, value: u8| find(name).is_some_and(|entry| entry.value == [value]);
        if is("preinstalled_hashes", 0) && roots == 0 {
            let hint = "no certificate can match: add a root_hash, or leave the maker's on";
            list.add("ROOT-NONE", Warning, field, "the maker's root hashes are off and there is no other", hint);
        }
        if is("hello", 1) && find("server_address").or(find("server_fqdn")).is_none() {
            let hint = "it asks DNS for provisionserver: have that name resolve, or add server_address or server_fqdn";
            list.add("HELLO-WHERE", Info, field, "the machine is to say hello, and is not told to whom", hint);
        }
        if is("fqdn_sharing", 1) && find("host_name").is_none() {
            list.add(
                "NAME-SHARED",
                Info,
                field,
                "a shared name is set without a host name; not all firmware heeds it",
                "",
            );
        }
    }

    /// What is told once for all records.
    pub(super) fn finish(self, list: &mut List) {
        if self.with_secrets_left > 0 {
            let text = format!("{} used records still hold their secrets", self.with_secrets_left);
            list.add("SECRET-LEFT", Info, "file", text, "`amt setupbin wipe` takes them away");
        }
    }

    fn passwords(&mut self, field: Place<'_>, current: Option<&Entry<'a>>, new: Option<&Entry<'a>>, list: &mut List) {
        let text = |entry: Option<&Entry<'a>>| entry.and_then(values::text);
        match (current, text(current)) {
            (None, _) => {
                let hint = "the firmware checks it first: add current_password, `admin` for a machine from the factory";
                list.add("PWD-CURRENT", Error, field, "there is no current_password", hint);
            }
            (Some(_), Some(FACTORY)) if new.is_none() => {
                let hint = "the factory's password must be changed: add new_password";
                list.add(
                    "PWD-NEW",
                    Error,
                    field,
                    "current_password is the factory's and there is no new_password",
                    hint,
                );
            }
            (Some(entry), text) if text != Some(FACTORY) && !PASSWORD.contains(&entry.value.len()) => {
                let text = "neither the factory's password nor one of 8 to 32 characters";
                list.add("PWD-CURRENT", Warning, field.entry(entry), text, "no machine can have it");
            }
            _ => {}
        }
        let Some(new) = new else { return };
        let name = field.entry(new);
        let lacking = lacking(new.value);
        if !lacking.is_empty() {
            let text = format!("firmware refuses this password: {}", lacking.join(", "));
            let hint = "8 to 32 characters: capital and small letter, digit, and one of ! @ # $ % ^ *";
            list.add("PWD-WEAK", Error, name, text, hint);
        } else if new.value.iter().any(|byte| b"'<>& ".contains(byte)) {
            let text = "has one of ' < > & or a space, which some makers do not allow";
            list.add("PWD-LAYOUT", Info, name, text, "");
        }
        if self.file.header.reusable() && !self.told_of_sharing {
            self.told_of_sharing = true;
            let text = "the file is reusable: every machine gets the same password";
            let hint = "one record and password for each machine is safer (flags 0)";
            list.add("PWD-SHARED", Warning, name, text, hint);
        }
    }

    fn pair(&mut self, field: Place<'_>, pid: Option<&Entry<'a>>, pps: Option<&Entry<'a>>, list: &mut List) {
        if pid.is_some() != pps.is_some() {
            let text = if pid.is_some() { "there is a pid but no pps" } else { "there is a pps but no pid" };
            list.add("PSK-HALF", Error, field, text, "add the other half, or leave both out");
        }
        let Some(any) = pid.or(pps) else { return };
        let mut checked = |entry: &Entry<'a>, result: Result<(), crate::Failure>| {
            if let Err(failure) = result {
                let hint = "capitals and digits without dashes; `amt psk check` says what is wrong with a pair";
                list.add("PSK-CHECK", Error, field.entry(entry), failure.into_details().message, hint);
            }
        };
        if let Some(pid) = pid {
            checked(pid, Pid::parse(values::text(pid).unwrap_or_default(), Form::Strict).map(drop));
        }
        if let Some(pps) = pps {
            checked(pps, Pps::parse(values::text(pps).unwrap_or_default(), Form::Strict).map(drop));
        }
        if self.file.version() > Version::V2_1 {
            let text = format!("pairs belong into files of version 1, 2.0 and 2.1; this is {}", self.file.version());
            list.add("PSK-VERSION", Warning, field.entry(any), text, "make the file version 2.1");
        }
        let again = pid.is_some_and(|pid| !self.pids.insert(pid.value));
        if again || self.file.header.reusable() {
            let text = "this pair goes to more than one machine";
            list.add("PSK-SHARED", Info, field.entry(any), text, "one pair for each machine is safer");
        }
    }
}

/// Duplicates, and the order that firmware asks for.
fn order(field: Place<'_>, entries: &[Entry<'_>], list: &mut List) {
    let mut seen = HashSet::new();
    for entry in entries {
        let repeats = entry.variable().is_some_and(super::super::Variable::may_repeat);
        if !seen.insert((entry.module, entry.id)) && !repeats {
            let text = "stands more than once";
            list.add("VAR-TWICE", Error, field.entry(entry), text, "it is not known which one counts: keep one");
        }
    }
    let places = |module: u16, id: Option<u16>| {
        let fits = move |entry: &Entry<'_>| entry.module == module && id.is_none_or(|id| entry.id == id);
        entries.iter().enumerate().filter(move |(_, entry)| fits(entry)).map(|(at, _)| at)
    };
    let (first, last) = (|m, id| places(m, id).next(), |m, id| places(m, id).next_back());
    let mut misplaced = |text: &str| {
        list.add(
            "VAR-ORDER",
            Warning,
            field,
            text,
            "sort entries by module and variable, as `amt setupbin create` does",
        );
    };
    let expected = [first(1, Some(1)), first(1, Some(2)), first(1, Some(3))];
    if expected.iter().flatten().enumerate().any(|(place, at)| place != *at) {
        misplaced("current_password, new_password and manageability must come first, in this order");
    }
    if let (Some(start), Some(last)) = (first(2, Some(28)), [3, 4, 17].iter().filter_map(|id| last(2, Some(*id))).max())
        && start < last
    {
        misplaced("hello must come after pki_dns_suffix, server_fqdn and server_address");
    }
}

/// What Intel's rule for MEBx passwords (§4) misses in `password`.
fn lacking(password: &[u8]) -> Vec<&'static str> {
    let has = |class: fn(&u8) -> bool| password.iter().any(class);
    // An underscore counts as a letter, a space as nothing.
    let other = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && *byte != b'_';
    let rules = [
        (PASSWORD.contains(&password.len()), "not 8 to 32 characters"),
        (password.iter().all(|byte| (b' '..=b'~').contains(byte)), "something else than printable ASCII"),
        (!has(|byte| b"\",:".contains(byte)), "one of \" , :"),
        (has(u8::is_ascii_digit), "no digit"),
        (has(u8::is_ascii_uppercase), "no capital letter"),
        (has(u8::is_ascii_lowercase), "no small letter"),
        (has(other), "no other character"),
    ];
    rules.into_iter().filter(|(kept, _)| !kept).map(|(_, text)| text).collect()
}
