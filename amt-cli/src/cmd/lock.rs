//! One command at work on a machine: those that change how it is set up refuse while another does.

use amt::MachineLock;
use amt_core::{Failure, SystemId};
use std::path::PathBuf;

/// Takes the machine for `command` until what is returned is dropped.
///
/// The locks are this user's on this computer, and the same for all commands, whose records and journals may be other files each time.
pub(super) fn take(id: SystemId, command: &str) -> Result<MachineLock, Failure> {
    MachineLock::take(&folder(), id, &format!("`amt {command}`"))
}

/// Where programs keep what they know between two runs. Accounts of services often have no home that can be written.
fn folder() -> PathBuf {
    let home = if cfg!(windows) {
        std::env::var_os("LOCALAPPDATA").map(PathBuf::from)
    } else {
        let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        named.or_else(|| std::env::home_dir().map(|home| home.join(".local").join("state")))
    };
    let locks = home.map(|home| home.join("amt").join("locks"));
    match locks.filter(|locks| std::fs::create_dir_all(locks).is_ok()) {
        Some(locks) => locks,
        None => std::env::temp_dir().join("amt-locks"),
    }
}
