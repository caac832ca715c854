//! The database and a certificate authority as the host of a procedure.

use crate::ca::CertificateAuthority;
use crate::digest::sha256_hex;
use crate::event::{Events, FleetEvent, Progress, Subscription};
use crate::store::CaAnswered;
use crate::{Fleet, TlsFacts};
use amt::failpoint;
use amt_core::tls::TlsOutcome;
use amt_core::{Failure, SystemId};
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Journal in a [`Fleet`], certificates from an authority, events into the machine's diary and to subscribers. What
/// [`amt::provision`] needs; the setup server uses it, and so can a program that provisions single machines.
#[derive(Clone)]
pub struct FleetHost {
    fleet: Fleet,
    ca: Arc<dyn CertificateAuthority>,
    events: Events,
    /// What the authority said of the time of its decision, in this attempt.
    retry_after: Arc<Mutex<Option<Duration>>>,
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
        Self { fleet, ca, events, retry_after: Arc::default() }
    }

    /// Events of procedures on this host, from now on.
    pub fn subscribe(&self) -> Subscription {
        self.events.subscribe()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
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
            CaAnswer::Pending { request_id, retry_after } => {
                *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = *retry_after;
                self.settle(request.id, request_id, &csr, "pending", None).await?;
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
                Event::CertificateRefused { index, reason } => {
                    Progress::CertificateRefused { index: *index, reason: reason.clone() }
                }
                Event::Version(version) => Progress::Version(*version),
                Event::Note(text) => Progress::Note(text.clone()),
                // A later version of the procedures may tell more than this one knows how to show.
                _ => return,
            },
        );
    }
}

pub(crate) fn tls_facts(outcome: &TlsOutcome) -> TlsFacts {
    TlsFacts { version: outcome.version.to_string(), suite: outcome.suite.clone(), engine: outcome.engine.to_owned() }
}
