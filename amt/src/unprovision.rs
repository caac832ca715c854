//! A setup that is taken back over the network.

use crate::driver::drive;
use crate::host::Host;
use crate::managed::Target;
use crate::provision::Records;
use amt_core::Failure;
use amt_provision::Record;
use amt_provision::unprovision::{Extent, PROOF_TIMEOUT, Unprovision, Unprovisioned};
use std::time::Duration;

/// One machine whose setup is taken back. From the machine's own system it is [`local::unprovision`](crate::local::unprovision).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnprovisionJob {
    /// How the machine is reached. Its passwords are those of the record.
    pub target: Target,
    /// The machine's journal.
    pub record: Record,
    /// How much is taken back.
    pub extent: Extent,
    /// How long the machine is watched until it shows that its setup is gone.
    pub proof_timeout: Duration,
    /// Find out what would be done, and change nothing.
    pub dry_run: bool,
}

impl UnprovisionJob {
    /// Takes back the setup of `target`.
    pub const fn new(target: Target, record: Record, extent: Extent) -> Self {
        Self { target, record, extent, proof_timeout: PROOF_TIMEOUT, dry_run: false }
    }
}

/// Takes back the setup of a machine, in part or in full (`spec/wsman.md` §4(g)). What that means for the machine
/// [`consequences`](amt_provision::unprovision::consequences) says beforehand.
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it looks at the machine
/// first, and sends the request again only if the machine is set up still. The record keeps the passwords, also afterwards.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `WRONG_STATE` for part of a setup in client control mode, and if something in setup mode answers
/// that need not be the machine; `STEP_REFUSED` while an auditor blocks, `RETURN_VALUE` and `SOAP_FAULT` if the firmware refused otherwise;
/// `PROOF_FAILED` if the machine is set up still, or what became of it cannot be seen.
pub async fn unprovision<H: Host>(job: UnprovisionJob, host: &H) -> Result<Unprovisioned, Failure> {
    let (access, chains) = job.target.access()?;
    let mut procedure = Unprovision::new(access, job.record, job.extent);
    (procedure.proof_timeout, procedure.dry_run) = (job.proof_timeout, job.dry_run);
    drive(&mut procedure.start(), job.target.id, job.target.place(), &chains, host, &Records(host)).await
}
