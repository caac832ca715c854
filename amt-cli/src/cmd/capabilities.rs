//! `amt capabilities VERSION`: what a firmware can do.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::FirmwareVersion;
use amt_core::version::TlsVersion;
use serde_json::json;

/// What a firmware version can do
#[derive(clap::Args)]
pub(crate) struct Capabilities {
    /// Firmware version, for example 16.1 or 11.8.65.3590
    version: String,
}

impl Capabilities {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let version: FirmwareVersion = self.version.parse().map_err(Error::Usage)?;
        let can = version.capabilities();
        let rows = [
            ("pki", can.pki, "remote configuration with a provisioning certificate"),
            ("psk", can.psk, "remote configuration with PID and PPS"),
            ("wsman", can.wsman, "WS-Management"),
            ("eoi", can.eoi, "the older EOI SOAP interface"),
            ("generate_key_pair", can.generate_key_pair, "key pairs and PKCS#10 made on the device"),
            ("host_based_setup", can.host_based_setup, "setup from the machine's own system"),
            ("secure_host_based_setup", can.secure_host_based_setup, "the same over TLS"),
            ("auth_int", can.auth_int, "digest authentication with body integrity"),
            ("local_tls_enforced", can.local_tls_enforced, "local ports speak TLS only"),
            ("remote_plain_http", can.remote_plain_http, "plain HTTP from the network can be open"),
            ("sha1_chain", can.sha1_chain, "accepts SHA-1 in a provisioning chain"),
        ];
        let mut document = serde_json::Map::from_iter(rows.map(|(name, value, _)| (name.to_owned(), value.into())));
        document.insert("version".to_owned(), version.to_string().into());
        document.insert(
            "tls".to_owned(),
            json!({"min": number(can.tls.min), "max": number(can.tls.max), "forward_secrecy": can.tls.forward_secrecy}),
        );
        out.show(&document, |w| {
            writeln!(w, "AMT {version}")?;
            for (_, value, meaning) in rows {
                writeln!(w, "  {:<3}  {meaning}", if value { "yes" } else { "no" })?;
            }
            write!(w, "  {} to {}", can.tls.min, can.tls.max)?;
            if can.tls.forward_secrecy {
                writeln!(w, ", with forward secrecy")
            } else {
                writeln!(w, ", RSA key exchange only: needs the legacy TLS engine")
            }
        })?;
        Ok(Verdict::Done)
    }
}

/// `1.2`: what scripts compare; people read `TLS 1.2`.
fn number(version: TlsVersion) -> String {
    version.to_string().trim_start_matches("TLS ").to_owned()
}
