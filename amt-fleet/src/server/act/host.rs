//! The server's side of the procedures that actions run: their records stand with the action.

use super::super::attempt::Shared;
use crate::host::FleetHost;
use crate::{Action, Fleet};
use amt::{ApplyHost, BootHost, Host, RenameHost, RenewHost, failpoint};
use amt_core::{Failure, SystemId};
use amt_provision::unprovision::{Extent, is_taken_back};
use amt_provision::{ApplyRecord, BootRecord, CaAnswer, CertificateRequest, Event, Record, RenameRecord, RenewRecord};
use std::sync::Arc;

pub(super) struct ActionHost {
    inner: FleetHost,
    fleet: Fleet,
    action: i64,
}

impl ActionHost {
    pub(super) fn new(shared: &Shared, action: &Action) -> Self {
        let inner = FleetHost::with_events(shared.fleet.clone(), Arc::clone(&shared.ca), shared.events.clone());
        Self { inner, fleet: shared.fleet.clone(), action: action.id }
    }
}

impl Host for ActionHost {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        self.inner.persist(record).await
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        self.inner.certify(request).await
    }

    fn event(&self, id: SystemId, event: &Event) {
        self.inner.event(id, event);
    }
}

/// The same where a setup is taken back: with the proof the machine's place in the database changes.
pub(super) struct TakingBack {
    pub(super) inner: ActionHost,
    pub(super) extent: Extent,
    /// Who has it done.
    pub(super) by: String,
}

impl Host for TakingBack {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        failpoint::pass("unprovision-persist-before", record.step.name());
        if is_taken_back(record) {
            self.inner.fleet.taken_back(record.id, Some(record), self.extent, &self.by).await?;
        } else {
            self.inner.persist(record).await?;
        }
        failpoint::pass("unprovision-persist-after", record.step.name());
        Ok(())
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        self.inner.certify(request).await
    }

    fn event(&self, id: SystemId, event: &Event) {
        self.inner.event(id, event);
    }
}

impl BootHost for ActionHost {
    async fn persist_boot(&self, record: &BootRecord) -> Result<(), Failure> {
        failpoint::pass("boot-persist-before", "");
        self.fleet.keep_procedure(self.action, &record.encode()).await?;
        failpoint::pass("boot-persist-after", "");
        Ok(())
    }
}

impl ApplyHost for ActionHost {
    async fn persist_apply(&self, record: &ApplyRecord) -> Result<(), Failure> {
        failpoint::pass("apply-persist-before", "");
        self.fleet.keep_apply(record).await?;
        failpoint::pass("apply-persist-after", "");
        Ok(())
    }
}

impl RenameHost for ActionHost {
    async fn persist_rename(&self, record: &RenameRecord) -> Result<(), Failure> {
        failpoint::pass("rename-persist-before", "");
        self.fleet.keep_rename(self.action, record).await?;
        failpoint::pass("rename-persist-after", "");
        Ok(())
    }
}

impl RenewHost for ActionHost {
    async fn persist_renewal(&self, record: &RenewRecord) -> Result<(), Failure> {
        failpoint::pass("renew-persist-before", "");
        self.fleet.keep_renewal(record).await?;
        failpoint::pass("renew-persist-after", "");
        Ok(())
    }
}
