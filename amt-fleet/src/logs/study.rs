//! From the entries of a log to what it says: signatures, and machines that nobody knows.

use super::lines::{Line, Lines};
use super::signature::{SIGNATURES, Signature, contains, holds_any};
use super::{Entry, MAX_FIELD};
use amt_core::SystemId;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io::Read;

/// Most machines of a log that are told apart.
pub const MAX_MACHINES: usize = 100_000;
/// Most machines that are named for one signature.
pub const MAX_NAMED: usize = 20;
/// Threads whose recent lines are remembered.
const MAX_THREADS: usize = 64;
/// Lines of a thread in which things belong together.
const NEAR: usize = 12;
const UUID_LEN: usize = 36;

/// A signature that a log holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Which.
    pub signature: &'static Signature,
    /// How often.
    pub count: u64,
    /// Line of the first.
    pub first_line: u64,
    /// Line of the last.
    pub last_line: u64,
    /// Time of the first, as the log writes it.
    pub first_time: Option<String>,
    /// Time of the last.
    pub last_time: Option<String>,
    /// UUIDs, names or addresses of the machines that it is about, where the lines around it tell; the first [`MAX_NAMED`].
    pub machines: BTreeSet<String>,
}

/// A machine that the log mentions, and never as known or provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// Its UUID.
    pub id: SystemId,
    /// How many lines are about its hellos, or call it unknown.
    pub count: u64,
    /// Line of the first.
    pub first_line: u64,
    /// Line of the last.
    pub last_line: u64,
    /// Address that it came from, where a line near by tells.
    pub address: Option<String>,
}

/// What a log says.
#[derive(Debug, Default)]
pub struct Study {
    found: BTreeMap<usize, Found>,
    heard: BTreeMap<SystemId, Unknown>,
    known: HashSet<SystemId>,
    threads: VecDeque<(String, Thread)>,
    lines: u64,
    cut: u64,
    dropped: u64,
}

/// Position of a signature in the table, line and time of where it was found.
type Waiting = (usize, u64, Option<String>);

/// What a thread said last.
#[derive(Debug, Default)]
struct Thread {
    recent: VecDeque<Recent>,
    subject: Option<String>,
    address: Option<String>,
    lines_since_subject: usize,
}

#[derive(Debug)]
struct Recent {
    lower: String,
    /// A signature that waits for its companion.
    waiting: Option<Waiting>,
}

impl Study {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signatures found, errors first, then by the line of the first.
    pub fn found(&self) -> Vec<&Found> {
        let mut all: Vec<&Found> = self.found.values().collect();
        all.sort_by_key(|f| (!f.signature.is_error, f.first_line));
        all
    }

    /// Machines whose UUID stands in hellos or is called unknown, and that the log never shows as matched or provisioned.
    pub fn unknown(&self) -> impl Iterator<Item = &Unknown> {
        self.heard.values().filter(|m| !self.known.contains(&m.id))
    }

    /// Every machine whose UUID stands in hellos or is called unknown, whatever became of it.
    pub fn heard(&self) -> impl Iterator<Item = &Unknown> {
        self.heard.values()
    }

    /// Lines read.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines that were too long and were looked at only in part.
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Mentions of machines for which there was no room.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the next line.
    pub fn take(&mut self, line: &Line) {
        let entry = Entry::of(&line.text);
        if entry.message.is_empty() {
            return;
        }
        let lower = entry.message.to_ascii_lowercase();
        let name = entry.thread.unwrap_or_default().to_owned();
        let mut thread = self.thread(&name);
        thread.subject(entry.message, &lower);
        self.machines(&lower, entry.message, line.number, &thread);
        self.signatures(&mut thread, &lower, line.number, entry.time.as_deref());
        self.threads.push_back((name, thread));
    }

    /// Ends the log: what waited for a companion in vain counts by itself.
    pub fn finish<R: Read>(&mut self, lines: &Lines<R>) {
        for (_, mut thread) in std::mem::take(&mut self.threads) {
            while let Some(old) = thread.recent.pop_front() {
                self.give_up(old, &thread);
            }
        }
        (self.lines, self.cut) = (lines.count(), lines.cut());
    }

    /// Takes the thread of this name out of the ones remembered; the longest silent one gives way to a new one.
    fn thread(&mut self, name: &str) -> Thread {
        if let Some(at) = self.threads.iter().position(|(n, _)| n == name) {
            return self.threads.remove(at).map(|(_, thread)| thread).unwrap_or_default();
        }
        if self.threads.len() >= MAX_THREADS
            && let Some((_, mut oldest)) = self.threads.pop_front()
        {
            while let Some(old) = oldest.recent.pop_front() {
                self.give_up(old, &oldest);
            }
        }
        Thread::default()
    }

    fn signatures(&mut self, thread: &mut Thread, lower: &str, line: u64, time: Option<&str>) {
        let waiting = if holds_any(lower) { self.look(thread, lower, line, time) } else { None };
        let lower = lower.get(..lower.floor_char_boundary(512)).unwrap_or_default().to_owned();
        thread.recent.push_back(Recent { lower, waiting });
        if thread.recent.len() > NEAR
            && let Some(old) = thread.recent.pop_front()
        {
            self.give_up(old, thread);
        }
    }

    /// Counts the signature that a line holds; gives it back if it must wait for its companion.
    fn look(&mut self, thread: &mut Thread, lower: &str, line: u64, time: Option<&str>) -> Option<Waiting> {
        // This line may be what an earlier one waited for.
        for recent in &mut thread.recent {
            let fits = recent.waiting.as_ref().and_then(|(at, ..)| SIGNATURES.get(*at)?.with);
            if fits.is_some_and(|word| contains(lower, word))
                && let Some((at, line, time)) = recent.waiting.take()
            {
                self.count(at, line, time, thread.subject.as_deref());
            }
        }
        if let Some((at, signature)) = SIGNATURES.iter().enumerate().find(|(_, s)| s.is_in(lower)) {
            let time = time.map(str::to_owned);
            match signature.with {
                Some(word) if !contains(lower, word) && !thread.recent.iter().any(|r| contains(&r.lower, word)) => {
                    return Some((at, line, time));
                }
                _ => self.count(at, line, time, thread.subject.as_deref()),
            }
        }
        None
    }

    /// The companion did not come: the next signature with the same words that needs none counts instead.
    fn give_up(&mut self, old: Recent, thread: &Thread) {
        let Some((at, line, time)) = old.waiting else { return };
        let alone = SIGNATURES.iter().enumerate().skip(at).find(|(_, s)| s.with.is_none() && s.is_in(&old.lower));
        if let Some((at, _)) = alone {
            self.count(at, line, time, thread.subject.as_deref());
        }
    }

    fn count(&mut self, at: usize, line: u64, time: Option<String>, subject: Option<&str>) {
        let Some(signature) = SIGNATURES.get(at) else { return };
        let found = self.found.entry(at).or_insert_with(|| Found {
            signature,
            count: 0,
            first_line: line,
            last_line: line,
            first_time: time.clone(),
            last_time: None,
            machines: BTreeSet::new(),
        });
        found.count += 1;
        // One that waited for its companion may come after later ones.
        if line < found.first_line {
            (found.first_line, found.first_time) = (line, time.clone());
        }
        if line >= found.last_line {
            (found.last_line, found.last_time) = (line, time);
        }
        if let Some(subject) = subject
            && found.machines.len() < MAX_NAMED
        {
            found.machines.insert(subject.to_owned());
        }
    }

    /// Sorts the UUIDs of a line into those that are known and those that only said hello.
    fn machines(&mut self, lower: &str, message: &str, line: u64, thread: &Thread) {
        const KNOWN: &[&str] =
            &["provisioned", "matched machine", "found valid basic machine property", "activated", "verified"];
        const STRANGE: &[&str] =
            &["hello", "incoming data", "unknown", "not found", "no such", "no matched", "cannot find", "can't find"];
        const NEGATED: &[&str] =
            &["not provisioned", "unprovisioned", "un-provisioned", "not activated", "cannot find matched"];
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let (strange, known) = (says(STRANGE), says(KNOWN) && !says(NEGATED));
        if !strange && !known {
            return;
        }
        for id in uuids(message) {
            if known && !strange {
                if self.known.len() < MAX_MACHINES {
                    self.known.insert(id);
                }
                continue;
            }
            if !self.heard.contains_key(&id) && self.heard.len() >= MAX_MACHINES {
                self.dropped = self.dropped.saturating_add(1);
                continue;
            }
            let new = Unknown { id, count: 0, first_line: line, last_line: line, address: None };
            let heard = self.heard.entry(id).or_insert(new);
            heard.count += 1;
            heard.last_line = line;
            let here = address(message).map(str::to_owned).or_else(|| thread.address.clone());
            heard.address = here.or(heard.address.take());
        }
    }
}

impl Thread {
    /// Remembers which machine the thread is about, for the lines that do not say it.
    fn subject(&mut self, message: &str, lower: &str) {
        self.lines_since_subject = self.lines_since_subject.saturating_add(1);
        if self.lines_since_subject > NEAR * 4 {
            (self.subject, self.address) = (None, None);
        }
        let address = address(message);
        let named = uuids(message)
            .next()
            .map(|id| id.to_string())
            .or_else(|| host(message, lower))
            .or_else(|| address.map(str::to_owned));
        if let Some(address) = address {
            self.address = Some(address.to_owned());
        }
        if named.is_some() {
            self.subject = named;
            self.lines_since_subject = 0;
        }
    }
}

/// The UUIDs in a text, in the 8-4-4-4-12 form.
fn uuids(text: &str) -> impl Iterator<Item = SystemId> + '_ {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .filter(|word| word.len() == UUID_LEN)
        .filter_map(|word| word.parse().ok())
}

/// The first IPv4 address in a text, without its port.
fn address(text: &str) -> Option<&str> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|word| word.trim_end_matches('.'))
        .find(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
}

/// The host after words that introduce one: `(MachineId = 12 pc1.example.com)`, `machine pc1.example.com using`.
fn host(text: &str, lower: &str) -> Option<String> {
    let after = ["machineid = ", "of machine ", "device ", "host "]
        .iter()
        .find_map(|word| Some(lower.find(word)? + word.len()))?;
    let rest = text.get(after..)?;
    let word =
        rest.split(|c: char| c.is_whitespace() || "(),;:\"'".contains(c)).find(|w| w.contains('.') && w.len() > 3)?;
    let plausible = word.len() <= MAX_FIELD && word.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
    let near = rest.find(word)? <= 12;
    (plausible && near && word.chars().any(char::is_alphabetic)).then(|| word.trim_end_matches('.').to_owned())
}
