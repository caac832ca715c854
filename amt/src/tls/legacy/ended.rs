//! How a handshake of OpenSSL's ended, in the registry's terms.

use crate::tls::{STAGE, io_failure};
use amt_core::pki::connect::{
    Ending, Handshake, explain as explain_handshake, explain_client, explain_nothing_presented,
};
use amt_core::{ErrorCode, Failure};
use openssl::ssl::Error;
use std::io::ErrorKind;

/// An alert from the peer is this plus its number (`SSL_AD_REASON_OFFSET`).
const ALERT: i32 = 1000;
/// `SSL_R_UNEXPECTED_EOF_WHILE_READING`.
const UNEXPECTED_EOF: i32 = 294;
/// Reasons for which another version or suite may help: `SSL_R_UNSUPPORTED_PROTOCOL`, `SSL_R_WRONG_VERSION_NUMBER`,
/// `SSL_R_WRONG_SSL_VERSION`, `SSL_R_UNKNOWN_PROTOCOL`, `SSL_R_UNKNOWN_CIPHER_RETURNED`, `SSL_R_WRONG_CIPHER_RETURNED`,
/// `SSL_R_NO_CIPHERS_AVAILABLE`, `SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC`.
const INCOMPATIBLE: [i32; 8] = [258, 267, 266, 252, 248, 261, 181, 281];

/// What `error` means, given how far the handshake came.
/// `is_console`: what was sent is no provisioning certificate.
pub(super) fn explain(
    error: Error,
    certificate_requested: bool,
    chain_sent: bool,
    psk: bool,
    is_console: bool,
) -> Failure {
    let reason = error.ssl_error().and_then(|stack| stack.errors().first()).map(|e| (e.reason_code(), e.to_string()));
    let ending = match (&reason, error.io_error()) {
        (Some((code, _)), _) if (ALERT..ALERT + 256).contains(code) => {
            Ending::Alert(u8::try_from(code - ALERT).unwrap_or_default())
        }
        (Some((UNEXPECTED_EOF, _)), _) => Ending::Closed,
        (Some((code, text)), _) if INCOMPATIBLE.contains(code) => {
            return Failure::new(ErrorCode::TLS_VERSION, STAGE, format!("nothing in common with the machine: {text}"));
        }
        (Some((_, text)), _) => {
            return Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, format!("the TLS handshake failed: {text}"));
        }
        (None, Some(io)) => match io.kind() {
            ErrorKind::UnexpectedEof => Ending::Closed,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ending::Reset,
            _ => return io_failure(io, "TLS handshake"),
        },
        // No error of either kind is the end of the stream.
        (None, None) => Ending::Closed,
    };
    // This engine signs with every key that it takes: nothing was sent because there was nothing.
    if certificate_requested
        && !chain_sent
        && !psk
        && let Some(failure) = explain_nothing_presented(ending)
    {
        return failure;
    }
    let explain = if is_console { explain_client } else { explain_handshake };
    explain(&Handshake { ending, certificate_requested, chain_sent, psk })
        .unwrap_or_else(|| Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, error.to_string()))
}
