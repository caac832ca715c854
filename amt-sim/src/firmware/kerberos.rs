//! What the machine needs to judge Kerberos tickets (`spec/wsman.md` §1.5). Keys are kept and never told.

use amt_core::Secret;

/// RC4-HMAC.
pub(crate) const RC4: u32 = 0;
/// AES with 128 bits.
pub(crate) const AES128: u32 = 1;
/// AES with 256 bits.
pub(crate) const AES256: u32 = 2;
/// Most minutes between the machine's clock and that of a ticket.
pub(crate) const MAX_TOLERANCE: u32 = 5;

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KerberosKey {
    /// The key of RC4-HMAC itself.
    Master(Secret<Vec<u8>>),
    /// What every algorithm's key is derived from.
    Passphrase { passphrase: Secret<String>, salt: String, iterations: u32 },
}

/// Kerberos that is switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kerberos {
    pub(crate) realm: String,
    pub(crate) key_version: u32,
    pub(crate) key: KerberosKey,
    pub(crate) algorithms: Vec<u32>,
    pub(crate) tolerance: u32,
}

/// Switches of small services.
#[derive(Clone, Debug)]
pub(crate) struct Switches {
    /// Switched on, or nothing.
    pub(crate) kerberos: Option<Kerberos>,
    /// `LocalTimeSyncEnabled`: 0 on from the factory, 1 on, 2 off.
    pub(crate) local_time_sync: u32,
    /// The web pages.
    pub(crate) web_ui: bool,
}

impl Switches {
    pub(crate) const FACTORY: Self = Self { kerberos: None, local_time_sync: 0, web_ui: true };
}
