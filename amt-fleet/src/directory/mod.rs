//! The account of a machine in a directory, for log-in by Kerberos: what it is made of, and, with the feature `directory`, how it is made by
//! LDAP.

mod account;
#[cfg(feature = "directory")]
mod ldap;
#[cfg(feature = "directory")]
mod object;

pub use account::{Account, Unfit, WORKSTATION, realm_of};
#[cfg(feature = "directory")]
pub use ldap::Connection;
#[cfg(feature = "directory")]
pub use object::{Made, Order, Outcome};

#[cfg(feature = "directory")]
use amt_core::{ErrorCode, Failure};
use std::path::PathBuf;

/// A directory, and who speaks to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
    bind: String,
    roots: Option<Vec<Vec<u8>>>,
}

impl Server {
    /// `url` is `ldaps://NAME[:PORT]`, or `ldap://…`, which is raised to TLS before anything is said; `bind` a DN or `user@domain`;
    /// `roots` the authorities that are trusted (DER) instead of the system's.
    ///
    /// # Errors
    /// What is wrong with `url` or `bind`.
    pub fn new(url: String, bind: String, roots: Option<Vec<Vec<u8>>>) -> Result<Self, String> {
        let name = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "ldaps" | "ldap"));
        if name.is_none_or(|(_, name)| name.is_empty()) {
            return Err(format!("{url} is no directory: write ldaps://NAME[:PORT]"));
        }
        // A bind without a name succeeds everywhere, as nobody.
        if bind.is_empty() {
            return Err("the name to bind as is empty: give a DN, or user@domain".to_owned());
        }
        Ok(Self { url, bind, roots })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who speaks to it.
    pub fn bind(&self) -> &str {
        &self.bind
    }
}

/// What the section `[directory]` of a setup server's configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The directory.
    pub server: Server,
    /// File whose first line is the password to bind with; read at each connection, so that a new password needs no restart.
    pub bind_password_file: PathBuf,
    /// The unit that accounts are in.
    pub ou: String,
}

#[cfg(feature = "directory")]
impl Settings {
    /// Connects and binds, with the password as it is in its file now.
    ///
    /// # Errors
    /// `DIRECTORY` also if the file cannot be read or is empty: it is being replaced, perhaps.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        let password = crate::config::secret_of(&self.bind_password_file).map_err(|why| {
            Failure::new(ErrorCode::DIRECTORY, "directory", why)
                .hint("put the password of directory.bind into the first line")
        })?;
        self.server.connect(&password).await
    }

    /// Logs in, and looks whether the unit is there.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(crate) async fn has_unit(&self) -> Result<bool, Failure> {
        let mut directory = self.connect().await?;
        let found = directory.has_unit(&self.ou).await;
        directory.close().await;
        found
    }
}
