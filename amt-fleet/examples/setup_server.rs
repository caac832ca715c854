//! A setup server with an intake, in a program that says by itself who each machine is.
//!
//! Virtual machines for it, which trust the certificate that is made beside them, and then the server:
//!
//! ```text
//! amt sim --machines 3 --certificate FOLDER --suffix example.com --hello 127.0.0.1:9971
//! cargo run -p amt-fleet --example setup_server -- FOLDER
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use amt::ProvisioningCertificate;
use amt_core::{ErrorCode, Failure};
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::intake::Intake;
use amt_fleet::resolve::{Answer, Entry, Question};
use amt_fleet::{FactKey, FactSource, Fleet, Server, TokenTerms};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// DNS suffix of the site.
const SUFFIX: &str = "example.com";

/// Machines that a client has named are let in under that name; the others wait. A site asks its inventory here. The guard still
/// keeps out what seems to be in use; [`Entry::Release`] would overrule it. Whoever has to wait for the answer implements
/// [`amt_fleet::resolve::Resolver`] instead, which may.
fn who_is(question: &Question) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    match question.facts.from_source(FactKey::Fqdn, FactSource::Agent) {
        Some(name) if name.value.ends_with(SUFFIX) => {
            answer.entry = Some(Entry::Admit);
            answer.name = Some(name.value.clone());
            answer.labels = vec!["enrolled".to_owned()];
        }
        _ => {
            answer.entry = Some(Entry::Park);
            answer.reason = Some("no client on it has told its name yet".to_owned());
        }
    }
    Ok(answer)
}

/// The server and its intake, on one database, bound to their ports.
pub(crate) async fn open(
    folder: &Path,
    hellos: SocketAddr,
    reports: SocketAddr,
) -> Result<(Fleet, Server, Intake), Failure> {
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await?;
    let ca = LocalCa::open(&LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key")))?;
    let server = Server::builder(fleet.clone())
        .listen([hellos])
        .certificates([certificate(&folder.join("provisioning.pem"))?])
        .ca(Arc::new(ca))
        .dns_suffixes([SUFFIX.to_owned()])
        .resolver(|question: &Question| who_is(question))
        .bind()
        .await?;
    let intake = Intake::builder(fleet.clone()).listen([reports]).bind().await?;
    Ok((fleet, server, intake))
}

fn certificate(path: &Path) -> Result<ProvisioningCertificate, Failure> {
    let text = std::fs::read(path)
        .map_err(|error| Failure::new(ErrorCode::FILE_READ, "read", format!("{}: {error}", path.display())))?;
    ProvisioningCertificate::from_pem(&text, None, None)
}

/// Both until `shutdown`, and what happens meanwhile on standard output.
pub(crate) async fn run(server: Server, intake: Intake, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
    let mut events = server.subscribe();
    let (stop, stopped) = watch::channel(false);
    let wait = |mut stopped: watch::Receiver<bool>| async move { drop(stopped.changed().await) };
    // The events end with the server.
    let tell = async {
        while let Some(event) = events.next().await {
            println!("{event}");
        }
        Ok(())
    };
    let wait_for_the_end = async {
        shutdown.await;
        stop.send_replace(true);
        Ok(())
    };
    tokio::try_join!(server.run(wait(stopped.clone())), intake.run(wait(stopped)), tell, wait_for_the_end)?;
    Ok(())
}

#[allow(dead_code, reason = "a test takes the rest of this file")]
#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (fleet, server, intake) = open(&folder, local(9971), local(9972)).await?;
    let (_, token) = fleet.new_token(TokenTerms::default()).await?;
    println!(
        "on a machine: amt enroll --live --name pc1.{SUFFIX} --server https://127.0.0.1:9972 --pin {} --token-file -",
        intake.pin()
    );
    println!("the token, for one machine: {}", token.reveal().expose());
    run(server, intake, async { drop(tokio::signal::ctrl_c().await) }).await?;
    fleet.close().await;
    Ok(())
}
