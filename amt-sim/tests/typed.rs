//! The requests of the class catalogue, as its users send them: the firmware takes every one.

use crate::support;
use crate::support::{Answer, Client, Memory, sha256, store};
use amt_wsman::class::amt::{
    EnvironmentDetectionSettingData, KerberosKey, KerberosSettingData, ManagementPresenceRemoteSap, MpServer,
    MpsUsernamePassword, RemoteAccessPolicyAppliesToMps, RemoteAccessPolicyRule, RemoteAccessService, Trigger,
    UserInitiatedConnectionService, WebUiService, WifiPortConfigurationService,
};
use amt_wsman::class::cim::{Ieee8021x, Ieee8021xSettings, WifiEndpointSettings, WifiPort, WifiProfile};
use amt_wsman::class::ips::{HttpProxyAccessPoint, HttpProxyService, WiredIeee8021xSettings};
use amt_wsman::class::{Class, decode, decode_all};
use amt_wsman::decode::describe;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::op::Request;
use amt_wsman::soap::Reference;

fn client() -> Client<Memory> {
    support::machine("amt-16.0", |config| config.host_wifi = vec!["cafe".to_owned()])
}

fn send(client: &mut Client<Memory>, request: &Request) -> Answer {
    let answer = client.post(&String::from_utf8(request.encode(1)).unwrap()).unwrap();
    assert_eq!(answer.status, 200, "{}: {}", request.label(), String::from_utf8_lossy(&answer.body));
    answer
}

/// Calls a method that must succeed.
fn call(client: &mut Client<Memory>, request: &Request) {
    assert_eq!(send(client, request).return_value(), 0, "{}", request.label());
}

fn all<T: Class>(client: &mut Client<Memory>) -> Vec<T> {
    decode_all(&pulled(client, T::NAME)).unwrap()
}

fn pulled(client: &mut Client<Memory>, class: &str) -> Vec<u8> {
    let context = send(client, &Request::enumerate(class)).text("EnumerationContext");
    let pull = Request::enumerate(class).encode_pull(2, &context);
    client.post(&String::from_utf8(pull).unwrap()).unwrap().body
}

fn instance<T: Class>(client: &mut Client<Memory>) -> Instance {
    let answer = send(client, &T::get());
    describe(&answer.body).unwrap().items.remove(0)
}

fn certificate(id: &str) -> Reference {
    Reference::to("AMT_PublicKeyCertificate").with("InstanceID", id)
}

fn secret(client: &Client<Memory>, name: &str) -> String {
    client.line.firmware.truth(client.line.now).secrets[name].clone()
}

#[test]
fn wireless() {
    let mut client = client();
    let passphrase = "c0rrect & <horse>".into();
    let office =
        WifiProfile::new("Office", "Net & more", WifiEndpointSettings::WPA2_PSK, WifiEndpointSettings::CCMP, 1)
            .passphrase(&passphrase);
    call(&mut client, &WifiPortConfigurationService::add_wifi_settings(&office, None, None, None));
    assert_eq!(secret(&client, "wifi/Office"), sha256("c0rrect & <horse>"));
    let update = WifiPortConfigurationService::update_wifi_settings("Office", &office, None, None, None);
    call(&mut client, &update);

    let (leaf, root) = (certificate(&store::leaf(&mut client)), certificate(&store::root(&mut client)));
    let password = "s3cret".into();
    let eap = Ieee8021x::new("Corp", Ieee8021xSettings::PEAP_MSCHAPV2)
        .username("pc1")
        .password(&password)
        .domain("EXAMPLE")
        .roaming_identity("anonymous")
        .server_name("radius.example.com", 2);
    let corp = WifiProfile::new("Corp", "Corp", WifiEndpointSettings::WPA2_8021X, WifiEndpointSettings::CCMP, 2);
    let add = WifiPortConfigurationService::add_wifi_settings(&corp, Some(&eap), Some(&leaf), Some(&root));
    call(&mut client, &add);
    assert_eq!(all::<Ieee8021xSettings>(&mut client)[0].username.as_deref(), Some("pc1"));
    assert_eq!(secret(&client, "wifi/Corp/8021x"), sha256("s3cret"));

    let mut service = instance::<WifiPortConfigurationService>(&mut client);
    service.set("localProfileSynchronizationEnabled", 3);
    let service: WifiPortConfigurationService = decode(&send(&mut client, &Request::put(&service)).body).unwrap();
    assert_eq!(service.local_profile_synchronization, Some(3));
    let profiles = all::<WifiEndpointSettings>(&mut client);
    let own: Vec<_> = profiles.iter().map(WifiEndpointSettings::own_name).collect();
    assert_eq!(own, [Some("Office"), Some("Corp"), None], "the last is the user's");
    send(&mut client, &WifiEndpointSettings::delete("Office"));
    assert_eq!(all::<WifiEndpointSettings>(&mut client).len(), 2);
    call(&mut client, &WifiPort::request_state_change(WifiPort::ON_IN_SX));
    let port: WifiPort = decode(&send(&mut client, &WifiPort::get()).body).unwrap();
    assert_eq!(port.enabled_state, Some(WifiPort::ON_IN_SX));
}

#[test]
fn remote_access() {
    let mut client = client();
    let password = "s3cret".into();
    let named = MpServer::with_password("mps.example.com", 4433, "standalone", &password);
    call(&mut client, &RemoteAccessService::add_mp_server(&named));
    let leaf = certificate(&store::leaf(&mut client));
    let numbered = MpServer::with_certificate("192.0.2.1", 443, &leaf).common_name("mps.example.com");
    call(&mut client, &RemoteAccessService::add_mp_server(&numbered));
    let servers = all::<ManagementPresenceRemoteSap>(&mut client);
    let references: Vec<Reference> = servers.iter().map(ManagementPresenceRemoteSap::reference).collect();
    for trigger in [Trigger::Every(3600), Trigger::User, Trigger::Alert] {
        call(&mut client, &RemoteAccessService::add_remote_access_policy_rule(trigger, 300, &references));
    }
    let pulled = pulled(&mut client, RemoteAccessPolicyAppliesToMps::NAME);
    for item in describe(&pulled).unwrap().items {
        let put = RemoteAccessPolicyAppliesToMps::put_mps_type(&item, RemoteAccessPolicyAppliesToMps::BOTH);
        send(&mut client, &put.unwrap());
    }
    let applied = all::<RemoteAccessPolicyAppliesToMps>(&mut client);
    assert_eq!((applied.len(), applied.iter().all(|pair| pair.mps_type == Some(2))), (6, true));

    let login = all::<MpsUsernamePassword>(&mut client).remove(0);
    send(&mut client, &login.put("other", &"0ther".into()));
    assert_eq!(secret(&client, "mps/0"), sha256("0ther"));
    call(&mut client, &UserInitiatedConnectionService::request_state_change(UserInitiatedConnectionService::BOTH));
    let mut home = instance::<EnvironmentDetectionSettingData>(&mut client);
    home.set_all("DetectionStrings", ["a.example", "b.example"].map(Value::from));
    let home: EnvironmentDetectionSettingData = decode(&send(&mut client, &Request::put(&home)).body).unwrap();
    assert_eq!(home.detection_strings, ["a.example", "b.example"]);

    for rule in all::<RemoteAccessPolicyRule>(&mut client) {
        send(&mut client, &RemoteAccessPolicyRule::delete(&rule.policy_rule_name));
    }
    for server in servers {
        send(&mut client, &server.delete());
    }
    assert!(all::<ManagementPresenceRemoteSap>(&mut client).is_empty());

    call(&mut client, &HttpProxyService::add_proxy_access_point("192.0.2.7", 8080, "example.com"));
    let proxy = all::<HttpProxyAccessPoint>(&mut client).remove(0);
    send(&mut client, &proxy.delete());
    assert!(all::<HttpProxyAccessPoint>(&mut client).is_empty());
}

#[test]
fn kerberos_web_pages_and_the_wired_port() {
    let mut client = client();
    let settings = instance::<KerberosSettingData>(&mut client);
    let passphrase = "a & b".into();
    let key = KerberosKey::Passphrase(&passphrase, "EXAMPLE.COMpc1", 4096);
    let algorithms = [KerberosSettingData::AES128, KerberosSettingData::AES256];
    send(&mut client, &KerberosSettingData::enable(&settings, "EXAMPLE.COM", 1, key, &algorithms));
    assert_eq!(secret(&client, "kerberos"), sha256("a & b"));
    let settings = instance::<KerberosSettingData>(&mut client);
    let master = amt_core::Secret::new([7; 16]);
    let enable = KerberosSettingData::enable(&settings, "EXAMPLE.COM", 2, KerberosKey::Master(&master), &[]);
    send(&mut client, &enable);
    assert_eq!(secret(&client, "kerberos"), sha256([7; 16]));
    let settings = instance::<KerberosSettingData>(&mut client);
    let off: KerberosSettingData = decode(&send(&mut client, &KerberosSettingData::disable(&settings)).body).unwrap();
    assert_eq!(off.krb_enabled, Some(false));
    call(&mut client, &WebUiService::request_state_change(WebUiService::OFF));

    let (leaf, root) = (certificate(&store::leaf(&mut client)), certificate(&store::root(&mut client)));
    let mut wired = instance::<WiredIeee8021xSettings>(&mut client);
    wired.set("Enabled", WiredIeee8021xSettings::WITH_CERTIFICATES);
    wired.set("AuthenticationProtocol", 0);
    wired.set("Username", "pc1");
    send(&mut client, &Request::put(&wired));
    call(&mut client, &WiredIeee8021xSettings::set_certificates(Some(&root), Some(&leaf)));
}
