//! The next boot: where from, and with which options, once (`spec/wsman.md` §3.11).
//!
//! For a boot that must survive a crash of its own program see [`boot_once`](crate::boot_once).

use super::power::{PowerAction, PowerChange, change_power, power_status};
use crate::device::Device;
use amt_core::status::PtStatus;
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{BootCapabilities, BootSettingData, UefiBootParameters};
use amt_wsman::class::cim::{BootConfigSetting, BootService, BootSourceSetting, ElementSettingData};
use amt_wsman::instance::Instance;
use amt_wsman::op::{Reply, Request};

const STAGE: &str = "boot";

/// CIM's vendor range begins here.
const VENDOR: u32 = 32_768;

/// What to boot next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NextBoot {
    /// From the network (PXE).
    Pxe,
    /// From the hard disk.
    Disk,
    /// From the optical disc.
    Cd,
    /// Into the setup of the BIOS.
    Bios,
    /// From this `https` URL; since AMT 16, where the BIOS can. The server's certificate must be from a root that is in the
    /// machine's store, and what it serves must pass secure boot.
    Https(String),
}

impl NextBoot {
    /// Name: `pxe`, `disk`, `cd`, `bios`, `https`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pxe => "pxe",
            Self::Disk => "disk",
            Self::Cd => "cd",
            Self::Bios => "bios",
            Self::Https(_) => "https",
        }
    }

    const fn source(&self) -> Option<&'static str> {
        match self {
            Self::Pxe => Some(BootSourceSetting::NETWORK),
            Self::Disk => Some(BootSourceSetting::HARD_DRIVE),
            Self::Cd => Some(BootSourceSetting::OPTICAL),
            Self::Https(_) => Some(BootSourceSetting::HTTPS),
            Self::Bios => None,
        }
    }

    /// What the firmware says of it; none if nothing.
    const fn is_offered(&self, able: &BootCapabilities) -> Option<bool> {
        match self {
            Self::Pxe => able.force_pxe_boot,
            Self::Disk => able.force_hard_drive_boot,
            Self::Cd => able.force_cd_or_dvd_boot,
            Self::Bios => able.bios_setup,
            Self::Https(_) => able.force_uefi_https_boot,
        }
    }
}

/// What happens once the next boot is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Then {
    /// A computer that runs or sleeps is reset, one that is off is switched on.
    #[default]
    Start,
    /// This, which has to be one that starts the computer.
    Power(PowerAction),
    /// Nothing: it counts whenever the computer starts next.
    Nothing,
}

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootPlan {
    /// What to boot.
    pub next: NextBoot,
    /// Whether the console goes over the network during it (serial over LAN).
    pub sol: bool,
    /// What happens then.
    pub then: Then,
}

impl BootPlan {
    /// A boot of `next`, started at once.
    pub const fn new(next: NextBoot) -> Self {
        Self { next, sol: false, then: Then::Start }
    }
}

/// How the next boot is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootState {
    /// Whether the boot configuration counts at the next boot; none where the firmware does not tell. Its source cannot be read.
    pub armed: Option<bool>,
    /// Options that are on, by their names in `AMT_BootSettingData`.
    pub options: Vec<String>,
    /// Whether the BIOS has cleared the options since they were set.
    pub options_cleared: Option<bool>,
    /// What can be booted next, as far as the firmware says.
    pub possible: Vec<&'static str>,
}

/// Reads how the next boot is set.
///
/// # Errors
/// As [`Device::call`].
pub async fn boot_state(device: &mut Device) -> Result<BootState, Failure> {
    let able = capabilities(device).await?;
    let settings = settings(device).await?;
    let roles: Vec<ElementSettingData> = call(device, &ElementSettingData::enumerate()).await.and_then(|reply| {
        let all = reply.typed_all();
        all.map_err(|error| error.failure(STAGE))
    })?;
    let next = ElementSettingData::boot_is_next(&roles);
    let on = |name: &&&str| settings.bool(name) == Some(true);
    let kinds = [NextBoot::Pxe, NextBoot::Disk, NextBoot::Cd, NextBoot::Bios, NextBoot::Https(String::new())];
    Ok(BootState {
        armed: next.map(|next| next != ElementSettingData::NOT_NEXT),
        options: BootSettingData::OPTIONS.iter().filter(on).map(|name| (*name).to_owned()).collect(),
        options_cleared: settings.bool("OptionsCleared"),
        possible: kinds.iter().filter(|kind| kind.is_offered(&able) == Some(true)).map(NextBoot::name).collect(),
    })
}

/// Sets the next boot, for once, and starts the computer as the plan says.
///
/// The boot order is cleared first, then come options, role and source, and the power last. When a step is refused, what was set is
/// taken back, so that no later boot is diverted; after a lost answer to the power request nothing is, since the boot may be under way.
///
/// # Errors
/// `INVALID_ARGUMENT` for a URL that is not of https, `FIRMWARE_UNSUPPORTED` for what firmware or BIOS do not offer, `WRONG_STATE` if
/// the computer cannot be started as the plan says; else as [`change_power`].
pub async fn boot_next(device: &mut Device, plan: &BootPlan) -> Result<Option<PowerChange>, Failure> {
    let parameters = match &plan.next {
        NextBoot::Https(url) => Some(UefiBootParameters::https(url).ok_or_else(|| {
            Failure::new(ErrorCode::INVALID_ARGUMENT, STAGE, format!("{url:?} is no https URL"))
                .hint("write https://SERVER/PATH, without blanks")
        })?),
        _ => None,
    };
    check_offered(&capabilities(device).await?, plan)?;
    let settings = settings(device).await?;
    if parameters.is_some() && settings.bool("UEFIHTTPSBootEnabled") == Some(false) {
        return Err(unsupported("the BIOS has boots over HTTPS switched off").hint("switch it on in the BIOS setup"));
    }
    let start = start(device, plan.then).await?;

    let mut wanted = BootSettingData::plain(&settings);
    let mut on = |name: &str, on: bool| on.then(|| wanted.set(name, true));
    on("BIOSSetup", plan.next == NextBoot::Bios);
    on("UseSOL", plan.sol);
    if let Some(parameters) = &parameters {
        wanted.set("EnforceSecureBoot", true);
        wanted.set("UefiBootNumberOfParams", parameters.count());
        wanted.set("UefiBootParametersArray", parameters.encode());
    }
    let mut steps = vec![
        BootConfigSetting::change_boot_order(None),
        Request::put(&wanted),
        BootService::set_boot_config_role(BootService::NEXT_SINGLE_USE),
    ];
    steps.extend(plan.next.source().map(|source| BootConfigSetting::change_boot_order(Some(source))));
    for step in &steps {
        if let Err(failure) = call(device, step).await {
            take_back(device, &settings).await;
            return Err(explain(failure));
        }
    }
    let Some(action) = start else { return Ok(None) };
    match change_power(device, action).await {
        Ok(change) => Ok(Some(change)),
        Err(failure) => {
            if !failure.code.is_reply_lost() {
                take_back(device, &settings).await;
            }
            Err(failure.at(STAGE))
        }
    }
}

/// Clears boot order, role and options: the next boot is one like any other.
///
/// # Errors
/// As [`Device::call`].
pub async fn clear_boot(device: &mut Device) -> Result<(), Failure> {
    let settings = settings(device).await?;
    for request in plain_boot(&settings) {
        call(device, &request).await.map_err(explain)?;
    }
    Ok(())
}

fn plain_boot(settings: &Instance) -> [Request; 3] {
    [
        BootService::set_boot_config_role(BootService::NOT_NEXT),
        BootConfigSetting::change_boot_order(None),
        BootSettingData::put_plain(settings),
    ]
}

/// As far as it goes: what is told is the failure that led here.
async fn take_back(device: &mut Device, settings: &Instance) {
    for request in plain_boot(settings) {
        let _ = device.call(&request).await;
    }
}

/// Which power action starts the computer, if any shall.
async fn start(device: &mut Device, then: Then) -> Result<Option<PowerAction>, Failure> {
    let action = match then {
        Then::Nothing => return Ok(None),
        Then::Power(action @ (PowerAction::On | PowerAction::Cycle | PowerAction::Reset)) => action,
        Then::Power(action) => {
            let message = format!("{action} does not start the computer at once");
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, STAGE, message).hint("use reset, on or cycle"));
        }
        Then::Start => {
            let state = power_status(device).await?.state;
            return Ok(Some(if state.is_on() || state.is_asleep() { PowerAction::Reset } else { PowerAction::On }));
        }
    };
    super::power::check(&power_status(device).await?, action)?;
    Ok(Some(action))
}

fn check_offered(able: &BootCapabilities, plan: &BootPlan) -> Result<(), Failure> {
    // HTTPS has to be promised; of the rest old firmware says nothing, and does it.
    let offered = match plan.next {
        NextBoot::Https(_) => plan.next.is_offered(able) == Some(true),
        _ => plan.next.is_offered(able) != Some(false),
    };
    if !offered {
        let text = format!("firmware and BIOS of this machine do not boot from {}", plan.next.name());
        let hint = "`amt boot show` lists what they do; boots over HTTPS need AMT 16 and a BIOS that has them";
        return Err(unsupported(&text).hint(hint));
    }
    if plan.sol && able.sol == Some(false) {
        return Err(unsupported("this machine has no serial over LAN"));
    }
    Ok(())
}

fn unsupported(text: &str) -> Failure {
    Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, STAGE, text)
}

async fn call(device: &mut Device, request: &Request) -> Result<Reply, Failure> {
    device.call(request).await.map_err(|failure| failure.at(STAGE))
}

async fn capabilities(device: &mut Device) -> Result<BootCapabilities, Failure> {
    call(device, &BootCapabilities::get()).await?.typed().map_err(|error| error.failure(STAGE))
}

async fn settings(device: &mut Device) -> Result<Instance, Failure> {
    let reply = call(device, &BootSettingData::get()).await?;
    reply.instance().cloned().map_err(|error| error.failure(STAGE))
}

/// In client control mode the firmware refuses, in one way or another.
fn explain(failure: Failure) -> Failure {
    let needs_consent = match &failure.device {
        Some(DeviceStatus::ReturnValue { value, .. }) => {
            let consent = PtStatus::USER_CONSENT_REQUIRED.0;
            *value == consent || *value == VENDOR + consent
        }
        Some(DeviceStatus::Fault { subcode, status, .. }) => {
            subcode.as_deref() == Some("AccessDenied") || *status == Some(PtStatus::USER_CONSENT_REQUIRED)
        }
        _ => false,
    };
    if !needs_consent {
        return failure;
    }
    failure.hint(
        "a machine in client control mode lets its next boot be changed only while its user consents to it (user consent, opt-in); \
         bring it into admin control mode with `amt upgrade` to do without",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_has_to_be_promised_and_the_rest_not_denied() {
        let mut able = BootCapabilities::default();
        let plan = |next| BootPlan::new(next);
        check_offered(&able, &plan(NextBoot::Pxe)).unwrap();
        let https = plan(NextBoot::Https("https://a/b".to_owned()));
        assert_eq!(check_offered(&able, &https).unwrap_err().code, ErrorCode::FIRMWARE_UNSUPPORTED);
        able.force_uefi_https_boot = Some(true);
        check_offered(&able, &https).unwrap();
        able.force_pxe_boot = Some(false);
        assert!(check_offered(&able, &plan(NextBoot::Pxe)).is_err());
        able.sol = Some(false);
        let mut sol = plan(NextBoot::Bios);
        sol.sol = true;
        assert!(check_offered(&able, &sol).is_err());
    }

    #[test]
    fn a_refusal_for_want_of_consent_says_so() {
        let refused =
            |device| explain(Failure::new(ErrorCode::RETURN_VALUE, STAGE, "no").device(device)).into_details().hint;
        let value = |value| DeviceStatus::ReturnValue { method: "m".into(), value, name: "n".into() };
        assert!(refused(value(32_768 + 2081)).contains("consent") && refused(value(2081)).contains("consent"));
        assert!(!refused(value(5)).contains("consent"));
        let denied = DeviceStatus::Fault {
            code: "Sender".into(),
            subcode: Some("AccessDenied".into()),
            status: None,
            reason: String::new(),
        };
        assert!(refused(denied).contains("amt upgrade"));
    }
}
