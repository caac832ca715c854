//! `amt discover`: what is at an address, a network or a range.

use super::{Error, Verdict, block_on};
use crate::output::{Output, failure_json};
use amt::discover::{DiscoverConfig, Discovered, PortState, Targets, scan};
use amt::place::interface;
use amt_core::{ErrorCode, Failure};
use amt_fleet::json::operate as documents;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// What is at an address, seen from outside: AMT's ports, firmware version, TLS, whether it is set up
///
/// No password is used and nothing is changed: the version is in what firmware says when it refuses to answer without a login.
/// Each port has a time limit, so that the command always ends. An address given alone is always listed, those of a network or a
/// range only if a port of AMT's is open (16992, 16993, 16994, 16995, 623, 664, 5900). A name of which there is no address is listed
/// as that, the rest is looked at all the same, and the exit status is 1. Look at your own network only.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    amt discover 10.0.0.5
    amt discover pc1.example.com 10.0.1.0/24 10.0.2.10-10.0.2.40
    amt discover fe80::1%eth0
    amt discover 10.0.0.0/16 --rate 100 --json | jq '.machines[] | select(.standing == \"set-up\") | .address'

standing: set-up (asks for a login), wants-certificate (in setup mode, or set up with mutual TLS), open (asks for no login),
unclear, not-amt, silent (no web server of AMT answers: not AMT, off, or not set up and its setup window closed).
likely, with wants-certificate: setup-mode or mutual-tls, as far as what is seen speaks for one of them (signs); null otherwise.")]
pub(crate) struct Discover {
    /// Address (fe80::1%eth0 with its interface), name, network (10.0.0.0/24) or range (10.0.0.10-10.0.0.20)
    #[arg(value_name = "ADDRESS|CIDR|RANGE", required = true)]
    targets: Vec<String>,
    /// Addresses that are begun in a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Most seconds that a port may take to accept a connection
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// List every address
    #[arg(long)]
    all: bool,
}

impl Discover {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let mut config = DiscoverConfig::default();
        config.rate = self.rate;
        config.connect_timeout = Duration::from_secs(self.timeout);
        let (mut machines, mut scanned, mut unresolved) = (Vec::new(), 0, Vec::new());
        block_on(async {
            let (targets, alone);
            (targets, alone, unresolved) = self.targets().await?;
            for (name, failure) in &unresolved {
                let next = &failure.hint;
                out.line(&format!("{name:<15}  not looked at: {failure}\n                 next: {next}"))?;
            }
            let bar = bar(out, targets.len());
            let mut written = Ok(());
            scan(targets, &config, |found| {
                scanned += 1;
                if let Some(bar) = &bar {
                    bar.inc(1);
                }
                if self.all || found.is_anything_open() || alone.contains(&(found.address, found.interface)) {
                    let mut show = || written = written.clone().and_then(|()| out.line(&text(&found)));
                    match &bar {
                        Some(bar) => bar.suspend(show),
                        None => show(),
                    }
                    machines.push(found);
                }
            })
            .await;
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
            Ok(written?)
        })?;
        machines.sort_by_key(|found| (found.address, found.interface));
        let not_found = |(name, failure): &(String, Failure)| json!({ "target": name, "error": failure_json(failure) });
        let document = json!({
            "scanned": scanned,
            "machines": machines.iter().map(documents::discovered).collect::<Vec<_>>(),
            "unresolved": unresolved.iter().map(not_found).collect::<Vec<_>>(),
        });
        out.show(&document, |w| {
            write!(w, "{scanned} looked at, {} listed", machines.len())?;
            match unresolved.len() {
                0 => writeln!(w),
                count => writeln!(w, ", {count} not resolved"),
            }
        })?;
        Ok(if unresolved.is_empty() { Verdict::Done } else { Verdict::Failed })
    }

    /// What is to be looked at.
    async fn targets(&self) -> Result<Named, Error> {
        let (mut targets, mut alone, mut unresolved) = (Targets::new(), HashSet::new(), Vec::new());
        for text in &self.targets {
            match targets.look_up(text).await {
                Ok(place) => alone.extend(place.map(|place| (place.ip(), interface(place)))),
                // One name of many may be mistyped or gone: the others are looked at all the same.
                Err(failure) if failure.code == ErrorCode::DNS => unresolved.push((text.clone(), failure)),
                Err(failure) => {
                    let failure = failure.into_details();
                    return Err(Error::usage(failure.message, failure.hint.into_owned()));
                }
            }
        }
        Ok((targets, alone, unresolved))
    }
}

/// The addresses; those that were given alone, with the number of their interface; names of which there is no address, and why.
type Named = (Targets, HashSet<(IpAddr, u32)>, Vec<(String, Failure)>);

/// Progress on stderr, where somebody looks and it takes a while.
fn bar(out: &Output, addresses: usize) -> Option<ProgressBar> {
    if !out.is_live() || addresses < 2 {
        return None;
    }
    let bar = ProgressBar::with_draw_target(u64::try_from(addresses).ok(), ProgressDrawTarget::stderr());
    let style = "{spinner} [{bar:40}] {pos}/{len} looked at  {elapsed}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

fn text(found: &Discovered) -> String {
    let version = found.version.map(|version| version.to_string()).unwrap_or_else(|| "-".to_owned());
    let named = |wanted: PortState| {
        let ports: Vec<String> =
            found.ports.iter().filter(|(_, state)| **state == wanted).map(|(port, _)| port.to_string()).collect();
        (!ports.is_empty()).then(|| format!("{} {}", wanted.name(), ports.join(" ")))
    };
    let ports = [named(PortState::Open), named(PortState::Filtered)].into_iter().flatten();
    let mut text = format!("{:<15}  {version:<16}  {}", found.place(), found.standing.text());
    for part in ports {
        text += &format!("; {part}");
    }
    if let Some(likely) = found.likely {
        text += &format!("\n                 {}: {}", likely.text(), found.signs.join("; "));
    }
    let Some(tls) = &found.tls else { return text };
    match (tls.version, &tls.suite, &tls.failure) {
        (Some(version), Some(suite), _) => text += &format!("\n                 {version} {suite}"),
        (.., Some(failure)) => text += &format!("\n                 TLS: {failure}"),
        _ => {}
    }
    if let Some(certificate) = &tls.certificate {
        let issuer = if certificate.self_signed { "itself" } else { &certificate.issuer };
        text += &format!("\n                 certificate of {}, from {issuer}", certificate.subject);
    }
    text
}
