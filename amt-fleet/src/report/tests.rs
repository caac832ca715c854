use super::*;
use amt_core::Failure;
use std::time::Duration;

fn stranger(address: &str, message: &str, seconds: u64) -> Observation {
    Observation {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_352_309 + seconds),
        source: address.parse().unwrap(),
        hello: Err(Failure::new(ErrorCode::DECODE_INVALID, "hello", message)),
        verdicts: Vec::new(),
        ready: false,
    }
}

fn hello(bytes: &str, address: &str) -> Observation {
    let bytes: Vec<u8> =
        (0..bytes.len()).step_by(2).map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap()).collect();
    Observation { hello: Ok(Hello::decode(&bytes).unwrap()), ..stranger(address, "", 9) }
}

const PSK: &str = "010002000000000033221100554477668899aabbccddeeff3d4d54315345543c";

#[test]
fn what_strangers_send_is_escaped_in_every_form() {
    let mut report = Report::new(Site::default(), SystemTime::UNIX_EPOCH);
    assert!(report.add(&stranger("192.0.2.7:4000", "<script>alert(\"1\")</script> & 'x'\nsecond line", 0)));
    assert!(report.add(&stranger("[::ffff:192.0.2.7]:4001", "=cmd|' /C calc'!A0", 5)));
    assert!(report.add(&hello(PSK, "192.0.2.8:1")));
    report.add(&stranger("192.0.2.9:1", &format!("hash {}, and", "0123456789abcdef".repeat(4)), 0));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_352_400);
    assert_eq!(report.sightings().len(), 3, "one address is one line, as IPv4 or mapped");
    let html = report.render(Format::Html, now);
    assert!(html.contains("Hash 0123456789abcdef…, and"), "fingerprints are shortened for reading");
    assert!(!html.contains("<script>alert") && !html.contains("AMT1SET<"), "{html}");
    for part in ["=M", "&lt;", "2026-03-01 08:06:40", "00112233-4455-6677-8899-aabbccddeeff", "aria-label"] {
        assert!(html.contains(part), "{part}");
    }
    for outside in ["http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}: the page needs nothing from elsewhere");
    }
    let csv = report.render(Format::Csv, now);
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(csv.as_bytes()).records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    let stranger = rows.iter().find(|row| &row[1] == "192.0.2.7").unwrap();
    assert_eq!((&stranger[2], &stranger[4], &stranger[6]), ("not-a-hello", "'=cmd|' /C calc'!A0", "2"));
    let json: serde_json::Value = serde_json::from_str(&report.render(Format::Json, now)).unwrap();
    assert_eq!((&json["counts"]["psk"], &json["machines_total"]), (&1.into(), &1.into()));
    let text = report.render(Format::Text, now);
    assert!(text.contains("Pre-shared key") && text.contains("next: "), "{text}");
}

#[test]
fn a_port_scan_does_not_unsay_a_hello_and_room_ends() {
    let mut report = Report::new(Site::default(), SystemTime::UNIX_EPOCH);
    let blank = format!("{}{}{}", &PSK[..16], "00".repeat(16), &PSK[48..]);
    report.add(&hello(&blank, "192.0.2.8:1"));
    report.add(&stranger("192.0.2.8:2", "a TLS handshake", 20));
    assert_eq!(report.sightings()[0].judgement.class, Class::UnusableIdentity);
    assert_eq!(report.sightings()[0].count, 2);
    for n in 0..MAX_MACHINES {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap());
        report.add(&stranger(&format!("{address}:1"), "x", 0));
    }
    assert_eq!((report.sightings().len(), report.not_kept()), (MAX_MACHINES, 1));
    assert!(report.render(Format::Html, SystemTime::UNIX_EPOCH).contains("were not kept"));
}

#[test]
fn a_machine_with_a_pre_shared_key_is_ready_when_there_is_its_pair_and_consent() {
    let valid = PSK.replace("3d4d54315345543c", "414d543153455437");
    let seen = hello(&valid, "192.0.2.8:1");
    let (id, pid) = (seen.id().unwrap(), Pid(*b"AMT1SET7"));
    let mut site = Site::default();
    let judge = |site: &Site| {
        let judgement = classify(&seen, site);
        (judgement.class, judgement.reason + &judgement.fix)
    };
    let (class, words) = judge(&site);
    assert!(class == Class::Psk && words.contains("AMT1-SET7") && words.contains("amt psk import"), "{words}");
    site.pairs.insert(pid, None);
    let (class, words) = judge(&site);
    assert!(class == Class::Psk && words.contains("legacy_tls"), "{words}");
    site.legacy_tls = true;
    assert_eq!(judge(&site).0, Class::Ready);
    // A profile of its own decides, whatever the default is.
    let mut ours = Glimpse { profile: Some("desk".to_owned()), ..Glimpse::default() };
    site.profiles_legacy_tls.insert("desk".to_owned(), false);
    site.machines.insert(id, ours.clone());
    assert_eq!(judge(&site).0, Class::Psk);
    site.profiles_legacy_tls.insert("desk".to_owned(), true);
    let other = SystemId::from_wire([9; 16]);
    site.pairs.insert(pid, Some(other));
    let (class, words) = judge(&site);
    assert!(class == Class::Psk && words.contains(&format!("amt fleet rebind {other} {id}")), "{words}");
    // Unless it is a pair of its own, whatever the vault says.
    ours.pids.push(pid);
    site.machines.insert(id, ours);
    assert_eq!(judge(&site).0, Class::Ready);
}

#[test]
fn the_form_is_told_by_the_ending() {
    for (name, format) in
        [("a.txt", Format::Text), ("b.CSV", Format::Csv), ("c.json", Format::Json), ("d.htm", Format::Html)]
    {
        assert_eq!(Format::of(Path::new(name)).unwrap(), format);
    }
    assert_eq!(Format::of(Path::new("report.pdf")).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
}
