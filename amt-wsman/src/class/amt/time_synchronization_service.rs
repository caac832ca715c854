//! `AMT_TimeSynchronizationService` (`spec/wsman.md` §3.4).

use super::super::Class;
use crate::Error;
use crate::class::class;
use crate::op::{Reply, Request};

class! {
    /// The clock. One instance.
    TimeSynchronizationService = "AMT_TimeSynchronizationService" {
        /// Whether the host may set the clock: 0 yes by default, 1 yes, 2 no.
        local_time_sync_enabled: Option<u32> = "LocalTimeSyncEnabled",
        /// 0 BIOS, 1 configured.
        time_source: Option<u32> = "TimeSource",
    }
}

impl TimeSynchronizationService {
    /// Asks for the time; read it with [`time`](Self::time).
    pub fn get_low_accuracy_time_synch() -> Request {
        invoke("GetLowAccuracyTimeSynch")
    }

    /// Time of the device, in seconds since 1970 UTC (`Ta0`), out of the reply to the request for it.
    pub fn time(reply: &Reply) -> Result<u32, Error> {
        let output = reply.output()?;
        let wrong = |_| Error::Property { class: output.class.clone(), property: "Ta0".to_owned(), what: "no number" };
        output.required("Ta0")?.parse().map_err(wrong)
    }

    /// Sets the clock: `ta0` is what the device said, `tm1` our time when it said so, `tm2` our time now.
    pub fn set_high_accuracy_time_synch(ta0: u32, tm1: u32, tm2: u32) -> Request {
        invoke("SetHighAccuracyTimeSynch").arg("Ta0", ta0).arg("Tm1", tm1).arg("Tm2", tm2)
    }
}

fn invoke(method: &str) -> Request {
    Request::invoke(TimeSynchronizationService::NAME, method)
}
