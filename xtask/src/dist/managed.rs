//! The .NET assembly and the PowerShell module, each with the C libraries it loads.

use super::{Parts, VERSION, abi, fresh, library, put, put_all, put_documents, windows, zip};
use crate::dotnet;
use crate::process::{root, target};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// Packs both; returns the .NET one.
pub(super) fn pack(parts: &Parts, bom: &Path, out: &Path) -> Result<PathBuf> {
    let assembly = dotnet::assembly(&target("dotnet"))?;
    let module = out.join(format!("amt-powershell-{VERSION}"));
    let inside = module.join("Amt");
    fresh(&inside)?;
    put_all("bindings/powershell/Amt", &inside)?;
    put_assembly(&assembly, parts, &inside.join("lib"))?;
    put_documents(&module, bom)?;
    put(&root().join("docs/dotnet.md"), &module)?;
    zip(&module)?;

    let package = out.join(format!("amt-dotnet-{VERSION}"));
    fresh(&package)?;
    put_assembly(&assembly, parts, &package.join("lib"))?;
    put(&root().join("bindings/dotnet/Amt.csproj"), &package)?;
    put_all("bindings/dotnet/src", &package.join("src"))?;
    put_all("examples/csharp", &package.join("examples"))?;
    put_documents(&package, bom)?;
    put(&root().join("docs/dotnet.md"), &package)?;
    zip(&package)
}

/// The assembly and, beside it, the C library under the names by which .NET, .NET Framework and mono ask for it.
fn put_assembly(assembly: &Path, parts: &Parts, place: &Path) -> Result<()> {
    put(assembly, place)?;
    put(&assembly.with_extension("xml"), place)?;
    put(&root().join("bindings/dotnet/src/Amt.dll.config"), place)?;
    let abi = abi()?;
    let shared = library::stripped(&parts.library.join("libamt_ffi.so"))?;
    fs::copy(&shared, place.join(format!("libamt-{abi}.so")))?;
    fs::copy(&shared, place.join(format!("libamt.so.{abi}")))?;
    windows::dll(&parts.windows, place)?;
    Ok(())
}
