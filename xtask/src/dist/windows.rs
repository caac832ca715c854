//! The C library and the command line for Windows: `bin`, `include`, `lib`.

use super::{Build, VERSION, abi, fresh, put, put_all, put_documents, put_filled, symbols, zip};
use crate::process::{program, root, run};
use crate::windows::{TARGET, cross};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the DLL and the program; returns their folder.
pub(super) fn build(build: Build) -> Result<PathBuf> {
    let profile = if build == Build::Release {
        // As on Linux: without the Rust library beside it.
        run(cross("rustc", false)?.args(["-p", "amt-ffi", "--profile", "dist", "--crate-type", "cdylib"]))?;
        run(cross("build", false)?.args(["-p", "amt-cli", "--no-default-features", "--profile", "dist"]))?;
        "dist"
    } else {
        run(cross("build", true)?.args(["-p", "amt-ffi", "-p", "amt-cli", "--no-default-features"]))?;
        "debug"
    };
    Ok(crate::windows::folder().join(TARGET).join(profile))
}

/// Packs it.
pub(super) fn pack(folder: &Path, bom: &Path, out: &Path) -> Result<PathBuf> {
    let package = out.join(format!("amt-{VERSION}-windows-x86_64"));
    let (bin, lib) = (package.join("bin"), package.join("lib"));
    fresh(&bin)?;
    fs::create_dir_all(&lib)?;
    dll(folder, &bin)?;
    put(&folder.join("amt.exe"), &bin)?;
    run(program("x86_64-w64-mingw32-strip", &[]).arg(bin.join("amt.exe")))?;
    put(&root().join("amt-ffi/include/amt.h"), &package.join("include"))?;
    import_library(&lib)?;
    put_filled("amt-ffi/package/AmtConfig.cmake", &lib.join("cmake/Amt"))?;
    put_filled("amt-ffi/package/AmtConfigVersion.cmake", &lib.join("cmake/Amt"))?;
    let documents = package.join("doc");
    put_documents(&documents, bom)?;
    put_all("docs", &documents.join("docs"))?;
    for language in ["c", "cpp"] {
        put_all(&format!("examples/{language}"), &documents.join("examples").join(language))?;
    }
    zip(&package)
}

/// The stripped DLL, beside the other files of a package under work.
pub(super) fn dll(folder: &Path, work: &Path) -> Result<PathBuf> {
    let copy = work.join(dll_name()?);
    run(program("x86_64-w64-mingw32-strip", &["--strip-unneeded", "-o"]).arg(&copy).arg(folder.join("amt_ffi.dll")))?;
    Ok(copy)
}

/// `amt-1.dll`: the version of the binary interface is in the name.
pub(super) fn dll_name() -> Result<String> {
    Ok(format!("amt-{}.dll", abi()?))
}

/// `amt.def`, from which Microsoft's `lib /def:amt.def /machine:x64` makes its import library, and MinGW's own `libamt.dll.a`.
fn import_library(lib: &Path) -> Result<()> {
    let definition = lib.join("amt.def");
    let exports: String = symbols()?.lines().map(|name| format!("    {name}\n")).collect();
    fs::write(&definition, format!("LIBRARY {}\nEXPORTS\n{exports}", dll_name()?))?;
    let mut tool = program("x86_64-w64-mingw32-dlltool", &["-d"]);
    run(tool.arg(&definition).arg("-l").arg(lib.join("libamt.dll.a")))
}
