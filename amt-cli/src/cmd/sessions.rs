//! `amt sessions --host …`: who has serial line, remote drives and screen of one machine.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::{Consent, ConsentFor, Session, SessionState, sessions};
use amt_core::redirection::SessionKind;
use amt_fleet::json::operate as documents;

/// Say which sessions of one machine are free, and which somebody has: serial line, remote drives, screen, and consent to them
///
/// Serial line and drives are asked for as a console does, and given back at once: for that moment somebody else is told that they are
/// taken. The screen and the consent are told by the firmware. Nothing is changed. Firmware does not say who has a session.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt sessions --host pc1.example.com --ca ca.pem
    amt sessions --host pc1.example.com --ca ca.pem --json | jq -r '.sessions.serial.state'

state: free, taken (somebody has it), off (switched off), absent (the firmware does not have it), unclear (`why` tells the reason).")]
pub(crate) struct Sessions {
    /// Port of redirection [default: 16995, with --plain 16994]
    #[arg(long, value_name = "PORT")]
    redirection_port: Option<u16>,
    #[command(flatten)]
    connect: Connect,
}

impl Sessions {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let found = block_on(async { Ok(sessions(&mut self.connect.device().await?, self.redirection_port).await?) })?;
        out.show(&documents::sessions(&found), |w| {
            for session in &found.sessions {
                writeln!(w, "{:<14}  {}", label(session.kind), text(session))?;
            }
            match &found.consent {
                Some(consent) => writeln!(w, "{:<14}  {}", "consent", asked(consent)),
                None => Ok(()),
            }
        })?;
        Ok(Verdict::Done)
    }
}

fn label(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Serial => "serial line",
        SessionKind::Drives => "remote drives",
        SessionKind::Screen => "screen",
        _ => kind.name(),
    }
}

fn text(session: &Session) -> String {
    let state = match session.state {
        SessionState::Taken => "taken: somebody has it",
        SessionState::Absent => "not in this firmware",
        state => state.name(),
    };
    match &session.why {
        Some(why) => format!("{state}: {why}"),
        None => state.to_owned(),
    }
}

fn asked(consent: &Consent) -> String {
    let needed = match consent.needed_for {
        Some(ConsentFor::Nothing) => "not needed",
        Some(ConsentFor::Screen) => "needed for the screen",
        Some(ConsentFor::All) => "needed for every session",
        _ => "the firmware does not say for what",
    };
    let state = match consent.state.map(|state| state.0) {
        Some(0) | None => return needed.to_owned(),
        Some(1) => "it is being asked for",
        Some(2) => "a code is on the machine's screen",
        Some(3) => "it was given, and waits for its session",
        Some(4) => "a session runs with it",
        Some(_) => "somebody is at it",
    };
    format!("{needed}; {state}")
}
