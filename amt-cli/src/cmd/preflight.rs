//! `amt preflight`: will this certificate provision that machine? Every reason why not.

use super::hello::{MAX_FILE, decode};
use super::{Error, Verdict};
use crate::input;
use crate::output::Output;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt_core::hello::Hello;
use amt_core::pki::{PreflightInput, SuffixInput, preflight};
use amt_core::{ErrorCode, Failure, Finding, FirmwareVersion, Secret};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Password of the PFX or key, where no file is given.
const PASSWORD_VARIABLE: &str = "AMT_CERTIFICATE_PASSWORD";

/// Check a provisioning certificate against a machine, before connecting
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("bundle").required(true).multiple(false))]
pub(crate) struct Preflight {
    /// The certificate with chain and key, as PFX (PKCS#12)
    #[arg(long, value_name = "FILE", group = "bundle")]
    pfx: Option<PathBuf>,

    /// The certificate with its chain, as PEM (or one certificate in DER); may hold the key
    #[arg(long, value_name = "FILE", group = "bundle")]
    pem: Option<PathBuf>,

    /// The private key, if it is in a file of its own
    #[arg(long, value_name = "FILE", requires = "pem")]
    key: Option<PathBuf>,

    /// File whose first line is the password of the PFX or key; otherwise $AMT_CERTIFICATE_PASSWORD, or none
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// What the machine said, as bytes or hex text
    #[arg(long, value_name = "FILE")]
    hello: Option<PathBuf>,

    /// DNS suffix of the machine's network: DHCP option 15, or what is set in MEBx
    #[arg(long, conflicts_with = "no_suffix")]
    suffix: Option<String>,

    /// The machine has no DNS suffix, neither by DHCP nor in MEBx
    #[arg(long)]
    no_suffix: bool,

    /// The machine's firmware version, for example 16.1
    #[arg(long, value_name = "VERSION")]
    firmware: Option<String>,

    /// The address at hand is the machine's wireless one
    #[arg(long)]
    wireless: bool,

    /// Judge validity at this time instead of now: RFC 3339 in UTC, for example 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

impl Preflight {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let bundle = self.bundle()?;
        let hello = self.hello.as_ref().map(|file| decode(&input::read(file, MAX_FILE)?)).transpose()?;
        let now = match &self.now {
            Some(text) => rfc3339(text).ok_or_else(|| {
                Error::usage(format!("{text:?} is not a time in UTC"), "write it like 2026-01-31T12:00:00Z")
            })?,
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed()),
        };
        let firmware = self.firmware.as_deref().map(str::parse::<FirmwareVersion>).transpose().map_err(Error::Usage)?;
        let mut check = PreflightInput::new(bundle.facts(), now);
        check.hello = hello.as_ref();
        check.firmware = firmware;
        check.wireless = self.wireless;
        check.suffix = match self.suffix.as_deref().map(str::trim) {
            _ if self.no_suffix => SuffixInput::Absent,
            Some("") => SuffixInput::Absent,
            Some(suffix) => SuffixInput::Known(suffix),
            None => SuffixInput::Unknown,
        };
        let findings = preflight(&check);
        if findings.is_empty() && !out.is_json() {
            out.text(&all_clear(&check, &bundle))?;
            return Ok(Verdict::Done);
        }
        let verdict = out.findings(&findings)?;
        if !out.is_json() {
            out.text(&closing(&findings, &check))?;
        }
        Ok(verdict)
    }

    fn bundle(&self) -> Result<Bundle, Error> {
        let password = self.password()?;
        let read = |file: &PathBuf| input::read(file, MAX_BUNDLE);
        match (&self.pfx, &self.pem) {
            (Some(pfx), _) => {
                let password = password.unwrap_or_else(|| Secret::from(""));
                Ok(Bundle::from_pfx(&read(pfx)?, &password).map_err(|failure| self.named(failure, pfx))?)
            }
            (None, Some(pem)) => {
                let key = self.key.as_ref().map(read).transpose()?;
                let bundle = Bundle::from_pem(&read(pem)?, key.as_deref(), password.as_ref());
                Ok(bundle.map_err(|failure| self.named(failure, pem))?)
            }
            (None, None) => Err(Error::usage("there is no certificate", "give --pfx FILE or --pem FILE")),
        }
    }

    fn password(&self) -> Result<Option<Secret<String>>, Error> {
        let given = self.password_file.is_some() || std::env::var_os(PASSWORD_VARIABLE).is_some_and(|v| !v.is_empty());
        given.then(|| input::passphrase(self.password_file.as_ref(), PASSWORD_VARIABLE)).transpose()
    }

    /// The failure with the file it is about, and with the way to give a password if there was none.
    fn named(&self, mut failure: Failure, file: &std::path::Path) -> Failure {
        failure.message = format!("{}: {}", file.display(), failure.message);
        let has_remedy = failure.hint != failure.code.hint();
        if failure.code == ErrorCode::PFX_OPEN && self.password_file.is_none() && !has_remedy {
            failure = failure.hint(format!("give the password with --password-file FILE or ${PASSWORD_VARIABLE}"));
        }
        failure
    }
}

/// What was checked, and what could not be for want of facts.
fn all_clear(check: &PreflightInput<'_>, bundle: &Bundle) -> String {
    let leaf = bundle.facts().leaf().and_then(|at| bundle.facts().certificates.get(at));
    let leaf = leaf.map(|cert| cert.subject.text.as_str()).unwrap_or_default();
    format!("nothing speaks against this certificate: {leaf}\n{}", scope(check))
}

fn closing(findings: &[Finding], check: &PreflightInput<'_>) -> String {
    let errors = findings.iter().filter(|finding| finding.severity == amt_core::Severity::Error).count();
    let verdict = match errors {
        0 => "machines will accept it, with the reservations above".to_owned(),
        1 => "1 reason why the machine will refuse it".to_owned(),
        n => format!("{n} reasons why the machine will refuse it"),
    };
    format!("\n{verdict}\n{}", scope(check))
}

fn scope(check: &PreflightInput<'_>) -> String {
    if check.chain.pfx.as_ref().is_some_and(|pfx| !pfx.opened) {
        return "not checked: what is in the file, since it cannot be opened\n".to_owned();
    }
    let hello = |hello: &Hello| hello.roots().len();
    let parts = [
        (true, "file, key, chain, validity, usages".to_owned(), ""),
        (
            check.hello.is_some(),
            format!("the machine's {} root hashes", check.hello.map_or(0, hello)),
            "the machine's root hashes (--hello)",
        ),
        (
            check.firmware.is_some(),
            format!("firmware {}", check.firmware.unwrap_or_default()),
            "its firmware version (--firmware)",
        ),
        (check.suffix != SuffixInput::Unknown, "the DNS suffix".to_owned(), "its DNS suffix (--suffix)"),
    ];
    let checked: Vec<&str> = parts.iter().filter(|(known, _, _)| *known).map(|(_, text, _)| text.as_str()).collect();
    let missing: Vec<&str> = parts.iter().filter(|(known, _, _)| !known).map(|(_, _, text)| *text).collect();
    let mut text = format!("checked: {}\n", checked.join("; "));
    if !missing.is_empty() {
        text.push_str(&format!("not checked: {}\n", missing.join("; ")));
    }
    text
}

/// Seconds since 1970 of `YYYY-MM-DDThh:mm:ssZ`.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.trim().strip_suffix(['Z', 'z'])?.split_once(['T', 't', ' '])?;
    let numbers = |text: &str, mark: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(mark).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(time, ':')?);
    let fits = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !fits || !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    // Days of the proleptic Gregorian calendar, counted from March so that leap days end a year.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:30:15Z", 951_827_415),
            ("2026-01-01t00:00:00z", 1_767_225_600),
            ("2100-03-01 00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(rfc3339(text), Some(seconds), "{text}");
        }
        for text in
            ["", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "x-y-zT1:2:3Z"]
        {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
