//! The client against scripted exchanges of bytes, in virtual time.

use amt_core::{ErrorCode, Secret, Tick};
use amt_wsman::Error;
use amt_wsman::client::{Client, ClientConfig, Credentials, Input, MAX_PULLS, Output};
use amt_wsman::digest::{Challenge, Subject};
use amt_wsman::instance::Instance;
use amt_wsman::op::{Reply, Request};
use amt_wsman::soap::{Envelope, Fault, Head, Reference};
use amt_wsman::{names, ns};

const REALM: &str = "Digest:62FF0A8E1D9F1C2B3A4958676A7B8C9D";
const PASSWORD: &str = "P@ssw0rd";
const T0: Tick = Tick(1000);

/// What the other side does with one request.
enum Then {
    /// Answers with these bytes.
    Say(Vec<u8>),
    /// Answers with these bytes and ends the connection.
    SayAndClose(Vec<u8>),
    /// Ends the connection.
    Close,
    /// Says nothing.
    Stall,
}

/// What `play` saw.
#[derive(Default, Debug)]
struct Log {
    /// Connections opened.
    connects: usize,
    /// Nonce of each request's login.
    logins: Vec<Option<String>>,
    /// Last part of each request's action.
    verbs: Vec<String>,
}

/// Plays a request to its end; `device` sees each message of it and says what happens then.
fn play(client: &mut Client, request: &Request, mut device: impl FnMut(&Seen) -> Then) -> (Result<Reply, Error>, Log) {
    let mut log = Log::default();
    client.start(T0, request).unwrap();
    loop {
        match client.poll().expect("the client waits for nothing") {
            Output::Done(result) => {
                assert!(client.poll().is_none() && client.deadline().is_none());
                return (result, log);
            }
            Output::Connect => {
                log.connects += 1;
                client.handle(T0, Input::Connected).unwrap();
            }
            Output::Transmit(bytes) => {
                assert_eq!(client.deadline(), Some(Tick(31_000)));
                let seen = Seen::read(&bytes);
                log.logins.push(seen.nonce());
                log.verbs.push(seen.envelope.verb().to_owned());
                match device(&seen) {
                    Then::Say(bytes) => client.handle(T0, Input::Bytes(&bytes)).unwrap(),
                    Then::SayAndClose(bytes) => {
                        client.handle(T0, Input::Bytes(&bytes)).unwrap();
                        if client.deadline().is_some() {
                            client.handle(T0, Input::Closed).unwrap();
                        }
                    }
                    Then::Close => client.handle(T0, Input::Closed).unwrap(),
                    Then::Stall => {
                        client.handle(Tick(30_999), Input::Timeout).unwrap();
                        assert!(client.poll().is_none(), "too early");
                        client.handle(Tick(31_000), Input::Timeout).unwrap();
                    }
                }
            }
        }
    }
}

/// A request as the device reads it.
struct Seen {
    head: String,
    body: Vec<u8>,
    envelope: Envelope,
}

impl Seen {
    fn read(bytes: &[u8]) -> Self {
        let (head, body) = split(bytes);
        let head = String::from_utf8(head.to_vec()).unwrap();
        assert!(head.starts_with("POST /wsman HTTP/1.1\r\nHost: 10.0.0.5:16992"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())) && !head.contains("Expect"));
        let envelope = Envelope::decode(body).unwrap();
        Self { head, body: body.to_vec(), envelope }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let line = self.head.lines().find(|line| line.starts_with("Authorization: "))?;
        let value = line.split([' ', ',']).find_map(|part| part.strip_prefix(&format!("{name}=")))?;
        Some(value.trim_matches('"').to_owned())
    }

    fn nonce(&self) -> Option<String> {
        self.parameter("nonce")
    }

    /// Whether the login is right for this challenge.
    fn logged_in(&self, challenge: &str) -> bool {
        let challenge = Challenge::select([challenge]).unwrap();
        let Some(nonce) = self.nonce() else { return false };
        let count = u32::from_str_radix(&self.parameter("nc").unwrap(), 16).unwrap();
        let subject = Subject { method: "POST", uri: "/wsman", body: &self.body };
        let expected = challenge.response("admin", PASSWORD, subject, count, &self.parameter("cnonce").unwrap());
        nonce == challenge.nonce && self.parameter("response") == Some(expected)
    }

    /// A reply with this body.
    fn ok(&self, body: &str) -> Vec<u8> {
        let envelope = Head::reply(&self.envelope, "urn:response", "uuid:1").write(|w| {
            w.raw(body);
        });
        respond("200 OK", "Content-Type: application/soap+xml; charset=UTF-8", &envelope)
    }

    /// A reply with an instance in which `A` is 1.
    fn instance(&self) -> Vec<u8> {
        self.ok(&format!("<h:AMT_X xmlns:h=\"{}\"><h:A>1</h:A></h:AMT_X>", names::class_uri("AMT_X")))
    }
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (&bytes[..at], &bytes[at + 4..])
}

fn respond(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let server = "Server: Intel(R) Active Management Technology 16.1.25.2124";
    let head = format!("HTTP/1.1 {status}\r\n{server}\r\n{fields}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A challenge header over this nonce.
fn digest(nonce: &str) -> String {
    format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\",stale=\"false\",qop=\"auth\"")
}

/// A 401 with this challenge.
fn refuse(header: &str) -> Vec<u8> {
    let fields = format!("WWW-Authenticate: {header}\r\nContent-Type: text/html\r\nConnection: close");
    respond("401 Unauthorized", &fields, b"<html>log on failed or locked</html>")
}

/// The same without `Connection: close`.
fn refuse_and_keep(header: &str) -> Vec<u8> {
    String::from_utf8(refuse(header)).unwrap().replacen("\r\nConnection: close", "", 1).into_bytes()
}

fn client() -> Client {
    let mut client = Client::new(ClientConfig::new("10.0.0.5:16992"), [7; 32]);
    client.set_credentials(Some(Credentials::new("admin", PASSWORD)));
    client
}

/// A client that has logged in over nonce `n1`.
fn logged_in() -> Client {
    let mut client = client();
    let (result, _) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    result.unwrap();
    client
}

/// A device that wants a login over this nonce and then answers Get.
fn admit(nonce: &str) -> impl FnMut(&Seen) -> Then {
    let header = digest(nonce);
    move |seen| match seen.logged_in(&header) {
        true => Then::Say(seen.instance()),
        false => Then::SayAndClose(refuse(&header)),
    }
}

fn nonces(expected: &[Option<&str>]) -> Vec<Option<String>> {
    expected.iter().map(|nonce| nonce.map(str::to_owned)).collect()
}

#[test]
fn a_challenge_with_close_is_answered_on_a_new_connection_and_then_cached() {
    let mut client = client();
    assert!(!client.challenged());
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    assert_eq!(result.unwrap().instance().unwrap().text("A"), Some("1"));
    assert_eq!((log.logins, log.connects), (nonces(&[None, Some("n1")]), 2));
    assert!(client.challenged() && client.authenticated());
    assert_eq!(client.realm(), Some(REALM));
    assert_eq!(client.version().unwrap().to_string(), "16.1.25.2124");

    let mut counts = Vec::new();
    let (result, log) = play(&mut client, &Request::get("AMT_X"), |seen| {
        counts.push(seen.parameter("nc").unwrap());
        admit("n1")(seen)
    });
    result.unwrap();
    assert_eq!((log.logins, log.connects), (nonces(&[Some("n1")]), 0), "same connection, cached nonce");
    assert_eq!(counts, ["00000002"]);
}

#[test]
fn without_a_challenge_no_login_is_sent() {
    let mut client = client();
    for connects in [1, 0] {
        let (result, log) = play(&mut client, &Request::get("AMT_X"), |seen| Then::Say(seen.instance()));
        result.unwrap();
        assert_eq!((log.logins, log.connects), (nonces(&[None]), connects));
    }
    assert!(!client.challenged() && !client.authenticated());
}

#[test]
fn a_reset_nonce_costs_one_retry_whether_or_not_it_is_called_stale() {
    for stale in ["true", "false"] {
        let mut client = logged_in();
        let header = digest("n2").replace("stale=\"false\"", &format!("stale=\"{stale}\""));
        let (result, log) = play(&mut client, &Request::get("AMT_X"), |seen| match seen.logged_in(&header) {
            true => Then::Say(seen.instance()),
            false => Then::Say(refuse_and_keep(&header)),
        });
        result.unwrap();
        assert_eq!(log.logins, nonces(&[Some("n1"), Some("n2")]), "stale {stale}");
        assert_eq!(log.connects, 0, "a challenge without close is answered on the same connection");
    }
}

#[test]
fn an_access_list_change_resets_the_login_and_the_next_request_recovers() {
    let mut client = logged_in();
    let set = Request::invoke("AMT_AuthorizationService", "SetAdminAclEntryEx").arg("Username", "admin");
    let output = "<SetAdminAclEntryEx_OUTPUT><ReturnValue>0</ReturnValue></SetAdminAclEntryEx_OUTPUT>";
    let (result, _) = play(&mut client, &set, |seen| {
        assert!(seen.logged_in(&digest("n1")));
        Then::Say(seen.ok(output))
    });
    assert!(result.unwrap().return_value().unwrap().is_success());
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n2"));
    result.unwrap();
    assert_eq!(log.logins, nonces(&[Some("n1"), Some("n2")]));
}

#[test]
fn a_nonce_stale_on_arrival_gets_one_more_try() {
    let mut answers = [digest("n1"), digest("n2").replace("false", "true")].into_iter();
    let (result, log) = play(&mut client(), &Request::get("AMT_X"), |seen| match answers.next() {
        Some(header) => Then::SayAndClose(refuse(&header)),
        None => Then::Say(seen.instance()),
    });
    result.unwrap();
    assert_eq!(log.logins, nonces(&[None, Some("n1"), Some("n2")]));
}

#[test]
fn a_wrong_password_is_tried_exactly_once() {
    let mut number = 1;
    let mut device = |_: &Seen| {
        number += 1;
        Then::SayAndClose(refuse(&digest(&format!("n{number}"))))
    };
    let (result, log) = play(&mut client(), &Request::get("AMT_X"), &mut device);
    assert_eq!(result, Err(Error::WrongOrLocked { worked_before: false, refused: 1 }));
    assert_eq!(log.logins, nonces(&[None, Some("n2")]));

    let (result, log) = play(&mut logged_in(), &Request::get("AMT_X"), &mut device);
    let error = result.unwrap_err();
    assert_eq!(error, Error::WrongOrLocked { worked_before: true, refused: 1 });
    assert_eq!(log.logins, nonces(&[Some("n1"), Some("n4")]));
    let failure = error.failure("test");
    assert_eq!(failure.code, ErrorCode::WRONG_OR_LOCKED);
    assert!(failure.hint.contains("worked before"));
}

#[test]
fn our_own_refused_logins_say_whether_the_account_is_likelier_locked() {
    let mut number = 1;
    let mut device = |_: &Seen| {
        number += 1;
        Then::SayAndClose(refuse(&digest(&format!("n{number}"))))
    };
    let mut client = client();
    let mut hints = Vec::new();
    for refused in 1..=3 {
        let (result, _) = play(&mut client, &Request::get("AMT_X"), &mut device);
        let error = result.unwrap_err();
        assert_eq!(error, Error::WrongOrLocked { worked_before: false, refused });
        hints.push(error.failure("test").into_details().hint.into_owned());
    }
    assert!(hints[0].contains("first try of this session, so the password is likelier wrong"), "{}", hints[0]);
    assert_eq!(hints[1], ErrorCode::WRONG_OR_LOCKED.hint());
    assert!(hints[2].contains("3 logins were refused") && hints[2].contains("likelier locked"), "{}", hints[2]);
    // Another password of the same account is a try more; another account has a lock of its own.
    client.set_credentials(Some(Credentials::new("admin", "another".to_owned())));
    let (result, _) = play(&mut client, &Request::get("AMT_X"), &mut device);
    assert_eq!(result, Err(Error::WrongOrLocked { worked_before: false, refused: 4 }));
    client.set_credentials(Some(Credentials::new("reader", "another".to_owned())));
    let (result, _) = play(&mut client, &Request::get("AMT_X"), &mut device);
    assert_eq!(result, Err(Error::WrongOrLocked { worked_before: false, refused: 1 }));
}

#[test]
fn a_device_that_is_stale_for_ever_is_given_up() {
    let header = digest("n").replace("false", "true");
    let (result, log) = play(&mut client(), &Request::get("AMT_X"), |_| Then::SayAndClose(refuse(&header)));
    assert!(matches!(result, Err(Error::WrongOrLocked { .. })));
    assert_eq!(log.logins.len(), 3);
}

#[test]
fn another_realm_gets_no_digest() {
    let mut client = client();
    client.expect_realm(Some("Digest:OTHER".into()));
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    let expected = Error::RealmMismatch { expected: "Digest:OTHER".into(), found: REALM.into() };
    assert_eq!(result, Err(expected.clone()));
    assert_eq!(log.logins, nonces(&[None]));

    let mut client = logged_in();
    client.expect_realm(Some("Digest:OTHER".into()));
    client.start(T0, &Request::get("AMT_X")).unwrap();
    assert_eq!(client.poll(), Some(Output::Done(Err(expected))), "a cached challenge is checked too");
}

#[test]
fn a_login_without_credentials_or_digest_is_reported() {
    let mut client = client();
    client.set_credentials(None);
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    assert_eq!((result, log.connects), (Err(Error::LoginRequired), 1));
    assert!(client.challenged() && client.realm() == Some(REALM));
    client.set_credentials(Some(Credentials::new("admin", Secret::from(PASSWORD))));
    let (result, _) = play(&mut client, &Request::get("AMT_X"), |_| Then::SayAndClose(refuse("Negotiate")));
    assert!(matches!(result, Err(Error::AuthUnsupported { .. })));
}

#[test]
fn other_credentials_need_another_connection() {
    let mut client = logged_in();
    client.set_credentials(Some(Credentials::new("admin", PASSWORD)));
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n2"));
    result.unwrap();
    assert_eq!((log.logins, log.connects), (nonces(&[None, Some("n2")]), 2));
}

#[test]
fn auth_int_covers_the_body() {
    let header = digest("n").replace("qop=\"auth\"", "qop=\"auth,auth-int\"");
    let (result, log) = play(&mut client(), &Request::get("AMT_X"), |seen| match seen.logged_in(&header) {
        true => {
            assert_eq!(seen.parameter("qop").as_deref(), Some("auth-int"));
            Then::Say(seen.instance())
        }
        false => Then::SayAndClose(refuse(&header)),
    });
    result.unwrap();
    assert_eq!(log.logins.len(), 2);
}

#[test]
fn pages_faults_and_other_statuses_are_told_apart() {
    let page = |status| respond(status, "Content-Type: text/html\r\nConnection: close", b"<html>no</html>");
    let soap = |body| respond("200 OK", "Content-Type: application/soap+xml", body);
    let failure = |bytes: Vec<u8>| {
        let (result, _) = play(&mut client(), &Request::get("AMT_X"), |_| Then::SayAndClose(bytes.clone()));
        result.unwrap_err().failure("get")
    };
    assert_eq!(failure(page("503 Unavailable")).into_details().device.unwrap().to_string(), "HTTP status 503");
    for (bytes, code) in [
        (page("400 Bad Request"), ErrorCode::NOT_SOAP),
        (page("200 OK"), ErrorCode::NOT_SOAP),
        (page("404 Not Found"), ErrorCode::HTTP_STATUS),
        (page("503 Unavailable"), ErrorCode::HTTP_STATUS),
        (soap(b""), ErrorCode::NOT_SOAP),
        (soap(b"<a>"), ErrorCode::XML_MALFORMED),
        (soap(b"<a>&x;</a>"), ErrorCode::XML_REFUSED),
        (soap(b"<a/>"), ErrorCode::SOAP_UNEXPECTED),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec(), ErrorCode::HTTP_MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec(), ErrorCode::REPLY_TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<a".to_vec(), ErrorCode::REPLY_TRUNCATED),
        (b"HTT".to_vec(), ErrorCode::REPLY_TRUNCATED),
        (b"".to_vec(), ErrorCode::CONNECTION_CLOSED),
    ] {
        assert_eq!(failure(bytes.clone()).code, code, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_fault_with_status_400_is_the_devices_own_word() {
    let fault = Fault::new("Sender", "AlreadyExists", "exists");
    let (result, _) = play(&mut client(), &Request::create(&Instance::new("AMT_X")), |seen| {
        Then::SayAndClose(respond("400 Bad Request", "Connection: close", &fault.reply(&seen.envelope, "uuid:1")))
    });
    let error = result.unwrap_err();
    assert_eq!(error.subcode(), Some("AlreadyExists"));
    let failure = error.failure("create");
    assert_eq!(failure.code, ErrorCode::SOAP_FAULT);
    assert_eq!(failure.into_details().device.unwrap().to_string(), "SOAP fault Sender/AlreadyExists: exists");
}

#[test]
fn an_answer_to_another_message_is_refused() {
    let (result, _) = play(&mut client(), &Request::get("AMT_X"), |seen| {
        let text = String::from_utf8(seen.instance()).unwrap();
        Then::Say(text.replace("<a:RelatesTo>1<", "<a:RelatesTo>9<").into_bytes())
    });
    assert_eq!(result.unwrap_err().code(), ErrorCode::SOAP_UNEXPECTED);
    let echo = |seen: &Seen| Then::Say(respond("200 OK", "X: y", &seen.body));
    let (result, _) = play(&mut client(), &Request::get("AMT_X"), echo);
    assert_eq!(result.unwrap_err().code(), ErrorCode::SOAP_UNEXPECTED, "an echo is no reply");
}

#[test]
fn a_zero_padded_chunked_reply_is_read_whichever_way_it_is_split() {
    let request = Request::get("AMT_X");
    let seen = Seen::read(&amt_wsman::http::post("/wsman", "10.0.0.5:16992", None, &request.encode(1)));
    let reply = seen.instance();
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in split(&reply).1.chunks(0x1ca) {
        wire.extend_from_slice(format!("{:04X}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0000\r\n\r\n");
    let open = || {
        let mut client = client();
        client.start(T0, &request).unwrap();
        assert_eq!(client.poll(), Some(Output::Connect));
        client.handle(T0, Input::Connected).unwrap();
        assert!(matches!(client.poll(), Some(Output::Transmit(_))));
        client
    };
    let done = |client: &mut Client| match client.poll() {
        Some(Output::Done(result)) => result,
        other => panic!("{other:?}"),
    };
    for cut in 1..wire.len() {
        let mut client = open();
        client.handle(T0, Input::Bytes(&wire[..cut])).unwrap();
        assert!(client.poll().is_none());
        client.handle(T0, Input::Bytes(&wire[cut..])).unwrap();
        assert_eq!(done(&mut client).unwrap().instance().unwrap().text("A"), Some("1"), "split at {cut}");

        let mut client = open();
        client.handle(T0, Input::Bytes(&wire[..cut])).unwrap();
        client.handle(T0, Input::Closed).unwrap();
        assert_eq!(done(&mut client), Err(Error::Truncated), "cut at {cut}");
    }
}

#[test]
fn a_request_whose_reply_is_lost_is_never_sent_again() {
    let mut client = logged_in();
    let (result, log) = play(&mut client, &Request::invoke("AMT_X", "CommitChanges"), |_| Then::Close);
    assert_eq!(result, Err(Error::Closed { sent: true }));
    assert_eq!(log.verbs, ["CommitChanges"]);
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    result.unwrap();
    assert_eq!(log.connects, 1, "the next request opens a connection");
}

#[test]
fn a_silent_device_runs_into_the_deadline() {
    let mut client = logged_in();
    let (result, log) = play(&mut client, &Request::get("AMT_X"), |_| Then::Stall);
    assert_eq!((result.unwrap_err().code(), log.verbs.len()), (ErrorCode::REPLY_TIMEOUT, 1));
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    result.unwrap();
    assert_eq!(log.connects, 1, "a late reply must not answer the next request");
}

#[test]
fn an_idle_close_is_noticed_before_the_next_request_leaves() {
    let mut client = logged_in();
    client.handle(T0, Input::Closed).unwrap();
    assert!(client.poll().is_none());
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    result.unwrap();
    assert_eq!((log.connects, log.logins), (1, nonces(&[Some("n1")])));

    // The close comes between start and poll: the bytes never left.
    client.start(T0, &Request::get("AMT_X")).unwrap();
    client.handle(T0, Input::Closed).unwrap();
    assert_eq!(client.poll(), Some(Output::Connect));
    client.handle(T0, Input::Connected).unwrap();
    assert!(matches!(client.poll(), Some(Output::Transmit(_))));
    client.handle(T0, Input::Closed).unwrap();
    assert_eq!(client.poll(), Some(Output::Done(Err(Error::Closed { sent: true }))), "now they have");
}

#[test]
fn a_connection_that_cannot_be_opened_sent_nothing() {
    let mut client = client();
    client.start(T0, &Request::get("AMT_X")).unwrap();
    assert_eq!(client.poll(), Some(Output::Connect));
    client.handle(T0, Input::Closed).unwrap();
    assert_eq!(client.poll(), Some(Output::Done(Err(Error::Closed { sent: false }))));
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut client = client();
    assert!(matches!(client.handle(T0, Input::Connected), Err(Error::Unexpected { .. })));
    client.start(T0, &Request::get("AMT_X")).unwrap();
    assert_eq!(client.start(T0, &Request::get("AMT_X")), Err(Error::Busy));
    assert_eq!(client.handle(T0, Input::Connected), Err(Error::NotDrained));
    assert_eq!(client.poll(), Some(Output::Connect));
    assert!(matches!(client.handle(T0, Input::Bytes(b"x")), Err(Error::Unexpected { .. })));
    client.handle(T0, Input::Connected).unwrap();
    assert!(matches!(client.poll(), Some(Output::Transmit(_))));
}

#[test]
fn a_cancelled_request_leaves_the_client_usable() {
    for drained in [false, true] {
        let mut client = logged_in();
        client.start(T0, &Request::get("AMT_X")).unwrap();
        if drained {
            assert!(matches!(client.poll(), Some(Output::Transmit(_))));
        }
        client.cancel();
        assert!(client.poll().is_none() && client.deadline().is_none());
        let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
        result.unwrap();
        assert_eq!(log.connects, 1, "the reply to the cancelled request must not be taken for this one's");
    }
}

#[test]
fn bytes_nobody_asked_for_end_the_use_of_the_connection() {
    let mut client = logged_in();
    client.handle(T0, Input::Bytes(b"HTTP/1.1 408 Timeout\r\n\r\n")).unwrap();
    client.handle(T0, Input::Bytes(b"more")).unwrap();
    let (result, log) = play(&mut client, &Request::get("AMT_X"), admit("n1"));
    result.unwrap();
    assert_eq!(log.connects, 1);
}

/// Answers Enumerate with context `c0`, and Pull number n, which must name context `c(n-1)`, with `pages(n)`.
fn enumerator(mut pages: impl FnMut(usize) -> String) -> impl FnMut(&Seen) -> Then {
    let mut pull = 0;
    move |seen| {
        if seen.envelope.verb() == "Enumerate" {
            pull = 0;
        } else {
            assert_eq!(seen.envelope.body[0].child("EnumerationContext").unwrap().text, format!("c{pull}"));
        }
        let inner = match seen.envelope.verb() {
            "Enumerate" => "<n:EnumerationContext>c0</n:EnumerationContext>".to_owned(),
            "Pull" => {
                pull += 1;
                pages(pull)
            }
            _ => return Then::Say(seen.ok("")),
        };
        let name = format!("n:{}Response", seen.envelope.verb());
        Then::Say(seen.ok(&format!("<{name} xmlns:n=\"{}\">{inner}</{name}>", ns::ENUMERATION)))
    }
}

/// So many items, numbered from `from`, and the next context, or the end.
fn page(items: usize, from: usize, next: Option<usize>) -> String {
    let items: String = (from..from + items).map(|n| format!("<AMT_X><I>{n}</I></AMT_X>")).collect();
    let end = match next {
        Some(next) => format!("<n:EnumerationContext>c{next}</n:EnumerationContext>"),
        None => "<n:EndOfSequence/>".to_owned(),
    };
    format!("<n:Items>{items}</n:Items>{end}")
}

#[test]
fn an_enumeration_pulls_until_the_end() {
    let device = enumerator(|n| if n < 3 { page(2, n * 2 - 2, Some(n)) } else { page(1, 4, None) });
    let (result, log) = play(&mut client(), &Request::enumerate("AMT_X"), device);
    let reply = result.unwrap();
    let found: Vec<_> = reply.instances().iter().map(|instance| instance.u32("I").unwrap()).collect();
    assert_eq!(found, [0, 1, 2, 3, 4]);
    assert_eq!(log.verbs, ["Enumerate", "Pull", "Pull", "Pull"]);
}

#[test]
fn an_enumeration_without_end_is_bounded_and_released() {
    let mut config = ClientConfig::new("10.0.0.5:16992");
    config.max_items = 10;
    let mut client = Client::new(config, [7; 32]);
    let (result, log) = play(&mut client, &Request::enumerate("AMT_X"), enumerator(|n| page(4, 0, Some(n))));
    assert_eq!(result, Err(Error::Enumeration { limit: 10, unit: "instances" }));
    assert_eq!(log.verbs, ["Enumerate", "Pull", "Pull", "Pull", "Release"]);

    let (result, log) = play(&mut client, &Request::enumerate("AMT_X"), enumerator(|n| page(0, 0, Some(n))));
    assert_eq!(result, Err(Error::Enumeration { limit: MAX_PULLS, unit: "messages" }));
    assert_eq!(log.verbs.last().map(String::as_str), Some("Release"));

    let big = "x".repeat(1_000_000);
    let large = |n: usize| format!("<n:Items><A>{big}</A></n:Items>{}", page(0, 0, Some(n)));
    let (result, log) = play(&mut client, &Request::enumerate("AMT_X"), enumerator(large));
    assert!(matches!(result, Err(Error::Enumeration { unit: "bytes", .. })));
    assert_eq!(log.verbs.len(), 11, "nine replies of 1 MB exceed 8 MiB; with Enumerate and Release, eleven messages");
}

#[test]
fn a_pull_that_fails_releases_what_the_device_still_keeps() {
    let table: [(&str, &[&str]); 2] =
        [("QuotaLimit", &["Enumerate", "Pull", "Release"]), ("InvalidEnumerationContext", &["Enumerate", "Pull"])];
    for (subcode, verbs) in table {
        let fault = Fault::new("Receiver", subcode, "");
        let mut enumerate = enumerator(|_| unreachable!());
        let (result, log) = play(&mut client(), &Request::enumerate("AMT_X"), |seen| match seen.envelope.verb() {
            "Enumerate" => enumerate(seen),
            _ => Then::Say(respond("400 Bad Request", "X: y", &fault.reply(&seen.envelope, "uuid:1"))),
        });
        assert_eq!(result.unwrap_err().subcode(), Some(subcode));
        assert_eq!(log.verbs, verbs);
    }
}

#[test]
fn a_challenge_inside_an_enumeration_repeats_that_message_only() {
    let mut client = logged_in();
    let mut device = enumerator(|_| page(1, 0, None));
    let mut challenged = false;
    let (result, log) = play(&mut client, &Request::enumerate("AMT_X"), |seen| {
        if seen.envelope.verb() == "Pull" && !std::mem::replace(&mut challenged, true) {
            return Then::SayAndClose(refuse(&digest("n2")));
        }
        device(seen)
    });
    assert_eq!(result.unwrap().instances().len(), 1);
    assert_eq!(log.verbs, ["Enumerate", "Pull", "Pull"]);
    assert_eq!(log.logins, nonces(&[Some("n1"), Some("n1"), Some("n2")]));
}

#[test]
fn no_secret_shows_in_debug() {
    let mut client = client();
    client.start(T0, &Request::invoke("AMT_X", "Set").arg("Password", "Geheim!1")).unwrap();
    client.poll();
    client.handle(T0, Input::Connected).unwrap();
    let output = client.poll().unwrap();
    assert!(matches!(&output, Output::Transmit(bytes) if String::from_utf8_lossy(bytes).contains("Geheim!1")));
    let shown = format!("{output:?}");
    assert!(shown.starts_with("Transmit(") && !shown.contains("Geheim") && shown.len() < 30, "{shown}");
    assert!(!format!("{:?}", Credentials::new("admin", PASSWORD)).contains(PASSWORD));
}

#[test]
fn client_nonces_differ_and_follow_the_seed() {
    let client_nonces = |seed| {
        let mut client = Client::new(ClientConfig::new("10.0.0.5:16992"), seed);
        client.set_credentials(Some(Credentials::new("admin", PASSWORD)));
        let mut found = Vec::new();
        for _ in 0..3 {
            let (result, _) = play(&mut client, &Request::get("AMT_X"), |seen| {
                found.extend(seen.parameter("cnonce"));
                admit("n1")(seen)
            });
            result.unwrap();
        }
        found
    };
    let first = client_nonces([1; 32]);
    assert_eq!(first, client_nonces([1; 32]));
    assert_ne!(first, client_nonces([2; 32]));
    assert!(first[0] != first[1] && first[1] != first[2] && first[0].len() == 32);
}

#[test]
fn the_created_reference_comes_back() {
    let made = Reference::to("AMT_TLSCredentialContext").with("Name", "x");
    let (result, _) = play(&mut client(), &Request::create(&Instance::new("AMT_TLSCredentialContext")), |seen| {
        let envelope = Head::reply(&seen.envelope, "urn:CreateResponse", "uuid:1").write(|w| {
            w.open("t:ResourceCreated").attr("xmlns:t", ns::TRANSFER);
            made.write(w);
            w.close();
        });
        Then::Say(respond("200 OK", "X: y", &envelope))
    });
    assert_eq!(result.unwrap().created(), Some(&made));
}
