//! The commands, one file each.
//!
//! To add one: write `cmd/name.rs` with a `#[derive(clap::Args)] pub(crate) struct Name` (its doc comment is the help) and
//! `fn run(self, out: &mut Output) -> Result<Verdict, Error>`, then name it once under `mod` and once in `commands!`.

mod audit;
mod boot;
mod capabilities;
mod clock;
mod configure;
mod confirm;
mod connect;
mod demo;
mod directory;
mod discover;
mod doctor;
mod enroll;
mod events;
mod explain;
mod fleet;
mod hello;
mod intake;
mod inventory;
mod local;
mod lock;
mod log;
mod notes;
mod observe;
mod power;
mod preflight;
mod profile;
mod psk;
mod rotate;
mod serve;
mod sessions;
mod setupbin;
mod sim;
mod status;
mod token;
mod trust;
mod unprovision;
mod wsman;

use crate::output::Output;
use amt_core::{ErrorCode, Failure};
use local::activate as upgrade;
use local::{activate, info, start_hello};
use std::any::Any;

macro_rules! commands {
    ($($module:ident::$name:ident,)*) => {
        /// Every command of `amt`.
        #[derive(clap::Subcommand)]
        pub(crate) enum Command {
            $($name($module::$name),)*
        }

        impl Command {
            /// Does what the command is for.
            pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
                match self {
                    $(Self::$name(command) => command.run(out),)*
                }
            }
        }
    };
}

commands! {
    activate::Activate,
    audit::Audit,
    boot::Boot,
    capabilities::Capabilities,
    clock::Clock,
    configure::Configure,
    demo::Demo,
    directory::Directory,
    discover::Discover,
    doctor::Doctor,
    enroll::Enroll,
    explain::Explain,
    fleet::Fleet,
    serve::Serve,
    hello::Hello,
    info::Info,
    inventory::Inventory,
    events::Log,
    power::Power,
    preflight::Preflight,
    profile::Profile,
    psk::Psk,
    rotate::Rotate,
    sessions::Sessions,
    setupbin::Setupbin,
    sim::Sim,
    start_hello::StartHello,
    status::Status,
    trust::Trust,
    unprovision::Unprovision,
    upgrade::Upgrade,
    wsman::Wsman,
}

/// How a command that could be carried out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    /// The result is on stdout and is bad: a check with an error-severity finding, a run with failed machines.
    #[allow(dead_code, reason = "for the commands that check")]
    Failed,
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub(crate) enum Error {
    /// The arguments contradict each other or are not enough: exit status 2.
    Usage(Failure),
    /// The operation failed: exit status 1.
    Failed(Failure),
}

impl Error {
    /// Arguments that cannot be used: what is wrong with them, and what would be right.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(Failure::new(ErrorCode::INVALID_ARGUMENT, "usage", message).hint(hint.into()))
    }

    /// A bug in this program or a library, caught at the outermost level.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        Self::Failed(Failure::new(ErrorCode::PANIC, "run", text.unwrap_or("panicked")).hint("please report this bug"))
    }

    pub(crate) fn failure(&self) -> &Failure {
        match self {
            Self::Usage(failure) | Self::Failed(failure) => failure,
        }
    }

    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs an async command body to its end, on this thread.
#[allow(dead_code, reason = "for the commands that talk to machines")]
pub(crate) fn block_on<T>(body: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ErrorCode::IO, "start", format!("no asynchronous runtime: {error}")))?;
    runtime.block_on(body)
}
