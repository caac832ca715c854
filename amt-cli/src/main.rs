//! `amt`: provision and manage Intel AMT machines from the command line.
//!
//! Thin: a command reads its arguments, calls a library crate and shows the result through [`output`]. What scripts
//! may rely on (exit status, `--json`, the shape of errors) is decided here and in `output`, once for all commands.

mod args;
mod cmd;
mod input;
mod output;
mod stop;
mod time;

use args::{Invocation, Request};
use cmd::{Error, Verdict};
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before virtual machines use the same OpenSSL: it then reads no configuration file.
    amt::tls::prepare();
    let invocation = Invocation::read(std::env::args_os());
    let mut out = Output::new(invocation.json);
    if invocation.json {
        // A panic is reported as an error document below, not as text beside it.
        std::panic::set_hook(Box::new(|_| {}));
    }
    match invocation.request {
        Request::Print(text) => conclude(&mut out, Ok(Verdict::Done), Some(&text)),
        Request::Usage(failure) => conclude(&mut out, Err(failure), None),
        Request::Run { command, verbose } => {
            if !invocation.json {
                log_to_stderr(verbose);
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| command.run(&mut out)));
            conclude(&mut out, result.unwrap_or_else(|payload| Err(Error::from_panic(payload.as_ref()))), None)
        }
    }
}

/// Writes what is still to be written and turns the result into the exit status: 0 done, 1 failed, 2 usage.
fn conclude(out: &mut Output, result: Result<Verdict, Error>, text: Option<&str>) -> ExitCode {
    let written = text.map_or(Ok(()), |text| out.text(text)).and_then(|()| out.flush());
    match (result, written) {
        (Err(error), _) => {
            out.error(&error);
            ExitCode::from(error.exit_status())
        }
        (Ok(_), Err(failure)) => {
            let error = Error::from(failure);
            out.error(&error);
            ExitCode::from(error.exit_status())
        }
        (Ok(Verdict::Done), Ok(())) => ExitCode::SUCCESS,
        (Ok(Verdict::Failed), Ok(())) => ExitCode::from(1),
    }
}

/// Logs of the libraries for people: warnings, more with `-v`; `AMT_LOG` takes a filter such as `amt=trace`.
fn log_to_stderr(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("AMT_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
