//! What an [`Observer`](crate::Observer) saw, as a report: every machine with its class, the reason and the fix.
//!
//! Built from observations alone; nothing is connected to. Rendered as text, CSV, JSON or one HTML page without any
//! external resource. Memory is bounded: [`MAX_MACHINES`] are kept, of what comes after them only the number.

mod classify;
mod html;
mod table;

pub use classify::{Class, Judgement, classify};

use crate::{Glimpse, Observation};
use amt_core::hello::Hello;
use amt_core::psk::Pid;
use amt_core::{ErrorCode, Failure, SystemId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

/// Most machines that a report keeps: anyone can invent hellos.
pub const MAX_MACHINES: usize = 20_000;

/// What is known about the site, beside what hellos say.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Site {
    /// Machines of our database.
    pub machines: HashMap<SystemId, Glimpse>,
    /// Whether the profile has passwords for machines whose credentials are set already.
    pub passwords_known: bool,
    /// PIDs of the vault's pairs, and the machine whose alone each is.
    pub pairs: HashMap<Pid, Option<SystemId>>,
    /// Whether machines without a profile of their own may be reached by old TLS, in this build and by consent.
    pub legacy_tls: bool,
    /// The same for machines of these profiles, by their names in lower case.
    pub profiles_legacy_tls: HashMap<String, bool>,
}

impl Site {
    fn allows_legacy_tls(&self, id: SystemId) -> bool {
        let profile = self.machines.get(&id).and_then(|machine| machine.profile.as_ref());
        let of_profile = profile.and_then(|name| self.profiles_legacy_tls.get(&name.to_lowercase()));
        of_profile.copied().unwrap_or(self.legacy_tls && profile.is_none())
    }
}

/// One machine of a report: its newest hello decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sighting {
    /// The machine; absent for what was no hello.
    pub id: Option<SystemId>,
    /// Where the newest one came from.
    pub address: IpAddr,
    /// What would become of it.
    pub judgement: Judgement,
    /// The newest hello.
    pub hello: Option<Hello>,
    /// How many it said.
    pub count: u64,
    /// Time of the first.
    pub first: SystemTime,
    /// Time of the newest.
    pub last: SystemTime,
}

/// Machines by what identifies them. Those without an identity are told apart by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Machine(SystemId),
    Address(IpAddr),
}

/// The form in which a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For terminals and mail.
    Text,
    /// One line a machine (RFC 4180), for spreadsheets.
    Csv,
    /// One document, field names stable.
    Json,
    /// One page for browsers and printers.
    Html,
}

impl Format {
    /// By the ending of a file's name: `.txt`, `.csv`, `.json`, `.html` or `.htm`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for any other.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
        Ok(match ending.as_str() {
            "txt" => Self::Text,
            "csv" => Self::Csv,
            "json" => Self::Json,
            "html" | "htm" => Self::Html,
            _ => {
                let text = format!("{}: the ending does not say which form is wanted", path.display());
                return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "report", text)
                    .hint("name it .txt, .csv, .json or .html"));
            }
        })
    }
}

/// A report that grows with every observation.
#[derive(Clone, Debug)]
pub struct Report {
    site: Site,
    started: SystemTime,
    sightings: BTreeMap<Key, Sighting>,
    not_kept: u64,
}

impl Report {
    /// An empty report, begun at `started`.
    pub const fn new(site: Site, started: SystemTime) -> Self {
        Self { site, started, sightings: BTreeMap::new(), not_kept: 0 }
    }

    /// Takes an observation. False if the machine is new and there is no room for it: it is only counted.
    pub fn add(&mut self, seen: &Observation) -> bool {
        let address = seen.source.ip().to_canonical();
        let key = match seen.id() {
            Some(id) if id.is_usable_as_key() => Key::Machine(id),
            _ => Key::Address(address),
        };
        let full = self.sightings.len() >= MAX_MACHINES;
        let new = Sighting {
            id: seen.id(),
            address,
            judgement: classify(seen, &self.site),
            hello: seen.hello.as_ref().ok().cloned(),
            count: 1,
            first: seen.at,
            last: seen.at,
        };
        match self.sightings.get_mut(&key) {
            // A port scan from a machine's address does not unsay its hello.
            Some(old) if new.hello.is_none() && old.hello.is_some() => old.count += 1,
            Some(old) => *old = Sighting { count: old.count.saturating_add(1), first: old.first, ..new },
            None if full => {
                self.not_kept = self.not_kept.saturating_add(1);
                return false;
            }
            None => drop(self.sightings.insert(key, new)),
        }
        true
    }

    /// What would become of the machine of an observation, which is not taken in.
    pub fn judge(&self, seen: &Observation) -> Judgement {
        classify(seen, &self.site)
    }

    /// How many there are of each class, in the order of [`Class::ALL`], zeros included.
    pub fn counts(&self) -> Vec<(Class, usize)> {
        let of = |class| self.sightings.values().filter(|s| s.judgement.class == class).count();
        Class::ALL.iter().map(|class| (*class, of(*class))).collect()
    }

    /// Machines that have said a hello, whatever it was worth.
    pub fn machines(&self) -> usize {
        self.sightings.values().filter(|s| s.hello.is_some()).count()
    }

    /// Everything seen, most urgent class first, then by address.
    pub fn sightings(&self) -> Vec<&Sighting> {
        let mut all: Vec<&Sighting> = self.sightings.values().collect();
        all.sort_by_key(|s| (s.judgement.class, s.address, s.id));
        all
    }

    /// When it was begun.
    pub const fn started(&self) -> SystemTime {
        self.started
    }

    /// Hellos of machines for which there was no room.
    pub const fn not_kept(&self) -> u64 {
        self.not_kept
    }

    /// The report as a file, as of `now`.
    pub fn render(&self, format: Format, now: SystemTime) -> String {
        match format {
            Format::Text => table::text(self, now),
            Format::Csv => table::csv(self),
            Format::Json => table::json(self, now),
            Format::Html => html::page(self, now),
        }
    }
}

/// To the second, in UTC: `2026-03-01T08:05:09Z`.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

#[cfg(test)]
mod tests;
