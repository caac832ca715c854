//! `amt unprovision`: take the setup of a machine back, of this one or of one that is reached over the network.

use super::confirm::Question;
use super::connect::{Connect, consent};
use super::local::unprovision as local;
use super::notes::Notes;
use super::{Error, Verdict, block_on, lock};
use crate::output::Output;
use amt::discover::{DiscoverConfig, Standing, discover_place};
use amt::{Target, UnprovisionJob, unprovision};
use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, Failure};
use amt_provision::Record;
use amt_provision::unprovision::{Extent, Proof, Unprovisioned, consequences, remains};
use clap::ArgGroup;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Take the setup of a machine back: of this one from its own system, or with --host of one over the network
///
/// On this machine client control mode needs nothing but root; admin control mode needs the administrator's password, from the journal or
/// --password-file. Passwords, certificates, users and network settings of AMT are gone afterwards; the setup menu's password and
/// the maker's root hashes stay. Nobody reaches the machine through AMT until it is set up again. A machine that is not set up is left as it is.
///
/// With --host, say --full or --partial. What it means for that machine is said first, and asked about unless --yes is given; --dry-run
/// says it and changes nothing. The request is sent once. If the answer is lost, what the machine shows afterwards tells; run it again
/// then. Keep the password file until it is told that the setup is gone. Machines of a fleet's database are taken back with
/// `amt fleet run unprovision`, which keeps a running setup server from setting them up again.
#[derive(clap::Args)]
#[command(group = ArgGroup::new("peer").args(["ca", "pin", "insecure_any"]).multiple(false))]
#[command(group = ArgGroup::new("extent").args(["full", "partial"]).multiple(false))]
pub(crate) struct Unprovision {
    #[command(flatten)]
    here: local::Inside,

    #[command(flatten)]
    afar: Afar,
}

/// Another machine.
#[derive(clap::Args)]
#[command(next_help_heading = "Over the network")]
struct Afar {
    /// Name or address of another machine, whose setup is taken back over the network; with one of --ca, --pin and --insecure-any
    #[arg(
        long,
        requires_all = ["peer", "extent"],
        conflicts_with_all = ["mei", "mei_facts", "lms", "route", "ondie_root", "journal", "journal_key"]
    )]
    host: Option<String>,
    /// Erase all of its setup
    #[arg(long, requires = "host")]
    full: bool,
    /// Port [default: 16993]
    #[arg(long, requires = "host")]
    port: Option<u16>,
    /// Trust certificates from the authorities in this PEM file
    #[arg(long, value_name = "FILE", requires = "host")]
    ca: Option<PathBuf>,
    /// Accept any certificate: whoever is in between reads and changes everything
    #[arg(long, requires = "host")]
    insecure_any: bool,
    /// Name in the machine's certificate, if it is not the host
    #[arg(long, value_name = "NAME", requires = "ca")]
    name: Option<String>,
    /// Whether older TLS may be used where the machine speaks nothing else (AMT before 14): refuse, allow, allow-weak (RC4 and 3DES too)
    #[arg(long, value_name = "CONSENT", default_value = "refuse", value_parser = consent(), requires = "host")]
    legacy_tls: LegacyTls,
    /// Say what it would mean for the machine, and change nothing
    #[arg(long, requires = "host")]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, requires = "host", conflicts_with = "dry_run")]
    yes: bool,
}

impl Unprovision {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.afar.host.clone() {
            Some(host) => self.afar(out, host),
            None => self.here.run(out),
        }
    }

    fn afar(self, out: &mut Output, host: String) -> Result<Verdict, Error> {
        let Self { here, afar } = self;
        let extent = if here.partial { Extent::Partial } else { Extent::Full };
        if !afar.yes && !afar.dry_run {
            TAKE_BACK.can_be_asked(out)?;
        }
        let peer = (afar.ca.clone(), here.pin());
        let connect = Connect::over_tls(host, afar.port, here.password_file, peer, afar.name.clone(), afar.legacy_tls);
        block_on(async {
            let address = connect.address().await?;
            let target = match connect.administrator().await {
                Ok(target) => target,
                Err(error) if waits_for_setup(error.failure(), address).await => {
                    return not_set_up(out, extent, address);
                }
                Err(error) => return Err(error),
            };
            let _taken = if afar.dry_run { None } else { Some(lock::take(target.id, "unprovision")?) };
            let found = unprovision(job(&target, extent, true), &Notes::on(&mut *out)).await?;
            let means = consequences(extent, found.before, found.version);
            if found.before.is_some() {
                out.line(&format!("{}, {}:", target.id, words(extent)))?;
                means.iter().try_for_each(|text| out.line(&format!("  - {text}")))?;
            }
            if afar.dry_run || found.before.is_none() {
                return tell(out, extent, &found, true);
            }
            if !afar.yes && !TAKE_BACK.confirmed(out)? {
                out.line("nothing was changed")?;
                return Ok(Verdict::Failed);
            }
            let done = unprovision(job(&target, extent, false), &Notes::on(&mut *out)).await?;
            tell(out, extent, &done, false)
        })
    }
}

fn job(target: &Target, extent: Extent, dry_run: bool) -> UnprovisionJob {
    let mut record = Record::new(target.id);
    record.admin_passwords.clone_from(&target.admin_passwords);
    record.admin_proven = true;
    let mut job = UnprovisionJob::new(target.clone(), record, extent);
    job.dry_run = dry_run;
    job
}

const fn words(extent: Extent) -> &'static str {
    match extent {
        Extent::Partial => "its setup taken back in part",
        _ => "its setup taken back in full",
    }
}

const fn name(extent: Extent) -> &'static str {
    match extent {
        Extent::Partial => "partial",
        _ => "full",
    }
}

/// Whether it was no login that failed: the machine waits for a setup server.
async fn waits_for_setup(failure: &Failure, address: SocketAddr) -> bool {
    const SECURE: u16 = 16_993;
    if failure.code == ErrorCode::TLS_CHAIN_REFUSED {
        return true;
    }
    // By its certificate it is no longer the one that was meant, or it spoke TLS 1.3 and closed the connection at the first request.
    let unclear = failure.code == ErrorCode::TLS_PIN_MISMATCH || failure.code.is_reply_lost();
    unclear
        && address.port() == SECURE
        && discover_place(address, &DiscoverConfig::default()).await.standing == Standing::WantsCertificate
}

fn not_set_up(out: &mut Output, extent: Extent, address: SocketAddr) -> Result<Verdict, Error> {
    let document = json!({
        "uuid": null, "version": null, "extent": name(extent), "before": "unprovisioned", "changed": false, "dry_run": false,
        "proof": Proof::SetupMode.as_str(), "consequences": [], "remains": [],
    });
    out.show(&document, |w| {
        writeln!(w, "what answers at {address} asks for a provisioning certificate: it is in setup mode, not set up; nothing was changed")
    })?;
    Ok(Verdict::Done)
}

/// The question before a setup is taken back.
pub(super) const TAKE_BACK: Question =
    Question { whether: "the setup shall be taken back", text: "Take the setup back?" };

fn tell(out: &mut Output, extent: Extent, found: &Unprovisioned, dry_run: bool) -> Result<Verdict, Error> {
    let changed = !dry_run && found.before.is_some();
    let remains = if changed { remains(extent, found.version) } else { Vec::new() };
    out.show(&amt_fleet::json::unprovisioned(found, extent, dry_run), |w| match (found.proof, changed) {
        (None, _) => writeln!(w, "nothing was changed"),
        (Some(_), false) => writeln!(w, "{}: it was not set up: nothing was changed", found.id),
        (Some(proof), true) => {
            writeln!(w, "{}: {}: {}", found.id, words(extent), seen(proof))?;
            writeln!(w, "left in it: {}", remains.join(", "))
        }
    })?;
    Ok(Verdict::Done)
}

/// What proves it, in words.
const fn seen(proof: Proof) -> &'static str {
    match proof {
        Proof::State => "it says so itself",
        Proof::SetupMode => "it is in setup mode now",
        Proof::PortClosed => "its management port is closed now; over the network no more can be seen of it",
        _ => "it showed so",
    }
}
