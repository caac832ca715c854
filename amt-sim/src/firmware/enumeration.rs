//! Enumeration contexts: each is good for one walk and for some time, and only so many are open at once.

use amt_core::Tick;
use amt_wsman::instance::Instance;
use std::collections::BTreeMap;
use std::time::Duration;

/// Open enumerations.
#[derive(Debug, Default)]
pub(super) struct Enumerations {
    open: BTreeMap<String, Walk>,
    made: u32,
}

#[derive(Debug)]
struct Walk {
    class: String,
    items: Vec<Instance>,
    begun: Tick,
}

impl Enumerations {
    /// Forgets walks that nobody went on with for `lifetime`.
    pub(super) fn expire(&mut self, now: Tick, lifetime: Duration) {
        self.open.retain(|_, walk| now < walk.begun.after(lifetime));
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A context over `items` of `class`.
    pub(super) fn open(&mut self, now: Tick, class: &str, items: Vec<Instance>) -> String {
        self.made = self.made.wrapping_add(1);
        // As the firmware prints it: a counter, little-endian, in a GUID.
        let [a, b, c, d] = self.made.to_le_bytes();
        let context = format!("{a:02X}{b:02X}{c:02X}{d:02X}-0000-0000-0000-000000000000");
        self.open.insert(context.clone(), Walk { class: class.to_owned(), items, begun: now });
        context
    }

    /// Up to `most` items; the new context if more are left. The old one is used up.
    pub(super) fn pull(
        &mut self,
        now: Tick,
        class: &str,
        context: &str,
        most: usize,
    ) -> Option<(Vec<Instance>, Option<String>)> {
        if self.open.get(context).is_none_or(|walk| walk.class != class) {
            return None;
        }
        let mut items = self.open.remove(context)?.items;
        let rest = items.split_off(most.min(items.len()));
        let next = (!rest.is_empty()).then(|| self.open(now, class, rest));
        Some((items, next))
    }

    pub(super) fn release(&mut self, context: &str) -> bool {
        self.open.remove(context).is_some()
    }
}
