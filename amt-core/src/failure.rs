//! The one shape in which an error leaves the library: code, stage, message, what the device said, what to do next.

use crate::ErrorCode;
use crate::status::PtStatus;
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// What the firmware itself said, kept beside the code and never folded into it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceStatus {
    /// A method's `ReturnValue` (`spec/wsman.md` §2.5).
    ReturnValue {
        /// Class and method, `Class.Method`.
        method: String,
        /// The value as sent.
        value: u32,
        /// Its name in the enumeration that this method uses.
        name: Cow<'static, str>,
    },
    /// A SOAP fault (§2.4).
    Fault {
        /// Local name of the SOAP 1.2 code: `Sender`, `Receiver`, `MustUnderstand`.
        code: String,
        /// Local name of the subcode, if any.
        subcode: Option<String>,
        /// `AMT-STATUS` in the fault detail, if any.
        status: Option<PtStatus>,
        /// The firmware's own words.
        reason: String,
    },
    /// An HTTP status other than 200 without SOAP in it.
    Http(u16),
    /// A TLS alert sent by the device.
    TlsAlert(u8),
}

impl fmt::Display for DeviceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReturnValue { method, value, name } => write!(f, "{method} returned {value} ({name})"),
            Self::Fault { code, subcode, status, reason } => {
                write!(f, "SOAP fault {code}")?;
                if let Some(subcode) = subcode {
                    write!(f, "/{subcode}")?;
                }
                if let Some(status) = status {
                    write!(f, ", AMT-STATUS {status}")?;
                }
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::Http(status) => write!(f, "HTTP status {status}"),
            Self::TlsAlert(alert) => write!(f, "TLS alert {alert}"),
        }
    }
}

/// An error as users of every language see it; [`FailureDetails`] are its fields.
///
/// One pointer: every `?` of every procedure passes it on, and nothing is in a hurry once something has failed.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(Box<FailureDetails>);

/// What a [`Failure`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureDetails {
    /// Number and name in the registry.
    pub code: ErrorCode,
    /// Where it happened: a step of a procedure or an operation, for example `set-admin-password`.
    pub stage: Cow<'static, str>,
    /// What happened; lower case, no secrets.
    pub message: String,
    /// What the device said, if it said anything.
    pub device: Option<DeviceStatus>,
    /// What to do next.
    pub hint: Cow<'static, str>,
}

impl Failure {
    /// A failure with the registry's own hint.
    pub fn new(code: ErrorCode, stage: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::with(code, stage.into(), message.into())
    }

    /// Not repeated for each kind of text, and not in each place that fails.
    #[inline(never)]
    fn with(code: ErrorCode, stage: Cow<'static, str>, message: String) -> Self {
        Self(Box::new(FailureDetails { code, stage, message, device: None, hint: Cow::Borrowed(code.hint()) }))
    }

    /// The same, with what the device said.
    #[must_use]
    pub fn device(mut self, status: DeviceStatus) -> Self {
        self.device = Some(status);
        self
    }

    /// The same, with a more fitting next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same failure, seen at another stage.
    #[must_use]
    pub fn at(mut self, stage: impl Into<Cow<'static, str>>) -> Self {
        self.stage = stage.into();
        self
    }

    /// Its fields, to keep some of them.
    pub fn into_details(self) -> FailureDetails {
        *self.0
    }
}

impl Deref for Failure {
    type Target = FailureDetails;

    fn deref(&self) -> &FailureDetails {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut FailureDetails {
        &mut self.0
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{} {}]", self.stage, self.message, self.code.number(), self.code.name())?;
        if let Some(device) = &self.device {
            write!(f, "; the device said: {device}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
