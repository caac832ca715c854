//! The build without OpenSSL says which machines it cannot reach, and tries nothing.
#![cfg(not(feature = "legacy-tls"))]

use amt::tls::{Endpoint, HAS_LEGACY, connect};
use amt_core::ErrorCode;
use amt_core::psk::{Form, PskPair};
use amt_core::tls::{PeerIdentity, Rung, TlsPlan};
use std::net::TcpListener;

#[tokio::test]
async fn old_machines_are_named_and_not_connected_to() {
    assert!(!HAS_LEGACY);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let pair = PskPair::parse("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD", Form::Typed).unwrap();
    let mut old = TlsPlan::new(PeerIdentity::Any);
    old.rung = Rung::Legacy;
    for (plan, machines) in [(old, "AMT before 14"), (TlsPlan::new(PeerIdentity::Psk(pair)), "AMT 2 to 10")] {
        let failure = connect(&Endpoint::new(listener.local_addr().unwrap(), &plan), &[]).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::TLS_LEGACY_MISSING);
        assert!(failure.message.contains(machines) && failure.hint.contains("legacy-tls"), "{failure}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nothing was tried");
}
