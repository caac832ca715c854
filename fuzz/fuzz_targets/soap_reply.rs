//! A body from the network as a SOAP reply: the tree, the description of it, and a typed class.
#![no_main]

use amt_wsman::class::{Class, amt::TlsCredentialContext, decode};
use amt_wsman::decode::describe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let typed = decode::<TlsCredentialContext>(data);
    let Ok(description) = describe(data) else {
        return;
    };
    let _ = (description.to_string(), description.to_json().to_string());
    // Tokens and tree agree on what the first instance is, where both read one.
    let item = description.items.iter().find(|item| item.class == TlsCredentialContext::NAME);
    if let (Ok(typed), Some(Ok(tree))) = (typed, item.map(TlsCredentialContext::from_instance)) {
        assert_eq!(typed, tree);
    }
});
