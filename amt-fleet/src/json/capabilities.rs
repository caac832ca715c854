//! What a firmware version can do, as a JSON document.

use amt_core::FirmwareVersion;
use amt_core::version::{FEATURES, TlsVersion};
use serde_json::{Map, Value, json};

/// One truth value for each of [`FEATURES`], `version`, `tls`, `engine`, `suites`, `psk_suites`, `root_hashes`, `rsa_bits` and
/// `digest_algorithms`.
pub fn capabilities(version: FirmwareVersion) -> Value {
    let can = version.capabilities();
    let hashes: Vec<String> = can.root_hashes.iter().map(ToString::to_string).collect();
    let mut document: Map<String, Value> =
        FEATURES.iter().map(|feature| (feature.name.to_owned(), feature.is_in(version).into())).collect();
    document.extend([
        ("version".to_owned(), version.to_string().into()),
        (
            "tls".to_owned(),
            json!({"min": tls_number(can.tls.min), "max": tls_number(can.tls.max), "forward_secrecy": can.tls.forward_secrecy}),
        ),
        ("engine".to_owned(), if can.tls.forward_secrecy { "rustls" } else { "openssl" }.into()),
        ("suites".to_owned(), json!(can.suites)),
        ("psk_suites".to_owned(), json!(can.psk_suites)),
        ("root_hashes".to_owned(), json!(hashes)),
        ("rsa_bits".to_owned(), json!({"min": can.rsa_bits_min, "advised": can.rsa_bits_advised})),
        ("digest_algorithms".to_owned(), json!(can.digest_algorithms)),
    ]);
    Value::Object(document)
}

/// `1.2`: what scripts compare; people read `TLS 1.2`.
pub fn tls_number(version: TlsVersion) -> String {
    version.to_string().trim_start_matches("TLS ").to_owned()
}
