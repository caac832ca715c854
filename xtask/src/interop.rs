//! Clients of others against our library and our virtual firmware: a C compiler, Go's WS-Man library, OpenSSL.

use crate::process::{build_bin, cargo, need, program, root, run, target};
use crate::stages::Count;
use crate::virtual_machines::Held;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Compiles every `amt-ffi/tests/c/*.c` against the committed header and runs it; each program is one check.
pub(crate) fn c() -> Result<Count> {
    need("cc", "gcc")?;
    let amt = build_bin("amt-cli", "amt")?;
    run(&mut cargo(&["build", "--quiet", "-p", "amt-ffi"]))?;
    let library = target("debug");
    let programs = target("c-tests");
    std::fs::create_dir_all(&programs)?;
    let mut count = Count::default();
    for source in sources("amt-ffi/tests/c")? {
        let binary = programs.join(source.file_stem().unwrap_or_default());
        let mut compile = program("cc", &["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g"]);
        compile.args(["-fsanitize=address,undefined", "-Iamt-ffi/include"]).arg(&source).arg("-o").arg(&binary);
        run(compile.arg("-L").arg(&library).args(["-lamt_ffi", "-lpthread"]))?;
        let mut test = program(&binary, &[]);
        let good = run(test.env("LD_LIBRARY_PATH", &library).env("AMT_BIN", &amt));
        count.add(Count::one(good.is_ok()));
        if let Err(error) = good {
            println!("{error:#}");
        }
    }
    if count == Count::default() {
        bail!("there is no C test in amt-ffi/tests/c");
    }
    Ok(count)
}

fn sources(folder: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Go's go-wsman-messages reads machines that `amt demo --hold` provisioned, with the exported credentials.
pub(crate) fn go() -> Result<Count> {
    need("go", "golang-go")?;
    let binary = target("interop-go");
    let folder = root().join("tests/interop/go");
    run(program("go", &["vet", "./..."]).current_dir(&folder))?;
    run(program("go", &["build", "-o"]).arg(&binary).arg(".").current_dir(&folder))?;
    let held = Held::start(3)?;
    let mut count = Count::default();
    let mut client = program(binary, &["-credentials"]);
    let good = crate::process::watch(client.arg(&held.credentials), |line| {
        if line.starts_with("ok ") {
            count.passed += 1;
        } else if line.starts_with("FAILED ") {
            count.failed += 1;
        }
    })?;
    if !good && count.failed == 0 {
        bail!("the Go client failed");
    }
    if count == Count::default() {
        bail!("the Go client checked nothing");
    }
    Ok(count)
}
