//! The committed header as C and C++ compilers see it, and against the error registry.

use amt_core::ErrorCode;
use std::path::Path;
use std::process::Command;

/// Twice, as a program that includes two headers of its own may do it; a translation unit must not be empty.
const SOURCE: &str = "#include \"amt.h\"\n#include \"amt.h\"\nint dummy(void);\n";

#[test]
fn the_header_compiles_alone_and_twice_in_c11_and_cpp17() {
    for (compiler, standard, suffix) in [("cc", "-std=c11", "c"), ("c++", "-std=c++17", "cpp")] {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("header.{suffix}"));
        std::fs::write(&source, SOURCE).unwrap();
        let output = Command::new(compiler)
            .args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"])
            .arg(format!("-I{}/include", env!("CARGO_MANIFEST_DIR")))
            .arg(&source)
            .output()
            .unwrap();
        assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_code_of_the_registry_is_a_constant_of_the_header() {
    let header = include_str!("../include/amt.h");
    let defined: Vec<&str> = header.lines().filter_map(|line| line.strip_prefix("#define AMT_E_")).collect();
    let registry: Vec<String> = ErrorCode::ALL
        .iter()
        .filter(|(number, _, _)| *number != 0)
        .map(|(number, name, _)| format!("{name} {number}"))
        .collect();
    assert_eq!(defined, registry, "run `cargo xtask check-abi --bless`");
}
