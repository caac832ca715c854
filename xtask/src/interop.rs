//! Programs in other languages: C against our library, MeshCentral's AMT stack against provisioned machines and our setup.bin, its
//! agent and its MeshCmd at the device file of a virtual machine.

use crate::examples::{self, Programs};
use crate::process::{build_amt, build_library, need, program, root, run, several, target};
use crate::stages::Count;
use crate::virtual_machines::Held;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const MESHCENTRAL: &str = "meshcentral@1.1.55";
const MESHCENTRAL_INTEGRITY: &str =
    "sha512-imC+3LRoM+01+Rhcm1vg5WMKFiKUx/eAkM1AUUEVuVZxGuxVFHn9QaxKoI9xXIEJosg3+1391KBoXL7ZWjIf9w==";

/// Compiles every program of `amt-ffi/tests/c` against the committed header and runs it under ASan and UBSan, then under Valgrind, and the
/// examples in C and C++; each program is one check.
pub(crate) fn c() -> Result<Count> {
    need("cc", "gcc")?;
    need("c++", "g++")?;
    need("openssl", "openssl")?;
    // The client of the intake.
    need("curl", "curl")?;
    let amt = build_amt(&[])?;
    let library = build_library()?;
    let linked = |source: &Path, folder: &str| {
        let binary = compile(source, folder, &library, SANITIZED)?;
        let mut command = program(binary, &[]);
        command.env("LD_LIBRARY_PATH", &library);
        anyhow::Ok(command)
    };
    let tests = sources("amt-ffi/tests/c", "c")?;
    if tests.is_empty() {
        bail!("there is no C test in amt-ffi/tests/c");
    }
    let mut count = leak(&amt, &library)?;
    // Each waits for machines of its own; none runs beside itself.
    let counts = several(3, tests, |source| {
        let sanitized = linked(&source, "c-tests").and_then(|mut command| run(command.env("AMT_BIN", &amt)));
        let checked = under_valgrind(&source, &amt, &library).and_then(|mut command| run(&mut command));
        [told(&source, "under ASan and UBSan", sanitized), told(&source, "under Valgrind", checked)]
    });
    counts.into_iter().flatten().for_each(|one| count.add(one));
    for (language, address) in [("c", "127.71.0.9"), ("cpp", "127.71.0.10")] {
        let folder = format!("examples/{language}");
        let ready = |task: &str| {
            linked(&root().join(&folder).join(task).with_extension(language), &format!("examples/{language}-programs"))
        };
        let sources = sources(&folder, language)?;
        count.add(examples::every(&amt, Programs { name: language, sources, address, ready: &ready })?);
    }
    Ok(count)
}

/// One check of one program, and a line that names it: several speak at once.
fn told(source: &Path, how: &str, result: Result<()>) -> Count {
    let name = source.file_stem().unwrap_or_default().display();
    match &result {
        Ok(()) => println!("ok {how}: {name}"),
        Err(error) => println!("FAILED {how}: {name}: {error:#}"),
    }
    Count::one(result.is_ok())
}

/// A program that leaks, which Valgrind must tell.
fn leak(amt: &Path, library: &Path) -> Result<Count> {
    need("valgrind", "valgrind")?;
    let source = root().join("amt-ffi/tests/c/hooks/leak.c");
    let status = under_valgrind(&source, amt, library)?.output()?.status;
    let noticed = if status.code() == Some(99) { Ok(()) } else { Err(anyhow::anyhow!("not noticed: {status}")) };
    Ok(told(&source, "under Valgrind", noticed))
}

/// Compiles a program and has Valgrind run it.
fn under_valgrind(source: &Path, amt: &Path, library: &Path) -> Result<Command> {
    let binary = compile(source, "c-valgrind", library, &[])?;
    // What is read before it is written Rust's compiler rules out; where it joins two comparisons into one, and in ring's assembly, Valgrind
    // takes it for that all the same. Tables that stay for good are reachable, and no leak.
    let mut command = program(
        "timeout",
        &["300", "valgrind", "--quiet", "--fair-sched=try", "--undef-value-errors=no", "--error-exitcode=99"],
    );
    command.args(["--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    command.arg(binary).env("LD_LIBRARY_PATH", library).env("AMT_BIN", amt);
    Ok(command)
}

const SANITIZED: &[&str] = &["-fsanitize=address,undefined"];

/// Compiles one program with these options against the header of the workspace and a library, into a folder of `target`.
fn compile(source: &Path, folder: &str, library: &Path, options: &[&str]) -> Result<PathBuf> {
    let programs = target(folder);
    std::fs::create_dir_all(&programs)?;
    let binary = programs.join(source.file_stem().unwrap_or_default());
    let mut compile = if source.extension().is_some_and(|extension| extension == "cpp") {
        program("c++", &["-std=c++17"])
    } else {
        program("cc", &["-std=c11"])
    };
    compile.args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-Iamt-ffi/include"]).args(options);
    run(compile.arg(source).arg("-o").arg(&binary).arg("-L").arg(library).args(["-lamt", "-lpthread"]))?;
    Ok(binary)
}

/// The programs of a folder, by their extension.
pub(crate) fn sources(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    sources_in(&root().join(folder), extension)
}

/// The same of a folder anywhere.
pub(crate) fn sources_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// MeshCentral's AMT stack reads machines that `amt demo --hold` provisioned, with the exported credentials, and the two read and write
/// each other's setup.bin. Its agent reads virtual machines from inside, its MeshCmd sets them up and takes the setup back.
pub(crate) fn meshcentral() -> Result<Count> {
    need("node", "nodejs")?;
    let stack = meshcentral_stack()?;
    let amt = build_amt(&[])?;
    let mut count = checks_of(program("node", &["tests/interop/meshcentral/setupbin.js"]).arg(&stack).arg(&amt))?;
    let held = Held::start(3)?;
    count.add(checks_of(program("node", &["tests/interop/meshcentral/client.js"]).arg(&stack).arg(&held.credentials))?);
    for persona in ["11.8", "16.0"] {
        count.add(agent(&stack, &amt, persona)?);
    }
    Ok(count)
}

/// MeshAgent and MeshCmd, as MeshCentral ships them, open the device file of a virtual machine.
fn agent(stack: &Path, amt: &Path, persona: &str) -> Result<Count> {
    if !cfg!(target_arch = "x86_64") || !can_mount()? {
        println!("not tested here: MeshAgent at a device file needs x86-64 Linux, root and /dev/fuse");
        return Ok(Count::default());
    }
    need("ip", "iproute2")?;
    let mut test = program("unshare", &["--mount", "--net", "sh", "tests/interop/meshcentral/mei.sh"]);
    checks_of(test.arg(amt).arg(stack.with_file_name("agents")).arg(persona))
}

/// Whether device files of virtual machines can be mounted here.
pub(crate) fn can_mount() -> Result<bool> {
    let is_root = || Ok::<_, anyhow::Error>(crate::process::read(&mut program("id", &["-u"]))?.trim() == "0");
    Ok(cfg!(target_os = "linux") && Path::new("/dev/fuse").exists() && is_root()?)
}

/// Runs a program that prints "ok WHAT" or "FAILED WHAT: WHY" for each check.
pub(crate) fn checks_of(command: &mut Command) -> Result<Count> {
    let mut count = Count::default();
    let good = crate::process::watch(command, |line| {
        if line.starts_with("ok ") {
            count.passed += 1;
        } else if line.starts_with("FAILED ") {
            count.failed += 1;
        }
    })?;
    if !good && count.failed == 0 {
        bail!("the client failed");
    }
    if count == Count::default() {
        bail!("the client checked nothing");
    }
    Ok(count)
}

/// The folder with MeshCentral's AMT stack, fetched once. Its dependencies are not needed and not fetched.
fn meshcentral_stack() -> Result<PathBuf> {
    let folder = target("interop").join(MESHCENTRAL.replace('@', "-"));
    let stack = folder.join("package/amt");
    if stack.join("amt.js").is_file() && stack.with_file_name("agents/meshcmd.js").is_file() {
        return Ok(stack);
    }
    need("npm", "npm")?;
    std::fs::create_dir_all(&folder)?;
    let mut pack = program("npm", &["pack", MESHCENTRAL, "--json", "--ignore-scripts", "--pack-destination"]);
    let report: serde_json::Value = serde_json::from_str(&crate::process::read(pack.arg(&folder))?)?;
    let integrity = &report[0]["integrity"];
    if integrity != MESHCENTRAL_INTEGRITY {
        bail!("{MESHCENTRAL} is not the known one: {integrity}");
    }
    let archive = folder.join(report[0]["filename"].as_str().context("npm names no file")?);
    run(program("tar", &["-xzf"]).arg(&archive).arg("-C").arg(&folder).args([
        "package/amt",
        "package/agents/meshagent_x86-64",
        "package/agents/meshcmd.js",
        "package/agents/modules_meshcmd",
    ]))?;
    std::fs::remove_file(archive)?;
    Ok(stack)
}
