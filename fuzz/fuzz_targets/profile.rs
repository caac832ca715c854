//! A profile is read, or what is wrong with it is told; one that was read reads back the same. Records of its application likewise.
#![no_main]

use amt_provision::ApplyRecord;
use amt_provision::profile::{Profile, Syntax};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = ApplyRecord::decode(data) {
        assert_eq!(ApplyRecord::decode(record.encode().expose()).as_ref(), Ok(&record));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    for syntax in [Syntax::Toml, Syntax::Json] {
        let Ok((Some(profile), _)) = Profile::read(text, syntax) else { continue };
        let _ = (profile.check(None), profile.explain());
        let written = serde_json::to_string(&profile).expect("it serialises");
        let (again, findings) = Profile::read(&written, Syntax::Json).expect("what was written is JSON");
        assert_eq!(again.as_ref(), Some(&profile), "{findings:?}");
    }
});
