//! The watchdog client: whether AMT is on, and switching it (`spec/heci.md` §3.6).

use amt_core::codec::{DecodeError, Reader};

const COMMAND: u8 = 5;
const VERSION: u8 = 0x10;
const IS_ENABLED: u8 = 0x51;
const SET_STATE: u8 = 0x53;

/// Asks for [`Enabled`].
pub const IS_CHANGE_TO_AMT_ENABLED: [u8; 4] = [COMMAND, 2, IS_ENABLED, VERSION];

/// Switches AMT on or off; firmware takes it before provisioning only.
pub const fn set_amt_operational_state(on: bool) -> [u8; 5] {
    [COMMAND, 3, SET_STATE, VERSION, if on { 1 } else { 0 }]
}

/// Whether AMT is on, as one byte of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enabled(pub u8);

impl Enabled {
    /// Reads the answer: one byte.
    ///
    /// # Errors
    /// If it is not one byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8("watchdog.flags")?;
        end(&reader, "watchdog.flags", 1, bytes.len())?;
        Ok(Self(flags))
    }

    /// The firmware has the newer interface: the other questions can be answered, and AMT can be switched.
    pub const fn is_new_interface(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether AMT is on; firmware with the older interface does not tell.
    pub const fn is_amt_enabled(self) -> Option<bool> {
        if self.is_new_interface() { Some(self.0 & 0x02 != 0) } else { None }
    }

    /// Whether a change is allowed.
    pub const fn is_transition_allowed(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Whether the local ports demand TLS; firmware with the older interface does not tell.
    pub const fn is_tls_enforced(self) -> Option<bool> {
        if self.is_new_interface() { Some(self.0 & 0x40 != 0) } else { None }
    }
}

/// Status of a change: 0 done, 0x88 not ready, 0x89 not supported, 0x9E failed, 0xA0 flash wear-out, 0xA8 not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchdogStatus(pub u32);

impl WatchdogStatus {
    /// Done.
    pub const SUCCESS: Self = Self(0);

    /// Reads the answer to a change: a status, with or without an echo of the request's header before it.
    ///
    /// # Errors
    /// If it is neither.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() > 4 {
            let offset = reader.offset();
            let echo = reader.u32_le("watchdog.header")?;
            let [command, _, sub, _] = echo.to_le_bytes();
            if command != COMMAND || sub != SET_STATE {
                return Err(DecodeError::Invalid { field: "watchdog.header", offset, got: echo.into() });
            }
        }
        let status = reader.u32_le("watchdog.status")?;
        end(&reader, "watchdog.status", 8, bytes.len())?;
        Ok(Self(status))
    }

    /// What it means, if that is known.
    pub const fn words(self) -> Option<&'static str> {
        match self.0 {
            0 => Some("done"),
            0x88 => Some("not ready"),
            0x89 => Some("not supported"),
            0x9E => Some("failed"),
            0xA0 => Some("the flash is worn out"),
            0xA8 => Some("not allowed"),
            _ => None,
        }
    }
}

/// A request as the firmware sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchdogRequest {
    /// Whether AMT is on.
    IsEnabled,
    /// Switch it.
    SetState(bool),
    /// Another command, with this sub-command.
    Other(u8),
}

impl WatchdogRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// If it is damaged, or its count is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let invalid = |field, offset, got: u8| Err(DecodeError::Invalid { field, offset, got: got.into() });
        let command = reader.u8("watchdog.command")?;
        if command != COMMAND {
            return invalid("watchdog.command", 0, command);
        }
        let count = reader.u8("watchdog.count")?;
        if usize::from(count) != reader.rest().len() {
            return invalid("watchdog.count", 1, count);
        }
        let sub = reader.u8("watchdog.sub_command")?;
        let version = reader.u8("watchdog.version")?;
        if version != VERSION {
            return invalid("watchdog.version", 3, version);
        }
        Ok(match (sub, reader.rest()) {
            (IS_ENABLED, []) => Self::IsEnabled,
            (SET_STATE, [0]) => Self::SetState(false),
            (SET_STATE, [1]) => Self::SetState(true),
            _ => Self::Other(sub),
        })
    }
}

fn end(reader: &Reader<'_>, field: &'static str, max: usize, have: usize) -> Result<(), DecodeError> {
    if reader.rest().is_empty() { Ok(()) } else { Err(DecodeError::TooLarge { field, max, have }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_published_bytes() {
        assert_eq!(IS_CHANGE_TO_AMT_ENABLED, [5, 2, 0x51, 0x10]);
        assert_eq!(set_amt_operational_state(true), [5, 3, 0x53, 0x10, 1]);
        assert_eq!(WatchdogRequest::decode(&IS_CHANGE_TO_AMT_ENABLED), Ok(WatchdogRequest::IsEnabled));
        assert_eq!(WatchdogRequest::decode(&set_amt_operational_state(false)), Ok(WatchdogRequest::SetState(false)));
        let bytes = set_amt_operational_state(true);
        for cut in 0..bytes.len() {
            assert!(WatchdogRequest::decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn flags_of_the_older_interface_tell_less() {
        let old = Enabled::decode(&[0x03]).unwrap();
        assert_eq!((old.is_amt_enabled(), old.is_tls_enforced()), (None, None));
        let new = Enabled::decode(&[0xc2]).unwrap();
        assert_eq!((new.is_amt_enabled(), new.is_tls_enforced()), (Some(true), Some(true)));
        assert!(Enabled::decode(&[]).is_err() && Enabled::decode(&[0, 0]).is_err());
    }

    #[test]
    fn both_forms_of_the_status_are_read() {
        assert_eq!(WatchdogStatus::decode(&[0; 4]), Ok(WatchdogStatus::SUCCESS));
        assert_eq!(WatchdogStatus::decode(&[5, 3, 0x53, 0x10, 0xa8, 0, 0, 0]), Ok(WatchdogStatus(0xa8)));
        for bad in [&[0; 3][..], &[5, 3, 0x53, 0x10], &[0; 8], &[5, 3, 0x53, 0x10, 0, 0, 0, 0, 0]] {
            let read = WatchdogStatus::decode(bad);
            assert!(read.is_err() || bad.len() == 4, "{bad:?}");
        }
    }
}
