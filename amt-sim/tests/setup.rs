//! A machine goes from hello to admin control mode, in memory and over real sockets.

mod support;

use amt_sim::{RootHash, SimConfig, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use support::{Client, Line, Memory, Network, SUFFIX, chains, digest_password, reference};

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
