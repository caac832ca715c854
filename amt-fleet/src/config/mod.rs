//! The setup server's configuration: one TOML file.
//!
//! Unknown keys are refused by name and line; after that, everything else that is wrong is reported at once. Relative paths
//! are relative to the file. Secrets never stand in it: it names files or environment variables. `docs/setup-server.md`
//! describes every key.

mod ca;
mod certificate;
mod console;
mod directory;
mod file;
mod intake;
mod profile;
mod rules;
mod text;

pub use console::ConsoleSettings;
pub use intake::{INTAKE_PORT, IntakeSettings};

use crate::KnownMachine;
use crate::action::ActionRule;
use crate::ca::{CertificateAuthority, CertreqCa, CommandCa, EstCa, LocalCa, LocalCaFiles};
use crate::guard::GuardPolicy;
use crate::list::parse_known;
use crate::names::NameTemplate;
use crate::profiles::Profiles;
use crate::resolve::{CommandResolver, Resolver, Rules};
use crate::seal::warn_if_readable_by_others;
use crate::sign::SignProgram;
use amt_core::{ErrorCode, Failure, Finding, Secret, Severity};
use amt_provision::Plan;
use amt_provision::profile::is_variable;
use amt_provision::renew::DUE_PERCENT;
use file::{Admit, File, OneOrMany};
use std::fmt::Display;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Port that AMT machines say hello to.
pub const HELLO_PORT: u16 = 9971;
/// Largest configuration, password or list file that is read.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Most machines provisioned at a time that can be asked for.
pub const MAX_CONCURRENCY: usize = 10_000;

/// Time that a certificate authority is given to decide, unless something else is said: people do, and they go on holiday.
const UNDECIDED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Whether machines that nobody announced are provisioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Only machines of the list.
    #[default]
    Known,
    /// Every machine that says hello and has a usable UUID.
    Auto,
}

/// When a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// Longest wait.
    pub most: Duration,
    /// Attempts before the machine's next hello is waited for; 0: no limit. Never counted once the commit may have been
    /// sent: such a machine says no more hellos. Nor while a certificate authority has a request of the machine's to decide.
    pub attempts: u32,
    /// How long a certificate authority may leave a request undecided; then the machine's next hello is waited for. The request stays
    /// what it is: asked about at that hello, never submitted again.
    pub undecided: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_secs(10), most: Duration::from_secs(15 * 60), attempts: 20, undecided: UNDECIDED }
    }
}

/// Where a provisioning certificate is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CertificateSource {
    /// PKCS#12 with chain and key.
    Pfx {
        /// The file.
        path: PathBuf,
        /// Its password.
        password: Secret<String>,
    },
    /// Chain and key in PEM.
    Pem {
        /// Leaf first, root last.
        chain: PathBuf,
        /// Private key, if it does not stand in the same file.
        key: Option<PathBuf>,
        /// Password of the key, if it has one.
        password: Option<Secret<String>>,
    },
    /// A chain in PEM whose key is elsewhere.
    Chain {
        /// Leaf first, root last.
        chain: PathBuf,
        /// Who signs for it.
        sign: SignProgram,
        /// By which number the program knows it: its place in the configuration, from 0.
        number: usize,
    },
}

/// Which certificate authority signs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CaSource {
    /// [`LocalCa`].
    Local(LocalCaFiles),
    /// [`CommandCa`].
    Command(CommandCa),
    /// [`CertreqCa`].
    Certreq(CertreqCa),
    /// [`EstCa`].
    Est(Arc<EstCa>),
}

impl CaSource {
    /// The authority, made on first use if it is a local one.
    ///
    /// # Errors
    /// As [`LocalCa::open`].
    pub fn open(&self) -> Result<Arc<dyn CertificateAuthority>, Failure> {
        Ok(match self {
            Self::Local(files) => Arc::new(LocalCa::open(files)?),
            Self::Command(command) => Arc::new(command.clone()),
            Self::Certreq(certreq) => Arc::new(certreq.clone()),
            Self::Est(est) => Arc::<EstCa>::clone(est),
        })
    }
}

/// Database and key, all that the offline commands need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseFiles {
    /// SQLite file.
    pub database: PathBuf,
    /// Key of the sealed columns.
    pub seal_key_file: PathBuf,
}

/// Everything that the setup server is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where hellos are waited for.
    pub listen: Vec<SocketAddr>,
    /// Database and key.
    pub files: DatabaseFiles,
    /// Provisioning certificates, tried in this order where several fit.
    pub certificates: Vec<CertificateSource>,
    /// DNS suffixes of the site; the first is the default of machines whose suffix is not known.
    pub dns_suffixes: Vec<String>,
    /// Names for machines that have none.
    pub names: NameTemplate,
    /// Who signs.
    pub ca: CaSource,
    /// Who signs the certificates by which machines log in to networks; absent: the same.
    pub client_ca: Option<CaSource>,
    /// This console's own certificate, shown to machines with mutual TLS; absent: none is wanted.
    pub console: Option<ConsoleSettings>,
    /// Where machines with log-in by Kerberos get an account; absent: somebody else makes them.
    pub directory: Option<crate::directory::Settings>,
    /// Share of the life of a machine's certificate, in percent, after which it is renewed; none: never.
    pub renew_at: Option<u8>,
    /// What machines become; names are filled in for each.
    pub plan: Plan,
    /// Most machines provisioned at a time.
    pub concurrency: usize,
    /// Who is let in.
    pub admit: Admission,
    /// Machines of the list.
    pub known: Vec<KnownMachine>,
    /// Repetition of failed attempts.
    pub retry: RetryPolicy,
    /// Profiles by name.
    pub profiles: Profiles,
    /// How evidence that a machine is in use is weighed.
    pub guard: GuardPolicy,
    /// The program that is asked about machines.
    pub resolver: Option<CommandResolver>,
    /// Rules, asked before the program.
    pub rules: Rules,
    /// What follows when something happened to a machine.
    pub actions: Vec<ActionRule>,
    /// Where clients report; absent: nowhere.
    pub intake: Option<IntakeSettings>,
    /// What is allowed but worth a warning.
    pub warnings: Vec<Finding>,
}

impl Config {
    /// Whoever decides about machines, in the order in which they are asked.
    pub(crate) fn resolvers(&self) -> Vec<Arc<dyn Resolver>> {
        let mut all: Vec<Arc<dyn Resolver>> = Vec::new();
        if !self.rules.0.is_empty() {
            all.push(Arc::new(self.rules.clone()));
        }
        if let Some(resolver) = &self.resolver {
            all.push(Arc::new(resolver.clone()));
        }
        all
    }

    /// Reads a configuration file and what it refers to.
    ///
    /// # Errors
    /// `CONFIG` with everything that is wrong, one line each; `FILE_READ` if the file itself cannot be read.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path).map_err(|why| Failure::new(ErrorCode::FILE_READ, "config", why))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::parse(&text, folder, &path.display().to_string())
    }

    /// Reads a configuration from `text`; relative paths are relative to `folder`, `name` stands before every error.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, folder: &Path, name: &str) -> Result<Self, Failure> {
        let file = text::parse::<File>(text, name)?;
        let mut reading = Reading { folder, findings: Vec::new() };
        let config = reading.config(file);
        let (wrong, warnings): (Vec<_>, Vec<_>) =
            reading.findings.into_iter().partition(|f| f.severity == Severity::Error);
        if wrong.is_empty() {
            return Ok(Self { warnings, ..config });
        }
        let lines: Vec<String> = wrong.iter().map(|f| format!("{name}: {}: {}", f.field, f.message)).collect();
        Err(Failure::new(ErrorCode::CONFIG, "config", lines.join("\n")))
    }

    /// Reads only where the database is; the rest of the file must still be well-formed.
    ///
    /// # Errors
    /// As [`load`](Self::load), without anything that other keys refer to.
    pub fn load_files(path: &Path) -> Result<DatabaseFiles, Failure> {
        let text = read_text(path).map_err(|why| Failure::new(ErrorCode::FILE_READ, "config", why))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = text::parse::<File>(&text, &path.display().to_string())?;
        Ok(DatabaseFiles { database: folder.join(&file.database), seal_key_file: folder.join(&file.seal_key_file) })
    }

    /// Reads only how evidence is weighed, `[guard]`; the rest of the file must still be well-formed.
    ///
    /// # Errors
    /// As [`load_files`](Self::load_files).
    pub fn load_guard(path: &Path) -> Result<GuardPolicy, Failure> {
        let text = read_text(path).map_err(|why| Failure::new(ErrorCode::FILE_READ, "config", why))?;
        let file = text::parse::<File>(&text, &path.display().to_string())?;
        Ok(Reading { folder: Path::new("."), findings: Vec::new() }.guard(&file.guard))
    }
}

/// The authority that a file names for certificates by which machines log in to networks: its section `[client_ca]`, else `[ca]`. Other
/// keys are not looked at: the configuration of a setup server will do, and a file with nothing but that section.
///
/// # Errors
/// `CONFIG` with what is wrong or missing; `FILE_READ`; as [`CaSource::open`].
pub fn load_authority(path: &Path) -> Result<Arc<dyn CertificateAuthority>, Failure> {
    #[derive(serde::Deserialize)]
    struct Authorities {
        database: Option<PathBuf>,
        ca: Option<ca::Section>,
        client_ca: Option<ca::Section>,
    }
    let text = read_text(path).map_err(|why| Failure::new(ErrorCode::FILE_READ, "config", why))?;
    let name = path.display().to_string();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Authorities { database, ca, client_ca } = text::parse(&text, &name)?;
    let (at, section) = match (client_ca, ca) {
        (Some(section), _) => ("client_ca", section),
        (None, Some(section)) => ("ca", section),
        (None, None) => {
            let text = format!("{name}: there is no section [ca] in it");
            return Err(Failure::new(ErrorCode::CONFIG, "config", text).hint("docs/authorities.md describes it"));
        }
    };
    let mut reading = Reading { folder, findings: Vec::new() };
    let database = database.map_or_else(|| path.to_owned(), |database| folder.join(database));
    let source = section.read(&mut reading, at, &database);
    let lines: Vec<String> = reading.findings.iter().map(|f| format!("{name}: {}: {}", f.field, f.message)).collect();
    if lines.is_empty() { source.open() } else { Err(Failure::new(ErrorCode::CONFIG, "config", lines.join("\n"))) }
}

/// A file being read, and all that was found wrong with it so far.
struct Reading<'a> {
    folder: &'a Path,
    findings: Vec<Finding>,
}

impl Reading<'_> {
    fn wrong(&mut self, field: impl Into<String>, message: impl Display) {
        let hint = ErrorCode::CONFIG.hint();
        self.findings.push(Finding::new("CONFIG", Severity::Error, field, message.to_string(), hint));
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    fn config(&mut self, mut file: File) -> Config {
        let listen = self.listen(file.listen);
        let certificates =
            file.provisioning_certificate.into_iter().enumerate().filter_map(|(at, c)| self.certificate(at, c));
        let certificates = certificates.collect();
        for (at, suffix) in file.dns_suffixes.iter().enumerate() {
            let mut probe = Plan::new();
            probe.domain_name = Some(suffix.clone());
            if let Some(finding) = probe.validate().into_iter().next() {
                self.wrong(format!("dns_suffixes[{at}]"), finding.message);
            }
        }
        let names = file.names.map(|text| text.parse::<NameTemplate>());
        let names = names.transpose().unwrap_or_else(|why| {
            self.wrong("names", why);
            None
        });
        let known = file.known.map(|path| self.known(&path)).unwrap_or_default();
        let concurrency = file.concurrency.unwrap_or(64);
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            self.wrong("concurrency", format!("give a number from 1 to {MAX_CONCURRENCY}"));
        }
        let renew_at = file.renew_at_percent.unwrap_or(DUE_PERCENT);
        if renew_at > 100 {
            self.wrong("renew_at_percent", "give a share of a certificate's life from 1 to 100, or 0 for never");
        }
        let retry = RetryPolicy {
            first: file.retry.first.unwrap_or(RetryPolicy::default().first),
            most: file.retry.most.unwrap_or(RetryPolicy::default().most),
            attempts: file.retry.attempts.unwrap_or(RetryPolicy::default().attempts),
            undecided: file.retry.undecided.unwrap_or(RetryPolicy::default().undecided),
        };
        if retry.first.is_zero() || retry.most < retry.first {
            self.wrong("retry", "first must be more than nothing and at most as long as most");
        }
        if !file.profile.aliases.is_empty() {
            self.wrong("profile.aliases", "only profiles with a name, [profiles.NAME], have others");
        }
        let mut profiles = self.profiles(file.profiles);
        let settings = file.profile.settings.take().and_then(|path| self.settings("profile.settings", &path));
        let plan = self.plan("profile", file.profile, settings.as_ref());
        profiles.set_default_settings(settings);
        let rules = self.rules(file.rule);
        self.profiles_of_rules(&rules, &profiles);
        let database = self.path(&file.database);
        let console = self.console(file.console, &profiles, &file.dns_suffixes, &database);
        let directory = file.directory.and_then(|section| section.read(self, &profiles));
        Config {
            console,
            directory,
            listen,
            files: DatabaseFiles { database: database.clone(), seal_key_file: self.path(&file.seal_key_file) },
            certificates,
            dns_suffixes: file.dns_suffixes.iter().map(|s| s.to_ascii_lowercase()).collect(),
            names: names.unwrap_or_default(),
            ca: file.ca.read(self, "ca", &database),
            client_ca: file.client_ca.map(|section| section.read(self, "client_ca", &database)),
            renew_at: (renew_at > 0).then_some(renew_at),
            plan,
            concurrency,
            admit: match file.admit {
                Some(Admit::Auto) => Admission::Auto,
                Some(Admit::Known) | None => Admission::Known,
            },
            known,
            retry,
            profiles,
            guard: self.guard(&file.guard),
            resolver: file.resolver.map(|resolver| self.resolver(resolver)),
            rules,
            actions: self.actions(file.action),
            intake: file.intake.map(|section| section.read(self)),
            warnings: Vec::new(),
        }
    }

    fn listen(&mut self, listen: Option<OneOrMany>) -> Vec<SocketAddr> {
        // The listener takes IPv4 on it too.
        self.addresses("listen", listen, SocketAddr::from((Ipv6Addr::UNSPECIFIED, HELLO_PORT)))
    }

    fn addresses(&mut self, field: &str, listen: Option<OneOrMany>, default: SocketAddr) -> Vec<SocketAddr> {
        let texts = match listen {
            None => return vec![default],
            Some(OneOrMany::One(text)) => vec![text],
            Some(OneOrMany::Many(texts)) => texts,
        };
        if texts.is_empty() {
            self.wrong(field, "the list is empty");
        }
        let mut addresses = Vec::new();
        for text in &texts {
            match text.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => self.wrong(
                    field,
                    format!(
                        "{text:?} is not an address with a port, such as \"0.0.0.0:{port}\" or \"[::]:{port}\"",
                        port = default.port()
                    ),
                ),
            }
        }
        addresses
    }

    fn known(&mut self, path: &Path) -> Vec<KnownMachine> {
        let read = read_text(&self.path(path)).map_err(|why| vec![why]).and_then(|text| parse_known(&text));
        read.unwrap_or_else(|all| {
            for why in all {
                self.wrong(format!("known ({})", path.display()), why);
            }
            Vec::new()
        })
    }

    fn existing(&mut self, field: &str, path: &Path) -> Option<PathBuf> {
        let path = self.path(path);
        match std::fs::metadata(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.wrong(field, format!("{}: {error}", path.display()));
                None
            }
        }
    }

    fn secret_text(&mut self, field: &str, path: &Path) -> Option<Secret<String>> {
        let path = self.path(path);
        if let Ok(file) = std::fs::File::open(&path) {
            warn_if_readable_by_others(&path, &file);
        }
        read_text(&path).map(Secret::new).map_err(|why| self.wrong(field, why)).ok()
    }

    /// The first line of a file.
    fn secret_file(&mut self, field: &str, path: &Path) -> Option<Secret<String>> {
        let text = self.secret_text(field, path)?;
        first_line(&text, path).map_err(|why| self.wrong(field, why)).ok()
    }

    fn secret_env(&mut self, field: &str, name: &str) -> Option<Secret<String>> {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => Some(Secret::new(value)),
            // It may be the secret itself: it is not repeated.
            _ if !is_variable(name) => {
                self.wrong(
                    field,
                    "it is no name of a variable: name the one that holds the secret, not the secret itself",
                );
                None
            }
            _ => {
                self.wrong(field, format!("the environment variable {name} is not set"));
                None
            }
        }
    }
}

/// The secret that a file holds now; it was looked at when the configuration was read.
#[cfg(feature = "directory")]
pub(crate) fn secret_of(path: &Path) -> Result<Secret<String>, String> {
    first_line(&Secret::new(read_text(path)?), path)
}

fn first_line(text: &Secret<String>, path: &Path) -> Result<Secret<String>, String> {
    match text.expose().lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::from(line)),
        _ => Err(format!("{}: the first line is empty", path.display())),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| format!("{}: stream did not contain valid UTF-8", path.display()))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let wrong = |why: &dyn Display| format!("{}: {why}", path.display());
    let file = std::fs::File::open(path).map_err(|e| wrong(&e))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(wrong(&format!("larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::tls::LegacyTls;
    use amt_provision::PasswordPolicy;

    const SMALL: &str = "database = \"fleet.db\"\nseal_key_file = \"keys/seal\"\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("p.pfx", "x"),
            ("chain.pem", "x"),
            ("chain.key", "x"),
            ("password", "Fixed1!password\r\nsecond line\n"),
            ("passwords", "one\n\ntwo\n"),
            ("otp", "12345678\n"),
            ("weak", "weak\n"),
            ("empty", "\n"),
            ("machines.csv", "uuid,host\n4c4c4544-0034-5210-8036-b3c04f4e3333,reception\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn parse(text: &str) -> Result<Config, Failure> {
        let folder = folder();
        Config::parse(text, folder.path(), "fleet.toml")
    }

    fn message(text: &str) -> String {
        let failure = parse(text).unwrap_err();
        assert_eq!(failure.code, ErrorCode::CONFIG);
        failure.into_details().message
    }

    #[test]
    fn the_smallest_file_has_sane_defaults() {
        let config = parse(SMALL).unwrap();
        assert_eq!(config.listen, ["[::]:9971".parse().unwrap()]);
        assert!(config.files.seal_key_file.is_absolute() && config.files.seal_key_file.ends_with("keys/seal"));
        assert_eq!((config.concurrency, config.admit), (64, Admission::Known), "strangers are not let in unasked");
        assert!(matches!(config.ca, CaSource::Local(files) if files.key.ends_with("ca.key")));
        assert!(matches!(config.plan.admin_password, PasswordPolicy::Generate));
        assert_eq!(config.plan.legacy_tls, LegacyTls::Refuse, "old TLS needs somebody's consent");
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn a_whole_file_is_understood() {
        let text = r#"
            listen = "127.0.0.1:9971"
            database = "fleet.db"
            seal_key_file = "seal.key"
            dns_suffixes = ["Corp.Example.com", "example.net"]
            names = "pc-{uuid_short}.{suffix}"
            concurrency = 8
            admit = "auto"
            known = "machines.csv"

            [[provisioning_certificate]]
            pfx = "p.pfx"
            password_file = "password"

            [[provisioning_certificate]]
            pem = "chain.pem"
            key = "chain.key"

            [[provisioning_certificate]]
            pem = "chain.pem"

            [ca]
            kind = "command"
            program = "sign"
            arguments = ["--template", "amt"]
            timeout = "2m"

            [profile]
            admin_password = { file = "password" }
            mebx_password = "generate"
            known_admin_passwords_file = "passwords"
            otp_file = "otp"
            window_hours = 6
            guess_spacing = "1s"
            legacy_tls = "allow-weak"
            [profile.tls]
            plain_http = false

            [retry]
            first = "1s"
            most = "1m"
            attempts = 0
        "#;
        let config = parse(text).unwrap();
        assert_eq!(config.dns_suffixes, ["corp.example.com", "example.net"]);
        assert!(
            matches!(&config.certificates[0], CertificateSource::Pfx { password, .. } if password.expose() == "Fixed1!password")
        );
        assert!(matches!(&config.certificates[1], CertificateSource::Pem { password: None, key: Some(_), .. }));
        assert!(matches!(&config.certificates[2], CertificateSource::Pem { key: None, .. }));
        assert!(matches!(&config.plan.admin_password, PasswordPolicy::Fixed(p) if p.expose() == "Fixed1!password"));
        let known: Vec<_> = config.plan.known_admin_passwords.iter().map(|p| p.expose().as_str()).collect();
        assert_eq!(known, ["one", "two"]);
        assert_eq!(config.plan.otp.as_ref().unwrap().expose(), "12345678");
        assert_eq!(config.plan.tls.plain_http, Some(false));
        assert_eq!(config.plan.legacy_tls, LegacyTls::AllowWeak);
        assert_eq!(config.known[0].host_name.as_deref(), Some("reception"));
        assert_eq!((config.retry.first, config.retry.attempts), (Duration::from_secs(1), 0));
        assert_eq!(config.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["GUESS-SPACING"]);
        assert!(!format!("{config:?}").contains("Fixed1"), "no secret in Debug");
    }

    #[test]
    fn unknown_and_mistyped_keys_are_named_with_their_line() {
        for (text, expected) in [
            ("databse = \"x\"\n", "fleet.toml:1:1: unknown field `databse`"),
            ("\ndatabase = 5\nseal_key_file = \"x\"\n", "fleet.toml:2:12: invalid type"),
            ("[profile]\nadmin_pasword = \"x\"\n", "fleet.toml:2:1: unknown field `admin_pasword`"),
            ("[profile]\nadmin_password = \"Secret1!\"\n", "fleet.toml:2:18: expected \"generate\""),
            ("[[provisioning_certificate]]\npassword = \"x\"\n", "fleet.toml:2:1: unknown field `password`"),
            ("[profile]\nlegacy_tls = true\n", "fleet.toml:2:14: invalid type: boolean `true`, expected string or map"),
            ("[profiles.old]\nlegacy_tls = \"yes\"\n", "fleet.toml:2:14: unknown variant `yes`"),
            ("[retry]\nfirst = \"soon\"\n", "fleet.toml:2:9: \"soon\" is not a time"),
            ("admit = \"all\"\n", "fleet.toml:1:9: unknown variant `all`"),
            ("seal_key_file = \"x\"\n", "missing field `database`"),
            ("listen = \n", "fleet.toml:1:"),
        ] {
            let message = message(text);
            assert!(message.contains(expected), "{text}: {message}");
            assert!(!message.contains("Secret1!"), "a password put there by mistake is not repeated: {message}");
        }
    }

    #[test]
    fn everything_else_that_is_wrong_is_reported_at_once() {
        let text = format!(
            "listen = [\"nowhere\"]\nconcurrency = 0\nnames = \"same\"\ndns_suffixes = [\"ok.example\", \"-bad\"]\n\
             known = \"missing.csv\"\n{SMALL}\
             [[provisioning_certificate]]\npfx = \"p.pfx\"\npem = \"chain.pem\"\n\
             [[provisioning_certificate]]\npfx = \"missing.pfx\"\n\
             [[provisioning_certificate]]\npfx = \"p.pfx\"\npassword_env = \"AMT_TEST_NOT_SET\"\n\
             [ca]\nkind = \"command\"\ndays = 5\n\
             [profile]\nadmin_password = {{ file = \"weak\" }}\nmebx_password = {{ file = \"empty\" }}\nwindow_hours = 99\n\
             [retry]\nfirst = \"2m\"\nmost = \"1m\"\n"
        );
        let message = message(&text);
        for field in [
            "listen:",
            "concurrency:",
            "names:",
            "dns_suffixes[1]:",
            "known (missing.csv):",
            "provisioning_certificate[0]:",
            "provisioning_certificate[1].pfx:",
            "provisioning_certificate[2].password_env:",
            "ca.program:",
            "ca.days:",
            "profile.admin_password:",
            "profile.mebx_password:",
            "profile.window_hours:",
            "retry:",
        ] {
            assert!(message.lines().any(|l| l.starts_with(&format!("fleet.toml: {field}"))), "{field}\n{message}");
        }
        assert_eq!(message.lines().count(), 14, "{message}");
    }

    #[test]
    fn the_offline_commands_read_only_the_databases_place() {
        let folder = folder();
        let path = folder.path().join("fleet.toml");
        std::fs::write(&path, format!("{SMALL}[[provisioning_certificate]]\npfx = \"gone.pfx\"\n")).unwrap();
        let files = Config::load_files(&path).unwrap();
        assert_eq!(files.database, folder.path().join("fleet.db"));
        assert_eq!(Config::load(&path).unwrap_err().code, ErrorCode::CONFIG);
        assert_eq!(Config::load(&folder.path().join("none")).unwrap_err().code, ErrorCode::FILE_READ);
    }
}
