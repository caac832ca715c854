//! `amt enroll`: on the machine itself, tell the setup server who it is, and wait until it is provisioned.

mod name;
mod progress;

use super::local::access_to;
use super::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use amt::System;
use amt::local::LocalAccess;
use amt_core::{ErrorCode, Failure};
use amt_fleet::intake::client::{Client, ClientState, Ended, Enrolment, Pin, ServerUrl, Trust, agent_facts};
use amt_fleet::intake::wire::{AgentFacts, Stage, Status, Token};
use progress::Progress;
use std::path::PathBuf;
use std::time::Duration;

/// Largest file of root certificates.
const MAX_CA_FILE: usize = 4 * 1024 * 1024;

/// Enrol this machine at a setup server's intake and wait until it is provisioned
///
/// Run on the machine itself, as root or administrator: reads UUID, model, serial number and network addresses from SMBIOS and the system, and from
/// the AMT firmware, where it can be asked, UUID, version, control mode and addresses; sends them with an enrolment token, and shows each stage as it comes: reported, heard (the firmware said hello), parked (the administrator has to decide),
/// working, verified. The exit status is 0 when the machine is verified, 1 when the server refuses, provisioning failed or the time is over.
///
/// The machine makes itself a key, which is kept in a file for root alone; run again, it is the same client and needs no token any more. If
/// the server is away, it is tried again until the time is over. It may be ended at any moment and run again.
///
/// The server must be believed: by the system's root certificates, by --ca, or by --pin with the SHA-256 that `amt serve` prints. From
/// a live stick or WinPE give --live, and --ask for the machine's name; docs/enroll.md has both recipes.
#[derive(clap::Args)]
pub(crate) struct Enroll {
    /// Address of the intake, for example https://intake.example.com:9972
    #[arg(long, value_name = "URL")]
    server: String,

    /// File with the enrolment token, as `amt fleet token new` prints it (- is standard input); otherwise $AMT_ENROLL_TOKEN. Needed only
    /// the first time
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// What the machine is to be called: a host name, or a full name such as pc1.example.com
    #[arg(long, conflicts_with = "ask")]
    name: Option<String>,

    /// Ask for the name on the console
    #[arg(long)]
    ask: bool,

    /// Trust servers whose certificate these roots signed, and no others: PEM
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,

    /// Trust the server whose certificate has this SHA-256, whatever its name, issuer and dates
    #[arg(long, value_name = "SHA256")]
    pin: Option<String>,

    /// This system was started from a stick, the network or WinPE: its own names mean nothing, and the key is kept in memory only
    #[arg(long)]
    live: bool,

    /// Where to keep the key: a file, or a folder with a file for each machine; with --live too
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// End as soon as the server has taken the report
    #[arg(long)]
    no_wait: bool,

    /// How long to wait and to try, for example 90s, 30m, 8h
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    timeout: humantime::Duration,

    /// Device of the management engine interface, instead of the system's own
    #[arg(long, value_name = "PATH")]
    mei: Option<PathBuf>,

    /// Read the machine from a Linux file tree other than /
    #[arg(long, value_name = "FOLDER", hide = true)]
    system_root: Option<PathBuf>,
}

/// The token, where no file is given.
const TOKEN_VARIABLE: &str = "AMT_ENROLL_TOKEN";

impl Enroll {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let url: ServerUrl = self.server.parse().map_err(Error::Usage)?;
        if self.ask && out.is_json() {
            return Err(Error::usage(
                "--ask needs somebody to talk to, --json says that there is nobody",
                "give --name",
            ));
        }
        if self.ask && self.token_file.as_deref().is_some_and(|file| file == std::path::Path::new("-")) {
            return Err(Error::usage(
                "standard input cannot be both the token and the answer",
                "give the token in a file",
            ));
        }
        let trust = self.trust()?;
        let token = self.token()?;
        let mut system = match &self.system_root {
            Some(root) => System::read_under(root)?,
            None => System::read()?,
        };
        system.is_live |= self.live;
        let mut progress = Progress::new(out);
        if let Some(access) = self.firmware()
            && let Err(failure) = block_on(async { Ok(system.ask_firmware(&access?).await?) })
        {
            progress.no_firmware(failure.failure())?;
        }
        progress.system(&system)?;
        let facts = self.facts(&system, &mut progress)?;
        let state = self.open_state(&system)?;
        let client = Client::new(url, &trust)?;
        let mut enrolment = Enrolment::new(client, state, system.id, facts).timeout(self.timeout.into());
        if let Some(token) = token {
            enrolment = enrolment.token(token);
        }
        if self.no_wait {
            enrolment = enrolment.no_wait();
        }
        // What cannot be written is found out at the end; the machine is more important than its audience.
        let ended = block_on(async { Ok(enrolment.run(|step| progress.step(step)).await?) });
        progress.end()?;
        conclude(ended?, self.timeout.into(), &mut progress)
    }

    /// The way to the firmware; none from a recording of another machine.
    fn firmware(&self) -> Option<Result<LocalAccess, Failure>> {
        (self.mei.is_some() || self.system_root.is_none()).then(|| access_to(self.mei.as_deref(), None))
    }

    fn trust(&self) -> Result<Trust, Error> {
        match (&self.ca, &self.pin) {
            (Some(file), _) => {
                let roots = Trust::roots(&input::read(file, MAX_CA_FILE)?);
                Ok(roots.map_err(|mut failure| {
                    failure.message = format!("{}: {}", file.display(), failure.message);
                    failure
                })?)
            }
            (None, Some(pin)) => Ok(Trust::pin(pin.parse::<Pin>().map_err(Error::Usage)?)),
            (None, None) => Ok(Trust::system()),
        }
    }

    /// None is right where the machine is enrolled already; what is there must be one.
    fn token(&self) -> Result<Option<Token>, Error> {
        let given =
            self.token_file.is_some() || std::env::var_os(TOKEN_VARIABLE).is_some_and(|value| !value.is_empty());
        if !given {
            return Ok(None);
        }
        let text = input::password(self.token_file.as_ref(), TOKEN_VARIABLE)?;
        let token = Token::parse(text.expose());
        Ok(Some(token.map_err(|mut failure| {
            if let Some(file) = &self.token_file {
                failure.message = format!("{}: {}", file.display(), failure.message);
            }
            failure
                .hint("have the administrator make a token with `amt fleet token new`, and put its text into the file")
        })?))
    }

    fn facts(&self, system: &System, progress: &mut Progress<'_>) -> Result<AgentFacts, Error> {
        if self.ask {
            return name::ask(progress.out(), |name| agent_facts(system, Some(name)));
        }
        agent_facts(system, self.name.as_deref()).map_err(Error::Usage)
    }

    fn open_state(&self, system: &System) -> Result<ClientState, Failure> {
        match &self.state {
            Some(path) => ClientState::open(path, system.id),
            None if self.live => ClientState::in_memory(system.id),
            None => ClientState::open(&ClientState::default_folder(), system.id),
        }
    }
}

/// The last word: what came of it as a verdict, or as a failure with the next step.
fn conclude(ended: Ended, waited: Duration, progress: &mut Progress<'_>) -> Result<Verdict, Error> {
    let failed = |message: String| Failure::new(ErrorCode::ENROLMENT, "enroll", message);
    let waited = humantime::format_duration(waited);
    let failure = match ended {
        Ended::Verified(status) => {
            progress.ended(&status)?;
            return Ok(Verdict::Done);
        }
        Ended::Reported(status) => {
            progress.ended(&status)?;
            return Ok(Verdict::Done);
        }
        Ended::Failed(status) => {
            progress.ended(&status)?;
            with_hint(failed(format!("the machine was not provisioned: {}", status.message)), &status)
        }
        Ended::TimedOut { away: Some(mut away), .. } => {
            away.message = format!("the server was away when the time was over ({waited}): {}", away.message);
            away
        }
        Ended::TimedOut { status: Some(status), .. } => {
            progress.ended(&status)?;
            let text = format!("after {waited} the machine is {}: {}", status.stage, status.message);
            let failure = with_hint(failed(text), &status);
            match status.stage {
                // The server's own hint says how to release it.
                Stage::Parked => failure,
                Stage::Reported => failure.hint(NO_HELLO),
                _ => failure,
            }
        }
        _ => failed(format!("no answer within {waited}")).hint("give it more time with --timeout"),
    };
    Err(failure.into())
}

const NO_HELLO: &str = "the firmware has not said hello: check that AMT is enabled in the BIOS, that the cable is in the on-board port, and that \
                        provisionserver.<DNS suffix> is the setup server (`amt doctor` there checks it); then run this again";

fn with_hint(failure: Failure, status: &Status) -> Failure {
    if status.hint.is_empty() { failure } else { failure.hint(status.hint.clone()) }
}
