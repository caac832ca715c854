//! Rules of the sections `access` and `kerberos`.

use super::Report;
use crate::profile::{Profile, User};
use amt_core::id::binary_sid;
use std::collections::BTreeMap;

const MAX_NAME: usize = 16;
const MAX_SIDS: usize = 32;
/// Groups that are the same in every directory: they can't be given rights (`spec/profile.md` §2.6).
const BUILT_IN: &str = "S-1-5-32-";

pub(super) fn check(profile: &Profile, report: &mut Report) {
    let users = profile.access.as_ref().and_then(|access| access.users.as_deref()).unwrap_or_default();
    let mut seen = BTreeMap::new();
    for (index, user) in users.iter().enumerate() {
        let at = format!("access.users[{index}]");
        check_user(report, &at, user);
        let key = user.name.as_ref().or(user.sid.as_ref());
        if let Some(other) = key.and_then(|key| seen.insert(key.clone(), index)) {
            let text = format!("access.users[{other}] is the same user");
            report.error("USER-TWICE", at, text, "join the two");
        }
    }
    let sids = users.iter().filter(|user| user.sid.is_some()).count();
    if sids > MAX_SIDS {
        let text = format!("{sids} accounts of a directory, the firmware keeps {MAX_SIDS}");
        report.error("USER-COUNT", "access.users", text, "use groups");
    }
    let kerberos = profile.kerberos.as_ref();
    if sids > 0 && kerberos.is_none_or(|kerberos| kerberos.enabled != Some(true)) {
        let text = "accounts of a directory need kerberos.enabled = true";
        report.warning("KERBEROS-USERS", "kerberos", text, "add the section, unless the machine has it already");
    }
    let Some(kerberos) = kerberos else { return };
    report.secret("kerberos.password", kerberos.password.as_ref());
    if kerberos.enabled == Some(true) {
        for (name, given) in [("realm", kerberos.realm.is_some()), ("password", kerberos.password.is_some())] {
            if !given {
                let text = "Kerberos needs a realm and the password of the machine's account";
                report.error("KERBEROS", format!("kerberos.{name}"), text, "give it, or take the section out");
            }
        }
        if profile.time.as_ref().is_some_and(|time| time.set == Some(false)) {
            report.error(
                "CLOCK-NEEDED",
                "time.set",
                "Kerberos needs a clock that is right",
                "take time.set = false out",
            );
        }
    }
    if let Some(realm) = kerberos.realm.as_ref().filter(|realm| realm.chars().any(|c| c.is_lowercase())) {
        let text = format!("{realm:?} has small letters, and directories write realms in capitals: keys would not fit");
        report.warning("KERBEROS-REALM", "kerberos.realm", text, "write it as the directory does, as EXAMPLE.COM");
    }
    if kerberos.clock_tolerance_minutes.is_some_and(|minutes| !(1..=5).contains(&minutes)) {
        let text = "the firmware takes 1 to 5 minutes";
        report.error("KERBEROS-CLOCK", "kerberos.clock_tolerance_minutes", text, "5 is usual");
    }
}

fn check_user(report: &mut Report, at: &str, user: &User) {
    match (&user.name, &user.sid) {
        (Some(name), None) => {
            let bad = |b: u8| !b.is_ascii_graphic() || b"\"',:<>&".contains(&b);
            if name.is_empty() || name.len() > MAX_NAME || name.bytes().any(bad) {
                let hint = "use 1 to 16 printable ASCII characters other than \" ' , : < > &";
                report.error("USER-NAME", format!("{at}.name"), format!("{name:?} is no name of a user"), hint);
            } else if name == "admin" || name.starts_with("$$") {
                let hint = "choose another name; admin's password is passwords.admin";
                report.error("USER-NAME", format!("{at}.name"), format!("{name:?} is the firmware's own"), hint);
            }
            if user.password.is_none() {
                report.error("USER-PASSWORD", format!("{at}.password"), "a digest user needs a password", "give it");
            }
        }
        (None, Some(sid)) => {
            if binary_sid(sid).is_none() {
                let hint = "write it as S-1-5-21-… with at most 5 numbers behind the authority";
                report.error("USER-SID", format!("{at}.sid"), format!("{sid:?} is no security identifier"), hint);
            } else if sid.starts_with(BUILT_IN) {
                let text = format!("{sid} is a group that every directory has, and no machine can tell whose it is");
                let hint = "use an account or a group of your domain: S-1-5-21-…";
                report.error("USER-SID", format!("{at}.sid"), text, hint);
            }
            if user.password.is_some() {
                let text = "an account of a directory has its password there";
                report.error("USER-PASSWORD", format!("{at}.password"), text, "take it out");
            }
        }
        _ => report.error("USER-KIND", at, "a user has either `name` or `sid`", "give exactly one of them"),
    }
    report.secret(&format!("{at}.password"), user.password.as_ref());
    if user.realms.is_empty() {
        let hint = "list at least one realm; `administration` is everything";
        report.error("USER-REALMS", format!("{at}.realms"), "a user without realms can do nothing", hint);
    }
}
