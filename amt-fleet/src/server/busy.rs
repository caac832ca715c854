//! Which machines somebody works on: an attempt and an action never meet on one machine.

use amt_core::SystemId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The machines that are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<Mutex<HashSet<SystemId>>>);

/// One machine, taken until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    busy: Busy,
    id: SystemId,
}

impl Busy {
    /// Takes a machine, unless it is taken.
    pub(super) fn take(&self, id: SystemId) -> Option<Taken> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        new.then(|| Taken { busy: self.clone(), id })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
