//! Who has the sessions of redirection, over real sockets: asked for as a console does, never held, never mistaken for a wrong password.

use amt::operate::{ConsentFor, ConsentState, SessionState, Sessions, ask_session, sessions};
use amt::{Device, Transport};
use amt_core::redirection::{SessionKind, SessionStatus};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, SystemId};
use amt_sim::{SetUp, SimConfig, Simulator};
use amt_wsman::class::Class;
use amt_wsman::class::amt::RedirectionService;
use amt_wsman::class::cim::KvmRedirectionSap;
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "P@ssw0rd-1";
const ALL: [SessionKind; 3] = [SessionKind::Serial, SessionKind::Drives, SessionKind::Screen];

struct Lab {
    simulator: Simulator,
    id: SystemId,
    address: Ipv4Addr,
}

impl Lab {
    async fn new(network: u8, change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 74, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(PASSWORD.into());
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let machine = simulator.machines()[0];
        Self { id: machine.id, address: machine.address, simulator }
    }

    fn device(&self) -> Device {
        let credentials = Credentials::new("admin", PASSWORD.to_owned());
        Device::new((self.address, 16_993).into(), Transport::Tls(PeerIdentity::Any), credentials).unwrap()
    }

    /// Switches redirection and its listener on, and the screen.
    async fn switch_on(&self, state: u32) {
        let mut device = self.device();
        device.call(&RedirectionService::request_state_change(state)).await.unwrap();
        let mut instance = device.call(&RedirectionService::get()).await.unwrap().instance().unwrap().clone();
        instance.set("ListenerEnabled", true);
        device.call(&Request::put(&instance)).await.unwrap();
        device.call(&KvmRedirectionSap::request_state_change(true)).await.unwrap();
    }

    /// Somebody takes or gives back a session; waits until the firmware has noticed.
    async fn take(&self, kind: SessionKind, taken: bool) {
        assert!(self.simulator.take_session(self.id, kind, taken));
        while self.held().contains(&kind.name().to_owned()) != taken {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn held(&self) -> Vec<String> {
        self.simulator.truth(self.id).unwrap().sessions
    }
}

fn states(found: &Sessions) -> [SessionState; 3] {
    ALL.map(|kind| found.of(kind).unwrap().state)
}

#[tokio::test]
async fn what_is_switched_off_is_not_asked_for() {
    let lab = Lab::new(1, |_| {}).await;
    let before = lab.simulator.truth(lab.id).unwrap().tcp_connections;
    let found = sessions(&mut lab.device(), None).await.unwrap();
    assert_eq!((states(&found), found.listener), ([SessionState::Off; 3], Some(false)));
    let consent = found.consent.unwrap();
    assert_eq!((consent.needed_for, consent.state), (Some(ConsentFor::Screen), Some(ConsentState(0))));
    let truth = lab.simulator.truth(lab.id).unwrap();
    assert_eq!(truth.tcp_connections - before, 2, "one connection refuses the login, the next asks all");
    assert!(TcpStream::connect((lab.address, 16_995)).await.is_err(), "the port is closed while nobody listens");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn free_and_taken_are_told_apart_and_asking_holds_nothing() {
    let lab = Lab::new(2, |_| {}).await;
    lab.switch_on(32_771).await;
    for _ in 0..3 {
        let found = sessions(&mut lab.device(), None).await.unwrap();
        assert_eq!((states(&found), found.listener), ([SessionState::Free; 3], Some(true)));
        assert!(lab.held().is_empty(), "{:?}", lab.held());
    }
    for kind in ALL {
        lab.take(kind, true).await;
        let found = sessions(&mut lab.device(), None).await.unwrap();
        let expected = ALL.map(|each| if each == kind { SessionState::Taken } else { SessionState::Free });
        assert_eq!(states(&found), expected);
        let in_session = if kind == SessionKind::Screen { ConsentState::IN_SESSION } else { ConsentState(0) };
        assert_eq!(found.consent.unwrap().state, Some(in_session), "consent is for the screen only");
        lab.take(kind, false).await;
    }
    let refusals = lab.simulator.truth(lab.id).unwrap().refusals;
    assert!(!refusals.iter().any(|refused| refused.reason.contains("wrong password")), "{refusals:?}");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn without_tls_the_other_port_is_asked_and_what_is_off_stays_off() {
    let lab = Lab::new(3, |config| {
        config.persona = amt_sim::Persona::parse("based_on = \"amt-14.0\"\n[network]\nplain_port = \"configured\"\n")
            .unwrap()
            .into();
    })
    .await;
    lab.switch_on(32_770).await;
    let mut device = lab.device();
    let settings = amt_wsman::class::amt::TlsSettingData::enumerate();
    let mut remote = device
        .call(&settings)
        .await
        .unwrap()
        .instances()
        .iter()
        .find(|instance| instance.text("InstanceID") == Some("Intel(r) AMT 802.3 TLS Settings"))
        .unwrap()
        .clone();
    remote.set("AcceptNonSecureConnections", true);
    let put = Request::put(&remote).selector("InstanceID", "Intel(r) AMT 802.3 TLS Settings");
    device.call(&put).await.unwrap();
    device.call(&Request::invoke("AMT_SetupAndConfigurationService", "CommitChanges")).await.unwrap();
    let plain = SocketAddr::from((lab.address, 16_992));
    while TcpStream::connect(plain).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let credentials = Credentials::new("admin", PASSWORD.to_owned());
    let mut device = Device::new(plain, Transport::Plain, credentials).unwrap();
    lab.take(SessionKind::Serial, true).await;
    let found = sessions(&mut device, None).await.unwrap();
    assert_eq!(states(&found), [SessionState::Taken, SessionState::Off, SessionState::Free]);
    let answer = ask_session(&mut device, SessionKind::Drives, None).await.unwrap();
    assert_eq!(answer.status, SessionStatus::UNSUPPORTED);
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn firmware_without_a_screen_and_ports_that_are_shut_are_told_as_such() {
    let lab = Lab::new(4, |config| {
        config.persona = amt_sim::Persona::parse("based_on = \"amt-16.0\"\n[features]\nkvm = false\n").unwrap().into();
    })
    .await;
    let mut device = lab.device();
    device.call(&RedirectionService::request_state_change(32_771)).await.unwrap();
    let mut instance = device.call(&RedirectionService::get()).await.unwrap().instance().unwrap().clone();
    instance.set("ListenerEnabled", true);
    device.call(&Request::put(&instance)).await.unwrap();
    // A firewall has the port: this one is nobody's.
    let found = sessions(&mut device, Some(1)).await.unwrap();
    assert_eq!(states(&found), [SessionState::Unclear, SessionState::Unclear, SessionState::Absent]);
    assert!(found.of(SessionKind::Serial).unwrap().why.as_ref().unwrap().contains(":1: "), "{found:?}");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn answers_that_are_none_end_with_the_field_and_never_hang() {
    for (bytes, code, text) in [
        (&b""[..], ErrorCode::CONNECTION_CLOSED, "without an answer"),
        (b"\x11\0", ErrorCode::DECODE_TRUNCATED, "redirection.reserved"),
        (b"\x11\0\0\0\x01\0\x02\0\x57\x01\0\0\xff", ErrorCode::DECODE_TRUNCATED, "redirection.oem_data"),
        (b"HTTP/1.1 400 Bad Request", ErrorCode::DECODE_INVALID, "redirection.type at offset 0"),
    ] {
        let listener = TcpListener::bind("127.74.5.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(&request, b"\x10\0\0\0SOL ");
            stream.write_all(bytes).await.unwrap();
        });
        let credentials = Credentials::new("admin", PASSWORD.to_owned());
        let mut device = Device::new("127.74.5.1:16992".parse().unwrap(), Transport::Plain, credentials).unwrap();
        let failure = ask_session(&mut device, SessionKind::Serial, Some(port)).await.unwrap_err();
        assert!(failure.code == code && failure.message.contains(text), "{failure}");
        server.await.unwrap();
    }
}
