//! `cargo xtask`: the project's one door. What `cargo xtask test` says is what CI says, because CI runs nothing else.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

mod abi;
mod bench;
mod beside;
mod dist;
mod dotnet;
mod errors_page;
mod examples;
mod files;
mod fleet_bench;
mod fuzz;
mod interop;
mod kerberos;
mod kill;
mod kill_local;
mod lab;
mod layers;
mod openssl;
mod process;
mod python;
mod stages;
mod virtual_machines;
mod windows;

use clap::{Parser, Subcommand};
use dist::Build;
use std::process::ExitCode;

/// Developer tasks of the AMT provisioning workspace
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that CI runs; installs what it needs
    Test {
        /// Run only these stages
        #[arg(long, value_name = "STAGE", num_args = 1.., value_delimiter = ',')]
        only: Vec<String>,
        /// List the stages and stop
        #[arg(long)]
        list: bool,
    },
    /// Check which crates depend on which
    CheckLayers,
    /// Check amt.h, the exported symbols and the error codes against what is committed
    CheckAbi {
        /// Write what is there now instead of comparing
        #[arg(long)]
        bless: bool,
    },
    /// Check docs/errors.md against the error registry
    CheckErrors {
        /// Write the page instead of comparing
        #[arg(long)]
        bless: bool,
    },
    /// Run the fuzz targets; prints executions, coverage and findings of each
    Fuzz {
        /// Time for each target
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Only these targets
        targets: Vec<String>,
    },
    /// Kill the setup server again and again while it provisions virtual machines
    Kill {
        /// How often
        #[arg(long, default_value_t = 200)]
        kills: u32,
        /// Seed of the moments and of the virtual machines
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Build, pack and try out what is released: C library, command line, wheel, .NET and PowerShell packages
    ///
    /// Everything ends in target/dist-packages, with checksums and a bill of materials; then each package is unpacked elsewhere and the
    /// examples are run from there, on virtual machines. Takes long: all is built again, for size.
    Dist {
        /// Pack what the tests built instead, as they do themselves
        #[arg(long)]
        development: bool,
    },
    /// Run the benchmarks
    Bench {
        /// Provision this many virtual machines instead, and measure server and simulator
        #[arg(long, value_name = "MACHINES")]
        fleet: Option<usize>,
        /// Passed on to criterion
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// A task that makes checks of its own.
fn all(count: stages::Count) -> anyhow::Result<()> {
    println!("{} passed, {} failed", count.passed, count.failed);
    if count.failed == 0 { Ok(()) } else { anyhow::bail!("{} of its checks failed", count.failed) }
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Test { list: true, .. } => {
            stages::list();
            Ok(())
        }
        Task::Test { only, .. } => return stages::run(&only),
        Task::CheckLayers => layers::check(&process::root()),
        Task::CheckAbi { bless } => abi::check(bless),
        Task::CheckErrors { bless } => errors_page::check(bless),
        Task::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
        Task::Kill { kills, seed } => kill::run(kills, seed),
        Task::Dist { development } => {
            dist::run_all(if development { Build::Development } else { Build::Release }).and_then(all)
        }
        Task::Bench { fleet: Some(machines), .. } => fleet_bench::run(machines),
        Task::Bench { arguments, .. } => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
