//! WS-Man over the firmware's local channel.

use super::ask::ask;
use super::status::Facts;
use crate::commit::Comeback;
use crate::event::Event;
use crate::machine::Cx;
use crate::password::Random;
use crate::session::Session;
use crate::step::Step;
use amt_core::tls::{PeerIdentity, TlsPlan};
use amt_core::{ErrorCode, Failure};
use amt_heci::amthi::GetLocalSystemAccount;
use amt_wsman::client::Credentials;
use std::time::Duration;

/// Name of the machine in its own system, literally: a name might resolve to something else.
const HOST: &str = "127.0.0.1";
/// How long the firmware's local ports may be away while its network restarts.
pub(super) const RESTART: Duration = Duration::from_secs(20);
/// Plain local port.
pub(super) const PLAIN: u16 = 16992;
/// Local port with TLS.
pub(super) const SECURE: u16 = 16993;

/// Opens the local channel: plain, or TLS where the firmware demands it.
pub(super) async fn open(
    cx: &Cx,
    facts: &Facts,
    identity: &PeerIdentity,
    random: &mut Random,
) -> Result<Session, Failure> {
    cx.event(Event::Step(Step::ConnectLocally));
    let mut look = Comeback::within(cx.now(), RESTART);
    let mut secure = facts.is_local_tls_enforced();
    loop {
        let opened = if secure {
            let plan = TlsPlan::new(identity.clone());
            Session::open(cx, &authority(SECURE), SECURE, plan, random.fork()).await
        } else {
            Session::open_plain(cx, &authority(PLAIN), PLAIN, random.fork()).await
        };
        match opened {
            // Not every firmware says so beforehand.
            Err(failure) if failure.code == ErrorCode::LOCAL_TLS_REQUIRED && !secure => {
                cx.note(failure.into_details().message);
                secure = true;
            }
            // The firmware's network restarts after many a change, and its local ports with it; the local management service then
            // takes a connection and drops it.
            Err(failure) if is_away(failure.code) && !look.is_over(cx.now()) => {
                cx.note(format!("the firmware's local port is not open yet: {}", failure.message));
                look.wait(cx).await?;
            }
            opened_or_not => return opened_or_not.map_err(|failure| failure.at(Step::ConnectLocally.name())),
        }
    }
}

/// Whether the firmware's local ports are away for a while.
pub(super) const fn is_away(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::APF_REFUSED | ErrorCode::CONNECTION_RESET | ErrorCode::CONNECTION_CLOSED)
}

/// Opens the local TLS port to a machine that waits for the owner of a certificate.
pub(super) async fn open_secure(
    cx: &Cx,
    identity: &PeerIdentity,
    present: usize,
    random: &mut Random,
) -> Result<Session, Failure> {
    cx.event(Event::Step(Step::ConnectLocally));
    let plan = TlsPlan::new(identity.clone()).setting_up(Some(present));
    let opened = Session::open(cx, &authority(SECURE), SECURE, plan, random.fork()).await;
    opened.map_err(|failure| failure.at(Step::ConnectLocally.name()))
}

/// Logs in with the account that the firmware gives to its own system.
pub(super) async fn log_in_as_system(cx: &Cx, session: &mut Session) -> Result<(), Failure> {
    let account = ask(cx, Step::ConnectLocally, &GetLocalSystemAccount::NEW).await?;
    session.log_in_as(Credentials { user: account.user, password: account.password });
    Ok(())
}

fn authority(port: u16) -> String {
    format!("{HOST}:{port}")
}
