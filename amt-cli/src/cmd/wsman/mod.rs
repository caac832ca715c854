//! `amt wsman get|enumerate|invoke|decode`: any class of any machine, known to this program or not.

mod call;
mod decode;
mod document;

use super::{Error, Verdict};
use crate::output::Output;

/// Read, list and call any class of one machine; decode a saved envelope
#[derive(clap::Args)]
pub(crate) struct Wsman {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Get(call::Get),
    Enumerate(call::Enumerate),
    Invoke(call::Invoke),
    Decode(decode::Decode),
}

impl Wsman {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.action {
            Action::Get(get) => get.run(out),
            Action::Enumerate(enumerate) => enumerate.run(out),
            Action::Invoke(invoke) => invoke.run(out),
            Action::Decode(decode) => decode.run(out),
        }
    }
}
