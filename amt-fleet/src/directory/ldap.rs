//! The directory by LDAP: nothing is said before TLS stands, and the bind account needs rights in one unit only.

use super::Server;
use crate::roots;
use amt_core::{ErrorCode, Failure, Secret};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope, SearchEntry};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) const STAGE: &str = "directory";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// An attribute and its values.
pub(super) type Attribute = (Vec<u8>, HashSet<Vec<u8>>);

/// A connection that is bound.
pub struct Connection(Ldap);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Server {
    /// Connects over TLS, and binds with `password`.
    ///
    /// # Errors
    /// `CONFIG` if the password is empty; `DIRECTORY`, with the directory's words if it said any; `CERTIFICATE_PARSE`.
    pub async fn connect(&self, password: &Secret<String>) -> Result<Connection, Failure> {
        // A bind without password succeeds everywhere, as nobody.
        if password.expose().is_empty() {
            let text = format!("the password of {} is empty", self.bind);
            return Err(Failure::new(ErrorCode::CONFIG, STAGE, text).hint("give the right one"));
        }
        let plain = self.url.starts_with("ldap:");
        let settings = LdapConnSettings::new()
            .set_conn_timeout(CONNECT_TIMEOUT)
            .set_starttls(plain)
            .set_config(Arc::new(self.tls()?));
        let (connection, mut ldap) =
            LdapConnAsync::with_settings(settings, &self.url).await.map_err(|error| self.lost(&error))?;
        tokio::spawn(async move {
            // Ends with the connection; a failure is told to whoever waits for an answer.
            let _ = connection.drive().await;
        });
        ldap.with_timeout(REPLY_TIMEOUT);
        let bound = ldap.simple_bind(&self.bind, password.expose()).await.map_err(|error| self.lost(&error))?;
        good(bound, &format!("{} as {}", self.url, self.bind))?;
        Ok(Connection(ldap))
    }

    fn tls(&self) -> Result<ClientConfig, Failure> {
        let roots = match &self.roots {
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for der in authorities {
                    roots.add(der.clone().into()).map_err(|error| unusable(&error))?;
                }
                roots
            }
            None => roots::of_the_system(),
        };
        Ok(roots::client(roots).map_err(|error| unusable(&error))?.with_no_client_auth())
    }

    fn lost(&self, error: &LdapError) -> Failure {
        lost(&self.url, error).hint("check that it runs, its name, its port, and the authority (ca): its certificate must name the server as you do")
    }
}

impl Connection {
    /// Entries below `base`, or that one.
    pub(super) async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<SearchEntry>, Failure> {
        self.0.with_timeout(REPLY_TIMEOUT);
        let result = self.0.search(base, scope, filter, attributes).await.map_err(|error| lost(base, &error))?;
        // Below a base that does not exist there is nothing.
        if result.1.rc == 32 {
            return Ok(Vec::new());
        }
        good(result.1, base)?;
        // Active Directory says where else it would look, in entries of another kind.
        Ok(result.0.into_iter().filter(|entry| !entry.is_ref()).map(SearchEntry::construct).collect())
    }

    pub(super) async fn add(&mut self, dn: &str, attributes: Vec<Attribute>) -> Result<(), Failure> {
        self.0.with_timeout(REPLY_TIMEOUT);
        good(self.0.add(dn, attributes).await.map_err(|error| lost(dn, &error))?, dn)
    }

    /// Replaces whole attributes.
    pub(super) async fn replace(&mut self, dn: &str, attributes: Vec<Attribute>) -> Result<(), Failure> {
        self.0.with_timeout(REPLY_TIMEOUT);
        let changes = attributes.into_iter().map(|(name, values)| Mod::Replace(name, values)).collect();
        good(self.0.modify(dn, changes).await.map_err(|error| lost(dn, &error))?, dn)
    }

    pub(super) async fn delete(&mut self, dn: &str) -> Result<(), Failure> {
        self.0.with_timeout(REPLY_TIMEOUT);
        good(self.0.delete(dn).await.map_err(|error| lost(dn, &error))?, dn)
    }

    /// Says farewell.
    pub async fn close(mut self) {
        // A courtesy; whether it arrives changes nothing.
        let _ = self.0.unbind().await;
    }
}

fn good(result: LdapResult, what: &str) -> Result<(), Failure> {
    let (meaning, hint) = match result.rc {
        0 => return Ok(()),
        19 => ("it breaks a rule of the directory", "see its words: the password is too simple, or a name is taken"),
        32 => ("there is no such place", "check the unit (ou)"),
        49 => ("user or password is wrong", "check bind and its password"),
        50 => (
            "this account may not do that",
            "have it be given rights in the unit, or have `amt directory plan` carried out",
        ),
        53 => ("the directory is not willing", "see its words: the password may be too simple"),
        68 => ("there is such an entry already", "try again: it was made meanwhile"),
        _ => ("the directory refused", ErrorCode::DIRECTORY.hint()),
    };
    let words = result.text.trim_end_matches('\0').trim();
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    let text = format!("{what}: {meaning} (LDAP {}){words}", result.rc);
    Err(Failure::new(ErrorCode::DIRECTORY, STAGE, text).hint(hint))
}

fn lost(what: &str, error: &LdapError) -> Failure {
    Failure::new(ErrorCode::DIRECTORY, STAGE, format!("{what}: {error}"))
}

fn unusable(error: &rustls::Error) -> Failure {
    Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, error.to_string())
}
