//! The tasks that C and C++ have an example of, run one after the other on one virtual machine.

use crate::process::{Background, program, read, root, run, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: &str = "Administrator.1";
/// Of `testdata/provisioning/chain.pfx`.
const CERTIFICATE_PASSWORD: &str = "Provision.1";
/// A hello of the machine `00112233-4455-6677-8899-aabbccddeeff` with one SHA-1 root; what follows are its 20 bytes.
const HELLO: [u8; 27] = [
    1, 0, 3, 0, 0, 0, 0, 0, 0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
    0xff, 1, 1, 20,
];
/// In the order in which they build on one another.
pub(crate) const TASKS: [&str; 6] = ["hello", "setupbin", "preflight", "provision", "wsman", "operate"];

/// Programs that take the arguments of `examples/c/README.md`.
pub(crate) struct Programs<'a> {
    /// Of which language; also a folder of their own under `target`.
    pub(crate) name: &'a str,
    /// Their sources: nothing there may be left unrun.
    pub(crate) sources: Vec<PathBuf>,
    /// Loopback address of the virtual machine.
    pub(crate) address: &'a str,
    /// Makes the program of a task ready to be run.
    pub(crate) ready: &'a dyn Fn(&str) -> Result<Command>,
}

/// Runs every task; each is one check.
pub(crate) fn every(amt: &Path, programs: Programs<'_>) -> Result<Count> {
    let Programs { name, sources, address, ready } = programs;
    let folder = target("examples").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let machine = Machine::start(amt, &folder, address)?;
    let file = |name: &str| folder.join(name).display().to_string();
    let pfx = root().join("testdata/provisioning/chain.pfx").display().to_string();
    std::fs::write(folder.join("hello.bin"), [&HELLO[..], &[0xa1; 20]].concat())?;
    let connected = || -> Vec<String> { vec![address.into(), file("ca.pem"), "pc1.example.com".into()] };
    let tasks: [(Vec<String>, &str); 6] = [
        (vec![file("hello.bin")], "machine 00112233-4455-6677-8899-aabbccddeeff waits for a provisioning"),
        (vec![file("setup.bin")], "1024 bytes, PID "),
        (vec![pfx.clone(), "example.com".into()], "nothing stands against it"),
        (
            vec![address.into(), machine.uuid.clone(), pfx, "pc1".into(), "example.com".into(), file("")],
            "is in admin control mode",
        ),
        (connected(), "\"PingResponseEnabled\":\"false\""),
        (connected(), "\"next\":\"pxe\""),
    ];
    let mut count = Count::default();
    for (task, (arguments, expected)) in TASKS.into_iter().zip(tasks) {
        let good = ready(task).and_then(|command| example(command, &arguments, expected));
        println!("{} {name} example: {task}", if good.is_ok() { "ok" } else { "FAILED" });
        count.add(Count::one(good.is_ok()));
        if let Err(error) = good {
            println!("{error:#}");
        }
    }
    run(program(amt, &["setupbin", "lint"]).arg(file("setup.bin")))?;
    let unrun =
        sources.iter().find(|source| !TASKS.iter().any(|task| source.file_stem().is_some_and(|stem| stem == *task)));
    if let Some(source) = unrun {
        bail!("nothing runs {}", source.display());
    }
    Ok(count)
}

/// Runs one, which must say what is `expected`, and shows what it says.
fn example(mut command: Command, arguments: &[String], expected: &str) -> Result<()> {
    command.args(arguments).env("AMT_PASSWORD", PASSWORD).env("AMT_CERTIFICATE_PASSWORD", CERTIFICATE_PASSWORD);
    let said = read(&mut command)?;
    print!("{said}");
    if said.contains(expected) { Ok(()) } else { bail!("it does not say {expected:?}") }
}

/// `amt sim`, factory-fresh and silent, until this value is dropped.
struct Machine {
    _simulator: Background,
    uuid: String,
}

impl Machine {
    fn start(amt: &Path, folder: &Path, address: &str) -> Result<Self> {
        let log: PathBuf = folder.join("sim.log");
        let mut command =
            program(amt, &["sim", "--suffix", "example.com", "--base-address", address, "--time-scale", "20"]);
        command.arg("--root").arg(root().join("testdata/provisioning/root.pem")).stdout(std::fs::File::create(&log)?);
        let mut simulator = Background::start(&mut command)?;
        simulator.until(60, || Ok(std::fs::read_to_string(&log)?.contains('\n'))).context("amt sim")?;
        let line = std::fs::read_to_string(&log)?;
        let uuid = line.split_whitespace().nth(1).context("amt sim names no machine")?.to_owned();
        Ok(Self { _simulator: simulator, uuid })
    }
}
