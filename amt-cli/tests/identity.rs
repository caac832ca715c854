//! Who is kept out and why, what somebody decides by hand, jobs and actions, as an administrator meets them.

use amt_core::{ErrorCode, SystemId};
use amt_fleet::{FactKey, FactSource, Filter, Fleet, KnownMachine, Operation, Report};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const WIDTH: usize = 100;

fn id(n: u8) -> SystemId {
    SystemId::from_wire([n; 16])
}

fn uuid(n: u8) -> String {
    id(n).to_string()
}

fn with_fleet<T>(folder: &Path, work: impl AsyncFnOnce(&Fleet) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
        let result = work(&fleet).await;
        fleet.close().await;
        result
    })
}

/// Three machines of a list. Of the first an agent and the firmware speak, and do not agree.
fn database() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    with_fleet(folder.path(), async |fleet| {
        let known = (1..=3).map(|n| {
            let mut known = KnownMachine::new(id(n));
            known.host_name = Some(format!("pc{n}"));
            known.domain_name = Some("example.com".into());
            known
        });
        fleet.import(known.collect()).await.unwrap();
        let agent = Report::new(id(1), FactSource::Agent)
            .with(FactKey::Fqdn, "laptop7.example.com")
            .with(FactKey::Os, "Windows 11")
            .with(FactKey::Model, "A model with a name so long that it does not fit into the column for values")
            .with(FactKey::Mac, "00:1b:21:aa:bb:cc");
        fleet.report(agent).await.unwrap();
        let wsman = Report::new(id(1), FactSource::Wsman).with(FactKey::Fqdn, "old.example.com");
        fleet.report(wsman).await.unwrap();
        fleet.new_collection("lab", &Filter::parse("host = pc1 or host = pc2").unwrap()).await.unwrap();
    });
    std::fs::write(folder.path().join("amt.toml"), CONFIG).unwrap();
    folder
}

const CONFIG: &str = r#"
database = "fleet.db"
seal_key_file = "seal.key"
dns_suffixes = ["example.com"]

[[rule]]
when = "fact.os ~ 'win*'"
entry = "release"
reason = "clients are handed out by us"
labels = ["client"]
profile = "desk"

[[rule]]
when = "host = pc3"
entry = "park"
reason = "kept for parts"
"#;

fn amt(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
    command.arg("fleet").args(arguments).args(["--config", "amt.toml"]).current_dir(folder).output().expect("amt runs")
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = amt(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "wider than {WIDTH}: {line}");
    }
    text
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = amt(folder, &[arguments, &["--json"]].concat());
    assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn error(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = amt(folder, &[arguments, &["--json"]].concat());
    let document: Value = serde_json::from_slice(&output.stderr).unwrap();
    (output.status.code(), document["error"]["name"].clone())
}

#[test]
fn a_machine_is_shown_with_all_that_is_said_of_it() {
    let folder = database();
    let folder = folder.path();
    text(folder, &["forget-facts", &uuid(1), "--source", "agent", "--key", "os"]);
    let shown = json(folder, &["show", &uuid(1)]);
    let of = |list: &str, field: &str, value: &str| -> Value {
        let all = shown[list].as_array().unwrap();
        all.iter().find(|e| e[field] == value).cloned().unwrap_or_else(|| panic!("{list} {value}: {shown:#}"))
    };
    assert_eq!(of("facts", "value", "old.example.com")["source"], "wsman");
    assert!(of("facts", "key", "os")["until"].is_string(), "ended, and still shown");
    assert!(of("facts", "key", "mac")["until"].is_null());
    let disagreement = of("disagreements", "key", "fqdn");
    assert_eq!(disagreement["said"].as_array().unwrap().last().unwrap()["source"], "wsman");
    assert_eq!(of("evidence", "kind", "host-os-fqdn")["strong"], true);
    assert_eq!(of("evidence", "kind", "agent-fact")["strong"], true);
    assert_eq!(shown["collections"], serde_json::json!(["lab"]));
    assert_eq!(of("diary", "event", "joined")["message"], "joined collection lab");
    let people = text(folder, &["show", &uuid(1)]);
    for part in [
        "facts, the most trusted source first",
        "sources that disagree\n  fqdn: ",
        "counts, says list; agent says laptop7.example.com",
        "no longer said\n  os ",
        "strong  host-os-fqdn: the firmware knows an operating system named old.example.com on it",
        "collections  lab",
        "\ndiary\n",
    ] {
        assert!(people.contains(part), "{part:?} in {people}");
    }
    assert_eq!(error(folder, &["show", &uuid(9)]), (Some(1), "MACHINE_UNKNOWN".into()));
}

#[test]
fn a_dry_run_says_what_would_be_decided_and_changes_nothing() {
    let folder = database();
    let folder = folder.path();
    let before = json(folder, &["show", &uuid(1)]);
    let document = json(folder, &["resolve", &uuid(1)]);
    let preview = &document["machines"][0];
    assert_eq!(preview["rules"], serde_json::json!([0]));
    assert_eq!((&preview["answer"]["profile"], &preview["profile"]), (&"desk".into(), &"desk".into()));
    assert_eq!((&preview["admitted"], &preview["parked"]), (&true.into(), &Value::Null));
    assert_eq!(preview["problems"][0]["name"], "CONFIG", "there is no such profile: {preview}");
    assert_eq!(amt(folder, &["resolve", &uuid(1)]).status.code(), Some(1));
    let text_of = String::from_utf8(amt(folder, &["resolve", &uuid(1)]).stdout).unwrap();
    assert!(text_of.contains("decision   let in: released by the resolver: clients are handed out by us"), "{text_of}");
    assert!(text_of.contains("PROBLEM    profile: no profile is named \"desk\""), "{text_of}");
    let parked = json(folder, &["resolve", "--where", "host = pc3"]);
    assert_eq!(parked["machines"][0]["parked"]["code"], "RESOLVER");
    assert_eq!(parked["machines"][0]["parked"]["reason"], "kept for parts");
    // Neither record nor diary nor labels know of it.
    assert_eq!(json(folder, &["show", &uuid(1)]), before);
    assert_eq!(
        json(folder, &["list", "--where", "parked or has label or has profile"])["machines"],
        serde_json::json!([])
    );
    assert_eq!(error(folder, &["resolve"]).0, Some(2), "a machine or an expression");
}

#[test]
fn what_is_decided_by_hand_is_in_the_diary_with_a_name() {
    let folder = database();
    let folder = folder.path();
    let released = json(folder, &["release", &uuid(1), &uuid(2), "--by", "A. Turing"]);
    assert_eq!((&released["by"], released["released"].as_array().map(Vec::len)), (&"A. Turing".into(), Some(2)));
    let shown = json(folder, &["show", &uuid(2)]);
    assert_eq!(shown["released"]["by"], "A. Turing");
    let user = json(folder, &["release", &uuid(1), "--boot"])["by"].as_str().unwrap().to_owned();
    assert_eq!(json(folder, &["show", &uuid(1)])["boot_released"]["by"], user.as_str());
    assert!(!user.is_empty());
    // All or none.
    assert_eq!(error(folder, &["release", &uuid(3), &uuid(9)]), (Some(1), "MACHINE_UNKNOWN".into()));
    assert!(json(folder, &["show", &uuid(3)])["released"].is_null());
    assert_eq!(error(folder, &["release", &uuid(1), &uuid(2), "--address", "10.0.0.1"]).0, Some(2));
    json(folder, &["release", &uuid(2), "--address", "10.0.0.1"]);
    assert_eq!(json(folder, &["show", &uuid(2)])["bound_address"], "10.0.0.1");

    let ended = json(folder, &["forget-facts", &uuid(1), "--source", "agent"]);
    assert_eq!((&ended["ended"], &ended["key"]), (&4.into(), &Value::Null));
    assert_eq!(error(folder, &["forget-facts", &uuid(1), "--source", "gossip"]).0, Some(2));

    text(folder, &["rebind", &uuid(2), &uuid(3), "--by", "A. Turing"]);
    let parked = json(folder, &["parked"]);
    assert_eq!(parked["machines"][0]["parked"]["code"], "REPLACED", "{parked}");
    assert!(text(folder, &["parked"]).ends_with("1 machine is parked\n"));
    assert_eq!(error(folder, &["rebind", &uuid(3), &uuid(3)]), (Some(1), "PARSE_TEXT".into()));
}

#[test]
fn a_list_is_imported_whole_or_not_at_all() {
    let folder = database();
    let folder = folder.path();
    let write = |text: &str| std::fs::write(folder.join("list.csv"), text).unwrap();
    write(&format!(
        "uuid,mac,name,profile,labels\n{},,pc9.example.com,desk,red;lab\n,00:1b:21:aa:bb:cc,,lab,\n,00:1b:21:aa:bb:cd,,lab,\n",
        uuid(9)
    ));
    assert_eq!(json(folder, &["import", "list.csv", "--check"])["imported"], false);
    assert_eq!(error(folder, &["show", &uuid(9)]).0, Some(1), "only looked at");
    let imported = json(folder, &["import", "list.csv"]);
    assert_eq!((&imported["lines"], &imported["machines"], &imported["waiting"]), (&3.into(), &2.into(), &1.into()));
    let listed = json(folder, &["list", "--where", "fact.list.profile = lab", "--columns", "host"]);
    assert_eq!(listed["machines"][0]["host"], "pc1", "it has that interface, said the agent");
    assert_eq!(json(folder, &["show", &uuid(9)])["name"], "pc9.example.com");
    assert_eq!(
        text(folder, &["import", "list.csv"]),
        "2 machines are let in\n1 line waits for a machine whose client or firmware tells that interface address\n"
    );

    write(&format!("uuid,host\n{},pc10\nnonsense,pc11\n{},pc 12\n", uuid(10), uuid(12)));
    let output = amt(folder, &["import", "list.csv"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("list.csv: line 3, column 1 (uuid): "), "{message}");
    assert!(message.contains("list.csv: line 4, column 2 (host): \"pc 12\" is not a host name"), "{message}");
    assert_eq!(error(folder, &["show", &uuid(10)]).0, Some(1), "nothing was imported");
    std::fs::write(folder.join("list.csv"), b"uuid,host\n\xff").unwrap();
    assert_eq!(error(folder, &["import", "list.csv"]), (Some(1), "NOT_UTF8".into()));
}

#[test]
fn a_job_is_tried_out_started_waited_for_and_called_off() {
    let folder = database();
    let folder = folder.path();
    let dry = json(folder, &["run", "refresh", "--collection", "lab", "--dry-run"]);
    assert_eq!(dry["machines"].as_array().map(Vec::len), Some(2));
    assert_eq!(dry["machines"][0]["outcome"], "failed", "it is not provisioned: {dry}");
    assert_eq!(json(folder, &["job", "list"])["jobs"], serde_json::json!([]), "a dry run is no job");
    let job = json(folder, &["run", "release", "--where", "host != pc3", "--concurrency", "2"]);
    assert_eq!((&job["states"]["pending"], &job["over"], &job["concurrency"]), (&2.into(), &false.into(), &2.into()));
    let number = job["job"].to_string();
    let waited = ["job", "show", &number, "--wait", "--timeout", "300ms"];
    assert_eq!(error(folder, &waited), (Some(1), ErrorCode::REPLY_TIMEOUT.name().into()), "no server runs");
    assert_eq!(json(folder, &["job", "cancel", &number])["cancelled"], 2);
    let output = amt(folder, &["job", "show", &number, "--wait", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &shown["over"]), (Some(1), &true.into()), "over, and not done");
    assert_eq!(shown["machines"][1]["state"], "cancelled");
    assert!(text(folder, &["job", "list"]).contains("release"));
    assert_eq!(error(folder, &["job", "show", "99"]), (Some(1), "INVALID_ARGUMENT".into()));
    assert_eq!(error(folder, &["run", "release", "--where", "host = nobody"]), (Some(1), "INVALID_ARGUMENT".into()));
    for wrong in [
        &["run", "release"][..],
        &["run", "explode", "--where", "parked"],
        &["run", "release", "--where", "x", "--collection", "lab"],
        &["run", "release", "--where", "parked", "--concurrency", "0"],
    ] {
        assert_eq!(error(folder, wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn actions_are_listed_by_state_and_tried_again() {
    let folder = database();
    let folder = folder.path();
    with_fleet(folder, async |fleet| {
        fleet.new_job(Operation::Boot, &Filter::parse("in lab").unwrap(), 1).await.unwrap();
    });
    // As a server would have left them.
    let path = folder.join("fleet.db");
    let script = "UPDATE actions SET state = 'failed', attempts = 3, message = 'the webhook at x answered 500', code = 7011, \
                  hint = 'look there', ended_at = 1700000000000 WHERE name = 'boot' AND machine = (SELECT id FROM machines WHERE host_name = 'pc1'); \
                  UPDATE actions SET state = 'blocked', attempts = 1 WHERE name = 'boot' AND state <> 'failed'";
    sql(&path, script);
    let failed = json(folder, &["actions", "--state", "failed"]);
    assert_eq!(failed["actions"].as_array().map(Vec::len), Some(1), "{failed}");
    assert_eq!(failed["actions"][0]["error"]["hint"], "look there");
    let number = failed["actions"][0]["id"].to_string();
    assert!(text(folder, &["actions", &uuid(1)]).contains("the webhook at x answered 500 (3 attempts)"));
    assert_eq!(json(folder, &["retry", "--action", &number])["actions"][0].to_string(), number);
    let again = json(folder, &["actions", "--where", "host = pc1", "--state", "pending"]);
    let again =
        again["actions"].as_array().unwrap().iter().find(|a| a["id"].as_i64() == number.parse().ok()).unwrap().clone();
    assert_eq!((&again["attempts"], &again["ended_at"]), (&0.into(), &Value::Null));
    assert_eq!(
        error(folder, &["retry", "--action", &number]),
        (Some(1), "INVALID_ARGUMENT".into()),
        "it does not wait"
    );
    assert_eq!(json(folder, &["retry", &uuid(2)])["actions"].as_array().map(Vec::len), Some(1));
    assert_eq!(text(folder, &["retry", &uuid(2)]), "nothing failed or is blocked\n");
    assert_eq!(error(folder, &["retry"]).0, Some(2));
    assert_eq!(error(folder, &["actions", "--state", "lost"]).0, Some(2));
}

fn sql(database: &Path, script: &str) {
    use sqlx::{Connection as _, Executor as _};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(script.to_owned())).await.unwrap();
    });
}

#[test]
fn every_help_text_shows_an_example() {
    for command in
        ["show", "parked", "release", "rebind", "forget-facts", "resolve", "run", "actions", "retry", "import"]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_amt")).args(["fleet", command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Example: amt fleet {command} ")), "{command}: {help}");
    }
}
