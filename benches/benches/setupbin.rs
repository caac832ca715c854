//! A setup.bin of 10,000 records: written from values, read back, and encoded, beside a plain copy of the same bytes.

use amt_core::setupbin::{Draft, MAX_WRITTEN_RECORDS, RawEntry, SetupBin, Value, Variable, Version, lint};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// What a record for one machine of the first ten years holds.
const VALUES: [(&str, &str); 4] = [
    ("current_password", "admin"),
    ("new_password", "P@ssw0rd"),
    ("pid", "AMT1SET7"),
    ("pps", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD"),
];

fn file(version: Version, scrambled: bool) -> SetupBin {
    let mut draft = Draft::new(version, false).expect("a version with records that are used once");
    for _ in 0..MAX_WRITTEN_RECORDS {
        let entries = VALUES.iter().map(|(name, value)| {
            let variable = Variable::named(name).expect("a variable");
            RawEntry::typed(variable, &Value::Text((*value).into())).expect("text")
        });
        draft.push(entries.collect(), scrambled).expect("a good record");
    }
    draft.finish().expect("a good file")
}

/// Reads the file and looks at every entry.
fn read(bytes: &[u8]) -> usize {
    let file = SetupBin::decode(bytes).expect("a good file");
    file.records().iter().map(|record| record.entries().count()).sum()
}

fn setupbin(c: &mut Criterion) {
    let plain = file(Version::V2_1, false);
    let bytes = plain.encode();
    let scrambled = file(Version::V4, true).encode();
    assert_eq!(read(bytes.expose()), VALUES.len() * MAX_WRITTEN_RECORDS);
    assert_eq!(read(scrambled.expose()), VALUES.len() * MAX_WRITTEN_RECORDS);
    let mut group = c.benchmark_group("setupbin");
    group.throughput(Throughput::Bytes(bytes.expose().len() as u64));
    group.sample_size(20);
    group.bench_function("copy", |b| b.iter(|| black_box(bytes.expose()).to_vec()));
    group.bench_function("read 10000 records", |b| b.iter(|| read(black_box(bytes.expose()))));
    group.bench_function("read 10000 scrambled records", |b| b.iter(|| read(black_box(scrambled.expose()))));
    group.bench_function("encode 10000 records", |b| b.iter(|| black_box(&plain).encode()));
    group.bench_function("make 10000 records from values and encode", |b| {
        b.iter(|| file(Version::V2_1, false).encode());
    });
    group.bench_function("lint 10000 records", |b| b.iter(|| lint(black_box(bytes.expose()))));
    group.finish();
}

criterion_group!(benches, setupbin);
criterion_main!(benches);
