//! Who may enrol, and what a client may write.

use super::*;
use crate::Machine;
use crate::seal::{KEY_LEN, SealKey};
use amt_core::Secret;
use std::net::Ipv4Addr;
use tempfile::TempDir;

const NEWS: Taken = Taken::Recorded { news: true };
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

async fn fleet() -> (TempDir, Fleet) {
    let folder = tempfile::tempdir().unwrap();
    let seal = SealKey::new(&Secret::new([1; KEY_LEN]));
    let fleet = Fleet::open(folder.path().join("fleet.db"), seal).await.unwrap();
    (folder, fleet)
}

fn id(n: u8) -> SystemId {
    SystemId::from_wire([n; 16])
}

fn named(n: u8, name: &str) -> Report {
    Report::new(id(n), FactSource::Agent).with(FactKey::HostName, name)
}

async fn enrol(fleet: &Fleet, token: &Token, key: &ClientKey, n: u8, sequence: i64) -> Taken {
    fleet.write(EnrolClient::new(token, key, named(n, "pc"), sequence, SOURCE)).await.unwrap()
}

async fn hear(fleet: &Fleet, key: &ClientKey, report: Report, sequence: i64) -> Taken {
    fleet.write(HearClient { client: key.digest(), report, sequence, source: SOURCE }).await.unwrap()
}

async fn name(fleet: &Fleet, n: u8) -> Option<String> {
    fleet.facts(id(n)).await.unwrap().value(FactKey::HostName).map(str::to_owned)
}

fn refused(code: ProblemCode) -> Taken {
    Taken::Refused(code)
}

#[tokio::test]
async fn a_token_enrols_as_many_machines_as_it_says_and_repetitions_cost_nothing() {
    let (_folder, fleet) = fleet().await;
    let (number, token) = fleet.new_token(TokenTerms { uses: 2, ..TokenTerms::default() }).await.unwrap();
    let keys: Vec<_> = (0..3).map(|_| ClientKey::random().unwrap()).collect();
    assert_eq!(enrol(&fleet, &token, &keys[0], 1, 5).await, NEWS);
    assert_eq!(enrol(&fleet, &token, &keys[0], 1, 5).await, Taken::Known);
    assert_eq!(enrol(&fleet, &token, &keys[0], 1, 6).await, Taken::Recorded { news: false });
    assert_eq!(enrol(&fleet, &token, &keys[1], 1, 7).await, refused(ProblemCode::Enrolled));
    assert_eq!(enrol(&fleet, &token, &keys[0], 2, 7).await, refused(ProblemCode::Foreign), "one key, one machine");
    assert_eq!(enrol(&fleet, &token, &keys[1], 2, 1).await, NEWS);
    assert_eq!(enrol(&fleet, &token, &keys[2], 3, 1).await, refused(ProblemCode::UsedUp));
    assert_eq!(
        enrol(&fleet, &token, &keys[1], 2, 2).await,
        Taken::Recorded { news: false },
        "enrolled before the token was used up"
    );
    let machines: Vec<Machine> = fleet.machines().await.unwrap();
    assert_eq!(machines.len(), 2, "nothing was written for the refused one");
    assert!(machines.iter().all(|m| m.origin == Origin::Agent && !m.admitted));
    let listed = &fleet.tokens().await.unwrap()[0];
    assert_eq!((listed.number, listed.used, listed.terms.uses), (number, 2, 2));

    assert!(fleet.reset_enrolment(id(2)).await.unwrap());
    assert!(!fleet.reset_enrolment(id(2)).await.unwrap());
    assert_eq!(fleet.client_of(keys[1].digest()).await.unwrap(), None);
    assert_eq!(hear(&fleet, &keys[1], named(2, "pc"), 9).await, refused(ProblemCode::Key));
    assert_eq!(enrol(&fleet, &token, &keys[2], 2, 1).await, NEWS, "the use came back");
    assert_eq!(name(&fleet, 2).await.as_deref(), Some("pc"));
    assert_eq!(fleet.reset_enrolment(id(9)).await.unwrap_err().code, ErrorCode::MACHINE_UNKNOWN);
}

#[tokio::test]
async fn a_wrong_expired_revoked_or_foreign_token_writes_nothing() {
    let (_folder, fleet) = fleet().await;
    let key = ClientKey::random().unwrap();
    let stranger = Token::random().unwrap();
    assert!(!fleet.is_token(stranger.digest()).await.unwrap());
    assert_eq!(enrol(&fleet, &stranger, &key, 1, 1).await, refused(ProblemCode::Token));

    let soon = SystemTime::now() + Duration::from_millis(50);
    let (_, expiring) = fleet.new_token(TokenTerms { expires_at: Some(soon), ..TokenTerms::default() }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(enrol(&fleet, &expiring, &key, 1, 1).await, refused(ProblemCode::Expired));

    let (number, revoked) = fleet.new_token(TokenTerms::default()).await.unwrap();
    fleet.revoke_token(number).await.unwrap();
    assert_eq!(enrol(&fleet, &revoked, &key, 1, 1).await, refused(ProblemCode::Revoked));
    assert_eq!(fleet.revoke_token(99).await.unwrap_err().code, ErrorCode::INVALID_ARGUMENT);

    let bound = TokenTerms { machine: Some(id(2)), note: Some("reception".into()), ..TokenTerms::default() };
    let (_, bound) = fleet.new_token(bound).await.unwrap();
    assert_eq!(enrol(&fleet, &bound, &key, 1, 1).await, refused(ProblemCode::Foreign));
    assert!(fleet.machines().await.unwrap().is_empty());
    assert_eq!(enrol(&fleet, &bound, &key, 2, 1).await, NEWS);
    let refusals: Vec<_> = fleet.tokens().await.unwrap().iter().map(|t| t.refusal(SystemTime::now())).collect();
    assert_eq!(refusals, [Some(ProblemCode::Expired), Some(ProblemCode::Revoked), Some(ProblemCode::UsedUp)]);
}

#[tokio::test]
async fn a_client_writes_its_own_facts_in_order_and_no_others() {
    let (_folder, fleet) = fleet().await;
    let (_, token) = fleet.new_token(TokenTerms { uses: 2, ..TokenTerms::default() }).await.unwrap();
    let (one, two) = (ClientKey::random().unwrap(), ClientKey::random().unwrap());
    enrol(&fleet, &token, &one, 1, 1).await;
    enrol(&fleet, &token, &two, 2, 1).await;
    assert_eq!(fleet.client_of(one.digest()).await.unwrap(), Some(id(1)));
    assert_eq!(hear(&fleet, &one, named(2, "stolen"), 9).await, refused(ProblemCode::Foreign));
    assert_eq!(hear(&fleet, &ClientKey::random().unwrap(), named(1, "x"), 9).await, refused(ProblemCode::Key));
    assert_eq!(hear(&fleet, &one, named(1, "new"), 2).await, NEWS);
    assert_eq!(hear(&fleet, &one, named(1, "new"), 2).await, Taken::Known, "the answer was lost");
    assert_eq!(hear(&fleet, &one, named(1, "other"), 2).await, refused(ProblemCode::Replay));
    assert_eq!(hear(&fleet, &one, named(1, "pc"), 1).await, refused(ProblemCode::Replay));
    assert_eq!((name(&fleet, 1).await.as_deref(), name(&fleet, 2).await.as_deref()), (Some("new"), Some("pc")));
}

#[tokio::test]
async fn terms_that_cannot_be_are_refused_and_no_token_is_on_disk() {
    let (folder, fleet) = fleet().await;
    let terms = TokenTerms::default;
    for bad in [
        TokenTerms { uses: 0, ..terms() },
        TokenTerms { uses: MAX_TOKEN_USES + 1, ..terms() },
        TokenTerms { uses: 2, machine: Some(id(1)), ..terms() },
        TokenTerms { machine: Some(id(0)), ..terms() },
        TokenTerms { expires_at: Some(SystemTime::now() - Duration::from_secs(1)), ..terms() },
        TokenTerms { note: Some("a\nb".into()), ..terms() },
        TokenTerms { note: Some("x".repeat(MAX_TOKEN_NOTE + 1)), ..terms() },
    ] {
        assert_eq!(fleet.new_token(bad).await.unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
    }
    let (_, token) = fleet.new_token(terms()).await.unwrap();
    let key = ClientKey::random().unwrap();
    enrol(&fleet, &token, &key, 1, 1).await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [token.reveal(), key.reveal()] {
            // Without its prefix, and so also as it would be decoded and printed elsewhere.
            let text = secret.expose().trim_start_matches("amt_").as_bytes();
            assert!(!bytes.windows(text.len()).any(|w| w == text));
        }
    }
}

#[tokio::test]
async fn a_program_passes_on_what_its_own_clients_say() {
    let (_folder, fleet) = fleet().await;
    let facts = |serial: &str| AgentFacts { serial: Some(serial.to_owned()), ..AgentFacts::default() };
    assert!(fleet.hear(id(1), &facts("A1"), "console").await.unwrap());
    assert!(!fleet.hear(id(1), &facts("A1"), "console").await.unwrap());
    assert!(fleet.hear(id(1), &facts("B2"), "console").await.unwrap());
    assert!(
        fleet.hear(id(2), &AgentFacts::default(), "console").await.unwrap(),
        "a machine is new, if nothing is said of it"
    );
    let machine = fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.origin, machine.admitted), (Origin::Agent, false));
    let said = fleet.facts(id(1)).await.unwrap();
    assert_eq!(said.iter().map(|f| (f.source, f.value.as_str())).collect::<Vec<_>>(), [(FactSource::Agent, "B2")]);
    for (who, by, facts, code) in [
        (id(1), "", facts("A1"), ErrorCode::INVALID_ARGUMENT),
        (id(1), "a\nb", facts("A1"), ErrorCode::INVALID_ARGUMENT),
        (SystemId::from_wire([0xff; 16]), "console", facts("A1"), ErrorCode::INVALID_ARGUMENT),
        (id(1), "console", facts(" "), ErrorCode::PARSE_TEXT),
    ] {
        assert_eq!(fleet.hear(who, &facts, by).await.unwrap_err().code, code);
    }
}
