//! The database and a certificate authority as the host of a procedure.

use crate::ca::CertificateAuthority;
use crate::digest::sha256_hex;
use crate::event::{Events, FleetEvent, Progress, Subscription};
use crate::fact::{FactKey, FactSource, MAX_FACT};
use crate::store::CaAnswered;
use crate::{Fleet, Machine, Report, TlsFacts};
use amt::failpoint;
use amt_core::tls::TlsOutcome;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::{CaAnswer, CertificateRequest, Event, MachineFacts, Record, Step};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// `ProvisioningState` of a machine that is set up.
const SET_UP: u32 = 2;

/// Journal in a [`Fleet`], certificates from an authority, events into the machine's diary and to subscribers. What
/// [`amt::provision`] needs; the setup server uses it, and so can a program that provisions single machines.
#[derive(Clone)]
pub struct FleetHost {
    fleet: Fleet,
    ca: Arc<dyn CertificateAuthority>,
    events: Events,
    /// What the authority said of the time of its decision, in this attempt.
    retry_after: Arc<Mutex<Option<Duration>>>,
    /// What the machine said of itself, on its way to the database.
    telling: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl std::fmt::Debug for FleetHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetHost").field("fleet", &self.fleet).finish_non_exhaustive()
    }
}

impl FleetHost {
    /// A host over `fleet` and `ca`.
    pub fn new(fleet: Fleet, ca: Arc<dyn CertificateAuthority>) -> Self {
        Self::with_events(fleet, ca, Events::new())
    }

    pub(crate) fn with_events(fleet: Fleet, ca: Arc<dyn CertificateAuthority>, events: Events) -> Self {
        Self { fleet, ca, events, retry_after: Arc::default(), telling: Arc::default() }
    }

    /// Events of procedures on this host, from now on.
    pub fn subscribe(&self) -> Subscription {
        self.events.subscribe()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a machine said of itself becomes facts.
    fn tell_facts(&self, facts: &MachineFacts) {
        let report = machine_report(facts);
        let fleet = self.fleet.clone();
        let telling = tokio::spawn(async move {
            if let Err(failure) = fleet.report(report).await {
                tracing::warn!(%failure, "what a machine said of itself was not recorded");
            }
        });
        self.telling.lock().unwrap_or_else(PoisonError::into_inner).push(telling);
    }

    /// Returns when everything that machines said of themselves is in the database.
    pub(crate) async fn facts_are_told(&self) {
        let telling = std::mem::take(&mut *self.telling.lock().unwrap_or_else(PoisonError::into_inner));
        for task in telling {
            let _ = task.await;
        }
    }

    /// Asks the authority. A request that was put off is found again by its PKCS#10 even if the process was killed before
    /// the procedure could note its id: no request is ever submitted twice.
    async fn ask(&self, request: &CertificateRequest) -> Result<CaAnswer, Failure> {
        let csr = sha256_hex(&request.csr);
        let mut request = request.clone();
        if request.request_id.is_none() {
            request.request_id = self.fleet.pending_request(request.id, &csr).await?;
        }
        let asked = request.request_id.clone();
        let answer = self.ca.certify(&request).await;
        match &answer {
            CaAnswer::Pending { request_id, retry_after, words, .. } => {
                *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = *retry_after;
                self.settle(request.id, request_id, &csr, "pending", words.clone()).await?;
                self.tell(request.id, Progress::CaPending { request: request_id.clone() });
            }
            CaAnswer::Issued { .. } => {
                if let Some(asked) = &asked {
                    self.settle(request.id, asked, &csr, "issued", None).await?;
                }
            }
            CaAnswer::Denied { reason } => {
                if let Some(asked) = &asked {
                    self.settle(request.id, asked, &csr, "denied", Some(reason.clone())).await?;
                }
            }
            CaAnswer::Failed(_) => {}
        }
        Ok(answer)
    }

    async fn settle(
        &self,
        id: SystemId,
        request: &str,
        csr: &str,
        state: &'static str,
        message: Option<String>,
    ) -> Result<(), Failure> {
        let answered = CaAnswered { id, request: request.to_owned(), csr: csr.to_owned(), state, message };
        self.fleet.write(answered).await
    }

    pub(crate) fn tell(&self, id: SystemId, progress: Progress) {
        self.fleet.note(id, progress.kind(), progress.to_string());
        self.events.send(FleetEvent::new(Some(id), None, progress));
    }
}

impl amt::Host for FleetHost {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        failpoint::pass("persist-before", record.step.name());
        // The last moment at which nothing was changed in the machine.
        if record.step == Step::RecordCredentials
            && let Ok(Machine { parked: Some(parked), .. }) = self.fleet.machine(record.id).await
        {
            return Err(Failure::new(ErrorCode::IN_USE, "admit", parked.reason).hint(parked.hint));
        }
        self.fleet.persist(record).await?;
        failpoint::pass("persist-after", record.step.name());
        Ok(())
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        failpoint::pass("certify-before", "");
        let answer = self.ask(request).await.unwrap_or_else(CaAnswer::Failed);
        failpoint::pass("certify-after", "");
        answer
    }

    fn event(&self, id: SystemId, event: &Event) {
        self.tell(
            id,
            match event {
                Event::Step(step) => {
                    failpoint::pass("step", step.name());
                    Progress::Step(*step)
                }
                Event::Connected(outcome) => Progress::Connected(tls_facts(outcome)),
                Event::SteppedDown { from, to, reason } => {
                    Progress::SteppedDown { from: *from, to: *to, reason: reason.clone() }
                }
                Event::CertificateRefused { index, reason } => {
                    Progress::CertificateRefused { index: *index, reason: reason.clone() }
                }
                Event::Version(version) => Progress::Version(*version),
                Event::Note(text) => Progress::Note(text.clone()),
                Event::Facts(facts) => {
                    self.tell_facts(facts);
                    return;
                }
                // A later version of the procedures may tell more than this one knows how to show.
                _ => return,
            },
        );
    }
}

/// What a machine says of itself, as facts. Where a source names no value the report is silent: what it said before stands.
pub(crate) fn machine_report(facts: &MachineFacts) -> Report {
    let mut report = Report::new(facts.id, FactSource::Wsman);
    let mut say = |key: FactKey, value: Option<String>| {
        // What firmware tells may be anything; a value that cannot be one is no fact.
        if let Some(value) = value.and_then(|value| key.normalise(&value).ok())
            && !report.facts.contains(&(key, value.clone()))
        {
            report.facts.push((key, value));
        }
    };
    say(FactKey::DigestRealm, facts.realm.clone());
    say(FactKey::Fqdn, facts.host_os_fqdn.clone().filter(|name| name.contains('.')));
    say(FactKey::HostName, facts.host_os_fqdn.clone().filter(|name| !name.contains('.')));
    say(FactKey::Mac, facts.wired_mac.clone());
    say(FactKey::Mac, facts.wireless_mac.clone());
    say(FactKey::Version, facts.version.map(|v| v.to_string()));
    // After our own setup its record would be ours.
    if facts.provisioning_state != Some(SET_UP) {
        let setups: Vec<String> = facts.setups.iter().map(ToString::to_string).collect();
        let text: String = setups.join("; ").chars().take(MAX_FACT / 4).collect();
        say(FactKey::ProvisioningRecord, Some(text).filter(|text| !text.is_empty()));
    } else {
        say(FactKey::ControlMode, facts.control_mode.map(|mode| mode.as_str().to_owned()));
    }
    report
}

pub(crate) fn tls_facts(outcome: &TlsOutcome) -> TlsFacts {
    TlsFacts { version: outcome.version.to_string(), suite: outcome.suite.clone(), engine: outcome.engine.to_owned() }
}
