//! Every benchmark is declared: one that is only found would get a harness that has no benchmark to run, and be silent.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_benchmark_is_declared() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(here.join("Cargo.toml")).unwrap();
    let declared: BTreeSet<String> = manifest
        .split("[[bench]]\n")
        .skip(1)
        .filter_map(|section| section.strip_prefix("name = \"")?.split('"').next())
        .map(str::to_owned)
        .collect();
    let files: BTreeSet<String> = std::fs::read_dir(here.join("benches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(declared, files);
}
