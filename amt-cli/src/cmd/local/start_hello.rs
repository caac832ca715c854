//! `amt start-hello`: have the firmware of this machine call a setup server.

use super::Reach;
use crate::cmd::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use amt::local::{start_hello, stop_hello};
use amt_provision::local::Start;
use amt_provision::local::start::HelloMode;
use serde_json::json;
use std::path::PathBuf;

/// Have this machine say hello, so that a setup server provisions it: after its factory window has closed
///
/// Everything that would let the machine wait in vain is looked at first, and told: AMT switched off, set up already, remote
/// configuration switched off, no cable, no root hash, no DNS suffix. The hello goes to the server that the setup menu names, else to
/// `ProvisionServer` in the network's domain, and is repeated for about six hours.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  amt start-hello
  amt start-hello --otp-file otp.txt --suffix example.com --wait 30m
  amt start-hello --stop")]
pub(crate) struct StartHello {
    /// File with a one-time password, up to 32 characters, that the setup server must know of this machine (its profile's otp)
    #[arg(long, value_name = "FILE")]
    otp_file: Option<PathBuf>,

    /// DNS suffix that the server's certificate must be for; otherwise the firmware's own, or DHCP's
    #[arg(long, value_name = "SUFFIX")]
    suffix: Option<String>,

    /// Over IPv6 too (AMT 6 and later)
    #[arg(long)]
    ipv6: bool,

    /// Wait until the machine is set up, at most this long, for example 30m; exit status 1 if it is not by then
    #[arg(long, value_name = "DURATION")]
    wait: Option<humantime::Duration>,

    /// Say no more hellos: end a setup that has begun and not ended
    #[arg(long, conflicts_with_all = ["otp_file", "suffix", "ipv6", "wait"])]
    stop: bool,

    #[command(flatten)]
    reach: Reach,
}

impl StartHello {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let otp = self.otp_file.as_ref().map(|file| input::password(Some(file), "")).transpose()?;
        block_on(async {
            let access = self.reach.access()?;
            if self.stop {
                let standing = stop_hello(&access).await?;
                out.show(&json!({ "standing": standing.as_str() }), |w| {
                    writeln!(w, "the machine says no more hellos; it is {}", standing.as_str())
                })?;
                return Ok(Verdict::Done);
            }
            let mut job = Start::default();
            job.otp = otp;
            job.suffix = self.suffix;
            job.ipv6 = self.ipv6;
            job.wait = self.wait.map(Into::into);
            let started = start_hello(&access, job).await?;
            let proof = if started.mode == HelloMode::Psk { "psk" } else { "pki" };
            let waited = self.wait.is_some();
            let document = json!({
                "uuid": started.id.map(|id| id.to_string()),
                "version": started.version.to_string(),
                "hello_proof": proof,
                "standing": started.standing.as_str(),
            });
            out.show(&document, |w| {
                writeln!(w, "the machine says hello now; a setup server has about six hours")?;
                if waited { writeln!(w, "it is {} now", started.standing.as_str()) } else { Ok(()) }
            })?;
            Ok(if waited && !started.standing.is_set_up() { Verdict::Failed } else { Verdict::Done })
        })
    }
}
