//! `amt hello send`: say hello in the firmware's place.

use crate::cmd::local::Reach;
use crate::cmd::{Error, Verdict, block_on};
use crate::output::{Output, finding_json, write_findings};
use amt::local::{SentHello, send_hello};
use amt_core::hello::DEFAULT_PORT;
use amt_core::{Finding, Severity};
use amt_provision::local::Standing;
use serde_json::json;
use std::net::IpAddr;

/// Say hello to a setup server in this machine's firmware's place, with what the firmware tells of itself
///
/// For machines that say no hello themselves: their window has closed, or they do not find the server by its name. UUID, root hashes or
/// PID are read over the management engine interface; the hello goes out from this system's own address, and the server calls the
/// firmware back there.
///
/// Whether the firmware takes that call is its own affair: while its window is open it does, and `amt start-hello` opens it; of what
/// firmware does outside its window nothing certain is known. The exit status is 0 if the server took the hello, whatever came of it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  amt hello send --server setup.example.com
  amt start-hello && amt hello send --server setup.example.com      where no DNS name leads to the server
  amt hello send --server 192.0.2.7 --port 9971 --from 192.0.2.101")]
pub(super) struct Send {
    /// Name or address of the setup server
    #[arg(long, value_name = "HOST")]
    server: String,

    /// Its port for hellos
    #[arg(long, default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Address of this machine to send from, which is where the server calls; otherwise the one that leads to the server
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,

    #[command(flatten)]
    reach: Reach,
}

impl Send {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let sent = block_on(async {
            let access = self.reach.access()?;
            Ok(send_hello(&access, &self.server, self.port, self.from).await?)
        })?;
        let findings = findings(&sent);
        let document = json!({
            "server": sent.server.to_string(),
            "from": sent.from.to_string(),
            "firmware_address": sent.firmware.map(|address| address.to_string()),
            "standing": sent.standing.as_str(),
            "hello": super::document(&sent.hello),
            "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        });
        out.show(&document, |w| {
            writeln!(w, "the setup server at {} took the hello of {}", sent.server, sent.hello.id)?;
            writeln!(w, "it calls the firmware at {}; whether the firmware takes the call shows there", sent.from)?;
            write_findings(w, &findings)
        })?;
        Ok(Verdict::Done)
    }
}

/// What may keep the server's call from being taken.
fn findings(sent: &SentHello) -> Vec<Finding> {
    let mut findings = Vec::new();
    if sent.is_from_firmware_address() == Some(false) {
        let text = format!("the hello came from {}, and the firmware does not listen there", sent.from);
        let hint = "send it --from the address of the wired network, by which the firmware is reached";
        findings.push(Finding::new("OTHER-ADDRESS", Severity::Warning, "from", text, hint));
    }
    if sent.standing == Standing::Unprovisioned {
        let text = "the firmware does not say whether its window is open: outside it, it may refuse the server's call";
        let hint = "if the server cannot connect, run `amt start-hello` here and send the hello again";
        findings.push(Finding::new("WINDOW-UNKNOWN", Severity::Info, "standing", text, hint));
    }
    findings
}
