//! What every call returns.

use amt_core::ErrorCode;

/// Result of a call: 0, or one of the `AMT_E_` codes. A later library may return codes that this header does not list.
pub type amt_status = u32;

/// The call succeeded.
pub const AMT_OK: u32 = 0;

pub(crate) const OK: amt_status = ErrorCode::OK.number();
