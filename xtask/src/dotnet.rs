//! The C# binding as mono compiles and runs it, its examples, and the text of the PowerShell module.

use crate::interop::checks_of;
use crate::process::{build_amt, build_library, need, program, root, run, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Compiles the assembly, its tests and the examples; runs the tests against `amt sim`, then checks the PowerShell module.
pub(crate) fn check() -> Result<Count> {
    need("mono", "mono-runtime")?;
    need("mcs", "mono-mcs")?;
    need("python3", "python3")?;
    let amt = build_amt(&[])?;
    let folder = target("dotnet");
    std::fs::create_dir_all(&folder)?;
    // The name under which a release installs it, and by which the assembly asks for it.
    let library = folder.join("libamt.so.1");
    std::fs::copy(build_library()?.join("libamt_ffi.so"), &library).context("libamt_ffi.so")?;
    std::fs::copy(root().join("bindings/dotnet/src/Amt.dll.config"), folder.join("Amt.dll.config"))?;

    let assembly = folder.join("Amt.dll");
    let mut compile = compiler(&assembly);
    compile.arg("-target:library").arg(option("-doc:", &folder.join("Amt.xml")));
    run(compile.args(sources("bindings/dotnet/src")?))?;
    let tests = folder.join("AmtTests.exe");
    run(compiler(&tests).arg(option("-r:", &assembly)).args(sources("bindings/dotnet/tests")?))?;
    for example in sources("examples/csharp")? {
        let binary = folder.join(example.file_stem().context("an example without a name")?).with_extension("exe");
        run(compiler(&binary).arg(option("-r:", &assembly)).arg(&example))?;
    }
    let mut command = program("mono", &["--debug"]);
    command.arg(&tests).env("LD_LIBRARY_PATH", &folder).env("AMT_ROOT", root()).env("AMT_BIN", amt);
    let mut count = checks_of(&mut command)?;
    let mut module = program("python3", &["bindings/powershell/tests/check_module.py"]);
    count.add(checks_of(module.arg(folder.join("Amt.xml")))?);
    Ok(count)
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

fn sources(folder: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cs") {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there is no C# in {folder}");
    }
    files.sort();
    Ok(files)
}
