//! What a machine's account is made of (`spec/wsman.md` §1.5).

use crate::cmd::Error;
use amt::kerberos::{PORTS, spn};
use serde_json::{Value, json};
use std::io::{self, Write};

/// What the name of an account has behind that of the host, unless it is given: the host's own has the account of its system.
const SUFFIX: &str = "-amt";
/// Longest name of an account, with its `$`.
const MAX_ACCOUNT: usize = 20;
/// `userAccountControl`: the account of a computer.
pub(super) const WORKSTATION: u32 = 0x1000;
/// `userAccountControl`: switched off.
pub(super) const DISABLED: u32 = 2;
/// `msDS-SupportedEncryptionTypes`: AES with 128 and with 256 bits, and RC4.
const AES: u32 = 0x18;
const RC4: u32 = 4;

/// Which machine, and where its account is.
#[derive(clap::Args)]
pub(super) struct Computer {
    /// Full name of the machine, by which it is reached
    fqdn: String,
    /// Organizational unit (or container) of the account: OU=AMT,DC=example,DC=com
    #[arg(long, value_name = "DN")]
    ou: String,
    /// Name of the account, without $ [default: host name and -amt]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// RC4 beside AES
    #[arg(long)]
    rc4: bool,
}

/// The account as it has to be.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) fqdn: String,
    host: String,
    pub(super) name: String,
    ou: String,
    /// DN of the domain, which the unit is in.
    #[cfg_attr(not(feature = "directory"), allow(dead_code, reason = "only what speaks to the directory reads it"))]
    pub(super) domain: String,
    realm: String,
    pub(super) encryption: u32,
}

impl Account {
    pub(super) fn new(computer: &Computer) -> Result<Self, Error> {
        let fqdn = computer.fqdn.trim_end_matches('.').to_lowercase();
        let label = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let (host, _) = fqdn
            .split_once('.')
            .filter(|_| fqdn.split('.').all(label))
            .ok_or_else(|| Error::usage(format!("{fqdn} is no full name"), "write it as pc1.example.com"))?;
        let name = computer.account.clone().unwrap_or_else(|| format!("{host}{SUFFIX}"));
        if !label(&name) || name.len() >= MAX_ACCOUNT {
            let text = format!("{name} is no name of an account: letters, digits and -, at most {}", MAX_ACCOUNT - 1);
            return Err(Error::usage(text, "give another with --account"));
        }
        let parts: Vec<&str> = computer.ou.split(',').map(str::trim).collect();
        let domain: Vec<&str> = parts.iter().filter_map(|part| component(part)).collect();
        if domain.is_empty() || component(parts[0]).is_some() {
            let text = format!("{} is no unit of a domain", computer.ou);
            return Err(Error::usage(text, "write it as OU=AMT,DC=example,DC=com"));
        }
        Ok(Self {
            host: host.to_owned(),
            name,
            ou: parts.join(","),
            domain: domain.iter().map(|name| format!("DC={name}")).collect::<Vec<_>>().join(","),
            realm: domain.join(".").to_uppercase(),
            encryption: AES | if computer.rc4 { RC4 } else { 0 },
            fqdn,
        })
    }

    pub(super) fn dn(&self) -> String {
        format!("CN={},{}", self.name, self.ou)
    }

    /// `sAMAccountName`.
    pub(super) fn sam(&self) -> String {
        format!("{}$", self.name)
    }

    pub(super) fn spns(&self) -> Vec<String> {
        PORTS.iter().map(|port| spn(&self.fqdn, *port)).collect()
    }

    /// What the profile has to say behind the host name, if the account can be told from it.
    fn suffix(&self) -> Option<&str> {
        self.name.strip_prefix(&self.host)
    }

    /// With which the directory makes the keys of AES out of the password.
    fn salt(&self) -> String {
        format!("{}host{}.{}", self.realm, self.name.to_lowercase(), self.realm.to_lowercase())
    }

    /// What a computer object is created with, but for its password.
    pub(super) fn attributes(&self, control: u32) -> Vec<(&'static str, Vec<String>)> {
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

    pub(super) fn document(&self) -> Value {
        json!({
            "dn": self.dn(),
            "account": self.sam(),
            "dns_host_name": self.fqdn,
            "service_principal_names": self.spns(),
            "user_account_control": WORKSTATION,
            "supported_encryption_types": self.encryption,
            "realm": self.realm,
            "salt": self.salt(),
            "profile": { "kerberos": { "enabled": true, "realm": self.realm, "account_suffix": self.suffix() } },
        })
    }

    pub(super) fn text(&self, w: &mut dyn Write) -> io::Result<()> {
        let (sam, dn) = (self.sam(), self.dn());
        writeln!(w, "{dn}")?;
        writeln!(w, "  account      {sam}")?;
        writeln!(w, "  full name    {}", self.fqdn)?;
        writeln!(w, "  encryption   {} (msDS-SupportedEncryptionTypes)", self.encryption)?;
        writeln!(w, "  salt         {}", self.salt())?;
        for spn in self.spns() {
            writeln!(w, "  service      {spn}")?;
        }
        writeln!(w, "\nIn PowerShell, as whoever may make computer objects in {}:", self.ou)?;
        writeln!(
            w,
            "  New-ADComputer -Name '{}' -SAMAccountName '{sam}' -Path '{}' -DNSHostName '{}' \
             -AccountPassword (Read-Host -AsSecureString 'Password') -OtherAttributes \
             @{{'msDS-SupportedEncryptionTypes'={}}} -Enabled $true",
            self.name, self.ou, self.fqdn, self.encryption
        )?;
        for spn in self.spns() {
            writeln!(w, "  setspn -S {spn} {sam}")?;
        }
        writeln!(w, "  Get-ADComputer '{sam}' -Properties msDS-KeyVersionNumber")?;
        writeln!(
            w,
            "\nktpass is not needed: it would salt the key with the name of one service, which the machine does not do."
        )?;
        writeln!(w, "\nIn the machine's profile:")?;
        writeln!(w, "  [kerberos]\n  enabled = true\n  realm = \"{}\"", self.realm)?;
        writeln!(w, "  password = {{ file = \"…\" }}    # the same")?;
        match self.suffix() {
            Some(suffix) => writeln!(w, "  account_suffix = \"{suffix}\"")?,
            None => writeln!(
                w,
                "  # {} does not begin with {}: no profile can tell the salt of its key",
                self.name, self.host
            )?,
        }
        writeln!(w, "  key_version = …             # msDS-KeyVersionNumber")
    }

    pub(super) fn ldif(&self, w: &mut dyn Write) -> io::Result<()> {
        writeln!(w, "# Switched off (2 in userAccountControl) until it has a password: then write {WORKSTATION}.")?;
        writeln!(w, "dn: {}\nchangetype: add", self.dn())?;
        for (name, values) in self.attributes(WORKSTATION | DISABLED) {
            for value in values {
                writeln!(w, "{name}: {value}")?;
            }
        }
        Ok(())
    }
}

/// What a DN's `DC=` names.
fn component(part: &str) -> Option<&str> {
    let (name, value) = part.split_once('=')?;
    name.trim().eq_ignore_ascii_case("DC").then_some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(fqdn: &str, ou: &str, account: Option<&str>) -> Result<Account, Error> {
        Account::new(&Computer { fqdn: fqdn.into(), ou: ou.into(), account: account.map(str::to_owned), rc4: false })
    }

    #[test]
    fn an_account_has_six_services_and_the_salt_of_its_name() {
        let account = account("PC1.example.com", "OU=AMT, OU=IT,DC=ad,dc=example,DC=com", None).unwrap();
        assert_eq!(account.dn(), "CN=pc1-amt,OU=AMT,OU=IT,DC=ad,dc=example,DC=com");
        assert_eq!((account.domain.as_str(), account.sam()), ("DC=ad,DC=example,DC=com", "pc1-amt$".to_owned()));
        assert_eq!(account.salt(), "AD.EXAMPLE.COMhostpc1-amt.ad.example.com");
        let ports: Vec<String> = account.spns().iter().map(|spn| spn.rsplit(':').next().unwrap().to_owned()).collect();
        assert_eq!(ports, ["16992", "16993", "16994", "16995", "623", "664"]);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let unit = "OU=AMT,DC=example,DC=com";
        for (fqdn, ou, name) in [
            ("pc1", unit, None),
            ("pc1..com", unit, None),
            ("pc1.example.com", "DC=example,DC=com", None),
            ("pc1.example.com", "OU=AMT", None),
            ("pc1.example.com", unit, Some("a,b")),
            ("pc1.example.com", unit, Some("a-name-of-20-letters")),
        ] {
            assert_eq!(account(fqdn, ou, name).unwrap_err().exit_status(), 2, "{fqdn} {ou} {name:?}");
        }
    }
}
