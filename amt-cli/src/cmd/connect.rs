//! How a command reaches one machine: the options that all such commands share.

use super::Error;
use crate::input;
use amt::certificate::{Bundle, authorities};
use amt::discover::NotHost;
use amt::kerberos::Tickets;
use amt::place::{resolve, without_interface};
use amt::tls::ClientCertificates;
use amt::{Device, ProvisioningCertificate, Target, Transport};
use amt_core::tls::{LegacyTls, PeerIdentity, parse_sha256};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::plan::GUESS_SPACING;
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::client::Credentials;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const TLS_PORT: u16 = 16993;
const PLAIN_PORT: u16 = 16992;
/// Longest file of certificates.
const MAX_CERTIFICATES: usize = 1024 * 1024;

/// One machine, and whom to take it for.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// Name or address of the machine (fe80::1%eth0 with its interface)
    #[arg(long, value_parser = host)]
    host: String,
    /// Port [default: 16993, with --plain 16992]
    #[arg(long)]
    port: Option<u16>,
    /// Digest user
    #[arg(long, default_value = "admin")]
    user: String,
    /// File whose first line is the password; otherwise AMT_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A password from elsewhere, which goes before both.
    #[arg(skip)]
    password: Option<Secret<String>>,
    /// Log in with this account's Kerberos ticket instead of user and password; needs a build with the feature kerberos
    #[arg(long, conflicts_with_all = ["user", "password_file"])]
    kerberos: bool,
    /// Full name of the machine in its SPNs, if it is not the host
    #[arg(long, value_name = "FQDN", requires = "kerberos")]
    spn_host: Option<String>,
    #[command(flatten)]
    identity: Identity,
    /// Name in the machine's certificate, if it is not the host
    #[arg(long, value_name = "NAME", requires = "ca")]
    name: Option<String>,
    /// Certificate to show to a machine with mutual TLS: PEM, its issuers after it, its key in it or in --client-key
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    client_certificate: Option<PathBuf>,
    /// Its key, PEM or PKCS#8, if that stands in a file of its own
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Whether older TLS may be used where the machine speaks nothing else (AMT before 14): refuse, allow, allow-weak (RC4 and 3DES too)
    #[arg(long, value_name = "CONSENT", default_value = "refuse", value_parser = consent())]
    legacy_tls: LegacyTls,
}

pub(super) fn consent() -> impl TypedValueParser<Value = LegacyTls> {
    let words = [LegacyTls::Refuse, LegacyTls::Allow, LegacyTls::AllowWeak].map(LegacyTls::name);
    PossibleValuesParser::new(words).try_map(|text| text.parse::<LegacyTls>())
}

/// Exactly one way of knowing that the machine is the right one has to be chosen: there is no safe default.
#[derive(Clone, clap::Args)]
#[group(required = true, multiple = false)]
struct Identity {
    /// Trust certificates from the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Accept only the certificate with this SHA-256 fingerprint
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pin: Option<[u8; 32]>,
    /// Accept any certificate: whoever is in between reads and changes everything
    #[arg(long)]
    insecure_any: bool,
    /// No TLS at all: firmware before 16.1 only, and readable by everyone on the way
    #[arg(long)]
    plain: bool,
}

impl Connect {
    /// One machine over TLS, for a command that has options of its own. With neither `ca` nor `pin` any certificate is accepted.
    pub(super) fn over_tls(
        host: String,
        port: Option<u16>,
        password_file: Option<PathBuf>,
        (ca, pin): (Option<PathBuf>, Option<[u8; 32]>),
        name: Option<String>,
        legacy_tls: LegacyTls,
    ) -> Self {
        let identity = Identity { insecure_any: ca.is_none() && pin.is_none(), ca, pin, plain: false };
        Self {
            host,
            port,
            user: "admin".to_owned(),
            password_file,
            password: None,
            kerberos: false,
            spn_host: None,
            identity,
            name,
            client_certificate: None,
            client_key: None,
            legacy_tls,
        }
    }

    /// The machine, not connected yet.
    pub(crate) async fn device(self) -> Result<Device, Error> {
        let Way { address, transport, login, client, legacy_tls } = self.way().await?;
        let device = match login {
            Login::Digest(credentials) => Device::new(address, transport, credentials)?,
            Login::Kerberos(tickets) => Device::with_tickets(address, transport, tickets)?,
        };
        Ok(device.legacy_tls(legacy_tls).client_certificates(client))
    }

    /// Where the machine is.
    pub(super) async fn address(&self) -> Result<SocketAddr, Failure> {
        resolve(&self.host, self.port(), "connect").await
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.identity.plain { PLAIN_PORT } else { TLS_PORT })
    }

    /// Where the machine is, whom to take it for, and what opens it.
    pub(crate) async fn way(self) -> Result<Way, Error> {
        let login = self.login()?;
        let client = self.client()?;
        let address = self.address().await?;
        let transport = match self.identity {
            Identity { plain: true, .. } => Transport::Plain,
            Identity { pin: Some(pin), .. } => Transport::Tls(PeerIdentity::Fingerprint(pin)),
            Identity { ca: Some(file), .. } => {
                let roots = certificates(&file)?;
                let name = self.name.unwrap_or_else(|| without_interface(&self.host).to_owned());
                Transport::Tls(PeerIdentity::Verified { roots, name })
            }
            Identity { .. } => Transport::Tls(PeerIdentity::Any),
        };
        Ok(Way { address, transport, login, client, legacy_tls: self.legacy_tls })
    }

    /// What is shown to a machine with mutual TLS.
    fn client(&self) -> Result<ClientCertificates, Failure> {
        let Some(file) = &self.client_certificate else { return Ok(ClientCertificates::default()) };
        let key = self.client_key.as_deref().map(|key| input::read(key, MAX_CERTIFICATES)).transpose()?;
        let read = Bundle::from_pem(&input::read(file, MAX_CERTIFICATES)?, key.as_deref(), None);
        let pair = read.and_then(ProvisioningCertificate::try_from);
        pair.and_then(|pair| ClientCertificates::of(&pair)).map_err(|mut failure| {
            failure.message = format!("{}: {}", file.display(), failure.message);
            failure.hint("give a certificate in PEM, its issuers after it, and its key there or by --client-key")
        })
    }

    fn login(&self) -> Result<Login, Error> {
        if !self.kerberos {
            let password = match &self.password {
                Some(password) => password.clone(),
                None => input::password(self.password_file.as_ref(), "AMT_PASSWORD")?,
            };
            return Ok(Login::Digest(Credentials { user: self.user.clone(), password }));
        }
        let source = amt::kerberos::system()?;
        let name = self.spn_host.as_ref().unwrap_or(&self.host);
        if !name.contains('.') || name.parse::<IpAddr>().is_ok() {
            let text = format!("{name} is not the full name of a machine, and the directory knows it by that only");
            return Err(Error::usage(text, "give the full name as --host, or beside the address as --spn-host"));
        }
        Ok(Login::Kerberos(Tickets::new(source, name)))
    }
}

impl Connect {
    /// The same way to another machine.
    pub(crate) fn to(&self, host: &str, password: Option<Secret<String>>) -> Self {
        Self { host: host.to_owned(), password, ..self.clone() }
    }

    /// Whether a machine is named.
    pub(crate) fn has_host(&self) -> bool {
        !self.host.is_empty()
    }

    /// A machine that is set up, reached over TLS by its administrator. It is asked which it is.
    pub(crate) async fn administrator(self) -> Result<Target, Error> {
        self.any_of(&[]).await
    }

    /// The same for what only reads: by a ticket too, as a user whose realms allow it.
    pub(crate) async fn reader(self) -> Result<Target, Error> {
        if !self.kerberos {
            return self.administrator().await;
        }
        let way = self.way().await?;
        let (Transport::Tls(identity), Login::Kerberos(tickets)) = (way.transport.clone(), way.login) else {
            return Err(Error::usage("this is done over TLS only", "take --plain out"));
        };
        let mut device = Device::with_tickets(way.address, way.transport, tickets.clone())?
            .legacy_tls(way.legacy_tls)
            .client_certificates(way.client.clone());
        let reply = device.call(&SetupAndConfigurationService::get_uuid()).await?;
        let uuid = SetupAndConfigurationService::uuid(&reply).map_err(|error| error.failure("read-state"))?;
        let target = Target::new(SystemId::from_wire(uuid), way.address.ip(), identity, Vec::new());
        let mut target = target.at(way.address);
        (target.version, target.legacy_tls) = (device.version(), way.legacy_tls);
        (target.tickets, target.client) = (Some(tickets), way.client);
        Ok(target)
    }

    /// The same where the machine may have another password meanwhile: those are tried in turn, within the firmware's lock-out. The
    /// one that opened it comes first.
    pub(crate) async fn any_of(self, others: &[Secret<String>]) -> Result<Target, Error> {
        let way = self.way().await?;
        let Transport::Tls(identity) = way.transport.clone() else {
            return Err(Error::usage("this is done over TLS only", "take --plain out"));
        };
        let Login::Digest(credentials) = way.login else {
            let hint = "take --kerberos out, and give the password of admin";
            return Err(Error::usage("this is done by the administrator only, who has no ticket", hint));
        };
        if credentials.user != "admin" {
            let hint = "take --user out, and give the password of admin";
            return Err(Error::usage("this is done by the administrator only", hint));
        }
        let given = credentials.password;
        let more = others.iter().filter(|other| **other != given).cloned();
        let mut passwords: Vec<_> = std::iter::once(given.clone()).chain(more).collect();
        let mut attempt = 0;
        let (device, reply) = loop {
            let credentials = Credentials { user: credentials.user.clone(), password: passwords[attempt].clone() };
            let mut device = Device::new(way.address, way.transport.clone(), credentials)?
                .legacy_tls(way.legacy_tls)
                .client_certificates(way.client.clone());
            match device.call(&SetupAndConfigurationService::get_uuid()).await {
                Ok(reply) => break (device, reply),
                Err(failure) if failure.code == ErrorCode::WRONG_OR_LOCKED && attempt + 1 < passwords.len() => {
                    attempt += 1;
                    tokio::time::sleep(GUESS_SPACING).await;
                }
                Err(mut failure) if failure.code == ErrorCode::WRONG_OR_LOCKED && attempt > 0 => {
                    failure.message = format!("none of {} passwords opens it, or the account is locked", attempt + 1);
                    let hint =
                        "the firmware counts wrong ones: check the passwords, and wait 20 seconds before you try again";
                    return Err(failure.hint(hint).into());
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        // The one that opened it first: no further guess is needed.
        passwords.swap(0, attempt);
        let uuid = SetupAndConfigurationService::uuid(&reply).map_err(|error| error.failure("read-state"))?;
        let target = Target::new(SystemId::from_wire(uuid), way.address.ip(), identity, passwords);
        let mut target = target.at(way.address);
        (target.version, target.legacy_tls, target.client) = (device.version(), way.legacy_tls, way.client);
        Ok(target)
    }
}

/// Who logs in.
#[derive(Clone)]
pub(crate) enum Login {
    Digest(Credentials),
    Kerberos(Tickets),
}

/// A machine as the options describe it.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) login: Login,
    /// What is shown to a machine with mutual TLS.
    pub(crate) client: ClientCertificates,
    pub(crate) legacy_tls: LegacyTls,
}

/// A name or an address: without port, brackets or anything else of a URL.
pub(super) fn host(text: &str) -> Result<String, String> {
    amt::discover::host(text).map(str::to_owned).map_err(|why| match why {
        NotHost::More => format!("{why}; a port goes into --port"),
        _ => why.to_string(),
    })
}

/// All certificates of a PEM file, DER.
pub(super) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = input::read(file, MAX_CERTIFICATES)?;
    authorities(&bytes).map_err(|mut failure| {
        failure.message = format!("{}: {}", file.display(), failure.message);
        failure
    })
}

/// 64 hexadecimal digits, with or without colons.
pub(super) fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_sha256(text).ok_or_else(|| "write the 64 hexadecimal digits of a SHA-256".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_without_port_and_url() {
        for (text, taken) in [
            ("pc1.example.com", "pc1.example.com"),
            ("10.0.0.5", "10.0.0.5"),
            ("::1", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("", ""), // where it may be left out, it is this
        ] {
            assert_eq!(host(text).as_deref(), Ok(taken));
        }
        for text in
            ["10.0.0.5:16993", "pc1:16993", "https://pc1/", "[::1]:16993", "pc1/24", "pc 1", "admin@pc1", "[pc1"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
