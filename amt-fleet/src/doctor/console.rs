//! This console's own certificate: whether there is one to show to machines with mutual TLS, and for how long.

use super::{Area, Doctor};
use crate::Glance;
use crate::console::{Console, ConsoleCertificate, is_due, seconds};
use crate::json::moment;
use crate::seal::SealKey;
use amt_core::Severity::{Error, Info, Warning};
use amt_core::{ErrorCode, Failure};

const ASK: &str =
    "start the setup server, which asks the authority for one, or run `amt fleet console request --config FILE`";

impl Doctor<'_> {
    /// Nothing is said where the configuration wants none.
    pub(super) fn console(&mut self, glance: Option<&Glance>) {
        let Some(settings) = &self.config.console else { return };
        let name = settings.name.clone();
        let Some(kept) = self.kept(&name, glance) else { return };
        let now = self.now;
        let good = kept.current.as_ref().is_some_and(|current| current.is_good(now));
        match &kept.current {
            Some(current) => self.certificate(&name, current, kept.request.is_some()),
            None if kept.request.is_none() => {
                let text = "the console has no certificate yet: machines with mutual TLS do not let it in";
                self.report(Area::Console, Warning, "CONSOLE-NONE", &name, text, ASK);
            }
            None => {}
        }
        let Some(request) = &kept.request else { return };
        match &request.failure {
            Some(failure) => self.waiting(&name, failure, good),
            None => {
                let text = "a key was made, and the authority was not asked yet";
                self.report(Area::Console, Warning, "CONSOLE-PENDING", &name, text, ASK);
            }
        }
    }

    /// What the database has. Where it cannot be read the database's own findings tell why.
    fn kept(&mut self, name: &str, glance: Option<&Glance>) -> Option<Console> {
        let kept = match glance {
            None => Some(Ok(Console::default())),
            Some(glance) => SealKey::read(&self.config.files.seal_key_file).ok().and_then(|key| glance.console(&key)),
        };
        match kept? {
            Ok(kept) => Some(kept),
            Err(failure) => {
                self.failure(Area::Console, "CONSOLE", name, &failure);
                None
            }
        }
    }

    fn certificate(&mut self, name: &str, current: &ConsoleCertificate, is_asked: bool) {
        let now = seconds(self.now);
        let Some(validity) = current.validity() else {
            let text = "the console's certificate cannot be read";
            let hint = "run `amt fleet console request --new --config FILE`";
            return self.report(Area::Console, Error, "CONSOLE", name, text, hint);
        };
        let until = day(validity.not_after);
        if validity.not_after <= now {
            let text = format!("the console's certificate ended on {until}: machines with mutual TLS do not let it in");
            let hint = if is_asked { "see below what keeps it from another one" } else { ASK };
            return self.report(Area::Console, Error, "CONSOLE-ENDED", name, text, hint);
        }
        if validity.not_before > now {
            let text = format!("the console's certificate is good from {} on only", day(validity.not_before));
            let hint = "set this host's clock, or the authority's";
            return self.report(Area::Console, Error, "CONSOLE-NOTYET", name, text, hint);
        }
        if current.name != name {
            let text = format!("the console's certificate is of {}, its name before", current.name);
            return self.report(Area::Console, Warning, "CONSOLE-NAME", name, text, ASK);
        }
        if is_due(self.config.console_due(), current, self.now) && !is_asked {
            let text = format!("the console's certificate is good until {until}, and to be renewed now");
            return self.report(Area::Console, Warning, "CONSOLE-DUE", name, text, ASK);
        }
        let let_in = if current.proven_at.is_some() { "was let in by a machine" } else { "no machine was reached yet" };
        let text = format!("the console's certificate is good until {until}; {let_in}");
        self.report(Area::Console, Info, "CONSOLE-OK", name, text, "");
    }

    /// Why there is no certificate, or no newer one.
    fn waiting(&mut self, name: &str, failure: &Failure, good: bool) {
        let (code, severity) = match failure.code {
            ErrorCode::CA_PENDING => ("CONSOLE-PENDING", Warning),
            _ if good => ("CONSOLE-REFUSED", Warning),
            _ => ("CONSOLE-REFUSED", Error),
        };
        let hint = failure.hint.to_string();
        self.report(Area::Console, severity, code, name, failure.message.clone(), &hint);
    }
}

/// The day, UTC.
fn day(seconds: i64) -> String {
    let text = moment(seconds).unwrap_or_else(|| "before 1970".to_owned());
    text.split('T').next().unwrap_or_default().to_owned()
}
