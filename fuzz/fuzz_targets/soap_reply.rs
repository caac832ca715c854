//! Any document is an envelope or an error; an envelope can be read as a reply to anything.
#![no_main]

use amt_wsman::op::{Reply, Request};
use amt_wsman::soap::Envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(envelope) = Envelope::decode(data) else { return };
    let _ = (envelope.kind(), envelope.fault(), envelope.verb());
    let requests = [
        Request::get("AMT_GeneralSettings"),
        Request::enumerate("CIM_SoftwareIdentity"),
        Request::invoke("AMT_SetupAndConfigurationService", "CommitChanges"),
    ];
    for request in &requests {
        match Reply::decode(request, &envelope) {
            Ok(reply) => {
                let _ = (reply.instances().len(), reply.return_value(), reply.created());
            }
            Err(error) => drop(error.failure("fuzz").to_string()),
        }
    }
});
