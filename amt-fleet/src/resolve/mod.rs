//! Who is this machine, and what shall become of it: decided on the server, at one place, for every client.
//!
//! The server asks a [`Resolver`] about a machine whenever it says hello or something new is told of it. Built in are rules of the
//! configuration, a program ([`CommandResolver`]) and a callback (any function from [`Question`] to [`Answer`]). What the
//! resolver leaves open is decided by the defaults of the configuration.

mod command;
mod decide;
mod preview;
mod rules;
mod template;

pub use command::CommandResolver;
pub(crate) use decide::{Admit, Decision, Defaults, RESOLVER, decide, has_begun};
pub use preview::{Foreseen, Preview, dry_run, foresee, look};
pub use rules::{Rule, Rules};
pub use template::Template;

use crate::fact::{FactKey, Facts};
use crate::filter::Subject;
use crate::guard::{Conflict, Evidence, other_board};
use crate::store::Name;
use crate::{Fleet, Machine};
use amt_core::{ErrorCode, Failure, SystemId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

/// Most labels in an answer.
pub const MAX_LABELS: usize = crate::fact::MAX_VALUES;

/// All that the server knows of a machine when it asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// Its record.
    pub machine: Machine,
    /// What is said of it, and by whom.
    pub facts: Facts,
    /// What speaks for its being in use.
    pub evidence: Vec<Evidence>,
    /// Records that contradict each other.
    pub conflicts: Vec<Conflict>,
    /// Collections that it belongs to.
    pub collections: Vec<String>,
    /// DNS suffixes of the site.
    pub suffixes: Vec<String>,
    /// When it is asked.
    pub now: SystemTime,
}

impl Question {
    /// The machine as filters judge it.
    pub fn subject(&self) -> Subject<'_> {
        Subject { machine: &self.machine, facts: &self.facts, collections: &self.collections, now: self.now }
    }

    /// All that keeps a boot action from firing, in words: any evidence, weak too, and every contradiction.
    pub fn against_boot(&self) -> Vec<&str> {
        self.evidence.iter().map(|e| e.text.as_str()).chain(self.conflicts.iter().map(|c| c.text.as_str())).collect()
    }

    /// The question as a program gets it.
    ///
    /// ```json
    /// {"uuid":"…","state":"parked","name":null,"address":"10.0.0.5","version":"16.1.0","verified":false,
    ///  "values":{"fqdn":"pc1.example.com","mac":["00:1b:21:aa:bb:cc"]},
    ///  "facts":[{"key":"fqdn","value":"pc1.example.com","source":"agent","since":1700000000,"at":1700000000}],
    ///  "evidence":[{"kind":"credentials-set","strong":false,"text":"…"}],
    ///  "conflicts":[{"kind":"MAC-ELSEWHERE","other":"…","text":"…"}],
    ///  "collections":["lab"],"suffixes":["example.com"]}
    /// ```
    pub fn to_json(&self) -> Value {
        let machine = &self.machine;
        let mut values = serde_json::Map::new();
        for key in FactKey::ALL {
            let all = self.facts.values(*key);
            let value = match all.first() {
                Some(first) if !key.is_many() => json!(first),
                Some(_) => json!(all),
                None => continue,
            };
            values.insert(key.name().to_owned(), value);
        }
        let facts: Vec<Value> = self.facts.iter().map(|f| {
            json!({ "key": f.key.name(), "value": f.value, "source": f.source.name(), "since": seconds(f.since), "at": seconds(f.at) })
        }).collect();
        let evidence: Vec<Value> = self
            .evidence
            .iter()
            .map(|e| json!({ "kind": e.kind.name(), "strong": e.kind.is_strong(), "text": e.text }))
            .collect();
        let conflicts: Vec<Value> = self
            .conflicts
            .iter()
            .map(|c| json!({ "kind": c.kind.name(), "other": c.other.map(|id| id.to_string()), "text": c.text }))
            .collect();
        json!({
            "uuid": machine.id.to_string(),
            "state": machine.state.name(),
            "name": machine.name(),
            "temporary": machine.temporary,
            "address": machine.address.map(|a| a.to_string()),
            "version": machine.firmware.map(|v| v.to_string()),
            "verified": machine.is_verified(),
            "values": values,
            "facts": facts,
            "evidence": evidence,
            "conflicts": conflicts,
            "collections": self.collections,
            "suffixes": self.suffixes,
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Whether a machine is let in, as far as a resolver says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// Let it in, unless the guard has something against it.
    Admit,
    /// Let it in whatever the guard says: somebody has looked.
    Release,
    /// Keep it out.
    Park,
}

/// What a resolver says. What it leaves out is decided by others or by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Answer {
    /// Whether it is let in.
    pub entry: Option<Entry>,
    /// Why, for the diary and for whoever reads of a parked machine.
    pub reason: Option<String>,
    /// Name to give it: `host.domain`, or a host name alone, whose domain is then the DNS suffix.
    pub name: Option<String>,
    /// DNS suffix that its firmware has.
    pub dns_suffix: Option<String>,
    /// Profile, by name or alias.
    pub profile: Option<String>,
    /// Labels, beside those that others give it.
    pub labels: Vec<String>,
    /// Organisational unit.
    pub ou: Option<String>,
    /// SHA-256 (hex) or configured name of the only provisioning certificate to present.
    pub certificate: Option<String>,
    /// Whether boot actions may fire whatever the guard says.
    pub boot: Option<bool>,
    /// Whether a provisioned machine is renamed when its final name becomes known; by default it is.
    pub rename: Option<bool>,
}

impl Answer {
    /// This answer, completed by `other` where it says nothing. Labels of both are kept.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if self.entry.is_none() {
            (self.entry, self.reason) = (other.entry, self.reason.or(other.reason));
        }
        for label in other.labels {
            if !self.labels.contains(&label) {
                self.labels.push(label);
            }
        }
        Self {
            name: self.name.or(other.name),
            dns_suffix: self.dns_suffix.or(other.dns_suffix),
            profile: self.profile.or(other.profile),
            ou: self.ou.or(other.ou),
            certificate: self.certificate.or(other.certificate),
            boot: self.boot.or(other.boot),
            rename: self.rename.or(other.rename),
            ..self
        }
    }

    /// The answer with every value in the form in which it is stored.
    ///
    /// # Errors
    /// `RESOLVER` naming the field whose value cannot be.
    pub fn normalised(mut self) -> Result<Self, Failure> {
        let wrong = |field: &str, why: &str| {
            Failure::new(ErrorCode::RESOLVER, "resolve", format!("the resolver's {field} {why}"))
        };
        if let Some(name) = &mut self.name {
            let key = if name.contains('.') { FactKey::Fqdn } else { FactKey::HostName };
            *name = key.normalise(name).map_err(|why| wrong("name", &why))?;
        }
        for (field, key, value) in [
            ("dns_suffix", FactKey::DnsSuffix, &mut self.dns_suffix),
            ("profile", FactKey::Profile, &mut self.profile),
            ("ou", FactKey::Ou, &mut self.ou),
            ("certificate", FactKey::Profile, &mut self.certificate),
            ("reason", FactKey::Os, &mut self.reason),
        ] {
            if let Some(text) = value {
                *text = key.normalise(text).map_err(|why| wrong(field, &why))?;
            }
        }
        if self.labels.len() > MAX_LABELS {
            return Err(wrong("labels", &format!("are more than {MAX_LABELS}")));
        }
        for label in &mut self.labels {
            *label = FactKey::Label.normalise(label).map_err(|why| wrong("label", &why))?;
        }
        Ok(self)
    }

    /// The name as host and domain.
    pub(crate) fn split_name(&self) -> Option<Name> {
        Some(split_name(self.name.as_deref()?))
    }
}

pub(crate) fn split_name(name: &str) -> Name {
    match name.split_once('.') {
        Some((host, domain)) => Name { host: host.to_owned(), domain: Some(domain.to_owned()) },
        None => Name { host: name.to_owned(), domain: None },
    }
}

/// The answer of a resolver, some time.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// Whoever knows what shall become of machines. Any `Fn(&Question) -> Result<Answer, Failure>` is one.
pub trait Resolver: Send + Sync {
    /// Answers about one machine. May be asked again about the same one at any time, and must not count on being asked.
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a>;
}

impl<F> Resolver for F
where
    F: Fn(&Question) -> Result<Answer, Failure> + Send + Sync,
{
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let answer = self(question);
        Box::pin(async move { answer })
    }
}

/// Everything that is known of a machine, for whoever decides about it.
pub(crate) async fn question(fleet: &Fleet, id: SystemId, defaults: &Defaults) -> Result<Question, Failure> {
    let now = SystemTime::now();
    let machine = fleet.machine(id).await?;
    let facts = fleet.facts(id).await?;
    let mut conflicts = fleet.conflicts(&machine).await?;
    conflicts.extend(other_board(&facts));
    Ok(Question {
        evidence: defaults.guard.evidence(&machine, &facts, now),
        collections: fleet.collections_of(id).await?,
        suffixes: defaults.suffixes.clone(),
        machine,
        facts,
        conflicts,
        now,
    })
}

/// Asks in turn: what the first leaves open the next may say.
pub(crate) async fn ask(resolvers: &[Arc<dyn Resolver>], question: &Question) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    for resolver in resolvers {
        answer = answer.or(resolver.resolve(question).await?.normalised()?);
    }
    Ok(answer)
}
