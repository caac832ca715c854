//! The control socket: one JSON document a line in, one a line out, for tests in any language.
//!
//! | request | answer |
//! |---|---|
//! | `{"command":"truth"}`, with `"uuid"` for one | `{"machines":[…]}` as in the state file, at this moment |
//! | `{"command":"hello","uuid":…}` | `{"done":true}` |
//! | `{"command":"rearm","uuid":…,"otp":…}` | `{"done":true}` |
//! | `{"command":"os-name","uuid":…,"name":…}` | `{"done":true}` |
//! | `{"command":"session","uuid":…,"session":"serial\|drives\|screen","taken":bool}` | `{"done":true}` |
//! | `{"command":"power-cycle","uuid":…}` | `{"done":true}` |
//! | `{"command":"fault","uuid":…,"fault":"PLACE:in\|out:KIND"}` | `{"done":true}` |
//! | `{"command":"check-admin-password","uuid":…,"password":…}` | `{"matches":bool}` |
//! | `{"command":"check-mebx-password","uuid":…,"password":…}` | `{"matches":bool}` |
//! | `{"command":"check-psk","uuid":…,"pid":…,"pps":…}` | `{"matches":bool}` |
//! | anything else | `{"error":"…"}` |

use super::machine::Event;
use super::{Machine, Machines, state_file};
use amt_core::SystemId;
use amt_core::psk::{Form, PskPair};
use amt_core::redirection::SessionKind;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest request.
const MAX_LINE: u64 = 16 * 1024;

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    Truth { uuid: Option<String> },
    Hello { uuid: String },
    Rearm { uuid: String, otp: Option<String> },
    OsName { uuid: String, name: String },
    Session { uuid: String, session: String, taken: bool },
    PowerCycle { uuid: String },
    Fault { uuid: String, fault: String },
    CheckAdminPassword { uuid: String, password: String },
    CheckMebxPassword { uuid: String, password: String },
    CheckPsk { uuid: String, pid: String, pps: String },
}

pub(super) async fn serve(listener: TcpListener, machines: Arc<Machines>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                clients.spawn(talk(stream, Arc::clone(&machines)));
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn talk(stream: TcpStream, machines: Arc<Machines>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let taken = (&mut read).take(MAX_LINE).read_until(b'\n', &mut line).await;
        if !matches!(taken, Ok(n) if n > 0) {
            return;
        }
        let whole = line.ends_with(b"\n");
        let mut reply = if whole || taken.is_ok_and(|n| (n as u64) < MAX_LINE) {
            answer(&line, &machines).unwrap_or_else(|error| json!({ "error": error }).to_string().into_bytes())
        } else {
            json!({ "error": "the request is too long" }).to_string().into_bytes()
        };
        reply.push(b'\n');
        if write.write_all(&reply).await.is_err() || !whole {
            return;
        }
    }
}

fn answer(line: &[u8], machines: &Machines) -> Result<Vec<u8>, String> {
    let find = |uuid: &str| -> Result<&Machine, String> {
        let id: SystemId = uuid.parse().map_err(|e: amt_core::Failure| e.into_details().message)?;
        machines.find(id).ok_or_else(|| format!("no machine {id}"))
    };
    let tell = |uuid: &str, event: Event| {
        let told = find(uuid)?.events.send(event).is_ok();
        Ok(json!({ "done": told }).to_string().into_bytes())
    };
    let matches = |yes: bool| Ok(json!({ "matches": yes }).to_string().into_bytes());
    match serde_json::from_slice(line).map_err(|e| e.to_string())? {
        Command::Truth { uuid: None } => Ok(state_file::document(&machines.truths())),
        Command::Truth { uuid: Some(uuid) } => Ok(state_file::document(&[find(&uuid)?.truth()])),
        Command::Hello { uuid } => tell(&uuid, Event::SayHello),
        Command::Rearm { uuid, otp } => tell(&uuid, Event::Rearm { otp }),
        Command::OsName { uuid, name } => tell(&uuid, Event::OsName { name }),
        Command::Session { uuid, session, taken } => {
            let kind = SessionKind::from_name(&session).ok_or_else(|| format!("no session {session:?}"))?;
            tell(&uuid, Event::Session { kind, taken })
        }
        Command::PowerCycle { uuid } => tell(&uuid, Event::Power),
        Command::Fault { uuid, fault } => {
            let fault = fault.parse().map_err(|e: amt_core::Failure| e.into_details().message)?;
            tell(&uuid, Event::Fault(fault))
        }
        Command::CheckAdminPassword { uuid, password } => {
            matches(find(&uuid)?.shared.firmware().check_admin_password(&password))
        }
        Command::CheckMebxPassword { uuid, password } => {
            matches(find(&uuid)?.shared.firmware().check_mebx_password(&password))
        }
        Command::CheckPsk { uuid, pid, pps } => {
            let pair = PskPair::parse(&pid, &pps, Form::Strict).map_err(|e| e.into_details().message)?;
            matches(find(&uuid)?.shared.firmware().check_psk(&pair))
        }
    }
}
