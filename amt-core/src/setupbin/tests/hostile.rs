//! Files that are cut, altered, or made to break a reader (`spec/setupbin.md` §7).

use super::*;

/// Looks at `bytes` in every way; what can be read must be written back, and what is refused must be found by lint.
pub(super) fn judge(bytes: &[u8]) {
    let findings = lint(bytes);
    let (read, decoded) = (SetupBin::read(bytes), SetupBin::decode(bytes));
    let has_error = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert!(decoded.is_ok() || has_error, "refused without a finding: {decoded:?} {findings:?}");
    if let Ok(mut read) = read {
        assert_eq!(read.encode().expose(), bytes);
        for entry in read.records().iter().flat_map(Record::entries) {
            if let (Ok(value), Some(variable)) = (Value::read(&entry), entry.variable()) {
                assert_eq!(value.write(variable).unwrap().expose(), entry.value);
            }
        }
        read.consume();
        read.wipe(true);
        assert_eq!(read.encode().expose().len(), bytes.len());
    }
}

/// Two records with entries of every kind, one scrambled.
fn full() -> Vec<u8> {
    let mut draft = Draft::new(Version::V4, false).unwrap();
    draft.push(worked_entries(), true).unwrap();
    let kinds =
        ["current_password", "new_password", "power_package", "root_hash", "vlan", "kvm", "server_port", "hello"];
    let kinds = kinds.iter().map(|name| entry(name, sample(Variable::named(name).unwrap())));
    draft.push(kinds.collect(), false).unwrap();
    draft.finish().unwrap().encode().expose().clone()
}

#[test]
fn a_file_cut_at_any_length_is_refused_and_lint_says_where() {
    let file = full();
    assert!(SetupBin::decode(&file).is_ok());
    for cut in 0..file.len() {
        let error = SetupBin::decode(&file[..cut]).expect_err("cut");
        assert_eq!(error.code, ErrorCode::SETUP_BIN);
        judge(&file[..cut]);
    }
}

#[test]
fn every_byte_may_be_anything() {
    let file = full();
    for at in 0..file.len() {
        let bits = (0..8).map(|bit| file[at] ^ 1 << bit);
        for other in [0, 0xff].into_iter().chain(bits) {
            let mut altered = file.clone();
            altered[at] = other;
            judge(&altered);
        }
    }
}

fn with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut file = worked_example();
    for (at, byte) in changes {
        file[*at] = *byte;
    }
    file
}

/// The table of §7: what is refused, what is only told, and by which code.
#[test]
fn the_table_of_hostile_input() {
    let padded = |by: usize| [worked_example(), vec![0; by]].concat();
    // Padding of the scrambled file, without its flag; and the flag on the plain file.
    let mut scrambled = full();
    scrambled[CHUNK + 4] = 1;
    for (what, file, accepted, code) in [
        ("nothing", vec![], false, "FILE-UNREADABLE"),
        ("a short header", worked_example()[..511].to_vec(), false, "FILE-UNREADABLE"),
        ("an unknown GUID", with(&[(3, 0)]), false, "FILE-UNREADABLE"),
        ("more records told than there are", with(&[(0x1c, 2)]), false, "FILE-COUNT"),
        ("no record told", with(&[(0x1c, 0)]), false, "FILE-TRAILING"),
        ("2^32 - 1 records told", with(&[(0x1c, 255), (0x1d, 255), (0x1e, 255), (0x1f, 255)]), false, "FILE-COUNT"),
        ("some bytes more", padded(100), true, "FILE-TRAILING"),
        ("padded to a cluster", padded(4096 - 1024), true, "FILE-TRAILING"),
        ("the GUID of 4, major 3", with(&[(0x18, 3)]), false, "HDR-MAJOR"),
        ("an unknown minor", with(&[(0x19, 9)]), true, "HDR-MINOR"),
        ("no chunks", with(&[(0x10, 0), (0x24, 0)]), true, "HDR-CHUNKS"),
        ("a record of 2 chunks", with(&[(0x24, 2)]), false, "FILE-COUNT"),
        ("a record of 65535 chunks", with(&[(0x24, 255), (0x25, 255)]), false, "HDR-CHUNKS"),
        ("a header of 65535 chunks", with(&[(0x10, 255), (0x11, 255)]), false, "HDR-CHUNKS"),
        ("the scramble flag is missing", scrambled, false, "REC-STOP"),
        ("the scramble flag is too much", with(&[(0x204, 3)]), false, "REC-STOP"),
        ("an unknown module", with(&[(0x218, 9)]), true, "VAR-UNKNOWN"),
        ("a value past the end", with(&[(0x21c, 255), (0x21d, 255)]), false, "REC-STOP"),
        ("too few bytes for an entry", with(&[(0x21c, 0xdc), (0x21d, 1), (0x3fc, 1)]), false, "REC-STOP"),
        ("an entry that ends the list", with(&[(0x21a, 0)]), true, "REC-PADDING"),
        ("a record of no data", with(&[(0x200, 0)]), true, "REC-KIND"),
        ("a record of another type", with(&[(0x200, 2)]), false, "REC-KIND"),
        ("another record header", with(&[(0x212, 28)]), false, "REC-HEADER"),
        ("more used than there are", with(&[(0x20, 2)]), false, "FILE-USED"),
        ("file flags", with(&[(0x1a, 0x80)]), true, "HDR-FLAGS"),
        ("record flags", with(&[(0x204, 0x81)]), true, "REC-FLAGS"),
        ("reserved in the header", with(&[(0x26, 1)]), true, "HDR-RESERVED"),
        ("reserved in a record", with(&[(0x208, 1)]), true, "REC-RESERVED"),
        ("reserved in an entry", with(&[(0x21e, 1)]), true, "VAR-RESERVED"),
        ("padding of an entry", with(&[(0x227, 1)]), true, "VAR-RESERVED"),
        ("padding of a record", with(&[(0x3ff, 1)]), true, "REC-PADDING"),
        ("padding of the header", with(&[(0x1ff, 1)]), true, "HDR-PADDING"),
        ("a record number of the header", with(&[(0x214, 0)]), true, "REC-NUMBER"),
        ("a number of the header", with(&[(0x14, 1)]), true, "HDR-NUMBER"),
        ("an empty module list", with(&[(0x28, 0)]), true, "HDR-MODULES"),
        ("another byte count", with(&[(0x12, 42)]), true, "HDR-BYTES"),
    ] {
        let findings = lint(&file);
        assert!(codes(&findings).contains(&code), "{what}: {findings:#?}");
        assert_eq!(SetupBin::decode(&file).is_ok(), accepted, "{what}: {findings:#?}");
        judge(&file);
    }
}

#[test]
fn a_wrong_scramble_flag_is_guessed() {
    let findings = lint(&with(&[(0x204, 3)]));
    let stop = findings.iter().find(|finding| finding.code == "REC-STOP").unwrap();
    assert!(stop.hint.ends_with("the record begins with current_password"), "{stop:?}");
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_looked_at() {
    let error = SetupBin::read(&vec![0; MAX_FILE + 1]).unwrap_err();
    assert_eq!(error.code, ErrorCode::DECODE_TOO_LARGE);
}

#[test]
fn as_many_findings_as_wanted_are_summed_up() {
    let mut file = worked_example()[..CHUNK].to_vec();
    file[0x1c..0x20].copy_from_slice(&2000_u32.to_le_bytes());
    for _ in 0..2000 {
        file.extend(&worked_example()[CHUNK..]);
    }
    let findings = lint(&file);
    assert_eq!(findings.len(), MAX_FINDINGS + 1);
    let last = findings.last().unwrap();
    assert_eq!((last.code, last.severity), ("LINT-MORE", Severity::Warning));
    assert!(SetupBin::decode(&file).is_ok(), "warnings alone refuse nothing");
}

#[test]
fn large_chunks_are_read_where_the_file_has_them() {
    let mut file = with(&[(0x24, 2), (0x210, 2)]);
    file.resize(3 * CHUNK, 0);
    let read = SetupBin::decode(&file).unwrap();
    assert_eq!((read.body_size(), read.records()[0].entries().count()), (2 * CHUNK - RECORD_HEADER, 4));
    judge(&file);
}
