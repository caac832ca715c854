//! What machines become, and who decides about them, in the configuration.

use super::Reading;
use super::file::{self, LegacyConsent, Password};
use crate::guard::GuardPolicy;
use crate::profiles::{Profiles, Settings};
use crate::resolve::CommandResolver;
use amt::profile::{Folder, read_profile};
use amt_core::tls::LegacyTls;
use amt_core::{Finding, Secret, Severity};
use amt_provision::{PasswordPolicy, Plan, plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

impl Reading<'_> {
    pub(super) fn plan(&mut self, at: &str, profile: file::Profile, settings: Option<&Settings>) -> Plan {
        let field = |name: &str| format!("{at}.{name}");
        let mut plan = Plan::new();
        plan.admin_password = self.password(&field("admin_password"), profile.admin_password.as_ref());
        plan.mebx_password = self.password(&field("mebx_password"), profile.mebx_password.as_ref());
        if let Some((settings, passwords)) = settings.and_then(|s| Some((s, s.document.passwords.as_ref()?))) {
            for (name, here, there, policy) in [
                ("admin_password", profile.admin_password.is_some(), &passwords.admin, &mut plan.admin_password),
                ("mebx_password", profile.mebx_password.is_some(), &passwords.mebx, &mut plan.mebx_password),
            ] {
                match there.as_ref().map(|source| source.policy(&mut settings.folder.clone())) {
                    Some(_) if here => self.wrong(field(name), "is in the settings too: give it in one place"),
                    Some(Ok(named)) => *policy = named,
                    Some(Err(failure)) => self.wrong(field(name), failure.into_details().message),
                    None => {}
                }
            }
        }
        if let Some(path) = &profile.known_admin_passwords_file
            && let Some(text) = self.secret_text(&field("known_admin_passwords_file"), path)
        {
            plan.known_admin_passwords =
                text.expose().lines().filter(|line| !line.is_empty()).map(Secret::from).collect();
        }
        plan.otp = profile.otp_file.as_ref().and_then(|path| self.secret_file(&field("otp_file"), path));
        plan.window_hours = profile.window_hours;
        plan.tls.plain_http = profile.tls.plain_http;
        plan.legacy_tls = match profile.legacy_tls {
            None | Some(LegacyConsent::Refuse) => LegacyTls::Refuse,
            Some(LegacyConsent::Allow) => LegacyTls::Allow,
            Some(LegacyConsent::AllowWeak) => LegacyTls::AllowWeak,
        };
        plan.guess_spacing = profile.guess_spacing.unwrap_or(plan.guess_spacing);
        let proof_timeout = self.timeout(&field("proof_timeout"), profile.proof_timeout);
        plan.proof_timeout = proof_timeout.unwrap_or(plan.proof_timeout);
        if plan.guess_spacing < plan::GUESS_SPACING {
            self.findings.push(Finding::new(
                "GUESS-SPACING",
                Severity::Warning,
                field("guess_spacing"),
                "real firmware locks the account when passwords are tried less than 20 s apart",
                "leave guess_spacing out, except against virtual machines",
            ));
        }
        for mut finding in plan.validate() {
            finding.field = field(&finding.field);
            self.findings.push(finding);
        }
        plan
    }

    /// `[profiles.NAME]`, each like `[profile]`, with the names it had before.
    pub(super) fn profiles(&mut self, profiles: BTreeMap<String, file::Profile>) -> Profiles {
        let mut all = Profiles::default();
        for (name, mut profile) in profiles {
            let at = format!("profiles.{name}");
            let aliases = std::mem::take(&mut profile.aliases);
            let settings = profile.settings.take().and_then(|path| self.settings(&format!("{at}.settings"), &path));
            let plan = self.plan(&at, profile, settings.as_ref());
            if let Err(why) = all.add(&name, &aliases, plan) {
                self.wrong(at, why);
            }
            if let Some(settings) = settings {
                all.set_settings(&name, settings);
            }
        }
        all
    }

    /// The document of settings at `path`: what is wrong with it is told as if it stood here.
    pub(super) fn settings(&mut self, at: &str, path: &Path) -> Option<Settings> {
        let path = self.path(path);
        let (document, mut findings) = match read_profile(&path) {
            Ok(read) => read,
            Err(failure) => {
                self.wrong(at, failure.into_details().message);
                return None;
            }
        };
        findings.extend(document.iter().flat_map(|document| document.check(None)));
        for mut finding in findings {
            finding.field = format!("{at} ({}): {}", path.display(), finding.field);
            self.findings.push(finding);
        }
        document.map(|document| Settings { document, folder: Folder::of(&path) })
    }

    pub(super) fn guard(&mut self, guard: &file::Guard) -> GuardPolicy {
        let default = GuardPolicy::default();
        GuardPolicy {
            recent: guard.recent.unwrap_or(default.recent),
            settled: guard.settled.unwrap_or(default.settled),
            park: guard.park.unwrap_or(default.park),
        }
    }

    pub(super) fn resolver(&mut self, resolver: file::Program) -> CommandResolver {
        if resolver.command.as_os_str().is_empty() {
            self.wrong("resolver.command", "name the program that is asked");
        }
        let program = self.program(resolver.command);
        let command = CommandResolver::new(program).arguments(resolver.arguments);
        match self.timeout("resolver.timeout", resolver.timeout) {
            Some(timeout) => command.timeout(timeout),
            None => command,
        }
    }

    /// A bare name is looked for on the PATH, as a shell does.
    pub(super) fn program(&self, program: PathBuf) -> PathBuf {
        if program.components().count() > 1 { self.path(&program) } else { program }
    }

    fn password(&mut self, field: &str, setting: Option<&Password>) -> PasswordPolicy {
        let secret = match setting {
            None | Some(Password::Word(_)) => return PasswordPolicy::Generate,
            Some(Password::File(from)) => self.secret_file(field, &from.file),
            Some(Password::Env(from)) => self.secret_env(field, &from.env),
        };
        secret.map_or(PasswordPolicy::Generate, PasswordPolicy::Fixed)
    }
}
