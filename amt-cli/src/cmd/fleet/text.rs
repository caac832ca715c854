//! Text for people, within 100 columns.

use crate::time::rfc3339;
use std::io::{self, Write};
use std::time::SystemTime;

/// Widest line.
pub(super) const WIDTH: usize = 100;

/// A moment to the second: `2026-03-01T08:05:09Z`.
pub(super) fn moment(time: SystemTime) -> String {
    let text = rfc3339(time);
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// `text` behind `head`, further lines under its beginning.
pub(super) fn wrapped(w: &mut dyn Write, head: &str, text: &str) -> io::Result<()> {
    let indent = " ".repeat(textwrap::core::display_width(head));
    let options = textwrap::Options::new(WIDTH).initial_indent(head).subsequent_indent(&indent);
    textwrap::wrap(text, options).iter().try_for_each(|line| writeln!(w, "{}", line.trim_end()))
}

/// A label and what it says, if it says anything.
pub(super) fn field(w: &mut dyn Write, label: &str, value: Option<impl AsRef<str>>) -> io::Result<()> {
    value.map_or(Ok(()), |value| wrapped(w, &format!("{label:<12} "), value.as_ref()))
}

/// `one` machine, several `many`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
