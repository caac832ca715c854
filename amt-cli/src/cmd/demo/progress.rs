//! How far the machines are: a bar on a terminal, plain lines elsewhere, nothing with `--json`.

use crate::output::Output;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::event::{FleetEvent, Progress as What};
use amt_fleet::{Machine, TlsFacts};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// What is known of one machine so far.
#[derive(Default)]
pub(super) struct Seen {
    first: Option<SystemTime>,
    pub(super) seconds: Option<f64>,
    pub(super) tls: Option<TlsFacts>,
    pub(super) control_mode: Option<String>,
    pub(super) error: Option<Failure>,
}

impl Seen {
    /// Old TLS was needed and is not to be had: trying again does not help.
    fn cannot_be(&self) -> bool {
        let code = self.error.as_ref().map(|failure| failure.code);
        matches!(code, Some(ErrorCode::TLS_LEGACY_NOT_ALLOWED | ErrorCode::TLS_LEGACY_MISSING))
    }
}

/// All machines.
pub(super) struct Progress {
    machines: HashMap<SystemId, Seen>,
    devices: u32,
    verified: u32,
    bar: Option<ProgressBar>,
    /// Plain lines name every machine of a small demonstration, every tenth part of a large one.
    every: u32,
}

impl Progress {
    pub(super) fn new(out: &mut Output, devices: u32, hello: SocketAddr) -> Self {
        let bar = out.is_live().then(|| {
            let bar = ProgressBar::with_draw_target(Some(devices.into()), ProgressDrawTarget::stderr());
            let style = "{spinner} [{bar:40}] {pos}/{len} verified  {elapsed}  {wide_msg}";
            bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        // A reader of stdout that has gone is no reason to stop.
        let _ = out.line(&format!("setup server listens on {hello}; {devices} virtual machines say hello"));
        let every = if devices <= 100 { 1 } else { devices.div_ceil(20) };
        Self { machines: HashMap::new(), devices, verified: 0, bar, every }
    }

    /// Whether every machine is verified, or cannot be.
    pub(super) fn all_settled(&self) -> bool {
        let lost = self.machines.values().filter(|seen| seen.cannot_be()).count();
        self.verified.saturating_add(u32::try_from(lost).unwrap_or(u32::MAX)) >= self.devices
    }

    /// Takes one event of the server's.
    pub(super) fn take(&mut self, out: &mut Output, event: &FleetEvent) -> Result<(), Failure> {
        let Some(id) = event.id else { return Ok(()) };
        let seen = self.machines.entry(id).or_default();
        let first = *seen.first.get_or_insert(event.at);
        match &event.progress {
            What::Connected(tls) => seen.tls = Some(tls.clone()),
            What::Step(step) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{id} {step}"));
                }
            }
            What::Failed { failure, .. } => {
                seen.error = Some(failure.clone());
                self.say(out, &event.to_string())?;
            }
            What::Verified { control_mode, tls, .. } if seen.seconds.is_none() => {
                seen.seconds = Some(event.at.duration_since(first).unwrap_or_default().as_secs_f64());
                seen.tls = Some(tls.clone());
                seen.control_mode = Some(control_mode.clone());
                seen.error = None;
                self.verified += 1;
                match &self.bar {
                    Some(bar) => bar.inc(1),
                    None if self.verified.is_multiple_of(self.every) || self.verified >= self.devices => {
                        let line = format!("{}/{} {event}", self.verified, self.devices);
                        out.line(&line)?;
                    }
                    None => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes up what the database says: events are lost where more happens than can be shown.
    pub(super) fn catch_up(&mut self, machines: &[Machine]) {
        for machine in machines.iter().filter(|machine| machine.is_verified()) {
            let seen = self.machines.entry(machine.id).or_default();
            let Some(verified_at) = machine.verified_at.filter(|_| seen.seconds.is_none()) else { continue };
            let first = seen.first.or(machine.hello_at).unwrap_or(verified_at);
            seen.seconds = Some(verified_at.duration_since(first).unwrap_or_default().as_secs_f64());
            seen.tls.clone_from(&machine.tls);
            seen.control_mode.clone_from(&machine.control_mode);
            seen.error = None;
            self.verified += 1;
            if let Some(bar) = &self.bar {
                bar.inc(1);
            }
        }
    }

    fn say(&self, out: &mut Output, line: &str) -> Result<(), Failure> {
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                Ok(())
            }
            None => out.line(line),
        }
    }

    pub(super) fn machine(&self, id: SystemId) -> Option<&Seen> {
        self.machines.get(&id)
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
