//! Profiles: what machines become, by name.

use amt::profile::Folder;
use amt_core::{ErrorCode, Failure, Finding, Severity};
use amt_provision::Plan;
use amt_provision::profile::Profile;
use std::collections::BTreeMap;

/// Profiles by name, and by the names they had before: machines keep the name that they were given, so a profile that is renamed keeps
/// its old name as an alias. Capital letters make no difference.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    plans: BTreeMap<String, Plan>,
    /// Alias to name, both in lower case.
    aliases: BTreeMap<String, String>,
    /// Settings by name.
    settings: BTreeMap<String, Settings>,
    /// Settings of machines that are given no profile.
    default_settings: Option<Settings>,
}

/// What a machine of a profile is made after setup, and where what it names is looked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The document.
    pub document: Profile,
    /// Its folder.
    pub folder: Folder,
}

impl Settings {
    /// A document whose files are in `folder`.
    pub const fn new(document: Profile, folder: Folder) -> Self {
        Self { document, folder }
    }

    /// Whether machines with them let only those in over the network who show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.document.tls.as_ref().and_then(|tls| tls.remote).is_some_and(amt_provision::profile::TlsMode::mutual)
    }
}

impl Profiles {
    /// Adds a profile.
    ///
    /// # Errors
    /// The name that is taken already, or is none.
    pub fn add(&mut self, name: &str, aliases: &[String], plan: Plan) -> Result<(), String> {
        let key = name.trim().to_lowercase();
        for name in std::iter::once(&key).chain(aliases) {
            let name = name.trim().to_lowercase();
            if name.is_empty() {
                return Err("a profile needs a name".to_owned());
            }
            if self.plans.contains_key(&name) || self.aliases.contains_key(&name) {
                return Err(format!("there are two profiles named {name:?}"));
            }
            self.aliases.insert(name, key.clone());
        }
        self.plans.insert(key, plan);
        Ok(())
    }

    /// The plan of the profile with this name or alias.
    ///
    /// # Errors
    /// `CONFIG` if there is none.
    pub fn find(&self, name: &str) -> Result<&Plan, Failure> {
        let key = self.aliases.get(&name.trim().to_lowercase());
        key.and_then(|key| self.plans.get(key)).ok_or_else(|| {
            let known: Vec<&str> = self.plans.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::new(ErrorCode::CONFIG, "profile", format!("no profile is named {name:?}; there are: {known}"))
                .hint("add [profiles.NAME] to the configuration, or the old name to another profile's aliases")
        })
    }

    /// Gives the profile `name`, which was added, its settings.
    pub fn set_settings(&mut self, name: &str, settings: Settings) {
        self.settings.insert(name.trim().to_lowercase(), settings);
    }

    /// Gives machines without a profile their settings.
    pub fn set_default_settings(&mut self, settings: Option<Settings>) {
        self.default_settings = settings;
    }

    /// The settings of machines with the profile `name`, or with none.
    pub fn settings(&self, name: Option<&str>) -> Option<&Settings> {
        let Some(name) = name else { return self.default_settings.as_ref() };
        self.settings.get(self.aliases.get(&name.trim().to_lowercase())?)
    }

    /// All settings.
    pub(crate) fn all_settings(&self) -> impl Iterator<Item = &Settings> {
        self.settings.values().chain(&self.default_settings)
    }

    /// Every name and alias, in lower case, with the plan that it stands for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Plan)> {
        self.aliases.iter().filter_map(|(alias, name)| Some((alias.as_str(), self.plans.get(name)?)))
    }

    /// What is wrong with any of them.
    pub(crate) fn findings(&self) -> impl Iterator<Item = Finding> {
        self.plans.values().flat_map(Plan::validate).filter(|f| f.severity == Severity::Error)
    }
}
