//! A filter against one machine in memory.

use super::field::{Field, Scalar, millis};
use super::lexer::Operator;
use super::{Filter, Node, Test};
use crate::fact::{Fact, FactKey, Facts};
use crate::store::version_order;
use crate::{Machine, filter::FieldKind};
use amt_core::FirmwareVersion;
use std::borrow::Cow;
use std::time::SystemTime;

/// A machine and all that a filter may ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its record.
    pub machine: &'a Machine,
    /// What is said of it.
    pub facts: &'a Facts,
    /// Collections that it is in.
    pub collections: &'a [String],
    /// The time that ages are counted to.
    pub now: SystemTime,
}

impl Filter {
    /// Whether the machine fits.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.root.matches(subject)
    }
}

impl Node {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(subject)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(subject)),
            Self::Not(node) => !node.matches(subject),
            Self::Test(test) => test.matches(subject),
        }
    }
}

impl Test {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Every => true,
            Self::Flag(field) => field.values(subject).contains(&Scalar::Number(1)),
            Self::Has(field) => !field.values(subject).is_empty(),
            Self::Member(name) => subject.collections.iter().any(|member| member.eq_ignore_ascii_case(name)),
            Self::OneOf(field, wanted) => {
                let values = field.values(subject);
                values.iter().any(|value| wanted.iter().any(|wanted| is_equal(*field, value, wanted)))
            }
            Self::Compare(field, Operator::NotEqual, wanted) => {
                !field.values(subject).iter().any(|value| is_equal(*field, value, wanted))
            }
            Self::Compare(field, operator, wanted) => {
                field.values(subject).iter().any(|value| compares(*field, *operator, value, wanted, subject.now))
            }
        }
    }
}

impl Field {
    /// What the machine has under this name: several labels, at most one of most others.
    pub(super) fn values<'a>(self, subject: &Subject<'a>) -> Vec<Scalar<'a>> {
        let (source, key) = match self {
            Self::Column(column) => return (column.of)(subject.machine).into_iter().collect(),
            Self::Fact { source, key } => (source, key),
        };
        let said = subject.facts.about(key).filter(|fact| source.is_none_or(|source| fact.source == source));
        // Of contradicting sources one counts.
        let most = if key.is_many() { usize::MAX } else { 1 };
        said.take(most).filter_map(of_fact).collect()
    }
}

fn of_fact(fact: &Fact) -> Option<Scalar<'_>> {
    if fact.key == FactKey::Version {
        return fact.value.parse::<FirmwareVersion>().ok().map(|v| Scalar::Number(version_order(v)));
    }
    Some(Scalar::Text(Cow::Borrowed(&fact.value)))
}

fn is_equal(field: Field, value: &Scalar<'_>, wanted: &Scalar<'_>) -> bool {
    match (value, wanted) {
        (Scalar::Text(value), Scalar::Text(wanted)) if !field.is_exact() => value.eq_ignore_ascii_case(wanted),
        _ => value == wanted,
    }
}

fn compares(field: Field, operator: Operator, value: &Scalar<'_>, wanted: &Scalar<'_>, now: SystemTime) -> bool {
    let (value, wanted) = match (value, wanted) {
        // An age below the wanted one is a moment after that long ago.
        (Scalar::Number(moment), Scalar::Number(age)) if field.kind() == FieldKind::Age => (millis(now) - age, *moment),
        (Scalar::Number(value), Scalar::Number(wanted)) => (*value, *wanted),
        (Scalar::Text(value), Scalar::Text(wanted)) if operator == Operator::Like => return is_like(value, wanted),
        _ => return operator == Operator::Equal && is_equal(field, value, wanted),
    };
    match operator {
        Operator::Equal => value == wanted,
        Operator::Less => value < wanted,
        Operator::LessOrEqual => value <= wanted,
        Operator::Greater => value > wanted,
        Operator::GreaterOrEqual => value >= wanted,
        Operator::NotEqual | Operator::Like => false,
    }
}

/// Whether `pattern`, in which `*` is any text and `?` any character, is the whole of `text`, case disregarded as SQLite's
/// LIKE does: for ASCII letters only. Takes at most as many steps as the product of the lengths.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // Where to go on if what follows the last star does not fit: the star takes one character more.
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let rest_of_text = text.clone();
        let fits = match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                text = rest_of_text;
                star = Some((text.clone(), pattern.clone()));
                continue;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => true,
            (Some(p), Some(t)) => p.eq_ignore_ascii_case(&t),
            _ => false,
        };
        if fits {
            continue;
        }
        match &mut star {
            Some((from, after)) => {
                if from.next().is_none() {
                    return false;
                }
                text = from.clone();
                pattern = after.clone();
            }
            None => return false,
        }
    }
}
