//! The two ways in which a method refuses: a fault, or a status as its return value (`spec/wsman.md` §2.5).

use super::Output;
use crate::firmware::soap::Fault;
use amt_core::status::PtStatus;

/// Why a method does nothing.
pub(super) enum Refusal {
    Fault(Fault),
    Status(PtStatus),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<PtStatus> for Refusal {
    fn from(status: PtStatus) -> Self {
        Self::Status(status)
    }
}

impl Refusal {
    /// The same for an operation that has no return value.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Status(status) => Fault::status(status.0),
        }
    }
}

/// What the method answers.
pub(super) fn answer(result: Result<Output, Refusal>) -> Result<Output, Fault> {
    result.or_else(|refusal| match refusal {
        Refusal::Fault(fault) => Err(fault),
        Refusal::Status(status) => Ok(Output::value(status.0)),
    })
}
