//! `setup.bin` as BIOS and MEBx use it (`spec/setupbin.md` §5): a stick that goes from machine to machine before power-on.
//!
//! Each machine gets the first unused record. It is marked as used and written back before anything of it is applied, so that a
//! record that MEBx then refuses is gone too. Such a record changes nothing here; how much of it firmware keeps is not public. What a record says beyond what is simulated is named in the truth, not followed.

use crate::chain::RootHash;
use crate::firmware::{MachineConfig, is_strong_password};
use amt_core::psk::{Form, PskPair};
use amt_core::setupbin::{Entry, MAX_FILE, MAX_ROOT_HASHES, Record, SetupBin, Value};
use amt_core::{ErrorCode, Failure, Secret};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The stick.
pub struct Stick {
    path: PathBuf,
    file: SetupBin,
}

/// What became of a stick in one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsbOutcome {
    /// Number of the record that was used; none if there was no unused one.
    pub record: Option<u32>,
    /// Whether it was applied.
    pub applied: bool,
    /// Why not.
    pub error: Option<String>,
    /// Variables that the simulator does not follow.
    pub not_followed: Vec<String>,
}

impl Stick {
    /// Opens the file of a stick.
    ///
    /// # Errors
    /// `FILE_READ`; `SETUP_BIN` if a BIOS would not take it; `DECODE_TOO_LARGE`.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::new(ErrorCode::FILE_READ, "usb", format!("{}: {e}", path.display()));
        let mut bytes = Vec::new();
        File::open(path).map_err(failed)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let bytes = Secret::new(bytes);
        let file = SetupBin::decode(bytes.expose()).map_err(|mut failure| {
            failure.message = format!("{}: {}", path.display(), failure.message);
            failure
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Puts the stick into a machine that is about to be powered on. The setup server that the record names, if that is on
    /// loopback, where virtual machines live.
    ///
    /// # Errors
    /// `FILE_WRITE` if the used record cannot be written back: then nothing is applied.
    pub fn plug_into(&mut self, machine: &mut MachineConfig) -> Result<Option<SocketAddr>, Failure> {
        let Some(at) = self.file.consume() else {
            let error = Some("no unused record".to_owned());
            machine.usb = Some(UsbOutcome { error, ..UsbOutcome::default() });
            return Ok(None);
        };
        self.write_back()?;
        let Some(record) = self.file.records().get(at) else { return Ok(None) };
        let mut changed = machine.clone();
        let mut outcome = UsbOutcome { record: Some(record.number), ..UsbOutcome::default() };
        let server = match apply(record, &mut changed, &mut outcome.not_followed) {
            Ok(server) => {
                *machine = changed;
                outcome.applied = true;
                server
            }
            Err(why) => {
                outcome.error = Some(why);
                None
            }
        };
        machine.usb = Some(outcome);
        Ok(server)
    }

    /// In place, as a BIOS writes: the stick is not to be replaced by another file.
    fn write_back(&self) -> Result<(), Failure> {
        let failed =
            |e: std::io::Error| Failure::new(ErrorCode::FILE_WRITE, "usb", format!("{}: {e}", self.path.display()));
        let mut file = File::options().write(true).open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.write_all(self.file.encode().expose()).map_err(failed)?;
        file.sync_all().map_err(failed)
    }
}

/// What MEBx reads out of a record before it acts.
#[derive(Default)]
struct Wanted {
    current: Option<Secret<String>>,
    new: Option<Secret<String>>,
    pid: Option<Secret<String>>,
    pps: Option<Secret<String>>,
    suffix: Option<String>,
    factory_roots: Option<bool>,
    user_roots: Option<u32>,
    roots: Vec<RootHash>,
    hello: Option<bool>,
    remote_configuration: Option<bool>,
    host_name: Option<String>,
    domain_name: Option<String>,
    address: Option<Ipv4Addr>,
    port: Option<u16>,
}

fn apply(
    record: &Record,
    machine: &mut MachineConfig,
    not_followed: &mut Vec<String>,
) -> Result<Option<SocketAddr>, String> {
    let mut wanted = Wanted::default();
    for entry in record.entries() {
        let value = Value::read(&entry).map_err(|failure| failure.into_details().message)?;
        if !wanted.take(&entry, &value) {
            not_followed.push(entry.name());
        }
    }
    log_in(&wanted, machine)?;
    let can = machine.persona.version.capabilities();
    match (&wanted.pid, &wanted.pps) {
        (None, None) => {}
        (Some(_), Some(_)) if !can.psk => {
            return Err(format!("AMT {} has no pre-shared keys", machine.persona.version));
        }
        (Some(pid), Some(pps)) => {
            let pair = PskPair::parse(pid.expose(), pps.expose(), Form::Strict)
                .map_err(|failure| failure.into_details().message)?;
            machine.psk = Some(pair);
        }
        _ => return Err("a PID without a PPS, or a PPS without a PID".to_owned()),
    }
    if wanted.roots.len() > MAX_ROOT_HASHES {
        return Err(format!("{} root hashes, and there is room for {MAX_ROOT_HASHES}", wanted.roots.len()));
    }
    if !can.sha1_chain && wanted.roots.iter().any(|root| root.algorithm == 1) {
        return Err(format!("AMT {} takes no SHA-1 root hash", machine.persona.version));
    }
    if wanted.factory_roots == Some(false) {
        machine.roots.clear();
    }
    // 0: hashes of users do not count; 2: those there were are deleted, and a fresh machine has none.
    if wanted.user_roots != Some(0) {
        machine.own_roots = wanted.roots.len();
        machine.roots.append(&mut wanted.roots);
    }
    if wanted.suffix.is_some() {
        (machine.suffix, machine.own_suffix) = (wanted.suffix, true);
    }
    machine.host_name = wanted.host_name.unwrap_or_default();
    machine.domain_name = wanted.domain_name.unwrap_or_default();
    let by_certificate = wanted.remote_configuration != Some(false);
    machine.silent = wanted.hello == Some(false) || machine.psk.is_none() && !by_certificate;
    let server = wanted.address.filter(|address| address.is_loopback());
    if wanted.address.is_some() && server.is_none() {
        not_followed.push("server_address".to_owned());
    }
    Ok(server.map(|address| SocketAddr::from((address, wanted.port.unwrap_or(HELLO_PORT)))))
}

/// Where setup servers listen unless the record says otherwise.
const HELLO_PORT: u16 = 9971;

/// The passwords: 1/1 must be the machine's, 1/2 becomes it. It is the network administrator's too, until a setup server sets
/// another.
fn log_in(wanted: &Wanted, machine: &mut MachineConfig) -> Result<(), String> {
    let factory = &machine.persona.login.factory_password;
    let has = machine.mebx_password.as_ref().map_or(factory.as_str(), |password| password.expose());
    let Some(current) = &wanted.current else { return Err("no current password".to_owned()) };
    if current.expose() != has {
        return Err("the current password is not the machine's".to_owned());
    }
    let is_factory = machine.mebx_password.is_none();
    // Firmware that makes no keys of its own is of the years in which a stick was for machines from the factory.
    if !is_factory && !machine.persona.version.capabilities().generate_key_pair {
        return Err("already provisioned".to_owned());
    }
    match &wanted.new {
        None if is_factory => Err("the factory password must be changed".to_owned()),
        None => Ok(()),
        Some(new) if !is_strong_password(new.expose()) => Err("the new password is too weak".to_owned()),
        Some(new) => {
            machine.mebx_password = Some(new.clone());
            machine.admin_password = Some(new.clone());
            Ok(())
        }
    }
}

impl Wanted {
    /// Takes a value; false if nothing here follows it.
    fn take(&mut self, entry: &Entry<'_>, value: &Value) -> bool {
        match ((entry.module, entry.id), value) {
            ((1, 1), Value::Text(text)) => self.current = Some(text.clone()),
            ((1, 2), Value::Text(text)) => self.new = Some(text.clone()),
            // Manageability: AMT is what this is.
            ((1, 3), Value::Number(1)) => {}
            ((2, 1), Value::Text(text)) => self.pid = Some(text.clone()),
            ((2, 2), Value::Text(text)) => self.pps = Some(text.clone()),
            ((2, 3), Value::Text(text)) => self.suffix = Some(text.expose().clone()),
            ((2, 5), Value::Number(on)) => self.remote_configuration = Some(*on != 0),
            ((2, 6), Value::Number(on)) => self.factory_roots = Some(*on != 0),
            ((2, 7), Value::Number(choice)) => self.user_roots = Some(*choice),
            ((2, 8), Value::Root(root)) => {
                self.roots.push(RootHash { algorithm: root.algorithm.0, digest: root.digest.clone() });
            }
            ((2, 11), Value::Text(text)) => self.host_name = Some(text.expose().clone()),
            ((2, 12), Value::Text(text)) => self.domain_name = Some(text.expose().clone()),
            // DHCP is on.
            ((2, 13), Value::Number(2)) => {}
            ((2, 17), Value::Address(address)) => self.address = Some(*address),
            ((2, 18), Value::Number(port)) => self.port = u16::try_from(*port).ok(),
            ((2, 28), Value::Number(on)) => self.hello = Some(*on != 0),
            _ => return false,
        }
        true
    }
}
