//! `time`: `AMT_TimeSynchronizationService` (`spec/wsman.md` §3.4).

use super::{Pass, Run, refused};
use crate::clock::{ClockReading, wall};
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::TimeSynchronizationService;
use amt_wsman::op::Request;

const LOCAL_SYNC: &str = "LocalTimeSyncEnabled";
const YES: u32 = 1;
const NO: u32 = 2;

impl Run {
    /// Whether programs of the machine's own system may set the clock: 0 and 1 are yes, 2 is no.
    pub(super) async fn local_sync(&mut self) -> Result<(), Failure> {
        let field = "time.local_sync";
        let Some(wanted) = self.profile().time.as_ref().and_then(|time| time.local_sync) else { return Ok(()) };
        let instance = self.read(Request::get(TimeSynchronizationService::NAME)).await?;
        let has = instance.as_ref().and_then(|instance| instance.u32(LOCAL_SYNC));
        let (Some(mut instance), Some(has)) = (instance, has) else {
            self.lacks(field, "the firmware does not tell it");
            return Ok(());
        };
        if (has != NO) != wanted && self.change(field, (has != NO).to_string(), wanted.to_string()) {
            instance.set(LOCAL_SYNC, if wanted { YES } else { NO }.to_string());
            self.write(Request::put(&instance)).await.map_err(|error| refused(field, error))?;
        }
        Ok(())
    }

    pub(super) async fn clock(&mut self) -> Result<(), Failure> {
        let Some(time) = &self.profile().time else { return Ok(()) };
        if time.set == Some(false) || self.mode == Pass::Verify {
            return Ok(());
        }
        let seen = ClockReading::take(&self.cx, &mut self.session, self.wall_clock).await?;
        let off = seen.drift().unsigned_abs();
        if seen.is_off() && self.change("time.set", format!("{off} s off"), "right") {
            self.begin_write().await?;
            let now = wall(self.cx.now(), self.wall_clock);
            seen.set(&mut self.session, now).await?;
        }
        Ok(())
    }
}
