//! Decoding of hellos: in one piece, and byte by byte as a hostile network may deliver them.
//!
//! The target is at most 300 ns for a PKI hello with 24 roots; a copy of the same bytes is measured beside it.

use amt_core::hello::{HashAlgorithm, Hello, HelloDecoder, HelloKind, RootHash};
use amt_core::id::SystemId;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const ROOTS: u8 = 24;

fn hello_with_24_roots() -> Vec<u8> {
    let digests: Vec<_> = (0..ROOTS).map(|n| [n; 32]).collect();
    let roots = digests.iter().filter_map(|digest| RootHash::new(HashAlgorithm::SHA256, digest)).collect();
    let id = SystemId::from_wire([7; 16]);
    Hello { admin_credentials_set: true, retry: 0, id, kind: HelloKind::Pki { roots }, trailing: 0 }.encode()
}

fn hello(c: &mut Criterion) {
    let bytes = hello_with_24_roots();
    assert_eq!(Hello::decode(&bytes).map(|hello| hello.roots().len()), Ok(usize::from(ROOTS)));
    let mut group = c.benchmark_group("hello");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("copy", |b| b.iter(|| black_box(&bytes).to_vec()));
    group.bench_function("decode 24 roots", |b| b.iter(|| Hello::decode(black_box(&bytes))));
    group.bench_function("decode 24 roots byte by byte", |b| {
        b.iter(|| {
            let mut decoder = HelloDecoder::new();
            for byte in black_box(&bytes).chunks(1) {
                if let Ok(Some(hello)) = decoder.push(byte) {
                    return Some(hello);
                }
            }
            None
        });
    });
    group.finish();
}

criterion_group!(benches, hello);
criterion_main!(benches);
