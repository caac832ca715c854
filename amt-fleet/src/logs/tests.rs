//! Logs as they are found in the field: both formats of Configuration Manager, other tools, damaged ones.

use super::*;

const A: &str = "4c4c4544-0042-3510-8052-b4c04f564433";
const B: &str = "6D0F1A2B-1111-4222-8333-0123456789AB";

/// The format of Configuration Manager 2007.
fn old(message: &str, time: &str, thread: u32) -> String {
    format!(
        "{message}  $$<SMS_AMT_OPERATION_MANAGER><Thu Nov 19 {time}.123 2009 Pacific Standard Time><thread={thread} (0xB40)>\r\n"
    )
}

/// The format of later ones.
fn new(message: &str, time: &str, thread: u32) -> String {
    format!(
        "<![LOG[{message}]LOG]!><time=\"{time}.123+300\" date=\"11-19-2012\" component=\"SMS_AMT_OPERATION_MANAGER\" \
         context=\"\" type=\"3\" thread=\"{thread}\" file=\"amtproxymgr.cpp:123\">\r\n"
    )
}

fn incident(line: fn(&str, &str, u32) -> String) -> String {
    [
        line("AMT Operation Manager service started", "11:35:00", 1),
        line("Incoming Connection from 10.0.0.7:16994.", "11:35:01", 2),
        line(&format!("Incoming data is - Configuration version: PKI Configuration. Count: 0, UUID: {A}"), "11:35:01", 2),
        line("Server unexpectedly disconnected when TLS handshaking.", "11:35:02", 3),
        line("**** Error 0x382b948 returned by ApplyControlToken", "11:35:02", 3),
        line("Fail to connect and get core version of machine pc1.example.com using provisioning account #0.", "11:35:03", 3),
        line("RETRY(1) - Request device certificate for pc2.example.com", "11:36:00", 4),
        line("Missed device certificate. To provision device with TLS server or Mutual authentication mode, device certificate is required. \
              (MachineId = 12)", "11:36:01", 4),
        line("Server unexpectedly disconnected when TLS handshaking.", "11:40:02", 3),
        line("**** Error 0x6fcb970 returned by ApplyControlToken", "11:40:02", 3),
    ]
    .concat()
}

fn codes(study: &Study) -> Vec<(&'static str, u64)> {
    study.found().iter().map(|f| (f.signature.code, f.count)).collect()
}

#[test]
fn both_formats_of_configuration_manager_are_explained() {
    for format in [old as fn(&str, &str, u32) -> String, new] {
        let study = explain(incident(format).as_bytes()).unwrap();
        assert_eq!(codes(&study), [("TLS-DISCONNECT", 2), ("CORE-VERSION", 1), ("CA-PENDING", 1)]);
        let tls = study.found()[0];
        assert_eq!((tls.first_line, tls.last_line), (4, 9));
        assert!(tls.first_time.as_ref().unwrap().contains("11:35:02"), "{tls:?}");
        assert!(tls.last_time.as_ref().unwrap().contains("11:40:02"), "{tls:?}");
        assert!(tls.machines.contains("pc1.example.com"), "the second time the thread had named it: {tls:?}");
        let unknown: Vec<_> = study.unknown().collect();
        assert_eq!((unknown.len(), unknown[0].id), (1, A.parse().unwrap()));
        assert_eq!((unknown[0].first_line, unknown[0].address.as_deref()), (3, Some("10.0.0.7")));
    }
}

#[test]
fn a_companion_may_come_first_and_in_vain_counts_as_the_plainer_signature() {
    let before = "Error 0x1 returned by ApplyControlToken\nServer unexpectedly disconnected when TLS handshaking\n";
    assert_eq!(codes(&explain(before.as_bytes()).unwrap()), [("TLS-DISCONNECT", 1)]);
    let alone = "Server unexpectedly disconnected when TLS handshaking\nsomething else\n";
    assert_eq!(codes(&explain(alone.as_bytes()).unwrap()), [("TLS-DISCONNECT-ALONE", 1)]);
    let far = format!("{alone}{}Error 0x1 returned by ApplyControlToken\n", "idle\n".repeat(50));
    assert_eq!(codes(&explain(far.as_bytes()).unwrap()), [("TLS-DISCONNECT-ALONE", 1)]);
    // Another thread's lines are not its companions.
    let apart = old("Server unexpectedly disconnected when TLS handshaking.", "1", 1)
        + &old("Error returned by ApplyControlToken", "2", 2);
    assert_eq!(codes(&explain(apart.as_bytes()).unwrap()), [("TLS-DISCONNECT-ALONE", 1)]);
    assert_eq!(codes(&explain(&b"Missed device certificate"[..]).unwrap()), [("CA-MISSING", 1)]);
}

#[test]
fn a_machine_that_was_matched_or_provisioned_is_not_unknown() {
    let log = format!(
        "Hello from unknown machine {A}\nIncoming data is - UUID: {B}\nProvisioned machine {{{A}}} successfully\nnot provisioned: {B}\n"
    );
    let study = explain(log.as_bytes()).unwrap();
    assert_eq!(study.unknown().map(|m| m.id.to_string()).collect::<Vec<_>>(), [B.to_lowercase()]);
    assert_eq!(study.heard().count(), 2);
}

#[test]
fn other_tools_logs_are_read_line_by_line() {
    for (line, code) in [
        ("2024-03-01T08:00:00.123Z error: Error [ERR_SSL]: unsafe legacy renegotiation disabled", "TLS-LEGACY"),
        ("time=\"2024-03-01\" level=error msg=\"LMS is not running\"", "LMS-OR-TRUST"),
        (
            "2024/03/01 08:00:00 Specified AMT domain suffix: example.com does not match list of available AMT domain suffixes",
            "DOMAIN-SUFFIX",
        ),
        ("2010-02-03 11:12:13 (0xCFFF06AC) SOAP failure 23", "CN-SUFFIX"),
        ("AMT: key values mismatch", "CHAIN-NOKEY"),
        (
            "Error 0x80090308 returned by InitializeSecurityContext during follow up TLS handshaking with server.",
            "SELF-BAD",
        ),
        ("Error: The provisioning certificate with the thumbprint 55B7 will expire in 4 day(s).", "CERT-EXPIRING"),
    ] {
        assert_eq!(codes(&explain(line.as_bytes()).unwrap()), [(code, 1)], "{line}");
    }
    assert!(codes(&explain(&b"Successfully provisioned\nDevice certificate issued\n"[..]).unwrap()).is_empty());
}

#[test]
fn every_encoding_says_the_same() {
    let text = incident(old).replace("pc1", "pc-\u{fc}1");
    let expected = codes(&explain(text.as_bytes()).unwrap());
    let utf16 = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
        let mut bytes = mark.to_vec();
        bytes.extend(text.encode_utf16().flat_map(unit));
        bytes
    };
    let latin1: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let marked = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
    for bytes in [utf16([0xff, 0xfe], u16::to_le_bytes), utf16([0xfe, 0xff], u16::to_be_bytes), latin1, marked] {
        let study = explain(&bytes[..]).unwrap();
        assert_eq!(codes(&study), expected);
        assert!(study.found()[0].machines.contains("pc-\u{fc}1.example.com"), "{:?}", study.found()[0].machines);
    }
}

#[test]
fn what_is_cut_off_or_no_log_is_read_as_far_as_it_goes() {
    let text = incident(new);
    for end in 0..text.len() {
        let study = explain(&text.as_bytes()[..end]).unwrap();
        assert!(study.lines() <= 10);
    }
    let mut rubbish: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    rubbish.extend_from_slice(b"\nServer unexpectedly disconnected when TLS handshaking, ApplyControlToken\n");
    assert_eq!(codes(&explain(&rubbish[..]).unwrap()), [("TLS-DISCONNECT", 1)]);
    let long = format!("{}\nMissed device certificate after RETRY(3)\n", "x".repeat(10 * MAX_LINE));
    let study = explain(long.as_bytes()).unwrap();
    assert_eq!((codes(&study), study.lines(), study.cut()), (vec![("CA-PENDING", 1)], 2, 1));
}

#[test]
fn memory_is_bounded_in_machines_threads_and_names() {
    let mut log = String::new();
    for n in 0..MAX_MACHINES + 5 {
        log.push_str(&format!("hello of unknown machine 10000000-0000-4000-8000-{n:012x}\n"));
    }
    for n in 0..500 {
        log.push_str(&old(&format!("Missed device certificate of machine pc{n}.example.com RETRY(1)"), "1", n));
    }
    let study = explain(log.as_bytes()).unwrap();
    assert_eq!((study.unknown().count(), study.dropped()), (MAX_MACHINES, 5));
    let pending = study.found().into_iter().find(|f| f.signature.code == "CA-PENDING").unwrap();
    assert_eq!((pending.count, pending.machines.len()), (500, MAX_NAMED));
}

#[test]
fn the_table_is_whole() {
    let mut codes = std::collections::BTreeSet::new();
    for signature in SIGNATURES {
        assert!(codes.insert(signature.code), "{} stands twice", signature.code);
        assert!(!signature.cause.is_empty() && !signature.remedy.is_empty(), "{}", signature.code);
        // Its own words must find it, and no earlier entry may swallow them.
        let mut line: String =
            signature.needles.iter().map(|n| n.split('|').next().unwrap()).collect::<Vec<_>>().join(" ");
        line.extend(signature.with);
        let study = explain(line.as_bytes()).unwrap();
        assert_eq!(study.found()[0].signature.code, signature.code, "{line}");
    }
}
