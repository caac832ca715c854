//! RC4 and 3DES, by a build that has them and a profile that consents. Not part of `cargo xtask test`, because it needs another build of
//! OpenSSL: `cargo test -p amt --features weak-ciphers --test weak_ciphers`.

use amt::tls::{Endpoint, connect, prepare};
use amt_core::ErrorCode;
use amt_core::psk::{Form, PID_LEN, PPS_LEN, PskPair};
use amt_core::tls::{PeerIdentity, Rung, TlsPlan};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVersion};
use std::net::{SocketAddr, TcpListener};

const PID: &str = "AMT1SET7";
const PPS: &str = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";

/// A server of our own, for one connection: those that are installed have these suites compiled out.
fn serve(suite: &str) -> SocketAddr {
    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    builder.set_security_level(0);
    builder.set_max_proto_version(Some(SslVersion::TLS1)).unwrap();
    builder.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    builder.set_cipher_list(suite).unwrap();
    builder.set_psk_server_callback(|_, identity, key| {
        assert_eq!(identity.map(|id| &id[..PID_LEN]), Some(PID.as_bytes()));
        key[..PPS_LEN].copy_from_slice(PPS.as_bytes());
        Ok(PPS_LEN)
    });
    let context = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let _ = Ssl::new(&context).unwrap().accept(stream);
    });
    address
}

fn plan(weak: bool) -> TlsPlan {
    let mut plan = TlsPlan::new(PeerIdentity::Psk(PskPair::parse(PID, PPS, Form::Strict).unwrap()));
    plan.rung = Rung::Legacy;
    plan.weak_ciphers = weak;
    plan
}

#[tokio::test]
async fn they_are_offered_with_consent_only() {
    prepare();
    for (suite, name) in
        [("PSK-RC4-SHA", "TLS_PSK_WITH_RC4_128_SHA"), ("PSK-3DES-EDE-CBC-SHA", "TLS_PSK_WITH_3DES_EDE_CBC_SHA")]
    {
        let refused = connect(&Endpoint::new(serve(suite), &plan(false)), &[]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::TLS_VERSION, "{refused}");
        let (_, outcome) = connect(&Endpoint::new(serve(suite), &plan(true)), &[]).await.unwrap();
        assert_eq!(outcome.suite, name);
    }
}
