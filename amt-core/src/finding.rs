//! What a check has to say: preflight, lint and profile validation return all of it at once.

use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// May fail, on some firmware or soon.
    Warning,
    /// Will fail.
    Error,
}

impl Severity {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Stable code, for example `ROOT-NOHASH`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The certificate, record or field it is about.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Finding {
    /// All parts, in the order in which they are printed.
    pub fn new(
        code: &'static str,
        severity: Severity,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { code, severity, field: field.into(), message: message.into(), hint: hint.into() }
    }
}
