//! What is wrong with an expression, and where.

use amt_core::{ErrorCode, Failure};
use std::fmt;

/// Most candidates that a hint suggests.
const MAX_SUGGESTIONS: usize = 3;
/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const ALIKE: f64 = 0.8;

/// An expression that cannot be read. Displayed, it shows the line with a mark under the character.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    /// Byte at which the trouble begins.
    pub at: usize,
    /// The same as a column of its line, counted in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub hint: String,
    /// The line with the trouble in it.
    line: String,
}

impl FilterError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { at, column, message: message.into(), hint: hint.into(), line }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters would move the mark away from its place, or worse, move about on a terminal.
        let line: String = self.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(f, "column {}: {}", self.column, self.message)?;
        writeln!(f, "  {}", line.trim_end())?;
        write!(f, "  {:>width$}", '^', width = self.column)
    }
}

impl std::error::Error for FilterError {}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        let failure = Self::new(ErrorCode::FILTER, "filter", error.to_string());
        if error.hint.is_empty() { failure } else { failure.hint(error.hint) }
    }
}

/// `did you mean …?` with those of `names` that are like `word`; empty if none is.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&word, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.dedup_by_key(|(_, name)| *name);
    let names: Vec<&str> = near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!("did you mean {}?", names.join(" or ")) }
}
