//! The sections `[ca]` and `[client_ca]`.

use super::file::duration;
use super::{CaSource, Reading};
use crate::ca::{CertreqCa, ClientCertificate, CommandCa, EstCa, EstSettings, LocalCaFiles};
use crate::seal::warn_if_readable_by_others;
use amt_core::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    kind: Option<Kind>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    common_name: Option<String>,
    days: Option<u32>,
    program: Option<PathBuf>,
    arguments: Option<Vec<String>>,
    config: Option<String>,
    template: Option<String>,
    url: Option<String>,
    trust: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Local,
    Command,
    Certreq,
    Est,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Command => "command",
            Self::Certreq => "certreq",
            Self::Est => "est",
        }
    }

    /// The keys that mean something with it.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Local => &["certificate", "key", "common_name", "days"],
            Self::Command => &["program", "arguments", "timeout"],
            Self::Certreq => &["program", "config", "template", "timeout"],
            Self::Est => &["url", "trust", "user", "password_file", "password_env", "certificate", "key", "timeout"],
        }
    }
}

impl Section {
    /// The keys that stand in the file.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("certificate", self.certificate.is_some()),
            ("key", self.key.is_some()),
            ("common_name", self.common_name.is_some()),
            ("days", self.days.is_some()),
            ("program", self.program.is_some()),
            ("arguments", self.arguments.is_some()),
            ("config", self.config.is_some()),
            ("template", self.template.is_some()),
            ("url", self.url.is_some()),
            ("trust", self.trust.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("password_env", self.password_env.is_some()),
            ("timeout", self.timeout.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
    }

    /// `database` is where files that must survive stand beside.
    /// `at`: its name.
    pub(super) fn read(self, reading: &mut Reading<'_>, at: &str, database: &Path) -> CaSource {
        let kind = self.kind.unwrap_or(Kind::Local);
        for key in self.given().filter(|key| !kind.keys().contains(key)) {
            reading.wrong(format!("{at}.{key}"), format!("this key has no meaning with kind = \"{}\"", kind.name()));
        }
        let local = CaSource::Local(LocalCaFiles::new(format!("{at}.pem"), format!("{at}.key")));
        match kind {
            Kind::Local => self.local(reading, at),
            Kind::Command => self.command(reading, at),
            Kind::Certreq => self.certreq(reading, at, database).unwrap_or(local),
            Kind::Est => self.est(reading, at).unwrap_or(local),
        }
    }

    fn local(self, reading: &mut Reading<'_>, at: &str) -> CaSource {
        let certificate = reading.path(self.certificate.as_deref().unwrap_or(Path::new(&format!("{at}.pem"))));
        let key = reading.path(self.key.as_deref().unwrap_or(Path::new(&format!("{at}.key"))));
        let mut files = LocalCaFiles::new(certificate, key);
        if let Some(name) = self.common_name {
            files.common_name = name;
        }
        files.days = self.days.unwrap_or(files.days);
        if !(2..=36_500).contains(&files.days) {
            reading.wrong(format!("{at}.days"), "give a number from 2 to 36500");
        }
        CaSource::Local(files)
    }

    fn command(self, reading: &mut Reading<'_>, at: &str) -> CaSource {
        let program = self.program.unwrap_or_else(|| {
            reading.wrong(format!("{at}.program"), "kind = \"command\" needs the program that is asked");
            PathBuf::new()
        });
        let command = CommandCa::new(reading.program(program)).arguments(self.arguments.unwrap_or_default());
        CaSource::Command(match self.timeout {
            Some(timeout) => command.timeout(timeout),
            None => command,
        })
    }

    fn certreq(self, reading: &mut Reading<'_>, at: &str, database: &Path) -> Option<CaSource> {
        let (Some(config), Some(template)) = (&self.config, &self.template) else {
            reading.wrong(at, "kind = \"certreq\" needs config, as in 'CAHOST\\CA NAME', and template");
            return None;
        };
        let folder = database.with_added_extension("certreq");
        let mut ca = CertreqCa::new(config, template, folder).map_err(|why| reading.wrong(at, why)).ok()?;
        if let Some(program) = self.program {
            ca = ca.program(reading.program(program));
        }
        if let Some(timeout) = self.timeout {
            ca = ca.timeout(timeout);
        }
        Some(CaSource::Certreq(ca))
    }

    fn est(self, reading: &mut Reading<'_>, at: &str) -> Option<CaSource> {
        let (Some(url), Some(trust)) = (&self.url, &self.trust) else {
            let text =
                "kind = \"est\" needs url and trust, a file with the root that the server's certificate was issued by";
            reading.wrong(at, text);
            return None;
        };
        let anchors = certificates(reading, &format!("{at}.trust"), trust)?;
        let mut settings = EstSettings::new(url, anchors);
        let password = match (&self.password_file, &self.password_env) {
            (Some(_), Some(_)) => {
                reading.wrong(at, "give password_file or password_env, not both");
                return None;
            }
            (Some(path), None) => Some(reading.secret_file(&format!("{at}.password_file"), path)?),
            (None, Some(name)) => Some(reading.secret_env(&format!("{at}.password_env"), name)?),
            (None, None) => None,
        };
        settings.login = match (self.user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => {
                reading.wrong(at, "give user with password_file or password_env, or none of them");
                return None;
            }
        };
        settings.certificate = match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => {
                let chain = certificates(reading, &format!("{at}.certificate"), chain)?;
                Some(ClientCertificate { chain, key: private_file(reading, &format!("{at}.key"), key)? })
            }
            (None, None) => None,
            _ => {
                reading.wrong(at, "give certificate and key, or neither");
                return None;
            }
        };
        settings.timeout = self.timeout.unwrap_or(settings.timeout);
        EstCa::new(settings).map(|est| CaSource::Est(Arc::new(est))).map_err(|why| reading.wrong(at, why)).ok()
    }
}

pub(super) fn certificates(reading: &mut Reading<'_>, field: &str, path: &Path) -> Option<Vec<Vec<u8>>> {
    let path = reading.path(path);
    let found = super::read_bytes(&path).and_then(|bytes| {
        amt::certificate::authorities(&bytes).map_err(|failure| format!("{}: {}", path.display(), failure.message))
    });
    found.map_err(|why| reading.wrong(field, why)).ok()
}

fn private_file(reading: &mut Reading<'_>, field: &str, path: &Path) -> Option<Secret<Vec<u8>>> {
    let path = reading.path(path);
    if let Ok(file) = std::fs::File::open(&path) {
        warn_if_readable_by_others(&path, &file);
    }
    super::read_bytes(&path).map(Secret::new).map_err(|why| reading.wrong(field, why)).ok()
}

#[cfg(test)]
mod tests {
    use crate::config::{CaSource, Config};
    use amt_core::Failure;

    fn parse(section: &str) -> Result<CaSource, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let root = rcgen::generate_simple_self_signed(vec!["est.example.com".to_owned()]).unwrap();
        for (name, text) in [
            ("root.pem", root.cert.pem()),
            ("client.key", root.signing_key.serialize_pem()),
            ("password", "s3cret of EST\n".to_owned()),
            ("junk", "junk".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let text = format!("database = \"d\"\nseal_key_file = \"k\"\n[ca]\n{section}");
        Config::parse(&text, folder.path(), "fleet.toml").map(|config| config.ca)
    }

    #[test]
    fn certreq_and_est_are_read() {
        let ca =
            parse("kind = \"certreq\"\nconfig = 'CA1\\Example Issuing CA'\ntemplate = \"AMT\"\ntimeout = \"2m\"\n");
        let CaSource::Certreq(certreq) = ca.unwrap() else { panic!() };
        assert_eq!(certreq.authority(), "CA1\\Example Issuing CA");
        assert!(certreq.path().to_string_lossy().starts_with("certreq"));
        let whole = "kind = \"est\"\nurl = \"https://est.example.com\"\ntrust = \"root.pem\"\nuser = \"amt\"\n\
                     password_file = \"password\"\ncertificate = \"root.pem\"\nkey = \"client.key\"\n";
        let ca = parse(whole).unwrap();
        assert!(!format!("{ca:?}").contains("s3cret"));
        let CaSource::Est(est) = ca else { panic!() };
        assert_eq!(est.url(), "https://est.example.com/.well-known/est");
    }

    #[test]
    fn their_mistakes_are_named() {
        let est = "kind = \"est\"\nurl = \"https://est.example.com\"\ntrust = \"root.pem\"\n";
        for (section, expected) in [
            ("kind = \"certreq\"\ntemplate = \"AMT\"\n".to_owned(), "ca: kind = \"certreq\" needs config"),
            ("kind = \"certreq\"\nconfig = \"CA1\"\ntemplate = \"AMT\"\n".to_owned(), "write CAHOST\\CA NAME"),
            (
                "kind = \"certreq\"\nconfig = 'A\\B'\ntemplate = 'A\\nSAN:dns=x'\n".to_owned(),
                "not the name of a template",
            ),
            (
                "kind = \"certreq\"\nconfig = 'A\\B'\ntemplate = \"T\"\ndays = 5\n".to_owned(),
                "ca.days: this key has no",
            ),
            ("kind = \"est\"\nurl = \"https://est.example.com\"\n".to_owned(), "needs url and trust"),
            ("kind = \"est\"\nurl = \"http://x\"\ntrust = \"root.pem\"\n".to_owned(), "https only"),
            ("kind = \"est\"\nurl = \"https://x\"\ntrust = \"junk\"\n".to_owned(), "ca.trust: "),
            (format!("{est}user = \"amt\"\n"), "give user with password_file"),
            (format!("{est}user = \"amt\"\npassword_env = \"AMT_TEST_NOT_SET\"\n"), "ca.password_env: "),
            (
                format!("{est}user = \"amt\"\npassword_env = \"P@ssw0rd\"\n"),
                "ca.password_env: it is no name of a variable",
            ),
            (format!("{est}password = \"s3cret\"\n"), "unknown field `password`"),
            (format!("{est}key = \"client.key\"\n"), "give certificate and key"),
            (format!("{est}certificate = \"root.pem\"\nkey = \"junk\"\n"), "the client's key holds none"),
            (format!("{est}program = \"x\"\n"), "ca.program: this key has no meaning with kind = \"est\""),
        ] {
            let message = parse(&section).unwrap_err().into_details().message;
            assert!(message.contains(expected) && !message.contains("s3cret"), "{section}\n{message}");
        }
    }
}
