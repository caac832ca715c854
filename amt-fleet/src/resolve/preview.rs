//! What would be decided about a machine, without deciding it.

use super::{Admit, Answer, Decision, Defaults, Question, ask, decide, question};
use crate::config::{Admission, Config};
use crate::guard::GuardPolicy;
use crate::names::NameTemplate;
use crate::store::{Name, Operation, Rehearse};
use crate::{Fleet, Machine};
use amt_core::{Failure, SystemId};

/// What the rules and the program of a configuration say of a machine now, and what would become of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// What they were asked.
    pub question: Question,
    /// Which rules fit, counted from 0 as the configuration lists them.
    pub rules: Vec<usize>,
    /// What they said together; nothing if the program could not be asked.
    pub answer: Answer,
    /// The machine's record as the decision would leave it. `parked` says why it would be kept out.
    pub machine: Machine,
    /// Why it would be let in, where there is more to it than the list or the configuration's `admit`.
    pub admitted: Option<String>,
    /// The name that it would be renamed to, if it would be.
    pub rename: Option<Name>,
    /// Whether its setup would begin now.
    pub begins: bool,
    /// What would go wrong later: the program that could not be asked, a profile that there is not.
    pub problems: Vec<Failure>,
}

/// Asks the rules and the program of `config` about a machine and decides as the server would, with nothing changed. Programs really
/// are run. What `config` names as list is not read into the database.
///
/// # Errors
/// `MACHINE_UNKNOWN`, `STORE`. A program that cannot be asked is no error here but one of the [problems](Preview::problems).
pub async fn dry_run(fleet: &Fleet, config: &Config, id: SystemId) -> Result<Preview, Failure> {
    let defaults = Defaults {
        admission: config.admit,
        guard: config.guard.clone(),
        names: config.names.clone(),
        suffixes: config.dns_suffixes.clone(),
    };
    let question = question(fleet, id, &defaults).await?;
    let subject = question.subject();
    let fits = config.rules.0.iter().enumerate().filter(|(_, rule)| rule.when.matches(&subject));
    let rules = fits.map(|(at, _)| at).collect();
    let mut problems = Vec::new();
    let (answer, decision) = match ask(&config.resolvers(), &question).await {
        Ok(answer) => (answer.clone(), decide(&question, answer, &defaults)),
        Err(failure) => {
            let decision = Decision::undecided(&question.machine, &failure);
            problems.push(failure);
            (Answer::default(), decision)
        }
    };
    problems.extend(decision.profile.as_deref().and_then(|name| config.profiles.find(name).err()));
    let why = match &decision.admit {
        Admit::Yes { note } => note.clone(),
        Admit::Park(_) => None,
    };
    let decided = fleet.write(Rehearse { id, decision }).await?;
    Ok(Preview {
        rules,
        answer,
        admitted: why.filter(|_| decided.machine.parked.is_none()),
        machine: decided.machine,
        rename: decided.rename,
        begins: decided.begins,
        problems,
        question,
    })
}

/// All that is known of a machine, weighed by `guard`: facts, evidence, contradictions, collections.
///
/// # Errors
/// `MACHINE_UNKNOWN`, `STORE`.
pub async fn look(fleet: &Fleet, guard: &GuardPolicy, id: SystemId) -> Result<Question, Failure> {
    let defaults = Defaults {
        admission: Admission::default(),
        guard: guard.clone(),
        names: NameTemplate::default(),
        suffixes: Vec::new(),
    };
    question(fleet, id, &defaults).await
}

/// What a job would do to one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreseen {
    /// It would do this.
    Does(String),
    /// The guard would keep it back, because of this.
    Blocked(String),
    /// It would fail, because of this.
    Fails(String),
}

/// What `operation` would come to on a machine now, as far as the database tells.
///
/// # Errors
/// `STORE`.
pub async fn foresee(
    fleet: &Fleet,
    guard: &GuardPolicy,
    operation: Operation,
    machine: &Machine,
) -> Result<Foreseen, Failure> {
    if operation.takes_back().is_some()
        && let Some(taken) = &machine.taken_back
    {
        return Ok(Foreseen::Does(format!("is left alone: {}", crate::guard::taken_back(&taken.extent, &taken.by))));
    }
    let needs_setup = !matches!(operation, Operation::Reprovision | Operation::Release);
    if needs_setup && !machine.is_verified() {
        return Ok(Foreseen::Fails("it is not provisioned now".to_owned()));
    }
    Ok(Foreseen::Does(match operation {
        Operation::Reprovision => "is set up again at its next hello".to_owned(),
        Operation::Release => "is let in, whatever the guard says".to_owned(),
        Operation::Configure => "is made what the settings of its profile say".to_owned(),
        Operation::Clock => "has its clock set, if that is off".to_owned(),
        Operation::Rotate => "gets another password".to_owned(),
        Operation::Renew => "gets another certificate, with a new key pair".to_owned(),
        Operation::Refresh => "is asked what it says of itself".to_owned(),
        Operation::UnprovisionPartial if machine.control_mode.as_deref() == Some("client") => {
            return Ok(Foreseen::Fails(
                "a machine in client control mode can be unprovisioned in full only".to_owned(),
            ));
        }
        Operation::Unprovision => "its setup is taken back in full; it is kept out until it is released".to_owned(),
        Operation::UnprovisionPartial => {
            "its setup is taken back in part; it is kept out until it is released".to_owned()
        }
        Operation::Rename => match &machine.wanted {
            Some(name) => format!("is renamed to {name}"),
            None => "carries its name, as far as that is decided".to_owned(),
        },
        Operation::Boot => {
            let known = look(fleet, guard, machine.id).await?;
            let against = known.against_boot();
            if !against.is_empty() && machine.boot_released.is_none() {
                return Ok(Foreseen::Blocked(against.join("; ")));
            }
            "is booted from the network once".to_owned()
        }
    }))
}
