//! `[[provisioning_certificate]]`

use super::file::{Certificate, Program};
use super::{CertificateSource, Reading};
use crate::sign::SignProgram;
use std::time::Duration;

/// What a handshake has altogether.
const HANDSHAKE: Duration = Duration::from_secs(30);

impl Reading<'_> {
    pub(super) fn certificate(&mut self, at: usize, certificate: Certificate) -> Option<CertificateSource> {
        let field = format!("provisioning_certificate[{at}]");
        let password = match (&certificate.password_file, &certificate.password_env) {
            (Some(_), Some(_)) => {
                self.wrong(&field, "give password_file or password_env, not both");
                return None;
            }
            (Some(path), None) => Some(self.secret_file(&format!("{field}.password_file"), path)?),
            (None, Some(name)) => Some(self.secret_env(&format!("{field}.password_env"), name)?),
            (None, None) => None,
        };
        match certificate {
            Certificate { pfx: Some(path), pem: None, key: None, chain: None, sign: None, .. } => {
                Some(CertificateSource::Pfx {
                    path: self.existing(&format!("{field}.pfx"), &path)?,
                    password: password.unwrap_or_default(),
                })
            }
            Certificate { pfx: None, pem: Some(chain), key, chain: None, sign: None, .. } => {
                let chain = self.existing(&format!("{field}.pem"), &chain);
                let key = key.as_ref().map(|key| self.existing(&format!("{field}.key"), key));
                Some(CertificateSource::Pem { chain: chain?, key: key.map_or(Some(None), |k| k.map(Some))?, password })
            }
            Certificate { pfx: None, pem: None, key: None, chain: Some(chain), sign: Some(sign), .. }
                if password.is_none() =>
            {
                let chain = self.existing(&format!("{field}.chain"), &chain);
                let sign = self.sign(&format!("{field}.sign"), sign);
                Some(CertificateSource::Chain { chain: chain?, sign: sign?, number: at })
            }
            _ => {
                self.wrong(field, "give either pfx, or pem with or without key, or chain with sign");
                None
            }
        }
    }

    fn sign(&mut self, field: &str, sign: Program) -> Option<SignProgram> {
        if sign.command.as_os_str().is_empty() {
            self.wrong(format!("{field}.command"), "name the program that signs");
            return None;
        }
        let program = SignProgram::new(self.program(sign.command)).arguments(sign.arguments);
        let Some(timeout) = self.timeout(&format!("{field}.timeout"), sign.timeout) else { return Some(program) };
        if timeout >= HANDSHAKE {
            let text = format!("a handshake has {} s, and the firmware needs some of them", HANDSHAKE.as_secs());
            self.wrong(format!("{field}.timeout"), text);
        }
        Some(program.timeout(timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use amt_core::Failure;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("chain.pem"), "x").unwrap();
        std::fs::write(folder.path().join("word"), "secret\n").unwrap();
        let text = format!("database = \"d\"\nseal_key_file = \"k\"\n[[provisioning_certificate]]\n{text}");
        Config::parse(&text, folder.path(), "fleet.toml")
    }

    #[test]
    fn a_chain_has_a_program_that_signs_for_it() {
        let config = parse(
            "pem = \"chain.pem\"\n[[provisioning_certificate]]\nchain = \"chain.pem\"\n\
             [provisioning_certificate.sign]\ncommand = \"./sign\"\narguments = [\"a\"]\ntimeout = \"5s\"\n",
        )
        .unwrap();
        let CertificateSource::Chain { sign, number, .. } = &config.certificates[1] else {
            panic!("{:?}", config.certificates)
        };
        assert!(sign.path().is_absolute() && sign.path().ends_with("sign"), "{sign:?}");
        assert_eq!(*number, 1);
        let config = parse("chain = \"chain.pem\"\nsign = { command = \"openssl\" }\n").unwrap();
        assert!(
            matches!(&config.certificates[0], CertificateSource::Chain { sign, .. } if sign.path() == Path::new("openssl"))
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        const WHICH: &str =
            "provisioning_certificate[0]: give either pfx, or pem with or without key, or chain with sign";
        for (text, want) in [
            ("chain = \"chain.pem\"\n", WHICH),
            ("sign = { command = \"x\" }\n", WHICH),
            ("chain = \"chain.pem\"\nkey = \"chain.pem\"\nsign = { command = \"x\" }\n", WHICH),
            ("chain = \"chain.pem\"\npassword_file = \"word\"\nsign = { command = \"x\" }\n", WHICH),
            ("pem = \"chain.pem\"\nsign = { command = \"x\" }\n", WHICH),
            ("chain = \"gone\"\nsign = { command = \"x\" }\n", "provisioning_certificate[0].chain: "),
            (
                "chain = \"chain.pem\"\nsign = { command = \"\" }\n",
                "provisioning_certificate[0].sign.command: name the program",
            ),
            (
                "chain = \"chain.pem\"\nsign = { command = \"x\", timeout = \"0s\" }\n",
                "provisioning_certificate[0].sign.timeout: without any time",
            ),
            (
                "chain = \"chain.pem\"\nsign = { command = \"x\", timeout = \"30s\" }\n",
                "provisioning_certificate[0].sign.timeout: a handshake has 30 s",
            ),
            ("chain = \"chain.pem\"\nsign = { program = \"x\" }\n", "unknown field `program`"),
        ] {
            let message = parse(text).unwrap_err().into_details().message;
            assert!(message.contains(want), "{text}\n{message}");
        }
    }
}
