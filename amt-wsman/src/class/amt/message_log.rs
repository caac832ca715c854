//! `AMT_MessageLog` (`spec/wsman.md` §3.12).

use super::super::Class;
use super::{blobs, number};
use crate::Error;
use crate::class::class;
use crate::op::{Reply, Request};

/// Most records asked for at once: as many as firmware keeps.
const MOST: u32 = 390;

class! {
    /// The event log. One instance.
    MessageLog = "AMT_MessageLog" {
        /// How many records there are.
        current_number_of_records: Option<u32> = "CurrentNumberOfRecords",
        /// How many there can be.
        max_number_of_records: Option<u32> = "MaxNumberOfRecords",
        /// Whether nothing is written into it now.
        is_frozen: Option<bool> = "IsFrozen",
        /// 2: when it is full, the oldest record gives way.
        overwrite_policy: Option<u32> = "OverwritePolicy",
    }
}

/// Some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagePage {
    /// Where the next ones begin.
    pub next: u32,
    /// Whether these are the last.
    pub is_last: bool,
    /// The records, not decoded; none in place of one that is no base64.
    pub records: Vec<Option<Vec<u8>>>,
}

impl MessageLog {
    /// Return value: there is no record.
    pub const NO_RECORD: &'static [u32] = &[2, 3];

    /// Asks where the first record is; read it with [`position`](Self::position). 2: there is none.
    pub fn position_to_first_record() -> Request {
        Request::invoke(Self::NAME, "PositionToFirstRecord")
    }

    /// The position out of the reply to the request for it.
    pub fn position(reply: &Reply) -> Result<u32, Error> {
        number(reply, "IterationIdentifier")
    }

    /// Reads records from `position` on; read them with [`page`](Self::page). 2: there is no such position, 3: no record.
    pub fn get_records(position: u32) -> Request {
        Request::invoke(Self::NAME, "GetRecords").arg("IterationIdentifier", position).arg("MaxReadRecords", MOST)
    }

    /// The records out of the reply to the request for them.
    pub fn page(reply: &Reply) -> Result<MessagePage, Error> {
        let output = reply.output()?;
        let is_last = output.bool("NoMoreRecords").unwrap_or(false);
        // After the last record some firmware names no position any more.
        let next = if is_last { 0 } else { number(reply, "IterationIdentifier")? };
        Ok(MessagePage { next, is_last, records: blobs(output, "RecordArray") })
    }

    /// Removes all records. 2059 (`EVENTLOG_FROZEN`): not while it is frozen.
    pub fn clear() -> Request {
        Request::invoke(Self::NAME, "ClearLog")
    }

    /// Keeps new records out, or lets them in again.
    pub fn freeze(frozen: bool) -> Request {
        Request::invoke(Self::NAME, "FreezeLog").arg("Freeze", frozen)
    }
}
