//! Another password for the administrator of a machine that is set up.

use crate::driver::drive;
use crate::host::Host;
use crate::managed::Target;
use crate::provision::Records;
use amt_core::{Failure, Secret};
use amt_provision::Record;
use amt_provision::rotate::{Rotate, Rotated};

/// One rotation of one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RotateJob {
    /// How the machine is reached. Its passwords are those of the record.
    pub target: Target,
    /// The machine's journal.
    pub record: Record,
    /// The new password; none: a strong one is generated.
    pub password: Option<Secret<String>>,
}

impl RotateJob {
    /// A rotation to a generated password.
    pub const fn new(target: Target, record: Record) -> Self {
        Self { target, record, password: None }
    }
}

/// Changes the password of `admin`: the new one is durable ([`persist`](Host::persist)) before it is sent, the old one goes only after
/// a login with the new one (`spec/wsman.md` §4(i)).
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it goes on with the
/// same new password.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `PLAN_INVALID` for a password that firmware would refuse, `RETURN_VALUE` if it did,
/// `PROOF_FAILED` if the machine still has the old one. The record holds every password that may open it.
pub async fn rotate<H: Host>(job: RotateJob, host: &H) -> Result<Rotated, Failure> {
    let (access, chains) = job.target.access()?;
    let mut rotate = Rotate::new(access, job.record);
    rotate.password = job.password;
    drive(&mut rotate.start(), job.target.id, job.target.place(), &chains, host, &Records(host)).await
}
