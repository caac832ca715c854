//! `amt wsman get|enumerate|put|invoke|decode`: any class of any machine, known to this program or not.

mod call;
mod decode;
mod put;

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::{ErrorCode, Failure};
use amt_wsman::decode::Description;
use serde_json::value::RawValue;

/// Read, list, write and call any class of one machine; decode a saved envelope
#[derive(clap::Args)]
pub(crate) struct Wsman {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Get(call::Get),
    Enumerate(call::Enumerate),
    Put(put::Put),
    Invoke(call::Invoke),
    Decode(decode::Decode),
}

impl Wsman {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.action {
            Action::Get(get) => get.run(out),
            Action::Enumerate(enumerate) => enumerate.run(out),
            Action::Put(put) => put.run(out),
            Action::Invoke(invoke) => invoke.run(out),
            Action::Decode(decode) => decode.run(out),
        }
    }
}

/// One shape for everything: an envelope from a file, and what a machine answered.
fn show(out: &mut Output, description: &Description) -> Result<Verdict, Error> {
    let document = RawValue::from_string(description.to_json().to_string())
        .map_err(|error| Failure::new(ErrorCode::PANIC, "show", format!("not JSON: {error}")))?;
    out.show(&document, |w| write!(w, "{description}"))?;
    Ok(Verdict::Done)
}
