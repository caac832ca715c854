//! Typed decoding of a reply, beside what any decoder must do: the loop over the same bytes in quick-xml that only
//! resolves namespaces. Prints the ratio of the two. `AMT_CORPUS`, if set, gives the recorded reply.

use amt_wsman::class::amt::GeneralSettings;
use amt_wsman::class::decode;
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use amt_wsman::soap::Envelope;
use criterion::{Criterion, criterion_group, criterion_main};
use quick_xml::NsReader;
use quick_xml::events::Event;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn reply() -> Vec<u8> {
    let recorded = std::env::var_os("AMT_CORPUS")
        .and_then(|folder| std::fs::read(std::path::Path::new(&folder).join("wsman/amt/general/get.xml")).ok());
    recorded.unwrap_or_else(|| include_bytes!("../../amt-wsman/tests/data/general_settings.xml").to_vec())
}

/// The floor: every event, every name resolved, nothing kept.
fn bare(reply: &[u8]) -> usize {
    let text = std::str::from_utf8(reply).unwrap_or_default();
    let mut reader = NsReader::from_str(text.trim_start());
    let mut events = 0;
    while let Ok((namespace, event)) = reader.read_resolved_event() {
        black_box(&namespace);
        if matches!(event, Event::Eof) {
            break;
        }
        events += 1;
    }
    events
}

fn typed(reply: &[u8]) -> GeneralSettings {
    match decode(reply) {
        Ok(settings) => settings,
        Err(error) => panic!("the reply does not decode: {error}"),
    }
}

/// Both by turns in one run, so that a busy machine slows both; the median of many rounds.
fn ratio(reply: &[u8]) -> f64 {
    const ROUNDS: usize = 41;
    const CALLS: u32 = 500;
    let time = |work: &dyn Fn()| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| work());
        start.elapsed()
    };
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let floor = time(&|| {
                black_box(bare(black_box(reply)));
            });
            let ours = time(&|| {
                black_box(typed(black_box(reply)));
            });
            ours.as_secs_f64() / floor.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

#[allow(clippy::print_stdout, reason = "the ratio is what the benchmark is for")]
fn wsman(criterion: &mut Criterion) {
    let reply = reply();
    let mut group = criterion.benchmark_group("wsman");
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("general_settings/bare_events", |b| b.iter(|| bare(black_box(&reply))));
    group.bench_function("general_settings/typed", |b| b.iter(|| typed(black_box(&reply))));
    group.bench_function("general_settings/instance", |b| {
        b.iter(|| Envelope::decode(black_box(&reply)).map(|envelope| envelope.body.first().map(Instance::from_node)))
    });
    let request = Request::get("AMT_GeneralSettings");
    group.bench_function("general_settings/request", |b| b.iter(|| black_box(&request).encode(7)));
    group.finish();
    println!("general_settings: typed / bare_events = {:.2} ({} bytes)", ratio(&reply), reply.len());
}

criterion_group!(benches, wsman);
criterion_main!(benches);
