//! The client of the intake: what `amt enroll` is made of, for programs that do the same by themselves.
//!
//! [`Client`] makes single requests. [`Enrolment`] goes the whole way: it enrols a machine, outlives a server that is away, and
//! waits until the machine is provisioned.
//!
//! ```no_run
//! # async fn example() -> Result<(), amt_core::Failure> {
//! use amt_fleet::intake::client::{Client, ClientState, Enrolment, Trust, agent_facts};
//!
//! let system = amt::System::read()?;
//! let client = Client::new("https://intake.example.com:9972".parse()?, &Trust::system())?;
//! let state = ClientState::open(&ClientState::default_folder(), system.id)?;
//! let facts = agent_facts(&system, Some("pc1.example.com"))?;
//! let token = amt_fleet::intake::wire::Token::parse("amt_…")?;
//! let ended = Enrolment::new(client, state, system.id, facts).token(token).run(|step| println!("{step:?}")).await?;
//! # Ok(()) }
//! ```

mod connection;
mod enrolment;
mod state;
mod trust;

pub use connection::{MAX_URL, ServerUrl, Unanswered};
pub use enrolment::{Ended, Enrolment, Step};
pub use state::{ClientState, MAX_STATE};
pub use trust::{MAX_ROOTS, Pin, Trust};

use super::wire::{self, AgentFacts, ClientKey, Enroll, Facts, Status, Token};
use crate::fact::FactKey;
use amt::System;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::local::Standing;
use connection::{Connection, Question, words};
use hyper::Method;
use serde::Serialize;
use std::time::Duration;

const STAGE: &str = "enroll";

/// How long the server may take for a report, and beyond `wait` for a status.
const PATIENCE: Duration = Duration::from_secs(30);

/// Single requests to one intake. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
    url: ServerUrl,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the intake at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if there is nothing to check the server's certificate with.
    pub fn new(url: ServerUrl, trust: &Trust) -> Result<Self, Failure> {
        Ok(Self { connection: Connection::new(url.clone(), trust)?, url })
    }

    /// The server's address.
    pub const fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// `POST /v1/enroll`.
    ///
    /// # Errors
    /// Why there is no answer, or what the server refuses.
    pub async fn enroll(&self, token: &Token, body: &Enroll) -> Result<Status, Unanswered> {
        let question = Question {
            method: Method::POST,
            path: wire::ENROLL,
            bearer: &token.reveal(),
            body: Some(json(body)?),
            patience: PATIENCE,
        };
        self.status_of(body.uuid, question).await
    }

    /// `POST /v1/facts`.
    ///
    /// # Errors
    /// As [`enroll`](Self::enroll).
    pub async fn facts(&self, key: &ClientKey, body: &Facts) -> Result<Status, Unanswered> {
        let question = Question {
            method: Method::POST,
            path: wire::FACTS,
            bearer: &key.reveal(),
            body: Some(json(body)?),
            patience: PATIENCE,
        };
        self.status_of(body.uuid, question).await
    }

    /// `GET /v1/status`: waits on the server, up to `wait`, until the status differs from the one with revision `since`.
    ///
    /// # Errors
    /// As [`enroll`](Self::enroll).
    pub async fn status(
        &self,
        key: &ClientKey,
        id: SystemId,
        wait: Duration,
        since: Option<u64>,
    ) -> Result<Status, Unanswered> {
        let wait = wait.as_secs().min(wire::MAX_WAIT);
        let since = since.map(|revision| format!("&since={revision}")).unwrap_or_default();
        let question = Question {
            method: Method::GET,
            path: &format!("{}?wait={wait}{since}", wire::STATUS),
            bearer: &key.reveal(),
            body: None,
            patience: PATIENCE + Duration::from_secs(wait),
        };
        self.status_of(id, question).await
    }

    async fn status_of(&self, id: SystemId, question: Question<'_>) -> Result<Status, Unanswered> {
        let mut status: Status = self.connection.ask(question).await?;
        if status.uuid != id {
            let text = format!("the server answered about machine {}, asked about {id}", status.uuid);
            return Err(Unanswered::for_good(Failure::new(ErrorCode::HTTP_MALFORMED, STAGE, text)));
        }
        for text in [&mut status.message, &mut status.hint] {
            *text = words(text);
        }
        for text in [&mut status.name, &mut status.profile, &mut status.control_mode].into_iter().flatten() {
            *text = words(text);
        }
        Ok(status)
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, Unanswered> {
    serde_json::to_vec(body).map_err(|error| {
        Unanswered::for_good(Failure::new(ErrorCode::INVALID_ARGUMENT, STAGE, format!("the report: {error}")))
    })
}

/// The facts to report of `system`, which is to be named `name`: a host name, or a full name with a domain. Without one, an installed system's own
/// names are told; a live system's say nothing about the machine and are left out.
///
/// # Errors
/// `PARSE_TEXT` if `name` is no name.
pub fn agent_facts(system: &System, name: Option<&str>) -> Result<AgentFacts, Failure> {
    let mut facts = AgentFacts {
        mac: system.interfaces.clone(),
        os: fit(FactKey::Os, system.os.as_deref()),
        environment: Some(if system.is_live { "live" } else { "installed" }.to_owned()),
        model: fit(FactKey::Model, system.model.as_deref()),
        serial: fit(FactKey::Serial, system.serial.as_deref()),
        dns_suffix: fit(FactKey::DnsSuffix, system.dns_suffix.as_deref()),
        version: system.version.map(|version| version.to_string()),
        control_mode: system.standing.and_then(control_mode).map(str::to_owned),
        ..AgentFacts::default()
    };
    match name {
        Some(name) => {
            let key = key_of_name(name);
            let name = key.normalise(name).map_err(|why| {
                Failure::new(ErrorCode::PARSE_TEXT, STAGE, format!("{:?} {why}", words(name))).hint(HOW_TO_NAME)
            })?;
            set_name(&mut facts, key, name);
        }
        None if !system.is_live => {
            let own = system.host_name.as_deref().unwrap_or_default();
            let key = key_of_name(own);
            if let Ok(name) = key.normalise(own) {
                set_name(&mut facts, key, name);
            }
        }
        None => {}
    }
    Ok(facts)
}

/// The word of [`FactKey::ControlMode`]; firmware that is too old to have one tells none.
const fn control_mode(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Unprovisioned | Standing::InProvisioning => Some("none"),
        Standing::Client => Some("client"),
        Standing::Admin => Some("admin"),
        _ => None,
    }
}

const HOW_TO_NAME: &str =
    "a name has letters, digits and hyphens, at most 63 between two dots: pc1, or with its domain pc1.example.com";

fn key_of_name(name: &str) -> FactKey {
    if name.trim().trim_end_matches('.').contains('.') { FactKey::Fqdn } else { FactKey::HostName }
}

fn set_name(facts: &mut AgentFacts, key: FactKey, name: String) {
    match key {
        FactKey::Fqdn => facts.fqdn = Some(name),
        _ => facts.host_name = Some(name),
    }
}

/// What the server would refuse is not worth a failed enrolment.
fn fit(key: FactKey, value: Option<&str>) -> Option<String> {
    key.normalise(value?).ok()
}
