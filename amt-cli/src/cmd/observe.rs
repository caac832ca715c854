//! `amt serve --observe`: looking, and the reports about it.

use super::serve::{listening, observation_json, observation_lines};
use super::{Error, Verdict};
use crate::output::Output;
use crate::stop::StopSignal;
use amt_core::Failure;
use amt_core::tls::LegacyTls;
use amt_fleet::config::Config;
use amt_fleet::report::{Class, Format, Report, Site};
use amt_fleet::{Glance, Observer};
use amt_provision::Plan;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep_until};

/// Shortest time from one writing of the reports to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// As good as for ever.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// What is reported, and for how long is looked.
#[derive(clap::Args)]
#[command(next_help_heading = "With --observe")]
pub(crate) struct Looking {
    /// Keep a report in this file, by its ending .txt, .csv, .json or .html; may be given several times
    #[arg(long, value_name = "FILE", requires = "observe")]
    report: Vec<PathBuf>,

    /// End after this time, for example 10m or 8h
    #[arg(long = "for", value_name = "TIME", requires = "observe", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,

    /// End when so many machines have said hello
    #[arg(long, value_name = "N", requires = "observe")]
    until_machines: Option<usize>,
}

impl Looking {
    pub(crate) async fn run(&self, config: &Config, out: &mut Output) -> Result<Verdict, Error> {
        let formats: Result<Vec<Format>, Failure> = self.report.iter().map(|path| Format::of(path)).collect();
        let formats = formats.map_err(Error::Usage)?;
        let mut stop = StopSignal::new()?;
        let ours = Glance::read(&config.files.database).await?.unwrap_or_default();
        let suffixes: Vec<_> = ours.machines.iter().filter_map(|(id, m)| Some((*id, m.dns_suffix.clone()?))).collect();
        let mut observer = Observer::bind(config).await?.machine_suffixes(suffixes);
        let mut site = Site::default();
        (site.machines, site.pairs) = (ours.machines, ours.pairs);
        let may = |plan: &Plan| amt::tls::HAS_LEGACY && plan.legacy_tls != LegacyTls::Refuse;
        site.legacy_tls = may(&config.plan);
        site.profiles_legacy_tls = config.profiles.iter().map(|(name, plan)| (name.to_owned(), may(plan))).collect();
        site.passwords_known = !config.plan.known_admin_passwords.is_empty();
        let mut report = Report::new(site, SystemTime::now());
        // Before anything is announced: a report that cannot be written is no surprise hours later.
        self.write(out, &report, &formats)?;
        listening(out, &observer.addresses(), "only looking: nothing is changed and nothing connected to")?;
        let end = Instant::now() + self.duration.unwrap_or(NEVER).min(NEVER);
        let mut due = None;
        while self.until_machines.is_none_or(|wanted| report.machines() < wanted) {
            tokio::select! {
                () = stop.wait() => break,
                () = sleep_until(end) => break,
                () = sleep_until(due.unwrap_or(end)), if due.is_some() => {
                    due = None;
                    self.write(out, &report, &formats)?;
                }
                observation = observer.next() => {
                    let mut observation = observation?;
                    // Whether there is a pair is not for the observer to know: it opens no database.
                    observation.ready |= observation.waits_for_pair() && report.judge(&observation).class == Class::Ready;
                    report.add(&observation);
                    due = due.or_else(|| Some(Instant::now() + PAUSE));
                    out.json_line(&observation_json(&observation))?;
                    for line in observation_lines(&observation) {
                        out.line(&line)?;
                    }
                }
            }
        }
        self.write(out, &report, &formats)?;
        self.close(out, &report)?;
        Ok(Verdict::Done)
    }

    fn write(&self, out: &mut Output, report: &Report, formats: &[Format]) -> Result<(), Failure> {
        for (path, format) in self.report.iter().zip(formats) {
            out.file(path, report.render(*format, SystemTime::now()).as_bytes(), false)?;
        }
        Ok(())
    }

    /// The counts, at the end.
    fn close(&self, out: &mut Output, report: &Report) -> Result<(), Failure> {
        let counts: serde_json::Map<_, _> =
            report.counts().into_iter().map(|(class, count)| (class.name().to_owned(), count.into())).collect();
        out.json_line(&json!({"event": "ended", "machines": report.machines(), "counts": counts}))?;
        let seen = report.counts().into_iter().filter(|(_, count)| *count > 0);
        let seen: Vec<String> = seen.map(|(class, count)| format!("{count} {class}")).collect();
        out.line(&format!("{} machines seen: {}", report.machines(), seen.join(", ")))?;
        for path in &self.report {
            out.line(&format!("report: {}", path.display()))?;
        }
        Ok(())
    }
}
