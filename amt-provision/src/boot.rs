//! Boots a machine from one source, once (`spec/wsman.md` §3.11).
//!
//! Boot settings are cleared, the source is set and made to count for one boot, and that is read back. Then the record says
//! "armed", durably, and the computer is started: a dangerous call, made once. From there on the machine is asked, not told: while
//! the source still counts, the start did not happen; when it does not count any more, it was used. So a crash at any point neither
//! boots twice nor leaves the boot out.
//!
//! What cannot be told apart: somebody else who starts the computer between the setting of the source and the durable record, with
//! a crash in the same moment, uses up a boot that no record knows of.

use crate::event::Event;
use crate::machine::{Machine, RecordCx};
use crate::managed::{Access, Managed, need_set_up};
use crate::session::{CallError, Session};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::BootSettingData;
use amt_wsman::class::cim::{
    AssociatedPowerManagementService, BootConfigSetting, BootService, BootSourceSetting, ElementSettingData,
    PowerManagementService,
};
use amt_wsman::op::Request;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 4096;
/// How long a BIOS may take from the start of the computer until it has taken up the boot settings.
pub const SETTLE: Duration = Duration::from_secs(120);

/// First pause before asking whether the source was used; it grows up to the longest.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_LONGEST: Duration = Duration::from_secs(5);
/// Most starts asked for in one attempt: the second only after the machine said that the first did not happen.
const MAX_STARTS: u32 = 2;

/// What to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BootSource {
    /// The network (PXE).
    Network,
    /// The hard disk.
    HardDrive,
    /// The optical disc.
    Optical,
}

impl BootSource {
    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::HardDrive => "hard-drive",
            Self::Optical => "optical",
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Network => BootSourceSetting::NETWORK,
            Self::HardDrive => BootSourceSetting::HARD_DRIVE,
            Self::Optical => BootSourceSetting::OPTICAL,
        }
    }
}

/// How far a boot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BootStage {
    /// Nothing that counts was done, or it was undone.
    Idle,
    /// The source counts for the next boot; the start of the computer may have been asked for.
    Armed,
    /// The boot took place.
    Done,
}

/// What a crash must not lose of a boot. Holds no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootRecord {
    /// The machine.
    pub id: SystemId,
    /// What it boots from.
    pub source: BootSource,
    /// How far it has come.
    pub stage: BootStage,
    /// Whether the firmware was seen to have used the source; known when done.
    pub proven: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    id: String,
    source: BootSource,
    stage: BootStage,
    proven: bool,
}

impl BootRecord {
    /// A boot that is still to be done.
    pub const fn new(id: SystemId, source: BootSource) -> Self {
        Self { id, source, stage: BootStage::Idle, proven: false }
    }

    /// JSON, to be stored.
    pub fn encode(&self) -> Vec<u8> {
        let Self { id, source, stage, proven } = self;
        let stored = Stored { format: FORMAT, id: id.to_string(), source: *source, stage: *stage, proven: *proven };
        // A struct of words, numbers and truth values always serialises.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |what: String| Failure::new(ErrorCode::JOURNAL, "journal", what);
        if bytes.len() > MAX_RECORD {
            return Err(bad(format!("the boot record has {} bytes, at most {MAX_RECORD} are read", bytes.len())));
        }
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|e| bad(format!("the boot record is damaged at byte {}", e.column())))?;
        if stored.format > FORMAT {
            let text = format!("the boot record has format {}, this version reads up to {FORMAT}", stored.format);
            return Err(bad(text));
        }
        let Stored { source, stage, proven, .. } = stored;
        Ok(Self { id: stored.id.parse()?, source, stage, proven })
    }
}

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Boot {
    /// How the machine is reached.
    pub access: Access,
    /// What earlier attempts made durable, or a new record.
    pub record: BootRecord,
    /// How long the BIOS may take to use the source.
    pub settle: Duration,
}

impl Boot {
    /// An attempt at the boot of `record`.
    pub const fn new(access: Access, record: BootRecord) -> Self {
        Self { access, record, settle: SETTLE }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Booted, BootRecord> {
        Machine::new(move |cx| Run { cx, record: self.record, settle: self.settle }.run(self.access))
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Booted {
    /// The machine.
    pub id: SystemId,
    /// What it booted from.
    pub source: BootSource,
    /// Whether the firmware was seen to have used the source. False only with firmware that does not tell: it accepted the start.
    pub proven: bool,
}

/// Whether the source still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// At the next boot.
    Pending,
    /// No more.
    Used,
    /// The firmware does not tell.
    Untold,
}

struct Run {
    cx: RecordCx<BootRecord>,
    record: BootRecord,
    settle: Duration,
}

impl Run {
    async fn run(mut self, access: Access) -> Result<Booted, Failure> {
        self.cx.input(None).await?;
        if self.record.id != access.id {
            let text = format!("the boot record is of {}, the machine is {}", self.record.id, access.id);
            return Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text));
        }
        if self.record.stage == BootStage::Done {
            return Ok(self.booted());
        }
        let mut machine = Managed::open(&self.cx, &access).await?;
        need_set_up(machine.provisioning_state(), Step::ReadState, "told what to boot")?;
        match self.record.stage {
            BootStage::Armed => match self.wait_until_used(&mut machine).await? {
                Next::Pending => self.cx.note("the source still counts: the computer was not started; it is now"),
                Next::Used => return self.done(true).await,
                Next::Untold => {
                    let text = "the computer may have been started before, and its firmware does not tell: it is not \
                                started again";
                    return Err(Self::unproven(text));
                }
            },
            BootStage::Idle | BootStage::Done => {
                // Before anything is changed: whether it can be started at all.
                self.start_state(&mut machine.session).await?;
                self.arm(&mut machine).await?;
            }
        }
        self.start(&mut machine).await
    }

    /// Leaves the source set for one boot, and says so durably.
    async fn arm(&mut self, machine: &mut Managed) -> Result<(), Failure> {
        self.step(Step::ArmBoot);
        let session = &mut machine.session;
        // A source that is still set makes firmware refuse options.
        session.call(Step::ArmBoot, &BootConfigSetting::change_boot_order(None)).await?;
        let settings = session.instance(Step::ArmBoot, &BootSettingData::get()).await?;
        session.call(Step::ArmBoot, &BootSettingData::put_plain(&settings)).await?;
        session.call(Step::ArmBoot, &BootService::set_boot_config_role(BootService::NEXT_SINGLE_USE)).await?;
        let order = BootConfigSetting::change_boot_order(Some(self.record.source.id()));
        if let Err(error) = session.call(Step::ArmBoot, &order).await {
            self.disarm(session).await;
            return Err(error.into());
        }
        // Without this "counts no more" would later be taken for "was used".
        if self.next(machine).await? == Next::Used {
            let text = "the firmware accepted the boot source and says that it does not count";
            return Err(Failure::new(ErrorCode::STEP_REFUSED, Step::ArmBoot.name(), text));
        }
        if let Err(failure) = self.stage(BootStage::Armed).await {
            self.disarm(&mut machine.session).await;
            return Err(failure);
        }
        Ok(())
    }

    /// Starts the computer and sees the source used.
    async fn start(&mut self, machine: &mut Managed) -> Result<Booted, Failure> {
        let mut lost = None;
        for _ in 0..MAX_STARTS {
            let state = self.start_state(&mut machine.session).await?;
            self.step(Step::PowerAction);
            let request = PowerManagementService::request_power_state_change(state);
            match machine.session.call(Step::PowerAction, &request).await {
                Ok(_) => return self.prove(machine).await,
                Err(error) if error.is_lost() => {
                    self.cx.note("the answer to the start was lost; the machine's state will tell");
                    match self.wait_until_used(machine).await? {
                        Next::Used => return self.done(true).await,
                        Next::Pending => lost = Some(Failure::from(error)),
                        Next::Untold => {
                            return Err(Self::unproven(
                                "the answer to the start of the computer was lost, and its firmware does not tell \
                                 whether it took place",
                            ));
                        }
                    }
                }
                Err(error) if error.is_refusal() => {
                    // First on disk: with "armed" there, a source taken back would be taken for one that was used.
                    self.stage(BootStage::Idle).await?;
                    self.disarm(&mut machine.session).await;
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(lost.unwrap_or_else(|| Self::unproven("the computer was not started")))
    }

    /// The start was accepted: success is what the firmware says afterwards.
    async fn prove(&mut self, machine: &mut Managed) -> Result<Booted, Failure> {
        match self.wait_until_used(machine).await? {
            Next::Used => self.done(true).await,
            Next::Untold => {
                self.cx.note("this firmware does not tell whether the source was used; it accepted the start");
                self.done(false).await
            }
            Next::Pending => Err(Self::unproven(&format!(
                "the computer was started, and its BIOS has not used the boot source within {} s",
                self.settle.as_secs()
            ))),
        }
    }

    /// Asks until the source does not count any more or the BIOS has had its time. A computer that starts may take its network
    /// with it for a while.
    async fn wait_until_used(&mut self, machine: &mut Managed) -> Result<Next, Failure> {
        self.step(Step::Prove);
        let until = self.cx.now().after(self.settle);
        let mut pause = ASK_FIRST;
        loop {
            let answer = self.next_or_error(&mut machine.session).await;
            let over = self.cx.now() >= until;
            match answer {
                Ok(Next::Pending) if !over => {}
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_passing() && !over => {}
                Err(error) => return Err(error.into()),
            }
            self.cx.sleep(pause).await?;
            pause = (pause * 2).min(ASK_LONGEST);
        }
    }

    async fn next(&self, machine: &mut Managed) -> Result<Next, Failure> {
        Ok(self.next_or_error(&mut machine.session).await?)
    }

    async fn next_or_error(&self, session: &mut Session) -> Result<Next, CallError> {
        let reply = match session.call(Step::Prove, &ElementSettingData::enumerate()).await {
            Ok(reply) => reply,
            // No such class on this firmware. Any other fault may pass, and must not be taken for it.
            Err(error) if error.is_fault("DestinationUnreachable") => return Ok(Next::Untold),
            Err(error) => return Err(error),
        };
        let roles = reply.typed_all::<ElementSettingData>().map_err(|e| CallError::Wsman(e, Step::Prove))?;
        Ok(match ElementSettingData::boot_is_next(&roles) {
            Some(ElementSettingData::NEXT_SINGLE_USE | ElementSettingData::NEXT) => Next::Pending,
            Some(ElementSettingData::NOT_NEXT) => Next::Used,
            _ => Next::Untold,
        })
    }

    /// The power state to ask for so that the computer starts.
    async fn start_state(&self, session: &mut Session) -> Result<u32, Failure> {
        let request = AssociatedPowerManagementService::get();
        let reply = session.call(Step::ReadState, &request).await?;
        let power: AssociatedPowerManagementService = reply.typed().map_err(|e| e.failure(Step::ReadState.name()))?;
        let wanted: &[u32] = match power.power_state {
            // Off, hibernated.
            6..=8 => &[PowerManagementService::ON],
            // On or asleep.
            _ => &[PowerManagementService::RESET, PowerManagementService::CYCLE],
        };
        let available = &power.available_requested_power_states;
        let can = |state: &&u32| available.is_empty() || available.contains(state);
        wanted.iter().find(can).copied().ok_or_else(|| {
            let text = format!("the computer cannot be started from its present power state {}", power.power_state);
            Failure::new(ErrorCode::WRONG_STATE, Step::ReadState.name(), text)
        })
    }

    /// Takes the source back, as well as that can be done: what is wrong already is the error that counts.
    async fn disarm(&self, session: &mut Session) {
        let requests: [Request; 2] =
            [BootService::set_boot_config_role(BootService::NOT_NEXT), BootConfigSetting::change_boot_order(None)];
        for request in requests {
            if let Err(error) = session.call(Step::ArmBoot, &request).await {
                self.cx.note(format!("the boot source could not be taken back: {}", Failure::from(error).message));
                return;
            }
        }
    }

    async fn done(&mut self, proven: bool) -> Result<Booted, Failure> {
        self.record.proven = proven;
        self.stage(BootStage::Done).await?;
        self.step(Step::Done);
        Ok(self.booted())
    }

    const fn booted(&self) -> Booted {
        Booted { id: self.record.id, source: self.record.source, proven: self.record.proven }
    }

    async fn stage(&mut self, stage: BootStage) -> Result<(), Failure> {
        self.record.stage = stage;
        self.cx.persist(&self.record).await
    }

    fn step(&self, step: Step) {
        self.cx.event(Event::Step(step));
    }

    fn unproven(text: &str) -> Failure {
        Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text)
            .hint("look at the machine; if it did not boot as wanted, begin a new boot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_encoding_and_damage_is_refused() {
        let mut record = BootRecord::new(SystemId::from_wire([3; 16]), BootSource::Network);
        record.stage = BootStage::Armed;
        let bytes = record.encode();
        assert_eq!(BootRecord::decode(&bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert_eq!(BootRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let newer = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":2");
        assert!(BootRecord::decode(newer.as_bytes()).unwrap_err().message.contains("format 2"));
        assert!(BootRecord::decode(&[b' '; MAX_RECORD + 1]).unwrap_err().message.contains("4097"));
    }
}
