//! placeholder
use super::{Error, Verdict};
use crate::output::Output;
/// x
#[derive(clap::Args)]
pub(crate) struct Psk {}
impl Psk {
    pub(crate) fn run(self, _out: &mut Output) -> Result<Verdict, Error> {
        Ok(Verdict::Done)
    }
}
