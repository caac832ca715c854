//! Enumeration contexts: each is good for one walk, and only so many are open at a time.

use amt_wsman::instance::Instance;
use std::collections::BTreeMap;

/// Open enumerations.
#[derive(Debug, Default)]
pub(super) struct Enumerations {
    open: BTreeMap<String, (String, Vec<Instance>)>,
    made: u32,
}

impl Enumerations {
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A context over `items` of `class`.
    pub(super) fn open(&mut self, class: &str, items: Vec<Instance>) -> String {
        self.made = self.made.wrapping_add(1);
        // As the firmware prints it: a counter, little-endian, in a GUID.
        let [a, b, c, d] = self.made.to_le_bytes();
        let context = format!("{a:02X}{b:02X}{c:02X}{d:02X}-0000-0000-0000-000000000000");
        self.open.insert(context.clone(), (class.to_owned(), items));
        context
    }

    /// Up to `most` items; the new context if more are left. The old one is used up.
    pub(super) fn pull(&mut self, class: &str, context: &str, most: usize) -> Option<(Vec<Instance>, Option<String>)> {
        if self.open.get(context).is_none_or(|(of, _)| of != class) {
            return None;
        }
        let (_, mut items) = self.open.remove(context)?;
        let rest = items.split_off(most.min(items.len()));
        let next = (!rest.is_empty()).then(|| self.open(class, rest));
        Some((items, next))
    }

    pub(super) fn release(&mut self, context: &str) -> bool {
        self.open.remove(context).is_some()
    }
}
