//! Packages unpacked where nothing of the workspace is, and the examples from there.

use super::silent::Watch;
use super::{fresh, split};
use crate::dotnet;
use crate::examples::{Programs, TASKS, every};
use crate::interop::sources_in;
use crate::process::{need, program, read, root, run, target, watch};
use crate::python;
use crate::stages::Count;
use crate::windows::{COMPILER, random_numbers, wine};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// C by pkg-config, shared and static, and C++ by CMake.
pub(super) fn linux(package: &Path) -> Result<Count> {
    for (name, from) in [("cc", "gcc"), ("c++", "g++"), ("pkg-config", "pkg-config"), ("cmake", "cmake")] {
        need(name, from)?;
    }
    let prefix = unpack(package)?;
    let (amt, lib) = (prefix.join("bin/amt"), prefix.join("lib"));
    let examples = prefix.join("share/doc/amt/examples");
    let built = prefix.join("built");
    std::fs::create_dir_all(&built)?;
    let flags = |more: &[&str]| {
        let mut command = program("pkg-config", &["--cflags", "--libs"]);
        read(command.args(more).arg("amt").env("PKG_CONFIG_PATH", lib.join("pkgconfig")))
    };
    let watch = Watch::new(&built)?;
    let c = |task: &str| {
        let binary = built.join(task);
        let mut compile = program("cc", &["-std=c11", "-O2", "-o"]);
        compile.arg(&binary).arg(examples.join("c").join(task).with_extension("c"));
        let mut found = std::ffi::OsString::from("-Wl,-rpath,");
        found.push(&lib);
        run(compile.args(flags(&[])?.split_whitespace()).arg(found))?;
        Ok(watch.program(task, &binary))
    };
    let programs = Programs {
        name: "package-c",
        sources: sources_in(&examples.join("c"), "c")?,
        address: "127.71.1.1",
        ready: &c,
    };
    let mut count = every(&amt, programs)?;
    let (work, certificates) = (target("examples/package-c"), root().join("testdata/provisioning"));
    for task in TASKS {
        let silent = watch.verdict(task, &[&lib, &work, &certificates]);
        count.add(Count::one(silent.is_ok()));
        if let Err(error) = silent {
            println!("FAILED silence: {error:#}");
        }
    }

    // Without the shared library beside it: what runs has the static one inside.
    let binary = built.join("static");
    let mut compile = program("cc", &["-std=c11", "-O2", "-o"]);
    compile.arg(&binary).arg(examples.join("c/preflight.c"));
    let arguments = flags(&["--static"])?.replace("-lamt", "-l:libamt.a");
    run(compile.args(arguments.split_whitespace()))?;
    let pfx = root().join("testdata/provisioning/chain.pfx");
    let said = read(program(&binary, &[]).arg(pfx).arg("example.com").env("AMT_CERTIFICATE_PASSWORD", "Provision.1"))?;
    count.add(Count::one(said.contains("nothing stands against it")));

    let mut configure = program("cmake", &["-DCMAKE_BUILD_TYPE=Release", "-S"]);
    configure.arg(examples.join("cpp")).arg("-B").arg(built.join("cpp"));
    run(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())).stdout(std::process::Stdio::null()))?;
    run(program("cmake", &["--build"]).arg(built.join("cpp")).args(["-j", "2"]).stdout(std::process::Stdio::null()))?;
    let cpp = |task: &str| Ok(finds(&built.join("cpp").join(task), &lib));
    let sources = sources_in(&examples.join("cpp"), "cpp")?;
    count.add(every(&amt, Programs { name: "package-cpp", sources, address: "127.71.1.2", ready: &cpp })?);
    Ok(count)
}

/// A program that finds the shared library of the package.
fn finds(binary: &Path, lib: &Path) -> Command {
    let mut command = program(binary, &[]);
    command.env("LD_LIBRARY_PATH", lib);
    command
}

/// C, linked by MinGW against the import library and run under Wine; the virtual machine is a process of this system.
pub(super) fn windows(package: &Path, amt: &Path) -> Result<Count> {
    need(COMPILER, "gcc-mingw-w64-x86-64")?;
    need("wine", "wine")?;
    let prefix = unpack(package)?;
    // Beside the DLL, where Windows looks first.
    let bin = prefix.join("bin");
    random_numbers(&bin)?;
    let compiled = |source: &Path| {
        let binary = bin.join(source.file_stem().context("a source without a name")?).with_extension("exe");
        let mut compile =
            program(COMPILER, &["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-D__USE_MINGW_ANSI_STDIO=1", "-I"]);
        compile.arg(prefix.join("include")).arg("-o").arg(&binary).arg(source);
        run(compile.arg("-L").arg(prefix.join("lib")).arg("-lamt"))?;
        Ok(wine(&binary))
    };
    let mut count = Count::default();
    // Those of the tests that need no other process.
    for test in ["hello", "preflight", "setupbin", "misuse"] {
        let source = root().join("amt-ffi/tests/c").join(test).with_extension("c");
        let good = compiled(&source).and_then(|mut command| run(&mut command));
        println!("{} amt-1.dll: {test}", if good.is_ok() { "ok" } else { "FAILED" });
        count.add(Count::one(good.is_ok()));
    }
    let examples = prefix.join("doc/examples/c");
    let ready = |task: &str| compiled(&examples.join(task).with_extension("c"));
    let sources = sources_in(&examples, "c")?;
    count.add(every(amt, Programs { name: "dll", sources, address: "127.71.1.3", ready: &ready })?);
    Ok(count)
}

/// C# by mono.
pub(super) fn dotnet(package: &Path, amt: &Path) -> Result<Count> {
    let prefix = unpack(package)?;
    let count = dotnet::tests(&prefix.join("lib/Amt.dll"), &prefix.join("examples"), amt, &["examples"])?;
    if count == Count::default() {
        bail!("no example ran");
    }
    Ok(count)
}

/// Python, in a virtual environment of its own.
pub(super) fn python(packages: &[PathBuf]) -> Result<Count> {
    let wheel = packages.iter().find(|file| file.extension().is_some_and(|extension| extension == "whl"));
    let environment = target("dist-prefix/python");
    fresh(&environment)?;
    run(program("python3", &["-m", "venv"]).arg(&environment))?;
    let python = environment.join("bin/python");
    run(program(&python, &["-m", "pip", "install", "--quiet", "pytest"]).arg(wheel.context("there is no wheel")?))?;
    // The tests of the examples run each as its users do.
    let mut tests = program(&python, &["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=amt-py"]);
    let mut count = Count::default();
    let good = watch(tests.arg("amt-py/tests/test_examples.py"), |line| count.add(python::pytest_summary(line)))?;
    if count == Count::default() || !good && count.failed == 0 {
        bail!("the examples in Python did not run");
    }
    Ok(count)
}

/// Unpacks into an empty folder; what is in the package has one folder above it.
fn unpack(package: &Path) -> Result<PathBuf> {
    let (_, name) = split(package)?;
    let place = target("dist-prefix").join(name);
    fresh(&place)?;
    if name.ends_with(".zip") {
        need("unzip", "unzip")?;
        run(program("unzip", &["-q"]).arg(package).arg("-d").arg(&place))?;
    } else {
        run(program("tar", &["-xzf"]).arg(package).arg("-C").arg(&place))?;
    }
    let inside = std::fs::read_dir(&place)?.next().context("an empty package")??.path();
    Ok(inside)
}
