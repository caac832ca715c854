//! The section `[directory]`.

use super::{Reading, ca};
use crate::directory::{Server, Settings, realm_of};
use crate::profiles::Profiles;
use serde::Deserialize;
use std::path::PathBuf;

/// The section as it is written, in the words of `amt directory create`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    server: String,
    bind: String,
    bind_password_file: PathBuf,
    ou: String,
    ca: Option<PathBuf>,
}

impl Section {
    pub(super) fn read(self, reading: &mut Reading<'_>, profiles: &Profiles) -> Option<Settings> {
        if cfg!(not(feature = "directory")) {
            reading.wrong("directory", "this build cannot speak LDAP: take another one, or leave the section out");
        }
        // Read for the check only: it is read again at each connection.
        reading.secret_file("directory.bind_password_file", &self.bind_password_file);
        let roots = self.ca.as_deref().map(|file| ca::certificates(reading, "directory.ca", file));
        match realm_of(&self.ou) {
            Ok(realm) => check_profiles(reading, profiles, &realm),
            Err(unfit) => reading.wrong("directory.ou", format!("{unfit}: write it as OU=AMT,DC=example,DC=com")),
        }
        let server = match Server::new(self.server, self.bind, roots.flatten()) {
            Ok(server) => server,
            Err(why) => {
                reading.wrong("directory", why);
                return None;
            }
        };
        Some(Settings { server, bind_password_file: reading.path(&self.bind_password_file), ou: self.ou })
    }
}

/// Whether the accounts of machines with these settings can be in the domain of `realm`.
fn check_profiles(reading: &mut Reading<'_>, profiles: &Profiles, realm: &str) {
    for settings in profiles.all_settings() {
        let document = &settings.document;
        let Some(kerberos) = document.kerberos.as_ref().filter(|kerberos| kerberos.enabled == Some(true)) else {
            continue;
        };
        // The account of the host's own name is that of its operating system, which changes its password by itself.
        if kerberos.account_suffix.as_deref().unwrap_or_default().is_empty() {
            let why = "settings have no kerberos.account_suffix, so that the account would be that of the machine's own system: give it, \"-amt\" is usual";
            reading.wrong("directory", format!("{}: its {why}", document.name));
        }
        if let Some(other) = kerberos.realm.as_ref().filter(|other| *other != realm) {
            let why = format!("kerberos.realm is {other:?}, and accounts in this unit have {realm:?}");
            reading.wrong("directory.ou", format!("{}: its {why}", document.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use amt_core::{ErrorCode, Failure};

    const SECTION: &str = "server = \"ldaps://dc1.example.com\"\nbind = \"amt@example.com\"\nbind_password_file = \"bind.txt\"\n\
                           ou = \"OU=AMT,DC=example,DC=com\"\nca = \"ca.pem\"\n";
    const KERBEROS: &str =
        "enabled = true\nrealm = \"EXAMPLE.COM\"\naccount_suffix = \"-amt\"\npassword = { file = \"bind.txt\" }\n";

    fn parse(section: &str, kerberos: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let root = rcgen::generate_simple_self_signed(vec!["dc1.example.com".to_owned()]).unwrap();
        let settings = format!("format = 1\nname = \"Office\"\n[kerberos]\n{kerberos}");
        for (name, text) in [
            ("ca.pem", root.cert.pem()),
            ("bind.txt", "Bind-Pw-1\n".into()),
            ("empty", "\n".into()),
            ("office.toml", settings),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let text = format!(
            "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\n[profile]\nsettings = \"office.toml\"\n[directory]\n{section}"
        );
        Config::parse(&text, folder.path(), "amt.toml")
    }

    #[cfg(feature = "directory")]
    #[test]
    fn a_directory_is_read_without_its_password() {
        let directory = parse(SECTION, KERBEROS).unwrap().directory.unwrap();
        assert_eq!((directory.server.url(), directory.server.bind()), ("ldaps://dc1.example.com", "amt@example.com"));
        assert_eq!(directory.ou, "OU=AMT,DC=example,DC=com");
        assert!(directory.bind_password_file.is_absolute() && !format!("{directory:?}").contains("Bind-Pw"));
    }

    #[cfg(not(feature = "directory"))]
    #[test]
    fn a_build_without_ldap_refuses_the_section() {
        let failure = parse(SECTION, KERBEROS).unwrap_err();
        assert!(failure.code == ErrorCode::CONFIG && failure.message.contains("cannot speak LDAP"), "{failure}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let other = |from: &str, to: &str| SECTION.replace(from, to);
        for (section, kerberos, expected) in [
            (other("ldaps:", "http:"), KERBEROS.to_owned(), "directory: http://dc1.example.com is no directory"),
            (other("amt@example.com", ""), KERBEROS.to_owned(), "the name to bind as is empty"),
            (other("bind.txt", "empty"), KERBEROS.to_owned(), "directory.bind_password_file: "),
            (other("bind.txt", "gone"), KERBEROS.to_owned(), "directory.bind_password_file: "),
            (other("ca.pem", "bind.txt"), KERBEROS.to_owned(), "directory.ca: "),
            (other("OU=AMT,", ""), KERBEROS.to_owned(), "directory.ou: DC=example,DC=com is no unit"),
            (other("DC=example", "DC=lab"), KERBEROS.to_owned(), "accounts in this unit have \"LAB.COM\""),
            (other("ca =", "cat ="), KERBEROS.to_owned(), "unknown field `cat`"),
            (other("ou =", "# ="), KERBEROS.to_owned(), "missing field `ou`"),
            (
                SECTION.to_owned(),
                KERBEROS.replace("\"-amt\"", "\"\""),
                "Office: its settings have no kerberos.account_suffix",
            ),
        ] {
            let failure = parse(&section, &kerberos).unwrap_err();
            assert_eq!(failure.code, ErrorCode::CONFIG);
            assert!(failure.message.contains(expected), "{expected}: {failure}");
            assert!(!failure.to_string().contains("Bind-Pw"), "{failure}");
        }
    }
}
