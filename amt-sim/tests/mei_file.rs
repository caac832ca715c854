//! The device file, opened by a C program that shares no code with the simulator. It takes root and a kernel with FUSE; without
//! them the tests say so and pass.
#![cfg(target_os = "linux")]

use amt_heci::mei::Client;
use amt_sim::mei_file::MeiFile;
use amt_sim::{MeiDevice, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Mounted {
    simulator: Simulator,
    file: MeiFile,
    path: PathBuf,
    folder: tempfile::TempDir,
    program: PathBuf,
}

#[allow(clippy::print_stderr, reason = "who runs the tests should know what was not tested")]
async fn mounted(last: u8) -> Option<Mounted> {
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 61, 1, last);
    config.silent = true;
    let simulator = Simulator::start(config).await.unwrap();
    let device = powered(&simulator).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mei0");
    let file = match MeiFile::mount(device, &path) {
        Ok(file) => file,
        Err(failure) if std::env::var_os("AMT_TEST_FUSE").is_none() && !may_mount() => {
            eprintln!("not tested here: {failure}");
            return None;
        }
        Err(failure) => panic!("{failure}"),
    };
    let program = folder.path().join("mei");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mei_c/mei.c");
    let mut compiler = Command::new("cc");
    let built =
        compiler.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(&program).arg(source);
    assert!(built.status().unwrap().success(), "the C program is compiled");
    Some(Mounted { simulator, file, path, folder, program })
}

fn may_mount() -> bool {
    rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists()
}

async fn powered(simulator: &Simulator) -> MeiDevice {
    let device = simulator.mei(simulator.machines()[0].id).unwrap();
    while device.open(Client::Amthi.guid()).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    device
}

impl Mounted {
    /// What the program says; it runs for at most 20 s.
    async fn run(&self, command: &str) -> String {
        let mut program = tokio::process::Command::new("timeout");
        let run = program.args(["-s", "KILL", "20"]).arg(&self.program).arg(command).arg(&self.path);
        let output = run.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{command}: {} {text}", output.status);
        text
    }

    async fn end(self) {
        drop(self.file);
        assert_eq!(std::fs::read(&self.path).unwrap(), b"", "unmounted: the file below is there again");
        self.simulator.stop().await.unwrap();
        self.folder.close().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_c_program_reads_the_versions() {
    let Some(mounted) = mounted(1).await else { return };
    let text = mounted.run("versions").await;
    assert!(text.starts_with("max 5120 version 1\n"), "{text}");
    assert!(
        text.contains("\nAMT=16.0.15\n") && text.contains("\nBuild Number=1735\n") && text.contains("\nSku=16392\n"),
        "{text}"
    );
    mounted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_those_of_the_kernels_driver() {
    let Some(mounted) = mounted(2).await else { return };
    let text = mounted.run("errors").await;
    let expected = "write unbound 19\nread unbound 19\npoll unbound 1\nunknown client 25\nunknown ioctl 25\nagain 16\n\
        nothing yet 11\nlongest 0\nlonger 27\nthird 16\nfreed 16\n";
    assert_eq!(text, expected);
    mounted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_read_leaves_the_rest_and_a_blocked_one_holds_up_nobody() {
    let Some(mounted) = mounted(3).await else { return };
    assert_eq!(mounted.run("rest").await, "first 10 whole 1\n");
    assert_eq!(mounted.run("both").await, "write at once read at once\n");
    assert_eq!(mounted.run("polled").await, "out 1 in 0\nnothing 0 waited\nreply 1 woken\nread 1\n");
    mounted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_needs_a_read_or_a_poll_of_its_own() {
    let Some(mounted) = mounted(5).await else { return };
    let reply = "reply 1 woken read 1 then 11\n";
    assert_eq!(mounted.run("credit").await, format!("unasked 11\n{reply}{reply}"));
    mounted.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_a_read_and_the_killed_do_not_hang() {
    let Some(mounted) = mounted(4).await else { return };
    assert_eq!(mounted.run("interrupted").await, "EINTR in time\n".repeat(3) + "afterwards works\n");
    assert_eq!(mounted.run("killed").await, "killed in time\n".repeat(3) + "free 1\n");
    mounted.end().await;
}
