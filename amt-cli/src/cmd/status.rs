//! `amt status --host …`: what one machine says of itself.

use super::connect::Connect;
use super::notes::Notes;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::read_facts;
use amt_fleet::json;
use amt_provision::MachineFacts;
use sha2::{Digest, Sha256};

/// Say how one machine stands: set up or not, by whom, names, firmware, certificate
///
/// Nothing is changed. Who does not know the password yet asks `amt discover ADDRESS`.
#[derive(clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    connect: Connect,
}

impl Status {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let facts = block_on(async {
            let target = self.connect.reader().await?;
            Ok(read_facts(target, &Notes::silent()).await?)
        })?;
        out.show(&json::facts(&facts), |w| {
            writeln!(w, "{}", facts.id)?;
            let version = facts.version.map(|version| format!("AMT {version}"));
            let name = match (&facts.host_name, &facts.domain_name) {
                (Some(host), Some(domain)) => Some(format!("{host}.{domain}")),
                (host, _) => host.clone(),
            };
            let lines = [
                ("state", Some(state(&facts))),
                ("firmware", version),
                ("name", name),
                ("system", facts.host_os_fqdn.clone()),
                ("wired", facts.wired_mac.clone()),
                ("wireless", facts.wireless_mac.clone()),
                ("realm", facts.realm.clone()),
                ("certificate", fingerprint(&facts)),
            ];
            for (label, text) in lines {
                if let Some(text) = text {
                    writeln!(w, "  {label:<12} {text}")?;
                }
            }
            facts.setups.iter().try_for_each(|setup| writeln!(w, "  {:<12} {setup}", "set up"))
        })?;
        Ok(Verdict::Done)
    }
}

fn state(facts: &MachineFacts) -> String {
    let state = match facts.provisioning_state {
        Some(0) => "not set up",
        Some(1) => "in setup",
        Some(2) => "set up",
        _ => "unknown",
    };
    match &facts.control_mode {
        Some(mode) => format!("{state}, {} control mode", mode.as_str()),
        None => state.to_owned(),
    }
}

fn fingerprint(facts: &MachineFacts) -> Option<String> {
    facts.certificate.as_ref().map(|der| hex::encode(Sha256::digest(der)))
}
