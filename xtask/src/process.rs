//! Running other programs, finding them, and installing the ones that are missing.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The top of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// A file or folder under the target folder that everything shares.
pub(crate) fn target(path: &str) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join(path)
}

/// Settings of cargo for what is built for another system and need not be fast.
pub(crate) const UNOPTIMISED: &[&str] =
    &["profile.dev.package.\"*\".opt-level=0", "profile.dev.opt-level=0", "profile.dev.debug=false"];

/// `cargo` with these arguments, at the top of the workspace, with the toolchain that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Whether this is the project's CI, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Another program with these arguments, at the top of the workspace. Whichever runs cargo, it builds what all the others have built.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    // `cargo run` told this program of its own package. Build scripts that ask for it (ring's) would see another one than without it.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    if in_ci() {
        // What is built once gains nothing from being prepared for the next time.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Runs to the end with the output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Runs to the end and returns stdout; stderr stays on the terminal.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {line}"))?;
    if !output.status.success() {
        bail!("{line}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{line}: not UTF-8"))
}

/// Runs to the end, shows every line and gives it to `seen`. The exit status is the caller's to judge.
pub(crate) fn watch(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<bool> {
    let line = show(command);
    println!("$ {line}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {line}"))?;
    let stdout = child.stdout.take().context("no stdout")?;
    for text in BufReader::new(stdout).lines() {
        let text = text?;
        println!("{text}");
        seen(&text);
    }
    std::io::stdout().flush()?;
    Ok(child.wait()?.success())
}

/// Does `work` for every item, `workers` of them at a time; the results are in the order in which they were done.
pub(crate) fn several<T: Send, R: Send>(workers: usize, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let (queue, results) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    // Neither lock is held while anything is done that may fail.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A child that does not outlive its owner: asked to end, then killed.
pub(crate) struct Background {
    child: Child,
}

impl Background {
    /// Starts `command` and leaves it running.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        println!("$ {} &", show(command));
        Self::start_quietly(command)
    }

    /// The same without a word of it.
    pub(crate) fn start_quietly(command: &mut Command) -> Result<Self> {
        Ok(Self { child: command.spawn().with_context(|| format!("cannot start {}", show(command)))? })
    }

    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says yes; fails when the program ends before that, or after `seconds`.
    pub(crate) fn until(&mut self, seconds: u64, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
        loop {
            if ready()? {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended before it was ready: {status}");
            }
            if std::time::Instant::now() > deadline {
                bail!("it was not ready after {seconds} s");
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).stderr(Stdio::null()).status();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && std::time::Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // Nothing else can be done with a child that cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is not here and cannot be installed: in CI an error, elsewhere a skipped stage that says so.
#[derive(Debug, thiserror::Error)]
#[error("{name} is missing and {package} cannot be installed")]
pub(crate) struct Missing {
    name: String,
    package: String,
}

/// Makes sure that `name` runs; otherwise installs `package` with apt.
pub(crate) fn need(name: &str, package: &str) -> Result<()> {
    need_until(name, package, || found(name))
}

/// The same for what is no program: `present` tells whether it is here.
pub(crate) fn need_until(name: &str, package: &str, present: impl Fn() -> bool) -> Result<()> {
    if present() {
        return Ok(());
    }
    println!("{name} is missing: installing {package}");
    let root = read(&mut program("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    let mut apt = if root { program("apt-get", &[]) } else { program("sudo", &["-n", "apt-get"]) };
    let installed = run(apt.args(["install", "-y", "-q", package]).env("DEBIAN_FRONTEND", "noninteractive"));
    if installed.is_ok() && present() {
        return Ok(());
    }
    Err(Missing { name: name.to_owned(), package: package.to_owned() }.into())
}

fn found(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Adds a component or target to the toolchain unless it is `present`.
pub(crate) fn need_rustup(kind: &str, name: &str, present: bool) -> Result<()> {
    if present { Ok(()) } else { run(&mut program("rustup", &[kind, "add", name])) }
}

/// Builds the command line in the development profile, with these features beside its own, and returns its path.
pub(crate) fn build_amt(features: &[&str]) -> Result<PathBuf> {
    run(&mut build_beside_tests(&["--bin", "amt", "--features", &features.join(",")]))?;
    Ok(target("debug/amt"))
}

/// Builds the C library in the development profile; returns a folder with it, and with the names that linkers and programs look for.
pub(crate) fn build_library() -> Result<PathBuf> {
    // A test that links it.
    run(&mut build_beside_tests(&["--test", "header"]))?;
    let folder = target("library");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for name in ["libamt_ffi.so", "libamt_ffi.a"] {
        std::fs::copy(target("debug/deps").join(name), folder.join(name)).with_context(|| name.to_owned())?;
    }
    for name in ["libamt.so", "libamt.so.1"] {
        std::os::unix::fs::symlink("libamt_ffi.so", folder.join(name))?;
    }
    Ok(folder)
}

/// All of the workspace and a test among it: so the crates have the features that the tests of all have, and what was built for those is not
/// built again. This test links none of our crates.
pub(crate) fn build_beside_tests(what: &[&str]) -> Command {
    let mut command = cargo(&["build", "--quiet", "--workspace", "--test", "declared"]);
    command.args(what);
    command
}

/// Compares `text` with the committed file at `path` of `tree`, or writes it. `remedy` is the command that writes it.
pub(crate) fn bless_or_compare(tree: &Path, path: &str, text: &str, bless: bool, remedy: &str) -> Result<()> {
    let file = tree.join(path);
    if bless {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        return std::fs::write(&file, text).with_context(|| path.to_owned());
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if committed == text {
        println!("{path}: up to date");
        return Ok(());
    }
    let now = target("blessed");
    std::fs::create_dir_all(&now)?;
    let now = now.join(path.replace('/', "-"));
    std::fs::write(&now, text)?;
    // For the reader; the verdict is already known.
    let _ = program("diff", &["-u"]).arg(&file).arg(&now).status();
    bail!("{path} is not what the sources say; if the change is meant: {remedy}")
}

/// A command line as it is printed.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|a| a.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
