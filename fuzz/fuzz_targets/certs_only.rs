//! Any bytes are a "certs-only" PKCS#7 or refused. What is taken from one are certificates, byte for byte as they stand in it.
#![no_main]

use amt_fleet::ca::{MAX_CERTIFICATES, certs_only};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = certs_only(data) {
        assert!((1..=MAX_CERTIFICATES).contains(&found.len()));
        for certificate in &found {
            assert!(data.windows(certificate.len()).any(|part| part == certificate.as_slice()));
        }
    }
});
