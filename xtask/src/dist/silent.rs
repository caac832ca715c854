//! What a program notices of the library beside its answers: the files, threads and signals that strace sees, and the environment.

use crate::process::{need, program, root, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The names that docs/abi.md lists, and what the examples ask for themselves.
const ENVIRONMENT: &[&str] = &[
    "OPENSSL_ia32cap",
    "RUST_MIN_STACK",
    "SQLITE_TMPDIR",
    "TMPDIR",
    "TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE",
    "AMT_PASSWORD",
    "AMT_CERTIFICATE_PASSWORD",
];
/// Files that belong to no argument: what the system's loader reads, and randomness.
const SYSTEM: &[&str] =
    &["/etc/ld.so.cache", "/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib64/", "/dev/urandom"];
/// The only task that may start threads: its journal is a database, which has one of its own, with one for each connection.
const WITH_JOURNAL: &str = "provision";

/// Examples under observation.
pub(super) struct Watch {
    folder: PathBuf,
    preload: PathBuf,
}

impl Watch {
    /// `folder` takes what is seen.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        need("strace", "strace")?;
        let preload = folder.join("getenv.so");
        let mut compile = program("cc", &["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"]);
        run(compile.arg(&preload).arg(root().join("amt-ffi/tests/c/hooks/getenv.c")).arg("-ldl"))?;
        Ok(Self { folder: folder.to_owned(), preload })
    }

    /// The program of a task; what it does is noted.
    pub(super) fn program(&self, task: &str, binary: &Path) -> Command {
        let mut command =
            program("strace", &["-f", "-qq", "-e", "trace=open,openat,clone,clone3,fork,vfork,rt_sigaction,write"]);
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        command.arg("-o").arg(self.seen(task));
        command.args(["-E", &set("LD_PRELOAD", &self.preload), "-E", &set("AMT_GETENV_LOG", &self.asked(task))]);
        command.arg(binary);
        command
    }

    fn seen(&self, task: &str) -> PathBuf {
        self.folder.join(task).with_extension("strace")
    }

    fn asked(&self, task: &str) -> PathBuf {
        self.folder.join(task).with_extension("environment")
    }

    /// Whether a task that has run did nothing that its host could not expect. It may open the files of `own` folders.
    pub(super) fn verdict(&self, task: &str, own: &[&Path]) -> Result<()> {
        let seen = std::fs::read_to_string(self.seen(task)).with_context(|| format!("{task} was not observed"))?;
        let mut threads = 0;
        for line in seen.lines() {
            let Some((call, rest)) = line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('('))
            else {
                continue;
            };
            match call {
                "open" | "openat" => {
                    let path = rest.split('"').nth(1).unwrap_or_default();
                    let known = SYSTEM.iter().any(|start| path.starts_with(start))
                        || Path::new(path).starts_with(&self.folder)
                        || own.iter().any(|folder| Path::new(path).starts_with(folder));
                    // The loader looks for libraries in many places that are not there.
                    if !known && !rest.contains("ENOENT") {
                        bail!("{task} opened {path}");
                    }
                }
                "clone" | "clone3" if rest.contains("CLONE_THREAD") => threads += 1,
                "clone" | "clone3" | "fork" | "vfork" => bail!("{task} started a process"),
                // The C library's own, for the end of threads, when the first is made.
                "rt_sigaction" if !rest.starts_with("SIGRT_1") => bail!("{task} set a signal handler: {rest}"),
                "write" if rest.starts_with("2,") => bail!("{task} wrote to stderr: {rest}"),
                _ => {}
            }
        }
        if threads > if task == WITH_JOURNAL { 3 } else { 0 } {
            bail!("{task} started {threads} threads");
        }
        let asked = std::fs::read_to_string(self.asked(task))
            .with_context(|| format!("{task} ran without the getenv that notes"))?;
        if let Some(name) = asked.lines().find(|name| !ENVIRONMENT.contains(name)) {
            bail!("{task} asked for {name} of its environment");
        }
        println!("ok silence: {task}, {threads} threads, no signal handler, environment: {}", asked.replace('\n', " "));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(task: &str, seen: &str, asked: &str) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let watch = Watch { folder: folder.path().to_owned(), preload: PathBuf::new() };
        std::fs::write(watch.seen(task), seen)?;
        std::fs::write(watch.asked(task), asked)?;
        watch.verdict(task, &[Path::new("/own")])
    }

    #[test]
    fn what_a_host_could_not_expect_is_noticed() {
        let quiet = "7 openat(AT_FDCWD, \"/own/ca.pem\", O_RDONLY) = 3\n7 write(1, \"x\", 1) = 1\n";
        assert!(verdict("hello", quiet, "TMPDIR\n").is_ok());
        let thread = "7 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 8\n";
        assert!(verdict("provision", thread, "").is_ok());
        let wrong = [
            ("hello", thread, ""),
            ("hello", "7 openat(AT_FDCWD, \"/etc/ssl/openssl.cnf\", O_RDONLY) = 3\n", ""),
            ("hello", "7 rt_sigaction(SIGPIPE, {sa_handler=SIG_IGN}, NULL, 8) = 0\n", ""),
            ("hello", "7 write(2, \"x\", 1) = 1\n", ""),
            ("hello", "7 clone(child_stack=NULL, flags=SIGCHLD) = 8\n", ""),
            ("hello", quiet, "SSL_CERT_FILE\n"),
        ];
        for (task, seen, asked) in wrong {
            assert!(verdict(task, seen, asked).is_err(), "{seen}{asked}");
        }
    }
}
