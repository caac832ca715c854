//! The programs of `examples/c`, run one after the other on one virtual machine, as their readme says.

use crate::interop::{compile, linked, sources};
use crate::process::{Background, program, read, root, run, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Loopback address of the virtual machine.
const ADDRESS: &str = "127.71.0.9";
const PASSWORD: &str = "Administrator.1";
/// Of `testdata/provisioning/chain.pfx`.
const CERTIFICATE_PASSWORD: &str = "Provision.1";
/// A hello of the machine `00112233-4455-6677-8899-aabbccddeeff` with one SHA-1 root; what follows are its 20 bytes.
const HELLO: [u8; 27] = [
    1, 0, 3, 0, 0, 0, 0, 0, 0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
    0xff, 1, 1, 20,
];

/// Builds and runs every example; each is one check.
pub(crate) fn c(amt: &Path) -> Result<Count> {
    let folder = target("c-examples/work");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let machine = Machine::start(amt, &folder)?;
    let mut built = sources("examples/c")?;
    let file = |name: &str| folder.join(name).display().to_string();
    let pfx = root().join("testdata/provisioning/chain.pfx").display().to_string();
    std::fs::write(folder.join("hello.bin"), [&HELLO[..], &[0xa1; 20]].concat())?;
    let examples: [(&str, Vec<String>, &str); 5] = [
        ("hello", vec![file("hello.bin")], "machine 00112233-4455-6677-8899-aabbccddeeff waits for a provisioning"),
        ("setupbin", vec![file("setup.bin")], "1024 bytes, PID "),
        ("preflight", vec![pfx.clone(), "example.com".into()], "nothing stands against it"),
        (
            "provision",
            vec![ADDRESS.into(), machine.uuid.clone(), pfx, "pc1".into(), "example.com".into(), file("")],
            "is in admin control mode",
        ),
        ("wsman", vec![ADDRESS.into(), file("ca.pem"), "pc1.example.com".into()], "\"PingResponseEnabled\":\"false\""),
    ];
    let mut count = Count::default();
    for (name, arguments, expected) in examples {
        built.retain(|source| source.file_stem().is_none_or(|stem| stem != name));
        let good = example(name, &arguments, expected);
        count.add(Count::one(good.is_ok()));
        if let Err(error) = good {
            println!("{error:#}");
        }
    }
    run(program(amt, &["setupbin", "lint"]).arg(file("setup.bin")))?;
    if !built.is_empty() {
        bail!("nothing runs these examples: {built:?}");
    }
    Ok(count)
}

/// Runs one, which must say what is `expected`, and shows what it says.
fn example(name: &str, arguments: &[String], expected: &str) -> Result<()> {
    let binary = compile(&root().join("examples/c").join(name).with_extension("c"), "c-examples")?;
    let mut command = linked(&binary);
    command.args(arguments).env("AMT_PASSWORD", PASSWORD).env("AMT_CERTIFICATE_PASSWORD", CERTIFICATE_PASSWORD);
    let said = read(&mut command)?;
    print!("{said}");
    if said.contains(expected) { Ok(()) } else { bail!("{name} does not say {expected:?}") }
}

/// `amt sim`, factory-fresh and silent, until this value is dropped.
struct Machine {
    _simulator: Background,
    uuid: String,
}

impl Machine {
    fn start(amt: &Path, folder: &Path) -> Result<Self> {
        let log: PathBuf = folder.join("sim.log");
        let mut command =
            program(amt, &["sim", "--suffix", "example.com", "--base-address", ADDRESS, "--time-scale", "20"]);
        command.arg("--root").arg(root().join("testdata/provisioning/root.pem")).stdout(std::fs::File::create(&log)?);
        let mut simulator = Background::start(&mut command)?;
        simulator.until(60, || Ok(std::fs::read_to_string(&log)?.contains('\n'))).context("amt sim")?;
        let line = std::fs::read_to_string(&log)?;
        let uuid = line.split_whitespace().nth(1).context("amt sim names no machine")?.to_owned();
        Ok(Self { _simulator: simulator, uuid })
    }
}
