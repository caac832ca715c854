//! A body from the network as a SOAP reply: to anything that was asked, as the description of it, and as a typed class.
#![no_main]

use amt_wsman::class::{Class, amt::TlsCredentialContext, decode};
use amt_wsman::decode::describe;
use amt_wsman::op::{Reply, Request};
use amt_wsman::soap::Envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let typed = decode::<TlsCredentialContext>(data);
    let Ok(envelope) = Envelope::decode(data) else { return };
    let requests = [
        Request::get("AMT_GeneralSettings"),
        Request::enumerate("CIM_SoftwareIdentity"),
        Request::invoke("AMT_SetupAndConfigurationService", "CommitChanges"),
    ];
    for request in &requests {
        match Reply::decode(request, &envelope) {
            Ok(reply) => drop((reply.instances().len(), reply.return_value(), reply.created())),
            Err(error) => drop(error.failure("fuzz").to_string()),
        }
    }
    let Ok(description) = describe(data) else { return };
    let _ = (description.to_string(), description.to_json().to_string());
    // Tokens and tree agree on what the first instance is, where both read one.
    let item = description.items.iter().find(|item| item.class == TlsCredentialContext::NAME);
    if let (Ok(typed), Some(Ok(tree))) = (typed, item.map(TlsCredentialContext::from_instance)) {
        assert_eq!(typed, tree);
    }
});
