//! The section `[console]`.

use super::{CaSource, Config, Reading, file};
use crate::Fleet;
use crate::console::{ConsoleKeeper, wrong_name};
use crate::profiles::Profiles;
use amt_core::Failure;
use amt_provision::csr::is_trusted_name;
use amt_provision::renew::{DUE_PERCENT, Due};
use std::path::Path;

/// First label of a console that is given no name.
const NAME: &str = "amt-console";

/// This console's own certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsoleSettings {
    /// Its common name, which profiles name in `tls.trusted_names` if they name any.
    pub name: String,
    /// Who signs it; absent: who signs the certificates by which machines log in to networks.
    pub ca: Option<CaSource>,
}

impl Reading<'_> {
    /// Wanted where the section stands, or a profile has mutual TLS.
    pub(super) fn console(
        &mut self,
        section: Option<file::Console>,
        profiles: &Profiles,
        suffixes: &[String],
        database: &Path,
    ) -> Option<ConsoleSettings> {
        let mutual: Vec<(String, Vec<String>)> = profiles
            .all_settings()
            .filter(|settings| settings.is_mutual())
            .map(|settings| {
                let names = settings.document.tls.as_ref().and_then(|tls| tls.trusted_names.clone());
                (settings.document.name.clone(), names.unwrap_or_default())
            })
            .collect();
        if section.is_none() && mutual.is_empty() {
            return None;
        }
        let section = section.unwrap_or_default();
        let name = section.name.unwrap_or_else(|| match suffixes.first() {
            Some(suffix) => format!("{NAME}.{}", suffix.to_ascii_lowercase()),
            None => NAME.to_owned(),
        });
        if let Some(why) = wrong_name(&name) {
            self.wrong("console.name", why);
        }
        for (profile, names) in mutual {
            if !names.is_empty() && !names.iter().any(|trusted| is_trusted_name(&name, trusted)) {
                self.wrong(
                    "console.name",
                    format!("{name:?} is none of the tls.trusted_names of {profile}: machines with these settings would not let this console in"),
                );
            }
        }
        Some(ConsoleSettings { name, ca: section.ca.map(|section| section.read(self, "console.ca", database)) })
    }
}

impl Config {
    /// Who keeps this console's certificate in `fleet`; none if none is wanted.
    ///
    /// # Errors
    /// `CONFIG`; as [`CaSource::open`].
    pub fn console_keeper(&self, fleet: Fleet) -> Result<Option<ConsoleKeeper>, Failure> {
        let Some(console) = &self.console else { return Ok(None) };
        let ca = console.ca.as_ref().or(self.client_ca.as_ref()).unwrap_or(&self.ca).open()?;
        ConsoleKeeper::new(fleet, ca, console.name.clone(), self.console_due()).map(Some)
    }

    /// When this console's certificate is renewed.
    pub(crate) fn console_due(&self) -> Due {
        // Where machines' certificates are not renewed, this one is at the usual time: without it they would be out of reach.
        Due::Percent(self.renew_at.unwrap_or(DUE_PERCENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration whose settings have mutual TLS with these trusted names.
    fn parse(names: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let root = rcgen::generate_simple_self_signed(vec!["consoles".to_owned()]).unwrap();
        std::fs::write(folder.path().join("root.pem"), root.cert.pem()).unwrap();
        let settings = format!(
            "format = 1\nname = \"m\"\n[tls]\nremote = \"mutual\"\ntrusted_roots = [{{ file = \"root.pem\" }}]\ntrusted_names = [{names}]\n"
        );
        std::fs::write(folder.path().join("m.toml"), settings).unwrap();
        Config::parse(
            "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"Example.com\"]\n[profile]\nsettings = \"m.toml\"\n",
            folder.path(),
            "amt.toml",
        )
    }

    #[test]
    fn mutual_tls_wants_a_console_that_is_let_in() {
        for names in ["", "\"amt-console.example.com\"", "\"other.org\", \"example.com\""] {
            let console = parse(names).unwrap().console.expect("settings have mutual TLS");
            assert_eq!(console.name, "amt-console.example.com", "{names}");
        }
        let failure = parse("\"other.example.com\", \"ample.com\"").unwrap_err();
        assert!(failure.message.contains("is none of the tls.trusted_names of m"), "{failure}");
    }
}
