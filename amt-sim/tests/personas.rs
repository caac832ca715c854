//! Every persona on the network: what it says, serves, makes and refuses, as its time had it.
#![cfg(feature = "legacy-tls")]

use crate::support::chains::{self, Chain};
use crate::support::old::Old;
use crate::support::{Client, Line, Network, SUFFIX, digest_password, reference};
use amt_core::psk::{Form, PskPair};
use amt_sim::authority::{ProvisioningChain, Strength};
use amt_sim::{MachineInfo, Persona, SimConfig, Simulator, Variant};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::time::Duration;

const ADMIN: &str = "N3w-Adm!n-Pass";

fn pair() -> PskPair {
    PskPair::parse("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Strict).unwrap()
}

fn chain(strength: Strength) -> Chain {
    let made = ProvisioningChain::of(strength, SUFFIX);
    Chain { certificates: made.chain, key: made.key }
}

fn config(machines: usize, base: &str) -> SimConfig {
    let mut config = SimConfig::mixed(machines, &[pair()]);
    config.base_address = base.parse().unwrap();
    config.suffix = Some(SUFFIX.to_owned());
    config.root_certificates =
        [Strength::Rsa2048, Strength::Rsa3072].map(|s| chain(s).root().to_vec()).into_iter().collect();
    config
}

async fn start(config: SimConfig) -> (Simulator, Vec<MachineInfo>) {
    let simulator = Simulator::start(config).await.unwrap();
    let infos = simulator.machines();
    while !infos.iter().all(|m| simulator.truth(m.id).unwrap().secure_port) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (simulator, infos)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Version, suite, bits and dates of what a handshake of setup mode brings.
fn handshake(mut line: Old) -> (String, String, u32, bool) {
    line.try_connect().unwrap();
    let certificate = openssl::x509::X509::from_der(&line.served).ok();
    let bits = certificate.as_ref().map_or(0, |c| c.public_key().unwrap().bits());
    let zero = line.served.windows(13).filter(|w| *w == b"000000000000Z").count() == 2;
    if let Some(certificate) = certificate {
        assert!(certificate.verify(&certificate.public_key().unwrap()).unwrap(), "it signed itself");
    }
    (line.version, line.suite, bits, zero)
}

#[tokio::test]
async fn each_persona_speaks_the_tls_of_its_time() {
    let (simulator, infos) = start(config(16, "127.62.20.1")).await;
    let mut seen = BTreeMap::new();
    for info in infos {
        let truth = simulator.truth(info.id).unwrap();
        let (address, psk, newest) = (info.address, truth.pid.is_some(), truth.persona == "amt-22.0");
        let strength = if newest { Strength::Rsa3072 } else { Strength::Rsa2048 };
        let line = move || if psk { Old::psk(address, pair()) } else { Old::chain(address, Some(&chain(strength))) };
        let (version, suite, bits, zero) = blocking(move || handshake(line())).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let truth = simulator.truth(info.id).unwrap();
        assert_eq!((truth.state.as_str(), truth.handshakes_refused), ("in", 0), "{}", truth.persona);
        let tls = truth.tls.unwrap();
        assert_eq!(tls.version.replace(' ', "v").trim_end_matches(".0"), version, "{}", truth.persona);
        let modern = ["amt-16.0", "amt-18.0", "amt-19.0", "amt-21.0", "amt-22.0"].contains(&truth.persona.as_str());
        assert_eq!(tls.engine, if modern { "rustls" } else { "openssl" }, "{}", truth.persona);
        seen.insert((truth.persona, psk), format!("{version} {suite} {bits}{}", if zero { " zero" } else { "" }));
    }
    let expected = [
        ("amt-3.2", false, "TLSv1 AES128-SHA 1024 zero"),
        ("amt-3.2", true, "TLSv1 PSK-AES128-CBC-SHA 0"),
        ("amt-5.0", false, "TLSv1 AES128-SHA 1024"),
        ("amt-5.0", true, "TLSv1 PSK-AES128-CBC-SHA 0"),
        ("amt-7.1", false, "TLSv1.1 AES256-SHA 2047"),
        ("amt-7.1", true, "TLSv1.1 PSK-AES128-CBC-SHA 0"),
        ("amt-9.5", false, "TLSv1.1 AES256-SHA 2048"),
        ("amt-9.5", true, "TLSv1.1 PSK-AES128-CBC-SHA 0"),
        ("amt-11.8", false, "TLSv1.2 AES128-GCM-SHA256 2048"),
        ("amt-12.0", false, "TLSv1.2 AES128-GCM-SHA256 2048"),
        ("amt-14.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 2048"),
        ("amt-16.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 2048"),
        ("amt-18.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 2048"),
        ("amt-19.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 2048"),
        ("amt-21.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 2048"),
        ("amt-22.0", false, "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 3072"),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, psk, tls)| ((name.to_owned(), psk), tls.to_owned())).collect();
    assert_eq!(seen, expected);
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn amt_21_drops_the_first_request_after_tls_13_and_amt_22_can_want_3072_bits() {
    let mut config = config(2, "127.62.21.1");
    let of = |name: &str, more: &str| {
        let mut variant = Variant::new(1);
        variant.persona = Some(Persona::parse(&format!("based_on = \"amt-{name}\"\n{more}")).unwrap().into());
        variant
    };
    config.variants = vec![of("21.0", ""), of("22.0", "[chain]\nmin_rsa_bits = 3072\n")];
    let (simulator, infos) = start(config).await;
    let [old, new] = infos[..] else { panic!("two machines") };
    // rustls offers 1.3, and the machine takes it.
    let answer = |address, strength| {
        move || Client::new(Network::secure(address, Some(&chain(strength))), None).post("").map(|a| a.status)
    };
    assert_eq!(blocking(answer(old.address, Strength::Rsa2048)).await, None);
    let truth = simulator.truth(old.id).unwrap();
    assert_eq!(
        (truth.state.as_str(), truth.tls.unwrap().version.as_str()),
        ("in", "TLS 1.3"),
        "the handshake was fine"
    );
    let address = old.address;
    let capped =
        move || Client::new(Old::chain(address, Some(&chain(Strength::Rsa2048))), None).post("").map(|a| a.status);
    assert_eq!(blocking(capped).await, Some(401), "with TLS 1.2 it answers");

    assert_eq!(blocking(answer(new.address, Strength::Rsa2048)).await, None);
    assert_eq!(blocking(answer(new.address, Strength::Rsa3072)).await, Some(401));
    let refusals = simulator.truth(new.id).unwrap().refusals;
    assert!(refusals[0].reason.contains("key-small: certificate 0 has 2048 bits"), "{refusals:?}");
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_common_suite_is_refused_on_record_by_either_engine() {
    let mut config = config(2, "127.62.24.1");
    let of = |name: &str| {
        let mut variant = Variant::new(1);
        variant.persona = Persona::built_in(name).map(Into::into);
        variant
    };
    config.variants = vec![of("16.0"), of("12.0")];
    let (simulator, infos) = start(config).await;
    for (info, suites) in infos.into_iter().zip(["kRSA", "ECDHE"]) {
        let client = move || Old::offering(suites, info.address, None).try_connect().unwrap_err();
        let seen = blocking(client).await;
        assert!(seen.contains("alert handshake failure"), "{seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let truth = simulator.truth(info.id).unwrap();
        assert_eq!((truth.refusals.len(), truth.handshakes_refused, truth.tls), (1, 1, None), "{}", truth.persona);
        assert!(!truth.refusals[0].reason.is_empty());
    }
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn firmware_before_3_0_says_hello_and_knows_no_ws_management() {
    let mut config = config(1, "127.62.22.1");
    config.variants[0].persona = Persona::built_in("2.6").map(Into::into);
    let (simulator, infos) = start(config).await;
    let (address, id) = (infos[0].address, infos[0].id);
    let status = blocking(move || {
        Client::new(Old::chain(address, Some(&chain(Strength::Rsa2048))), Some("admin")).post("").map(|a| a.status)
    })
    .await;
    assert_eq!(status, Some(404));
    assert_eq!(simulator.truth(id).unwrap().hellos, 1);
    simulator.stop().await.unwrap();
}

/// Sets a machine up that makes no keys: key and certificate are made here. Returns the certificate.
fn set_up<L: Line>(client: &mut Client<L>) -> Vec<u8> {
    let keys = "AMT_PublicKeyManagementService";
    let arguments = "<h:KeyAlgorithm>0</h:KeyAlgorithm><h:KeyLength>2048</h:KeyLength>";
    assert_eq!(client.invoke(keys, "GenerateKeyPair", arguments).fault(), "ActionNotSupported");
    assert_eq!(client.get("IPS_HostBasedSetupService").fault(), "DestinationUnreachable InvalidResourceURI");
    let realm = client.get("AMT_GeneralSettings").text("DigestRealm");
    let digest = digest_password(&realm, ADMIN);
    let arguments = format!("<h:Username>admin</h:Username><h:DigestPassword>{digest}</h:DigestPassword>");
    assert_eq!(client.invoke("AMT_AuthorizationService", "SetAdminAclEntryEx", &arguments).return_value(), 0);
    client.set_password(ADMIN);
    let time = "AMT_TimeSynchronizationService";
    let ta0 = client.invoke(time, "GetLowAccuracyTimeSynch", "").text("Ta0");
    let arguments = format!("<h:Ta0>{ta0}</h:Ta0><h:Tm1>1800000000</h:Tm1><h:Tm2>1800000001</h:Tm2>");
    assert_eq!(client.invoke(time, "SetHighAccuracyTimeSynch", &arguments).return_value(), 0);
    let settings = "<h:HostName>pc1</h:HostName><h:DomainName>example.com</h:DomainName>\
        <h:PingResponseEnabled>true</h:PingResponseEnabled><h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put("AMT_GeneralSettings", None, settings).text("HostName"), "pc1");

    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    let pkcs8 = openssl::pkey::PKey::from_rsa(key.clone()).unwrap().private_key_to_pkcs8().unwrap();
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
    params.distinguished_name = chains::name("pc1.example.com");
    let certificate = params.signed_by(&pair, &chains::server_authority()).unwrap().der().to_vec();
    let blob = |name: &str, der: &[u8]| format!("<h:{name}>{}</h:{name}>", STANDARD.encode(der));
    let add = |client: &mut Client<L>, method: &str, arguments: &str| client.invoke(keys, method, arguments);
    let of_certificate = blob("CertificateBlob", &certificate);
    assert_eq!(add(client, "AddCertificate", &of_certificate).return_value(), 2064, "its key is not there yet");
    let pkcs1 = key.private_key_to_der().unwrap();
    assert_eq!(add(client, "AddKey", &blob("KeyBlob", &pkcs1[..pkcs1.len() - 1])).return_value(), 2062);
    assert_eq!(add(client, "AddKey", &blob("KeyBlob", &pkcs1)).text("Selector"), "Intel(r) AMT Key: Handle: 0");
    assert_eq!(add(client, "AddKey", &blob("KeyBlob", &pkcs1)).return_value(), 2058);
    let stored = add(client, "AddCertificate", &of_certificate).text("Selector");

    let element = reference("AMT_PublicKeyCertificate", "InstanceID", &stored);
    let collection =
        reference("AMT_TLSProtocolEndpointCollection", "ElementName", "TLSProtocolEndpointInstances Collection");
    let context = format!(
        "<h:ElementInContext>{element}</h:ElementInContext>\
         <h:ElementProvidingContext>{collection}</h:ElementProvidingContext>"
    );
    assert_eq!(client.create("AMT_TLSCredentialContext", &context).status, 200);
    let id = "Intel(r) AMT 802.3 TLS Settings";
    let tls = format!(
        "<h:ElementName>{id}</h:ElementName><h:Enabled>true</h:Enabled><h:InstanceID>{id}</h:InstanceID>\
         <h:MutualAuthentication>false</h:MutualAuthentication>"
    );
    assert_eq!(client.put("AMT_TLSSettingData", Some(("InstanceID", id)), &tls).text("Enabled"), "true");
    assert_eq!(client.invoke("AMT_SetupAndConfigurationService", "CommitChanges", "").return_value(), 0);
    certificate
}

#[tokio::test]
async fn an_uploaded_key_is_what_old_firmware_serves_from_then_on() {
    let mut config = config(4, "127.62.23.1");
    config.time_scale = 40.0;
    let (simulator, infos) = start(config).await;
    for info in infos {
        let (address, psk) = (info.address, simulator.truth(info.id).unwrap().pid.is_some());
        let (certificate, served) = blocking(move || {
            let line =
                if psk { Old::psk(address, pair()) } else { Old::chain(address, Some(&chain(Strength::Rsa2048))) };
            let mut client = Client::new(line, Some("admin"));
            let certificate = set_up(&mut client);
            std::thread::sleep(Duration::from_millis(600));
            client.line = Old::chain(address, None);
            client.forget();
            assert_eq!(client.get("AMT_SetupAndConfigurationService").text("ProvisioningState"), "2");
            (certificate, client.line.served)
        })
        .await;
        assert_eq!(served, certificate);
        let truth = simulator.truth(info.id).unwrap();
        assert_eq!((truth.state.as_str(), truth.pid, truth.keys.len()), ("post", None, 1), "{}", truth.persona);
    }
    simulator.stop().await.unwrap();
}
