//! Any bytes are read as a body of the intake, within its bounds and without a panic; what is read is written and read the same.
#![no_main]

use amt_core::SystemId;
use amt_fleet::fact::{MAX_FACT, MAX_VALUES};
use amt_fleet::intake::wire::{self, AgentFacts, Enroll, Facts, Problem, Status};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(enroll) = wire::read::<Enroll>(data) {
        let text = serde_json::to_vec(&enroll).expect("it is written");
        assert!(wire::read::<Enroll>(&text).expect("it is read again") == enroll);
        check(&enroll.facts, enroll.uuid);
    }
    if let Ok(facts) = wire::read::<Facts>(data) {
        let text = serde_json::to_vec(&facts).expect("it is written");
        assert!(wire::read::<Facts>(&text).expect("it is read again") == facts);
        check(&facts.facts, facts.uuid);
    }
    // A client reads these from a server that may be anybody.
    let _ = wire::read::<Status>(data);
    if let Err(failure) = wire::read::<Problem>(data) {
        assert!(failure.message.len() < 512, "{failure}");
    }
});

/// What is taken is within its limits and stays what it is when it is normalised again.
fn check(facts: &AgentFacts, id: SystemId) {
    if let Ok(report) = facts.report(id) {
        assert!(report.facts.len() <= MAX_VALUES + 9);
        for (key, value) in &report.facts {
            assert!(key.is_for_agents() && value.len() <= MAX_FACT);
            assert_eq!(key.normalise(value).as_deref(), Ok(value.as_str()));
        }
    }
}
