//! The C library and the command line for Linux: `bin`, `include`, `lib`, pkg-config and CMake.

use super::{
    Build, VERSION, abi, built_with_std, fresh, nm, put, put_all, put_documents, put_filled, released, symbols,
    tarball, with_std,
};
use crate::process::{build_amt, build_library, cargo, program, root, run, target};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// With or without OpenSSL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Legacy,
    Pure,
}

/// C code within is built for size too, and without the tables that only unwinding through it would need: no panic passes it.
const CFLAGS: &str = "-Os -fno-asynchronous-unwind-tables -fno-unwind-tables";

/// Builds the shared and the static library; returns their folder.
pub(super) fn build(build: Build, variant: Variant) -> Result<PathBuf> {
    if build == Build::Development {
        return build_library();
    }
    // Without the Rust library beside them: cargo would leave out the optimisation over all crates for the sake of that one.
    let mut command =
        cargo(&["rustc", "--quiet", "--profile", "dist", "-p", "amt-ffi", "--crate-type", "cdylib,staticlib"]);
    with_std(released(command.env("CFLAGS", CFLAGS))?)?;
    if variant == Variant::Pure {
        let folder = target("pure");
        run(command.arg("--target-dir").arg(&folder))?;
        return Ok(built_with_std(&folder));
    }
    run(command.args(["--features", "legacy-tls"]))?;
    Ok(built_with_std(&target("")))
}

/// Builds the command line.
pub(super) fn amt(build: Build) -> Result<PathBuf> {
    if build == Build::Development {
        return build_amt(&[]);
    }
    let mut command = cargo(&["build", "--quiet", "--profile", "dist", "-p", "amt-cli", "--bin", "amt"]);
    run(with_std(released(&mut command)?)?)?;
    Ok(built_with_std(&target("")).join("amt"))
}

/// Packs what is in `folder` for systems called `system`.
pub(super) fn pack(folder: &Path, amt: Option<&Path>, bom: &Path, out: &Path, system: &str) -> Result<PathBuf> {
    let package = out.join(format!("amt-{VERSION}-{system}"));
    let lib = package.join("lib");
    fresh(&lib)?;
    if let Some(amt) = amt {
        put(amt, &package.join("bin"))?;
        run(program("strip", &[]).arg(package.join("bin/amt")))?;
    }
    put(&root().join("amt-ffi/include/amt.h"), &package.join("include"))?;

    let abi = abi()?;
    let shared = stripped(&folder.join("libamt_ffi.so"))?;
    // As C libraries are installed: the file, the name programs ask for, the name linkers ask for.
    let file = format!("libamt.so.{abi}.{VERSION}");
    fs::copy(&shared, lib.join(&file))?;
    std::os::unix::fs::symlink(&file, lib.join(format!("libamt.so.{abi}")))?;
    std::os::unix::fs::symlink(format!("libamt.so.{abi}"), lib.join("libamt.so"))?;
    check_shared(&lib.join(&file), abi)?;
    static_library(&folder.join("libamt_ffi.a"), &lib.join("libamt.a"))?;

    put_filled("amt-ffi/package/amt.pc", &lib.join("pkgconfig"))?;
    let cmake = lib.join("cmake/Amt");
    put_filled("amt-ffi/package/AmtConfig.cmake", &cmake)?;
    put_filled("amt-ffi/package/AmtConfigVersion.cmake", &cmake)?;
    let documents = package.join("share/doc/amt");
    put_documents(&documents, bom)?;
    put_all("docs", &documents.join("docs"))?;
    for language in ["c", "cpp"] {
        put_all(&format!("examples/{language}"), &documents.join("examples").join(language))?;
    }
    tarball(&package)
}

/// A copy without what only debuggers read.
pub(super) fn stripped(library: &Path) -> Result<PathBuf> {
    let copy = library.with_extension("stripped.so");
    run(program("strip", &["--strip-unneeded", "-o"]).arg(&copy).arg(library))?;
    Ok(copy)
}

/// How much of the shared library in `folder` came from SQLite's sources, in bytes.
pub(super) fn sqlite(folder: &Path) -> Result<u64> {
    let mut own = BTreeSet::new();
    for crates in fs::read_dir(folder.join("build"))? {
        let archive = crates?.path().join("out/libsqlite3.a");
        if archive.is_file() {
            let names = nm(&["--defined-only", "--format=just-symbols"], &archive)?;
            own.extend(names.lines().map(str::to_owned));
        }
    }
    let table = nm(&["--defined-only", "--print-size"], &folder.join("libamt_ffi.so"))?;
    let size = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, size, _, name] = fields[..] else { return None };
        u64::from_str_radix(size, 16).ok().filter(|_| own.contains(name))
    };
    Ok(table.lines().filter_map(size).sum())
}

/// It is asked for by its version, exports what is promised and nothing else, and needs nothing but the C library.
fn check_shared(library: &Path, abi: u32) -> Result<()> {
    let dynamic = crate::process::read(program("readelf", &["--dynamic", "--wide"]).arg(library))?;
    let soname = format!("Library soname: [libamt.so.{abi}]");
    if !dynamic.contains(&soname) {
        bail!("{} has no {soname}", library.display());
    }
    let needed = dynamic
        .lines()
        .filter_map(|line| line.split_once("Shared library: ["))
        .map(|(_, name)| name.trim_end_matches(']'));
    for name in needed {
        if !["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2"]
            .contains(&name)
        {
            bail!("{} needs {name}", library.display());
        }
    }
    let table = nm(&["-D", "--defined-only", "--format=just-symbols"], library)?;
    let mut exported: Vec<&str> = table.lines().collect();
    exported.sort_unstable();
    if exported != symbols()?.lines().collect::<Vec<_>>() {
        bail!("{} does not export what abi/symbols.txt lists", library.display());
    }
    Ok(())
}

/// One object in which only the interface is global: a program may have another OpenSSL, SQLite or Rust library beside it.
fn static_library(archive: &Path, out: &Path) -> Result<()> {
    let work = target("static-library");
    fresh(&work)?;
    let (object, keep) = (work.join("amt.o"), work.join("symbols"));
    fs::write(&keep, symbols()?)?;
    // Debug information is of no use without the sources, and most of the bytes. `-d`: common symbols get their place, to be made local.
    run(program("ld", &["-r", "-d", "--strip-debug", "--whole-archive", "-o"]).arg(&object).arg(archive))?;
    let mut option = std::ffi::OsString::from("--keep-global-symbols=");
    option.push(&keep);
    // Rust's own bitcode too: merged into one object, a linker with LLVM's plugin stumbles over it.
    let mut objcopy =
        program("objcopy", &["--strip-unneeded", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    run(objcopy.arg(option).arg(&object))?;
    run(program("ar", &["rcsD"]).arg(out).arg(&object))?;
    let globals = nm(&["--defined-only", "--extern-only", "--format=just-symbols"], &object)?;
    match globals.lines().find(|name| !name.is_empty() && !name.starts_with("amt_")) {
        Some(other) => bail!("{} shows {other}", out.display()),
        None => Ok(()),
    }
}
