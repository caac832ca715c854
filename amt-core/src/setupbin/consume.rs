//! What becomes of records: used by the BIOS (`spec/setupbin.md` §5), wiped by whoever made them.

use super::build::push;
use super::record::VALID;
use super::{Record, SetupBin};
use crate::Secret;

/// What [`SetupBin::wipe`] took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wiped {
    /// Records in which something was taken away.
    pub records: usize,
    /// Secret values taken away.
    pub secrets: usize,
}

impl SetupBin {
    /// Which record a BIOS uses next: the first usable one at or after the count of used ones.
    pub fn next_usable(&self) -> Option<usize> {
        let from = usize::try_from(self.header.consumed).unwrap_or(usize::MAX);
        let records = self.records.iter().enumerate().skip(from);
        records.filter(|(_, record)| record.is_usable()).map(|(at, _)| at).next()
    }

    /// Does what a BIOS does with a stick: finds the [next record](Self::next_usable) and, if records are not reusable, marks it as used and
    /// counts it, before anything of it is applied. The index of the record in [`records`](Self::records); `None` if none is left.
    pub fn consume(&mut self) -> Option<usize> {
        let at = self.next_usable()?;
        if !self.header.reusable() {
            self.records.get_mut(at)?.flags &= !VALID;
            self.header.consumed = self.header.consumed.saturating_add(1);
        }
        Some(at)
    }

    /// Takes secrets away: from records that are used or otherwise unusable, or from `all`, which are marked as used with it.
    ///
    /// The entries of secret variables are removed, those behind them move up, and everything behind the entries becomes zero, as do
    /// bytes behind the last record. The file stays as well-formed as it was; what is not secret, such as the PID, still tells for whom a
    /// record was.
    pub fn wipe(&mut self, all: bool) -> Wiped {
        let mut wiped = Wiped::default();
        for record in self.records.iter_mut().filter(|record| all || !record.is_usable()) {
            let secrets = record.wipe();
            wiped.secrets += secrets.unwrap_or_default();
            wiped.records += usize::from(secrets.is_some());
            record.flags &= !VALID;
        }
        if all {
            self.header.consumed = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        }
        let trailing = self.trailing.expose().len();
        self.trailing = Secret::new(vec![0; trailing]);
        wiped
    }
}

impl Record {
    /// Takes its secrets away. How many there were; `None` if there was nothing to take.
    fn wipe(&mut self) -> Option<usize> {
        let size = self.body.expose().len();
        let mut body = Vec::with_capacity(size);
        let mut secrets = 0;
        for entry in self.entries() {
            if entry.is_secret() {
                secrets += 1;
            } else {
                push(&mut body, &entry);
            }
        }
        body.resize(size, 0);
        let changed = body != *self.body.expose();
        self.body = Secret::new(body);
        changed.then_some(secrets)
    }
}
