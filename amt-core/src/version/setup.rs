//! Whether a firmware can be set up in a way at all: said before anything is tried, with the reason.

use super::FirmwareVersion;
use crate::{ErrorCode, Failure};

/// A way to set up a machine over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupKind {
    /// With a provisioning certificate.
    Pki,
    /// With a pre-shared pair, PID and PPS.
    Psk,
}

impl FirmwareVersion {
    /// Whether this firmware can be set up this way by this library.
    ///
    /// # Errors
    /// `PSK_UNSUPPORTED` or `FIRMWARE_UNSUPPORTED`, with the way that there is instead.
    pub fn check_setup(self, kind: SetupKind) -> Result<(), Failure> {
        let can = self.capabilities();
        let refuse = |code, text: String| Err(Failure::new(code, "start", text));
        let name = format!("AMT {}.{}", self.major, self.minor);
        match kind {
            SetupKind::Pki if !can.pki => {
                refuse(ErrorCode::FIRMWARE_UNSUPPORTED, format!("{name} has no PKI configuration; use a PID/PPS pair"))
            }
            SetupKind::Psk if !can.psk => refuse(
                ErrorCode::PSK_UNSUPPORTED,
                format!("{name} has no pre-shared keys, which ended with AMT 10; use a provisioning certificate"),
            ),
            _ => self.check_managed(),
        }
    }

    /// Whether this firmware speaks the protocol of this library.
    ///
    /// # Errors
    /// `FIRMWARE_UNSUPPORTED`.
    pub fn check_managed(self) -> Result<(), Failure> {
        if self.capabilities().wsman {
            return Ok(());
        }
        let Self { major, minor, .. } = self;
        let text = format!("AMT {major}.{minor} speaks only the older SOAP interface, which is not built yet");
        Err(Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, "start", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_the_way_out() {
        let told = |major, minor, kind| {
            FirmwareVersion::new(major, minor).check_setup(kind).map_err(|f| (f.code, f.into_details().message))
        };
        let unsupported = |text: &str| Err((ErrorCode::FIRMWARE_UNSUPPORTED, text.to_owned()));
        let no_pki = "AMT 2.5 has no PKI configuration; use a PID/PPS pair";
        assert_eq!(told(2, 5, SetupKind::Pki), unsupported(no_pki));
        let soap = "AMT 2.5 speaks only the older SOAP interface, which is not built yet";
        assert_eq!(told(2, 5, SetupKind::Psk), unsupported(soap));
        assert_eq!(told(2, 6, SetupKind::Pki), unsupported(&soap.replace("2.5", "2.6")));
        assert_eq!(told(11, 0, SetupKind::Psk).unwrap_err().0, ErrorCode::PSK_UNSUPPORTED);
        for (major, kind) in [(3, SetupKind::Pki), (3, SetupKind::Psk), (10, SetupKind::Psk), (22, SetupKind::Pki)] {
            assert_eq!(told(major, 0, kind), Ok(()));
        }
    }
}
