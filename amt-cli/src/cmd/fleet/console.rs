//! `amt fleet console`: the certificate that this console shows to machines with mutual TLS.

use super::text::{field, moment};
use super::{Database, Error, Place, Verdict};
use crate::output::{Output, failure_json};
use crate::time::rfc3339;
use amt_core::{ErrorCode, Failure};
use amt_fleet::config::Config;
use amt_fleet::console::{Console as Kept, ConsoleCertificate, ConsoleRequest};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The certificate that this console shows to machines with mutual TLS
///
/// Where a profile has mutual TLS, or the configuration a section [console], the running setup server keeps it by itself: makes the key, asks the
/// authority, renews it in time, and shows it to machines that ask. docs/authorities.md describes it.
#[derive(clap::Subcommand)]
pub(super) enum Console {
    /// What certificate there is, how long it is good, and what is asked of the authority
    ///
    /// Example: amt fleet console show --config amt.toml
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Have the authority issue it now, or ask about the request that waits there
    ///
    /// Example: amt fleet console request --config amt.toml
    ///
    /// For a database on which no server works; a running server does it by itself. A request that the authority has put off is asked about and
    /// never submitted twice: the exit status is 1 until it is decided.
    Request {
        /// Another one with a new key, although the present one is good; that stays until a machine has let the new one in
        #[arg(long)]
        new: bool,
        /// The setup server's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Certificate, issuers and key in one PEM file, for --client-certificate and for programs of your own: handle it with care
    ///
    /// Example: amt fleet console export -o console.pem --config amt.toml
    ///
    /// With --json the file has {"pem": "..."} in it.
    Export {
        /// Write to this file, readable by you alone, instead of standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

impl Console {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self {
            Self::Show { place } => {
                let fleet = place.open().await?;
                let kept = fleet.console().await?;
                fleet.close().await;
                show(out, &kept)
            }
            Self::Request { new, config } => {
                let settings = Config::load(&config)?;
                let fleet =
                    Database::open_with_key_file(&settings.files.database, &settings.files.seal_key_file).await?;
                let keeper = settings.console_keeper(fleet.clone())?.ok_or_else(|| {
                    let text = "the configuration wants no certificate for the console";
                    let hint = "add a section [console], or settings with tls.remote = \"mutual\" to a profile";
                    Failure::new(ErrorCode::CONFIG, "console", text).hint(hint)
                })?;
                let lock = keeper.alone()?;
                let kept = if new { keeper.renew().await } else { keeper.keep(true).await };
                // The database closes when nobody has it any more.
                drop((lock, keeper));
                fleet.close().await;
                show(out, &kept?)
            }
            Self::Export { output, place } => {
                let fleet = place.open().await?;
                let kept = fleet.console().await?;
                fleet.close().await;
                let certificate = kept.current.as_ref().ok_or_else(|| absent(&kept))?;
                let pem = certificate.pem();
                let content =
                    if out.is_json() { format!("{}\n", json!({ "pem": pem.expose() })) } else { pem.expose().clone() };
                out.file(&output, content.as_bytes(), true)?;
                Ok(Verdict::Done)
            }
        }
    }
}

fn absent(kept: &Kept) -> Failure {
    let failure = kept.request.as_ref().and_then(|request| request.failure.clone());
    failure.unwrap_or_else(|| {
        let text = "this console has no certificate yet";
        Failure::new(ErrorCode::CA_UNAVAILABLE, "console", text)
            .hint("`amt fleet console request --config FILE`, or start the setup server, which asks for it")
    })
}

fn show(out: &mut Output, kept: &Kept) -> Result<Verdict, Error> {
    let document = json!({
        "certificate": kept.current.as_ref().map(certificate_json),
        "older": kept.older.as_ref().map(certificate_json),
        "request": kept.request.as_ref().map(request_json),
    });
    out.show(&document, |w| {
        if kept.current.is_none() && kept.request.is_none() {
            writeln!(w, "this console has no certificate")?;
        }
        for (label, certificate) in [("certificate", &kept.current), ("older", &kept.older)] {
            let Some(certificate) = certificate else { continue };
            field(w, label, Some(certificate.sha256()))?;
            field(w, "name", Some(certificate.name.clone()))?;
            field(w, "good until", until(certificate).map(moment))?;
            let proven = certificate.proven_at.map(|at| format!("since {}", moment(at)));
            field(w, "let in", Some(proven.unwrap_or_else(|| "by no machine yet".to_owned())))?;
        }
        let Some(request) = &kept.request else { return Ok(()) };
        field(
            w,
            "request",
            Some(request.request.clone().unwrap_or_else(|| "not put off by the authority".to_owned())),
        )?;
        field(w, "key made", Some(moment(request.since)))?;
        field(w, "asked", request.asked_at.map(moment))?;
        field(w, "next try", request.retry_at.map(moment))?;
        field(w, "failure", request.failure.as_ref().map(ToString::to_string))?;
        field(w, "next step", request.failure.as_ref().map(|failure| failure.hint.to_string()))
    })?;
    Ok(Verdict::Done)
}

fn certificate_json(certificate: &ConsoleCertificate) -> Value {
    json!({
        "name": certificate.name,
        "sha256": certificate.sha256(),
        "issued_at": rfc3339(certificate.issued_at),
        "until": until(certificate).map(rfc3339),
        "proven_at": certificate.proven_at.map(rfc3339),
    })
}

fn request_json(request: &ConsoleRequest) -> Value {
    json!({
        "name": request.name,
        "request": request.request,
        "since": rfc3339(request.since),
        "asked_at": request.asked_at.map(rfc3339),
        "retry_at": request.retry_at.map(rfc3339),
        "failure": request.failure.as_ref().map(failure_json),
    })
}

fn until(certificate: &ConsoleCertificate) -> Option<SystemTime> {
    let seconds = u64::try_from(certificate.validity()?.not_after).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
