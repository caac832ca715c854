//! JSON from a caller as an instance, arguments and selectors: the request made of it is well-formed whatever it says, and what was read is read
//! the same from our own JSON of it.
#![no_main]

use amt_wsman::compose::{arguments, instance, selectors};
use amt_wsman::decode::Description;
use amt_wsman::op::Request;
use amt_wsman::soap::Envelope;
use libfuzzer_sys::fuzz_target;

const CLASS: &str = "AMT_GeneralSettings";

fuzz_target!(|data: &[u8]| {
    let Ok(json) = std::str::from_utf8(data) else { return };
    let read = instance(CLASS, json);
    if let Ok(read) = &read {
        let told = Description::answer(CLASS, None, None, vec![read.clone()]).to_json().to_string();
        assert_eq!(&instance(CLASS, &told).expect("our own JSON"), read);
    }
    let requests = [
        read.map(|read| Request::put(&read)),
        arguments(Request::invoke(CLASS, "Do"), json),
        selectors(Request::get(CLASS), json),
    ];
    for request in requests.into_iter().flatten() {
        let xml = request.encode(1);
        assert!(Envelope::decode(&xml).is_ok(), "{}", String::from_utf8_lossy(&xml));
    }
});
