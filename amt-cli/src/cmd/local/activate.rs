//! `amt activate` and `amt upgrade`: set up from the machine's own system.

use super::{Here, Keeper, identity};
use crate::cmd::{Error, Verdict, block_on, lock};
use crate::input;
use crate::output::Output;
use amt::ProvisioningCertificate;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt::local::{ActivateJob, RemoteChains, activate, status};
use amt_core::Secret;
use amt_fleet::SignProgram;
use amt_provision::local::{Activated, Standing};
use amt_provision::plan::PasswordPolicy;
use amt_provision::remote::ControlMode;
use amt_provision::{Plan, Record};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Password of the PFX or key, where no file is given.
const CERTIFICATE_PASSWORD: &str = "AMT_CERTIFICATE_PASSWORD";

/// Set this machine up from its own system, without any server
///
/// Client control mode (--ccm) needs nothing but root: remote control asks the user for consent then. Admin control mode (--acm) needs a
/// provisioning certificate whose root the firmware trusts and whose name fits the DNS suffix of the network. The password is made
/// (or taken from --password-file) and written into the journal before it is given to the firmware: after a crash, run the same
/// again. A machine that is in this mode already is left as it is.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("mode").required(true)))]
#[command(after_help = "\
Examples:
  amt activate --ccm
  amt activate --acm --pfx provisioning.pfx --certificate-password-file p.txt
  amt activate --acm --pem provisioning.pem --host-name pc1 --domain example.com
  amt activate --acm --chain chain.pem --sign-program ssh --sign-argument signer@ca.example.com      the key stays there
  amt fleet export-credentials --database /var/lib/amt/journal.db -o -

With --at-boot nothing is printed and nothing is done where the machine is in the mode already: for a unit of systemd or a scheduled
task, see examples/local. Exit status: 0 it is in this mode now, 1 it could not be brought there, 2 the arguments are wrong.")]
pub(crate) struct Activate {
    /// Client control mode
    #[arg(long, group = "mode")]
    ccm: bool,

    /// Admin control mode
    #[arg(long, group = "mode")]
    acm: bool,

    /// Be silent, and do nothing where there is nothing to do
    #[arg(long)]
    at_boot: bool,

    #[command(flatten)]
    how: Box<How>,
}

/// Take this machine from client to admin control mode
///
/// Needs the password of its administrator, from the journal or --known-password-file, and a provisioning certificate as for `amt
/// activate --acm`.
#[derive(clap::Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    how: Box<How>,
}

/// What both need.
#[derive(clap::Args)]
struct How {
    /// Provisioning certificate with chain and key, as PFX (PKCS#12)
    #[arg(long, value_name = "FILE", conflicts_with = "pem")]
    pfx: Option<PathBuf>,

    /// Provisioning certificate with chain and key, as PEM
    #[arg(long, value_name = "FILE")]
    pem: Option<PathBuf>,

    /// Provisioning certificate with chain and without key, as PEM: --sign-program signs for it, and no key comes to this machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pem", "pfx"], requires = "sign_program")]
    chain: Option<PathBuf>,

    /// Program that signs for --chain: it gets what is to be signed on standard input, and answers with the bytes of an RSA signature (PKCS#1
    /// v1.5, SHA-256), as `openssl dgst -sha256 -sign KEY` does; it may ask a server or a module
    #[arg(long, value_name = "PROGRAM", requires = "chain")]
    sign_program: Option<PathBuf>,

    /// Argument of that program; may be given several times. No secrets here: other users see them
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true, requires = "sign_program")]
    sign_argument: Vec<String>,

    /// The private key, if it is in a file of its own
    #[arg(long, value_name = "FILE", requires = "pem")]
    key: Option<PathBuf>,

    /// File whose first line is the password of the PFX or key; otherwise $AMT_CERTIFICATE_PASSWORD, or none
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,

    /// File whose first line is to be the administrator's password; otherwise one is made
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// File whose first line is to be the password of the setup menu (MEBx); otherwise one is made. Admin control mode only
    #[arg(long, value_name = "FILE")]
    mebx_password_file: Option<PathBuf>,

    /// File whose first line is a password that the machine may have; may be given several times
    #[arg(long, value_name = "FILE")]
    known_password_file: Vec<PathBuf>,

    /// Host name to set where setup over TLS needs one (AMT 19 and later); otherwise the system's own
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,

    /// Domain to set
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,

    /// Switch AMT on where it is off
    #[arg(long)]
    enable: bool,

    /// Set up over TLS also where the firmware does not demand it (AMT 14 and later)
    #[arg(long)]
    secure: bool,

    #[command(flatten)]
    here: Here,
}

impl Activate {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let mode = if self.acm { ControlMode::Admin } else { ControlMode::Client };
        self.how.run("activate", mode, self.at_boot, out)
    }
}

impl Upgrade {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        self.how.run("upgrade", ControlMode::Admin, false, out)
    }
}

impl How {
    fn run(self, command: &str, mode: ControlMode, silent: bool, out: &mut Output) -> Result<Verdict, Error> {
        let remote = self.remote(mode)?;
        let certificates = if remote.is_some() { Arc::new([]) } else { self.certificates(mode)? };
        let plan = self.plan()?;
        block_on(async {
            let peer = self.here.local.identity()?;
            let access = self.here.reach.access()?;
            let told = status(&access).await?;
            let id = identity(told.facts.id)?;
            let _taken = lock::take(id, command)?;
            let fleet = self.here.journal.open().await?;
            let record = fleet.record(id).await?;
            let wanted = if mode == ControlMode::Admin { Standing::Admin } else { Standing::Client };
            let known = record.as_ref().is_some_and(|record| record.verified);
            if silent && known && told.facts.standing == wanted {
                fleet.close().await;
                return Ok(Verdict::Done);
            }
            let mut job = ActivateJob::new(record.unwrap_or_else(|| Record::new(id)), plan, mode);
            job.certificates = certificates;
            job.remote = remote;
            job.identity = peer;
            (job.enable, job.secure) = (self.enable, self.secure);
            if !silent {
                out.line(&format!("AMT {}, {id}: {}", told.facts.version, told.facts.standing.as_str()))?;
            }
            let keeper = Keeper::new(fleet, (!silent).then_some(&mut *out));
            let done = activate(&access, job, &keeper).await;
            let Keeper { fleet, .. } = keeper;
            fleet.close().await;
            let done = done?;
            if !silent {
                self.report(&done, out)?;
            }
            Ok(Verdict::Done)
        })
    }

    fn report(&self, done: &Activated, out: &mut Output) -> Result<(), Error> {
        let document = json!({
            "uuid": done.id.to_string(),
            "version": done.version.to_string(),
            "control_mode": done.control_mode.as_str(),
            "changed": done.changed,
            "tls": done.tls.as_ref().map(|tls| tls.version.to_string()),
            "journal": self.here.journal.journal,
        });
        out.show(&document, |w| {
            let mode = done.control_mode.as_str();
            if done.changed {
                writeln!(w, "the machine is in {mode} control mode, and took its new password")?;
                writeln!(w, "its password is in {}", self.here.journal.journal.display())
            } else {
                writeln!(
                    w,
                    "the machine was in {mode} control mode already, and took its password: nothing was changed"
                )
            }
        })?;
        Ok(())
    }

    fn plan(&self) -> Result<Plan, Error> {
        let mut plan = Plan::new();
        if self.password_file.is_some() {
            plan.admin_password = PasswordPolicy::Fixed(input::password(self.password_file.as_ref(), "")?);
        }
        if self.mebx_password_file.is_some() {
            plan.mebx_password = PasswordPolicy::Fixed(input::password(self.mebx_password_file.as_ref(), "")?);
        }
        for file in &self.known_password_file {
            plan.known_admin_passwords.push(input::password(Some(file), "")?);
        }
        plan.host_name = self.host_name.clone().or_else(amt::system::host_name);
        plan.domain_name.clone_from(&self.domain);
        Ok(plan)
    }

    /// The chain whose key is elsewhere.
    fn remote(&self, mode: ControlMode) -> Result<Option<RemoteChains>, Error> {
        let (Some(chain), Some(program)) = (&self.chain, &self.sign_program) else { return Ok(None) };
        if mode == ControlMode::Client {
            return Ok(None);
        }
        let bundle = Bundle::from_pem(&input::read(chain, MAX_BUNDLE)?, None, None)?;
        let signer = SignProgram::new(program).arguments(self.sign_argument.clone());
        Ok(Some(RemoteChains::new(&[bundle], Arc::new(signer))?))
    }

    fn certificates(&self, mode: ControlMode) -> Result<Arc<[ProvisioningCertificate]>, Error> {
        if mode == ControlMode::Client {
            return Ok(Arc::new([]));
        }
        let given = self.certificate_password_file.is_some()
            || std::env::var_os(CERTIFICATE_PASSWORD).is_some_and(|v| !v.is_empty());
        let password: Option<Secret<String>> = given
            .then(|| input::passphrase(self.certificate_password_file.as_ref(), CERTIFICATE_PASSWORD))
            .transpose()?;
        let read = |file: &PathBuf| input::read(file, MAX_BUNDLE);
        let certificate = match (&self.pfx, &self.pem) {
            (Some(pfx), _) => ProvisioningCertificate::from_pfx(&read(pfx)?, &password.unwrap_or_else(|| "".into()))?,
            (None, Some(pem)) => {
                let key = self.key.as_ref().map(read).transpose()?;
                ProvisioningCertificate::from_pem(&read(pem)?, key.as_deref(), password.as_ref())?
            }
            (None, None) => {
                let hint = "give --pfx FILE, --pem FILE, or --chain FILE and --sign-program PROGRAM; `amt preflight` tells whether it will do";
                return Err(Error::usage("admin control mode needs a provisioning certificate", hint));
            }
        };
        Ok(Arc::new([certificate]))
    }
}
