//! Programs that the server runs: authorities, the resolver, actions.

use super::{Area, Doctor};
use crate::action::Deed;
use crate::program::{Absent, find};
use amt_core::Severity::{Error, Info};
use std::path::Path;

impl Doctor<'_> {
    /// Those that are asked about machines and told of them.
    pub(super) fn programs(&mut self) {
        if let Some(resolver) = &self.config.resolver {
            self.program(Area::Programs, "PROGRAM", "resolver.command", resolver.program());
        }
        for (at, action) in self.config.actions.iter().enumerate() {
            if let Deed::Command(command) = &action.deed {
                self.program(Area::Programs, "PROGRAM", &format!("action[{at}].command"), command.program());
            }
        }
    }

    /// Whether the program that `key` names is there and may be run by whoever runs this.
    pub(super) fn program(&mut self, area: Area, code: &'static str, key: &str, program: &Path) -> bool {
        let field = program.display().to_string();
        let (text, hint) = match find(program) {
            Ok(found) => {
                let (code, text) = match area {
                    Area::Authority => ("CA-OK", format!("the program is {}", found.display())),
                    Area::Certificates => (
                        "SIGN-PROGRAM-OK",
                        format!("signatures are made by {}, for machines from AMT 14 on", found.display()),
                    ),
                    _ => ("PROGRAM-OK", format!("the program of {key} is {}", found.display())),
                };
                self.report(area, Info, code, field, text, "");
                return true;
            }
            Err(Absent::Missing) if program.components().count() > 1 => {
                ("there is no such program", format!("correct {key}, or put the program there"))
            }
            Err(Absent::Missing) => (
                "there is no such program on the PATH",
                format!("give its whole path in {key}: the server's PATH may be another than yours"),
            ),
            Err(Absent::NotExecutable) => (
                "it may not be executed",
                format!("chmod +x {field}, and let the server's user into its folder; or correct {key}"),
            ),
        };
        self.report(area, Error, code, field, text, &hint);
        false
    }
}
