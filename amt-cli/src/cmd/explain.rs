//! `amt explain [CODE|NAME]`: the error registry.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure};
use serde_json::json;

/// What an error code or a device's status value means; all codes without an argument
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// A number (4002, 2057) or a name (TLS_CHAIN_REFUSED)
    code: Option<String>,
}

impl Explain {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
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
