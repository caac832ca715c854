//! One look at one machine: what is known of it is put before the resolvers, and what follows is written down.

use super::attempt::Shared;
use crate::Machine;
use crate::event::Progress;
use crate::resolve::{self, Decision, decide, has_begun};
use crate::store::{Decide, Decided, Parked};
use amt_core::{ErrorCode, Failure, SystemId};
use std::net::IpAddr;

/// Decides about a machine, and tells what is new.
pub(super) async fn consider(shared: &Shared, id: SystemId) -> Result<Decided, Failure> {
    let _turn = shared.turns.wait(id).await;
    let question = resolve::question(&shared.fleet, id, &shared.defaults).await?;
    let decision = match resolve::ask(&shared.resolvers, &question).await {
        Ok(answer) => decide(&question, answer, &shared.defaults),
        Err(failure) => {
            if has_begun(&question.machine) {
                shared.tell(id, question.machine.address, Progress::Note(format!("the resolver was asked: {failure}")));
            }
            Decision::undecided(&question.machine, &failure)
        }
    };
    let decided = shared.fleet.write(Decide { id, decision }).await?;
    let address = decided.machine.address;
    if let Some(why) = &decided.admitted {
        shared.tell(id, address, Progress::Note(format!("let in: {why}")));
    }
    if let Some(parked) = &decided.parked {
        shared.tell(id, address, parked_progress(parked));
    }
    if let Some(name) = &decided.rename {
        let old = decided.machine.name().unwrap_or_default();
        shared.tell(id, address, Progress::Note(format!("its final name is {name}: it will be renamed from {old}")));
        shared.fleet.news().wake_actions();
    }
    Ok(decided)
}

/// What is told of a machine that is kept out.
pub(super) fn parked_progress(parked: &Parked) -> Progress {
    let code = match parked.code.as_str() {
        "UNKNOWN" | crate::guard::TAKEN_BACK => ErrorCode::NOT_ADMITTED,
        "RESOLVER" => ErrorCode::RESOLVER,
        _ => ErrorCode::IN_USE,
    };
    Progress::Parked(Failure::new(code, "admit", parked.reason.clone()).hint(parked.hint.clone()))
}

impl Shared {
    /// Why a machine that said hello is not provisioned, every time that it says so.
    pub(super) fn tell_parked(&self, machine: &Machine, address: IpAddr) {
        if let Some(parked) = &machine.parked {
            self.tell(machine.id, Some(address), parked_progress(parked));
        }
    }
}
