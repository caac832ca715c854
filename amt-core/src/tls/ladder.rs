//! Which engine and which versions to try with which firmware, and what makes one step down (`spec/hello-tls.md` §2.5).

use super::PeerIdentity;
use crate::version::{FirmwareVersion, TlsVersion};
use crate::{DeviceStatus, ErrorCode, Failure};
use std::fmt;
use std::str::FromStr;

/// A rung of the ladder, from the best to the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rung {
    /// The default engine: TLS 1.2 and 1.3 with forward secrecy.
    Modern,
    /// The legacy engine: TLS 1.0 to 1.2, RSA key exchange and CBC too.
    Legacy,
    /// The legacy engine, TLS 1.0 only: for firmware that mistakes newer offers.
    LegacyTls10,
}

impl Rung {
    const ALL: [Self; 3] = [Self::Modern, Self::Legacy, Self::LegacyTls10];

    /// The word in records and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::LegacyTls10 => "legacy-tls1.0",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rung {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|rung| rung.name() == text);
        found
            .ok_or_else(|| Failure::new(ErrorCode::PARSE_TEXT, "tls", format!("{text:?} is no rung of the TLS ladder")))
    }
}

/// What a profile consents to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegacyTls {
    /// TLS 1.2 and later with forward secrecy only.
    #[default]
    Refuse,
    /// Older TLS where a machine speaks nothing else: pre-shared keys, RSA key exchange, CBC, TLS 1.0 and 1.1.
    Allow,
    /// RC4 and 3DES too, if the build has them.
    AllowWeak,
}

impl LegacyTls {
    /// The word in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Allow => "allow",
            Self::AllowWeak => "allow-weak",
        }
    }
}

impl FromStr for LegacyTls {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let found = [Self::Refuse, Self::Allow, Self::AllowWeak].into_iter().find(|consent| consent.name() == text);
        let bad = || format!("legacy_tls: {text:?} is none of refuse, allow, allow-weak");
        found.ok_or_else(|| Failure::new(ErrorCode::PARSE_TEXT, "tls", bad()))
    }
}

/// The attempts to make with one machine, in order: the rung that worked before, else the best one that its firmware may know, then
/// downwards for the reasons that [`next`](Self::next) accepts.
#[derive(Clone, Debug)]
pub struct Ladder {
    consent: LegacyTls,
    /// Still to try, next first.
    rest: Vec<Rung>,
    at: Rung,
}

impl Ladder {
    /// The ladder of a machine: who must answer, the firmware's version if it is known, and the rung on which it was reached before.
    ///
    /// # Errors
    /// `TLS_LEGACY_NOT_ALLOWED` if only rungs are left that `consent` does not cover.
    pub fn new(
        identity: &PeerIdentity,
        version: Option<FirmwareVersion>,
        remembered: Option<Rung>,
        consent: LegacyTls,
    ) -> Result<Self, Failure> {
        let psk = matches!(identity, PeerIdentity::Psk(_));
        let tls = version.map(|version| version.capabilities().tls);
        let fits = |rung: &Rung| match rung {
            Rung::Modern => !psk && tls.is_none_or(|tls| tls.forward_secrecy),
            // What certainly speaks 1.2 with forward secrecy is never asked for less.
            Rung::Legacy => tls.is_none_or(|tls| !tls.forward_secrecy || tls.min < TlsVersion::V1_2),
            Rung::LegacyTls10 => tls.is_none_or(|tls| tls.min == TlsVersion::V1_0),
        };
        let mut rungs: Vec<Rung> = Rung::ALL.into_iter().filter(fits).collect();
        // Kept even if the version says otherwise: it worked.
        if let Some(remembered) = remembered.filter(|rung| !(psk && *rung == Rung::Modern)) {
            rungs.retain(|rung| *rung != remembered);
            rungs.insert(0, remembered);
        }
        let mut rungs = rungs.into_iter();
        // With a pre-shared key and a version that is said to have none, what the machine asked for in its hello is believed.
        let at = rungs.next().unwrap_or(Rung::Legacy);
        let ladder = Self { consent, rest: rungs.collect(), at };
        if ladder.may(at) {
            return Ok(ladder);
        }
        // A machine that was reached the old way may have new firmware since.
        match ladder.rest.iter().position(|rung| ladder.may(*rung)) {
            Some(first) => Ok(Self { at: ladder.rest.get(first).copied().unwrap_or(at), rest: Vec::new(), consent }),
            None => {
                let why = match version {
                    _ if psk => "a pre-shared key is used over legacy TLS only".to_owned(),
                    Some(version) => format!("AMT {version} speaks legacy TLS only"),
                    None => "this machine was reached over legacy TLS only".to_owned(),
                };
                Err(not_allowed(&format!("{why}, and the profile does not allow it"), None))
            }
        }
    }

    /// The rung to try now.
    pub const fn rung(&self) -> Rung {
        self.at
    }

    /// Whether RC4 and 3DES may be offered.
    pub fn weak_ciphers(&self) -> bool {
        self.consent == LegacyTls::AllowWeak && self.at != Rung::Modern
    }

    /// Steps down after `failure` of the present rung, if it is a reason to.
    ///
    /// Reasons are: nothing in common, an immediate reset, and a record that did not decrypt. A judged certificate chain, a time-out, a
    /// closed port, a wrong key are none: older TLS would not help, or would only be what somebody in between wants.
    ///
    /// # Errors
    /// The failure itself if it is no reason or there is no rung left; `TLS_LEGACY_NOT_ALLOWED` if the next rung needs consent.
    pub fn next(&mut self, failure: Failure) -> Result<Rung, Failure> {
        let reset_in_handshake = failure.code == ErrorCode::CONNECTION_RESET && self.at == Rung::Modern;
        if failure.code != ErrorCode::TLS_VERSION && !reset_in_handshake {
            return Err(failure);
        }
        if self.rest.is_empty() {
            return Err(failure);
        }
        let next = self.rest.remove(0);
        if !self.may(next) {
            // A reset has many causes: it is not blamed on old TLS that may not be tried.
            if reset_in_handshake {
                return Err(failure);
            }
            let text = format!("{}; older TLS might reach it, but the profile does not allow that", failure.message);
            return Err(not_allowed(&text, failure.into_details().device));
        }
        self.at = next;
        Ok(next)
    }

    fn may(&self, rung: Rung) -> bool {
        rung == Rung::Modern || self.consent != LegacyTls::Refuse
    }
}

fn not_allowed(message: &str, device: Option<DeviceStatus>) -> Failure {
    let mut failure = Failure::new(ErrorCode::TLS_LEGACY_NOT_ALLOWED, "connect", message);
    failure.device = device;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::psk::{Form, PskPair};

    fn ladder(version: Option<(u16, u16)>, remembered: Option<Rung>, consent: LegacyTls) -> Result<Ladder, Failure> {
        let version = version.map(|(major, minor)| FirmwareVersion::new(major, minor));
        Ladder::new(&PeerIdentity::Any, version, remembered, consent)
    }

    fn incompatible() -> Failure {
        Failure::new(ErrorCode::TLS_VERSION, "connect", "nothing in common").device(DeviceStatus::TlsAlert(40))
    }

    fn rungs(mut ladder: Ladder) -> Vec<Rung> {
        let mut all = vec![ladder.rung()];
        while let Ok(next) = ladder.next(incompatible()) {
            all.push(next);
        }
        all
    }

    #[test]
    fn an_unknown_machine_is_tried_from_the_top() {
        let all = rungs(ladder(None, None, LegacyTls::Allow).unwrap());
        assert_eq!(all, [Rung::Modern, Rung::Legacy, Rung::LegacyTls10]);
    }

    #[test]
    fn a_known_version_and_a_rung_that_worked_save_attempts() {
        let of = |major, minor| rungs(ladder(Some((major, minor)), None, LegacyTls::Allow).unwrap());
        assert_eq!(of(3, 2), [Rung::Legacy, Rung::LegacyTls10]);
        assert_eq!(of(12, 0), [Rung::Legacy]);
        assert_eq!(of(14, 0), [Rung::Modern, Rung::Legacy]);
        assert_eq!(of(16, 0), [Rung::Modern]);
        let again = rungs(ladder(None, Some(Rung::LegacyTls10), LegacyTls::Allow).unwrap());
        assert_eq!(again, [Rung::LegacyTls10, Rung::Modern, Rung::Legacy]);
    }

    #[test]
    fn without_consent_nothing_old_is_tried_and_the_error_says_so() {
        let mut all = ladder(None, None, LegacyTls::Refuse).unwrap();
        let refused = all.next(incompatible()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TLS_LEGACY_NOT_ALLOWED);
        assert_eq!(refused.device, Some(DeviceStatus::TlsAlert(40)));
        assert!(refused.message.contains("nothing in common") && refused.hint.contains("legacy_tls"), "{refused}");
        assert_eq!(ladder(Some((9, 5)), None, LegacyTls::Refuse).unwrap_err().code, ErrorCode::TLS_LEGACY_NOT_ALLOWED);
        // New firmware on a machine that was reached the old way before consent was withdrawn.
        assert_eq!(rungs(ladder(None, Some(Rung::Legacy), LegacyTls::Refuse).unwrap()), [Rung::Modern]);
    }

    #[test]
    fn only_incompatibility_steps_down() {
        let fresh = || ladder(None, None, LegacyTls::Allow).unwrap();
        for code in [
            ErrorCode::TLS_CHAIN_REFUSED,
            ErrorCode::TLS_CLOSED,
            ErrorCode::TLS_HANDSHAKE,
            ErrorCode::TLS_PIN_MISMATCH,
            ErrorCode::TLS_NO_CERTIFICATE_REQUEST,
            ErrorCode::CONNECT_TIMEOUT,
            ErrorCode::CONNECT_REFUSED,
            ErrorCode::PSK_WRONG,
        ] {
            assert_eq!(fresh().next(Failure::new(code, "connect", "x")).unwrap_err().code, code);
        }
        let reset = || Failure::new(ErrorCode::CONNECTION_RESET, "connect", "reset");
        let mut refusing = ladder(None, None, LegacyTls::Refuse).unwrap();
        assert_eq!(refusing.next(reset()).unwrap_err().code, ErrorCode::CONNECTION_RESET);
        let mut all = fresh();
        assert_eq!(all.next(reset()), Ok(Rung::Legacy));
        assert_eq!(all.next(reset()).unwrap_err().code, ErrorCode::CONNECTION_RESET);
    }

    #[test]
    fn a_pre_shared_key_begins_on_the_legacy_rung() {
        let pair = PskPair::parse("0000-037M", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ", Form::Typed).unwrap();
        let identity = PeerIdentity::Psk(pair);
        let all = Ladder::new(&identity, None, None, LegacyTls::Allow).unwrap();
        assert_eq!(rungs(all), [Rung::Legacy, Rung::LegacyTls10]);
        let refused = Ladder::new(&identity, None, None, LegacyTls::Refuse).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TLS_LEGACY_NOT_ALLOWED);
        assert!(Ladder::new(&identity, None, None, LegacyTls::AllowWeak).unwrap().weak_ciphers());
    }

    #[test]
    fn names_read_back() {
        for rung in Rung::ALL {
            assert_eq!(rung.name().parse::<Rung>(), Ok(rung));
        }
        for consent in [LegacyTls::Refuse, LegacyTls::Allow, LegacyTls::AllowWeak] {
            assert_eq!(consent.name().parse::<LegacyTls>(), Ok(consent));
        }
        assert!("modem".parse::<Rung>().is_err() && "yes".parse::<LegacyTls>().is_err());
    }
}
