//! How the machine stands, by what its firmware says over HECI (`spec/heci.md` §4.3, §7).

use super::ask::{ask, ask_client, ask_if_known};
use crate::event::Event;
use crate::machine::{Cx, Machine};
use crate::step::Step;
use amt_core::psk::Pid;
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use amt_heci::amthi::{
    CodeVersions, ConfigServer, EnumerateHashHandles, FqdnAnswer, GetAdminNetAclEntryStatus, GetCertHashEntry,
    GetCodeVersions, GetConfigServerData, GetControlMode, GetDnsSuffixList, GetFqdn, GetLanInterfaceSettings,
    GetMacAddresses, GetPid, GetPkiFqdnSuffix, GetProvisioningMode, GetProvisioningState, GetProvisioningTlsMode,
    GetRedirectionState, GetRemoteAccessConnectionStatus, GetRngSeedStatus, GetUuid, GetZeroTouchEnabled,
    HashAlgorithm, LanInterface, MacAddresses, RemoteAccessStatus,
};
use amt_heci::mei::Client;
use amt_heci::mkhi::{self, MkhiVersion, MkhiVersions, Rule};
use amt_heci::watchdog::{Enabled, IS_CHANGE_TO_AMT_ENABLED};
use std::convert::Infallible;

const STEP: Step = Step::ReadFirmware;
/// TLS mode of a machine that waits for a pre-shared key.
pub(super) const PSK: u32 = 1;
const WIRED: u32 = 0;
const WIRELESS: u32 = 1;

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Not set up.
    Unprovisioned,
    /// A setup has begun and not ended.
    InProvisioning,
    /// Client control mode.
    Client,
    /// Admin control mode.
    Admin,
    /// Set up; the firmware is too old to say how.
    Provisioned,
}

impl Standing {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unprovisioned => "unprovisioned",
            Self::InProvisioning => "in-provisioning",
            Self::Client => "client",
            Self::Admin => "admin",
            Self::Provisioned => "provisioned",
        }
    }

    /// Whether it is set up.
    pub const fn is_set_up(self) -> bool {
        matches!(self, Self::Client | Self::Admin | Self::Provisioned)
    }

    /// By control mode, where the firmware knows it, and provisioning state.
    const fn of(control_mode: Option<u32>, state: u32) -> Self {
        match (control_mode, state) {
            (Some(1), _) => Self::Client,
            (Some(2), _) => Self::Admin,
            (_, 1) => Self::InProvisioning,
            (_, 2) => Self::Provisioned,
            _ => Self::Unprovisioned,
        }
    }
}

/// What every procedure of the machine's own system begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// UUID; firmware that does not tell it has none here.
    pub id: Option<SystemId>,
    /// Versions of BIOS and firmware.
    pub versions: CodeVersions,
    /// Version of AMT.
    pub version: FirmwareVersion,
    /// How it stands.
    pub standing: Standing,
    /// Whether AMT is on, TLS enforced: what the watchdog client tells; none if it is not to be had.
    pub watchdog: Option<Enabled>,
}

impl Facts {
    /// Whether AMT is on; none if the firmware does not tell, and then it is.
    pub fn is_amt_enabled(&self) -> Option<bool> {
        self.watchdog.and_then(Enabled::is_amt_enabled)
    }

    /// Whether the local ports demand TLS: as the firmware says, or by its version.
    pub fn is_local_tls_enforced(&self) -> bool {
        self.watchdog.and_then(Enabled::is_tls_enforced).unwrap_or(false)
            || self.version.capabilities().local_tls_enforced
    }

    pub(super) async fn read(cx: &Cx) -> Result<Self, Failure> {
        cx.event(Event::Step(STEP));
        let watchdog = read_watchdog(cx).await?;
        Self::read_behind(cx, watchdog).await
    }

    /// The same where the watchdog client was asked before.
    pub(super) async fn read_behind(cx: &Cx, watchdog: Option<Enabled>) -> Result<Self, Failure> {
        let versions = match ask(cx, STEP, &GetCodeVersions {}).await.map_err(Failure::from) {
            // Firmware with AMT switched off need not have this client.
            Err(failure)
                if failure.code == ErrorCode::MEI_CLIENT_ABSENT
                    && watchdog.and_then(Enabled::is_amt_enabled) == Some(false) =>
            {
                return Err(Failure::new(ErrorCode::AMT_DISABLED, STEP.name(), "AMT is switched off in this machine"));
            }
            read_or_not => read_or_not?,
        };
        let version = versions.amt().ok_or_else(|| {
            Failure::new(ErrorCode::MEI_UNEXPECTED, STEP.name(), "the firmware tells no version of AMT")
                .hint("the machine's firmware may be one without AMT: `amt info` shows what it has")
        })?;
        cx.event(Event::Version(version));
        let id = ask_if_known(cx, STEP, &GetUuid {}).await?.map(|answer| answer.uuid);
        let standing = read_standing(cx).await?;
        Ok(Self { id, versions, version, standing, watchdog })
    }

    /// Refuses a machine that is not the one that was meant.
    pub(super) fn check(&self, expected: SystemId) -> Result<(), Failure> {
        match self.id {
            Some(id) if id != expected => {
                let text = format!("this machine is {id}, the record is of {expected}");
                Err(Failure::new(ErrorCode::WRONG_MACHINE, STEP.name(), text))
            }
            _ => Ok(()),
        }
    }
}

/// What the watchdog client tells at this moment.
pub(super) async fn read_watchdog(cx: &Cx) -> Result<Option<Enabled>, Failure> {
    ask_client(cx, STEP, Client::Watchdog, &IS_CHANGE_TO_AMT_ENABLED, Enabled::decode).await
}

/// Control mode and state of this moment.
pub(super) async fn read_standing(cx: &Cx) -> Result<Standing, Failure> {
    // Firmware before 6.2 has no control mode: any refusal means that.
    let mode = ask_if_known(cx, STEP, &GetControlMode {}).await?.map(|answer| answer.mode);
    let state = ask(cx, STEP, &GetProvisioningState {}).await?.state;
    Ok(Standing::of(mode, state))
}

/// A root that the firmware trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustedRoot {
    /// Name of the certificate.
    pub name: String,
    /// Algorithm of the hash; none if it is unknown.
    pub algorithm: Option<HashAlgorithm>,
    /// The hash.
    pub digest: Vec<u8>,
    /// It counts.
    pub is_active: bool,
    /// It came from the factory.
    pub is_default: bool,
}

/// Everything that the firmware tells. What it does not know is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalStatus {
    /// What procedures begin with.
    pub facts: Facts,
    /// 1 enterprise, 2 small business, 3 remote assistance.
    pub provisioning_mode: Option<u32>,
    /// Remote configuration is switched on.
    pub zero_touch: Option<bool>,
    /// 0 not ready, 1 pre-shared, 2 certificates.
    pub tls_mode: Option<u32>,
    /// The pre-shared key that the firmware has, where it waits for one.
    pub pid: Option<Pid>,
    /// The administrator's password is the factory's.
    pub admin_is_factory: Option<bool>,
    /// 0 there are random numbers for keys, 1 they are being made, 2 there are none.
    pub rng_status: Option<u32>,
    /// Roots that the firmware trusts.
    pub roots: Vec<TrustedRoot>,
    /// The wired interface.
    pub wired: Option<LanInterface>,
    /// The wireless interface.
    pub wireless: Option<LanInterface>,
    /// Hardware addresses.
    pub macs: Option<MacAddresses>,
    /// DNS suffix of the setup menu; empty: the firmware takes DHCP's.
    pub suffix: Option<String>,
    /// DNS suffixes that the firmware knows.
    pub suffixes: Vec<String>,
    /// Its own name.
    pub fqdn: Option<FqdnAnswer>,
    /// The setup server that the setup menu or a USB key named.
    pub config_server: Option<ConfigServer>,
    /// Bits: serial over LAN, storage redirection, KVM.
    pub redirection: Option<u32>,
    /// The connection to a management presence server.
    pub remote_access: Option<RemoteAccessStatus>,
    /// Version of the management engine by its kernel.
    pub me_version: Option<MkhiVersion>,
    /// Brand of the platform, in words.
    pub brand: Option<&'static str>,
}

/// Reads everything that the firmware tells. Changes nothing.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Status {}

impl Status {
    /// The reading as a machine to be driven.
    pub fn start(self) -> Machine<LocalStatus, Infallible> {
        Machine::without_record(|cx| async move {
            cx.input(None).await?;
            LocalStatus::read(&cx).await
        })
    }
}

impl LocalStatus {
    async fn read(cx: &Cx) -> Result<Self, Failure> {
        let facts = Facts::read(cx).await?;
        let number = |answer: Option<amt_heci::amthi::Number>| answer.map(|answer| answer.value);
        let versions = ask_client(cx, STEP, Client::Mkhi, &mkhi::GET_FW_VERSION, MkhiVersions::decode).await?;
        let platform = mkhi::get_rule(mkhi::rule::PLATFORM);
        let platform = ask_client(cx, STEP, Client::Mkhi, &platform, Rule::decode).await?;
        let tls_mode = number(ask_if_known(cx, STEP, &GetProvisioningTlsMode {}).await?);
        let pid = if tls_mode == Some(PSK) { ask_if_known(cx, STEP, &GetPid {}).await? } else { None };
        Ok(Self {
            provisioning_mode: ask_if_known(cx, STEP, &GetProvisioningMode {}).await?.map(|answer| answer.mode),
            zero_touch: ask_if_known(cx, STEP, &GetZeroTouchEnabled {}).await?.map(|answer| answer.value),
            tls_mode,
            pid: pid.map(|answer| Pid(answer.pid)),
            admin_is_factory: ask_if_known(cx, STEP, &GetAdminNetAclEntryStatus {}).await?.map(|answer| answer.value),
            rng_status: number(ask_if_known(cx, STEP, &GetRngSeedStatus {}).await?),
            roots: read_roots(cx).await?,
            wired: interface(cx, WIRED).await?,
            wireless: interface(cx, WIRELESS).await?,
            macs: ask_if_known(cx, STEP, &GetMacAddresses {}).await?,
            suffix: ask_if_known(cx, STEP, &GetPkiFqdnSuffix {}).await?.map(|answer| answer.text),
            suffixes: ask_if_known(cx, STEP, &GetDnsSuffixList {}).await?.map_or_else(Vec::new, |all| all.suffixes.0),
            fqdn: ask_if_known(cx, STEP, &GetFqdn {}).await?,
            config_server: ask_if_known(cx, STEP, &GetConfigServerData {}).await?,
            redirection: number(ask_if_known(cx, STEP, &GetRedirectionState {}).await?),
            remote_access: ask_if_known(cx, STEP, &GetRemoteAccessConnectionStatus {}).await?,
            me_version: versions.and_then(|all| all.0.first().copied()),
            brand: platform.and_then(|rule| rule.brand()),
            facts,
        })
    }
}

/// An interface, unless there is none: firmware says so with a refusal, or with an address of zeros.
pub(super) async fn interface(cx: &Cx, interface: u32) -> Result<Option<LanInterface>, Failure> {
    let answer = ask_if_known(cx, STEP, &GetLanInterfaceSettings { interface }).await?;
    Ok(answer.filter(|answer| !answer.mac.is_zero()))
}

/// The wired interface.
pub(super) async fn wired(cx: &Cx) -> Result<Option<LanInterface>, Failure> {
    interface(cx, WIRED).await
}

/// The roots that the firmware trusts; none if it knows no such list.
pub(super) async fn read_roots(cx: &Cx) -> Result<Vec<TrustedRoot>, Failure> {
    let Some(handles) = ask_if_known(cx, STEP, &EnumerateHashHandles {}).await? else { return Ok(Vec::new()) };
    let mut roots = Vec::with_capacity(handles.0.len());
    for handle in handles.0 {
        // A handle may go while the list is read.
        let Some(entry) = ask_if_known(cx, STEP, &GetCertHashEntry { handle }).await? else { continue };
        let digest = entry.digest();
        roots.push(TrustedRoot {
            algorithm: digest.as_ref().map(|digest| digest.algorithm),
            digest: digest.map_or_else(|| entry.hash.to_vec(), |digest| digest.bytes),
            name: entry.name,
            is_active: entry.is_active,
            is_default: entry.is_default,
        });
    }
    Ok(roots)
}
