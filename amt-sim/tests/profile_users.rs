//! Users of a machine: digest and Kerberos, where from, what for, and what firmware refuses.

use crate::support;
use crate::support::{Client, Memory};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

const ADMIN: &str = "N3w-Adm!n-Pass";
const USER: &str = "Us3r-P@ssw0rd";
const SERVICE: &str = "AMT_AuthorizationService";
const SID: [u8; 28] = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 80, 4, 0, 0];

fn client() -> Client<Memory> {
    support::managed(Memory::config(), ADMIN)
}

fn digest_user(client: &Client<Memory>, name: &str, access: u32, realms: &[u32]) -> String {
    let realm = client.line.firmware.realm();
    let md5 = STANDARD.encode(Md5::digest(format!("{name}:{realm}:{USER}").as_bytes()));
    let who = format!("<h:DigestUsername>{name}</h:DigestUsername><h:DigestPassword>{md5}</h:DigestPassword>");
    who + &rest(access, realms)
}

fn domain_user(sid: &[u8], realms: &[u32]) -> String {
    format!("<h:KerberosUserSid>{}</h:KerberosUserSid>", STANDARD.encode(sid)) + &rest(2, realms)
}

fn rest(access: u32, realms: &[u32]) -> String {
    let realms: String = realms.iter().map(|realm| format!("<h:Realms>{realm}</h:Realms>")).collect();
    format!("<h:AccessPermission>{access}</h:AccessPermission>{realms}")
}

fn add(client: &mut Client<Memory>, arguments: &str) -> u32 {
    client.invoke(SERVICE, "AddUserAclEntryEx", arguments).return_value()
}

fn on(client: &mut Client<Memory>, method: &str, handle: u32, more: &str) -> support::Answer {
    client.invoke(SERVICE, method, &format!("<h:Handle>{handle}</h:Handle>{more}"))
}

fn log_in(client: &mut Client<Memory>, user: &str, password: &str) {
    client.user = user.to_owned();
    client.set_password(password);
    client.forget();
}

#[test]
fn users_are_added_listed_changed_and_removed() {
    let mut client = client();
    let arguments = digest_user(&client, "anna", 1, &[2, 13]);
    let reply = client.invoke(SERVICE, "AddUserAclEntryEx", &arguments);
    assert_eq!((reply.return_value(), reply.text("Handle").as_str()), (0, "3"));
    assert_eq!(add(&mut client, &domain_user(&SID, &[3])), 0);
    let all = client.invoke(SERVICE, "EnumerateUserAclEntries", "<h:StartIndex>1</h:StartIndex>");
    let handles: Vec<String> =
        all.element().children.iter().filter(|c| c.name == "Handles").map(|c| c.text.clone()).collect();
    assert_eq!((all.text("TotalCount").as_str(), handles.join(" ").as_str()), ("4", "1 2 3 4"));
    let anna = on(&mut client, "GetUserAclEntryEx", 3, "");
    assert_eq!(anna.text("DigestUsername"), "anna");
    assert_eq!(anna.text("DigestPassword"), "", "no password is told");
    assert_eq!(on(&mut client, "GetUserAclEntryEx", 4, "").text("KerberosUserSid"), STANDARD.encode(SID));
    let changed = digest_user(&client, "anna", 2, &[5]);
    assert_eq!(on(&mut client, "UpdateUserAclEntryEx", 3, &changed).return_value(), 0);
    let anna = on(&mut client, "GetUserAclEntryEx", 3, "");
    assert_eq!((anna.text("AccessPermission").as_str(), anna.text("Realms").as_str()), ("2", "5"));
    assert_eq!(on(&mut client, "UpdateUserAclEntryEx", 4, &changed).return_value(), 36, "another kind");
    assert_eq!(on(&mut client, "UpdateUserAclEntryEx", 9, &changed).return_value(), 2053);
    assert_eq!(on(&mut client, "RemoveUserAclEntry", 3, "").return_value(), 0);
    assert_eq!(on(&mut client, "RemoveUserAclEntry", 3, "").return_value(), 2053);
}

#[test]
fn entries_of_the_firmware_s_own_can_be_switched_off_only() {
    let mut client = client();
    assert_eq!(on(&mut client, "GetUserAclEntryEx", 2, "").text("DigestUsername"), "$$uns");
    assert_eq!(on(&mut client, "RemoveUserAclEntry", 2, "").return_value(), 16);
    let other = digest_user(&client, "other", 2, &[2]);
    assert_eq!(on(&mut client, "UpdateUserAclEntryEx", 2, &other).return_value(), 16);
    assert_eq!(on(&mut client, "SetAclEnabledState", 2, "<h:Enabled>false</h:Enabled>").return_value(), 0);
    assert_eq!(on(&mut client, "GetAclEnabledState", 2, "").text("Enabled"), "false");
}

#[test]
fn what_is_no_user_is_refused() {
    let mut client = client();
    for (name, access, realms, status) in [
        ("$$anna", 2, &[2][..], 36),
        ("anna:b", 2, &[2], 36),
        ("seventeen-letters", 2, &[2], 36),
        ("anna", 3, &[2], 36),
        ("anna", 2, &[], 2055),
        ("anna", 2, &[1], 2055),
        ("anna", 2, &[22], 2055),
        ("anna", 2, &[23], 2055),
        ("anna", 2, &[25], 2055),
        ("admin", 2, &[2], 2058),
    ] {
        let arguments = digest_user(&client, name, access, realms);
        assert_eq!(add(&mut client, &arguments), status, "{name} {access} {realms:?}");
    }
    for sid in [&SID[..27], &SID[..1], &[][..], &[0; 32]] {
        let reply = client.invoke(SERVICE, "AddUserAclEntryEx", &domain_user(sid, &[3]));
        match sid.len() {
            0 => assert_eq!(reply.fault(), "InvalidRepresentation MissingValues"),
            _ => assert_eq!(reply.return_value(), 36, "{} bytes", sid.len()),
        }
    }
    let both = domain_user(&SID, &[3]) + "<h:DigestUsername>anna</h:DigestUsername>";
    assert_eq!(add(&mut client, &both), 36);
    let hex = Md5::digest(b"anna:r:p").iter().map(|b| format!("{b:02x}")).collect::<String>();
    let as_hex = format!("<h:DigestUsername>a</h:DigestUsername><h:DigestPassword>{hex}</h:DigestPassword>");
    assert_eq!(add(&mut client, &(as_hex + &rest(2, &[2]))), 36, "hex is not what it takes");
    for number in 0..15 {
        let arguments = digest_user(&client, &format!("user{number}"), 2, &[2]);
        assert_eq!(add(&mut client, &arguments), 0);
    }
    let one_more = digest_user(&client, "user15", 2, &[2]);
    assert_eq!(add(&mut client, &one_more), 23);
    let again = digest_user(&client, "user3", 2, &[2]);
    assert_eq!(add(&mut client, &again), 2058);
    assert_eq!(add(&mut client, &domain_user(&SID, &[3])), 0, "domain users have room of their own");
    assert_eq!(add(&mut client, &domain_user(&SID, &[2])), 2058);
}

#[test]
fn realms_and_permission_count_at_every_request() {
    let mut client = client();
    for (name, access, realms) in
        [("reader", 1, &[13][..]), ("screen", 2, &[2]), ("boss", 1, &[3]), ("inside", 0, &[3])]
    {
        let arguments = digest_user(&client, name, access, realms);
        assert_eq!(add(&mut client, &arguments), 0);
    }
    let (general, redirection, kvm) = ("AMT_GeneralSettings", "AMT_RedirectionService", "CIM_KVMRedirectionSAP");
    let on_state = "<h:RequestedState>2</h:RequestedState>";
    log_in(&mut client, "reader", USER);
    assert_eq!(client.get(general).status, 200);
    let settings = "<h:PingResponseEnabled>true</h:PingResponseEnabled><h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put(general, None, settings).fault(), "AccessDenied");
    assert_eq!(client.get(redirection).fault(), "AccessDenied");
    assert_eq!(client.enumeration(redirection, "Enumerate", "").fault(), "AccessDenied");
    assert_eq!(client.invoke(SERVICE, "RemoveUserAclEntry", "<h:Handle>3</h:Handle>").fault(), "AccessDenied");
    log_in(&mut client, "screen", USER);
    assert_eq!(client.get(redirection).status, 200);
    assert_eq!(client.invoke(kvm, "RequestStateChange", on_state).return_value(), 0);
    assert_eq!(client.get("AMT_PublicKeyManagementService").fault(), "AccessDenied");
    log_in(&mut client, "boss", USER);
    assert_eq!(client.put(general, None, settings).status, 200);
    assert_eq!(client.get("AMT_PublicKeyManagementService").status, 200);
    log_in(&mut client, "inside", USER);
    assert_eq!(client.get(general).status, 401, "only from the machine's own system");
    log_in(&mut client, "admin", ADMIN);
    assert_eq!(on(&mut client, "SetAclEnabledState", 3, "<h:Enabled>false</h:Enabled>").return_value(), 0);
    log_in(&mut client, "reader", USER);
    assert_eq!(client.get(general).status, 401, "switched off");
}
