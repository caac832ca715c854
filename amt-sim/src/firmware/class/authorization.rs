//! `AMT_AuthorizationService`: the access control list (`spec/wsman.md` §3.2).

use super::{Call, Class, Instance, Output, SERVICE, argument, number, service};
use crate::firmware::device::{Device, Effect, StoredPassword, User};
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const MAX_USER_NAME: usize = 16;
const MAX_USERS: usize = 15;
const MAX_REALM: u32 = 24;

pub(super) const CLASSES: &[Class] = &[Class {
    methods: &[
        ("SetAdminAclEntryEx", set_admin),
        ("GetAdminAclEntry", get_admin),
        ("GetAdminAclEntryStatus", admin_status),
        ("GetAdminNetAclEntryStatus", admin_status),
        ("AddUserAclEntryEx", add_user),
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
    let sha256 = None;
    device.admin = StoredPassword { ha1, sha256, is_factory: false };
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok())
}

fn get_admin(_: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    Ok(Output::ok().with("Username", "admin"))
}

fn admin_status(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    Ok(Output::ok().with("IsDefault", device.admin.is_factory))
}

fn add_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let name = argument(call, "DigestUsername")?;
    let access = number(call, "AccessPermission")?;
    let invalid = Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    let Some(ha1) = digest(argument(call, "DigestPassword")?) else { return invalid };
    let realms: Option<Vec<u32>> = call.input.texts("Realms").iter().map(|t| t.parse().ok()).collect();
    let Some(realms) = realms else { return invalid };
    if !is_user_name(name) || name.starts_with("$$") || access > 2 {
        return invalid;
    }
    if realms.iter().any(|r| !matches!(r, 2..=21 | 24) || *r > MAX_REALM) {
        return Ok(Output::value(PtStatus::INVALID_REALM.0));
    }
    if name == "admin" || device.users.iter().any(|u| u.name == name) {
        return Ok(Output::value(PtStatus::DUPLICATE.0));
    }
    if device.users.len() >= MAX_USERS {
        return Ok(Output::value(PtStatus::MAX_LIMIT_REACHED.0));
    }
    let handle = device.next_user;
    device.next_user += 1;
    device.users.push(User { handle, name: name.to_owned(), ha1, access, realms, enabled: true });
    device.effects.push(Effect::AclChanged);
    Ok(Output::ok().with("Handle", handle))
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
    let mut output = Output::ok().with("DigestUsername", user.name.as_str()).with("AccessPermission", user.access);
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
    let handle = number(call, "Handle")?;
    let before = device.users.len();
    device.users.retain(|u| u.handle != handle);
    if device.users.len() == before {
        return Ok(no_such_handle());
    }
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
