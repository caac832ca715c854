//! The ports of redirection: sessions that are asked for, taken and given back, and the login that firmware wants after that.

use crate::support;
use crate::support::{Client, Memory};
use amt_core::codec::Reader;
use amt_core::redirection::{
    LOGIN_URI, LoginMessage, LoginMethod, SessionAnswer, SessionKind, SessionStatus, StartSession,
};
use amt_sim::Persona;
use amt_sim::digest::{ha1, hex};
use amt_sim::firmware::{Input, Output, Port};
use md5::{Digest, Md5};
use std::time::Duration;

const ADMIN: &str = "N3w-Adm!n-Pass";

/// A machine that is set up without TLS and listens for redirection.
struct Lab {
    client: Client<Memory>,
}

impl Lab {
    fn new(persona: &str) -> Self {
        let mut config = Memory::config();
        config.persona = Persona::parse(persona).unwrap().into();
        let mut lab = Self { client: support::managed(config, ADMIN) };
        lab.state("AMT_RedirectionService", "32771");
        lab.listener(true);
        lab
    }

    fn amt16() -> Self {
        Self::new("based_on = \"amt-16.0\"")
    }

    fn state(&mut self, class: &str, state: &str) {
        let argument = format!("<h:RequestedState>{state}</h:RequestedState>");
        assert_eq!(self.client.invoke(class, "RequestStateChange", &argument).return_value(), 0);
    }

    fn listener(&mut self, on: bool) {
        let change = ("ListenerEnabled", if on { "true" } else { "false" });
        assert_eq!(self.client.put_back("AMT_RedirectionService", None, change).status, 200);
    }

    /// What the machine says on a connection, and whether it ends it.
    fn feed(&mut self, id: u64, input: Input<'_>) -> (Vec<u8>, bool) {
        let memory = &mut self.client.line;
        memory.firmware.handle(memory.now, input);
        let (mut said, mut closed) = (Vec::new(), false);
        while let Some(output) = memory.firmware.poll() {
            match output {
                Output::Transmit { connection, bytes } if connection == id => said.extend(bytes),
                Output::Close { connection, .. } if connection == id => closed = true,
                _ => {}
            }
        }
        (said, closed)
    }

    fn open(&mut self, id: u64) {
        let input = Input::Accepted { connection: id, port: Port::PlainRedirection, peer: None, chain: Vec::new() };
        assert_eq!(self.feed(id, input), (Vec::new(), false));
    }

    fn bytes(&mut self, id: u64, bytes: &[u8]) -> (Vec<u8>, bool) {
        self.feed(id, Input::Bytes { connection: id, bytes })
    }

    /// Opens a connection and asks.
    fn ask(&mut self, id: u64, kind: SessionKind) -> SessionStatus {
        self.open(id);
        let (said, closed) = self.bytes(id, &StartSession::new(kind).encode());
        let status = SessionAnswer::decode(&mut Reader::new(&said)).unwrap().status;
        assert_eq!(closed, status != SessionStatus::GRANTED);
        status
    }

    fn close(&mut self, id: u64) {
        self.feed(id, Input::Closed { connection: id });
    }

    fn login(&mut self, id: u64, method: LoginMethod, fields: &[&str]) -> LoginMessage {
        let mut data = Vec::new();
        for field in fields {
            data.push(u8::try_from(field.len()).unwrap());
            data.extend(field.bytes());
        }
        let message = LoginMessage { is_reply: false, status: 0, method, data };
        let (said, _) = self.bytes(id, &message.encode());
        LoginMessage::decode(&mut Reader::new(&said)).unwrap()
    }

    /// A digest over a fresh nonce, as MeshCommander sends it.
    fn digest(&mut self, id: u64, user: &str, password: &str) -> u8 {
        let challenge = self.login(id, LoginMethod::DIGEST, &[user, "", "", LOGIN_URI, "", "", "", ""]);
        assert_eq!(challenge.status, 1);
        let fields: Vec<String> =
            challenge.fields().unwrap().iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
        let [realm, nonce, qop] = fields.as_slice() else { panic!("{fields:?}") };
        let ha2 = hex(&Md5::digest(format!("POST:{LOGIN_URI}")));
        let text = format!("{}:{nonce}:00000002:c0ffee:{qop}:{ha2}", hex(&ha1(user, realm, password)));
        let response = hex(&Md5::digest(text));
        self.login(id, LoginMethod::DIGEST, &[user, realm, nonce, LOGIN_URI, "c0ffee", "00000002", &response, qop])
            .status
    }

    fn held(&self) -> Vec<String> {
        self.client.line.firmware.truth(self.client.line.now).sessions
    }

    fn screen(&mut self) -> String {
        self.client.get("CIM_KVMRedirectionSAP").text("EnabledState")
    }
}

#[test]
fn a_session_is_one_consoles_until_its_connection_ends() {
    let mut lab = Lab::amt16();
    assert_eq!(lab.ask(901, SessionKind::Serial), SessionStatus::GRANTED);
    assert_eq!(lab.ask(902, SessionKind::Serial), SessionStatus::BUSY);
    assert_eq!(lab.ask(903, SessionKind::Drives), SessionStatus::GRANTED);
    assert_eq!(lab.held(), ["serial", "drives"]);
    lab.close(901);
    assert_eq!(lab.held(), ["drives"]);
    assert_eq!(lab.ask(904, SessionKind::Serial), SessionStatus::GRANTED);
    assert_eq!(lab.bytes(904, &[0x12, 0, 0, 0]), (Vec::new(), true), "it ends by itself, too");
    assert_eq!(lab.held(), ["drives"]);
}

#[test]
fn what_is_off_is_unsupported_and_switching_off_ends_what_runs() {
    let mut lab = Lab::amt16();
    assert_eq!(lab.ask(901, SessionKind::Screen), SessionStatus::UNSUPPORTED);
    lab.state("CIM_KVMRedirectionSAP", "2");
    assert_eq!(lab.ask(902, SessionKind::Screen), SessionStatus::GRANTED);
    assert_eq!(lab.screen(), "6", "who has not logged in is no session yet");
    assert_eq!(lab.digest(902, "admin", ADMIN), 0);
    assert_eq!((lab.screen(), lab.client.get("IPS_OptInService").text("OptInState")), ("2".to_owned(), "4".to_owned()));
    assert_eq!(lab.client.invoke("IPS_OptInService", "StartOptIn", "").return_value(), 2, "a session runs with it");
    lab.state("CIM_KVMRedirectionSAP", "3");
    assert!(lab.held().is_empty());
    assert_eq!(lab.ask(903, SessionKind::Serial), SessionStatus::GRANTED);
    lab.state("AMT_RedirectionService", "32769");
    assert!(lab.held().is_empty());
    let strange = StartSession { tag: *b"WHAT" };
    lab.open(904);
    let (said, closed) = lab.bytes(904, &strange.encode());
    assert!(closed && said == [0x11, 1, 0, 0], "{said:?}");
    let standard = "based_on = \"amt-16.0\"\n[features]\nkvm = false";
    assert_eq!(Lab::new(standard).ask(901, SessionKind::Screen), SessionStatus::UNSUPPORTED);
}

#[test]
fn the_ports_listen_only_while_the_listener_is_enabled() {
    let mut lab = Lab::amt16();
    assert!(lab.client.line.redirection == (true, false), "as the ports of WS-Man: without TLS");
    lab.client.line.firmware.handle(lab.client.line.now, Input::Session { kind: SessionKind::Serial, taken: true });
    assert_eq!(lab.held(), ["serial"]);
    lab.listener(false);
    assert_eq!((lab.client.line.redirection, lab.held().len()), ((false, false), 0));
    let input = Input::Accepted { connection: 905, port: Port::PlainRedirection, peer: None, chain: Vec::new() };
    assert_eq!(lab.feed(905, input), (Vec::new(), true));
    lab.listener(true);
    let input = Input::Accepted { connection: 906, port: Port::SecureRedirection, peer: None, chain: Vec::new() };
    assert_eq!(lab.feed(906, input), (Vec::new(), true), "there is no TLS");
    assert_eq!(lab.ask(907, SessionKind::Serial), SessionStatus::GRANTED);
    lab.client.line.firmware.handle(lab.client.line.now, Input::Power);
    assert!(lab.held().is_empty(), "nothing outlives the power");
}

#[test]
fn the_login_is_a_digest_counts_towards_the_lock_out_and_needs_the_realm() {
    let mut lab = Lab::new("based_on = \"amt-16.0\"\n[login]\nfailures_before_lock = 3\n");
    assert_eq!(lab.ask(901, SessionKind::Serial), SessionStatus::GRANTED);
    let methods = lab.login(901, LoginMethod::QUERY, &[]);
    assert_eq!((methods.status, methods.data.as_slice()), (0, &[LoginMethod::DIGEST.0][..]));
    assert_eq!(lab.digest(901, "admin", "wrong"), 1);
    assert_eq!(lab.digest(901, "nobody", ADMIN), 1);
    assert_eq!(lab.digest(901, "admin", ADMIN), 0);
    let (said, closed) = lab.bytes(901, &[0x20, 0, 0, 0]);
    assert!(closed && said.is_empty(), "the session itself is not simulated");

    let realm = lab.client.get("AMT_GeneralSettings").text("DigestRealm");
    let reader = |user: &str, realms: u32| {
        use base64::Engine;
        let digest = base64::engine::general_purpose::STANDARD.encode(ha1(user, &realm, "R3ad-Only!"));
        format!(
            "<h:DigestUsername>{user}</h:DigestUsername><h:DigestPassword>{digest}</h:DigestPassword>\
             <h:AccessPermission>2</h:AccessPermission><h:Realms>{realms}</h:Realms>"
        )
    };
    for (user, realms, status) in [("info", 13, 1), ("console", 2, 0)] {
        let added = lab.client.invoke("AMT_AuthorizationService", "AddUserAclEntryEx", &reader(user, realms));
        assert_eq!(added.return_value(), 0);
        assert_eq!(lab.ask(910 + u64::from(realms), SessionKind::Serial), SessionStatus::GRANTED);
        assert_eq!(lab.digest(910 + u64::from(realms), user, "R3ad-Only!"), status, "{user}");
        lab.close(910 + u64::from(realms));
    }
    lab.client.line.wait(Duration::from_secs(60));
    assert_eq!(lab.ask(930, SessionKind::Serial), SessionStatus::GRANTED);
    for _ in 0..3 {
        assert_eq!(lab.digest(930, "admin", "wrong"), 1);
    }
    assert_eq!(lab.digest(930, "admin", ADMIN), 1, "locked, and nothing says so");
    let refusals = lab.client.line.firmware.truth(lab.client.line.now).refusals;
    assert!(
        refusals.iter().any(|refused| refused.what == "redirection" && refused.reason == "401: locked"),
        "{refusals:?}"
    );
}

#[test]
fn messages_come_in_pieces_and_nonsense_ends_the_connection() {
    let mut lab = Lab::amt16();
    let start = StartSession::new(SessionKind::Serial).encode();
    lab.open(901);
    for byte in &start[..7] {
        assert_eq!(lab.bytes(901, &[*byte]), (Vec::new(), false));
    }
    assert!(!lab.bytes(901, &start[7..]).0.is_empty());
    assert!(lab.bytes(901, &start).1, "once is enough");
    for (at, bytes) in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x13, 0, 0, 0, 0, 0, 0, 0, 0], &[0x14, 0, 0, 0, 0, 0, 0, 0, 0]]
            .into_iter()
            .enumerate()
    {
        let id = 910 + at as u64;
        lab.open(id);
        assert_eq!(lab.bytes(id, bytes), (Vec::new(), true), "{bytes:?}");
    }
    lab.open(920);
    lab.bytes(920, &start);
    assert_eq!(lab.bytes(920, &[0x13, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]), (Vec::new(), true), "a login of 4 GiB");
}
