//! From facts, evidence and the resolver's answer to what happens.

#[cfg(test)]
mod tests;

use super::{Answer, Entry, Question, split_name};
use crate::Machine;
use crate::config::Admission;
use crate::fact::{FactKey, FactSource};
use crate::guard::{Evidence, GuardPolicy, TAKEN_BACK, TAKEN_BACK_HINT, taken_back};
use crate::names::NameTemplate;
use crate::store::{Name, Parked};
use amt_core::Failure;
use amt_provision::Step;

/// What the configuration says of all machines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) admission: Admission,
    pub(crate) guard: GuardPolicy,
    pub(crate) names: NameTemplate,
    pub(crate) suffixes: Vec<String>,
}

/// Whether a machine is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// It is; `note` says why, where that is worth a line in its diary.
    Yes { note: Option<String> },
    /// It is not.
    Park(Parked),
}

/// What shall become of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) admit: Admit,
    /// Name for a machine whose setup has not begun.
    pub(crate) name: Option<Name>,
    /// Whether that name was made from the UUID.
    pub(crate) temporary: bool,
    /// Host name to take where `name` belongs to another machine.
    pub(crate) fallback: Option<String>,
    pub(crate) dns_suffix: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) ou: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) present: Option<String>,
    /// Whether the resolver lets it in whatever the guard says.
    pub(crate) released: bool,
    /// Whether the resolver lets boot actions fire.
    pub(crate) boot: bool,
    /// The final name of a provisioned machine that carries another one.
    pub(crate) rename: Option<Name>,
}

/// Who released a machine that the resolver lets in.
pub(crate) const RESOLVER: &str = "resolver";

impl Decision {
    /// Of a machine about which the resolver could not say anything: it waits until it can.
    pub(crate) fn undecided(machine: &Machine, failure: &Failure) -> Self {
        Self {
            admit: Admit::Park(Parked {
                code: failure.code.name().to_owned(),
                reason: failure.to_string(),
                hint: failure.hint.to_string(),
            }),
            name: None,
            temporary: machine.temporary,
            fallback: None,
            dns_suffix: None,
            profile: machine.profile.clone(),
            ou: machine.ou.clone(),
            labels: Vec::new(),
            present: machine.present.clone(),
            released: false,
            boot: false,
            rename: machine.wanted.clone(),
        }
    }
}

/// Decides about one machine.
pub(crate) fn decide(question: &Question, answer: Answer, defaults: &Defaults) -> Decision {
    let machine = &question.machine;
    let dns_suffix =
        answer.dns_suffix.clone().or_else(|| told(question, FactKey::DnsSuffix)).or_else(|| machine.dns_suffix.clone());
    let suffix = dns_suffix.as_deref().or(defaults.suffixes.first().map(String::as_str));
    let known = final_name(question, &answer, suffix, &defaults.suffixes);
    let rename = if machine.is_verified() && answer.rename != Some(false) {
        known.clone().filter(|name| Some(name.to_string()) != machine.name())
    } else {
        None
    };
    let begun = has_begun(machine);
    let (name, temporary) = match known {
        _ if begun => (None, machine.temporary),
        Some(name) => (Some(name), false),
        // A name that somebody gave it before stays; without a domain it gets the site's.
        None if machine.host_name.is_some() && !machine.temporary => {
            let host = machine.host_name.clone().filter(|_| machine.domain_name.is_none());
            (host.map(|host| Name { host, domain: suffix.map(str::to_owned) }), false)
        }
        None => {
            let (host, domain) = defaults.names.name(machine.id, suffix);
            (Some(Name { host, domain }), true)
        }
    };
    Decision {
        admit: admit(question, &answer, defaults),
        fallback: (temporary && !begun).then(|| defaults.names.fallback(machine.id)),
        name,
        temporary,
        dns_suffix,
        profile: answer.profile.or_else(|| told(question, FactKey::Profile)),
        ou: answer.ou.or_else(|| told(question, FactKey::Ou)),
        labels: answer.labels,
        present: answer.certificate,
        released: answer.entry == Some(Entry::Release) && machine.taken_back.is_none(),
        boot: answer.boot == Some(true),
        rename,
    }
}

/// What the most trusted source says; the hello and DNS are no authorities.
fn told(question: &Question, key: FactKey) -> Option<String> {
    let fact = question.facts.about(key).next().filter(|f| f.source > FactSource::Dns)?;
    Some(fact.value.clone())
}

/// The name that the machine shall keep, if one is known. Only the host part of a full name counts where its domain is
/// none of the site's: the machine's network and its operating system disagree about the domain. What somebody wrote stands as it is.
fn final_name(question: &Question, answer: &Answer, suffix: Option<&str>, site: &[String]) -> Option<Name> {
    let with_suffix = |host: String| Name { host, domain: suffix.map(str::to_owned) };
    if let Some(name) = answer.split_name() {
        return Some(if name.domain.is_some() { name } else { with_suffix(name.host) });
    }
    let of = |key| question.facts.about(key).next().filter(|f| f.source > FactSource::Dns);
    let (full, host) = (of(FactKey::Fqdn), of(FactKey::HostName));
    // A bare host name from a better source than the full name wins over it.
    if let Some(host) = host
        && full.is_none_or(|full| full.source < host.source)
    {
        return Some(with_suffix(host.value.clone()));
    }
    let full = full?;
    let name = split_name(&full.value);
    let written = full.source >= FactSource::List;
    let agrees =
        |domain: &str| written || Some(domain) == suffix || site.is_empty() || site.iter().any(|s| s == domain);
    Some(match &name.domain {
        Some(domain) if agrees(domain) => name,
        _ => with_suffix(name.host),
    })
}

/// Whether the firmware may have been given something already: from then on names stay, and the machine is finished.
pub(crate) fn has_begun(machine: &Machine) -> bool {
    machine.is_verified() || machine.step.is_some_and(|step| step >= Step::RecordCredentials)
}

fn admit(question: &Question, answer: &Answer, defaults: &Defaults) -> Admit {
    let machine = &question.machine;
    let because = |note: String| Admit::Yes { note: Some(note) };
    let park = |code: &str, reason: String, hint: &str| {
        Admit::Park(Parked { code: code.to_owned(), reason, hint: hint.to_owned() })
    };
    if has_begun(machine) || machine.redo {
        return Admit::Yes { note: None };
    }
    // Neither a rule nor the configuration undoes what somebody had done to this machine.
    if let Some(taken) = &machine.taken_back {
        return park(TAKEN_BACK, taken_back(&taken.extent, &taken.by), TAKEN_BACK_HINT);
    }
    let strong: Vec<&Evidence> = question.evidence.iter().filter(|e| e.kind.is_strong()).collect();
    let texts = || strong.iter().map(|e| e.text.as_str()).collect::<Vec<_>>().join("; ");
    // What the resolver once released it may take back.
    if let Some(release) = machine.released.as_ref().filter(|release| release.by != RESOLVER) {
        return because(format!("released by {}", release.by));
    }
    if answer.entry == Some(Entry::Release) {
        let reason = answer.reason.as_deref().unwrap_or("no reason given");
        return because(format!("released by the resolver: {reason}"));
    }
    if let Some(conflict) = question.conflicts.first() {
        let all: Vec<&str> = question.conflicts.iter().map(|c| c.text.as_str()).collect();
        return park(conflict.kind.name(), all.join("; "), conflict.kind.hint());
    }
    if answer.entry == Some(Entry::Park) {
        let reason = answer.reason.clone().unwrap_or_else(|| "the resolver keeps it out".to_owned());
        return park("RESOLVER", reason, "change the rule that says so, or `amt fleet release UUID`");
    }
    if !strong.is_empty() && defaults.guard.park {
        return park(
            "IN-USE",
            format!("it seems to have another owner: {}", texts()),
            "look at it; if it may be provisioned, `amt fleet release UUID`, or a rule with entry = \"release\"",
        );
    }
    if machine.admitted || answer.entry == Some(Entry::Admit) || defaults.admission == Admission::Auto {
        let note = (!strong.is_empty()).then(|| format!("let in although {}", texts()));
        return Admit::Yes { note };
    }
    park(
        "UNKNOWN",
        "this machine is not on the list, and no rule lets it in".to_owned(),
        "`amt fleet release UUID` lets it in; a list, a rule or admit = \"auto\" does so for all",
    )
}
