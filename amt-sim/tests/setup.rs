//! A machine goes from hello to admin control mode, in memory and over real sockets.

use crate::support::{Answer, Client, Line, Memory, Network, SUFFIX, chains, digest_password, reference};
use amt_core::psk::{Form, PskPair};
use amt_sim::{RootHash, SimConfig, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const ADMIN: &str = "N3w-Adm!n-Pass";
const MEBX: &str = "N3w-MEBx!";

/// §4(a) 6–16 with (e) inside; returns the certificate that was installed.
fn set_up<L: Line>(client: &mut Client<L>, before_commit: impl FnOnce(&mut Client<L>)) -> Vec<u8> {
    let service = "AMT_SetupAndConfigurationService";
    assert_eq!(client.get(service).text("ProvisioningState"), "1");
    assert_eq!(client.invoke(service, "ExtendProvisioningPeriod", "<h:Duration>6</h:Duration>").return_value(), 0);
    let realm = client.get("AMT_GeneralSettings").text("DigestRealm");
    assert_eq!(client.all("CIM_SoftwareIdentity").len(), 11);
    let arguments = format!("<h:Password>{MEBX}</h:Password>");
    assert_eq!(client.invoke(service, "SetMEBxPassword", &arguments).return_value(), 0);
    let digest = digest_password(&realm, ADMIN);
    let arguments = format!("<h:Username>admin</h:Username><h:DigestPassword>{digest}</h:DigestPassword>");
    assert_eq!(client.invoke("AMT_AuthorizationService", "SetAdminAclEntryEx", &arguments).return_value(), 0);
    let log_ins = client.log_ins;
    client.set_password(ADMIN);
    let time = "AMT_TimeSynchronizationService";
    let ta0 = client.invoke(time, "GetLowAccuracyTimeSynch", "").text("Ta0");
    assert!(client.log_ins > log_ins, "the ACL change asks for a new login");
    let arguments = format!("<h:Ta0>{ta0}</h:Ta0><h:Tm1>1800000000</h:Tm1><h:Tm2>1800000001</h:Tm2>");
    assert_eq!(client.invoke(time, "SetHighAccuracyTimeSynch", &arguments).return_value(), 0);
    let settings = "<h:HostName>pc1</h:HostName><h:DomainName>example.com</h:DomainName>\
        <h:PingResponseEnabled>true</h:PingResponseEnabled><h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put("AMT_GeneralSettings", None, settings).text("HostName"), "pc1");

    let keys = "AMT_PublicKeyManagementService";
    let arguments = "<h:KeyAlgorithm>0</h:KeyAlgorithm><h:KeyLength>2048</h:KeyLength>";
    let handle = client.invoke(keys, "GenerateKeyPair", arguments).text("Selector");
    let public = client.get_one("AMT_PublicPrivateKeyPair", ("InstanceID", &handle)).text("DERKey");
    let public = STANDARD.decode(public).unwrap();
    let certificate = issue(&public);
    let arguments = format!("<h:CertificateBlob>{}</h:CertificateBlob>", STANDARD.encode(&certificate));
    let stored = client.invoke(keys, "AddCertificate", &arguments).text("Selector");
    let root = STANDARD.encode(chains::server_authority().der());
    let arguments = format!("<h:CertificateBlob>{root}</h:CertificateBlob>");
    assert_eq!(client.invoke(keys, "AddTrustedRootCertificate", &arguments).return_value(), 0);
    let element = reference("AMT_PublicKeyCertificate", "InstanceID", &stored);
    let collection =
        reference("AMT_TLSProtocolEndpointCollection", "ElementName", "TLSProtocolEndpointInstances Collection");
    let context = format!(
        "<h:ElementInContext>{element}</h:ElementInContext>\
         <h:ElementProvidingContext>{collection}</h:ElementProvidingContext>"
    );
    assert_eq!(client.create("AMT_TLSCredentialContext", &context).status, 200);
    assert_eq!(client.create("AMT_TLSCredentialContext", &context).fault(), "AlreadyExists");
    let id = "Intel(r) AMT 802.3 TLS Settings";
    let tls = format!(
        "<h:ElementName>{id}</h:ElementName><h:Enabled>true</h:Enabled><h:InstanceID>{id}</h:InstanceID>\
         <h:MutualAuthentication>false</h:MutualAuthentication>"
    );
    assert_eq!(client.put("AMT_TLSSettingData", Some(("InstanceID", id)), &tls).text("Enabled"), "true");
    before_commit(client);
    assert_eq!(client.invoke(service, "CommitChanges", "").return_value(), 0);
    certificate
}

/// A certificate for a key of which only the public half is known: the key is found in the pool.
fn issue(public: &[u8]) -> Vec<u8> {
    let index = (0..amt_sim::keys::POOL_SIZE).find(|i| amt_sim::keys::key(*i).public_pkcs1() == public).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
    params.distinguished_name = chains::name("pc1.example.com");
    params.signed_by(&chains::pair(index), &chains::server_authority()).unwrap().der().to_vec()
}

fn steady() -> amt_sim::Persona {
    let text = "based_on = \"amt-16.0\"\n[keys]\nnot_ready_percent = 0\n";
    amt_sim::Persona::parse(text).unwrap()
}

#[test]
fn a_machine_in_memory_is_set_up_and_asks_for_the_new_password() {
    let mut config = Memory::config();
    config.persona = steady().into();
    let mut client = Client::new(Memory::new(config), Some("admin"));
    assert_eq!(client.line.hellos.len(), 1);
    let before = client.line.firmware.tls(client.line.now).certificate;
    let certificate = set_up(&mut client, |client| {
        let truth = client.line.firmware.truth(client.line.now);
        assert_eq!((truth.state.as_str(), truth.control_mode.as_str()), ("in", "none"));
        assert!(client.line.firmware.check_admin_password(ADMIN));
    });
    assert_eq!(client.line.listens, (false, false), "the network stack restarts");
    client.line.wait(Duration::from_secs(60));
    assert_eq!(client.line.listens, (true, true));
    let served = client.line.firmware.tls(client.line.now).certificate;
    assert_eq!(*served, certificate);
    assert_ne!(served, before);

    client.line.chain.clear();
    client.forget();
    assert_eq!(client.get("AMT_SetupAndConfigurationService").text("ProvisioningState"), "2");
    assert_eq!(client.get("IPS_HostBasedSetupService").text("CurrentControlMode"), "2");
    assert_eq!(client.all("IPS_TLSProvisioningRecord").len(), 1);
    client.set_password("admin");
    client.forget();
    assert!(client.post("").is_some_and(|a| a.status == 401), "the factory password is refused");

    client.line.wait(Duration::from_secs(48 * 3600));
    assert_eq!(client.line.hellos.len(), 1, "no hello after setup");
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.state.as_str(), truth.control_mode.as_str(), truth.commits), ("post", "admin", 1));
    assert_eq!(truth.requests["AMT_SetupAndConfigurationService.CommitChanges"], 1);
    assert!(client.line.firmware.check_mebx_password(MEBX) && !client.line.firmware.check_mebx_password("admin"));
}

const FRESH: (&str, &str) = ("0000037M", "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ");

/// A machine of AMT 9.5 that waits for a pre-shared key, past its handshake.
fn waiting_for_a_key(more: &str) -> Client<Memory> {
    let mut config = Memory::config();
    let text = format!("based_on = \"amt-9.5\"\n[keys]\nnot_ready_percent = 0\n{more}");
    config.persona = amt_sim::Persona::parse(&text).unwrap().into();
    config.psk = Some(PskPair::parse("AMT1-SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Typed).unwrap());
    let mut line = Memory::new(config);
    line.chain.clear();
    Client::new(line, Some("admin"))
}

fn set_psk(client: &mut Client<Memory>, pid: &str, pps: &str) -> Answer {
    client.invoke("AMT_SetupAndConfigurationService", "SetTLSPSK", &format!("<h:PID>{pid}</h:PID><h:PPS>{pps}</h:PPS>"))
}

/// Sets the machine up, takes it back to the factory state and returns the hello that it says then.
fn hello_after(client: &mut Client<Memory>, before_commit: impl FnOnce(&mut Client<Memory>)) -> Vec<u8> {
    set_up(client, before_commit);
    client.line.wait(Duration::from_secs(60));
    client.forget();
    let mode = "<h:ProvisioningMode>1</h:ProvisioningMode>";
    assert_eq!(client.invoke("AMT_SetupAndConfigurationService", "Unprovision", mode).return_value(), 0);
    client.line.wait(Duration::from_secs(60));
    client.line.hellos.last().unwrap().clone()
}

#[test]
fn a_fresh_pair_counts_at_once_and_stays_for_the_next_setup() {
    let mut client = waiting_for_a_key("");
    assert_eq!(client.line.hellos[0][24..], *b"AMT1SET7");
    let hello = hello_after(&mut client, |client| {
        let (pid, pps) = FRESH;
        assert_eq!(set_psk(client, "0000037N", pps).return_value(), 36, "the PID's check character");
        assert_eq!(set_psk(client, pid, &pps.replace("NKLD", "NKLE")).return_value(), 36, "a group's check character");
        assert_eq!(set_psk(client, "0000-037M", pps).return_value(), 36, "dashes are for people");
        assert_eq!(client.line.firmware.truth(client.line.now).pid.as_deref(), Some("AMT1-SET7"));
        assert_eq!(set_psk(client, pid, pps).return_value(), 0);
        assert_eq!(client.line.firmware.truth(client.line.now).pid.as_deref(), Some("0000-037M"));
    });
    assert_eq!((hello[2], &hello[24..]), (2, FRESH.0.as_bytes()));
    let truth = client.line.firmware.truth(client.line.now);
    assert!(!serde_json::to_string(&truth).unwrap().contains("NKLD"), "the truth keeps the key to itself");
}

#[test]
fn a_pair_that_is_not_replaced_is_gone_with_the_setup() {
    let hello = hello_after(&mut waiting_for_a_key(""), |_| {});
    assert_eq!(hello[2], 3, "from now on a certificate is asked for");
    let forgetful = "[psk]\nsurvives_unprovision = false\n";
    let hello = hello_after(&mut waiting_for_a_key(forgetful), |client| {
        assert_eq!(set_psk(client, FRESH.0, FRESH.1).return_value(), 0);
    });
    assert_eq!(hello[2], 3);
}

#[test]
fn a_certificate_is_of_no_use_where_a_key_is_waited_for() {
    let mut client = waiting_for_a_key("");
    client.line.chain = chains::good().certificates;
    assert!(client.post("").is_none());
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.state.as_str(), truth.refusals[0].reason.as_str()), ("pre", "not-psk"));
}

#[test]
fn a_pair_is_set_only_during_setup_and_only_before_amt_11() {
    let mut client = waiting_for_a_key("");
    set_up(&mut client, |_| {});
    client.line.wait(Duration::from_secs(60));
    client.forget();
    assert_eq!(set_psk(&mut client, FRESH.0, FRESH.1).return_value(), 3, "the machine is set up");
    let mut modern = Client::new(Memory::new(Memory::config()), Some("admin"));
    assert_eq!(set_psk(&mut modern, FRESH.0, FRESH.1).fault(), "ActionNotSupported");
}

#[tokio::test]
async fn a_machine_on_the_network_is_set_up_over_mutual_tls() {
    let chain = chains::good();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = SimConfig::new(1);
    config.base_address = "127.61.0.1".parse().unwrap();
    config.hello = Some(listener.local_addr().unwrap());
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.persona = steady().into();
    config.time_scale = 40.0;
    let simulator = Simulator::start(config).await.unwrap();
    let machine = simulator.machines()[0];
    let (mut hello, from) = listener.accept().await.unwrap();
    assert_eq!(from.ip(), machine.address, "the hello comes from the machine's own address");
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut hello, &mut bytes).await.unwrap();
    assert_eq!(&bytes[..8], [0, 0, 3, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[8..24], machine.id.to_wire());
    assert_eq!(bytes.len(), 25 + 2 + 32);

    let certificate = tokio::task::spawn_blocking(move || {
        let mut client = Client::new(Network::secure(machine.address, Some(&chain)), Some("admin"));
        let certificate = set_up(&mut client, |_| {});
        std::thread::sleep(Duration::from_millis(600));
        // No client certificate is asked for any more.
        client.line = Network::secure(machine.address, None);
        client.forget();
        assert_eq!(client.get("AMT_SetupAndConfigurationService").text("ProvisioningState"), "2");
        assert_eq!(client.line.served, certificate);
        client.line = Network::plain(machine.address);
        client.forget();
        assert_eq!(client.get("AMT_GeneralSettings").text("HostName"), "pc1", "16992 is still open on 16.0");
        certificate
    })
    .await
    .unwrap();
    let truth = simulator.truth(machine.id).unwrap();
    assert_eq!(truth.certificate, STANDARD.encode(certificate));
    assert!(simulator.check_admin_password(machine.id, ADMIN) && !simulator.check_admin_password(machine.id, "admin"));
    simulator.stop().await.unwrap();
}
