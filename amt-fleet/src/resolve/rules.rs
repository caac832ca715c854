//! Rules of the configuration as resolver: a filter, and values for the machines that fit it.

use super::template::Template;
use super::{Answer, Entry, Question, Resolver, Resolving};
use crate::filter::Filter;

/// One rule. What it leaves out, later rules may say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Which machines it is about.
    pub when: Filter,
    /// Whether they are let in.
    pub entry: Option<Entry>,
    /// Why, for the diary.
    pub reason: Option<String>,
    /// Name to give them. A rule whose template asks for a fact that is not known says nothing about the name.
    pub name: Option<Template>,
    /// DNS suffix that their firmware has.
    pub dns_suffix: Option<String>,
    /// Profile.
    pub profile: Option<String>,
    /// Labels.
    pub labels: Vec<Template>,
    /// Organisational unit.
    pub ou: Option<Template>,
    /// The only provisioning certificate to present, by SHA-256 (hex).
    pub certificate: Option<String>,
    /// Whether boot actions may fire whatever the guard says.
    pub boot: Option<bool>,
    /// Whether they are renamed when their final name becomes known.
    pub rename: Option<bool>,
}

impl Rule {
    /// A rule about the machines that fit `when`, which says nothing yet.
    pub const fn new(when: Filter) -> Self {
        Self {
            when,
            entry: None,
            reason: None,
            name: None,
            dns_suffix: None,
            profile: None,
            labels: Vec::new(),
            ou: None,
            certificate: None,
            boot: None,
            rename: None,
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        let render = |template: &Option<Template>| template.as_ref().and_then(|t| t.render(question));
        Answer {
            entry: self.entry.clone(),
            reason: self.reason.clone(),
            name: render(&self.name),
            dns_suffix: self.dns_suffix.clone(),
            profile: self.profile.clone(),
            labels: self.labels.iter().filter_map(|label| label.render(question)).collect(),
            ou: render(&self.ou),
            certificate: self.certificate.clone(),
            boot: self.boot,
            rename: self.rename,
        }
    }
}

/// Rules, asked in their order: the first that fits and says something about a field decides it; labels of all that fit are kept.
#[derive(Clone, Debug, Default)]
pub struct Rules(pub Vec<Rule>);

impl Resolver for Rules {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let subject = question.subject();
        let fitting = self.0.iter().filter(|rule| rule.when.matches(&subject));
        let answer = fitting.fold(Answer::default(), |answer, rule| answer.or(rule.answer(question)));
        Box::pin(async move { Ok(answer) })
    }
}
