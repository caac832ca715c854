//! Which machines somebody works on: an attempt and an action never meet on one machine, and it is decided about in turn.

use amt_core::SystemId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// Machines remembered before those that nobody waits for are forgotten.
const MANY: usize = 1024;

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

/// Turns of those who decide about one machine: who asks later knows more, and must not be overruled by who asked before.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<SystemId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn. It ends when what is returned is dropped.
    pub(super) async fn wait(&self, id: SystemId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= MANY {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(id).or_default())
        };
        turn.lock_owned().await
    }
}
