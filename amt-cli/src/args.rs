//! From the process's arguments to a command, a text to print, or a usage error.

use crate::cmd::{Command, Error};
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};

/// Provision and manage Intel AMT machines.
#[derive(Parser)]
#[command(name = "amt", version, max_term_width = 100, propagate_version = false)]
struct Args {
    /// Print one JSON document instead of text; errors too, on stderr
    #[arg(long, global = true)]
    json: bool,

    /// Say more on stderr; repeat for more still (without --json)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

/// What the user asked for, and in which form they want the answer.
pub(crate) struct Invocation {
    pub(crate) json: bool,
    pub(crate) request: Request,
}

pub(crate) enum Request {
    /// `--help` and `--version`: text for stdout.
    Print(String),
    Usage(Error),
    Run {
        command: Box<Command>,
        verbose: u8,
    },
}

impl Invocation {
    /// Reads `arguments`, the program's name first.
    ///
    /// `--json` counts even when the rest is wrong: a script that asks for JSON gets its usage errors as JSON too.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Self {
        let arguments: Vec<OsString> = arguments.collect();
        let json = asks_for_json(&arguments);
        let request = match Args::try_parse_from(&arguments) {
            Ok(Args { command, verbose, .. }) => Request::Run { command: Box::new(command), verbose },
            Err(error) if error.kind() == ErrorKind::DisplayVersion && json => {
                Request::Print(format!("{{\"name\":\"amt\",\"version\":{:?}}}\n", env!("CARGO_PKG_VERSION")))
            }
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Request::Print(error.render().to_string())
            }
            Err(error) => Request::Usage(usage(&error)),
        };
        Self { json, request }
    }
}

fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).take_while(|a| *a != OsStr::new("--")).any(|a| a == OsStr::new("--json"))
}

/// clap's complaint as the message, the help that it appends as the hint.
fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::usage("a command is missing", text.trim_end());
    }
    let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
    Error::usage(message.trim_start_matches("error: ").trim_end(), hint.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(line: &str) -> Invocation {
        Invocation::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_command_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn json_is_found_in_every_position() {
        for line in ["amt --json capabilities 16", "amt capabilities --json 16", "amt capabilities 16 --json"] {
            let invocation = read(line);
            assert!(invocation.json && matches!(invocation.request, Request::Run { .. }), "{line}");
        }
        assert!(!read("amt capabilities 16").json);
    }

    #[test]
    fn json_is_found_when_the_rest_is_wrong() {
        for line in ["amt --json", "amt nonsense --json", "amt capabilities 16 17 18 --json"] {
            let invocation = read(line);
            assert!(invocation.json && matches!(invocation.request, Request::Usage(_)), "{line}");
        }
    }

    #[test]
    fn arguments_after_two_dashes_are_not_options() {
        assert!(!read("amt capabilities -- --json").json);
    }
}
