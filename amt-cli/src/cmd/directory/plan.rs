//! Which machine's account it is, and how it is shown to whoever makes it by hand.

use crate::cmd::Error;
use amt_fleet::directory::{Account, Unfit, WORKSTATION};
use serde_json::{Value, json};
use std::io::{self, Write};

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

impl Computer {
    pub(super) fn account(&self) -> Result<Account, Error> {
        Account::new(&self.fqdn, &self.ou, self.account.as_deref(), self.rc4).map_err(|unfit| {
            let hint = match unfit {
                Unfit::Account(_) => "give another with --account",
                Unfit::Unit(_) => "write it as OU=AMT,DC=example,DC=com",
                _ => "write it as pc1.example.com",
            };
            Error::usage(unfit.to_string(), hint)
        })
    }
}

pub(super) fn document(account: &Account) -> Value {
    json!({
        "dn": account.dn(),
        "account": account.sam(),
        "dns_host_name": account.fqdn(),
        "service_principal_names": account.spns(),
        "user_account_control": WORKSTATION,
        "supported_encryption_types": account.encryption(),
        "realm": account.realm(),
        "salt": account.salt(),
        "profile": { "kerberos": { "enabled": true, "realm": account.realm(), "account_suffix": account.suffix() } },
    })
}

pub(super) fn text(account: &Account, w: &mut dyn Write) -> io::Result<()> {
    let (sam, dn) = (account.sam(), account.dn());
    writeln!(w, "{dn}")?;
    writeln!(w, "  account      {sam}")?;
    writeln!(w, "  full name    {}", account.fqdn())?;
    writeln!(w, "  encryption   {} (msDS-SupportedEncryptionTypes)", account.encryption())?;
    writeln!(w, "  salt         {}", account.salt())?;
    for spn in account.spns() {
        writeln!(w, "  service      {spn}")?;
    }
    writeln!(w, "\nIn PowerShell, as whoever may make computer objects in {}:", account.ou())?;
    writeln!(
        w,
        "  New-ADComputer -Name '{}' -SAMAccountName '{sam}' -Path '{}' -DNSHostName '{}' \
         -AccountPassword (Read-Host -AsSecureString 'Password') -OtherAttributes \
         @{{'msDS-SupportedEncryptionTypes'={}}} -Enabled $true",
        account.name(),
        account.ou(),
        account.fqdn(),
        account.encryption()
    )?;
    for spn in account.spns() {
        writeln!(w, "  setspn -S {spn} {sam}")?;
    }
    writeln!(w, "  Get-ADComputer '{sam}' -Properties msDS-KeyVersionNumber")?;
    writeln!(
        w,
        "\nktpass is not needed: it would salt the key with the name of one service, which the machine does not do."
    )?;
    writeln!(w, "\nIn the machine's profile:")?;
    writeln!(w, "  [kerberos]\n  enabled = true\n  realm = \"{}\"", account.realm())?;
    writeln!(w, "  password = {{ file = \"…\" }}    # the same")?;
    match account.suffix() {
        Some(suffix) => writeln!(w, "  account_suffix = \"{suffix}\"")?,
        None => writeln!(
            w,
            "  # {} does not begin with {}: no profile can tell the salt of its key",
            account.name(),
            account.host()
        )?,
    }
    writeln!(w, "  key_version = …             # msDS-KeyVersionNumber")
}

pub(super) fn ldif(account: &Account, w: &mut dyn Write) -> io::Result<()> {
    writeln!(w, "# Switched off (2 in userAccountControl) until it has a password: then write {WORKSTATION}.")?;
    writeln!(w, "dn: {}\nchangetype: add", account.dn())?;
    for (name, values) in account.attributes(true) {
        for value in values {
            writeln!(w, "{name}: {value}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_wrong_usage() {
        for (fqdn, ou, account) in
            [("pc1", "OU=AMT,DC=com", None), ("pc1.com", "OU=AMT", None), ("pc1.com", "OU=A,DC=com", Some("a,b"))]
        {
            let computer =
                Computer { fqdn: fqdn.into(), ou: ou.into(), account: account.map(str::to_owned), rc4: false };
            assert_eq!(computer.account().unwrap_err().exit_status(), 2, "{fqdn} {ou} {account:?}");
        }
    }
}
