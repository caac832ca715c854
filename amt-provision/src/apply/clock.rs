//! `time`: `AMT_TimeSynchronizationService` (`spec/wsman.md` §3.4).

use super::{Pass, Run, refused};
use crate::step::Step;
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::TimeSynchronizationService;
use amt_wsman::op::Request;

const LOCAL_SYNC: &str = "LocalTimeSyncEnabled";
const YES: u32 = 1;
const NO: u32 = 2;
/// The clock is set when it is off by more.
const DRIFT: u32 = 10;

impl Run {
    /// Our time, UTC, seconds since 1970.
    fn wall(&self) -> u32 {
        let since = i64::try_from(self.cx.now().0 / 1000).unwrap_or(i64::MAX);
        u32::try_from(self.wall_clock.saturating_add(since)).unwrap_or(u32::MAX)
    }

    /// Whether programs of the machine's own system may set the clock: 0 and 1 are yes, 2 is no.
    pub(super) async fn local_sync(&mut self) -> Result<(), Failure> {
        let field = "time.local_sync";
        let Some(wanted) = self.profile().time.as_ref().and_then(|time| time.local_sync) else { return Ok(()) };
        let instance = self.read(&Request::get(TimeSynchronizationService::NAME)).await?;
        let has = instance.as_ref().and_then(|instance| instance.u32(LOCAL_SYNC));
        let (Some(mut instance), Some(has)) = (instance, has) else {
            self.lacks(field, "the firmware does not tell it");
            return Ok(());
        };
        if (has != NO) != wanted && self.change(field, (has != NO).to_string(), wanted.to_string()) {
            instance.set(LOCAL_SYNC, if wanted { YES } else { NO }.to_string());
            self.write(&Request::put(&instance)).await.map_err(|error| refused(field, error))?;
        }
        Ok(())
    }

    pub(super) async fn clock(&mut self) -> Result<(), Failure> {
        let Some(time) = &self.profile().time else { return Ok(()) };
        if time.set == Some(false) || self.mode == Pass::Verify {
            return Ok(());
        }
        let request = TimeSynchronizationService::get_low_accuracy_time_synch();
        let told = self.session.call(Step::SetClock, &request).await?;
        let received = self.wall();
        let has = TimeSynchronizationService::time(&told).map_err(|error| error.failure(Step::SetClock.name()))?;
        let off = has.abs_diff(received);
        if off > DRIFT && self.change("time.set", format!("{off} s off"), "right") {
            self.begin_write().await?;
            let now = self.wall();
            crate::clock::set(&mut self.session, &told, received, now).await?;
        }
        Ok(())
    }
}
