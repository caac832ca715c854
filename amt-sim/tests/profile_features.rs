//! What a profile sets of redirection, KVM and consent, and what firmware refuses of it.

use crate::support;
use crate::support::{Answer, Client, Memory, uri};
use amt_sim::Persona;
use std::time::Duration;

const ADMIN: &str = "N3w-Adm!n-Pass";
const SAP: &str = "CIM_KVMRedirectionSAP";
const KVM: &str = "IPS_KVMRedirectionSettingData";
const OPT_IN: &str = "IPS_OptInService";
const REDIRECTION: &str = "AMT_RedirectionService";
const INVALID: &str = "InvalidRepresentation InvalidValues";

fn client(persona: &str) -> Client<Memory> {
    let mut config = Memory::config();
    config.persona = Persona::parse(persona).unwrap().into();
    support::managed(config, ADMIN)
}

fn amt16() -> Client<Memory> {
    client("based_on = \"amt-16.0\"")
}

fn state(client: &mut Client<Memory>, class: &str, state: &str) -> u32 {
    let argument = format!("<h:RequestedState>{state}</h:RequestedState>");
    client.invoke(class, "RequestStateChange", &argument).return_value()
}

/// What Get told, put back with one property changed.
fn put(client: &mut Client<Memory>, class: &str, name: &str, value: &str) -> Answer {
    let got = client.get(class).element();
    let properties = support::with(&got, name, value);
    client.put(class, None, &properties)
}

#[test]
fn kvm_is_switched_and_is_missing_where_the_product_has_none() {
    let mut client = amt16();
    assert_eq!(client.get(SAP).text("EnabledState"), "3");
    assert_eq!(state(&mut client, SAP, "2"), 0);
    assert_eq!(client.get(SAP).text("EnabledState"), "6");
    assert_eq!(state(&mut client, SAP, "4"), 5, "CIM's value for a wrong parameter");
    assert_eq!(state(&mut client, SAP, "3"), 0);
    assert_eq!(client.get(SAP).text("EnabledState"), "3");
    let mut standard = self::client("based_on = \"amt-16.0\"\n[features]\nkvm = false\n");
    assert_eq!(standard.get(SAP).fault(), "DestinationUnreachable InvalidResourceURI");
    assert_eq!(standard.get(KVM).fault(), "DestinationUnreachable InvalidResourceURI");
    assert_eq!(standard.get(OPT_IN).status, 200);
}

#[test]
fn kvm_settings_have_limits_and_keep_their_password() {
    let mut client = amt16();
    assert_eq!(put(&mut client, KVM, "SessionTimeout", "255").text("SessionTimeout"), "255");
    assert_eq!(put(&mut client, KVM, "SessionTimeout", "256").fault(), INVALID);
    assert_eq!(put(&mut client, KVM, "EnabledByMEBx", "false").fault(), INVALID);
    assert_eq!(put(&mut client, KVM, "Is5900PortEnabled", "true").fault(), "InternalError AMT-STATUS 2066");
    for weak in ["P@ssw0r", "P@ssw0rd1", "Passw0rd", "p@ssw0rd"] {
        assert_eq!(put(&mut client, KVM, "RFBPassword", weak).fault(), "InternalError AMT-STATUS 2054", "{weak}");
    }
    let told = put(&mut client, KVM, "RFBPassword", "P@ssw0rd");
    assert_eq!((told.status, told.text("RFBPassword").as_str()), (200, ""));
    assert!(!String::from_utf8(client.get(KVM).body).unwrap().contains("P@ssw0rd"));
    assert_eq!(client.line.firmware.truth(client.line.now).secrets.keys().collect::<Vec<_>>(), ["rfb"]);
    let missing = client.put(KVM, None, "<h:SessionTimeout>3</h:SessionTimeout>").fault();
    assert_eq!(missing, "InvalidRepresentation MissingValues");

    let mut old = self::client("based_on = \"amt-16.0\"\nversion = \"11.8.55.3510\"");
    assert_eq!(
        put(&mut old, KVM, "Is5900PortEnabled", "true").fault(),
        "InternalError AMT-STATUS 2054",
        "it has no password"
    );
    assert_eq!(put(&mut old, KVM, "RFBPassword", "P@ssw0rd").status, 200);
    assert_eq!(put(&mut old, KVM, "Is5900PortEnabled", "true").text("Is5900PortEnabled"), "true");
}

#[test]
fn consent_takes_the_code_on_the_screen() {
    let mut client = amt16();
    let code = |client: &Client<Memory>| client.line.firmware.truth(client.line.now).consent_code;
    let send = |client: &mut Client<Memory>, code: &str| {
        client.invoke(OPT_IN, "SendOptInCode", &format!("<h:OptInCode>{code}</h:OptInCode>")).return_value()
    };
    let call = |client: &mut Client<Memory>, method| client.invoke(OPT_IN, method, "").return_value();
    let told = |client: &mut Client<Memory>| client.get(OPT_IN).text("OptInState");
    assert_eq!(send(&mut client, "123456"), 2, "nothing is asked");
    assert_eq!(call(&mut client, "CancelOptIn"), 2);
    assert_eq!(call(&mut client, "StartOptIn"), 0);
    assert_eq!(call(&mut client, "StartOptIn"), 2, "it is under way");
    assert_eq!(told(&mut client), "2");
    let shown = code(&client).unwrap();
    assert_eq!(shown.len(), 6);
    let wrong = if shown == "000000" { "000001" } else { "000000" };
    assert_eq!(send(&mut client, wrong), 2066);
    assert_eq!(send(&mut client, &shown), 0);
    assert_eq!((told(&mut client).as_str(), code(&client)), ("3", None));
    assert_eq!(call(&mut client, "CancelOptIn"), 0);
    assert_eq!(call(&mut client, "StartOptIn"), 0);
    client.line.wait(Duration::from_secs(121));
    assert_eq!((told(&mut client).as_str(), code(&client)), ("0", None), "the code is gone from the screen");
    assert_eq!(put(&mut client, OPT_IN, "OptInRequired", "0").text("OptInRequired"), "0");
    assert_eq!(call(&mut client, "StartOptIn"), 2, "nobody needs it");
    assert_eq!(put(&mut client, OPT_IN, "OptInRequired", "2").fault(), INVALID);
    assert_eq!(put(&mut client, OPT_IN, "OptInState", "3").fault(), INVALID);
}

#[test]
fn redirection_has_four_states_and_a_listener() {
    let mut client = amt16();
    assert_eq!(state(&mut client, REDIRECTION, "32771"), 0);
    assert_eq!(state(&mut client, REDIRECTION, "2"), 5);
    let after = put(&mut client, REDIRECTION, "ListenerEnabled", "true");
    assert_eq!((after.text("EnabledState").as_str(), after.text("ListenerEnabled").as_str()), ("32771", "true"));
    assert_eq!(put(&mut client, REDIRECTION, "EnabledState", "32772").fault(), INVALID);
    assert_eq!(put(&mut client, REDIRECTION, "Name", "x").fault(), INVALID);
    assert!(uri(REDIRECTION).starts_with(support::AMT));
}

#[test]
fn only_requests_that_change_something_are_counted_as_writes() {
    let mut client = amt16();
    let writes = |client: &Client<Memory>| client.line.firmware.truth(client.line.now).writes;
    let before = writes(&client);
    client.get(KVM);
    client.all(OPT_IN);
    client.invoke("AMT_AuthorizationService", "GetAdminAclEntry", "");
    client.invoke("AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch", "");
    assert_eq!(writes(&client), before);
    state(&mut client, SAP, "2");
    put(&mut client, KVM, "SessionTimeout", "4");
    put(&mut client, KVM, "SessionTimeout", "999");
    assert_eq!(writes(&client), before + 3, "refused ones too");
}

/// What the audit log shall record of one part of the firmware.
fn audit(client: &mut Client<Memory>, on: bool, application: u16, events: &[(u16, u32)]) -> u32 {
    let of = |name: &str, value: &dyn Fn((u16, u32)) -> String| -> String {
        events.iter().map(|event| format!("<h:{name}>{}</h:{name}>", value(*event))).collect()
    };
    let arguments = of("Enable", &|_| on.to_string())
        + &of("AuditedAppID", &|_| application.to_string())
        + &of("EventID", &|(event, _)| event.to_string())
        + &of("PolicyType", &|(_, kind)| kind.to_string());
    client.invoke("AMT_AuditPolicyRule", "SetAuditPolicyBulk", &arguments).return_value()
}

#[test]
fn the_audit_log_records_what_its_policy_names_and_always_what_concerns_itself() {
    let mut client = amt16();
    let recorded = |client: &mut Client<Memory>| client.get("AMT_AuditLog").text("CurrentNumberOfRecords");
    // Of every event, whether it is critical.
    let policy = |client: &mut Client<Memory>| -> Vec<String> {
        let told = client.get("AMT_AuditPolicyRule").element();
        told.children.iter().filter(|child| child.name == "PolicyType").map(|child| child.text.clone()).collect()
    };
    let whole = policy(&mut client);
    assert_eq!(whole.len(), 55);
    assert_eq!(audit(&mut client, false, 20, &[(1, 0)]), 36, "its own changes are always recorded");
    assert_eq!(audit(&mut client, false, 17, &[(4, 0), (99, 0)]), 36, "an event that there is not");
    assert_eq!(audit(&mut client, true, 17, &[(4, 2)]), 36, "a type that there is not");
    assert_eq!(policy(&mut client), whole, "all or nothing");
    assert_eq!(
        client.invoke("AMT_AuditPolicyRule", "SetAuditPolicyBulk", "").fault(),
        "InvalidRepresentation MissingValues"
    );

    let switch_user = |client: &mut Client<Memory>| {
        let arguments = "<h:Handle>2</h:Handle><h:Enabled>false</h:Enabled>";
        assert_eq!(client.invoke("AMT_AuthorizationService", "SetAclEnabledState", arguments).return_value(), 0);
    };
    let before = recorded(&mut client);
    switch_user(&mut client);
    let after = recorded(&mut client);
    assert_ne!(before, after, "it is recorded");
    assert_eq!(audit(&mut client, false, 16, &[(6, 0)]), 0);
    let changed = recorded(&mut client);
    assert_ne!(after, changed, "the change of the policy is recorded");
    switch_user(&mut client);
    assert_eq!(recorded(&mut client), changed, "not any more");
    assert_eq!(audit(&mut client, true, 16, &[(6, 1)]), 0);
    assert_eq!(policy(&mut client).iter().filter(|kind| *kind == "1").count(), 1);
}
