//! Rules and actions of the configuration.

use super::Reading;
use super::file;
use crate::action::{ActionRule, Command, Deed, Trigger, Webhook};
use crate::filter::Filter;
use crate::profiles::Profiles;
use crate::resolve::{Answer, Rule, Rules, Template};
use crate::store::{CONFIGURE, RENAME, RENEW};
use amt_core::{Finding, Severity};
use amt_provision::boot::BootSource;
use std::path::Path;
use std::time::Duration;

impl Reading<'_> {
    /// `[[rule]]`
    pub(super) fn rules(&mut self, rules: Vec<file::Rule>) -> Rules {
        let rules = rules.into_iter().enumerate().map(|(at, rule)| {
            let field = |name: &str| format!("rule[{at}].{name}");
            let mut read = Rule::new(self.filter(&field("when"), rule.when.as_deref()));
            read.name = rule.name.and_then(|text| self.template(&field("name"), &text));
            read.ou = rule.ou.and_then(|text| self.template(&field("ou"), &text));
            read.labels = rule.labels.iter().filter_map(|text| self.template(&field("labels"), text)).collect();
            read.certificate = rule.certificate.and_then(|text| {
                let digits: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
                if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Some(digits);
                }
                self.wrong(
                    field("certificate"),
                    "is not the SHA-256 of a provisioning certificate, 64 hexadecimal digits",
                );
                None
            });
            let probe =
                Answer { reason: rule.reason, dns_suffix: rule.dns_suffix, profile: rule.profile, ..Answer::default() };
            match probe.normalised() {
                Ok(answer) => {
                    (read.reason, read.dns_suffix, read.profile) = (answer.reason, answer.dns_suffix, answer.profile);
                }
                Err(failure) => self.wrong(format!("rule[{at}]"), failure.into_details().message),
            }
            (read.entry, read.boot, read.rename) = (rule.entry, rule.boot, rule.rename);
            read
        });
        Rules(rules.collect())
    }

    /// A rule that gives machines a profile that is not there makes every attempt on them fail. It may be on its way, so it is a warning.
    pub(super) fn profiles_of_rules(&mut self, rules: &Rules, profiles: &Profiles) {
        for (at, rule) in rules.0.iter().enumerate() {
            if let Some(Err(failure)) = rule.profile.as_ref().map(|name| profiles.find(name)) {
                let field = format!("rule[{at}].profile");
                let finding = Finding::new(
                    "RULE-PROFILE",
                    Severity::Warning,
                    field,
                    failure.message.clone(),
                    failure.hint.clone(),
                );
                self.findings.push(finding);
            }
        }
    }

    /// Time that something is given, if it is given any.
    pub(super) fn timeout(&mut self, field: &str, timeout: Option<Duration>) -> Option<Duration> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.wrong(field, "without any time it never succeeds: give more, or leave it out");
        }
        timeout
    }

    /// `[[action]]`
    pub(super) fn actions(&mut self, actions: Vec<file::Action>) -> Vec<ActionRule> {
        let mut read: Vec<ActionRule> = Vec::new();
        for (at, action) in actions.into_iter().enumerate() {
            let field = |name: &str| format!("action[{at}].{name}");
            if action.name.trim().is_empty() || read.iter().any(|other| other.name == action.name) {
                self.wrong(field("name"), "each action needs a name of its own: what is still to be done refers to it");
            }
            for (name, what) in [
                (RENAME, "gives machines their final names"),
                (CONFIGURE, "applies their settings"),
                (RENEW, "renews their certificates"),
            ] {
                if action.name == name {
                    self.wrong(field("name"), format!("is the name of what {what}"));
                }
            }
            let when = self.filter(&field("when"), action.when.as_deref());
            let on = action.on.parse::<Trigger>().map_err(|why| self.wrong(field("on"), why));
            let deed = self.deed(at, &action);
            if let (Ok(on), Some(deed)) = (on, deed) {
                let mut rule = ActionRule::new(action.name, on, deed);
                (rule.when, rule.attempts) = (when, action.attempts.unwrap_or(rule.attempts));
                read.push(rule);
            }
        }
        read
    }

    fn deed(&mut self, at: usize, action: &file::Action) -> Option<Deed> {
        let field = |name: &str| format!("action[{at}].{name}");
        let is_command = action.command.is_some();
        if !is_command && !action.arguments.is_empty() {
            self.wrong(field("arguments"), "only a command has arguments");
        }
        if action.webhook.is_none() && action.secret_file.is_some() {
            self.wrong(field("secret_file"), "only a webhook is signed");
        }
        let timeout = self.timeout(&field("timeout"), action.timeout);
        match (&action.command, &action.webhook, action.boot) {
            (Some(program), None, None) => {
                let command = Command::new(self.program(program.clone())).arguments(action.arguments.clone());
                Some(Deed::Command(match timeout {
                    Some(timeout) => command.timeout(timeout),
                    None => command,
                }))
            }
            (None, Some(url), None) => self.webhook(at, url, action, timeout).map(Deed::Webhook),
            (None, None, Some(source)) => Some(Deed::Boot(match source {
                file::Boot::Network => BootSource::Network,
                file::Boot::HardDrive => BootSource::HardDrive,
                file::Boot::Optical => BootSource::Optical,
            })),
            _ => {
                self.wrong(format!("action[{at}]"), "give one of command, webhook and boot");
                None
            }
        }
    }

    fn webhook(&mut self, at: usize, url: &str, action: &file::Action, timeout: Option<Duration>) -> Option<Webhook> {
        let mut webhook = Webhook::new(url).map_err(|why| self.wrong(format!("action[{at}].webhook"), why)).ok()?;
        if let Some(path) = action.secret_file.as_deref().map(Path::new) {
            webhook = webhook.secret(self.secret_file(&format!("action[{at}].secret_file"), path)?);
        }
        Some(match timeout {
            Some(timeout) => webhook.timeout(timeout),
            None => webhook,
        })
    }

    /// An expression; without one every machine.
    fn filter(&mut self, field: &str, text: Option<&str>) -> Filter {
        let Some(text) = text else { return Filter::every() };
        Filter::parse(text).unwrap_or_else(|error| {
            self.wrong(field, error);
            Filter::every()
        })
    }

    fn template(&mut self, field: &str, text: &str) -> Option<Template> {
        text.parse().map_err(|why| self.wrong(field, why)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::resolve::Entry;
    use amt_core::Failure;

    fn parse(text: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "shared\n").unwrap();
        let text = format!("database = \"d\"\nseal_key_file = \"k\"\n{text}");
        Config::parse(&text, folder.path(), "fleet.toml")
    }

    #[test]
    fn rules_and_actions_are_read_in_their_order() {
        let digest = "AB:".repeat(31) + "AB";
        let config = parse(&format!(
            "[[rule]]\nwhen = \"host = pc1\"\nentry = \"release\"\nname = \"{{serial}}.x.example\"\nlabels = [\"a\", \"{{mac}}\"]\n\
             certificate = \"{digest}\"\ndns_suffix = \"X.Example\"\nboot = true\nrename = false\n\
             [[rule]]\nentry = \"park\"\nreason = \"all others\"\n\
             [[action]]\nname = \"a\"\non = \"joined:lab\"\ncommand = \"./tell\"\narguments = [\"x\"]\nattempts = 0\n\
             [[action]]\nname = \"b\"\non = \"provisioned\"\nwebhook = \"https://x.example/\"\nsecret_file = \"secret\"\n\
             [[action]]\nname = \"c\"\non = \"left:lab\"\nboot = \"hard-drive\"\nwhen = \"temporary\"\n"
        ))
        .unwrap();
        let [first, second] = config.rules.0.as_slice() else { panic!("{:?}", config.rules) };
        assert_eq!((first.entry.clone(), first.boot, first.rename), (Some(Entry::Release), Some(true), Some(false)));
        assert_eq!(first.certificate.as_deref(), Some("ab".repeat(32).as_str()));
        assert_eq!(first.dns_suffix.as_deref(), Some("x.example"));
        assert_eq!(first.name.as_ref().map(ToString::to_string).as_deref(), Some("{serial}.x.example"));
        assert_eq!((first.labels.len(), first.when.to_string().as_str()), (2, "host = pc1"));
        assert_eq!((second.when.to_string().as_str(), second.reason.as_deref()), ("", Some("all others")));
        let [a, b, c] = config.actions.as_slice() else { panic!("{:?}", config.actions) };
        assert_eq!((a.on.clone(), a.attempts), (Trigger::Joined("lab".into()), 0));
        assert!(matches!(a.deed, Deed::Command(_)) && matches!(b.deed, Deed::Webhook(_)));
        assert_eq!((b.on.clone(), b.attempts), (Trigger::Provisioned, crate::action::ATTEMPTS));
        assert!(matches!(c.deed, Deed::Boot(BootSource::HardDrive)) && c.when.to_string() == "temporary");
        assert!(!format!("{config:?}").contains("shared"), "no secret in Debug");
    }

    #[test]
    fn a_rule_with_a_profile_that_is_not_there_is_warned_of() {
        let text =
            "[profiles.desk]\naliases = [\"office\"]\n[[rule]]\nprofile = \"Office\"\n[[rule]]\nprofile = \"desc\"\n";
        let config = parse(text).unwrap();
        let warnings: Vec<_> = config.warnings.iter().map(|w| (w.code, w.field.as_str())).collect();
        assert_eq!(warnings, [("RULE-PROFILE", "rule[1].profile")]);
    }

    #[test]
    fn mistakes_are_named_with_rule_or_action_and_key() {
        for (text, want) in [
            ("[[rule]]\nwhen = \"verson > 1\"\n", "rule[0].when: column 1: there is no field \"verson\""),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\ncommand = \"x\"\ntimeout = \"0s\"\n",
                "action[0].timeout: without any time",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nwebhook = \"https://x.example/\"\ntimeout = \"0s\"\n",
                "action[0].timeout: without any time",
            ),
            ("[resolver]\ncommand = \"x\"\ntimeout = \"0s\"\n", "resolver.timeout: without any time"),
            ("[resolver]\ncommand = \"\"\n", "resolver.command: "),
            ("[profile]\nproof_timeout = \"0s\"\n", "profile.proof_timeout: without any time"),
            ("[[rule]]\n[[rule]]\nname = \"{serail}\"\n", "rule[1].name: {serail} is not known"),
            ("[[rule]]\nlabels = [\"{\"]\n", "rule[0].labels: a { is not closed"),
            ("[[rule]]\nou = \"\"\n", "rule[0].ou: is empty"),
            ("[[rule]]\ncertificate = \"ab\"\n", "rule[0].certificate: is not the SHA-256"),
            ("[[rule]]\ndns_suffix = \"a b\"\n", "rule[0]: the resolver's dns_suffix is not a DNS name"),
            ("[[rule]]\nentry = \"let in\"\n", "unknown variant `let in`"),
            ("[[rule]]\nif = \"x\"\n", "unknown field `if`"),
            ("[[action]]\nname = \"a\"\non = \"hello\"\nboot = \"network\"\n", "action[0].on: \"hello\" is none of"),
            (
                "[[action]]\nname = \"a\"\non = \"joined:\"\nboot = \"network\"\n",
                "action[0].on: \"joined:\" is none of",
            ),
            ("[[action]]\nname = \"a\"\non = \"provisioned\"\n", "action[0]: give one of command, webhook and boot"),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\ncommand = \"x\"\n",
                "action[0]: give one of command, webhook and boot",
            ),
            (
                "[[action]]\nname = \" \"\non = \"provisioned\"\nboot = \"network\"\n",
                "action[0].name: each action needs a name",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\n\
                 [[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\n",
                "action[1].name: each action needs a name of its own",
            ),
            (
                "[[action]]\nname = \"rename\"\non = \"provisioned\"\nboot = \"network\"\n",
                "action[0].name: is the name of",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\narguments = [\"x\"]\n",
                "action[0].arguments: only a command has arguments",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\nsecret_file = \"secret\"\n",
                "action[0].secret_file: only a webhook is signed",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nwebhook = \"https://x/\"\nsecret_file = \"gone\"\n",
                "action[0].secret_file: ",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nwebhook = \"ftp://x/\"\n",
                "action[0].webhook: the URL does not begin with",
            ),
            (
                "[[action]]\nname = \"a\"\non = \"provisioned\"\nwebhook = \"https://u:p@x/\"\n",
                "action[0].webhook: a user or password",
            ),
            ("[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"floppy\"\n", "unknown variant `floppy`"),
            ("[[action]]\nname = \"a\"\non = \"provisioned\"\nboot = \"network\"\nwhen = \"(\"\n", "action[0].when: "),
        ] {
            let message = parse(text).unwrap_err().into_details().message;
            assert!(message.contains(want), "{text}\n{message}");
        }
    }
}
