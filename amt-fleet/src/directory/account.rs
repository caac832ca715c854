//! What a machine's account is made of (`spec/wsman.md` §1.5).

use amt::kerberos::{PORTS, spn};
use std::fmt::{self, Display, Formatter};

/// What the name of an account has behind that of the host, unless it is given: the host's own has the account of its system.
const SUFFIX: &str = "-amt";
/// Longest name of an account, with its `$`.
const MAX_ACCOUNT: usize = 20;
/// `userAccountControl`: the account of a computer.
pub const WORKSTATION: u32 = 0x1000;
/// `userAccountControl`: switched off.
pub(super) const DISABLED: u32 = 2;
/// `msDS-SupportedEncryptionTypes`: AES with 128 and with 256 bits, and RC4.
const AES: u32 = 0x18;
const RC4: u32 = 4;

/// Why a machine can have no such account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// The machine has no full name; this is what it has.
    Name(String),
    /// No account can have this name.
    Account(String),
    /// This is no unit of a domain.
    Unit(String),
}

impl Display for Unfit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name} is no full name"),
            Self::Account(name) => {
                write!(f, "{name} is no name of an account: letters, digits and -, at most {}", MAX_ACCOUNT - 1)
            }
            Self::Unit(unit) => write!(f, "{unit} is no unit of a domain"),
        }
    }
}

/// The account as it has to be.
#[derive(Clone, Debug)]
pub struct Account {
    fqdn: String,
    host: String,
    name: String,
    ou: String,
    #[cfg_attr(not(feature = "directory"), allow(dead_code, reason = "only what speaks to the directory reads it"))]
    domain: String,
    realm: String,
    encryption: u32,
}

impl Account {
    /// For the machine `fqdn`, in the unit (or container) `ou`; `name` without `$`, the host's with `-amt` behind it unless it is given;
    /// `rc4` beside AES.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(fqdn: &str, ou: &str, name: Option<&str>, rc4: bool) -> Result<Self, Unfit> {
        let fqdn = fqdn.trim_end_matches('.').to_lowercase();
        let label = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let (host, _) =
            fqdn.split_once('.').filter(|_| fqdn.split('.').all(label)).ok_or_else(|| Unfit::Name(fqdn.clone()))?;
        let name = name.map_or_else(|| format!("{host}{SUFFIX}"), str::to_owned);
        if !label(&name) || name.len() >= MAX_ACCOUNT {
            return Err(Unfit::Account(name));
        }
        let domain = domain_of(ou)?;
        Ok(Self {
            host: host.to_owned(),
            name,
            ou: ou.split(',').map(str::trim).collect::<Vec<_>>().join(","),
            domain: domain.iter().map(|name| format!("DC={name}")).collect::<Vec<_>>().join(","),
            realm: domain.join(".").to_uppercase(),
            encryption: AES | if rc4 { RC4 } else { 0 },
            fqdn,
        })
    }

    /// Full name of the machine.
    pub fn fqdn(&self) -> &str {
        &self.fqdn
    }

    /// Its own name, without `$`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit that it is in.
    pub fn ou(&self) -> &str {
        &self.ou
    }

    /// DN of the domain, which the unit is in.
    #[cfg(feature = "directory")]
    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// Realm of the domain.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// `msDS-SupportedEncryptionTypes`.
    pub fn encryption(&self) -> u32 {
        self.encryption
    }

    /// Its place.
    pub fn dn(&self) -> String {
        format!("CN={},{}", self.name, self.ou)
    }

    /// `sAMAccountName`.
    pub fn sam(&self) -> String {
        format!("{}$", self.name)
    }

    /// Its six service names.
    pub fn spns(&self) -> Vec<String> {
        PORTS.iter().map(|port| spn(&self.fqdn, *port)).collect()
    }

    /// Name of the host, without the domain.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the profile has to say behind the host name, if the account can be told from it.
    pub fn suffix(&self) -> Option<&str> {
        self.name.strip_prefix(&self.host)
    }

    /// With which the directory makes the keys of AES out of the password.
    pub fn salt(&self) -> String {
        format!("{}host{}.{}", self.realm, self.name.to_lowercase(), self.realm.to_lowercase())
    }

    /// What a computer object is created with, but for its password; switched off until it has one, if that is wanted.
    pub fn attributes(&self, disabled: bool) -> Vec<(&'static str, Vec<String>)> {
        self.with_control(WORKSTATION | if disabled { DISABLED } else { 0 })
    }

    pub(super) fn with_control(&self, control: u32) -> Vec<(&'static str, Vec<String>)> {
        vec![
            ("objectClass", vec!["computer".to_owned()]),
            ("cn", vec![self.name.clone()]),
            ("sAMAccountName", vec![self.sam()]),
            ("dNSHostName", vec![self.fqdn.clone()]),
            ("userAccountControl", vec![control.to_string()]),
            ("msDS-SupportedEncryptionTypes", vec![self.encryption.to_string()]),
            ("servicePrincipalName", self.spns()),
        ]
    }
}

/// Realm of the domain that the unit is in.
///
/// # Errors
/// It is no unit of a domain.
pub fn realm_of(ou: &str) -> Result<String, Unfit> {
    Ok(domain_of(ou)?.join(".").to_uppercase())
}

/// Labels of the domain that a unit is in.
fn domain_of(ou: &str) -> Result<Vec<&str>, Unfit> {
    let mut parts = ou.split(',').map(str::trim);
    let is_unit = parts.next().is_some_and(|first| first.contains('=') && component(first).is_none());
    let domain: Vec<&str> = parts.filter_map(component).collect();
    if is_unit && !domain.is_empty() { Ok(domain) } else { Err(Unfit::Unit(ou.to_owned())) }
}

/// What a DN's `DC=` names.
fn component(part: &str) -> Option<&str> {
    let (name, value) = part.split_once('=')?;
    name.trim().eq_ignore_ascii_case("DC").then_some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_six_services_and_the_salt_of_its_name() {
        let account = Account::new("PC1.example.com", "OU=AMT, OU=IT,DC=ad,dc=example,DC=com", None, false).unwrap();
        assert_eq!(account.dn(), "CN=pc1-amt,OU=AMT,OU=IT,DC=ad,dc=example,DC=com");
        assert_eq!((account.domain.as_str(), account.sam()), ("DC=ad,DC=example,DC=com", "pc1-amt$".to_owned()));
        assert_eq!(account.salt(), "AD.EXAMPLE.COMhostpc1-amt.ad.example.com");
        let ports: Vec<String> = account.spns().iter().map(|spn| spn.rsplit(':').next().unwrap().to_owned()).collect();
        assert_eq!(ports, ["16992", "16993", "16994", "16995", "623", "664"]);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let unit = "OU=AMT,DC=example,DC=com";
        for (fqdn, ou, name, wrong) in [
            ("pc1", unit, None, Unfit::Name("pc1".into())),
            ("pc1..com", unit, None, Unfit::Name("pc1..com".into())),
            ("pc1.example.com", "DC=example,DC=com", None, Unfit::Unit("DC=example,DC=com".into())),
            ("pc1.example.com", "OU=AMT", None, Unfit::Unit("OU=AMT".into())),
            ("pc1.example.com", "AMT,DC=com", None, Unfit::Unit("AMT,DC=com".into())),
            ("pc1.example.com", unit, Some("a,b"), Unfit::Account("a,b".into())),
            ("pc1.example.com", unit, Some("a-name-of-20-letters"), Unfit::Account("a-name-of-20-letters".into())),
        ] {
            assert_eq!(Account::new(fqdn, ou, name, false).unwrap_err(), wrong);
        }
    }
}
