//! `AMT_AuthorizationService`: the access control list (`spec/wsman.md` §3.2).

use super::{Call, Class, Instance, Output, SERVICE, argument, number, service};
use crate::firmware::device::{Device, Effect, Principal, StoredPassword, User};
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const MAX_USER_NAME: usize = 16;
/// Entries of each kind.
const MAX_DIGEST: usize = 15;
const MAX_KERBEROS: usize = 32;
const MAX_SID: usize = 28;

pub(super) const CLASSES: &[Class] = &[Class {
    methods: &[
        ("SetAdminAclEntryEx", set_admin),
        ("GetAdminAclEntry", get_admin),
        ("GetAdminAclEntryStatus", admin_status),
        ("GetAdminNetAclEntryStatus", admin_status),
        ("AddUserAclEntryEx", add_user),
        ("UpdateUserAclEntryEx", update_user),
        ("GetUserAclEntryEx", get_user),
        ("EnumerateUserAclEntries", enumerate_users),
        ("RemoveUserAclEntry", remove_user),
        ("SetAclEnabledState", enable_user),
        ("GetAclEnabledState", user_enabled),
    ],
    ..Class::read("AMT_AuthorizationService", SERVICE, list)
}];

fn list(_: &Device, _: Tick) -> Vec<Instance> {
    let name = "Intel(r) AMT Authorization Service";
    let properties = [("AllowHttpQopAuthOnly", "1"), ("EnabledState", "5"), ("RequestedState", "12")];
    vec![service("AMT_AuthorizationService", name, &properties)]
}

/// The 16 bytes of MD5(user:realm:password), base64. The hex text of the same, which some consoles send, is 32 bytes.
fn digest(text: &str) -> Option<[u8; 16]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn is_user_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_USER_NAME
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"\"',:<>&".contains(&b))
}

fn set_admin(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (name, password) = (argument(call, "Username")?, argument(call, "DigestPassword")?);
    // The administrator's name is fixed in this firmware; `$$` marks system entries.
    if !is_user_name(name) || name != "admin" {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    let Some(ha1) = digest(password) else { return Ok(Output::value(PtStatus::INVALID_PARAMETER.0)) };
    device.admin = StoredPassword::hashed(ha1);
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok())
}

fn get_admin(_: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    Ok(Output::ok().with("Username", "admin"))
}

fn admin_status(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    Ok(Output::ok().with("IsDefault", device.admin.is_factory))
}

/// Who, where from, and what for.
type Described = (Principal, u32, Vec<u32>);

/// The entry that AddUserAclEntryEx and UpdateUserAclEntryEx describe, or the status to refuse it with.
fn described(call: &Call<'_>) -> Result<Result<Described, PtStatus>, Fault> {
    let access = number(call, "AccessPermission")?;
    let given = |name| call.input.text(name).filter(|text| !text.is_empty());
    let who = match (given("DigestUsername"), given("KerberosUserSid")) {
        (Some(name), None) => {
            let Some(ha1) = digest(argument(call, "DigestPassword")?) else {
                return Ok(Err(PtStatus::INVALID_PARAMETER));
            };
            // `$$` marks system entries.
            if !is_user_name(name) || name.starts_with("$$") {
                return Ok(Err(PtStatus::INVALID_PARAMETER));
            }
            Principal::Digest { name: name.to_owned(), ha1 }
        }
        (None, Some(sid)) => match STANDARD.decode(sid) {
            Ok(sid) if (1..=MAX_SID).contains(&sid.len()) && sid.len() % 4 == 0 => Principal::Kerberos(sid),
            _ => return Ok(Err(PtStatus::INVALID_PARAMETER)),
        },
        (None, None) => return Err(Fault::missing_values()),
        (Some(_), Some(_)) => return Ok(Err(PtStatus::INVALID_PARAMETER)),
    };
    let realms: Option<Vec<u32>> = call.input.texts("Realms").iter().map(|t| t.parse().ok()).collect();
    let Some(realms) = realms.filter(|_| access <= 2) else { return Ok(Err(PtStatus::INVALID_PARAMETER)) };
    if realms.is_empty() || realms.iter().any(|r| !matches!(r, 2..=21 | 24)) {
        return Ok(Err(PtStatus::INVALID_REALM));
    }
    Ok(Ok((who, access, realms)))
}

/// Whether another entry is the same user.
fn taken(device: &Device, who: &Principal, except: Option<u32>) -> bool {
    let same = |user: &User| match (who, &user.who) {
        (Principal::Digest { name, .. }, Principal::Digest { name: other, .. }) => name == other,
        (one, other) => one == other,
    };
    matches!(who, Principal::Digest { name, .. } if name == "admin")
        || device.users.iter().any(|user| Some(user.handle) != except && same(user))
}

fn add_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (who, access, realms) = match described(call)? {
        Ok(described) => described,
        Err(status) => return Ok(Output::value(status.0)),
    };
    if taken(device, &who, None) {
        return Ok(Output::value(PtStatus::DUPLICATE.0));
    }
    let kind = std::mem::discriminant(&who);
    let most = if matches!(who, Principal::Kerberos(_)) { MAX_KERBEROS } else { MAX_DIGEST };
    if device.users.iter().filter(|user| std::mem::discriminant(&user.who) == kind).count() >= most {
        return Ok(Output::value(PtStatus::MAX_LIMIT_REACHED.0));
    }
    let handle = device.next_user;
    device.next_user += 1;
    device.users.push(User { handle, who, access, realms, enabled: true });
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok().with("Handle", handle))
}

fn update_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let handle = number(call, "Handle")?;
    let (who, access, realms) = match described(call)? {
        Ok(described) => described,
        Err(status) => return Ok(Output::value(status.0)),
    };
    let duplicate = taken(device, &who, Some(handle));
    let Some(user) = find(device, call)? else { return Ok(no_such_handle()) };
    if matches!(user.who, Principal::System(_)) {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    // A digest user does not become one of a domain.
    if std::mem::discriminant(&user.who) != std::mem::discriminant(&who) {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    if duplicate {
        return Ok(Output::value(PtStatus::DUPLICATE.0));
    }
    (user.who, user.access, user.realms) = (who, access, realms);
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok())
}

fn find<'a>(device: &'a mut Device, call: &Call<'_>) -> Result<Option<&'a mut User>, Fault> {
    let handle = number(call, "Handle")?;
    Ok(device.users.iter_mut().find(|u| u.handle == handle))
}

fn no_such_handle() -> Output {
    Output::value(PtStatus::INVALID_HANDLE.0)
}

fn get_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let Some(user) = find(device, call)? else { return Ok(no_such_handle()) };
    let mut output = match &user.who {
        Principal::Digest { name, .. } => Output::ok().with("DigestUsername", name.as_str()),
        Principal::Kerberos(sid) => Output::ok().with("KerberosUserSid", STANDARD.encode(sid)),
        Principal::System(name) => Output::ok().with("DigestUsername", *name),
    };
    output = output.with("AccessPermission", user.access);
    for realm in &user.realms {
        output = output.with("Realms", *realm);
    }
    Ok(output)
}

fn enumerate_users(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let start = number(call, "StartIndex")?;
    if start == 0 {
        return Ok(Output::value(PtStatus::INVALID_INDEX.0));
    }
    let count = u32::try_from(device.users.len()).unwrap_or(u32::MAX);
    let skip = usize::try_from(start - 1).unwrap_or(usize::MAX);
    let handles: Vec<u32> = device.users.iter().skip(skip).map(|u| u.handle).collect();
    let mut output = Output::ok().with("TotalCount", count);
    output = output.with("HandlesCount", u32::try_from(handles.len()).unwrap_or(u32::MAX));
    for handle in handles {
        output = output.with("Handles", handle);
    }
    Ok(output)
}

fn remove_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let Some(user) = find(device, call)? else { return Ok(no_such_handle()) };
    if matches!(user.who, Principal::System(_)) {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    let handle = user.handle;
    device.users.retain(|u| u.handle != handle);
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok())
}

fn enable_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let enabled = match argument(call, "Enabled")? {
        "true" | "1" => true,
        "false" | "0" => false,
        _ => return Err(Fault::invalid_values()),
    };
    let Some(user) = find(device, call)? else { return Ok(no_such_handle()) };
    user.enabled = enabled;
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok())
}

fn user_enabled(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let Some(user) = find(device, call)? else { return Ok(no_such_handle()) };
    Ok(Output::ok().with("Enabled", user.enabled))
}
