//! `amt serve`: the setup server.

use super::intake;
use super::observe::Looking;
use super::{Error, Verdict};
use crate::output::{Output, failure_json, finding_json};
use crate::stop::StopSignal;
use crate::time::rfc3339;
use amt_core::hello::HelloKind;
use amt_core::{ErrorCode, Failure, Severity};
use amt_fleet::config::Config;
use amt_fleet::{Fleet, FleetEvent, Observation, Server, Verdict as Chances};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Wait for hellos and provision the machines that say them
///
/// Each machine's way from hello to proof is told line by line; with --json, one event a line. Ended by Ctrl-C or SIGTERM; what is unfinished
/// then, or after a crash, is taken up at the next start.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only look: say of every hello what the certificates at hand would do, and change nothing
    #[arg(long)]
    observe: bool,
    #[command(flatten)]
    looking: Looking,
}

impl Serve {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let config = Config::load(&self.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(ErrorCode::IO, "start", format!("no asynchronous runtime: {error}")))?;
        for warning in &config.warnings {
            out.line(&format!("warning: {}: {}; {}", warning.field, warning.message, warning.hint))?;
        }
        runtime.block_on(async {
            if self.observe { self.looking.run(&config, out).await } else { serve(&config, out).await }
        })
    }
}

async fn serve(config: &Config, out: &mut Output) -> Result<Verdict, Error> {
    let mut stop = StopSignal::new()?;
    let fleet = Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await?;
    let server = Server::builder(fleet.clone()).config(config).await?.bind().await?;
    listening(out, &server.addresses(), "provisioning")?;
    let intake = intake::bind(config, &fleet, out).await?;
    let mut events = server.subscribe();
    let (shut_down, wait) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run_with(intake, async move {
        // Whoever held the other end is gone: stop as well.
        let _ = wait.await;
    }));
    let mut shut_down = Some(shut_down);
    // The events end when the server has: nothing that it said is lost.
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => tell(out, &event)?,
                None => break,
            },
            () = stop.wait(), if shut_down.is_some() => {
                out.line("stopping")?;
                if let Some(shut_down) = shut_down.take() {
                    let _ = shut_down.send(());
                }
            }
        }
    }
    let ended = server.await;
    fleet.close().await;
    ended.map_err(|e| Failure::new(ErrorCode::PANIC, "serve", format!("the server broke down: {e}")))??;
    Ok(Verdict::Done)
}

pub(super) fn listening(out: &mut Output, addresses: &[SocketAddr], what: &str) -> Result<(), Failure> {
    out.json_line(&json!({ "event": "listening", "addresses": addresses }))?;
    for address in addresses {
        out.line(&format!("listening on {address}, {what}"))?;
    }
    Ok(())
}

fn tell(out: &mut Output, event: &FleetEvent) -> Result<(), Failure> {
    out.json_line(&event.to_json())?;
    out.line(&format!("{} {event}", rfc3339(event.at)))
}

pub(super) fn observation_json(seen: &Observation) -> Value {
    let hello = seen.hello.as_ref().ok();
    json!({
        "at": rfc3339(seen.at),
        "event": "observed",
        "uuid": seen.id().map(|id| id.to_string()),
        "address": seen.source.ip().to_canonical(),
        "type": hello.map(|h| if matches!(h.kind, HelloKind::Psk { .. }) { "psk" } else { "pki" }),
        "retry": hello.map(|h| h.retry),
        "admin_credentials_set": hello.map(|h| h.admin_credentials_set),
        "error": seen.hello.as_ref().err().map(failure_json),
        "ready": seen.ready,
        "certificates": seen.verdicts.iter().map(|v| json!({
            "sha256": v.certificate,
            "suffix": v.suffix,
            "fits": v.fits(),
            "findings": v.findings.iter().map(finding_json).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

pub(super) fn observation_lines(seen: &Observation) -> Vec<String> {
    let head = format!("{} {}", rfc3339(seen.at), seen.source.ip().to_canonical());
    let hello = match &seen.hello {
        Ok(hello) => hello,
        Err(failure) => return vec![format!("{head} no hello: {failure}")],
    };
    let verdict = match (&hello.kind, seen.ready) {
        (HelloKind::Psk { pid }, true) => {
            format!("ready: it waits for a pre-shared key that the database has (PID {pid})")
        }
        (HelloKind::Psk { pid }, false) => format!("not ready: it waits for a pre-shared key (PID {pid})"),
        _ if !hello.id.is_usable_as_key() => "not ready: many machines share this UUID".to_owned(),
        (_, true) => "ready".to_owned(),
        (_, false) => "not ready: no provisioning certificate fits".to_owned(),
    };
    let owned = if hello.admin_credentials_set { "; it says its credentials are already set" } else { "" };
    let mut lines = vec![format!("{head} {} {verdict}{owned}", hello.id)];
    for chances in &seen.verdicts {
        lines.extend(chances_lines(chances));
    }
    lines
}

fn chances_lines(chances: &Chances) -> Vec<String> {
    let short = chances.certificate.get(..16).unwrap_or(&chances.certificate);
    let suffix = chances.suffix.as_ref().map(|s| format!(" with suffix {s}")).unwrap_or_default();
    let fits = if chances.fits() { "fits" } else { "does not fit" };
    let mut lines = vec![format!("    certificate {short}…{suffix}: {fits}")];
    for finding in chances.findings.iter().filter(|f| f.severity != Severity::Info) {
        lines.push(format!("      {} {}: {}", finding.severity, finding.code, finding.message));
        lines.push(format!("        next: {}", finding.hint));
    }
    lines
}
