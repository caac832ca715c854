//! Everything that would keep a setup server from working, found before a machine is: names, ports, certificates, clock, files,
//! programs.
//!
//! Changes nothing: no database, key or authority is made, and a port is held for an instant only. The one traffic is name
//! resolution, a connection to this host's own hello port, questions to the certificate authority and the directory whether they are
//! there; [`Doctor::offline`] leaves them out.

mod certificates;
mod console;
mod directory;
mod files;
mod network;
mod programs;

use crate::Glance;
use crate::config::Config;
use amt_core::{Failure, Finding, FirmwareVersion, Severity};
use std::net::IpAddr;
use std::time::SystemTime;

/// What a finding is about; reports are grouped by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Area {
    /// What is odd in the configuration. What is wrong in it keeps it from being read.
    Configuration,
    /// The names by which machines look for the server.
    Names,
    /// The hello port.
    Port,
    /// Provisioning certificates.
    Certificates,
    /// The clock.
    Clock,
    /// Database and seal key.
    Database,
    /// The certificate authority.
    Authority,
    /// The console's own certificate.
    Console,
    /// The directory that machines get accounts in.
    Directory,
    /// Programs that are asked about machines or told of them.
    Programs,
    /// Room on the disk.
    Disk,
}

impl Area {
    /// The stable word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Names => "names",
            Self::Port => "port",
            Self::Certificates => "certificates",
            Self::Clock => "clock",
            Self::Database => "database",
            Self::Authority => "authority",
            Self::Console => "console",
            Self::Directory => "directory",
            Self::Programs => "programs",
            Self::Disk => "disk",
        }
    }
}

/// One finding and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Where it belongs.
    pub area: Area,
    /// What was found; of severity `Info` also what is in order.
    pub finding: Finding,
}

/// Resolves names; the default asks the operating system.
pub type Resolver = Box<dyn Fn(&str) -> Result<Vec<IpAddr>, String> + Send + Sync>;

/// Examines a configuration and the host that it is for.
pub struct Doctor<'a> {
    config: &'a Config,
    firmware: Option<FirmwareVersion>,
    addresses: Vec<IpAddr>,
    now: SystemTime,
    resolver: Option<Resolver>,
    found: Vec<Diagnosis>,
}

impl std::fmt::Debug for Doctor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("firmware", &self.firmware).field("found", &self.found).finish_non_exhaustive()
    }
}

impl<'a> Doctor<'a> {
    /// For `config`, on this host, now.
    pub fn new(config: &'a Config) -> Self {
        let resolver: Resolver = Box::new(network::ask_system);
        let (addresses, found) = (Vec::new(), Vec::new());
        Self { config, firmware: None, addresses, now: SystemTime::now(), resolver: Some(resolver), found }
    }

    /// Holds the certificates against this firmware instead of a summary of all.
    #[must_use]
    pub fn firmware(mut self, version: FirmwareVersion) -> Self {
        self.firmware = Some(version);
        self
    }

    /// Addresses by which the server is reached beside its own, where something stands between.
    #[must_use]
    pub fn addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        self.addresses = addresses;
        self
    }

    /// Another time than now.
    #[must_use]
    pub fn now(mut self, now: SystemTime) -> Self {
        self.now = now;
        self
    }

    /// Another way to resolve names.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// No traffic at all: no names are resolved and nothing is connected to.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.resolver = None;
        self
    }

    /// Everything found, area by area.
    pub async fn examine(mut self) -> Vec<Diagnosis> {
        let glance = Glance::read(&self.config.files.database).await;
        let odd = self.config.warnings.iter();
        self.found.extend(odd.map(|finding| Diagnosis { area: Area::Configuration, finding: finding.clone() }));
        self.names();
        self.ports().await;
        self.certificates();
        self.clock(glance.as_ref().ok().and_then(Option::as_ref).and_then(|g| g.newest));
        self.database(&glance);
        self.authorities().await;
        if let Ok(glance) = &glance {
            self.console(glance.as_ref());
        }
        self.directory().await;
        self.programs();
        self.disk();
        self.found
    }

    fn report(
        &mut self,
        area: Area,
        severity: Severity,
        code: &'static str,
        field: impl Into<String>,
        text: impl Into<String>,
        hint: &str,
    ) {
        self.found.push(Diagnosis { area, finding: Finding::new(code, severity, field, text, hint) });
    }

    fn failure(&mut self, area: Area, code: &'static str, field: impl Into<String>, failure: &Failure) {
        let finding = Finding::new(code, Severity::Error, field, failure.message.clone(), failure.hint.to_string());
        self.found.push(Diagnosis { area, finding });
    }
}

#[cfg(test)]
mod tests;
