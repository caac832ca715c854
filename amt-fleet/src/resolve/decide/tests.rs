use super::*;
use crate::resolve::question;
use crate::{Fleet, KnownMachine, ReleaseOrder, Report};
use amt_core::SystemId;
use tempfile::TempDir;

const ID: SystemId = SystemId::from_wire([1; 16]);

/// A database with one machine that nobody has let in.
async fn stranger() -> (TempDir, Fleet) {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::open_with_key_file(folder.path().join("db"), folder.path().join("key")).await.unwrap();
    fleet.write(crate::store::hello_of(ID)).await.unwrap();
    (folder, fleet)
}

fn defaults() -> Defaults {
    let suffixes = vec!["example.com".to_owned(), "example.net".to_owned()];
    Defaults { suffixes, ..Defaults::default() }
}

async fn said(fleet: &Fleet, source: FactSource, key: FactKey, value: &str) {
    fleet.report(Report::new(ID, source).with(key, value)).await.unwrap();
}

async fn decided(fleet: &Fleet, answer: Answer, defaults: &Defaults) -> Decision {
    decide(&question(fleet, ID, defaults).await.unwrap(), answer.normalised().unwrap(), defaults)
}

fn name(decision: &Decision) -> String {
    decision.name.as_ref().unwrap().to_string()
}

fn parked(decision: &Decision) -> &str {
    match &decision.admit {
        Admit::Park(parked) => &parked.code,
        Admit::Yes { .. } => "",
    }
}

fn note(decision: &Decision) -> &str {
    match &decision.admit {
        Admit::Yes { note } => note.as_deref().unwrap_or_default(),
        Admit::Park(parked) => panic!("{parked:?}"),
    }
}

#[tokio::test]
async fn only_the_host_name_counts_where_suffixes_disagree() {
    for (source, full, suffix, want) in [
        (FactSource::Agent, "pc1.example.com", None, "pc1.example.com"),
        // Another suffix of the site.
        (FactSource::Agent, "pc1.example.net", None, "pc1.example.net"),
        // A domain that nobody else knows of.
        (FactSource::Agent, "pc1.home.arpa", None, "pc1.example.com"),
        (FactSource::Wsman, "pc1.home.arpa", None, "pc1.example.com"),
        // Its own network says so, too.
        (FactSource::Agent, "pc1.home.arpa", Some("home.arpa"), "pc1.home.arpa"),
        (FactSource::Agent, "pc1.home.arpa", Some("example.net"), "pc1.example.net"),
        // Somebody wrote it.
        (FactSource::List, "pc1.home.arpa", None, "pc1.home.arpa"),
        (FactSource::Operator, "pc1.home.arpa", Some("example.net"), "pc1.home.arpa"),
    ] {
        let (_folder, fleet) = stranger().await;
        said(&fleet, source, FactKey::Fqdn, full).await;
        if let Some(suffix) = suffix {
            said(&fleet, FactSource::Agent, FactKey::DnsSuffix, suffix).await;
        }
        let decision = decided(&fleet, Answer::default(), &defaults()).await;
        assert_eq!(name(&decision), want, "{source} {full} {suffix:?}");
        assert!(!decision.temporary && decision.fallback.is_none());
    }
}

#[tokio::test]
async fn names_come_from_the_resolver_then_from_who_is_trusted_most_then_from_the_uuid() {
    let (_folder, fleet) = stranger().await;
    // DNS says nothing about who a machine is.
    fleet.report(Report::new(ID, FactSource::Dns).with(FactKey::ReverseDns, "dhcp-5.example.com")).await.unwrap();
    let decision = decided(&fleet, Answer::default(), &defaults()).await;
    assert!(decision.temporary && name(&decision).starts_with("amt-") && name(&decision).ends_with(".example.com"));
    assert_eq!(decision.fallback.as_ref().map(String::len), Some("amt-".len() + 32));
    said(&fleet, FactSource::Wsman, FactKey::Fqdn, "firmware.example.com").await;
    said(&fleet, FactSource::Agent, FactKey::HostName, "agent").await;
    let decision = decided(&fleet, Answer::default(), &defaults()).await;
    assert_eq!(name(&decision), "agent.example.com", "a bare name of a better source wins over a full one");
    said(&fleet, FactSource::Agent, FactKey::Fqdn, "full.example.net").await;
    assert_eq!(name(&decided(&fleet, Answer::default(), &defaults()).await), "full.example.net");
    for (said, want) in [("pc7", "pc7.lab.example"), ("pc7.any.where", "pc7.any.where")] {
        let answer = Answer { name: Some(said.into()), dns_suffix: Some("lab.example".into()), ..Answer::default() };
        let decision = decided(&fleet, answer, &defaults()).await;
        assert_eq!((name(&decision).as_str(), decision.dns_suffix.as_deref()), (want, Some("lab.example")));
    }
}

#[tokio::test]
async fn what_keeps_a_machine_out_is_looked_at_in_one_order() {
    let (_folder, fleet) = stranger().await;
    let with = |entry: Option<Entry>| Answer { entry, reason: Some("because".into()), ..Answer::default() };
    let (known, auto) = (defaults(), Defaults { admission: Admission::Auto, ..defaults() });
    assert_eq!(parked(&decided(&fleet, with(None), &known).await), "UNKNOWN");
    assert_eq!(note(&decided(&fleet, with(None), &auto).await), "");
    assert_eq!(note(&decided(&fleet, with(Some(Entry::Admit)), &known).await), "");
    assert_eq!(parked(&decided(&fleet, with(Some(Entry::Park)), &auto).await), "RESOLVER");
    // Strong evidence: letting in is not enough.
    said(&fleet, FactSource::Wsman, FactKey::Fqdn, "old.example.com").await;
    for answer in [with(None), with(Some(Entry::Admit))] {
        assert_eq!(parked(&decided(&fleet, answer, &auto).await), "IN-USE");
    }
    let lenient = Defaults { guard: GuardPolicy { park: false, ..GuardPolicy::default() }, ..auto.clone() };
    let decision = decided(&fleet, with(None), &lenient).await;
    assert!(
        note(&decision).starts_with("let in although the firmware knows an operating system named old.example.com")
    );
    // Who keeps it out by a rule is named before the evidence, a contradiction before both.
    assert_eq!(parked(&decided(&fleet, with(Some(Entry::Park)), &auto).await), "RESOLVER");
    said(&fleet, FactSource::Wsman, FactKey::Mac, "00:1b:21:00:00:01").await;
    said(&fleet, FactSource::Agent, FactKey::Mac, "00:1b:21:00:00:02").await;
    for answer in [with(None), with(Some(Entry::Admit)), with(Some(Entry::Park))] {
        assert_eq!(parked(&decided(&fleet, answer, &lenient).await), "UUID-OTHER-BOARD");
    }
    // A release is stronger than all of it.
    let decision = decided(&fleet, with(Some(Entry::Release)), &known).await;
    assert_eq!((note(&decision), decision.released), ("released by the resolver: because", true));
    fleet.release(ID, ReleaseOrder::by("A. Turing")).await.unwrap();
    let decision = decided(&fleet, with(Some(Entry::Park)), &known).await;
    assert_eq!((note(&decision), decision.released), ("released by A. Turing", false), "a person's word counts most");
}

#[tokio::test]
async fn a_program_that_cannot_be_asked_parks_the_machine_and_changes_nothing_else() {
    let (_folder, fleet) = stranger().await;
    let mut known = KnownMachine::new(ID);
    known.host_name = Some("pc1".into());
    fleet.import(vec![known]).await.unwrap();
    let failure = Failure::new(amt_core::ErrorCode::RESOLVER, "resolve", "./who-is ended with 1");
    let decision = Decision::undecided(&fleet.machine(ID).await.unwrap(), &failure);
    assert_eq!(parked(&decision), "RESOLVER");
    assert!(decision.name.is_none() && decision.labels.is_empty() && !decision.released && !decision.boot);
}

#[tokio::test]
async fn what_was_taken_back_stays_out_whatever_rules_say_until_somebody_lets_it_in() {
    let (_folder, fleet) = stranger().await;
    let mut generous = defaults();
    generous.admission = Admission::Auto;
    let release = || Answer { entry: Some(Entry::Release), ..Answer::default() };
    fleet.release(ID, ReleaseOrder::by("earlier")).await.unwrap();
    fleet.taken_back(ID, None, amt_provision::unprovision::Extent::Partial, "job 7").await.unwrap();
    for answer in [Answer::default(), release()] {
        let decision = decided(&fleet, answer, &generous).await;
        let Admit::Park(parked) = &decision.admit else { panic!("{decision:?}") };
        assert_eq!((parked.code.as_str(), decision.released), ("TAKEN-BACK", false));
        assert_eq!(parked.reason, "its setup was taken back in part by job 7");
    }
    let machine = fleet.machine(ID).await.unwrap();
    assert_eq!((machine.released, machine.taken_back.unwrap().extent.as_str()), (None, "partial"));
    let mut boot = ReleaseOrder::by("somebody");
    boot.boot = true;
    fleet.release(ID, boot).await.unwrap();
    assert_eq!(parked(&decided(&fleet, release(), &generous).await), "TAKEN-BACK", "that is another permission");
    fleet.release(ID, ReleaseOrder::by("somebody")).await.unwrap();
    assert_eq!(note(&decided(&fleet, Answer::default(), &generous).await), "released by somebody");
}
