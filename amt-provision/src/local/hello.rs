//! The hello of a machine, made of what its firmware says over HECI: for a program that sends it in the firmware's place.

use super::status::{LocalStatus, PSK};
use crate::step::Step;
use amt_core::hello::{Hello, HelloKind, RootHash};
use amt_core::{ErrorCode, Failure};

impl LocalStatus {
    /// The hello that the firmware would send (`spec/heci.md` §6), as its first attempt.
    ///
    /// # Errors
    /// `ALREADY_PROVISIONED`; `AMT_DISABLED`; `FIRMWARE_UNSUPPORTED` if the firmware tells no UUID; `WRONG_STATE` if it trusts no root and
    /// has no PID.
    pub fn hello(&self) -> Result<Hello, Failure> {
        let fail = |code, text: String| Err(Failure::new(code, Step::ReadFirmware.name(), text));
        if self.facts.is_amt_enabled() == Some(false) {
            return fail(ErrorCode::AMT_DISABLED, "AMT is switched off in this machine".to_owned());
        }
        if self.facts.standing.is_set_up() {
            let text = format!("the machine is set up already: {}", self.facts.standing.as_str());
            return fail(ErrorCode::ALREADY_PROVISIONED, text);
        }
        let Some(id) = self.facts.id else {
            return fail(ErrorCode::FIRMWARE_UNSUPPORTED, "the firmware does not tell this machine's UUID".to_owned());
        };
        let kind = match (self.tls_mode, self.pid) {
            (Some(PSK), Some(pid)) => HelloKind::Psk { pid },
            _ => HelloKind::Pki { roots: self.active_roots().collect() },
        };
        let hello =
            Hello { admin_credentials_set: self.admin_is_factory == Some(false), retry: 0, id, kind, trailing: 0 };
        if matches!(hello.kind, HelloKind::Pki { .. }) && hello.roots().is_empty() {
            let text = "the firmware trusts no root and has no PID: no setup server can prove itself to it";
            return Err(Failure::new(ErrorCode::WRONG_STATE, Step::ReadFirmware.name(), text)
                .hint("enter a root hash or a PID and PPS in the setup menu, or by USB key (`amt setupbin create`)"));
        }
        Ok(hello)
    }

    fn active_roots(&self) -> impl Iterator<Item = RootHash<'_>> {
        let active = self.roots.iter().filter(|root| root.is_active);
        active.filter_map(|root| RootHash::new(root.algorithm?.hello(), &root.digest))
    }
}
