//! Virtual time of a procedure and the firmware that it talks to.

use amt_core::Tick;
use amt_sim::Firmware;
use amt_sim::firmware::Input;

/// Nothing is under way: lets time pass up to the next deadline of either side. What the firmware did then is to be drained.
pub(crate) fn pass(now: &mut Tick, firmware: &mut Firmware, deadline: Option<Tick>) {
    let next = [deadline, firmware.deadline()].into_iter().flatten().min().expect("both sides wait for nothing");
    *now = (*now).max(next);
    if firmware.deadline().is_some_and(|at| at <= *now) {
        firmware.handle(*now, Input::Timeout);
    }
}
