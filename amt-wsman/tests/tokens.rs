//! Log-in by Kerberos: one token a connection, and nothing of a digest.

use amt_core::{ErrorCode, Secret, Tick};
use amt_wsman::client::{Client, ClientConfig, Input, MAX_TOKEN, Output};
use amt_wsman::op::{Reply, Request};
use amt_wsman::soap::{Envelope, Head};
use amt_wsman::{Error, names};

const T0: Tick = Tick(0);
const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nServer: Intel(R) Active Management Technology VERSION\r\n\
                       Date: Thu, 26 Nov 2026 20:00:00 GMT\r\nWWW-Authenticate: Digest realm=\"R\", nonce=\"n\",qop=\"auth\"\r\n\
                       WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n";

fn client() -> Client {
    let mut client = Client::new(ClientConfig::new("10.0.0.5:16993"), [7; 32]);
    client.use_tokens();
    client
}

/// Plays a request; `admits` says of each message, by the token in it, whether it is let in. Returns tokens seen and connections made.
fn play(
    client: &mut Client,
    version: &str,
    size: usize,
    mut admits: impl FnMut(Option<&str>) -> bool,
) -> (Result<Reply, Error>, Vec<Option<String>>) {
    let mut seen = Vec::new();
    client.start(T0, &Request::get("AMT_X")).unwrap();
    loop {
        match client.poll().expect("the client waits for nothing") {
            Output::Done(result) => return (result, seen),
            Output::Connect => {
                assert!(client.wants_token());
                client.set_token(Secret::new(vec![b'0' + u8::try_from(seen.len()).unwrap(); size]));
                client.handle(T0, Input::Connected).unwrap();
            }
            Output::Transmit(bytes) => {
                let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
                let head = std::str::from_utf8(&bytes[..at]).unwrap();
                let token = head.lines().find_map(|line| line.strip_prefix("Authorization: Negotiate "));
                assert_eq!(head.contains("Authorization"), token.is_some(), "{head}");
                seen.push(token.map(str::to_owned));
                let answer = if admits(token) {
                    let envelope = Envelope::decode(&bytes[at + 4..]).unwrap();
                    let body = format!("<h:AMT_X xmlns:h=\"{}\"/>", names::class_uri("AMT_X"));
                    let body = Head::reply(&envelope, "urn:response", "uuid:1").write(|w| {
                        w.raw(&body);
                    });
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nServer: Intel(R) Active Management Technology {version}\r\n\
                         Content-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    [head.as_bytes(), &body].concat()
                } else {
                    REFUSED.replace("VERSION", version).into_bytes()
                };
                client.handle(T0, Input::Bytes(&answer)).unwrap();
            }
        }
    }
}

#[test]
fn a_token_is_sent_once_a_connection() {
    let mut client = client();
    let (result, seen) = play(&mut client, "16.1.25", 3, |_| true);
    assert_eq!((result.is_ok(), seen), (true, vec![Some("MDAw".to_owned())]));
    let (result, seen) = play(&mut client, "16.1.25", 3, |_| true);
    assert_eq!((result.is_ok(), seen), (true, vec![None]), "the connection is logged in");
    client.handle(T0, Input::Closed).unwrap();
    assert!(play(&mut client, "16.1.25", 3, |_| true).1[0].is_some());
}

#[test]
fn a_login_that_was_forgotten_costs_another_connection_and_another_token() {
    let mut client = client();
    play(&mut client, "16.1.25", 3, |_| true).0.unwrap();
    let (result, seen) = play(&mut client, "16.1.25", 3, |token| token.is_some());
    result.unwrap();
    assert_eq!(seen, [None, Some("MTEx".to_owned())], "not the old token");
}

#[test]
fn a_token_that_is_refused_is_not_tried_again_and_no_wrong_password() {
    let (result, seen) = play(&mut client(), "16.1.25", 3, |_| false);
    assert_eq!(seen.len(), 1);
    let date = Some("Thu, 26 Nov 2026 20:00:00 GMT".to_owned());
    assert_eq!(result.clone().unwrap_err(), Error::TicketRefused { offered: true, date });
    assert_eq!(result.unwrap_err().code(), ErrorCode::TICKET_REFUSED);
}

#[test]
fn the_limit_of_old_firmware_is_told_and_afterwards_kept() {
    let mut old = client();
    let size = 3100;
    let (result, seen) = play(&mut old, "5.0.1", size, |_| false);
    let length = seen[0].as_ref().unwrap().len();
    assert!(length > MAX_TOKEN);
    assert_eq!(result.unwrap_err(), Error::TokenTooLarge { size: length, limit: MAX_TOKEN });
    let (result, seen) = play(&mut old, "5.0.1", size, |_| true);
    assert!(matches!(result, Err(Error::TokenTooLarge { .. })) && seen.is_empty(), "the version is known now");
    play(&mut client(), "16.1.25", size, |_| true).0.unwrap();
}

#[test]
fn without_a_token_nothing_is_sent() {
    let mut client = client();
    client.start(T0, &Request::get("AMT_X")).unwrap();
    assert!(matches!(client.poll(), Some(Output::Connect)));
    client.handle(T0, Input::Connected).unwrap();
    assert!(matches!(client.poll(), Some(Output::Done(Err(Error::TokenMissing)))));
}
