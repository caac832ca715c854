//! Vectors of `spec/heci.md` §10, and what every decoder does with less.

use super::*;
use amt_core::{Secret, SystemId};
use std::net::Ipv4Addr;

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

const UUID: &str = "4c4c4544-0051-3510-8052-b4c04f4e3132";

#[test]
fn requests_are_the_published_bytes() {
    let otp = SetProvisioningServerOtp { otp: Secret::from("S3cret!9") };
    for (sent, bytes) in [
        (request(&GetCodeVersions {}), "01 01 00 00 1a 00 00 04 00 00 00 00"),
        (request(&GetControlMode {}), "01 01 00 00 6b 00 00 04 00 00 00 00"),
        (request(&GetLanInterfaceSettings { interface: 0 }), "01 01 00 00 48 00 00 04 04 00 00 00 00 00 00 00"),
        (request(&otp), "01 01 00 00 2a 00 00 04 0a 00 00 00 08 00 53 33 63 72 65 74 21 39"),
        (request(&StartConfigurationEx { ipv6: false }), "01 01 00 00 62 00 00 04 04 00 00 00 00 00 00 00"),
    ] {
        assert_eq!(sent, hex(bytes));
    }
    assert!(!format!("{otp:?}").contains("S3cret"));
}

#[test]
fn answers_are_the_published_bytes() {
    let mode = hex("01 01 00 00 6b 00 80 04 08 00 00 00 00 00 00 00 01 00 00 00");
    assert_eq!(answer::<GetControlMode>(&mode).unwrap(), ControlModeAnswer { mode: 1 });
    let lan = hex(
        "01 01 00 00 48 00 80 04 18 00 00 00 00 00 00 00 01 00 00 00 64 01 a8 c0 01 00 00 00 01 01 a4 bb 6d 01 02 03",
    );
    let expected = LanInterface {
        enabled: true,
        address: Ipv4Addr::new(192, 168, 1, 100),
        dhcp: true,
        dhcp_mode: 1,
        link_up: 1,
        mac: Mac([0xa4, 0xbb, 0x6d, 1, 2, 3]),
    };
    assert_eq!(answer::<GetLanInterfaceSettings>(&lan).unwrap(), expected);
    assert_eq!(respond(GetLanInterfaceSettings::CODE, PtStatus::SUCCESS, Some(&expected)), lan);
    let suffix =
        hex("01 01 00 00 36 00 80 04 16 00 00 00 00 00 00 00 10 00 63 6f 72 70 2e 65 78 61 6d 70 6c 65 2e 63 6f 6d");
    assert_eq!(answer::<GetPkiFqdnSuffix>(&suffix).unwrap().text, "corp.example.com");
    let uuid = hex("01 01 00 00 5c 00 80 04 14 00 00 00 00 00 00 00 44 45 4c 4c 51 00 10 35 80 52 b4 c0 4f 4e 31 32");
    assert_eq!(answer::<GetUuid>(&uuid).unwrap().uuid, UUID.parse::<SystemId>().unwrap());
}

#[test]
fn an_unknown_command_is_a_refusal_with_its_status() {
    let bytes = hex("01 01 00 00 99 00 80 04 04 00 00 00 03 08 00 00");
    assert_eq!(respond(0x0400_0099, PtStatus::INVALID_COMMAND, None), bytes);
    let mut known = bytes.clone();
    known[4] = 0x6b;
    let refused = answer::<GetControlMode>(&known).unwrap_err();
    assert_eq!(refused.status(), Some(PtStatus(0x803)));
    let failure = refused.failure("read-state");
    assert_eq!(failure.code, ErrorCode::AMT_STATUS);
    assert!(failure.message.contains("GetControlMode") && failure.message.contains("INVALID_COMMAND"), "{failure:?}");
    known[12..].copy_from_slice(&0x0817_u32.to_le_bytes());
    assert_eq!(answer::<GetControlMode>(&known).unwrap_err().status(), Some(PtStatus(0x817)), "unknown ones are kept");
}

#[test]
fn a_late_answer_to_another_command_is_told_apart() {
    let late = respond(GetUuid::CODE, PtStatus::SUCCESS, None);
    let error = answer::<GetControlMode>(&late).unwrap_err();
    assert!(matches!(error, AnswerError::Other { asked: 0x0400_006b, got: 0x0400_005c, .. }), "{error:?}");
    assert_eq!(error.failure("x").code, ErrorCode::MEI_UNEXPECTED);
}

#[test]
fn header_and_length_are_strict() {
    let good = respond(GetControlMode::CODE, PtStatus::SUCCESS, Some(&ControlModeAnswer { mode: 0 }));
    for (at, value, field) in
        [(0, 2, "amthi.major"), (1, 0, "amthi.minor"), (2, 1, "amthi.reserved"), (8, 9, "amthi.length")]
    {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(matches!(answer::<GetControlMode>(&bad), Err(AnswerError::Decode(e)) if e.field() == field), "{field}");
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert!(answer::<GetControlMode>(&longer).is_err(), "a byte that the header does not count");
    let mut padded = longer;
    padded[8] = 9;
    assert!(answer::<GetControlMode>(&padded).is_ok(), "one that it does is padding");
}

/// A good answer of `C`, cut at every length: an error each time, unless what is missing is a part that may be.
fn cut<C: Command>(value: &C::Answer)
where
    C::Answer: std::fmt::Debug + PartialEq,
{
    let bytes = respond(C::CODE, PtStatus::SUCCESS, Some(value));
    assert_eq!(&answer::<C>(&bytes).unwrap(), value, "{}", C::NAME);
    for length in 0..bytes.len() {
        let mut short = bytes[..length].to_vec();
        assert!(answer::<C>(&short).is_err(), "{} cut at {length}", C::NAME);
        if length >= HEADER + 4 {
            let told = u32::try_from(length - HEADER).unwrap();
            short[8..12].copy_from_slice(&told.to_le_bytes());
            assert!(answer::<C>(&short).is_err(), "{} cut at {length} with its length told", C::NAME);
        }
    }
}

#[test]
fn every_answer_is_read_back_and_refused_when_cut() {
    cut::<GetTcpipParameters>(&TcpipParameters {
        dhcp: 2,
        address: Ipv4Addr::new(10, 0, 0, 5),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        gateway: Ipv4Addr::new(10, 0, 0, 1),
        dns1: Ipv4Addr::new(10, 0, 0, 2),
        dns2: Ipv4Addr::UNSPECIFIED,
        domain: "example.com".into(),
    });
    cut::<GetProvisioningMode>(&ProvisioningMode { mode: 1, legacy: false });
    cut::<GetProvisioningState>(&ProvisioningState { state: 2 });
    cut::<GetMacAddresses>(&MacAddresses { dedicated: Mac::default(), host: Mac([1; 6]) });
    cut::<EnumerateHashHandles>(&HashHandles(vec![1, 2, 7]));
    cut::<GetCertHashEntry>(&entry(3, 48));
    cut::<GetZeroTouchEnabled>(&Flag { value: true });
    cut::<GetPid>(&PidAnswer { pid: *b"AMT1SET7" });
    cut::<GetRemoteAccessConnectionStatus>(&RemoteAccessStatus {
        network: 1,
        state: 0,
        trigger: 3,
        server: "mps".into(),
    });
    cut::<GetConfigServerData>(&ConfigServer { port: 9971, address: IpText("10.0.0.9".into()), fqdn: "ps".into() });
    cut::<GetMeSetupAuditRecord>(&MeSetupAuditRecord {
        tls_mode: 2,
        secure_dns: false,
        host_initiated: true,
        hash_type: 2,
        hash: [7; 64],
        serials: [1; 48],
        additional_serials: false,
        is_oem_default: true,
        is_time_valid: true,
        server: IpText("10.0.0.9".into()),
        time: [2026, 11, 3, 25, 20, 40, 0],
        fqdn: "ps.example.com".into(),
    });
    cut::<GetIpv6LanStatus>(&Ipv6Status {
        router: IpText("fe80::1".into()),
        dns1: IpText::default(),
        dns2: IpText::default(),
        addresses: Ipv6Addresses(vec![(IpText("fe80::2".into()), 1, 2)]),
    });
    cut::<GetFqdn>(&FqdnAnswer {
        shared: true,
        ddns: false,
        interval: 1440,
        ttl: 900,
        host_name_length: 3,
        fqdn: "pc1.example.com".into(),
    });
    cut::<GetUuid>(&UuidAnswer { uuid: UUID.parse().unwrap() });
    cut::<GetDnsSuffixList>(&DnsSuffixList { suffixes: DnsSuffixes(vec!["a.example".into(), "b.example".into()]) });
    cut::<GetAmtState>(&AmtState {
        variable: [3; 16],
        count: 5,
        link_up: 1,
        hardware: 0,
        crypto_fuse: 1,
        flash_protected: 1,
        last_reset: 0,
    });
    cut::<StartConfigurationHBased>(&SecureConfiguration { algorithm: 2, hash: [9; 64] });
    let account = LocalSystemAccount { user: "$$osadmin".into(), password: Secret::from("Zo0mZo0m!") };
    assert!(!format!("{account:?}").contains("Zo0m"));
    let bytes = respond(GetLocalSystemAccount::CODE, PtStatus::SUCCESS, Some(&account));
    assert_eq!(bytes.len(), HEADER + 4 + 68);
    assert_eq!(answer::<GetLocalSystemAccount>(&bytes).unwrap(), account);
}

fn entry(algorithm: u8, used: usize) -> CertHashEntry {
    let mut hash = [0; 64];
    hash[..used].fill(0xab);
    CertHashEntry { is_default: true, is_active: true, hash, algorithm, name: "Root".into() }
}

#[test]
fn hashes_lose_their_padding() {
    for (algorithm, used, expected, size) in [
        (0, 16, HashAlgorithm::Md5, 16),
        (1, 20, HashAlgorithm::Sha1, 20),
        (2, 32, HashAlgorithm::Sha256, 32),
        (3, 48, HashAlgorithm::Sha384, 48),
        (3, 64, HashAlgorithm::Sha512, 64),
        (4, 28, HashAlgorithm::Sha224, 28),
        (5, 64, HashAlgorithm::Sha512, 64),
    ] {
        let digest = entry(algorithm, used).digest().unwrap();
        assert_eq!((digest.algorithm, digest.bytes.len()), (expected, size));
        assert_eq!(digest.to_string(), "ab".repeat(size));
    }
    assert_eq!(entry(9, 64).digest(), None);
}

#[test]
fn versions_are_looked_up_by_name() {
    let pair = |key: &str, version: &str| (key.to_owned(), version.to_owned());
    let versions = CodeVersions {
        bios: "1.2.3".into(),
        versions: vec![pair("Sku", "16392"), pair("AMT", "16.1.25"), pair("Build Number", "2049")],
    };
    cut::<GetCodeVersions>(&versions);
    let bytes = respond(GetCodeVersions::CODE, PtStatus::SUCCESS, Some(&versions));
    assert_eq!(bytes.len(), HEADER + 4 + 65 + 4 + 3 * 44);
    assert_eq!(versions.amt().unwrap().to_string(), "16.1.25.2049");
    let sku = versions.sku().unwrap();
    assert!(sku.has_amt(16));
    assert_eq!(sku.words(16), ["full AMT", "corporate"]);
    assert_eq!(Sku(0).words(2), ["full AMT", "ASF", "QST"]);
    assert!(Sku(0).has_amt(2) && !Sku(1).has_amt(2) && Sku(8).has_amt(3) && !Sku(16).has_amt(4) && Sku(16).has_amt(9));
    let mut many = bytes;
    many[HEADER + 4 + 65] = 51;
    assert!(matches!(answer::<GetCodeVersions>(&many), Err(AnswerError::Decode(DecodeError::TooLarge { .. }))));
}

#[test]
fn the_secure_request_has_both_layouts() {
    let mut command = StartConfigurationHBased {
        algorithm: 2,
        hash: [5; 64],
        host_vpn: false,
        suffixes: Vec::new(),
        form: SecureForm::Documented,
    };
    let mut sizes = Vec::new();
    for (form, suffixes) in [
        (SecureForm::Documented, vec![]),
        (SecureForm::Documented, vec!["example.com".to_owned(), "b.example".to_owned()]),
        (SecureForm::Packed, vec!["example.com".to_owned()]),
        (SecureForm::Packed, vec![]),
    ] {
        (command.form, command.suffixes) = (form, suffixes);
        let bytes = request(&command);
        sizes.push(bytes.len() - HEADER);
        let incoming = Incoming::decode(&bytes).unwrap();
        assert_eq!(incoming.body::<StartConfigurationHBased>().unwrap(), command);
    }
    assert_eq!(sizes, [73, 393, 390, 390]);
}

#[test]
fn the_firmware_reads_requests_to_the_last_byte() {
    let bytes = request(&GetLanInterfaceSettings { interface: 1 });
    let incoming = Incoming::decode(&bytes).unwrap();
    assert_eq!(incoming.code, GetLanInterfaceSettings::CODE);
    assert_eq!(incoming.body(), Some(GetLanInterfaceSettings { interface: 1 }));
    assert_eq!(incoming.body::<GetUuid>(), None, "another command");
    let long = Incoming { code: incoming.code, body: &[0; 5] };
    assert_eq!(long.body::<GetLanInterfaceSettings>(), None, "a byte too many");
    assert!(Incoming::decode(&respond(GetUuid::CODE, PtStatus::SUCCESS, None)).is_err(), "an answer is no request");
    for length in 0..bytes.len() {
        assert!(Incoming::decode(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn numbers_of_commands_are_unique() {
    let mut codes: Vec<u32> = COMMANDS.iter().map(|(code, ..)| *code).collect();
    codes.push(StartConfigurationHBased::CODE);
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all);
    assert!(codes.iter().all(|code| code & ANSWER == 0));
    for dangerous in ["Unprovision", "StartConfigurationEx", "StopConfiguration", "SetProvisioningServerOtp"] {
        assert!(COMMANDS.iter().any(|(_, name, repeatable)| *name == dangerous && !repeatable), "{dangerous}");
    }
}

#[test]
fn text_that_is_no_utf8_does_not_grow() {
    let mut bytes = respond(
        GetConfigServerData::CODE,
        PtStatus::SUCCESS,
        Some(&ConfigServer { port: 1, address: IpText("a".repeat(46)), fqdn: String::new() }),
    );
    bytes[18..64].fill(0xff);
    let read = answer::<GetConfigServerData>(&bytes).unwrap();
    assert_eq!(read.address.0, "?".repeat(46));
    assert_eq!(
        answer::<GetConfigServerData>(&respond(GetConfigServerData::CODE, PtStatus::SUCCESS, Some(&read))),
        Ok(read)
    );
}
