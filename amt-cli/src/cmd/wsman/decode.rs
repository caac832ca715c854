//! `amt wsman decode FILE`: what a saved SOAP envelope says.

use super::show;
use crate::cmd::{Error, Verdict};
use crate::input;
use crate::output::Output;
use amt_wsman::decode::describe;
use amt_wsman::xml::MAX_SIZE;
use std::path::PathBuf;

/// Say what a saved SOAP envelope means
#[derive(clap::Args)]
pub(super) struct Decode {
    /// The envelope; - is standard input
    file: PathBuf,
}

impl Decode {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let bytes = input::read(&self.file, MAX_SIZE)?;
        show(out, &describe(&bytes).map_err(|error| error.failure("decode"))?)
    }
}
