//! Database, seal key, certificate authority, disk: what the server opens, looked at without making anything.

use super::{Area, Doctor};
use crate::Glance;
use crate::ca::{CertreqCa, EstCa, LocalCa};
use crate::config::CaSource;
use crate::seal::SealKey;
use amt_core::Failure;
use amt_core::Severity::{Error, Info, Warning};
use std::path::Path;

impl Doctor<'_> {
    pub(super) fn database(&mut self, glance: &Result<Option<Glance>, Failure>) {
        let (database, key_file) = (&self.config.files.database, &self.config.files.seal_key_file);
        let (field, key_field) = (database.display().to_string(), key_file.display().to_string());
        match glance {
            Err(failure) => self.failure(Area::Database, "DATABASE", &field, failure),
            Ok(None) => self.report(
                Area::Database,
                Info,
                "DATABASE-NEW",
                &field,
                "there is none yet; the server makes it at its first start",
                "",
            ),
            Ok(Some(seen)) => self.report(
                Area::Database,
                Info,
                "DATABASE-OK",
                &field,
                format!("it opens, with {} machines", seen.machines.len()),
                "",
            ),
        }
        if !key_file.exists() {
            return match glance {
                Ok(None) => self.report(
                    Area::Database,
                    Info,
                    "SEAL-KEY-NEW",
                    &key_field,
                    "there is none yet; it is made together with the database",
                    "",
                ),
                _ => {
                    let hint = "restore the key file that the database was made with";
                    self.report(
                        Area::Database,
                        Error,
                        "SEAL-KEY-MISSING",
                        &key_field,
                        "the key is missing: sealed credentials cannot be read",
                        hint,
                    );
                }
            };
        }
        match SealKey::read(key_file) {
            Err(failure) => self.failure(Area::Database, "SEAL-KEY", &key_field, &failure),
            Ok(key) => match glance.as_ref().ok().and_then(Option::as_ref).and_then(|g| g.opens_with(&key)) {
                Some(false) => {
                    let hint = "restore the key file that the database was made with";
                    self.report(
                        Area::Database,
                        Error,
                        "SEAL-KEY-FOREIGN",
                        &key_field,
                        "it is not the key of this database",
                        hint,
                    );
                }
                _ => self.report(Area::Database, Info, "SEAL-KEY-OK", &key_field, "the key reads", ""),
            },
        }
        self.private(Area::Database, &self.config.files.seal_key_file.clone());
    }

    pub(super) async fn authorities(&mut self) {
        self.authority("ca", self.config.ca.clone()).await;
        if let Some(client) = self.config.client_ca.clone() {
            self.authority("client_ca", client).await;
        }
        if let Some(console) = self.config.console.as_ref().and_then(|console| console.ca.clone()) {
            self.authority("console.ca", console).await;
        }
    }

    /// `section` is where it stands in the configuration.
    async fn authority(&mut self, section: &str, source: CaSource) {
        match source {
            CaSource::Local(files) => {
                let field = files.certificate.display().to_string();
                match (files.certificate.exists(), files.key.exists()) {
                    (false, false) => self.report(
                        Area::Authority,
                        Info,
                        "CA-NEW",
                        field,
                        "there is none yet; it is made at the first start",
                        "",
                    ),
                    (true, true) => match LocalCa::open(&files) {
                        Ok(_) => self.report(Area::Authority, Info, "CA-OK", field, "the local authority opens", ""),
                        Err(failure) => self.failure(Area::Authority, "CA", field, &failure),
                    },
                    _ => self.report(
                        Area::Authority,
                        Error,
                        "CA-HALF",
                        field,
                        "of key and certificate only one is there",
                        "restore the other, or give both new names",
                    ),
                }
                if files.key.exists() {
                    self.private(Area::Authority, &files.key);
                }
            }
            CaSource::Command(command) => {
                self.authority_program(section, command.program());
            }
            CaSource::Certreq(certreq) => {
                if self.authority_program(section, certreq.path()) && self.resolver.is_some() {
                    self.certreq(&certreq).await;
                }
            }
            CaSource::Est(est) if self.resolver.is_some() => self.est(&est).await,
            CaSource::Est(est) => {
                let text = "the server was not asked for its certificates";
                self.report(Area::Authority, Info, "CA-NOT-ASKED", est.url(), text, "");
            }
        }
    }

    fn authority_program(&mut self, section: &str, program: &Path) -> bool {
        self.program(Area::Authority, "CA-PROGRAM", &format!("{section}.program"), program)
    }

    async fn certreq(&mut self, certreq: &CertreqCa) {
        let field = certreq.authority().to_owned();
        match certreq.ping().await {
            Some(Ok(())) => self.report(Area::Authority, Info, "CA-ANSWERS", field, "the authority answers", ""),
            Some(Err(why)) => {
                let hint = "check ca.config (`certutil -dump` lists the authorities), the network, and the authority's service";
                self.report(Area::Authority, Error, "CA-UNREACHABLE", field, why, hint);
            }
            None => {
                let text = "there is no certutil beside certreq: the authority was not asked whether it answers";
                self.report(Area::Authority, Info, "CA-NOT-ASKED", field, text, "");
            }
        }
    }

    async fn est(&mut self, est: &EstCa) {
        let authorities = match est.authorities().await {
            Ok(authorities) => authorities,
            Err(failure) => return self.failure(Area::Authority, "CA-UNREACHABLE", est.url(), &failure),
        };
        let is_root = |der: &Vec<u8>| {
            x509_parser::parse_x509_certificate(der)
                .is_ok_and(|(_, own)| own.subject() == own.issuer() && own.verify_signature(None).is_ok())
        };
        let text = format!("the server answers over trusted TLS; certificates of its authority: {}", authorities.len());
        self.report(Area::Authority, Info, "CA-ANSWERS", est.url(), text, "");
        if !authorities.iter().any(is_root) {
            let text = "there is no self-signed root among the authority's certificates (/cacerts)";
            let hint =
                "have the server hand out its whole chain: without the root, a machine lacks the last issuer below it";
            self.report(Area::Authority, Warning, "CA-NO-ROOT", est.url(), text, hint);
        }
    }

    pub(super) fn disk(&mut self) {
        #[cfg(unix)]
        {
            const MIB: u64 = 1024 * 1024;
            let database = &self.config.files.database;
            let folder = database.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
            let field = folder.display().to_string();
            match rustix::fs::statvfs(&folder) {
                Ok(facts) => {
                    let free = facts.f_bavail.saturating_mul(facts.f_frsize) / MIB;
                    let (severity, hint) = match free {
                        0..20 => (
                            Error,
                            "make room: nothing can be written soon, and nothing is sent to machines before it is written",
                        ),
                        20..500 => (Warning, "make room"),
                        _ => (Info, ""),
                    };
                    self.report(Area::Disk, severity, "DISK-FREE", &field, format!("{free} MiB are free"), hint);
                }
                Err(error) => {
                    self.report(Area::Disk, Error, "DISK", &field, error.to_string(), "make the folder of the database")
                }
            }
            if rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_err() {
                self.report(
                    Area::Disk,
                    Error,
                    "DISK-READ-ONLY",
                    field,
                    "the folder of the database cannot be written",
                    "run as the server's user, or give it the folder",
                );
            }
        }
    }

    /// A key file that others may read is one that they have read.
    pub(super) fn private(&mut self, area: Area, path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if std::fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0) {
                let hint = format!("chmod 600 {}", path.display());
                self.report(
                    area,
                    Warning,
                    "KEY-READABLE",
                    path.display().to_string(),
                    "others than its owner may read or write it",
                    &hint,
                );
            }
        }
        #[cfg(not(unix))]
        let _ = (area, path);
    }
}
