//! Commands of the machine's own system: they talk to the firmware of the computer that they run on.

pub(super) mod activate;
pub(super) mod info;
#[cfg(any(windows, test))]
mod registry;
pub(super) mod start_hello;
pub(super) mod unprovision;

use super::Error;
use crate::output::Output;
use amt::Host;
use amt::local::{LocalAccess, Route};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::Fleet;
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How the firmware of this machine is reached.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Firmware")]
pub(super) struct Reach {
    /// Device of the management engine interface, instead of the system's own: a file as /dev/mei0, on Windows the path of a device
    /// interface
    #[arg(long, value_name = "PATH")]
    mei: Option<PathBuf>,

    /// Folder with the driver's facts about that device (fw_status), as sysfs has them; Linux only, since Windows' driver tells them itself
    #[arg(long, value_name = "DIR", requires = "mei")]
    mei_facts: Option<PathBuf>,

    /// Address of the local management service
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    lms: IpAddr,

    /// Way to the firmware's network services: by the local management service if it answers, or one of the two
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Way::Auto)]
    route: Way,
}

/// The values of `--route`.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The service if it answers, else directly
    Auto,
    /// The local management service (LMS)
    Lms,
    /// Directly, by the firmware's client LME
    Lme,
}

impl Reach {
    /// The way to the firmware.
    pub(super) fn access(&self) -> Result<LocalAccess, Failure> {
        let mut access = access_to(self.mei.as_deref(), self.mei_facts.as_deref())?;
        access.lms = self.lms;
        access.route = match self.route {
            Way::Auto => Route::Auto,
            Way::Lms => Route::Lms,
            Way::Lme => Route::Lme,
        };
        Ok(access)
    }
}

/// The firmware behind the device at this path, with its facts in that folder, or behind the system's own.
pub(super) fn access_to(mei: Option<&Path>, facts: Option<&Path>) -> Result<LocalAccess, Failure> {
    match mei {
        #[cfg(target_os = "linux")]
        Some(path) => {
            let mut mei = amt::mei::LinuxMei::at(path);
            if let Some(folder) = facts {
                mei = mei.with_facts(folder);
            }
            Ok(LocalAccess::new(std::sync::Arc::new(mei)))
        }
        #[cfg(windows)]
        Some(path) => {
            if facts.is_some() {
                let text = "--mei-facts: on Windows the driver tells the facts itself";
                return Err(Failure::new(ErrorCode::UNSUPPORTED, "mei", text).hint("leave it out"));
            }
            Ok(LocalAccess::new(std::sync::Arc::new(amt::mei::WindowsMei::at(path))))
        }
        #[cfg(not(any(target_os = "linux", windows)))]
        Some(_) => {
            let _ = facts;
            Err(Failure::new(ErrorCode::UNSUPPORTED, "mei", "a device can be named on Linux and on Windows only"))
        }
        None => LocalAccess::system(),
    }
}

/// What commands that change this machine have in common.
#[derive(clap::Args, Clone)]
pub(super) struct Here {
    #[command(flatten)]
    pub(super) local: LocalIdentity,

    #[command(flatten)]
    pub(super) journal: JournalFile,

    #[command(flatten)]
    pub(super) reach: Reach,
}

/// Whom to accept on the local TLS port of newer firmware.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Firmware")]
pub(super) struct LocalIdentity {
    /// Accept only the certificate with this SHA-256 on the firmware's local TLS port (AMT 19 and later). Without this and
    /// --ondie-root any certificate is accepted there, but for secure setup, where the firmware tells over the device which one it presents
    #[arg(long, value_name = "SHA256", value_parser = super::connect::fingerprint, conflicts_with = "ondie_root")]
    pin: Option<[u8; 32]>,

    /// Accept on that port only the chip's own certificates (AMT 15 and later, until one of the site's own is in use there), if they
    /// end at a root in this PEM file: Intel publishes it; may be given several times
    #[arg(long, value_name = "FILE")]
    ondie_root: Vec<PathBuf>,
}

impl LocalIdentity {
    fn identity(&self) -> Result<PeerIdentity, Failure> {
        if let Some(pin) = self.pin {
            return Ok(PeerIdentity::Fingerprint(pin));
        }
        let roots: Result<Vec<_>, _> = self.ondie_root.iter().map(|file| super::connect::certificates(file)).collect();
        let roots = roots?.concat();
        Ok(if roots.is_empty() { PeerIdentity::Any } else { PeerIdentity::OnDie { roots } })
    }
}

/// Where this machine's credentials are kept.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Journal")]
pub(super) struct JournalFile {
    /// Database of what must survive: passwords, and how far it has come. Made if it is not there, readable by root only (on Windows by whoever may read its folder); `amt fleet
    /// export-credentials --database` shows what is in it
    #[arg(long, value_name = "FILE", default_value = DEFAULT_JOURNAL)]
    journal: PathBuf,

    /// File with the key that seals the passwords in it, made if it is not there [default: beside the journal, with `.key`]
    #[arg(long, value_name = "FILE")]
    journal_key: Option<PathBuf>,
}

#[cfg(windows)]
const DEFAULT_JOURNAL: &str = r"C:\ProgramData\amt\journal.db";
#[cfg(not(windows))]
const DEFAULT_JOURNAL: &str = "/var/lib/amt/journal.db";

impl JournalFile {
    /// Opens it.
    async fn open(&self) -> Result<Fleet, Failure> {
        let key = self.journal_key.clone().unwrap_or_else(|| self.journal.with_added_extension("key"));
        if let Some(folder) = self.journal.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| {
                Failure::new(ErrorCode::FILE_WRITE, "journal", format!("{}: {error}", folder.display()))
                    .hint("run as root or administrator, or give --journal FILE")
            })?;
        }
        Fleet::open_with_key_file(&self.journal, &key).await
    }
}

/// Keeps records in the journal and shows the steps.
struct Keeper<'o> {
    fleet: Fleet,
    /// None: silent.
    out: Option<Mutex<&'o mut Output>>,
}

impl<'o> Keeper<'o> {
    const fn new(fleet: Fleet, out: Option<&'o mut Output>) -> Self {
        let out = match out {
            Some(out) => Some(Mutex::new(out)),
            None => None,
        };
        Self { fleet, out }
    }

    fn say(&self, text: &str) {
        if let Some(out) = &self.out
            && let Ok(mut out) = out.lock()
        {
            // What cannot be shown now shows when the result is.
            let _ = out.line(text);
        }
    }
}

impl Host for Keeper<'_> {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        self.fleet.persist(record).await
    }

    async fn certify(&self, _: &CertificateRequest) -> CaAnswer {
        CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "nothing is certified here"))
    }

    fn event(&self, _: SystemId, event: &Event) {
        match event {
            Event::Step(step) => self.say(&format!("  {step}")),
            Event::Note(note) => self.say(&format!("  note: {note}")),
            _ => {}
        }
    }
}

/// The identity of this machine, which its firmware must tell.
fn identity(id: Option<SystemId>) -> Result<SystemId, Error> {
    id.ok_or_else(|| {
        let text = "the firmware does not tell this machine's UUID: it is too old";
        Error::Failed(Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, "read-firmware", text))
    })
}
