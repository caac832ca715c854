//! `amt explain [CODE|NAME|FILE]`: the error registry, and logs.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What an error code, a device's status value or a whole log means; all codes without an argument
///
/// A log may be Configuration Manager's amtopmgr.log or that of another tool, of any size, UTF-8, UTF-16 or Latin-1. Every known
/// signature is named with its cause and remedy, and so are the machines that said hello and stayed unknown. The exit status is 1
/// if the log shows an error.
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// A number (4002, 2057), a name (TLS_CHAIN_REFUSED), or a log: a file, or - for standard input
    #[arg(value_name = "CODE|FILE")]
    code: Option<String>,

    /// With a log: machines in this configuration's database are not unknown
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        if let Some(file) = self.code.as_deref().filter(|code| is_log(code)) {
            return super::log::explain(Path::new(file), self.config.as_deref(), out);
        }
        if self.config.is_some() {
            return Err(Error::usage("--config goes with a log", "give the log's file, or - for standard input"));
        }
        let asked = self.code.as_deref().map(|code| code.trim().to_ascii_uppercase());
        let number = asked.as_deref().and_then(|code| code.parse::<u32>().ok());
        let errors: Vec<_> = ErrorCode::ALL
            .iter()
            .filter(|(n, name, _)| asked.as_deref().is_none_or(|asked| number == Some(*n) || asked == *name))
            .collect();
        let status = number.and_then(|n| PtStatus(n).name().map(|name| (n, name)));
        if errors.is_empty() && status.is_none() {
            let asked = self.code.unwrap_or_default();
            return Err(Failure::new(
                ErrorCode::INVALID_ARGUMENT,
                "explain",
                format!("{asked}: no such code or status"),
            )
            .hint("`amt explain` lists all codes")
            .into());
        }
        let document = json!({
            "errors": errors.iter().map(|(code, name, hint)| json!({"code": code, "name": name, "hint": hint})).collect::<Vec<_>>(),
            "device_statuses": status.iter().map(|(value, name)| json!({"value": value, "name": name})).collect::<Vec<_>>(),
        });
        out.show(&document, |w| {
            for (code, name, hint) in errors {
                writeln!(w, "{code:>4}  {name}")?;
                if !hint.is_empty() {
                    writeln!(w, "      {hint}")?;
                }
            }
            if let Some((value, name)) = status {
                writeln!(w, "{value:>4}  PT_STATUS_{name}, said by a device")?;
            }
            Ok(())
        })?;
        Ok(Verdict::Done)
    }
}

/// A path, unless it is a code: names and numbers of codes have no dots or slashes, and a file of such a name is given as `./4002`.
fn is_log(text: &str) -> bool {
    let is_code =
        text.parse::<u32>().is_ok() || ErrorCode::ALL.iter().any(|(_, name, _)| text.eq_ignore_ascii_case(name));
    text == "-" || text.contains(['/', '\\', '.']) || (!is_code && Path::new(text).is_file())
}
