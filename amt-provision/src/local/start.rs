//! Hellos begun by a program on the machine, after its factory window has closed (`spec/heci.md` §6): the machine then waits for a
//! setup server. Everything that would let it wait in vain is told before.

use super::activate::leave_provisioning;
use super::ask::{ask, ask_if_known};
use super::status::{Facts, PSK, Standing, read_standing, wired};
use crate::commit::Comeback;
use crate::event::Event;
use crate::machine::{Cx, Machine};
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_heci::amthi::{
    GenerateRngSeed, GetPkiFqdnSuffix, GetProvisioningTlsMode, GetRngSeedStatus, GetZeroTouchEnabled, SetPkiFqdnSuffix,
    SetProvisioningServerOtp, StartConfiguration, StartConfigurationEx,
};
use std::convert::Infallible;
use std::time::Duration;

/// Longest one-time password: the firmware keeps 32 bytes (`spec/wsman.md` §3.1).
pub const MAX_OTP: usize = 32;
/// Longest DNS suffix.
pub const MAX_SUFFIX: usize = 223;
/// How long the firmware may take to make random numbers.
const RNG: Duration = Duration::from_secs(120);
/// First version that knows StartConfigurationEx.
const EX: FirmwareVersion = FirmwareVersion::new(6, 0);

/// How a machine in remote configuration proves itself to a setup server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelloMode {
    /// With a pre-shared pair.
    Psk,
    /// With certificates.
    Pki,
}

/// Opens the window of remote configuration.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Start {
    /// The machine that this is meant for; none: whichever this runs on.
    pub id: Option<SystemId>,
    /// One-time password that the setup server must know, 1 to 32 printable characters. Whoever gives it here has given it to
    /// the server, or made it durable for it, before.
    pub otp: Option<Secret<String>>,
    /// DNS suffix that the server's certificate must be for; none: the firmware's own, or DHCP's.
    pub suffix: Option<String>,
    /// Over IPv6 too.
    pub ipv6: bool,
    /// How long to wait until the machine is set up; none: not at all.
    pub wait: Option<Duration>,
}

/// What was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// UUID; firmware that does not tell it has none here.
    pub id: Option<SystemId>,
    /// Its firmware.
    pub version: FirmwareVersion,
    /// How it proves itself.
    pub mode: HelloMode,
    /// How it stands after the wait.
    pub standing: Standing,
}

impl Start {
    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Started, Infallible> {
        Machine::without_record(move |cx| Run { cx, job: self }.run())
    }
}

struct Run {
    cx: Cx,
    job: Start,
}

impl Run {
    async fn run(self) -> Result<Started, Failure> {
        self.cx.input(None).await?;
        self.check_arguments()?;
        let facts = Facts::read(&self.cx).await?;
        if let Some(id) = self.job.id {
            facts.check(id)?;
        }
        check_facts(&facts)?;
        let mode = self.check_mode().await?;
        self.check_network(mode).await?;
        self.make_random().await?;
        self.cx.event(Event::Step(Step::StartConfiguration));
        if let Some(suffix) = &self.job.suffix {
            ask(&self.cx, Step::StartConfiguration, &SetPkiFqdnSuffix { suffix: suffix.clone() }).await?;
        }
        if let Some(otp) = &self.job.otp {
            ask(&self.cx, Step::StartConfiguration, &SetProvisioningServerOtp { otp: otp.clone() }).await?;
        }
        self.open_window(facts.version).await?;
        let standing = self.wait().await?;
        Ok(Started { id: facts.id, version: facts.version, mode, standing })
    }

    fn check_arguments(&self) -> Result<(), Failure> {
        let bad = |text: String| Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "plan", text));
        if let Some(otp) = &self.job.otp {
            let otp = otp.expose();
            if !(1..=MAX_OTP).contains(&otp.len()) || !otp.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
                return bad(format!("a one-time password has 1 to {MAX_OTP} printable characters without blanks"));
            }
        }
        match &self.job.suffix {
            Some(suffix) if suffix.is_empty() || suffix.len() > MAX_SUFFIX => {
                bad(format!("a DNS suffix has 1 to {MAX_SUFFIX} bytes"))
            }
            _ => Ok(()),
        }
    }

    async fn check_mode(&self) -> Result<HelloMode, Failure> {
        let step = Step::ReadFirmware;
        let mode = ask(&self.cx, step, &GetProvisioningTlsMode {}).await?.value;
        match mode {
            PSK => return Ok(HelloMode::Psk),
            2 => {}
            other => {
                let text = format!(
                    "the firmware is not ready for remote configuration (mode {other}): no root hash is active"
                );
                return Err(Failure::new(ErrorCode::WRONG_STATE, step.name(), text)
                    .hint("enter a root hash or a PID and PPS in the setup menu, or by USB key"));
            }
        }
        // Switched off, it would refuse certificates; a pre-shared pair is not concerned.
        if ask_if_known(&self.cx, step, &GetZeroTouchEnabled {}).await?.is_some_and(|on| !on.value) {
            let text = "remote configuration with certificates is switched off in the firmware";
            return Err(Failure::new(ErrorCode::ZERO_TOUCH_DISABLED, step.name(), text));
        }
        Ok(HelloMode::Pki)
    }

    async fn check_network(&self, mode: HelloMode) -> Result<(), Failure> {
        let step = Step::ReadFirmware;
        let bad = |text: &str| Err(Failure::new(ErrorCode::NETWORK_NOT_READY, step.name(), text.to_owned()));
        let Some(wired) = wired(&self.cx).await? else {
            return bad("the firmware has no wired network interface, and hellos are sent over no other");
        };
        if !wired.enabled {
            return bad("the firmware's wired network interface is switched off");
        }
        if wired.link_up != 1 {
            return bad("the wired network has no link: is the cable in?");
        }
        if mode == HelloMode::Psk || wired.dhcp || self.job.suffix.is_some() {
            return Ok(());
        }
        let suffix = ask_if_known(&self.cx, step, &GetPkiFqdnSuffix {}).await?;
        if suffix.is_none_or(|suffix| suffix.text.is_empty()) {
            return bad("the wired network uses no DHCP, and no DNS suffix is set: no certificate could be judged");
        }
        Ok(())
    }

    /// Keys need random numbers, which old firmware makes when it is told to.
    async fn make_random(&self) -> Result<(), Failure> {
        let step = Step::StartConfiguration;
        let mut look = Comeback::within(self.cx.now(), RNG);
        let mut begun = false;
        while let Some(status) = ask_if_known(&self.cx, step, &GetRngSeedStatus {}).await? {
            match status.value {
                0 => return Ok(()),
                2 if !begun => {
                    begun = true;
                    match ask(&self.cx, step, &GenerateRngSeed {}).await {
                        Ok(()) => {}
                        Err(error) if error.status() == Some(PtStatus::RNG_GENERATION_IN_PROGRESS) => {}
                        Err(error) if error.is_lost() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                _ => {}
            }
            if look.is_over(self.cx.now()) {
                let text = format!("the firmware makes no random numbers within {} s", RNG.as_secs());
                return Err(Failure::new(ErrorCode::KEY_NOT_READY, step.name(), text));
            }
            look.wait(&self.cx).await?;
        }
        Ok(())
    }

    async fn open_window(&self, version: FirmwareVersion) -> Result<(), Failure> {
        let step = Step::StartConfiguration;
        let sent = if version < EX {
            ask(&self.cx, step, &StartConfiguration {}).await
        } else {
            ask(&self.cx, step, &StartConfigurationEx { ipv6: self.job.ipv6 }).await
        };
        let Err(error) = sent else { return Ok(()) };
        let lost = error.is_lost();
        let code = match error.status() {
            Some(PtStatus::NOT_READY) => ErrorCode::NETWORK_NOT_READY,
            Some(PtStatus::RNG_NOT_READY | PtStatus::RNG_GENERATION_IN_PROGRESS) => ErrorCode::KEY_NOT_READY,
            Some(PtStatus::INVALID_PT_MODE | PtStatus::CERTIFICATE_NOT_READY) => ErrorCode::WRONG_STATE,
            _ => return Err(if lost { unknown(error.into()) } else { error.into() }),
        };
        let mut failure = Failure::from(error);
        failure.code = code;
        Err(failure.hint(code.hint()))
    }

    /// Waits until the machine is set up, or falls back because its window closed.
    async fn wait(&self) -> Result<Standing, Failure> {
        let Some(limit) = self.job.wait else { return read_standing(&self.cx).await };
        let until = self.cx.now().after(limit);
        let mut begun = false;
        loop {
            let standing = read_standing(&self.cx).await?;
            let fell_back = begun && standing == Standing::Unprovisioned;
            begun |= standing == Standing::InProvisioning;
            if standing.is_set_up() || fell_back || self.cx.now() >= until {
                return Ok(standing);
            }
            self.cx.sleep(Duration::from_secs(1)).await?;
        }
    }
}

/// Opening the window twice does no harm, and no state tells whether it is open.
fn unknown(failure: Failure) -> Failure {
    failure.hint("the firmware's answer was lost: run the same again; a window that is open is opened anew")
}

fn check_facts(facts: &Facts) -> Result<(), Failure> {
    let fail = |code, text: String| Err(Failure::new(code, Step::ReadFirmware.name(), text));
    if !facts.version.capabilities().agent_start {
        let text = format!("AMT {} does not let its system start a remote configuration", facts.version);
        return fail(ErrorCode::FIRMWARE_UNSUPPORTED, text);
    }
    if facts.is_amt_enabled() == Some(false) {
        return fail(ErrorCode::AMT_DISABLED, "AMT is switched off in this machine".to_owned());
    }
    match facts.standing {
        Standing::Unprovisioned => Ok(()),
        Standing::InProvisioning => {
            let text = "a setup of this machine is under way already; it ends by itself, or is stopped with --stop";
            fail(ErrorCode::WRONG_STATE, text.to_owned())
        }
        standing => {
            fail(ErrorCode::ALREADY_PROVISIONED, format!("the machine is set up already: {}", standing.as_str()))
        }
    }
}

/// Closes the window of remote configuration.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Stop {}

impl Stop {
    /// The attempt as a machine to be driven. It ends with how the machine stands.
    pub fn start(self) -> Machine<Standing, Infallible> {
        Machine::without_record(|cx| async move {
            cx.input(None).await?;
            leave_provisioning(&cx).await?;
            read_standing(&cx).await
        })
    }
}
