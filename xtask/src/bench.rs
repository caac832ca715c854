//! `bench`: the criterion benchmarks of `benches/`.

use crate::process::{self, cargo};
use anyhow::Result;

/// Runs them all; `arguments` go to criterion.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    process::run(cargo(&["bench", "-p", "amt-benches", "--"]).args(arguments))
}
