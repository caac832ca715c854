//! The section `[intake]`.

use super::Reading;
use super::file::OneOrMany;
use serde::Deserialize;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Port of the intake.
pub const INTAKE_PORT: u16 = 9972;

/// Where clients report, if they may.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntakeSettings {
    /// Where they are waited for.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain and key, PEM; absent: a certificate is made beside the database, which clients pin.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The section as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    listen: Option<OneOrMany>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Section {
    pub(super) fn read(self, reading: &mut Reading<'_>) -> IntakeSettings {
        let port = SocketAddr::from((Ipv6Addr::UNSPECIFIED, INTAKE_PORT));
        let listen = reading.addresses("intake.listen", self.listen, port);
        let certificate = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let certificate = reading.existing("intake.certificate", certificate);
                let key = reading.existing("intake.key", key);
                certificate.zip(key)
            }
            (None, None) => None,
            _ => {
                reading.wrong("intake", "give certificate and key, or neither: then a certificate is made");
                None
            }
        };
        IntakeSettings { listen, certificate }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_section_is_optional_and_its_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["i.pem", "i.key"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let parse = |section: &str| {
            let text = format!("database = \"d\"\nseal_key_file = \"k\"\n{section}");
            Config::parse(&text, folder.path(), "fleet.toml").map(|config| config.intake)
        };
        assert_eq!(parse("").unwrap(), None);
        let plain = parse("[intake]\n").unwrap().unwrap();
        assert_eq!((plain.listen, plain.certificate), (vec!["[::]:9972".parse().unwrap()], None));
        let whole = "[intake]\nlisten = \"127.0.0.1:1\"\ncertificate = \"i.pem\"\nkey = \"i.key\"\n";
        let whole = parse(whole).unwrap().unwrap();
        let files = (folder.path().join("i.pem"), folder.path().join("i.key"));
        assert_eq!((whole.listen[0].port(), whole.certificate), (1, Some(files)));
        for (section, field) in [
            ("[intake]\nlisten = \"here\"\n", "intake.listen: \"here\""),
            ("[intake]\nkey = \"i.key\"\n", "intake: give certificate and key"),
            ("[intake]\ncertificate = \"i.pem\"\nkey = \"gone\"\n", "intake.key: "),
            ("[intake]\ntoken = \"x\"\n", "unknown field `token`"),
        ] {
            let message = parse(section).unwrap_err().into_details().message;
            assert!(message.contains(field), "{message}");
        }
    }
}
