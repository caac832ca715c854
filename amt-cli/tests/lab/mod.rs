//! A virtual machine that is set up, and the program that reaches it.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use amt_sim::firmware::MachineTruth;
use amt_sim::{SetUp, SimConfig, Simulator};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const PASSWORD: &str = "P@ssw0rd-1";

/// A machine that is set up, and the commands that reach it.
pub struct Lab {
    runtime: Runtime,
    pub simulator: Option<Simulator>,
    pub host: String,
    /// Of the program: virtual machines of several tests have one UUID.
    pub state: TempDir,
}

impl Lab {
    pub fn new(network: u8, change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 67, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(PASSWORD.into());
        config.time_scale = 50.0;
        change(&mut config);
        let host = config.base_address.to_string();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = Some(runtime.block_on(Simulator::start(config)).unwrap());
        Self { runtime, simulator, host, state: tempfile::tempdir().unwrap() }
    }

    pub fn truth(&self) -> MachineTruth {
        self.simulator.as_ref().unwrap().truths().remove(0)
    }

    pub fn amt(&self, command: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(command)
            .args(["--host", &self.host, "--insecure-any"])
            .env("AMT_PASSWORD", PASSWORD)
            .env("XDG_STATE_HOME", self.state.path())
            .output()
            .expect("amt runs")
    }

    /// What a command prints for people.
    pub fn text(&self, command: &[&str]) -> String {
        let output = self.amt(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one document of a command that succeeds.
    pub fn json(&self, command: &[&str]) -> Value {
        let output = self.amt(&[command, &["--json"]].concat());
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{command:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The error of a command that fails.
    pub fn error(&self, command: &[&str]) -> Value {
        let output = self.amt(&[command, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(output.stdout.is_empty(), "{command:?}");
        serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            let _ = self.runtime.block_on(simulator.stop());
        }
    }
}
