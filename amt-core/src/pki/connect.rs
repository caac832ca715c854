//! What a failed TLS handshake with a machine in setup mode means (`spec/hello-tls.md` §4, "After a failed connect").

use crate::{DeviceStatus, ErrorCode, Failure};

/// How far a handshake came and how it ended, as the engine saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Its end.
    pub ending: Ending,
    /// The machine asked for our certificate.
    pub certificate_requested: bool,
    /// We sent our chain, and not an empty list.
    pub chain_sent: bool,
    /// It was a PSK handshake.
    pub psk: bool,
}

/// End of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It succeeded.
    Established,
    /// The machine sent this alert.
    Alert(u8),
    /// The machine closed the connection without an alert.
    Closed,
    /// The machine reset the connection.
    Reset,
}

/// What to tell, and how to go on; `None` if nothing is wrong.
///
/// Of the answers, `TLS_CHAIN_REFUSED` and `TLS_CLOSED` are worth another candidate certificate; `TLS_VERSION` another
/// engine; `TLS_NO_CERTIFICATE_REQUEST` neither: the machine does not wait for PKI.
pub fn explain(handshake: &Handshake) -> Option<Failure> {
    let Handshake { ending, certificate_requested, chain_sent, psk } = *handshake;
    let judged = chain_sent && !psk;
    let failure = |code, text: &str| Some(Failure::new(code, "connect", text));
    let alert = match ending {
        Ending::Established if psk || certificate_requested => return None,
        Ending::Established => {
            return failure(ErrorCode::TLS_NO_CERTIFICATE_REQUEST, "the machine did not ask for our certificate");
        }
        Ending::Closed | Ending::Reset if judged => {
            return failure(
                ErrorCode::TLS_CLOSED,
                "the machine closed the connection without a word after it had received our chain: it judged the chain bad, or \
                 has just left setup mode",
            );
        }
        Ending::Closed => {
            return failure(
                ErrorCode::TLS_CLOSED,
                "the machine closed the connection before it had received our chain",
            );
        }
        Ending::Reset => {
            return failure(ErrorCode::CONNECTION_RESET, "the machine reset the connection during the handshake");
        }
        Ending::Alert(alert) => alert,
    };
    let (code, text) = match alert {
        20 | 51 if psk => (ErrorCode::PSK_WRONG, "the PPS does not match this PID"),
        115 => (ErrorCode::PSK_IDENTITY, "the machine does not know this PID"),
        20 => (ErrorCode::TLS_VERSION, "the machine could not decrypt: old firmware may need TLS 1.0"),
        // With nothing in common to sign with, the certificate list was empty, and that is what was refused.
        40 | 42 | 116 if certificate_requested && !chain_sent && !psk => {
            (ErrorCode::TLS_VERSION, "the machine accepts none of the signatures that this engine makes")
        }
        40 | 41 | 42..=46 | 48 | 49 | 116 if judged => {
            (ErrorCode::TLS_CHAIN_REFUSED, "the machine refused our certificate chain")
        }
        40 | 70 | 71 => (ErrorCode::TLS_VERSION, "no TLS version or cipher suite in common"),
        47 | 50 | 51 => (
            ErrorCode::TLS_HANDSHAKE,
            "the machine could not follow the handshake: version intolerance, or a fault of the engine",
        ),
        _ => (ErrorCode::TLS_HANDSHAKE, "the machine ended the handshake"),
    };
    let text = format!("{text} (alert {alert}, {})", alert_name(alert));
    Some(Failure::new(code, "connect", text).device(DeviceStatus::TlsAlert(alert)))
}

/// The same where what was sent is a console's certificate and no provisioning certificate: to a machine that is set up and lets only those
/// in whose certificate it trusts (mutual TLS).
pub fn explain_client(handshake: &Handshake) -> Option<Failure> {
    let failure = explain(handshake)?;
    let is_judged = handshake.certificate_requested && handshake.chain_sent && !handshake.psk;
    let (text, hint) = match (failure.code, handshake.ending) {
        (ErrorCode::TLS_CHAIN_REFUSED, Ending::Alert(alert)) if is_judged => {
            let hint = match alert {
                45 => "renew the certificate, or set the machine's clock right (`amt clock`)",
                48 => {
                    "have the machine trust the root that issued the certificate (tls.trusted_roots of its profile), or show one of a root that it trusts"
                }
                _ => ErrorCode::TLS_CLIENT_REFUSED.hint(),
            };
            let name = alert_name(alert);
            (format!("the machine refused the certificate that was shown to it (alert {alert}, {name})"), hint)
        }
        (ErrorCode::TLS_CLOSED, _) if is_judged => {
            let text = "the machine closed the connection without a word after the certificate was shown to it: it does not trust it, or is in \
                        setup mode";
            (text.to_owned(), ErrorCode::TLS_CLIENT_REFUSED.hint())
        }
        _ => return Some(failure),
    };
    let mut refused = Failure::new(ErrorCode::TLS_CLIENT_REFUSED, "connect", text).hint(hint);
    refused.device = failure.into_details().device;
    Some(refused)
}

/// What it means that a machine asked for a certificate, none was there to be presented, and the handshake ended like this; `None` if it
/// ended for another reason. A set-up machine asks only where it wants its clients to prove themselves too.
pub fn explain_nothing_presented(ending: Ending) -> Option<Failure> {
    let device = match ending {
        Ending::Alert(alert @ (40..=42 | 48 | 49 | 116)) => Some(DeviceStatus::TlsAlert(alert)),
        Ending::Closed | Ending::Reset => None,
        Ending::Established | Ending::Alert(_) => return None,
    };
    let text = "the machine asks for a provisioning certificate, and none was presented: it is in setup mode, or demands certificates of its clients";
    let mut failure = Failure::new(ErrorCode::TLS_CHAIN_REFUSED, "connect", text);
    failure.device = device;
    Some(
        failure
            .hint("a machine in setup mode is set up by a setup server, with its provisioning certificate; one with mutual TLS wants --client-certificate, or a setup server's `amt fleet console`"),
    )
}

/// Name of an alert, as RFC 8446 §6 and RFC 4279 have it.
pub const fn alert_name(alert: u8) -> &'static str {
    match alert {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        90 => "user_canceled",
        100 => "no_renegotiation",
        112 => "unrecognized_name",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        _ => "not registered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_told_apart() {
        use Ending::{Alert, Closed, Established, Reset};
        use ErrorCode as E;
        let told = |ending, certificate_requested, chain_sent, psk| {
            explain(&Handshake { ending, certificate_requested, chain_sent, psk }).map(|failure| failure.code)
        };
        assert_eq!(told(Established, true, true, false), None);
        assert_eq!(told(Established, false, false, true), None);
        assert_eq!(told(Established, false, false, false), Some(E::TLS_NO_CERTIFICATE_REQUEST));
        for alert in [42, 43, 44, 45, 46, 48, 49, 40, 116] {
            assert_eq!(told(Alert(alert), true, true, false), Some(E::TLS_CHAIN_REFUSED), "{alert}");
        }
        for alert in [40, 70, 71] {
            assert_eq!(told(Alert(alert), false, false, false), Some(E::TLS_VERSION), "{alert}");
        }
        assert_eq!(told(Alert(40), true, false, false), Some(E::TLS_VERSION));
        assert_eq!(told(Alert(20), true, true, false), Some(E::TLS_VERSION));
        for alert in [47, 50, 51, 80] {
            assert_eq!(told(Alert(alert), true, true, false), Some(E::TLS_HANDSHAKE), "{alert}");
        }
        assert_eq!(told(Closed, true, true, false), Some(E::TLS_CLOSED));
        assert_eq!(told(Reset, true, true, false), Some(E::TLS_CLOSED));
        assert_eq!(told(Closed, false, false, false), Some(E::TLS_CLOSED));
        assert_eq!(told(Reset, false, false, false), Some(E::CONNECTION_RESET));
    }

    #[test]
    fn a_machine_that_wanted_a_certificate_and_got_none_is_told_apart() {
        let told = |ending| explain_nothing_presented(ending).map(|failure| failure.code);
        for ending in [Ending::Alert(40), Ending::Alert(42), Ending::Alert(116), Ending::Closed, Ending::Reset] {
            assert_eq!(told(ending), Some(ErrorCode::TLS_CHAIN_REFUSED), "{ending:?}");
        }
        for ending in [Ending::Alert(70), Ending::Alert(80), Ending::Established] {
            assert_eq!(told(ending), None, "{ending:?}");
        }
    }

    #[test]
    fn a_refused_console_is_told_apart_from_a_refused_setup_server() {
        use Ending::{Alert, Closed, Reset};
        let told = |ending, chain_sent| {
            explain_client(&Handshake { ending, certificate_requested: true, chain_sent, psk: false }).unwrap()
        };
        for alert in [42, 43, 44, 45, 46, 48, 49, 40] {
            let failure = told(Alert(alert), true);
            assert_eq!(failure.code, ErrorCode::TLS_CLIENT_REFUSED, "{alert}");
            assert_eq!(failure.device, Some(DeviceStatus::TlsAlert(alert)));
        }
        assert!(told(Alert(48), true).hint.contains("trusted_roots"));
        assert!(told(Alert(45), true).hint.contains("clock"));
        assert_eq!(told(Closed, true).code, ErrorCode::TLS_CLIENT_REFUSED);
        assert_eq!(told(Reset, true).code, ErrorCode::TLS_CLIENT_REFUSED);
        assert_eq!(told(Alert(70), true).code, ErrorCode::TLS_VERSION);
        assert_eq!(told(Closed, false).code, ErrorCode::TLS_CLOSED);
    }

    #[test]
    fn a_wrong_pre_shared_key_is_named() {
        for (alert, word) in [(20, "PPS"), (51, "PPS"), (115, "PID")] {
            let handshake =
                Handshake { ending: Ending::Alert(alert), certificate_requested: false, chain_sent: false, psk: true };
            let failure = explain(&handshake).unwrap();
            assert!(failure.message.contains(word), "{failure}");
            assert_eq!(failure.device, Some(DeviceStatus::TlsAlert(alert)));
        }
    }
}
