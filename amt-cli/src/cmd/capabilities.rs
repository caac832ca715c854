//! `amt capabilities VERSION`: what a firmware can do.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::FirmwareVersion;
use amt_core::version::{FEATURES, SetupKind, TlsVersion};
use serde_json::{Value, json};

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
        let hashes: Vec<String> = can.root_hashes.iter().map(ToString::to_string).collect();
        let mut document: serde_json::Map<String, Value> =
            FEATURES.iter().map(|feature| (feature.name.to_owned(), feature.is_in(version).into())).collect();
        document.extend([
            ("version".to_owned(), version.to_string().into()),
            (
                "tls".to_owned(),
                json!({"min": number(can.tls.min), "max": number(can.tls.max), "forward_secrecy": can.tls.forward_secrecy}),
            ),
            ("engine".to_owned(), if can.tls.forward_secrecy { "rustls" } else { "openssl" }.into()),
            ("suites".to_owned(), json!(can.suites)),
            ("psk_suites".to_owned(), json!(can.psk_suites)),
            ("root_hashes".to_owned(), json!(hashes)),
            ("rsa_bits".to_owned(), json!({"min": can.rsa_bits_min, "advised": can.rsa_bits_advised})),
            ("digest_algorithms".to_owned(), json!(can.digest_algorithms)),
        ]);
        out.show(&document, |w| {
            writeln!(w, "AMT {version}")?;
            for feature in FEATURES {
                writeln!(w, "  {:<3}  {}", if feature.is_in(version) { "yes" } else { "no" }, feature.meaning)?;
            }
            write!(w, "  TLS  {} to {}", number(can.tls.min), number(can.tls.max))?;
            if can.tls.forward_secrecy {
                writeln!(w, ", with forward secrecy")?;
            } else {
                writeln!(w, ", RSA key exchange only: needs the legacy TLS engine")?;
            }
            for suite in can.suites {
                writeln!(w, "         {suite}")?;
            }
            if can.psk {
                writeln!(w, "  with PID and PPS one of these:")?;
                for suite in can.psk_suites {
                    writeln!(w, "         {suite}")?;
                }
            }
            if can.pki {
                let (least, advised) = (can.rsa_bits_min, can.rsa_bits_advised);
                writeln!(w, "  provisioning chain: roots by {}", hashes.join(", "))?;
                writeln!(w, "         RSA keys of at least {least} bits, better {advised}")?;
            }
            writeln!(w, "  digest: {}", can.digest_algorithms.join(", "))?;
            for kind in [SetupKind::Pki, SetupKind::Psk] {
                if let Err(why) = version.check_setup(kind) {
                    writeln!(w, "  {}", why.message)?;
                }
            }
            Ok(())
        })?;
        Ok(Verdict::Done)
    }
}

/// `1.2`: what scripts compare; people read `TLS 1.2`.
fn number(version: TlsVersion) -> String {
    version.to_string().trim_start_matches("TLS ").to_owned()
}
