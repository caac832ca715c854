//! `IPS_OptInService` (`spec/wsman.md` §3.9).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use amt_core::Secret;

class! {
    /// Consent of whoever sits before the machine. One instance.
    OptInService = "IPS_OptInService" {
        /// [`NONE`](Self::NONE), [`KVM`](Self::KVM) or [`ALL`](Self::ALL).
        opt_in_required: Option<u32> = "OptInRequired",
        /// 0 idle, 1 asked for, 2 shown, 3 received, 4 in session.
        opt_in_state: Option<u32> = "OptInState",
        /// Whether the policy may be changed: 0 in client control mode.
        can_modify_opt_in_policy: Option<u32> = "CanModifyOptInPolicy",
        /// Seconds that a code is shown.
        opt_in_code_timeout: Option<u32> = "OptInCodeTimeout",
        /// Seconds from consent to the session that it is for.
        opt_in_display_timeout: Option<u32> = "OptInDisplayTimeout",
    }
}

impl OptInService {
    /// `OptInRequired`: never.
    pub const NONE: u32 = 0;
    /// `OptInRequired`: for the screen.
    pub const KVM: u32 = 1;
    /// `OptInRequired`: for everything that is redirected.
    pub const ALL: u32 = 4_294_967_295;

    /// Has a code of six digits shown on the machine's screen.
    pub fn start_opt_in() -> Request {
        Request::invoke(Self::NAME, "StartOptIn")
    }

    /// Gives the code that the person there read out.
    pub fn send_opt_in_code(code: &Secret<String>) -> Request {
        Request::invoke(Self::NAME, "SendOptInCode").secret_arg("OptInCode", code)
    }

    /// Gives consent, or the asking for it, back.
    pub fn cancel_opt_in() -> Request {
        Request::invoke(Self::NAME, "CancelOptIn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn the_code_keeps_its_zeroes() {
        let request = OptInService::send_opt_in_code(&"001234".into());
        let body = &Envelope::decode(&request.encode(1)).unwrap().body[0];
        assert_eq!(
            (body.name.as_str(), body.child("OptInCode").unwrap().text.as_str()),
            ("SendOptInCode_INPUT", "001234")
        );
        assert!(!format!("{request:?}").contains("001234"));
    }
}
