//! Rules and actions of the configuration.

use super::Reading;
use super::file;
use crate::action::{ActionRule, Command, Deed, Trigger, Webhook};
use crate::filter::Filter;
use crate::resolve::{Answer, Rule, Rules, Template};
use amt_provision::boot::BootSource;
use std::path::Path;

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
                Err(failure) => self.wrong(format!("rule[{at}]"), failure.message),
            }
            (read.entry, read.boot, read.rename) = (rule.entry, rule.boot, rule.rename);
            read
        });
        Rules(rules.collect())
    }

    /// `[[action]]`
    pub(super) fn actions(&mut self, actions: Vec<file::Action>) -> Vec<ActionRule> {
        let mut read: Vec<ActionRule> = Vec::new();
        for (at, action) in actions.into_iter().enumerate() {
            let field = |name: &str| format!("action[{at}].{name}");
            if action.name.trim().is_empty() || read.iter().any(|other| other.name == action.name) {
                self.wrong(field("name"), "each action needs a name of its own: what is still to be done refers to it");
            }
            if action.name == crate::RENAME {
                self.wrong(field("name"), "is the name of what gives machines their final names");
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
        match (&action.command, &action.webhook, action.boot) {
            (Some(program), None, None) => {
                let command = Command::new(self.program(program.clone())).arguments(action.arguments.clone());
                Some(Deed::Command(match action.timeout {
                    Some(timeout) => command.timeout(timeout),
                    None => command,
                }))
            }
            (None, Some(url), None) => self.webhook(at, url, action).map(Deed::Webhook),
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

    fn webhook(&mut self, at: usize, url: &str, action: &file::Action) -> Option<Webhook> {
        let mut webhook = Webhook::new(url).map_err(|why| self.wrong(format!("action[{at}].webhook"), why)).ok()?;
        if let Some(path) = action.secret_file.as_deref().map(Path::new) {
            webhook = webhook.secret(self.secret_file(&format!("action[{at}].secret_file"), path)?);
        }
        Some(match action.timeout {
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
