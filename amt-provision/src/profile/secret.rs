//! Where a secret comes from.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is expected where a secret is named. Whatever stands there instead is never shown: it may be the secret.
pub(super) const NOT_HERE: &str =
    "where the secret is, as { file = \"…\" } or { env = \"…\" }; the secret itself is never written here";

/// Whether `text` is what a variable of the environment may be called: letters, digits and underscores, no digit first. What is none may be
/// a secret that was written where the name belongs: it is not repeated.
pub fn is_variable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
}

/// A secret that the profile names and does not hold. Exactly one of its fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(
    expecting = "where the secret is, as { file = \"…\" } or { env = \"…\" }; the secret itself is never written here"
)]
#[cfg_attr(test, schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct SecretSource {
    /// A file whose first line it is; relative to the folder of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A variable of the environment that holds it: letters, digits and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl SecretSource {
    /// The first line of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), env: None }
    }

    /// A variable of the environment.
    pub fn env(name: &str) -> Self {
        Self { file: None, env: Some(name.to_owned()) }
    }

    pub(crate) fn count(&self) -> usize {
        usize::from(self.file.is_some()) + usize::from(self.env.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_by_letters_digits_and_underscores() {
        for name in ["P", "_", "AMT_PASSWORD", "admin2"] {
            assert!(is_variable(name), "{name}");
        }
        for other in ["", "2nd", "P@ssw0rd", "a b", "a-b", "$AMT_PASSWORD", "A=b", "pässword"] {
            assert!(!is_variable(other), "{other}");
        }
    }
}
