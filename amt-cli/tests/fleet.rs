//! Filters and collections as a user meets them.

use amt_core::SystemId;
use amt_fleet::{FactKey, FactSource, Fleet, KnownMachine, Report};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A database with three machines, beside its key.
fn database(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
        let known = (1..=3).map(|n| {
            let mut known = KnownMachine::new(SystemId::from_wire([n; 16]));
            known.host_name = Some(format!("pc{n}"));
            known.domain_name = Some("example.com".into());
            known
        });
        fleet.import(known.collect()).await.unwrap();
        for (n, os, labels) in [(1, "Windows 11", &["red", "lab"][..]), (2, "Linux", &["red"]), (3, "Windows 10", &[])]
        {
            let mut report = Report::new(SystemId::from_wire([n; 16]), FactSource::Agent).with(FactKey::Os, os);
            for label in labels {
                report = report.with(FactKey::Label, *label);
            }
            fleet.report(report).await.unwrap();
        }
        fleet.close().await;
    });
}

fn amt(folder: &Path, arguments: &[&str]) -> Output {
    let place = ["--database", "fleet.db", "--seal-key-file", "seal.key"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
    command.arg("fleet").args(arguments).args(place).current_dir(folder).output().expect("amt runs")
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = amt(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut with_json = arguments.to_vec();
    with_json.push("--json");
    serde_json::from_str(&text(folder, &with_json)).unwrap()
}

#[test]
fn machines_are_listed_by_expression_sorted_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    database(folder);
    let names = |arguments: &[&str]| -> Vec<String> {
        let document = json(folder, arguments);
        document["machines"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["list"]).len(), 3);
    assert_eq!(names(&["list", "--where", "os ~ 'win*'"]), ["pc1.example.com", "pc3.example.com"]);
    let sorted =
        ["list", "--where", "label = RED or host = pc3", "--sort", "-name", "--limit", "2", "--columns", "name"];
    assert_eq!(names(&sorted), ["pc3.example.com", "pc2.example.com"]);
    let document =
        json(folder, &["list", "--where", "in (", "--limit", "0"].map(|a| if a == "in (" { "known" } else { a }));
    assert_eq!(document["machines"], Value::Array(vec![]));
    let document =
        json(folder, &["list", "--columns", "host,label,fact.agent.os,hello,admitted,attempts", "--limit", "1"]);
    let row = &document["machines"][0];
    assert_eq!(row["label"].as_array().map(Vec::len), Some(2), "{row}");
    assert_eq!((&row["host"], &row["hello"], &row["attempts"]), (&"pc1".into(), &Value::Null, &0.into()));
    assert_eq!((&row["fact.agent.os"], &row["admitted"]), (&"Windows 11".into(), &true.into()));
    let table = text(folder, &["list", "--columns", "host,os", "--where", "has label"]);
    assert_eq!(table, "host  os\npc1   Windows 11\npc2   Linux\n");
    let list = text(folder, &["list", "--where", "host != pc2"]);
    assert!(
        list.contains("pc1.example.com") && !list.contains("pc2") && list.ends_with("2 machines, 0 verified\n"),
        "{list}"
    );
}

#[test]
fn what_cannot_be_read_is_a_usage_error_with_a_mark() {
    let folder = tempfile::tempdir().unwrap();
    // There is no database: what was mistyped is said first.
    for (arguments, want) in [
        (
            &["list", "--where", "verson >= 16"][..],
            "column 1: there is no field \"verson\"\n  verson >= 16\n  ^\n\ndid you mean version",
        ),
        (&["list", "--sort", "nam"], "cannot be sorted by \"nam\""),
        (&["list", "--columns", "uuid,hots"], "did you mean host"),
        (&["collection", "new", "x", "in ("], "a field is missing before `in (…)`"),
        (&["collection", "members", "a\"b"], "quotes"),
    ] {
        let output = amt(folder.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(want), "{arguments:?}: {text}");
    }
    let output = amt(folder.path(), &["list", "--where", "verified and (", "--json"]);
    let document: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &document["error"]["name"]), (Some(2), &"FILTER".into()));
}

#[test]
fn collections_are_made_changed_renamed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    database(folder);
    let made = json(folder, &["collection", "new", "Red", "label = red"]);
    assert_eq!((&made["filter"], made["changes"].as_array().map(Vec::len)), (&"label = red".into(), Some(2)));
    text(folder, &["collection", "new", "others", "not in red"]);
    let members = |name: &str| text(folder, &["collection", "members", name, "--columns", "host", "--sort", "host"]);
    assert_eq!(members("red"), "host\npc1\npc2\n");
    assert_eq!(members("others"), "host\npc3\n");
    let set = text(folder, &["collection", "set", "red", "label = lab"]);
    assert_eq!(set, "red: label = lab\nRed: 0 machines joined, 1 left\nothers: 1 machines joined, 0 left\n");
    text(folder, &["collection", "rename", "red", "in the lab"]);
    let all = json(folder, &["collection", "list"]);
    assert_eq!(all["collections"][1]["filter"], "not in \"in the lab\"");
    assert_eq!(all["collections"][0]["members"], 1);
    for (arguments, want) in [
        (&["collection", "remove", "in the lab"][..], "others ask about it"),
        (&["collection", "set", "in the lab", "in others"], "ask about itself"),
        (&["collection", "members", "othrs"], "did you mean others"),
        (&["list", "--where", "in lab"], "there is no collection \"lab\""),
    ] {
        let output = amt(folder, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(want), "{arguments:?}: {text}");
    }
    text(folder, &["collection", "remove", "others"]);
    text(folder, &["collection", "remove", "In The Lab"]);
    assert_eq!(text(folder, &["collection", "list"]), "no collections\n");
}
