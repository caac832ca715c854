//! Any file gives facts or an error, and any facts can be judged.
#![no_main]

use amt::certificate::{Bundle, peer_facts};
use amt_core::FirmwareVersion;
use amt_core::pki::{PreflightInput, preflight};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let peer = peer_facts(data);
    let Ok(bundle) = Bundle::from_pem(data, None, None) else { return };
    for version in [None, Some(FirmwareVersion::new(2, 6)), Some(FirmwareVersion::new(16, 0))] {
        let mut input = PreflightInput::new(bundle.facts(), 1_780_000_000);
        input.firmware = version;
        input.peer = Some(&peer);
        for finding in preflight(&input) {
            assert!(!finding.code.is_empty() && !finding.message.is_empty());
        }
    }
});
