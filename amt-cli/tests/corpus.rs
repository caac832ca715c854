//! Recorded replies of real firmware through `amt wsman decode`. Reads them from `AMT_CORPUS`; says so and ends if that is
//! not set.

#![allow(clippy::print_stdout, reason = "says that it read nothing")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn no_text_of_a_recorded_reply_is_lost() {
    let Some(corpus) = std::env::var_os("AMT_CORPUS") else {
        println!("AMT_CORPUS is not set: recorded replies are not read");
        return;
    };
    let mut files = Vec::new();
    collect(&Path::new(&corpus).join("wsman"), &mut files);
    assert!(files.len() >= 80, "{} files", files.len());
    for file in files {
        let output = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["wsman", "decode", "--json"])
            .arg(&file)
            .output()
            .expect("amt runs");
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(document["class"].is_string(), "{}: {document}", file.display());
        let mut told = Vec::new();
        strings(&document, &mut told);
        for text in leaf_texts(&std::fs::read_to_string(&file).expect("UTF-8")) {
            let at = told.iter().position(|t| *t == text);
            // Each text of the file uses up one of the document: a repeated text has to be there as often.
            told.swap_remove(at.unwrap_or_else(|| panic!("{}: {text:?} is missing", file.display())));
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
}

fn strings(value: &Value, to: &mut Vec<String>) {
    match value {
        Value::String(text) => to.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, to)),
        Value::Object(members) => members.values().for_each(|value| strings(value, to)),
        _ => {}
    }
}

/// Texts between a tag and an end tag in the Body, found without an XML library.
fn leaf_texts(xml: &str) -> Vec<String> {
    let body = xml.rsplit_once("Header>").expect("a header").1;
    body.split("</")
        .filter_map(|part| part.rsplit_once('>'))
        .map(|(_, text)| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| {
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
            text.replace("&amp;", "&")
        })
        .collect()
}
