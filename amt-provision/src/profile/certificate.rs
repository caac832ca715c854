//! Where a certificate comes from.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Certificates of authorities, in PEM. Exactly one of its fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct CertificateSource {
    /// A file; relative to the folder of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
}

impl CertificateSource {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), pem: None }
    }

    /// The text itself.
    pub fn pem(text: impl Into<String>) -> Self {
        Self { file: None, pem: Some(text.into()) }
    }
}
