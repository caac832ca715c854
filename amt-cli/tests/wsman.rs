//! `amt wsman put`: what would change is shown first, then written once and read back.
#![cfg(target_os = "linux")]

use crate::lab::Lab;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use std::io::Read as _;
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};
use std::process::{Command, Stdio};

const PING: [&str; 5] = ["wsman", "put", "AMT_GeneralSettings", "--set", "PingResponseEnabled=false"];

#[test]
fn what_would_change_is_shown_then_written_and_read_back() {
    let lab = Lab::new(172, |_| {});
    let would = lab.json(&[&PING[..], &["--dry-run"]].concat());
    assert_eq!((&would["written"], &would["class"]), (&false.into(), &"AMT_GeneralSettings".into()));
    assert_eq!(
        would["changes"],
        serde_json::json!([{ "property": "PingResponseEnabled", "from": ["true"], "to": ["false"] }])
    );
    let text = lab.text(&[&PING[..], &["--dry-run"]].concat());
    assert_eq!(text, "  PingResponseEnabled: true -> false\nAMT_GeneralSettings: nothing was written\n");
    assert_eq!(lab.truth().writes, 0);

    let done = lab.json(&[&PING[..], &["--yes"]].concat());
    assert_eq!((&done["written"], &done["differs"]), (&true.into(), &serde_json::json!([])), "{done}");
    assert_eq!(lab.truth().writes, 1);
    let read = lab.json(&["wsman", "get", "AMT_GeneralSettings"]);
    assert_eq!(read["items"][0]["properties"]["PingResponseEnabled"], "false");
    assert_eq!(read["items"][0]["properties"]["HostName"], "virtual", "the rest stands");

    let text = lab.text(&[&PING[..], &["--yes"]].concat());
    assert_eq!(text, "AMT_GeneralSettings: no change\n");
    assert_eq!(lab.truth().writes, 1, "what is so already is not written");
}

#[test]
fn nobody_is_asked_where_nobody_answers_and_nothing_is_sent() {
    let lab = Lab::new(173, |_| {});
    let unasked = lab.amt(&PING);
    let hint = String::from_utf8(unasked.stderr).unwrap();
    assert!(unasked.status.code() == Some(2) && hint.contains("--dry-run, then give --yes"), "{hint}");
    for wrong in [
        vec!["wsman", "put", "AMT_GeneralSettings", "--yes"],
        vec!["wsman", "put", "AMT_GeneralSettings", "--set", "a=1", "--remove", "a", "--yes"],
        vec!["wsman", "put", "AMT_GeneralSettings", "--set", "=1", "--yes"],
        [&PING[..], &["--yes", "--dry-run"]].concat(),
    ] {
        assert_eq!(lab.amt(&wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(lab.truth().writes, 0);
}

#[test]
fn a_refusal_and_a_lost_answer_are_told() {
    let lab = Lab::new(174, |_| {});
    let refused = lab.error(&["wsman", "put", "AMT_GeneralSettings", "--set", "HostName=a b", "--yes"]);
    assert_eq!(refused["name"], "SOAP_FAULT", "{refused}");
    let reference = ["wsman", "put", "AMT_TLSCredentialContext", "--set", "ElementInContext=x", "--yes"];
    let structure = lab.amt(&reference);
    let text = String::from_utf8(structure.stderr).unwrap();
    assert!(structure.status.code() == Some(2) && text.contains("is no plain value"), "{text}");

    let simulator = lab.simulator.as_ref().unwrap();
    let put = Place::Label("AMT_GeneralSettings.Put".to_owned());
    assert!(simulator.add_fault(simulator.machines()[0].id, Fault::once(put, Direction::Out, FaultKind::Reset)));
    let lost = lab.error(&[&PING[..], &["--yes"]].concat());
    assert!(lost["hint"].as_str().unwrap().contains("`amt wsman get AMT_GeneralSettings`"), "{lost}");
    assert_eq!(lab.truth().requests["AMT_GeneralSettings.Put"], 2, "it is sent once");
    assert_eq!(lab.text(&[&PING[..], &["--yes"]].concat()), "AMT_GeneralSettings: no change\n", "it was carried out");
}

#[test]
fn a_value_from_a_file_is_shown_nowhere() {
    let lab = Lab::new(175, |_| {});
    let file = lab.state.path().join("value.txt");
    std::fs::write(&file, "s3cret-name\n").unwrap();
    let set = format!("HostName={}", file.display());
    let command = ["wsman", "put", "AMT_GeneralSettings", "--set-file", &set, "--yes"];
    let done = lab.json(&command);
    assert_eq!(done["changes"], serde_json::json!([{ "property": "HostName", "from": [], "to": ["(from a file)"] }]));
    assert!(!done.to_string().contains("s3cret-name"));
    assert_eq!(lab.truth().host_name, "s3cret-name");
    let text = lab.text(&["wsman", "put", "AMT_GeneralSettings", "--set", "HostName=pc1", "--yes"]);
    assert!(text.contains("HostName: s3cret-name -> pc1"), "{text}");
}

/// An address of a link of this computer, with the number and the name of its interface; else the loopback's.
fn on_a_link() -> (Ipv6Addr, u32, String) {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, index, _, "20", _, name] = fields[..] else { continue };
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).unwrap());
        return (address, u32::from_str_radix(index, 16).unwrap(), name.to_owned());
    }
    (Ipv6Addr::LOCALHOST, 1, "1".to_owned())
}

#[test]
fn an_interface_leads_to_the_machine_and_is_told_to_nobody() {
    let (address, index, name) = on_a_link();
    let listener = TcpListener::bind(SocketAddrV6::new(address, 0, 0, index)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in [format!("{address}%{name}"), format!("[{address}%{index}]")] {
        let mut amt = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["wsman", "get", "AMT_GeneralSettings", "--host", &host, "--plain", "--port", &port.to_string()])
            .env("AMT_PASSWORD", "P@ssw0rd-1")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        drop(stream);
        amt.wait().unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains(&format!("Host: [{address}]:{port}\r\n")), "{head}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["wsman", "get", "AMT_GeneralSettings", "--host", "fe80::1", "--plain"])
        .env("AMT_PASSWORD", "P@ssw0rd-1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains("name the interface that leads there: fe80::1%eth0"),
        "{text}"
    );
}
