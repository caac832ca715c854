//! `AMT_AuditLog` (`spec/wsman.md` §3.12).

use super::super::Class;
use super::{blobs, number};
use crate::Error;
use crate::class::class;
use crate::instance::Value;
use crate::op::{Reply, Request};

class! {
    /// The audit log. One instance.
    AuditLog = "AMT_AuditLog" {
        /// How many records there are.
        current_number_of_records: Option<u32> = "CurrentNumberOfRecords",
        /// How much room is left.
        percentage_free: Option<u32> = "PercentageFree",
        /// 2 when it is on.
        enabled_state: Option<u32> = "EnabledState",
        /// When the last record was written.
        time_of_last_record: Option<Value> = "TimeOfLastRecord",
    }
}

/// Some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditPage {
    /// How many records there are in all.
    pub total: u32,
    /// The records, not decoded; none in place of one that is no base64.
    pub records: Vec<Option<Vec<u8>>>,
}

impl AuditLog {
    /// Reads records from `start` on, which is 1 or more; read them with [`page`](Self::page). Wants realm 20 (audit log) or 3
    /// (administration).
    pub fn read_records(start: u32) -> Request {
        Request::invoke(Self::NAME, "ReadRecords").arg("StartIndex", start)
    }

    /// The records out of the reply to the request for them.
    pub fn page(reply: &Reply) -> Result<AuditPage, Error> {
        Ok(AuditPage { total: number(reply, "TotalRecordCount")?, records: blobs(reply.output()?, "EventRecords") })
    }
}
