//! The embedder's side in the tests: the last record in memory, and an authority that issues everything.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use amt::Host;
use amt_core::{Failure, SystemId};
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::sync::Mutex;

/// Keeps the last record and the events, and has every certificate issued.
#[derive(Default)]
pub struct Memory {
    pub record: Mutex<Option<Record>>,
    pub events: Mutex<Vec<Event>>,
}

impl Memory {
    /// The last record.
    pub fn record(&self) -> Record {
        self.record.lock().unwrap().clone().expect("something was made durable")
    }
}

impl Host for Memory {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        *self.record.lock().unwrap() = Some(record.clone());
        Ok(())
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        issue(request)
    }

    fn event(&self, _id: SystemId, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}

/// The certificate asked for, by an authority made for it.
pub fn issue(request: &CertificateRequest) -> CaAnswer {
    use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, KeyPair::generate().unwrap());
    let csr = CertificateSigningRequestParams::from_der(&request.csr.clone().into()).unwrap();
    CaAnswer::Issued { certificate: csr.signed_by(&issuer).unwrap().der().to_vec(), chain: vec![] }
}
