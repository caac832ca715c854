//! `amt capabilities VERSION`: what a firmware can do.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::FirmwareVersion;
use amt_core::version::{FEATURES, SetupKind};
use amt_fleet::json::{self, tls_number as number};

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
        out.show(&json::capabilities(version), |w| {
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
