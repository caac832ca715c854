//! A panic seen from C.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_panic_ends_the_call_and_not_the_program() {
    let library = library();
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panic");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .arg("-I")
        .arg(folder.join("include"))
        .arg(folder.join("tests/c/hooks/panic.c"))
        .arg("-o")
        .arg(&binary)
        .arg("-L")
        .arg(&library)
        .arg("-lpanicking")
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&binary).env("LD_LIBRARY_PATH", library).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    assert!(output.stdout.is_empty());
}

/// The folder of the library that `examples/panicking.rs` makes, built with this test.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    assert!(folder.join("libpanicking.so").is_file(), "no libpanicking.so in {}", folder.display());
    folder
}
