//! What is shown of the way: a line for each stage and, on a terminal, one that moves while nothing happens.

use crate::output::{Output, failure_json};
use crate::time::rfc3339;
use amt::System;
use amt_core::Failure;
use amt_fleet::intake::client::Step;
use amt_fleet::intake::wire::Status;
use amt_provision::local::Standing;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(super) struct Progress<'a> {
    out: &'a mut Output,
    bar: Option<ProgressBar>,
    /// What could not be written, kept until somebody can be told.
    broken: Option<Failure>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out, bar: None, broken: None }
    }

    pub(super) fn out(&mut self) -> &mut Output {
        self.out
    }

    /// Who this machine is: for somebody at its console the way to see that it is the right one.
    pub(super) fn system(&mut self, system: &System) -> Result<(), Failure> {
        self.out.json_line(&json!({
            "event": "system",
            "uuid": system.id.to_string(),
            "model": system.model,
            "serial": system.serial,
            "mac": system.interfaces,
            "os": system.os,
            "version": system.version.map(|version| version.to_string()),
            "standing": system.standing.map(Standing::as_str),
            "environment": if system.is_live { "live" } else { "installed" },
        }))?;
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        self.out.line(&format!("this machine is {}, serial number {}", or(&system.model), or(&system.serial)))?;
        self.out.line(&format!("UUID {}, network {}", system.id, system.interfaces.join(" ")))?;
        match (system.version, system.standing) {
            (Some(version), Some(standing)) => self.out.line(&format!("AMT {version}, {}", standing.as_str())),
            _ => Ok(()),
        }
    }

    /// The firmware could not be asked: what it would have added is missing, and nothing else.
    pub(super) fn no_firmware(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.out.json_line(&json!({ "event": "no-firmware", "error": failure_json(failure) }))?;
        self.out.line(&format!("the AMT firmware is not asked: {}", failure.message))
    }

    pub(super) fn step(&mut self, step: Step) {
        let told = match &step {
            Step::Reported { enrolled } => self.tell(
                json!({ "event": "reported", "enrolled": enrolled }),
                if *enrolled { "enrolled" } else { "reported; this machine was enrolled before" },
            ),
            Step::Status(status) => self.status(status),
            Step::Away { failure, retry_in } => {
                let text = format!("{}; trying again in {:.0?}", failure.message, retry_in);
                let event =
                    json!({ "event": "away", "error": failure_json(failure), "retry_in": retry_in.as_secs_f64() });
                self.tell(event, &text)
            }
            Step::Back => self.tell(json!({ "event": "back" }), "the server answers again"),
            // A later version may tell more than this one knows how to show.
            _ => Ok(()),
        };
        if let Err(failure) = told {
            self.broken.get_or_insert(failure);
        }
    }

    fn status(&mut self, status: &Status) -> Result<(), Failure> {
        let name = status.name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
        let mut event = status_json(status);
        event["event"] = "status".into();
        self.tell(event, &format!("{}{name}: {}", status.stage, status.message))?;
        if !status.hint.is_empty() && !status.done {
            self.print(&format!("  next: {}", status.hint))?;
        }
        self.waiting(status);
        Ok(())
    }

    /// One line, timed: for people above the one that moves.
    fn tell(&mut self, mut event: Value, text: &str) -> Result<(), Failure> {
        let now = rfc3339(SystemTime::now());
        self.print(&format!("{now} {text}"))?;
        event["at"] = now.into();
        self.out.json_line(&event)
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.out.line(text)),
            None => self.out.line(text),
        }
    }

    /// On a terminal, something moves while the server is waited for.
    fn waiting(&mut self, status: &Status) {
        if status.done || !self.out.is_live() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_message(format!("{}: {}", status.stage, status.message));
    }

    /// Nothing moves any more; what could not be written is told now.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    /// The last line of the stream.
    pub(super) fn ended(&mut self, status: &Status) -> Result<(), Failure> {
        let mut event = status_json(status);
        event["event"] = "ended".into();
        event["at"] = rfc3339(SystemTime::now()).into();
        self.out.json_line(&event)
    }
}

fn status_json(status: &Status) -> Value {
    json!({
        "uuid": status.uuid.to_string(),
        "stage": status.stage.name(),
        "message": status.message,
        "hint": status.hint,
        "name": status.name,
        "profile": status.profile,
        "control_mode": status.control_mode,
        "done": status.done,
    })
}
