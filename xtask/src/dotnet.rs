//! The C# binding as mono compiles and runs it, its examples, and the text of the PowerShell module.

use crate::interop::{checks_of, sources, sources_in};
use crate::process::{build_amt, build_library, need, program, root, run, target};
use crate::python::environment_with;
use crate::stages::Count;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A grammar of PowerShell and what reads by it. Pinned: another may read more, or less.
const GRAMMAR: &[&str] = &["tree-sitter==0.26.1", "tree-sitter-powershell==0.26.4"];

/// Compiles the assembly, its tests and the examples; runs the tests against `amt sim`, then checks the PowerShell module.
pub(crate) fn check() -> Result<Count> {
    need("python3", "python3")?;
    need("openssl", "openssl")?;
    let folder = target("dotnet");
    let assembly = assembly(&folder)?;
    // The name under which a release installs it, and by which the assembly asks for it.
    std::fs::copy(build_library()?.join("libamt_ffi.so"), folder.join("libamt.so.1")).context("libamt_ffi.so")?;
    std::fs::copy(root().join("bindings/dotnet/src/Amt.dll.config"), folder.join("Amt.dll.config"))?;
    let mut count = tests(&assembly, &root().join("examples/csharp"), &build_amt(&[])?, &[])?;
    let python = environment_with("venv-powershell", GRAMMAR)?.join("bin/python");
    let mut module = program(python, &["bindings/powershell/tests/check_module.py"]);
    count.add(checks_of(module.arg(folder.join("Amt.xml")))?);
    Ok(count)
}

/// Compiles the assembly into a folder.
pub(crate) fn assembly(folder: &Path) -> Result<PathBuf> {
    need("mcs", "mono-mcs")?;
    std::fs::create_dir_all(folder)?;
    let assembly = folder.join("Amt.dll");
    let mut compile = compiler(&assembly);
    compile.arg("-target:library").arg(option("-doc:", &folder.join("Amt.xml")));
    run(compile.args(sources("bindings/dotnet/src", "cs")?))?;
    Ok(assembly)
}

/// Compiles the tests, and the examples of that folder, beside an assembly that has the C library beside it, and runs the tests that `which`
/// names, or all.
pub(crate) fn tests(assembly: &Path, examples: &Path, amt: &Path, which: &[&str]) -> Result<Count> {
    need("mono", "mono-runtime")?;
    let folder = assembly.parent().context("an assembly without a folder")?;
    let tests = folder.join("AmtTests.exe");
    let sources_of_tests = sources("bindings/dotnet/tests", "cs")?;
    run(compiler(&tests).arg(option("-r:", assembly)).args(sources_of_tests))?;
    for example in sources_in(examples, "cs")? {
        let binary = folder.join(example.file_stem().context("an example without a name")?).with_extension("exe");
        run(compiler(&binary).arg(option("-r:", assembly)).arg(&example))?;
    }
    let mut command = program("mono", &["--debug"]);
    command.arg(&tests).args(which).env("LD_LIBRARY_PATH", folder).env("AMT_ROOT", root()).env("AMT_BIN", amt);
    checks_of(&mut command)
}

/// mono's compiler, held to what .NET Framework's and the SDK's take as well; warnings, those about missing documentation too, are errors.
fn compiler(out: &Path) -> std::process::Command {
    let mut command = program("mcs", &["-langversion:7", "-warnaserror", "-warn:4", "-debug"]);
    command.arg(option("-out:", out));
    command
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}
