//! `amt fleet show`: all that is known of one machine, what is done about it, and its diary.

use super::actions::{action_json, action_text};
use super::text::{field, moment, wrapped};
use super::{Error, Place, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::SystemId;
use amt_fleet::resolve::{Question, look};
use amt_fleet::{
    Action, AppliedProfile, CaRequest, Conflict, DiaryEntry, Disagreement, Evidence, Fact, IssuedCertificate, Machine,
};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::SystemTime;

/// Diary lines and actions shown of one machine.
const LINES: u32 = 200;
/// Columns for the value of a fact; longer ones are folded.
const VALUE: usize = 38;

#[derive(clap::Args)]
pub(super) struct Show {
    /// Its UUID
    uuid: SystemId,
    #[command(flatten)]
    place: Place,
}

/// All that there is to show.
struct Shown {
    question: Question,
    history: Vec<Fact>,
    actions: Vec<Action>,
    diary: Vec<DiaryEntry>,
    certificates: Vec<IssuedCertificate>,
    requests: Vec<CaRequest>,
    settings: Option<AppliedProfile>,
    client_until: Option<SystemTime>,
}

impl Show {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let guard = self.place.guard()?;
        let fleet = self.place.open().await?;
        let id = self.uuid;
        let shown = Shown {
            question: look(&fleet, &guard, id).await?,
            history: fleet.fact_history(id).await?,
            actions: fleet.actions(id, LINES).await?,
            diary: fleet.diary(id, LINES).await?,
            certificates: fleet.certificates(id).await?,
            requests: fleet.ca_requests(id).await?,
            settings: fleet.applied(id).await?,
            client_until: fleet.client_certificate_until(id).await?,
        };
        fleet.close().await;
        out.show(&shown.json(), |w| shown.people(w))?;
        Ok(Verdict::Done)
    }
}

impl Shown {
    fn json(&self) -> Value {
        let mut document = self.question.machine.to_json();
        let mut add = |name: &str, list: Vec<Value>| document[name] = list.into();
        add("facts", self.history.iter().map(Fact::to_json).collect());
        add("disagreements", self.question.facts.disagreements().iter().map(disagreement_json).collect());
        add("evidence", self.question.evidence.iter().map(evidence_json).collect());
        add("conflicts", self.question.conflicts.iter().map(conflict_json).collect());
        add("collections", self.question.collections.iter().map(|name| json!(name)).collect());
        add("actions", self.actions.iter().map(action_json).collect());
        add("diary", self.diary.iter().map(DiaryEntry::to_json).collect());
        let certificate = |c: &IssuedCertificate| json!({ "sha256": c.sha256, "issued_at": rfc3339(c.issued_at) });
        add("certificates", self.certificates.iter().map(certificate).collect());
        add("ca_requests", self.requests.iter().map(request_json).collect());
        let settings =
            |s: &AppliedProfile| json!({ "profile": s.profile, "revision": s.revision, "at": rfc3339(s.at) });
        document["client_certificate_until"] = self.client_until.map(rfc3339).into();
        document["settings"] = self.settings.as_ref().map_or(Value::Null, settings);
        document
    }

    fn people(&self, w: &mut dyn Write) -> io::Result<()> {
        record(w, &self.question.machine)?;
        if let Some(AppliedProfile { profile, revision, at, .. }) = &self.settings {
            let revision = revision.get(..12).unwrap_or(revision);
            field(w, "settings", Some(format!("{profile}, revision {revision}, since {}", moment(*at))))?;
        }
        field(w, "802.1X until", self.client_until.map(moment))?;
        for request in &self.requests {
            let words = request.message.as_deref().unwrap_or("no words");
            let text = format!("{} {} ({words}), asked {} times", request.request, request.state, request.times);
            field(w, "request", Some(text))?;
        }
        if !self.question.collections.is_empty() {
            field(w, "collections", Some(self.question.collections.join(", ")))?;
        }
        self.facts(w)?;
        let (evidence, conflicts) = (&self.question.evidence, &self.question.conflicts);
        if !evidence.is_empty() || !conflicts.is_empty() {
            writeln!(w, "\nspeaks for its being somebody's already")?;
        }
        for Evidence { kind, text, at, .. } in evidence {
            let weight = if kind.is_strong() { "strong" } else { "weak" };
            wrapped(w, &format!("  {weight:<6}  {kind}: "), &format!("{text}, since {}", moment(*at)))?;
        }
        for Conflict { kind, text, .. } in conflicts {
            wrapped(w, &format!("  {kind}: "), text)?;
            wrapped(w, "    next: ", kind.hint())?;
        }
        if !self.actions.is_empty() {
            writeln!(w, "\nactions")?;
            self.actions.iter().try_for_each(|action| action_text(w, "  ", action))?;
        }
        if !self.diary.is_empty() {
            writeln!(w, "\ndiary")?;
        }
        self.diary
            .iter()
            .try_for_each(|entry| wrapped(w, &format!("  {}  {:<12}  ", moment(entry.at), entry.kind), &entry.message))
    }

    fn facts(&self, w: &mut dyn Write) -> io::Result<()> {
        if self.history.is_empty() {
            return Ok(());
        }
        writeln!(w, "\nfacts, the most trusted source first")?;
        self.question.facts.iter().try_for_each(|fact| fact_text(w, fact, format!("since {}", moment(fact.since))))?;
        let disagreements = self.question.facts.disagreements();
        if !disagreements.is_empty() {
            writeln!(w, "\nsources that disagree")?;
        }
        for Disagreement { key, counts, said, .. } in &disagreements {
            let others: Vec<String> =
                said.iter().filter(|(_, value)| value != counts).map(|(s, v)| format!("{s} says {v}")).collect();
            let source = said.first().map(|(source, _)| source.name()).unwrap_or_default();
            wrapped(w, &format!("  {key}: "), &format!("{counts} counts, says {source}; {}", others.join(", ")))?;
        }
        let mut past = self.history.iter().filter_map(|fact| Some((fact, fact.until?))).peekable();
        if past.peek().is_some() {
            writeln!(w, "\nno longer said")?;
        }
        past.try_for_each(|(fact, until)| fact_text(w, fact, format!("until {}", moment(until))))
    }
}

/// Value folded into its column, source and time beside its first line.
fn fact_text(w: &mut dyn Write, fact: &Fact, when: String) -> io::Result<()> {
    let lines = textwrap::wrap(&fact.value, VALUE);
    let mut lines = lines.iter();
    let first = lines.next().map(AsRef::as_ref).unwrap_or_default();
    let pad = " ".repeat(VALUE.saturating_sub(textwrap::core::display_width(first)));
    writeln!(w, "  {:<19}  {first}{pad}  {:<8}  {when}", fact.key.name(), fact.source.name())?;
    lines.try_for_each(|line| writeln!(w, "  {:<19}  {line}", ""))
}

fn record(w: &mut dyn Write, machine: &Machine) -> io::Result<()> {
    let tls = machine.tls.as_ref().map(|t| format!("{} {} ({})", t.version, t.suite, t.engine));
    let temporary = if machine.temporary { " (temporary)" } else { "" };
    let released = |release: &amt_fleet::Release| format!("by {}, {}", release.by, moment(release.at));
    let parked = machine.parked.as_ref();
    for (label, value) in [
        ("uuid", Some(machine.id.to_string())),
        ("state", Some(machine.state.to_string())),
        ("parked", parked.map(|p| format!("{}: {}", p.code, p.reason))),
        ("next", parked.map(|p| p.hint.clone())),
        ("step", machine.step.map(|s| s.to_string())),
        ("address", machine.address.map(|a| a.to_string())),
        (
            "waits for",
            machine.pid.as_ref().map(|pid| format!("the pre-shared key of PID {pid}, said in its last hello")),
        ),
        ("bound to", machine.bound_address.map(|a| a.to_string())),
        ("last hello", machine.hello_at.map(moment)),
        ("name", machine.name().map(|name| format!("{name}{temporary}"))),
        ("final name", machine.wanted.as_ref().map(ToString::to_string)),
        ("dns suffix", machine.dns_suffix.clone()),
        ("profile", machine.profile.clone()),
        ("ou", machine.ou.clone()),
        ("released", machine.released.as_ref().map(released)),
        (
            "taken back",
            machine.taken_back.as_ref().map(|t| format!("in {} by {}, {}", part(&t.extent), t.by, moment(t.at))),
        ),
        ("may boot", machine.boot_released.as_ref().map(released)),
        ("firmware", machine.firmware.map(|v| v.to_string())),
        ("control mode", machine.control_mode.clone()),
        ("tls", tls),
        ("realm", machine.realm.clone()),
        ("certificate", machine.certificate_sha256.clone()),
        ("good until", machine.certificate_until.map(moment)),
        ("set up with", machine.winner.clone()),
        ("verified", machine.verified_at.map(moment)),
        ("redo", machine.redo.then(|| "set up again at its next hello".to_owned())),
        ("attempts", (machine.attempts > 0).then(|| machine.attempts.to_string())),
        ("next try", machine.retry_at.map(moment)),
        ("failure", machine.failure.as_ref().map(ToString::to_string)),
        ("next step", machine.failure.as_ref().map(|f| f.hint.to_string()).filter(|hint| !hint.is_empty())),
    ] {
        field(w, label, value)?;
    }
    Ok(())
}

fn part(extent: &str) -> &'static str {
    if extent == "partial" { "part" } else { "full" }
}

fn disagreement_json(disagreement: &Disagreement) -> Value {
    let said = disagreement.said.iter().map(|(source, value)| json!({ "source": source.name(), "value": value }));
    json!({ "key": disagreement.key.name(), "counts": disagreement.counts, "said": said.collect::<Vec<_>>() })
}

pub(super) fn evidence_json(evidence: &Evidence) -> Value {
    json!({
        "kind": evidence.kind.name(),
        "strong": evidence.kind.is_strong(),
        "text": evidence.text,
        "since": rfc3339(evidence.at),
    })
}

fn conflict_json(conflict: &Conflict) -> Value {
    json!({
        "kind": conflict.kind.name(),
        "other": conflict.other.map(|id| id.to_string()),
        "text": conflict.text,
        "hint": conflict.kind.hint(),
    })
}

fn request_json(request: &CaRequest) -> Value {
    json!({
        "request": request.request, "state": request.state, "message": request.message, "times": request.times,
        "first_at": rfc3339(request.first_at), "asked_at": rfc3339(request.asked_at),
    })
}
