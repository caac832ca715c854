//! AMTHI: every command, answered from the one state of the machine (`spec/heci.md` §3, §6).

use crate::firmware::device::{Effect, Phase};
use crate::firmware::local::{SYSTEM_ACCOUNT, SecureSetup};
use crate::firmware::{Firmware, Input};
use amt_core::status::PtStatus;
use amt_core::{FirmwareVersion, Tick};
use amt_heci::amthi::*;
use std::net::Ipv4Addr;

/// An answer, or the status of a refusal.
pub(super) type Answer = Result<Box<dyn Writable>, PtStatus>;

const GONE_IN: FirmwareVersion = FirmwareVersion::new(11, 0);
const CONTROL_MODE_SINCE: FirmwareVersion = FirmwareVersion::new(6, 2);
const START_EX_SINCE: FirmwareVersion = FirmwareVersion::new(6, 0);
const MAX_OTP: usize = 32;
const MAX_SUFFIX: usize = 223;

/// `AMTHI.GetUuid`: what faults are aimed at.
pub(super) fn label(message: &[u8]) -> String {
    let code = Incoming::decode(message).map(|incoming| incoming.code).unwrap_or_default();
    let known = COMMANDS.iter().find(|(number, ..)| *number == code).map(|(_, name, _)| *name);
    let name = known.or((code == StartConfigurationHBased::CODE).then_some(StartConfigurationHBased::NAME));
    format!("AMTHI.{}", name.unwrap_or("unknown"))
}

impl Firmware {
    /// The answer; none to what is no request.
    pub(super) fn amthi(&mut self, now: Tick, message: &[u8], forced: Option<u32>) -> Option<Vec<u8>> {
        let incoming = match Incoming::decode(message) {
            Ok(incoming) => incoming,
            // A command can be made out, and its header contradicts what came.
            Err(error) => {
                let code = u32::from_le_bytes(message.get(4..8)?.try_into().ok()?);
                message.get(..HEADER)?;
                self.refuse(now, "AMTHI", error.to_string());
                return Some(respond(code, PtStatus::INVALID_MESSAGE_LENGTH, None));
            }
        };
        let answer = match forced {
            Some(status) => Err(PtStatus(status)),
            None => self.command(now, &incoming),
        };
        if let Err(status) = &answer {
            self.refuse(now, &label(message), format!("status {status}"));
        }
        Some(match answer {
            Ok(answer) => respond(incoming.code, PtStatus::SUCCESS, Some(answer.as_ref())),
            Err(status) => respond(incoming.code, status, None),
        })
    }

    fn command(&mut self, now: Tick, incoming: &Incoming<'_>) -> Answer {
        let version = self.device.config.persona.version;
        let can = version.capabilities();
        match incoming.code {
            GetControlMode::CODE if version < CONTROL_MODE_SINCE => Err(PtStatus::INVALID_COMMAND),
            StartConfiguration::CODE if version >= START_EX_SINCE => Err(PtStatus::INVALID_COMMAND),
            GetLocalSystemAccount::CODE if version < CONTROL_MODE_SINCE => Err(PtStatus::INVALID_COMMAND),
            GetPid::CODE if version >= GONE_IN => Err(PtStatus::INVALID_COMMAND),
            StartConfigurationEx::CODE if version < START_EX_SINCE => Err(PtStatus::INVALID_COMMAND),
            StartConfigurationHBased::CODE if !can.secure_host_based_setup => Err(PtStatus::INVALID_COMMAND),
            GetCodeVersions::CODE => plain::<GetCodeVersions>(incoming, || self.versions()),
            GetProvisioningMode::CODE => {
                plain::<GetProvisioningMode>(incoming, || ProvisioningMode { mode: 1, legacy: false })
            }
            GetProvisioningState::CODE => {
                plain::<GetProvisioningState>(incoming, || ProvisioningState { state: self.device.phase.number() })
            }
            GetControlMode::CODE => {
                plain::<GetControlMode>(incoming, || ControlModeAnswer { mode: self.device.control_mode })
            }
            GetUuid::CODE => plain::<GetUuid>(incoming, || UuidAnswer { uuid: self.device.config.id }),
            GetMacAddresses::CODE => plain::<GetMacAddresses>(incoming, || MacAddresses {
                dedicated: Mac::default(),
                host: Mac(self.device.mac()),
            }),
            GetProvisioningTlsMode::CODE => {
                plain::<GetProvisioningTlsMode>(incoming, || Number { value: self.tls_mode() })
            }
            GetZeroTouchEnabled::CODE => {
                plain::<GetZeroTouchEnabled>(incoming, || Flag { value: self.device.local.zero_touch })
            }
            GetRngSeedStatus::CODE => {
                plain::<GetRngSeedStatus>(incoming, || Number { value: if self.device.local.random { 0 } else { 2 } })
            }
            GetAdminNetAclEntryStatus::CODE => {
                plain::<GetAdminNetAclEntryStatus>(incoming, || Flag { value: self.device.admin.is_factory })
            }
            GetPkiFqdnSuffix::CODE => plain::<GetPkiFqdnSuffix>(incoming, || Text { text: self.suffix() }),
            GetDnsSuffixList::CODE => plain::<GetDnsSuffixList>(incoming, || DnsSuffixList {
                suffixes: DnsSuffixes(Some(self.suffix()).filter(|suffix| !suffix.is_empty()).into_iter().collect()),
            }),
            GetPid::CODE => match &self.device.psk {
                Some(pair) => {
                    let pid = pair.pid.0;
                    plain::<GetPid>(incoming, || PidAnswer { pid })
                }
                None => Err(PtStatus::DATA_MISSING),
            },
            GetRedirectionState::CODE => {
                plain::<GetRedirectionState>(incoming, || Number { value: self.device.redirection.0 & 3 })
            }
            GetFqdn::CODE => plain::<GetFqdn>(incoming, || self.fqdn()),
            GetConfigServerData::CODE => plain::<GetConfigServerData>(incoming, || ConfigServer {
                port: 9971,
                address: IpText(String::new()),
                fqdn: String::new(),
            }),
            GetRemoteAccessConnectionStatus::CODE => plain::<GetRemoteAccessConnectionStatus>(incoming, || {
                RemoteAccessStatus { network: 0, state: 0, trigger: 0, server: String::new() }
            }),
            GetLocalSystemAccount::CODE => plain::<GetLocalSystemAccount>(incoming, || LocalSystemAccount {
                user: SYSTEM_ACCOUNT.to_owned(),
                password: self.device.local.system_password.clone(),
            }),
            GetAmtState::CODE => {
                let GetAmtState { variable } = body(incoming)?;
                let link_up = u8::from(self.device.config.link_up);
                good(AmtState {
                    variable,
                    count: 5,
                    link_up,
                    hardware: 0,
                    crypto_fuse: 1,
                    flash_protected: 1,
                    last_reset: 0,
                })
            }
            GetTcpipParameters::CODE => plain::<GetTcpipParameters>(incoming, || TcpipParameters {
                dhcp: if self.device.wired.dhcp { 2 } else { 1 },
                address: self.address(),
                mask: Ipv4Addr::new(255, 255, 255, 0),
                gateway: Ipv4Addr::UNSPECIFIED,
                dns1: Ipv4Addr::UNSPECIFIED,
                dns2: Ipv4Addr::UNSPECIFIED,
                domain: self.suffix(),
            }),
            GetLanInterfaceSettings::CODE => self.interface(incoming),
            EnumerateHashHandles::CODE => plain::<EnumerateHashHandles>(incoming, || {
                let count = u32::try_from(self.device.roots().len()).unwrap_or(0);
                HashHandles((0..count).collect())
            }),
            GetCertHashEntry::CODE => self.root(incoming),
            SetHostFqdn::CODE => {
                let SetHostFqdn { fqdn } = body(incoming)?;
                self.handle_name(now, fqdn);
                good(())
            }
            Unprovision::CODE => self.unprovision(incoming),
            GenerateRngSeed::CODE => {
                let GenerateRngSeed {} = body(incoming)?;
                self.device.local.random = true;
                good(())
            }
            SetProvisioningServerOtp::CODE => {
                let SetProvisioningServerOtp { otp } = body(incoming)?;
                self.before_setup()?;
                if !(1..=MAX_OTP).contains(&otp.expose().len()) {
                    return Err(PtStatus::INVALID_PARAMETER);
                }
                self.device.otp = Some(otp.expose().clone());
                good(())
            }
            SetPkiFqdnSuffix::CODE => {
                let SetPkiFqdnSuffix { suffix } = body(incoming)?;
                self.before_setup()?;
                if suffix.is_empty() || suffix.len() > MAX_SUFFIX {
                    return Err(PtStatus::INVALID_DOMAIN_NAME);
                }
                (self.device.config.suffix, self.device.config.own_suffix) = (Some(suffix), true);
                good(())
            }
            SetZeroTouchEnabled::CODE => {
                let SetZeroTouchEnabled { enabled } = body(incoming)?;
                self.before_setup()?;
                if enabled && version.major >= 12 {
                    return Err(PtStatus::NOT_PERMITTED);
                }
                self.device.local.zero_touch = enabled;
                good(())
            }
            StartConfiguration::CODE => {
                let StartConfiguration {} = body(incoming)?;
                self.start_configuration(now)
            }
            StartConfigurationEx::CODE => {
                let StartConfigurationEx { ipv6: _ } = body(incoming)?;
                self.start_configuration(now)
            }
            StopConfiguration::CODE => {
                let StopConfiguration {} = body(incoming)?;
                if self.device.phase == Phase::Post
                    || (self.device.phase == Phase::Pre && !self.device.window_open(now))
                {
                    return Err(PtStatus::INVALID_PT_MODE);
                }
                self.close_window(now);
                good(())
            }
            StartConfigurationHBased::CODE => self.start_secure(incoming),
            _ => self.more(now, incoming),
        }
    }

    fn versions(&self) -> CodeVersions {
        let version = self.device.config.persona.version;
        let short = format!("{}.{}.{}", version.major, version.minor, version.hotfix);
        let build = version.build.to_string();
        let sku = self.device.config.persona.local.sku.to_string();
        let items = [
            ("Flash", &short),
            ("Netstack", &short),
            ("AMTApps", &short),
            ("AMT", &short),
            ("Sku", &sku),
            ("VendorID", &"8086".to_owned()),
            ("Build Number", &build),
            ("Recovery Version", &short),
            ("Recovery Build Num", &build),
            ("Legacy Mode", &"False".to_owned()),
        ];
        let versions = items.into_iter().map(|(name, version)| (name.to_owned(), version.clone())).collect();
        CodeVersions { bios: "VIRTUAL.1.0".to_owned(), versions }
    }

    fn suffix(&self) -> String {
        self.device.config.suffix.clone().unwrap_or_default()
    }

    fn fqdn(&self) -> FqdnAnswer {
        let general = &self.device.general;
        let parts = [&general.host_name, &general.domain_name];
        let fqdn = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(".");
        FqdnAnswer {
            shared: general.shared_fqdn,
            ddns: general.ddns,
            interval: general.ddns_interval,
            ttl: general.ddns_ttl,
            host_name_length: u32::try_from(general.host_name.len()).unwrap_or(0),
            fqdn,
        }
    }

    fn address(&self) -> Ipv4Addr {
        self.device.address().filter(|_| self.device.config.link_up).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Which proof a setup server needs: none is ready, a pre-shared pair, a certificate.
    fn tls_mode(&self) -> u32 {
        match (&self.device.psk, self.device.roots().is_empty()) {
            (Some(_), _) => 1,
            (None, false) => 2,
            (None, true) => 0,
        }
    }

    fn interface(&self, incoming: &Incoming<'_>) -> Answer {
        let GetLanInterfaceSettings { interface } = body(incoming)?;
        let none = LanInterface {
            enabled: false,
            address: Ipv4Addr::UNSPECIFIED,
            dhcp: false,
            dhcp_mode: 0,
            link_up: 0,
            mac: Mac::default(),
        };
        match interface {
            0 => good(LanInterface {
                enabled: true,
                address: self.address(),
                dhcp: self.device.wired.dhcp,
                dhcp_mode: 1,
                link_up: u8::from(self.device.config.link_up),
                mac: Mac(self.device.mac()),
            }),
            // No wireless interface.
            1 => good(none),
            _ => Err(PtStatus::INVALID_INDEX),
        }
    }

    fn root(&self, incoming: &Incoming<'_>) -> Answer {
        let GetCertHashEntry { handle } = body(incoming)?;
        let at = usize::try_from(handle).unwrap_or(usize::MAX);
        let root = self.device.roots().get(at).ok_or(PtStatus::INVALID_HANDLE)?;
        let mut hash = [0; 64];
        for (to, from) in hash.iter_mut().zip(&root.digest) {
            *to = *from;
        }
        let name = format!("Root {at}");
        good(CertHashEntry { is_default: false, is_active: true, hash, algorithm: root.algorithm, name })
    }

    fn handle_name(&mut self, now: Tick, name: String) {
        self.handle(now, Input::OsName { name });
    }

    fn before_setup(&self) -> Result<(), PtStatus> {
        if self.device.phase == Phase::Pre { Ok(()) } else { Err(PtStatus::INVALID_PT_MODE) }
    }

    /// Client control mode only: whoever is in the system could otherwise undo what an administrator did.
    fn unprovision(&mut self, incoming: &Incoming<'_>) -> Answer {
        let amt_heci::amthi::Unprovision { mode: _ } = body(incoming)?;
        if self.device.control_mode != 1 {
            return Err(PtStatus::INVALID_PT_MODE);
        }
        self.device.effects.push(Effect::Unprovisioned);
        good(())
    }

    fn start_configuration(&mut self, now: Tick) -> Answer {
        self.before_setup()?;
        let psk = self.device.psk.is_some();
        if !psk && !self.device.local.zero_touch {
            return Err(PtStatus::NOT_PERMITTED);
        }
        let network = self.device.config.link_up && (psk || self.device.wired.dhcp || !self.suffix().is_empty());
        if !network || self.tls_mode() == 0 {
            return Err(PtStatus::NOT_READY);
        }
        if !self.device.local.random {
            return Err(PtStatus::RNG_NOT_READY);
        }
        self.reopen(now);
        good(())
    }

    fn start_secure(&mut self, incoming: &Incoming<'_>) -> Answer {
        let command: StartConfigurationHBased = body(incoming)?;
        self.before_setup()?;
        let size = match command.algorithm {
            2 => 32,
            3 => 48,
            _ => return Err(PtStatus::INVALID_PARAMETER),
        };
        self.device.local.secure = Some(SecureSetup {
            algorithm: command.algorithm,
            leaf: command.hash[..size].to_vec(),
            suffixes: command.suffixes,
        });
        self.device.phase = Phase::In;
        let mut hash = [0; 64];
        for (to, from) in hash.iter_mut().zip(self.device.local_leaf_hash(command.algorithm)) {
            *to = from;
        }
        good(SecureConfiguration { algorithm: command.algorithm, hash })
    }
}

/// The answer to a command without arguments, whatever their shape.
pub(super) fn plain<C: Command>(incoming: &Incoming<'_>, answer: impl FnOnce() -> C::Answer) -> Answer
where
    C::Answer: 'static,
{
    body::<C>(incoming)?;
    good(answer())
}

/// The command, if it has the length that it must have.
pub(super) fn body<C: Command>(incoming: &Incoming<'_>) -> Result<C, PtStatus> {
    incoming.body().ok_or(PtStatus::INVALID_MESSAGE_LENGTH)
}

pub(super) fn good(answer: impl Field + 'static) -> Answer {
    Ok(Box::new(answer))
}
