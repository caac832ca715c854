//! `enroll`: the client of the intake.

use crate::convert::{from_python, id, seconds, to_python, wrong};
use crate::exception::{raise, raise_timeout};
use crate::fleet::Token;
use crate::wait::{broken, runtime, wait};
use amt::System;
use amt::local::LocalAccess;
use amt_core::{ErrorCode, Failure};
use amt_fleet::intake::client::{Client, ClientState, Ended, Enrolment, Pin, ServerUrl, Step, Trust, agent_facts};
use amt_fleet::intake::wire::{self, AgentFacts, Status};
use amt_fleet::{FactKey, json};
use pyo3::prelude::*;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::AbortHandle;

/// Largest file of root certificates.
const MAX_CA_FILE: u64 = 4 * 1024 * 1024;

/// Enrol a machine at the intake of a setup server and wait until it is provisioned. Returns its status.
///
/// Without `uuid` it is the machine that this runs on: UUID, model, serial number and network addresses are read, which takes root; with
/// `uuid` only what `name` and `facts` say is told. The server is believed by `pin`, by the roots in the file `ca`, or by those of the
/// system. The machine's key is kept in the file `state`: with it the token is needed once only; without, the key is forgotten at the end.
/// `progress` is called with a dict whenever something is new. With `wait=False` it ends as soon as the report is taken.
/// Raises `AmtTimeout` when the time is over first, and `AmtError` with the name `ENROLMENT` if the server refuses.
#[pyfunction]
#[pyo3(signature = (
    server, token=None, *, name=None, pin=None, ca=None, uuid=None, facts=None, state=None, wait=true, timeout=3600.0, progress=None
))]
#[pyo3(name = "enroll")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub(crate) fn enroll<'py>(
    py: Python<'py>,
    server: &str,
    token: Option<&Bound<'py, PyAny>>,
    name: Option<&str>,
    pin: Option<&str>,
    ca: Option<PathBuf>,
    uuid: Option<&Bound<'py, PyAny>>,
    facts: Option<&Bound<'py, PyAny>>,
    state: Option<PathBuf>,
    wait: bool,
    timeout: f64,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let server: ServerUrl = server.parse().map_err(raise)?;
    let trust = match (pin, &ca) {
        (Some(_), Some(_)) => return Err(wrong("give pin or ca, not both")),
        (Some(pin), None) => Trust::pin(pin.parse::<Pin>().map_err(raise)?),
        (None, Some(file)) => Trust::roots(&read(file).map_err(raise)?).map_err(raise)?,
        (None, None) => Trust::system(),
    };
    let (id, found) = match uuid {
        Some(uuid) => (id(uuid)?, named(name).map_err(raise)?),
        None => {
            let mut system = py.detach(System::read).map_err(raise)?;
            // A firmware that cannot be asked adds nothing.
            if let Ok(access) = LocalAccess::system() {
                system = crate::wait::wait(py, async move {
                    let _ = system.ask_firmware(&access).await;
                    Ok(system)
                })?;
            }
            (system.id, agent_facts(&system, name).map_err(raise)?)
        }
    };
    let found = with(found, facts)?;
    let state = match state {
        Some(path) => ClientState::open(&path, id),
        None => ClientState::in_memory(id),
    };
    let client = py.detach(|| Client::new(server, &trust)).map_err(raise)?;
    let mut enrolment = Enrolment::new(client, state.map_err(raise)?, id, found).timeout(seconds("timeout", timeout)?);
    if let Some(token) = token {
        enrolment = enrolment.token(read_token(token)?);
    }
    if !wait {
        enrolment = enrolment.no_wait();
    }
    let ended = go(py, enrolment, progress.as_ref())?;
    let status = conclude(ended, timeout)?;
    to_python(py, &status_json(&status))
}

/// Goes the way on the runtime; what is new is told here, between two looks at the signals.
fn go(py: Python<'_>, enrolment: Enrolment, progress: Option<&Py<PyAny>>) -> PyResult<Ended> {
    let (tell, mut told) = unbounded_channel::<Step>();
    let task = runtime().map_err(raise)?.spawn(enrolment.run(move |step| drop(tell.send(step))));
    let _guard = AbortOnDrop(task.abort_handle());
    loop {
        let (step, rest) = wait(py, async move { Ok((told.recv().await, told)) })?;
        told = rest;
        match (step, progress) {
            (Some(step), Some(progress)) => {
                progress.call1(py, (to_python(py, &step_json(&step))?,))?;
            }
            (Some(_), None) => {}
            (None, _) => return wait(py, async move { task.await.map_err(|error| broken(&error.to_string()))? }),
        }
    }
}

/// Whoever no longer waits no longer enrols.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn conclude(ended: Ended, waited: f64) -> PyResult<Status> {
    let failed = |message: String| Failure::new(ErrorCode::ENROLMENT, "enroll", message);
    let with_hint = |failure: Failure, status: &Status| {
        if status.hint.is_empty() { failure } else { failure.hint(status.hint.clone()) }
    };
    match ended {
        Ended::Verified(status) | Ended::Reported(status) => Ok(status),
        Ended::Failed(status) => {
            let text = format!("the machine was not provisioned: {}", status.message);
            Err(raise(with_hint(failed(text), &status)))
        }
        Ended::TimedOut { away: Some(mut away), .. } => {
            away.message = format!("the server was away when the time was over ({waited} s): {}", away.message);
            Err(raise_timeout(away))
        }
        Ended::TimedOut { status: Some(status), .. } => {
            let text = format!("after {waited} s the machine is {}: {}", status.stage, status.message);
            Err(raise_timeout(with_hint(failed(text), &status)))
        }
        _ => Err(raise_timeout(failed(format!("no answer within {waited} s")).hint("give it more time with timeout"))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let file_read = std::fs::File::open(file).and_then(|file| file.take(MAX_CA_FILE).read_to_end(&mut content));
    file_read.map_err(|error| Failure::new(ErrorCode::FILE_READ, "enroll", format!("{}: {error}", file.display())))?;
    Ok(content)
}

fn read_token(given: &Bound<'_, PyAny>) -> PyResult<wire::Token> {
    if let Ok(token) = given.cast::<Token>() {
        return Ok(token.get().token.clone());
    }
    let text: String = given.extract()?;
    wire::Token::parse(&text).map_err(raise)
}

/// The facts of a machine of which only the name is known.
fn named(name: Option<&str>) -> Result<AgentFacts, Failure> {
    let mut facts = AgentFacts::default();
    let Some(name) = name else { return Ok(facts) };
    let key = if name.trim_end_matches('.').contains('.') { FactKey::Fqdn } else { FactKey::HostName };
    let name = key.normalise(name).map_err(|why| {
        Failure::new(ErrorCode::PARSE_TEXT, "enroll", format!("name: {name:?} {why}"))
            .hint("a host name such as pc1, or with its domain pc1.example.com")
    })?;
    match key {
        FactKey::Fqdn => facts.fqdn = Some(name),
        _ => facts.host_name = Some(name),
    }
    Ok(facts)
}

/// The facts found, completed and overruled by those given.
fn with(found: AgentFacts, given: Option<&Bound<'_, PyAny>>) -> PyResult<AgentFacts> {
    let Some(given) = given else { return Ok(found) };
    let bad = |why: String| wrong(format!("facts: {why}"));
    let given: Map<String, Value> = from_python(given)?.map_err(bad)?;
    let found = serde_json::to_value(found).map_err(|error| bad(error.to_string()))?;
    let Value::Object(mut all) = found else { return Err(bad("are none".to_owned())) };
    all.extend(given);
    let text = Value::Object(all).to_string();
    wire::read(text.as_bytes()).map_err(|failure| bad(failure.into_details().message))
}

fn step_json(step: &Step) -> Value {
    match step {
        Step::Reported { enrolled } => json!({ "event": "reported", "enrolled": enrolled }),
        Step::Status(status) => {
            let mut object = status_json(status);
            object["event"] = "status".into();
            object
        }
        Step::Away { failure, retry_in } => {
            json!({ "event": "away", "error": json::failure(failure), "retry_in": retry_in.as_secs_f64() })
        }
        Step::Back => json!({ "event": "back" }),
        // A later version may tell more than this one knows how to show.
        _ => json!({ "event": "other" }),
    }
}

fn status_json(status: &Status) -> Value {
    json!({
        "uuid": status.uuid.to_string(),
        "stage": status.stage.name(),
        "message": status.message,
        "hint": status.hint,
        "name": status.name,
        "profile": status.profile,
        "control_mode": status.control_mode,
        "done": status.done,
    })
}
