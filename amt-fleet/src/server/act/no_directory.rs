//! What stands for accounts in a directory in a build without LDAP.

use super::super::attempt::Shared;
use crate::Machine;
use amt_core::{ErrorCode, Failure, FirmwareVersion};
use amt_provision::ApplyRecord;
use amt_provision::profile::Desired;

/// Fails where an account is wanted. No configuration that wants one is read by such a build.
pub(super) async fn keep_account(
    shared: &Shared,
    _: &Machine,
    _: Option<FirmwareVersion>,
    _: &mut Desired,
    _: &mut ApplyRecord,
) -> Result<Option<String>, Failure> {
    match &shared.directory {
        None => Ok(None),
        Some(_) => Err(Failure::new(ErrorCode::CONFIG, "directory", "this build cannot speak LDAP")),
    }
}
