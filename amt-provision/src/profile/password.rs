//! Passwords of a profile: static, random, or derived from a master secret.

use super::{Material, SecretSource};
use crate::password::Random;
use crate::plan::PasswordPolicy;
use amt_core::{Failure, Secret, SystemId};
use hmac::{Hmac, KeyInit, Mac};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::path::PathBuf;

/// Passwords of the administrator and of the setup menu.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Passwords {
    /// Of the network administrator `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<PasswordSource>,
    /// Of the setup menu (MEBx); in admin control mode only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mebx: Option<PasswordSource>,
}

/// Where a password comes from. Exactly one of its fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(
    expecting = "where the secret is, as { file = \"…\" } or { env = \"…\" }; the secret itself is never written here"
)]
#[cfg_attr(test, schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct PasswordSource {
    /// Another one for each machine, kept in the fleet's database: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<bool>,
    /// The first line of a file, the same for every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A variable of the environment, the same for every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Another one for each machine, computed out of a master secret and the machine's UUID: whoever has the master needs no database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<SecretSource>,
}

impl PasswordSource {
    /// How many of the ways are given: one is right.
    pub(crate) fn count(&self) -> usize {
        [self.random == Some(true), self.file.is_some(), self.env.is_some(), self.derived_from.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count()
    }

    /// What setup takes the password from, with the secret that is named here.
    ///
    /// # Errors
    /// Whatever keeps the secret from being read.
    pub fn policy(&self, material: &mut dyn Material) -> Result<PasswordPolicy, Failure> {
        if let Some(master) = &self.derived_from {
            return material.secret(master).map(PasswordPolicy::Derived);
        }
        let source = SecretSource { file: self.file.clone(), env: self.env.clone() };
        match source.count() {
            0 => Ok(PasswordPolicy::Generate),
            _ => material.secret(&source).map(PasswordPolicy::Fixed),
        }
    }
}

/// The password of the machine `id` for `purpose` (`"admin"`, `"mebx"`), computed out of `master`.
///
/// HMAC-SHA-256 with the master's UTF-8 bytes as the key, over `amt password 1`, a zero byte, the purpose, a zero byte, and the sixteen
/// bytes of the UUID in the order in which it is printed. The result seeds the choice of twenty characters, as for random passwords.
/// The function does not change: `amt_provision` keeps a test of its results.
pub fn derive(master: &Secret<String>, purpose: &str, id: SystemId) -> Secret<String> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(master.expose().as_bytes()) else {
        // HMAC takes keys of every length.
        return Secret::new(String::new());
    };
    mac.update(b"amt password 1\0");
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(&id.to_rfc4122());
    Random::new(mac.finalize().into_bytes().into()).password()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_passwords_never_change_and_differ_by_machine_purpose_and_master() {
        let (one, two) = (SystemId::from_wire([1; 16]), SystemId::from_wire([2; 16]));
        let master = Secret::from("correct horse battery staple");
        let first = derive(&master, "admin", one);
        assert_eq!(crate::password::check(first.expose()), Ok(()));
        assert_eq!(first.expose(), FROZEN);
        for other in
            [derive(&master, "mebx", one), derive(&master, "admin", two), derive(&"other".into(), "admin", one)]
        {
            assert_ne!(first.expose(), other.expose());
        }
    }

    /// Computed by another program, in another language.
    const FROZEN: &str = "SK*phKgEFX+c#9AD**nq";
}
