//! `amt_fleet`: the database of a fleet, and `amt_credentials`: the passwords of one of its machines.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::status::amt_status;
use crate::text;
use ::amt_fleet::intake::wire::AgentFacts;
use ::amt_fleet::{Credential, DiaryEntry, Fact, Filter, Fleet, Machine, ReleaseOrder, Report, TokenTerms};
use amt::blocking::{Canceller, EventLoop};
use amt_core::{ErrorCode, Failure, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Longest JSON text, in bytes.
const MAX_JSON: usize = 1 << 20;

/// The database of a fleet. One call at a time. Several programs may use one database; one of them may be its setup server.
pub struct amt_fleet(Exclusive<Arc<Open>>);

impl Object for amt_fleet {
    const TAG: u32 = 0x414d_5410;
    const NAME: &'static str = "amt_fleet";
}

/// Passwords of a machine, likeliest first within each kind, or one new token. It never changes: its functions may run beside each other. Zeroed when it is freed.
pub struct amt_credentials(Vec<Entry>);

struct Entry {
    kind: &'static str,
    account: String,
    secret: Secret<String>,
}

impl Object for amt_credentials {
    const TAG: u32 = 0x414d_5411;
    const NAME: &'static str = "amt_credentials";
}

/// The database, and where its calls and its server wait. The last one that has it closes the files.
pub(crate) struct Open {
    /// Until it is dropped.
    fleet: Option<Fleet>,
    pub(crate) waiting: EventLoop,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(fleet) = self.fleet.take() {
            // What was answered is durable: nothing can fail here that matters.
            let _ = self.waiting.run(async move {
                fleet.close().await;
                Ok(())
            });
        }
    }
}

impl Open {
    pub(crate) fn fleet(&self) -> Result<&Fleet, Failure> {
        self.fleet.as_ref().ok_or_else(|| Failure::new(ErrorCode::BAD_HANDLE, "call", "the database was closed"))
    }
}

impl amt_fleet {
    /// The database for a server.
    pub(crate) fn share(&self) -> Result<Arc<Open>, Failure> {
        Ok(Arc::clone(&*self.0.enter::<Self>()?))
    }

    /// Asks it, on the calling thread.
    fn ask<T, F>(&self, question: impl FnOnce(Fleet) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let open = self.0.enter::<Self>()?;
        let fleet = open.fleet()?.clone();
        open.waiting.run(question(fleet))
    }
}

/// Opens the database at a path, or makes it, into `*out`; free it with `amt_fleet_free`. `key_file` holds the key that seals its secrets,
/// and is made together with a new database; empty: the database's path with `.key` after it. Starts threads, of SQLite's driver.
///
/// Fails with `AMT_E_STORE` for what is no such database, or with what is wrong with the key.
///
/// # Safety
/// `database` and `key_file` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_open(
    database: *const c_char,
    database_len: usize,
    key_file: *const c_char,
    key_file_len: usize,
    out: *mut *mut amt_fleet,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let Some(database) = argument::optional_text("database", database, database_len)? else {
                return Err(argument::invalid("database is empty"));
            };
            let database = PathBuf::from(database);
            let key = argument::optional_text("key_file", key_file, key_file_len)?
                .map_or_else(|| database.with_added_extension("key"), PathBuf::from);
            let waiting = EventLoop::new(Canceller::default())?;
            let fleet = Some(waiting.run(Fleet::open_with_key_file(database, key))?);
            out.give(amt_fleet(Exclusive::new(Arc::new(Open { fleet, waiting }))));
            Ok(())
        })
    }
}

/// The machines that fit the filter `conditions`, such as `verified and version >= 16` (empty: all), sorted by a field, `name` or, downwards,
/// `-hello` (empty: as they became known), at most `limit` of them (0: all), as a JSON array into `*out`, to be freed with
/// `amt_document_free`. Each is as in `amt fleet list --json`.
///
/// Fails with `AMT_E_FILTER`, whose message points at the character.
///
/// # Safety
/// `fleet` is null or a handle; `conditions` and `sort` are null or readable for their lengths; `out` is null or writable; `err` is null or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_machines(
    fleet: *mut amt_fleet,
    conditions: *const c_char,
    conditions_len: usize,
    sort: *const c_char,
    sort_len: usize,
    limit: u32,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let filter = match argument::optional_text("conditions", conditions, conditions_len)? {
                Some(text) => Filter::parse(text)?,
                None => Filter::every(),
            };
            let sort = argument::optional_text("sort", sort, sort_len)?.map(str::parse).transpose()?;
            let limit = (limit > 0).then_some(limit);
            let fleet = handle::lease(fleet)?;
            let machines = fleet.ask(|fleet| async move { fleet.select(&filter, sort, limit).await })?;
            out.give(list(machines.iter().map(Machine::to_json)));
            Ok(())
        })
    }
}

/// One machine, as in `amt_fleet_machines`, into `*out`, to be freed with `amt_document_free`. Fails with `AMT_E_MACHINE_UNKNOWN`.
///
/// # Safety
/// `fleet` is null or a handle; `uuid` is null or readable for its length; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_machine(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let machine = handle::lease(fleet)?.ask(|fleet| async move { fleet.machine(id).await })?;
            out.give(amt_document::new(machine.to_json()));
            Ok(())
        })
    }
}

/// What is said of a machine and by whom, the most trusted source of each key first, as a JSON array into `*out`, to be freed with
/// `amt_document_free`.
///
/// # Safety
/// As for `amt_fleet_machine`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_facts(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let facts = handle::lease(fleet)?.ask(|fleet| async move { fleet.facts(id).await })?;
            out.give(list(facts.iter().map(Fact::to_json)));
            Ok(())
        })
    }
}

/// The last `limit` lines of a machine's diary, oldest first, as a JSON array into `*out`, to be freed with `amt_document_free`.
///
/// # Safety
/// As for `amt_fleet_machine`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_diary(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    limit: u32,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let diary = handle::lease(fleet)?.ask(|fleet| async move { fleet.diary(id, limit).await })?;
            out.give(list(diary.iter().map(DiaryEntry::to_json)));
            Ok(())
        })
    }
}

/// Records what `source` (`operator`, `list`, …) says of a machine that is known: `facts` is a JSON object such as
/// `{"fqdn": "pc1.example.com", "label": ["a", "b"]}`. Of every key named, what the same source said before ends. `changed` becomes 1 if
/// anything is new.
///
/// # Safety
/// `fleet` is null or a handle; `uuid`, `source` and `facts` are null or readable for their lengths; `changed` is null or writable; `err` is
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_report(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    source: *const c_char,
    source_len: usize,
    facts: *const c_char,
    facts_len: usize,
    changed: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let changed = Out::new("changed", changed, 0)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let source = argument::text("source", source, source_len)?;
            let report = Report::said(id, source, &json("facts", argument::text("facts", facts, facts_len)?)?)?;
            let is_new = handle::lease(fleet)?.ask(|fleet| async move { fleet.report(report).await })?;
            changed.set(is_new.into());
            Ok(())
        })
    }
}

/// Records what a program on the machine found, as the intake does (docs/intake.md), for a host that has a channel of its own to its clients:
/// `facts` is a JSON object of `mac` (a list), `fqdn`, `host_name`, `dns_suffix`, `os`, `environment`, `control_mode`, `version`, `model`
/// and `serial`, all optional, and of nothing else. A machine that is not known becomes so; it is not let in by that. `by` tells the diary
/// who said it. Of every key named, what a client said before ends. `changed` becomes 1 if anything is new.
///
/// # Safety
/// `fleet` is null or a handle; `uuid`, `facts` and `by` are null or readable for their lengths; `changed` is null or writable; `err` is null
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_enroll(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    facts: *const c_char,
    facts_len: usize,
    by: *const c_char,
    by_len: usize,
    changed: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let changed = Out::new("changed", changed, 0)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let facts: AgentFacts = read("facts", argument::text("facts", facts, facts_len)?)?;
            let by = argument::text("by", by, by_len)?.to_owned();
            let is_new = handle::lease(fleet)?.ask(|fleet| async move { fleet.hear(id, &facts, &by).await })?;
            changed.set(is_new.into());
            Ok(())
        })
    }
}

/// Lets a machine in, whatever the guard says; `by` tells the diary who decided that.
///
/// # Safety
/// `fleet` is null or a handle; `uuid` and `by` are null or readable for their lengths; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_release(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    by: *const c_char,
    by_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let id = argument::uuid(uuid, uuid_len)?;
            let order = ReleaseOrder::by(argument::text("by", by, by_len)?);
            handle::lease(fleet)?.ask(|fleet| async move { fleet.release(id, order).await })
        })
    }
}

/// The passwords that may open a machine into `*out`; free it with `amt_credentials_free`.
///
/// # Safety
/// `fleet` is null or a handle; `uuid` is null or readable for its length; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_credentials(
    fleet: *mut amt_fleet,
    uuid: *const c_char,
    uuid_len: usize,
    out: *mut *mut amt_credentials,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let id = argument::uuid(uuid, uuid_len)?;
            let credentials = handle::lease(fleet)?.ask(|fleet| async move { fleet.credentials(id).await })?;
            let entry = |credential: Credential| Entry {
                kind: credential.kind.name(),
                account: credential.account,
                secret: credential.password,
            };
            out.give(amt_credentials(credentials.into_iter().map(entry).collect()));
            Ok(())
        })
    }
}

/// Makes a token that clients on the machines enrol with through the intake (docs/intake.md), for so many machines and `valid_s` seconds (0: for
/// ever), or for the machine `uuid` alone, into `*out`, to be freed with `amt_credentials_free`: one entry of kind `token`, whose account is
/// the token's number. The database keeps a hash only. `uuid` and `note`, what it is for in words, may be empty.
///
/// Fails with `AMT_E_INVALID_ARGUMENT` for 0 or too many uses, or for more than one with `uuid`.
///
/// # Safety
/// `fleet` is null or a handle; `uuid` and `note` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_new_token(
    fleet: *mut amt_fleet,
    uses: u32,
    valid_s: u32,
    uuid: *const c_char,
    uuid_len: usize,
    note: *const c_char,
    note_len: usize,
    out: *mut *mut amt_credentials,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let mut terms = TokenTerms::default();
            terms.uses = uses;
            if valid_s > 0 {
                terms.expires_at = SystemTime::now().checked_add(Duration::from_secs(valid_s.into()));
            }
            if uuid_len > 0 {
                terms.machine = Some(argument::uuid(uuid, uuid_len)?);
            }
            terms.note = argument::optional_text("note", note, note_len)?.map(str::to_owned);
            let (number, token) = handle::lease(fleet)?.ask(|fleet| async move { fleet.new_token(terms).await })?;
            out.give(amt_credentials(vec![Entry {
                kind: "token",
                account: number.to_string(),
                secret: token.reveal(),
            }]));
            Ok(())
        })
    }
}

/// Lets nobody enrol with a token any more; machines that did stay enrolled. Fails with `AMT_E_INVALID_ARGUMENT` if there is no such token.
///
/// # Safety
/// `fleet` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_revoke_token(
    fleet: *mut amt_fleet,
    number: i64,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe { guard(err, || handle::lease(fleet)?.ask(|fleet| async move { fleet.revoke_token(number).await })) }
}

/// Frees `fleet`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed. Servers that it was given to do not
/// need it any more.
///
/// # Safety
/// `fleet` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_fleet_free(fleet: *mut amt_fleet) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(fleet)) }
}

/// How many passwords there are.
///
/// # Safety
/// `credentials` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_credentials_count(
    credentials: *const amt_credentials,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(credentials)?.0.len());
            Ok(())
        })
    }
}

/// What the password at `index` opens: `admin`, the network administrator, `mebx`, the setup menu, or for a `token` the intake. Valid until `credentials` is freed.
///
/// # Safety
/// `credentials` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_credentials_kind(
    credentials: *const amt_credentials,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { part_of(credentials, index, data, len, err, |entry| entry.kind) }
}

/// The account that the password at `index` belongs to. Valid until `credentials` is freed.
///
/// # Safety
/// As for `amt_credentials_kind`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_credentials_account(
    credentials: *const amt_credentials,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { part_of(credentials, index, data, len, err, |entry| &entry.account) }
}

/// The password at `index`, a secret. Valid until `credentials` is freed.
///
/// # Safety
/// As for `amt_credentials_kind`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_credentials_password(
    credentials: *const amt_credentials,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { part_of(credentials, index, data, len, err, |entry| entry.secret.expose()) }
}

/// Frees `credentials`. Null does nothing.
///
/// # Safety
/// `credentials` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_credentials_free(credentials: *mut amt_credentials) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(credentials)) }
}

/// # Safety
/// As for the functions above.
unsafe fn part_of(
    credentials: *const amt_credentials,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
    part: impl FnOnce(&Entry) -> &str,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above.
    unsafe { text::lend(credentials, data, len, err, |all| argument::element("credentials", &all.0, index).map(part)) }
}

fn list(items: impl Iterator<Item = Value>) -> amt_document {
    amt_document::new(Value::Array(items.collect()))
}

/// A JSON object of the caller as a `T`. What is wrong with it is told without repeating a value of it.
pub(crate) fn read<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Failure> {
    let wrong = |why: &str| Failure::new(ErrorCode::PARSE_TEXT, "call", format!("{name}: {why}"));
    let value = json(name, text)?;
    // A list of the fields' values would be read as well.
    if !value.is_object() {
        return Err(wrong("not an object"));
    }
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        match text.rsplit_once(", expected ") {
            Some((_, expected)) if !text.starts_with("unknown field") => {
                wrong(&format!("a field is not what it can be: {expected}"))
            }
            _ => wrong(&text),
        }
    })
}

/// A JSON document of the caller, checked likewise.
fn json(name: &str, text: &str) -> Result<Value, Failure> {
    let wrong = |why: String| Failure::new(ErrorCode::PARSE_TEXT, "call", format!("{name}: {why}"));
    if text.len() > MAX_JSON {
        return Err(wrong(format!("longer than {MAX_JSON} bytes")));
    }
    serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
}
