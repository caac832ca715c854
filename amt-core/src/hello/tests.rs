use super::*;
use crate::ErrorCode;
use proptest::prelude::*;

const PSK: &str = "010002000000000033221100554477668899aabbccddeeff414d543153455437";
const PKI_ONE: &str = "010003000000000033221100554477668899aabbccddeeff0102\
    20ca83f78f63bdf2a92aafc3f77d006f8de8c50b269b277d38e8d5e6a8f580e9dc";
const PKI_THREE: &str = "000003000700000033221100554477668899aabbccddeeff03\
    0220ca83f78f63bdf2a92aafc3f77d006f8de8c50b269b277d38e8d5e6a8f580e9dc\
    0114f991cea8a736e442ae795660b1896986d06020d4\
    03300de3b06c074d8a0ceb780f011040076742139187741fcd58286b3f506626a2505b5a131d85bb3ef84a5bf03a0387c71f";
const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn with(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    bytes[at] = value;
    bytes
}

fn root(hello: &Hello, at: usize) -> RootHash<'_> {
    hello.roots().iter().nth(at).unwrap()
}

/// Feeds `bytes` in pieces; the hello must come with the last byte, not earlier and not later.
fn incremental(pieces: &[&[u8]]) -> Result<Option<Hello>, DecodeError> {
    let mut decoder = HelloDecoder::new();
    let mut result = Ok(None);
    for piece in pieces {
        assert_eq!(result, Ok(None), "complete before the last piece");
        result = decoder.push(piece);
    }
    result
}

#[test]
fn the_worked_psk_hello_decodes() {
    let bytes = unhex(PSK);
    let hello = Hello::decode(&bytes).unwrap();
    assert_eq!(bytes.len(), 32);
    assert!(hello.admin_credentials_set);
    assert_eq!((hello.retry, hello.trailing), (0, 0));
    assert_eq!(hello.id.to_string(), UUID);
    assert_eq!(hello.kind, HelloKind::Psk { pid: Pid(*b"AMT1SET7") });
    let HelloKind::Psk { pid } = hello.kind else { unreachable!() };
    assert_eq!(pid.to_string(), "AMT1-SET7");
    assert_eq!(hello.encode(), bytes);
}

#[test]
fn the_worked_pki_hellos_decode() {
    let bytes = unhex(PKI_ONE);
    let hello = Hello::decode(&bytes).unwrap();
    assert_eq!((bytes.len(), hello.retry, hello.admin_credentials_set), (59, 0, true));
    assert_eq!(hello.roots().len(), 1);
    assert_eq!(hello.encode(), bytes);

    let bytes = unhex(PKI_THREE);
    let hello = Hello::decode(&bytes).unwrap();
    assert_eq!((bytes.len(), hello.retry, hello.admin_credentials_set), (131, 7, false));
    let kinds: Vec<_> = hello.roots().iter().map(|r| (r.algorithm.to_string(), r.fingerprint.len())).collect();
    assert_eq!(kinds, [("sha256".into(), 32), ("sha1".into(), 20), ("sha384".into(), 48)]);
    assert_eq!(root(&hello, 1).hex(), "f991cea8a736e442ae795660b1896986d06020d4");
    assert_eq!(hello.encode(), bytes);
}

#[test]
fn every_truncation_names_the_field_it_ends_in() {
    for text in [PSK, PKI_ONE, PKI_THREE] {
        let bytes = unhex(text);
        for cut in 0..bytes.len() {
            let error = Hello::decode(&bytes[..cut]).unwrap_err();
            let DecodeError::Truncated { offset, need, have, .. } = error else { panic!("cut at {cut}: {error}") };
            assert!(offset <= cut && offset + have == cut && have < need, "cut at {cut}: {error}");
            let mut decoder = HelloDecoder::new();
            assert_eq!(decoder.push(&bytes[..cut]), Ok(None), "cut at {cut}");
            assert_eq!(decoder.finish().unwrap_err(), error);
        }
    }
    assert_eq!(Hello::decode(&unhex(PSK)[..31]).unwrap_err().field(), "hello.pid");
    assert_eq!(Hello::decode(&unhex(PKI_ONE)[..24]).unwrap_err().field(), "hello.hash_count");
}

#[test]
fn a_split_hello_is_the_same_hello() {
    for text in [PSK, PKI_ONE, PKI_THREE] {
        let bytes = unhex(text);
        let whole = Hello::decode(&bytes).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(incremental(&[&bytes[..cut], &bytes[cut..]]).unwrap().as_ref(), Some(&whole), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(incremental(&single).unwrap(), Some(whole));
    }
}

#[test]
fn no_roots_are_a_valid_hello() {
    let bytes = with(unhex(PKI_ONE), 24, 0)[..25].to_vec();
    let hello = Hello::decode(&bytes).unwrap();
    assert!(hello.roots().is_empty());
    assert_eq!(hello.encode(), bytes);
    assert_eq!(incremental(&[&bytes]).unwrap(), Some(hello));
}

#[test]
fn two_claimed_roots_and_one_present_are_cut_short() {
    let bytes = with(unhex(PKI_ONE), 24, 2);
    assert_eq!(
        Hello::decode(&bytes).unwrap_err(),
        DecodeError::Truncated { field: "hello.root.algorithm", offset: 59, need: 1, have: 0 }
    );
    assert_eq!(incremental(&[&bytes]), Ok(None));
}

#[test]
fn a_known_algorithm_with_another_length_is_refused() {
    let bytes = with(unhex(PKI_ONE), 26, 0x14);
    let expected = DecodeError::Invalid { field: "hello.root.length", offset: 26, got: 0x14 };
    assert_eq!(Hello::decode(&bytes).unwrap_err(), expected);
    // Incrementally it is refused with the length, before a fingerprint is awaited.
    assert_eq!(incremental(&[&bytes[..27]]).unwrap_err(), expected);
}

#[test]
fn an_unknown_algorithm_is_kept() {
    for len in [0u8, 5, 64, 65, 255] {
        let mut bytes = unhex(PKI_ONE)[..25].to_vec();
        bytes.extend_from_slice(&[0x7f, len]);
        bytes.extend(std::iter::repeat_n(0xab, len.into()));
        let hello = Hello::decode(&bytes).unwrap();
        assert_eq!(root(&hello, 0).algorithm, HashAlgorithm(0x7f));
        assert_eq!(root(&hello, 0).fingerprint, vec![0xab; len.into()]);
        assert_eq!(root(&hello, 0).algorithm.to_string(), "unknown(127)");
        assert_eq!(hello.encode(), bytes);
        assert_eq!(incremental(&[&bytes[..26], &bytes[26..]]).unwrap(), Some(hello));
    }
}

#[test]
fn trailing_bytes_are_reported() {
    for text in [PSK, PKI_THREE] {
        let mut bytes = unhex(text);
        let len = bytes.len();
        bytes.extend_from_slice(&[9; 7]);
        let hello = Hello::decode(&bytes).unwrap();
        assert_eq!(hello.trailing, 7);
        assert_eq!(hello.encode(), bytes[..len]);
        let mut decoder = HelloDecoder::new();
        assert_eq!(decoder.push(&bytes).unwrap(), Some(hello.clone()));
        assert_eq!(decoder.push(&[1]).unwrap().unwrap().trailing, 8);
        assert_eq!(decoder.finish().unwrap().trailing, 8);
    }
}

#[test]
fn the_legacy_hello_is_refused_by_name() {
    let bytes = with(unhex(PSK), 2, 1);
    let error = Hello::decode(&bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Unsupported { field: "hello.type", offset: 2, .. }));
    assert!(error.to_string().contains("AMT 1.x legacy hello"), "{error}");
    assert_eq!(error.code(), ErrorCode::DECODE_UNSUPPORTED);
    assert_eq!(incremental(&[&bytes[..4]]).unwrap_err(), error);
}

#[test]
fn entries_that_cannot_travel_are_left_out() {
    let long = [0; 256];
    assert_eq!(RootHash::new(HashAlgorithm(9), &long), None);
    assert_eq!(RootHash::new(HashAlgorithm::SHA1, &long[..32]), None);
    let entries = [RootHash { algorithm: HashAlgorithm::SHA1, fingerprint: &long[..32] }].into_iter();
    let roots: Roots = entries.chain((0..300).map(|_| RootHash::new(HashAlgorithm(9), &[7]).unwrap())).collect();
    assert_eq!((roots.len(), roots.iter().count()), (255, 255));
    assert!(roots.contains(HashAlgorithm(9), &[7]) && !roots.contains(HashAlgorithm(8), &[7]));
}

#[test]
fn unknown_types_and_flags_are_refused() {
    for kind in [0u8, 4, 255] {
        let error = Hello::decode(&with(unhex(PSK), 2, kind)).unwrap_err();
        assert_eq!(error, DecodeError::Invalid { field: "hello.type", offset: 2, got: kind.into() });
    }
    let error = Hello::decode(&with(unhex(PSK), 0, 2)).unwrap_err();
    assert_eq!(error, DecodeError::Invalid { field: "hello.admin_credentials_set", offset: 0, got: 2 });
}

#[test]
fn any_retry_count_is_accepted() {
    let mut bytes = unhex(PSK);
    bytes[4..8].fill(0xff);
    assert_eq!(Hello::decode(&bytes).unwrap().retry, u32::MAX);
}

#[test]
fn other_protocols_are_named() {
    for (bytes, word) in
        [(&b"GET / HTTP/1.1\r\n"[..], "HTTP"), (b"POST /wsman", "HTTP"), (b"\x16\x03\x01\x02\x00\x01", "TLS")]
    {
        let error = Hello::decode(bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Unsupported { field: "hello", .. }) && error.to_string().contains(word));
        let single: Vec<&[u8]> = bytes[..4].chunks(1).collect();
        assert_eq!(incremental(&single).unwrap_err(), error);
    }
}

#[test]
fn the_size_limit_is_reached_and_kept() {
    let mut bytes = unhex(PSK);
    bytes.resize(MAX_HELLO, 0);
    assert_eq!(Hello::decode(&bytes).unwrap().trailing, MAX_HELLO - PSK_LEN);
    bytes.push(0);
    let expected = DecodeError::TooLarge { field: "hello", max: MAX_HELLO, have: MAX_HELLO + 1 };
    assert_eq!(Hello::decode(&bytes).unwrap_err(), expected);
    assert_eq!(incremental(&[&bytes]).unwrap_err(), expected);

    // Unknown algorithms may claim more than that: refused when claimed, not when sent.
    let mut decoder = HelloDecoder::new();
    let mut bytes = with(unhex(PKI_ONE), 24, 255)[..25].to_vec();
    let error = loop {
        bytes.extend_from_slice(&[200, 255]);
        bytes.extend_from_slice(&[0; 255]);
        assert!(bytes.len() < MAX_HELLO + 600);
        match decoder.push(&bytes[decoder.bytes().len()..]) {
            Ok(hello) => assert_eq!(hello, None),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), ErrorCode::DECODE_TOO_LARGE);
    assert_eq!(decoder.push(&[]).unwrap_err(), error, "an error stays");
    assert!(decoder.bytes().len() <= MAX_HELLO);
}

#[test]
fn the_firmware_guess_follows_the_listed_algorithms() {
    let hello = |algorithms: &[HashAlgorithm]| Hello {
        admin_credentials_set: true,
        retry: 0,
        id: SystemId::from_wire([1; 16]),
        kind: HelloKind::Pki {
            roots: algorithms
                .iter()
                .map(|a| RootHash::new(*a, &[0; 64][..a.digest_len().unwrap().into()]).unwrap())
                .collect(),
        },
        trailing: 0,
    };
    use HashAlgorithm as A;
    for (algorithms, major) in
        [(&[][..], 2), (&[A::SHA1][..], 2), (&[A::SHA1, A::SHA256], 6), (&[A::SHA256], 11), (&[A::SHA1, A::SHA384], 11)]
    {
        assert_eq!(hello(algorithms).firmware_guess().at_least.major, major, "{algorithms:?}");
    }
    let guess = Hello::decode(&unhex(PSK)).unwrap().firmware_guess();
    assert_eq!(guess.below, Some(FirmwareVersion::new(11, 0)));
}

#[test]
#[expect(clippy::print_stdout, reason = "a test that was not run says so")]
fn the_recorded_hello_decodes_to_the_last_byte() {
    let Ok(corpus) = std::env::var("AMT_CORPUS") else {
        println!("AMT_CORPUS is not set: the recorded hello was not decoded");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&corpus).join("hello/pki-v3-23-roots.hex")).unwrap();
    let bytes = unhex(&text);
    let hello = Hello::decode(&bytes).unwrap();
    assert_eq!((hello.roots().len(), hello.trailing), (23, 0));
    assert!(hello.roots().iter().all(|root| root.algorithm == HashAlgorithm::SHA256));
    assert_eq!(hello.encode(), bytes);
    for cut in 0..bytes.len() {
        assert_eq!(incremental(&[&bytes[..cut], &bytes[cut..]]).unwrap().as_ref(), Some(&hello));
    }
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let root = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..80)).prop_map(|(algorithm, mut bytes)| {
        let algorithm = HashAlgorithm(algorithm);
        bytes.resize(algorithm.digest_len().map_or(bytes.len(), usize::from), 7);
        (algorithm, bytes)
    });
    let kind = prop_oneof![
        any::<[u8; 8]>().prop_map(|pid| HelloKind::Psk { pid: Pid(pid) }),
        proptest::collection::vec(root, 0..=100).prop_map(|roots| HelloKind::Pki {
            roots: roots.iter().map(|(algorithm, bytes)| RootHash::new(*algorithm, bytes).unwrap()).collect(),
        }),
    ];
    (any::<bool>(), any::<u32>(), any::<[u8; 16]>(), kind).prop_map(|(admin_credentials_set, retry, id, kind)| Hello {
        admin_credentials_set,
        retry,
        id: SystemId::from_wire(id),
        kind,
        trailing: 0,
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(hello in any_hello(), cut in any::<prop::sample::Index>()) {
        let bytes = hello.encode();
        prop_assert_eq!(&Hello::decode(&bytes).unwrap(), &hello);
        let (first, second) = bytes.split_at(cut.index(bytes.len()));
        prop_assert_eq!(incremental(&[first, second]).unwrap(), Some(hello));
    }

    #[test]
    fn one_shot_and_incremental_agree_on_any_bytes(bytes in proptest::collection::vec(0u8..5, 0..200)) {
        let mut decoder = HelloDecoder::new();
        let pushed = decoder.push(&bytes);
        match (Hello::decode(&bytes), pushed) {
            (Ok(hello), Ok(Some(other))) => prop_assert_eq!(hello, other),
            // Nothing is said about fewer bytes than the head, and what is cut short may still be completed.
            (Err(error), Ok(None)) => {
                let cut_short = matches!(error, DecodeError::Truncated { .. });
                prop_assert!(bytes.len() < HEAD || cut_short);
                prop_assert_eq!(decoder.finish().unwrap_err(), error);
            }
            (Err(error), Err(other)) => prop_assert_eq!(error, other),
            (one, other) => prop_assert!(false, "{:?} against {:?}", one, other),
        }
    }
}
