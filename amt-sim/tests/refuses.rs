//! The firmware refuses requests: for every rule of the WS-Man server one request that breaks just that rule.

use crate::support::{Client, Line, Memory, TRANSFER, chains, digest_password, reference, uri};
use amt_sim::{Fault, MachineConfig, Persona};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const SETUP: &str = "AMT_SetupAndConfigurationService";
const KEYS: &str = "AMT_PublicKeyManagementService";
const GENERAL: &str = "AMT_GeneralSettings";
const TLS: &str = "AMT_TLSSettingData";
const REMOTE: &str = "Intel(r) AMT 802.3 TLS Settings";
const LOCAL: &str = "Intel(r) AMT LMS TLS Settings";
const RSA: &str = "<h:KeyAlgorithm>0</h:KeyAlgorithm><h:KeyLength>2048</h:KeyLength>";

fn with(text: &str) -> MachineConfig {
    let mut config = Memory::config();
    let text = format!("based_on = \"amt-16.0\"\n[keys]\nnot_ready_percent = 0\n{text}");
    config.persona = Persona::parse(&text).unwrap().into();
    config
}

fn client() -> Client<Memory> {
    client_of(with(""))
}

fn client_of(config: MachineConfig) -> Client<Memory> {
    Client::new(Memory::new(config), Some("admin"))
}

fn tls_settings(id: &str, enabled: bool, mutual: bool) -> String {
    format!(
        "<h:ElementName>{id}</h:ElementName><h:Enabled>{enabled}</h:Enabled><h:InstanceID>{id}</h:InstanceID>\
         <h:MutualAuthentication>{mutual}</h:MutualAuthentication>"
    )
}

fn blob(der: &[u8]) -> String {
    format!("<h:CertificateBlob>{}</h:CertificateBlob>", STANDARD.encode(der))
}

fn set_clock(client: &mut Client<Memory>) {
    let ta0 = client.invoke("AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch", "").text("Ta0");
    assert_eq!(synch(client, &ta0, 1_800_000_000, 1_800_000_000), 0);
}

fn synch(client: &mut Client<Memory>, ta0: &str, tm1: u32, tm2: u32) -> u32 {
    let arguments = format!("<h:Ta0>{ta0}</h:Ta0><h:Tm1>{tm1}</h:Tm1><h:Tm2>{tm2}</h:Tm2>");
    client.invoke("AMT_TimeSynchronizationService", "SetHighAccuracyTimeSynch", &arguments).return_value()
}

fn set_name(client: &mut Client<Memory>) {
    let settings = "<h:HostName>pc1</h:HostName><h:PingResponseEnabled>true</h:PingResponseEnabled>\
        <h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put(GENERAL, None, settings).status, 200);
}

/// Key pair and certificate in the store; the certificate's handle.
fn certificate(client: &mut Client<Memory>) -> String {
    let key = client.invoke(KEYS, "GenerateKeyPair", RSA).text("Selector");
    let public = client.get_one("AMT_PublicPrivateKeyPair", ("InstanceID", &key)).text("DERKey");
    let public = STANDARD.decode(public).unwrap();
    let index = (0..16).find(|i| amt_sim::keys::key(*i).public_pkcs1() == public).unwrap();
    let der = leaf_of(index);
    client.invoke(KEYS, "AddCertificate", &blob(&der)).text("Selector")
}

fn leaf_of(key: usize) -> Vec<u8> {
    let params = rcgen::CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
    params.signed_by(&chains::pair(key), &chains::server_authority()).unwrap().der().to_vec()
}

fn bind(certificate: &str) -> String {
    let element = reference("AMT_PublicKeyCertificate", "InstanceID", certificate);
    let name = "TLSProtocolEndpointInstances Collection";
    let provider = reference("AMT_TLSProtocolEndpointCollection", "ElementName", name);
    format!(
        "<h:ElementInContext>{element}</h:ElementInContext>\
         <h:ElementProvidingContext>{provider}</h:ElementProvidingContext>"
    )
}

fn commit(client: &mut Client<Memory>) -> u32 {
    client.invoke(SETUP, "CommitChanges", "").return_value()
}

#[test]
fn requests_that_are_not_for_the_wsman_server() {
    let mut client = client();
    client.get(GENERAL);
    let post = |client: &mut Client<Memory>, envelope: &str| client.post(envelope).unwrap();
    assert_eq!(post(&mut client, "hello").status, 400);
    assert!(String::from_utf8(post(&mut client, "hello").body).unwrap().contains("<html>"), "a web page, no SOAP");
    for (class, action, fault) in [
        ("AMT_Nonsense", format!("{TRANSFER}/Get"), "DestinationUnreachable InvalidResourceURI"),
        (GENERAL, format!("{TRANSFER}/Frobnicate"), "ActionNotSupported"),
        (GENERAL, format!("{}/Explode", uri(GENERAL)), "ActionNotSupported"),
        (GENERAL, format!("{TRANSFER}/Delete"), "ActionNotSupported"),
        (GENERAL, format!("{TRANSFER}/Create"), "ActionNotSupported"),
    ] {
        let envelope = client.envelope(&action, class, "", "");
        assert_eq!(post(&mut client, &envelope).fault(), fault, "{action}");
    }
    let options = "<w:OptionSet xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" s:mustUnderstand=\"true\"/>";
    let envelope = client.envelope(&format!("{TRANSFER}/Get"), GENERAL, options, "");
    assert_eq!(post(&mut client, &envelope).fault(), "MustUnderstand");
    let small = "<w:MaxEnvelopeSize>49999</w:MaxEnvelopeSize>";
    let envelope = client.envelope(&format!("{TRANSFER}/Get"), GENERAL, small, "");
    assert_eq!(post(&mut client, &envelope).fault(), "EncodingLimit MinimumEnvelopeLimit");
    let envelope = client.envelope(&format!("{TRANSFER}/Get"), GENERAL, "", "").replace("a:MessageID", "a:Nothing");
    assert_eq!(post(&mut client, &envelope).fault(), "MessageInformationHeaderRequired");
    let page = client.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(page.status, 401);
    assert!(page.header("Server").unwrap().starts_with("Intel(R) Active Management Technology 16.0."));
    assert_eq!(page.header("Connection"), Some("close"));
}

#[test]
fn instances_are_selected_by_their_keys() {
    let mut client = client();
    assert_eq!(client.get(TLS).fault(), "InvalidSelectors", "there are two");
    assert_eq!(client.get_one(TLS, ("InstanceID", "nonsense")).fault(), "DestinationUnreachable");
    assert_eq!(client.get_one(TLS, ("Colour", "red")).fault(), "InvalidSelectors");
    assert_eq!(client.get_one(TLS, ("InstanceID", LOCAL)).text("ElementName"), LOCAL);
    let settings = tls_settings(REMOTE, true, false);
    assert_eq!(client.put(TLS, None, &settings).fault(), "InvalidSelectors");
    assert_eq!(
        client.put(TLS, Some(("InstanceID", LOCAL)), &settings).fault(),
        "InvalidRepresentation InvalidValues",
        "the representation is of the other instance"
    );
    assert_eq!(client.get("AMT_TLSCredentialContext").fault(), "DestinationUnreachable");
    assert_eq!(client.delete("AMT_TLSCredentialContext", None).fault(), "DestinationUnreachable");
}

#[test]
fn put_takes_whole_objects_only() {
    let mut client = client();
    let ping = "<h:PingResponseEnabled>true</h:PingResponseEnabled>";
    let wsman = "<h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    let missing = "InvalidRepresentation MissingValues";
    let invalid = "InvalidRepresentation InvalidValues";
    for (properties, fault) in [
        (ping.to_owned(), missing),
        (wsman.to_owned(), missing),
        (format!("{ping}<h:WsmanOnlyMode>perhaps</h:WsmanOnlyMode>"), invalid),
        (format!("{ping}{wsman}<h:DigestRealm>Digest:0</h:DigestRealm>"), invalid),
        (format!("{ping}{wsman}<h:Colour>red</h:Colour>"), invalid),
        (format!("{ping}{wsman}<h:HostName>{}</h:HostName>", "x".repeat(64)), invalid),
        (format!("{ping}{wsman}<h:HostName>two words</h:HostName>"), invalid),
        (format!("{ping}{wsman}<h:DomainName>{}</h:DomainName>", "x".repeat(192)), invalid),
        (format!("{ping}{wsman}<h:IdleWakeTimeout>0</h:IdleWakeTimeout>"), invalid),
        (format!("{ping}{wsman}<h:DDNSPeriodicUpdateInterval>19</h:DDNSPeriodicUpdateInterval>"), invalid),
        (format!("{ping}{wsman}<h:PrivacyLevel>3</h:PrivacyLevel>"), invalid),
    ] {
        assert_eq!(client.put(GENERAL, None, &properties).fault(), fault, "{properties}");
    }
    assert_eq!(client.get(GENERAL).text("HostName"), "", "nothing of it was taken");
    let body = format!("<h:{GENERAL} xmlns:h=\"urn:other\">{ping}{wsman}</h:{GENERAL}>");
    let envelope = client.envelope(&format!("{TRANSFER}/Put"), GENERAL, "", &body);
    assert_eq!(client.post(&envelope).unwrap().fault(), "SchemaValidationError");
    let without_mutual = "<h:ElementName>Intel(r) AMT 802.3 TLS Settings</h:ElementName><h:Enabled>true</h:Enabled>\
        <h:InstanceID>Intel(r) AMT 802.3 TLS Settings</h:InstanceID>";
    assert_eq!(client.put(TLS, Some(("InstanceID", REMOTE)), without_mutual).fault(), missing);
}

#[test]
fn passwords_are_held_to_the_rules() {
    let mut client = client();
    let mebx = |client: &mut Client<Memory>, password: &str| {
        client.invoke(SETUP, "SetMEBxPassword", &format!("<h:Password>{password}</h:Password>")).return_value()
    };
    for weak in ["P@ss1", "p@ssw0rd", "P@SSW0RD", "Passw0rd", "P@ssword", "P@ssw0rdP@ssw0rdP@ssw0rdP@ssw0rd1"] {
        assert_eq!(mebx(&mut client, weak), 2054, "{weak}");
    }
    assert_eq!(client.invoke(SETUP, "SetMEBxPassword", "").fault(), "InvalidRepresentation MissingValues");
    assert!(client.line.firmware.check_mebx_password("admin"));
    assert_eq!(mebx(&mut client, "P@ssw0rd"), 0);
    assert!(client.line.firmware.check_mebx_password("P@ssw0rd"));
    for (policy, first, second) in [("never", 16, 16), ("default-only", 0, 16), ("during-setup", 0, 0)] {
        let mut client = client_of(with(&format!("[mebx]\npolicy = \"{policy}\"\n")));
        assert_eq!(mebx(&mut client, "P@ssw0rd"), first, "{policy}");
        assert_eq!(mebx(&mut client, "P@ssw0rd2"), second, "{policy}");
    }
    let admin = |client: &mut Client<Memory>, user: &str, digest: &str| {
        let arguments = format!("<h:Username>{user}</h:Username><h:DigestPassword>{digest}</h:DigestPassword>");
        client.invoke("AMT_AuthorizationService", "SetAdminAclEntryEx", &arguments).return_value()
    };
    let realm = client.line.firmware.realm().to_owned();
    let good = digest_password(&realm, "N3w-Pass!");
    let hex: String = STANDARD.decode(&good).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(admin(&mut client, "admin", &hex), 36, "hex instead of base64");
    assert_eq!(admin(&mut client, "admin", &STANDARD.encode(&hex)), 36, "hex in base64");
    assert_eq!(admin(&mut client, "admin", "N3w-Pass!"), 36, "the password itself");
    assert_eq!(admin(&mut client, "a-name-of-17-char", &good), 36);
    assert_eq!(admin(&mut client, "$$OsAdmin", &good), 36);
    assert!(client.line.firmware.check_admin_password("admin"));
    assert_eq!(admin(&mut client, "admin", &good), 0);
    assert!(client.line.firmware.check_admin_password("N3w-Pass!"));
}

#[test]
fn a_changed_password_ends_the_old_login_at_once() {
    let mut client = client();
    client.get(GENERAL);
    let realm = client.line.firmware.realm().to_owned();
    let digest = digest_password(&realm, "N3w-Pass!");
    let arguments = format!("<h:Username>admin</h:Username><h:DigestPassword>{digest}</h:DigestPassword>");
    assert_eq!(client.invoke("AMT_AuthorizationService", "SetAdminAclEntryEx", &arguments).return_value(), 0);
    let old = client.get(GENERAL);
    assert_eq!(old.status, 401, "the old password");
    client.set_password("N3w-Pass!");
    assert_eq!(client.get(GENERAL).status, 200);
    // The login survives the loss of power: it is in flash, and the next hello says so.
    let before = client.line.hellos.len();
    client.line.feed_input(amt_sim::firmware::Input::Power);
    assert_eq!(client.line.hellos[before][..2], [1, 0]);
    client.line.closed = true;
    assert_eq!(client.get(GENERAL).status, 200);
    let login = client.line.firmware.truth(client.line.now);
    assert!(login.admin.set && !login.mebx.set);
}

#[test]
fn wrong_passwords_lock_the_account_even_for_the_right_one() {
    let mut client = client();
    client.set_password("wrong");
    for _ in 0..4 {
        assert_eq!(client.get(GENERAL).status, 401);
        client.forget();
    }
    client.set_password("admin");
    assert_eq!(client.get(GENERAL).status, 401, "locked");
    client.line.wait(Duration::from_secs(31));
    client.forget();
    assert_eq!(client.get(GENERAL).status, 200);
}

#[test]
fn setup_mode_wants_the_login_that_the_persona_has() {
    for (login, password) in [("none", None), ("empty", Some("")), ("factory", Some("admin")), ("mebx", Some("admin"))]
    {
        let config = with(&format!("[login]\nsetup = \"{login}\"\n"));
        let mut client = Client::new(Memory::new(config.clone()), password);
        assert_eq!(client.get(GENERAL).status, 200, "{login}");
        let mut wrong = Client::new(Memory::new(config), Some("wrong"));
        assert_eq!(wrong.get(GENERAL).status, if login == "none" { 200 } else { 401 }, "{login}");
    }
}

#[test]
fn the_clock_takes_sane_times_only() {
    let mut client = client();
    let ta0 = client.invoke("AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch", "").text("Ta0");
    assert_eq!(synch(&mut client, &ta0, 1_072_915_199, 1_072_915_200), 34, "before 2004");
    assert_eq!(synch(&mut client, &ta0, 1_800_000_001, 1_800_000_000), 36, "backwards");
    assert_eq!(synch(&mut client, "1800000000", 1_800_000_000, 1_800_000_000), 36, "Ta0 is not the machine's");
    assert!(!client.line.firmware.truth(client.line.now).clock_set);
    set_clock(&mut client);
    let now: u32 =
        client.invoke("AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch", "").text("Ta0").parse().unwrap();
    assert!((1_800_000_000..1_800_000_002).contains(&now));
}

#[test]
fn the_window_is_extended_by_hours_and_closed_by_zero() {
    let mut client = client();
    let extend = |client: &mut Client<Memory>, hours: &str| {
        client.invoke(SETUP, "ExtendProvisioningPeriod", &format!("<h:Duration>{hours}</h:Duration>")).return_value()
    };
    assert_eq!(extend(&mut client, "25"), 36);
    client.line.wait(Duration::from_secs(23 * 3600));
    assert_eq!(extend(&mut client, "6"), 0);
    client.line.wait(Duration::from_secs(5 * 3600));
    assert!(client.line.listens.1, "28 hours after the start");
    assert_eq!(extend(&mut client, "0"), 0);
    assert_eq!(client.line.listens, (false, false));
    let hellos = client.line.hellos.len();
    client.line.wait(Duration::from_secs(24 * 3600));
    assert_eq!(client.line.hellos.len(), hellos, "and no more hellos");
    assert!(client.post("").is_none());
}

#[test]
fn keys_and_requests_are_checked() {
    let mut client = client_of(with("[certificates]\nslots = 3\n"));
    let bad = "<h:KeyAlgorithm>0</h:KeyAlgorithm><h:KeyLength>1024</h:KeyLength>";
    assert_eq!(client.invoke(KEYS, "GenerateKeyPair", bad).return_value(), 36);
    let key = client.invoke(KEYS, "GenerateKeyPair", RSA).text("Selector");
    let request = |client: &mut Client<Memory>, handle: &str, algorithm: u32, csr: &[u8]| {
        let pair = reference("AMT_PublicPrivateKeyPair", "InstanceID", handle);
        let arguments = format!(
            "<h:KeyPair>{pair}</h:KeyPair><h:SigningAlgorithm>{algorithm}</h:SigningAlgorithm>\
             <h:NullSignedCertificateRequest>{}</h:NullSignedCertificateRequest>",
            STANDARD.encode(csr)
        );
        client.invoke(KEYS, "GeneratePKCS10RequestEx", &arguments)
    };
    let public =
        STANDARD.decode(client.get_one("AMT_PublicPrivateKeyPair", ("InstanceID", &key)).text("DERKey")).unwrap();
    let index = (0..16).find(|i| amt_sim::keys::key(*i).public_pkcs1() == public).unwrap();
    let csr = |index: usize| {
        let params = rcgen::CertificateParams::new(vec!["pc1".to_owned()]).unwrap();
        let mut der = params.serialize_request(&chains::pair(index)).unwrap().der().to_vec();
        let end = der.len();
        der[end - 256..].fill(0);
        der
    };
    assert_eq!(request(&mut client, &key, 1, &csr(index + 1)).return_value(), 2062, "another key in the request");
    assert_eq!(request(&mut client, &key, 1, b"nonsense").return_value(), 36);
    assert_eq!(request(&mut client, &key, 0, &csr(index)).return_value(), 36, "SHA-1 is gone");
    assert_eq!(request(&mut client, "Intel(r) AMT Key: Handle: 9", 1, &csr(index)).return_value(), 2053);
    let signed = request(&mut client, &key, 1, &csr(index)).text("SignedCertificateRequest");
    let signed = STANDARD.decode(signed).unwrap();
    let (_, parsed) = <x509_parser::certification_request::X509CertificationRequest<'_> as x509_parser::prelude::FromDer<'_, _>>::from_der(&signed).unwrap();
    parsed.verify_signature().unwrap();

    let add =
        |client: &mut Client<Memory>, method: &str, der: &[u8]| client.invoke(KEYS, method, &blob(der)).return_value();
    assert_eq!(add(&mut client, "AddCertificate", b"nonsense"), 2063);
    assert_eq!(add(&mut client, "AddCertificate", &[0x30; 4101]), 2063, "too large");
    assert_eq!(add(&mut client, "AddCertificate", &leaf_of(index + 1)), 2064, "no key for it");
    let leaf = leaf_of(index);
    assert_eq!(add(&mut client, "AddCertificate", &leaf), 0);
    assert_eq!(add(&mut client, "AddCertificate", &leaf), 2058);
    assert_eq!(add(&mut client, "AddTrustedRootCertificate", &leaf_of(index + 1)), 2063, "no authority");
    let root = chains::server_authority().der().to_vec();
    assert_eq!(add(&mut client, "AddTrustedRootCertificate", &root), 0);
    assert_eq!(add(&mut client, "AddTrustedRootCertificate", &root), 2058);
    assert_eq!(add(&mut client, "AddTrustedRootCertificate", chains::good().root()), 0);
    let more = rcgen::CertifiedIssuer::self_signed(chains::authority("Another CA"), chains::pair(13)).unwrap();
    assert_eq!(add(&mut client, "AddCertificate", more.der()), 23, "no room");
    assert_eq!(
        client.delete("AMT_PublicPrivateKeyPair", Some(("InstanceID", &key))).fault(),
        "InternalError AMT-STATUS 16",
        "its certificate is still there"
    );
    for _ in 1..8 {
        assert_eq!(client.invoke(KEYS, "GenerateKeyPair", RSA).return_value(), 0);
    }
    assert_eq!(client.invoke(KEYS, "GenerateKeyPair", RSA).return_value(), 23, "eight slots");
}

#[test]
fn keys_may_not_be_ready_yet() {
    let text = "based_on = \"amt-16.0\"\n[keys]\nnot_ready_percent = 100\ngeneration_seconds = 5\n";
    let mut config = Memory::config();
    config.persona = Persona::parse(text).unwrap().into();
    let mut client = client_of(config);
    assert!([2061, 48, 47].contains(&client.invoke(KEYS, "GenerateKeyPair", RSA).return_value()));
    client.line.wait(Duration::from_secs(4));
    assert_ne!(client.invoke(KEYS, "GenerateKeyPair", RSA).return_value(), 0);
    client.line.wait(Duration::from_secs(1));
    assert_eq!(client.invoke(KEYS, "GenerateKeyPair", RSA).return_value(), 0);
}

#[test]
fn the_credential_context_binds_a_certificate_with_a_key_once() {
    let mut client = client();
    let context = "AMT_TLSCredentialContext";
    let handle = certificate(&mut client);
    let invalid = "InvalidRepresentation InvalidValues";
    assert_eq!(client.create(context, &bind("Intel(r) AMT Certificate: Handle: 9")).fault(), invalid);
    assert_eq!(client.create(context, "").fault(), "InvalidRepresentation MissingValues");
    let root = chains::server_authority().der().to_vec();
    let root = client.invoke(KEYS, "AddTrustedRootCertificate", &blob(&root)).text("Selector");
    assert_eq!(client.create(context, &bind(&root)).fault(), invalid, "a root has no key here");
    assert_eq!(client.create(context, &bind(&handle)).status, 200);
    assert_eq!(client.create(context, &bind(&handle)).fault(), "AlreadyExists");
    let second = certificate(&mut client);
    assert_eq!(client.put(context, None, &bind(&second)).status, 200);
    let delete = |client: &mut Client<Memory>, handle: &str| {
        client.delete("AMT_PublicKeyCertificate", Some(("InstanceID", handle)))
    };
    assert_eq!(delete(&mut client, &second).fault(), "InternalError AMT-STATUS 16", "in use");
    assert_eq!(delete(&mut client, &handle).status, 200);
    assert_eq!(delete(&mut client, &handle).fault(), "DestinationUnreachable");
}

#[test]
fn what_is_served_cannot_be_removed_until_another_is_committed() {
    let mut client = client();
    set_name(&mut client);
    set_clock(&mut client);
    let first = certificate(&mut client);
    client.create("AMT_TLSCredentialContext", &bind(&first));
    client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, false));
    assert_eq!(commit(&mut client), 0);
    client.line.wait(Duration::from_secs(60));
    client.line.chain.clear();
    client.forget();
    let refused = "InternalError AMT-STATUS 16";
    let delete = |client: &mut Client<Memory>, class: &str, id: &str| client.delete(class, Some(("InstanceID", id)));
    let (certificates, pairs) = ("AMT_PublicKeyCertificate", "AMT_PublicPrivateKeyPair");
    let key = "Intel(r) AMT Key: Handle: 0";
    let settings = "<h:DomainName>example.com</h:DomainName><h:HostName>desk7</h:HostName>\
        <h:PingResponseEnabled>true</h:PingResponseEnabled><h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put(GENERAL, None, settings).status, 200);
    assert_eq!(client.put(GENERAL, None, "<h:HostName>desk7</h:HostName>").status, 400, "whole objects only");
    assert_eq!(delete(&mut client, certificates, &first).fault(), refused);
    let second = certificate(&mut client);
    assert_eq!(client.put("AMT_TLSCredentialContext", None, &bind(&second)).status, 200);
    assert_eq!(delete(&mut client, certificates, &first).fault(), refused, "it is still served");
    assert_eq!(delete(&mut client, certificates, &second).fault(), refused, "it is served after the commit");
    assert_eq!(delete(&mut client, pairs, key).fault(), refused);
    let before = client.line.firmware.truth(client.line.now);
    let flags = |truth: &amt_sim::firmware::MachineTruth| -> Vec<(bool, bool)> {
        truth.certificates.iter().map(|c| (c.in_use, c.served)).collect()
    };
    assert_eq!((flags(&before), before.keys.len()), (vec![(true, true), (true, false)], 2));
    assert!(before.certificates[1].subject.contains("CN="), "{}", before.certificates[1].subject);

    client.get(GENERAL);
    assert!(!client.line.closed, "a fault ends the connection, an answer does not");
    assert_eq!(commit(&mut client), 0);
    assert!(client.line.closed, "connections end with the restart");
    assert_eq!(client.line.listens, (false, false));
    client.line.wait(Duration::from_secs(60));
    client.forget();
    assert_eq!(delete(&mut client, pairs, key).fault(), refused, "its certificate is still there");
    assert_eq!(delete(&mut client, certificates, &first).status, 200);
    assert_eq!(delete(&mut client, pairs, key).status, 200);
    let after = client.line.firmware.truth(client.line.now);
    assert_eq!((flags(&after), after.keys.len()), (vec![(true, true)], 1));
    assert_ne!(after.certificate_sha256, before.certificate_sha256);
    assert_eq!((after.host_name.as_str(), after.domain_name.as_str()), ("desk7", "example.com"));
}

#[test]
fn keys_of_one_machine_are_never_the_same() {
    let mut client = client();
    for _ in 0..40 {
        let one = client.invoke(KEYS, "GenerateKeyPair", RSA).text("Selector");
        client.invoke(KEYS, "GenerateKeyPair", RSA);
        let truth = client.line.firmware.truth(client.line.now);
        let keys: std::collections::HashSet<_> = truth.keys.iter().map(|key| &key.public_key).collect();
        assert_eq!(keys.len(), truth.keys.len());
        let pairs = "AMT_PublicPrivateKeyPair";
        assert_eq!(client.delete(pairs, Some(("InstanceID", &one))).status, 200);
        if truth.keys.len() > 5 {
            client.delete(pairs, Some(("InstanceID", "Intel(r) AMT Key: Handle: 1")));
        }
    }
}

#[test]
fn commit_demands_clock_name_and_certificate() {
    let mut client = client();
    set_name(&mut client);
    assert_eq!(commit(&mut client), 2057, "no clock");
    set_clock(&mut client);
    client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, false));
    assert_eq!(commit(&mut client), 2057, "TLS without a certificate");
    let handle = certificate(&mut client);
    client.create("AMT_TLSCredentialContext", &bind(&handle));
    client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, true));
    assert_eq!(commit(&mut client), 2057, "mutual TLS without a trusted root");
    client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, false));
    assert_eq!(client.line.firmware.truth(client.line.now).commits, 0);
    assert_eq!(commit(&mut client), 0);

    let mut nameless = client_of(with(""));
    set_clock(&mut nameless);
    assert_eq!(commit(&mut nameless), 2057, "DHCP without a host name");
    let mut careful = client_of(with("[mebx]\nrequired_for_commit = true\n"));
    set_clock(&mut careful);
    set_name(&mut careful);
    assert_eq!(commit(&mut careful), 2057, "the setup menu has its factory password");
}

#[test]
fn enabling_the_local_instance_makes_commit_a_lie() {
    for (block, state) in [(true, "in"), (false, "post")] {
        let mut client = client_of(with(&format!("[tls_settings]\nlocal_blocks_commit = {block}\n")));
        set_name(&mut client);
        set_clock(&mut client);
        let handle = certificate(&mut client);
        client.create("AMT_TLSCredentialContext", &bind(&handle));
        client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, false));
        client.put(TLS, Some(("InstanceID", LOCAL)), &tls_settings(LOCAL, true, false));
        assert_eq!(commit(&mut client), 0);
        assert_eq!(client.line.firmware.truth(client.line.now).state, state);
    }
}

#[test]
fn staged_settings_are_lost_with_the_power() {
    let mut client = client();
    client.put(TLS, Some(("InstanceID", REMOTE)), &tls_settings(REMOTE, true, false));
    client.line.feed_input(amt_sim::firmware::Input::Power);
    assert_eq!(client.line.firmware.truth(client.line.now).state, "pre");
    client.line.closed = true;
    assert_eq!(client.get_one(TLS, ("InstanceID", REMOTE)).text("Enabled"), "false");
}

#[test]
fn enumerations_are_bounded_and_used_once() {
    let mut client = client();
    let class = "CIM_SoftwareIdentity";
    let start = |client: &mut Client<Memory>| client.enumeration(class, "Enumerate", "");
    let context = start(&mut client).text("EnumerationContext");
    let pull = |client: &mut Client<Memory>, context: &str, most: &str| {
        let body =
            format!("<n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>{most}</n:MaxElements>");
        client.enumeration(class, "Pull", &body)
    };
    let first = pull(&mut client, &context, "4").element();
    assert_eq!(first.child("Items").unwrap().children.len(), 4);
    let next = first.child("EnumerationContext").unwrap().text.clone();
    assert_eq!(pull(&mut client, &context, "4").fault(), "InvalidEnumerationContext", "used up");
    assert_eq!(pull(&mut client, &next, "0").fault(), "SchemaValidationError");
    assert_eq!(pull(&mut client, &next, "999").element().child("Items").unwrap().children.len(), 7);
    assert_eq!(pull(&mut client, &next, "999").fault(), "InvalidEnumerationContext");
    let contexts: Vec<String> = (0..3).map(|_| start(&mut client).text("EnumerationContext")).collect();
    assert_eq!(start(&mut client).fault(), "QuotaLimit");
    let release = |client: &mut Client<Memory>, context: &str| {
        client.enumeration(class, "Release", &format!("<n:EnumerationContext>{context}</n:EnumerationContext>"))
    };
    assert_eq!(release(&mut client, &contexts[0]).status, 200);
    assert_eq!(release(&mut client, &contexts[0]).fault(), "InvalidEnumerationContext");
    assert_eq!(start(&mut client).status, 200);
    assert_eq!(start(&mut client).fault(), "QuotaLimit");
    client.line.wait(Duration::from_secs(61));
    assert_eq!(pull(&mut client, &contexts[1], "4").fault(), "InvalidEnumerationContext", "too old");
    assert_eq!(start(&mut client).status, 200);
}

#[test]
fn the_one_time_password_is_readable_while_in_provisioning_only() {
    let mut config = with("");
    config.otp = Some("0123456789abcdef".into());
    let mut client = client_of(config);
    let otp = STANDARD.decode(client.get(SETUP).text("ProvisioningServerOTP")).unwrap();
    assert_eq!((&otp[..16], &otp[16..]), (&b"0123456789abcdef"[..], &[0; 16][..]));
    set_name(&mut client);
    set_clock(&mut client);
    assert_eq!(commit(&mut client), 0);
    client.line.wait(Duration::from_secs(10));
    client.line.port = amt_sim::firmware::Port::Plain;
    client.forget();
    let otp = STANDARD.decode(client.get(SETUP).text("ProvisioningServerOTP")).unwrap();
    assert_eq!(otp, [0; 32]);
}

#[test]
fn unprovisioning_goes_back_to_the_factory() {
    let mut client = client();
    let unprovision = |client: &mut Client<Memory>, mode: u32| {
        client.invoke(SETUP, "Unprovision", &format!("<h:ProvisioningMode>{mode}</h:ProvisioningMode>")).return_value()
    };
    assert_eq!(unprovision(&mut client, 1), 16, "not set up yet");
    certificate(&mut client);
    set_name(&mut client);
    set_clock(&mut client);
    assert_eq!(commit(&mut client), 0);
    client.line.wait(Duration::from_secs(10));
    client.line.port = amt_sim::firmware::Port::Plain;
    client.forget();
    let realm = client.line.firmware.realm().to_owned();
    assert_eq!(unprovision(&mut client, 2), 36);
    let hellos = client.line.hellos.len();
    assert_eq!(unprovision(&mut client, 1), 0);
    client.line.wait(Duration::from_secs(10));
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.state.as_str(), truth.control_mode.as_str()), ("pre", "none"));
    assert!(!truth.admin.set && truth.certificates.is_empty() && truth.keys.is_empty());
    assert_ne!(truth.realm, realm);
    assert_eq!(client.line.hellos.len(), hellos + 1, "it says hello again");
}

#[test]
fn hellos_follow_the_documented_cadence_until_the_window_ends() {
    let mut line = Memory::new(with(""));
    let mut times = vec![0];
    while let Some(deadline) = line.firmware.deadline() {
        let before = line.hellos.len();
        line.now = deadline;
        line.feed_input(amt_sim::firmware::Input::Timeout);
        if line.hellos.len() > before {
            times.push(line.now.0 / 60_000);
        }
    }
    assert_eq!(times[..8], [0, 1, 2, 3, 4, 5, 10, 15]);
    let hourly: Vec<u64> = times.iter().copied().filter(|t| *t > 65).collect();
    assert!(hourly.windows(2).all(|w| w[1] - w[0] == 60), "{hourly:?}");
    assert_eq!(line.now.0, 24 * 3600 * 1000, "the window");
    assert_eq!(line.listens, (false, false));
    let retries: Vec<u32> = line.hellos.iter().map(|h| u32::from_le_bytes(h[4..8].try_into().unwrap())).collect();
    assert_eq!(retries, (0..u32::try_from(times.len()).unwrap()).collect::<Vec<_>>());
    line.feed_input(amt_sim::firmware::Input::Rearm { otp: None });
    assert_eq!(line.listens, (false, true), "a local agent opens it again");
}

#[test]
fn faults_strike_where_they_are_aimed() {
    let fault = |text: &str| text.parse::<Fault>().unwrap();
    let mut client = client();
    client.get(GENERAL);
    client.line.firmware.add_fault(fault("AMT_GeneralSettings.Get:in:status=38"));
    assert_eq!(client.get(GENERAL).fault(), "InternalError AMT-STATUS 38");
    client.line.firmware.add_fault(fault("AMT_SetupAndConfigurationService.CommitChanges:in:status=38"));
    assert_eq!(commit(&mut client), 38, "flash wear-out");
    assert_eq!(client.line.firmware.truth(client.line.now).commits, 0);
    let envelope = client.envelope(&format!("{TRANSFER}/Get"), GENERAL, "", "");
    for (kind, closed) in
        [("in:reset", true), ("in:truncate", true), ("in:stall", false), ("out:reset", true), ("out:stall", false)]
    {
        client.line.reconnect();
        client.line.firmware.add_fault(fault(&format!("AMT_GeneralSettings.Get:{kind}")));
        assert!(client.post(&envelope).is_none(), "{kind}");
        assert_eq!(client.line.closed, closed, "{kind}");
        client.line.closed = true;
        assert_eq!(client.get(GENERAL).status, 200, "{kind}: the next one is fine");
    }
    client.line.firmware.add_fault(fault("AMT_GeneralSettings.Get:out:delay=700"));
    assert!(client.post(&envelope).is_none(), "not yet");
    let reply = {
        client.line.now = client.line.now.after(Duration::from_millis(700));
        client.line.feed_input(amt_sim::firmware::Input::Timeout)
    };
    assert!(reply.starts_with(b"HTTP/1.1 200 OK"));
}

#[test]
fn a_lost_commit_reply_still_commits() {
    let mut client = client_of(with("[network]\ncommit_reply = \"dropped\"\n"));
    set_name(&mut client);
    set_clock(&mut client);
    let envelope = client.envelope(&format!("{}/CommitChanges", uri(SETUP)), SETUP, "", "");
    assert!(client.post(&envelope).is_none());
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.state.as_str(), truth.commits), ("post", 1));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut config = with("");
        config.seed = seed;
        let mut client = client_of(config);
        let mut answers = vec![client.get(GENERAL).body, client.get(SETUP).body];
        answers.push(client.line.exchange(b"POST /wsman HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap());
        answers
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
