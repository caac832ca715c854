//! The store's contract.

use super::*;
use crate::config::Admission;
use crate::resolve::{Answer, Defaults, decide};
use crate::seal::KEY_LEN;
use std::net::SocketAddr;
use tempfile::TempDir;

fn key(byte: u8) -> SealKey {
    SealKey::new(&Secret::new([byte; KEY_LEN]))
}

pub(super) async fn fleet() -> (TempDir, Fleet) {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::open(folder.path().join("fleet.db"), key(1)).await.unwrap();
    (folder, fleet)
}

pub(super) fn id(n: u8) -> SystemId {
    SystemId::from_wire([n; 16])
}

pub(super) fn hello(n: u8) -> SawHello {
    SawHello { source: SocketAddr::from(([127, 1, 0, n], 40_000)), bytes: vec![3, n], ..hello_of(id(n)) }
}

/// The first hello of a machine.
pub(crate) fn hello_of(id: SystemId) -> SawHello {
    SawHello {
        id,
        source: SocketAddr::from(([127, 1, 0, 1], 40_000)),
        at: SystemTime::now(),
        retry: 0,
        bytes: vec![3],
        credentials_set: false,
        pid: None,
        reverse: None,
        twin: None,
        limited: true,
    }
}

/// A hello, and what is decided about it where machines are let in unasked, or not.
async fn heard(fleet: &Fleet, n: u8, auto: bool) -> Machine {
    assert!(matches!(fleet.write(hello(n)).await.unwrap(), Heard::Machine));
    consider(fleet, n, auto, Answer::default()).await.machine
}

async fn consider(fleet: &Fleet, n: u8, auto: bool, answer: Answer) -> Decided {
    let defaults = Defaults {
        admission: if auto { Admission::Auto } else { Admission::Known },
        suffixes: vec!["example.com".into()],
        ..Defaults::default()
    };
    let question = crate::resolve::question(fleet, id(n), &defaults).await.unwrap();
    fleet.write(Decide { id: id(n), decision: decide(&question, answer, &defaults) }).await.unwrap()
}

fn with_passwords(n: u8, admin: &[&str]) -> Record {
    let mut record = Record::new(id(n));
    record.admin_passwords = admin.iter().map(|p| Secret::from(*p)).collect();
    record.mebx_passwords = vec!["Mebx1!aaa".into()];
    record
}

async fn admin(fleet: &Fleet, n: u8) -> Vec<String> {
    let all = fleet.credentials(id(n)).await.unwrap();
    all.iter().filter(|c| c.kind == CredentialKind::Admin).map(|c| c.password.expose().clone()).collect()
}

#[tokio::test]
async fn a_record_is_read_back_after_reopening() {
    let (folder, fleet) = fleet().await;
    let mut record = with_passwords(1, &["new", "old"]);
    record.step = Step::SetAdminPassword;
    record.certificate = Some(vec![1, 2, 3]);
    record.provisioning_certificate = Some("ab".into());
    fleet.persist(&record).await.unwrap();
    fleet.close().await;
    let fleet = Fleet::open(folder.path().join("fleet.db"), key(1)).await.unwrap();
    assert_eq!(fleet.record(id(1)).await.unwrap().unwrap(), record);
    let machine = fleet.machine(id(1)).await.unwrap();
    assert_eq!(machine.step, Some(Step::SetAdminPassword));
    assert_eq!(machine.winner.as_deref(), Some("ab"));
    assert_eq!(machine.certificate_sha256.as_deref(), Some(crate::digest::sha256_hex(&[1, 2, 3]).as_str()));
    assert_eq!(fleet.certificates(id(1)).await.unwrap()[0].der, [1, 2, 3]);
    assert_eq!(fleet.steps().await.unwrap(), [(Step::SetAdminPassword, 1)].into());
    assert_eq!(fleet.record(id(2)).await.unwrap(), None);
    assert_eq!(fleet.machine(id(2)).await.unwrap_err().code, ErrorCode::MACHINE_UNKNOWN);
}

#[tokio::test]
async fn no_secret_is_on_disk_in_clear() {
    let (folder, fleet) = fleet().await;
    fleet.persist(&with_passwords(1, &["Visible1!secret"])).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(15).any(|w| w == b"Visible1!secret"), "{}", path.display());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn another_key_is_refused_at_once_and_an_altered_row_when_read() {
    let (folder, fleet) = fleet().await;
    for n in [1, 2] {
        fleet.persist(&with_passwords(n, &["x"])).await.unwrap();
    }
    let path = folder.path().join("fleet.db");
    assert_eq!(Fleet::open(&path, key(2)).await.unwrap_err().code, ErrorCode::UNSEAL);
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query("UPDATE journal SET sealed = (SELECT sealed FROM journal WHERE machine = 1) WHERE machine = 2")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(fleet.record(id(1)).await.unwrap().is_some());
    assert_eq!(fleet.record(id(2)).await.unwrap_err().code, ErrorCode::UNSEAL);
}

#[tokio::test]
async fn a_key_is_made_for_a_new_database_only() {
    let folder = tempfile::tempdir().unwrap();
    let (database, key_file) = (folder.path().join("fleet.db"), folder.path().join("key"));
    Fleet::open_with_key_file(&database, &key_file).await.unwrap().close().await;
    Fleet::open_with_key_file(&database, &key_file).await.unwrap().close().await;
    std::fs::remove_file(&key_file).unwrap();
    assert_eq!(Fleet::open_with_key_file(&database, &key_file).await.unwrap_err().code, ErrorCode::SEAL_KEY);
    assert!(!key_file.exists(), "a new key beside an old database would hide what is wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_the_same_new_file_in_the_same_moment() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let (path, key_file) = (folder.path().join("fleet.db"), folder.path().join("seal.key"));
        let open = || {
            let (path, key_file) = (path.clone(), key_file.clone());
            tokio::spawn(async move { Fleet::open_with_key_file(path, key_file).await.map(drop) })
        };
        for opened in (0..8).map(|_| open()).collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.db");
    std::fs::write(&path, "this is a text file and no database at all, whatever its name may say").unwrap();
    let failure = Fleet::open(&path, key(1)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::STORE);
    assert!(failure.message.contains("fleet.db"), "{failure}");
    assert!(failure.hint.contains("no database"), "{}", failure.hint);
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_told_with_what_to_do() {
    // A folder in its place gives the same code, 14, as a read-only mount, and no account is above it.
    let folder = tempfile::tempdir().unwrap();
    let failure = Fleet::open(folder.path(), key(1)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::STORE);
    assert!(failure.hint.contains("read-only mount"), "{failure}: {}", failure.hint);
}

#[tokio::test]
async fn a_database_that_somebody_else_holds_is_said_to_be_held() {
    use sqlx::Connection;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.db");
    Fleet::open(&path, key(1)).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).busy_timeout(std::time::Duration::ZERO);
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let held = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let mut second = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let refused = sqlx::query("CREATE TABLE t (x)").execute(&mut second).await.unwrap_err();
    let failure = super::failed("open")(refused);
    assert!(failure.hint.contains("another program holds the database"), "{failure}: {}", failure.hint);
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn candidates_keep_their_order_and_go_only_when_another_was_proven() {
    let (_folder, fleet) = fleet().await;
    fleet.persist(&with_passwords(1, &["b", "a"])).await.unwrap();
    fleet.persist(&with_passwords(1, &["c", "b", "a"])).await.unwrap();
    assert_eq!(admin(&fleet, 1).await, ["c", "b", "a"]);
    // A record that forgot some without a proof does not take them away.
    fleet.persist(&with_passwords(1, &["d"])).await.unwrap();
    assert_eq!(admin(&fleet, 1).await, ["d", "c", "b", "a"]);
    let mut proven = with_passwords(1, &["d"]);
    proven.admin_proven = true;
    fleet.persist(&proven).await.unwrap();
    assert_eq!(admin(&fleet, 1).await, ["d"]);
    let history = fleet.credential_history(id(1)).await.unwrap();
    let retired: Vec<_> =
        history.iter().filter(|c| c.retired_at.is_some()).map(|c| c.password.expose().as_str()).collect();
    assert_eq!(retired, ["b", "a", "c"], "the past stays readable");
    // The setup menu's password cannot be proven over the network: its candidates stay.
    proven.mebx_passwords = vec!["Other1!aa".into()];
    fleet.persist(&proven).await.unwrap();
    assert_eq!(fleet.credentials(id(1)).await.unwrap().iter().filter(|c| c.kind == CredentialKind::Mebx).count(), 2);
}

#[tokio::test]
async fn beginning_again_keeps_the_old_credentials_as_candidates() {
    let (_folder, fleet) = fleet().await;
    let mut record = with_passwords(1, &["old"]);
    (record.admin_proven, record.verified) = (true, true);
    fleet.persist(&record).await.unwrap();
    fleet.write(Finish { id: id(1), control_mode: "admin".into(), tls: None }).await.unwrap();
    assert!(fleet.machine(id(1)).await.unwrap().is_verified());
    fleet.redo(id(1)).await.unwrap();
    assert!(fleet.machine(id(1)).await.unwrap().redo);
    fleet.write(BeginAgain(id(1))).await.unwrap();
    assert_eq!(fleet.record(id(1)).await.unwrap(), None);
    assert_eq!(fleet.machine(id(1)).await.unwrap().state, MachineState::Working);
    fleet.persist(&with_passwords(1, &["new", "admin"])).await.unwrap();
    assert_eq!(admin(&fleet, 1).await, ["new", "admin", "old"]);
    assert_eq!(fleet.redo(id(9)).await.unwrap_err().code, ErrorCode::MACHINE_UNKNOWN);
}

#[tokio::test]
async fn hellos_admit_by_policy_and_names_are_given_once_and_unique() {
    let (_folder, fleet) = fleet().await;
    let parked = heard(&fleet, 1, false).await;
    assert_eq!((parked.state, parked.admitted, parked.temporary), (MachineState::Parked, false, true));
    assert_eq!(parked.parked.unwrap().code, "UNKNOWN");
    let admitted = heard(&fleet, 1, true).await;
    assert_eq!((admitted.state, admitted.parked.is_some()), (MachineState::Working, false));
    assert!(admitted.name().unwrap().starts_with("amt-") && admitted.name().unwrap().ends_with(".example.com"));
    assert_eq!(admitted.address, Some("127.1.0.1".parse().unwrap()));
    let again = heard(&fleet, 1, true).await;
    assert_eq!(again.name(), admitted.name());
    assert_eq!(fleet.last_hello(id(1)).await.unwrap().unwrap(), [3, 1]);
}

#[tokio::test]
async fn a_listed_machine_is_admitted_under_its_own_name() {
    let (_folder, fleet) = fleet().await;
    let mut known = KnownMachine::new(id(1));
    known.host_name = Some("reception".into());
    known.dns_suffix = Some("corp.example.com".into());
    fleet.import(vec![known.clone()]).await.unwrap();
    assert_eq!(fleet.machine(id(1)).await.unwrap().state, MachineState::Known);
    let machine = heard(&fleet, 1, false).await;
    assert_eq!(machine.state, MachineState::Working);
    assert_eq!(machine.name().as_deref(), Some("reception.corp.example.com"));
    assert_eq!(machine.dns_suffix.as_deref(), Some("corp.example.com"));
    (known.id, known.domain_name) = (Some(id(2)), Some("corp.example.com".into()));
    assert_eq!(fleet.import(vec![known]).await.unwrap_err().code, ErrorCode::CONFIG, "one name, two machines");
    let blank = KnownMachine::new(SystemId::from_wire([0; 16]));
    assert_eq!(fleet.import(vec![blank]).await.unwrap_err().code, ErrorCode::IDENTITY_UNUSABLE);
}

#[tokio::test]
async fn a_machine_that_says_hello_all_day_does_not_fill_the_disk() {
    let (_folder, fleet) = fleet().await;
    for _ in 0..MAX_HELLOS + 10 {
        fleet.write(hello(1)).await.unwrap();
    }
    let count = sqlx::query("SELECT count(*) AS n FROM hellos").fetch_one(&fleet.0.readers).await.unwrap();
    assert_eq!(required::<i64>(&count, "n").unwrap(), MAX_HELLOS);
    for n in 0..MAX_DIARY + 5 {
        fleet.note(id(1), "note", n.to_string());
    }
    fleet.write(hello(1)).await.unwrap();
    let diary = fleet.diary(id(1), u32::MAX).await.unwrap();
    assert_eq!(i64::try_from(diary.len()).unwrap(), MAX_DIARY);
    assert_eq!(diary.last().unwrap().message, (MAX_DIARY + 4).to_string(), "the newest are kept");
}

#[tokio::test]
async fn invented_machines_beyond_the_limit_leave_no_trace() {
    let (_folder, fleet) = fleet().await;
    let path = fleet.path().to_owned();
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
         INSERT INTO machines (uuid, origin, created_at, changed_at, state) SELECT 'x' || i, 'hello', 0, 0, 'parked' FROM n",
    )
    .bind(MAX_UNADMITTED)
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(matches!(fleet.write(hello(1)).await.unwrap(), Heard::NoRoom));
    let unlimited = SawHello { limited: false, ..hello(1) };
    assert!(matches!(fleet.write(unlimited).await.unwrap(), Heard::Machine), "where all are let in there is room");
}

#[tokio::test]
async fn states_failures_and_ca_requests_are_kept() {
    let (_folder, fleet) = fleet().await;
    fleet.write(hello(1)).await.unwrap();
    let failure = Failure::new(ErrorCode::CA_PENDING, "certify", "request 17 is not decided").hint("approve it");
    let retry_at = Some(from_millis(millis(SystemTime::now()) + 5000));
    let state = || SetState {
        id: id(1),
        state: MachineState::Waiting,
        attempts: Attempts::OneMore,
        retry_at,
        failure: Some(failure.clone()),
    };
    fleet.write(state()).await.unwrap();
    fleet.write(state()).await.unwrap();
    for (state, message) in [("pending", None), ("denied", Some("not one of ours".to_owned()))] {
        fleet.write(CaAnswered { id: id(1), request: "17".into(), csr: "ab".into(), state, message }).await.unwrap();
        let pending = fleet.pending_request(id(1), "ab").await.unwrap();
        assert_eq!(pending.is_some(), state == "pending");
        assert_eq!(fleet.pending_request(id(1), "cd").await.unwrap(), None, "another key, another request");
    }
    let machine = fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.attempts, machine.retry_at, machine.failure), (2, retry_at, Some(failure)));
    let requests = fleet.ca_requests(id(1)).await.unwrap();
    assert_eq!((requests.len(), requests[0].times, requests[0].state.as_str()), (1, 2, "denied"));
    assert_eq!(requests[0].message.as_deref(), Some("not one of ours"));
    // EST knows a request by its content: the same one submitted again after a denial is a new one, and so is the time it has waited.
    let first = requests[0].first_at;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let again = CaAnswered { id: id(1), request: "17".into(), csr: "ab".into(), state: "pending", message: None };
        fleet.write(again).await.unwrap();
    }
    let requests = fleet.ca_requests(id(1)).await.unwrap();
    assert!(requests[0].first_at > first && requests[0].asked_at > requests[0].first_at, "{requests:?}");
}

#[tokio::test]
async fn one_bad_change_in_a_group_does_not_harm_the_others() {
    let (_folder, fleet) = fleet().await;
    let good = (1..=20).map(|n| {
        let fleet = fleet.clone();
        async move { fleet.persist(&with_passwords(n, &["x"])).await }
    });
    let bad = (1..=20).map(|n| {
        let fleet = fleet.clone();
        async move { fleet.redo(id(100 + n)).await }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for (good, bad) in good.zip(bad) {
        tasks.spawn(async move { (good.await.is_ok(), bad.await.is_err()) });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap(), (true, true));
    }
    assert_eq!(fleet.machines().await.unwrap().len(), 20);
}

#[tokio::test]
async fn many_records_share_few_commits() {
    let (_folder, fleet) = fleet().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=200 {
        let fleet = fleet.clone();
        tasks.spawn(async move {
            let mut record = with_passwords(n, &["x"]);
            record.id = SystemId::from_wire([n; 16]);
            fleet.persist(&record).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(fleet.machines().await.unwrap().len(), 200);
    // Commits since the database was made, by the writer's own count.
    assert!(fleet.commits() < 60, "{} commits", fleet.commits());
}

#[tokio::test]
async fn versions_in_an_older_database_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let first: Vec<Migration> = migrator().iter().filter(|m| m.version == 1).cloned().collect();
    Migrator::with_migrations(first).run(&mut connection).await.unwrap();
    for (n, firmware) in [(1, Some("16.1.25.2124")), (2, Some("9.5.0")), (3, None)] {
        let sql = "INSERT INTO machines (id, uuid, origin, created_at, changed_at, state) VALUES (?1, ?2, 'hello', 0, 0, 'known')";
        sqlx::query(sql).bind(i64::from(n)).bind(id(n).to_string()).execute(&mut connection).await.unwrap();
        let sql = "INSERT INTO journal (machine, step, commit_sent, verified, firmware, written_at, sealed) \
                   VALUES (?1, 'connect', 0, 0, ?2, 0, x'00')";
        sqlx::query(sql).bind(i64::from(n)).bind(firmware).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let fleet = Fleet::open(&path, key(1)).await.unwrap();
    let found = |text: &str| {
        let filter = crate::filter::Filter::parse(text).unwrap();
        let fleet = fleet.clone();
        async move { fleet.select(&filter, None, None).await.unwrap().iter().map(|m| m.id).collect::<Vec<_>>() }
    };
    assert_eq!(found("version = 16.1.25.2124").await, [id(1)]);
    assert_eq!(found("version < 16").await, [id(2)]);
    assert_eq!(found("not has version").await, [id(3)]);
}

#[test]
fn every_migration_is_made() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    assert_eq!(super::migrator().iter().count(), files);
}
