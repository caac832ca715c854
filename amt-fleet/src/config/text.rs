//! A file's text as TOML, with line and column of what is wrong in it.

use amt_core::{ErrorCode, Failure};
use amt_provision::document::{self, Part, Wrong};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Reads `text` of the file called `name`.
pub(super) fn parse<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, Failure> {
    let values = toml::from_str(text).map_err(|error| refused(text, name, error.span(), error.message()))?;
    match document::read(&values) {
        Ok(document) => Ok(document.value),
        Err(wrong) => Err(refused(text, name, place(text, &wrong), &wrong.why)),
    }
}

fn refused(text: &str, name: &str, place: Option<Range<usize>>, why: &str) -> Failure {
    let place = place.map(|place| {
        let before = text.get(..place.start).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!(":{}:{column}", before.matches('\n').count() + 1)
    });
    Failure::new(ErrorCode::CONFIG, "config", format!("{name}{}: {}", place.unwrap_or_default(), why.trim()))
}

/// Where in the text it stands.
fn place(text: &str, wrong: &Wrong) -> Option<Range<usize>> {
    let whole = DeTable::parse(text).ok()?;
    let mut span = whole.span();
    let mut value = &DeValue::Table(whole.into_inner());
    for part in &wrong.path.0 {
        let inner = match (part, value) {
            (Part::Key(key), DeValue::Table(table)) => {
                let (key, inner) = table.get_key_value(key.as_str())?;
                span = if wrong.key { key.span() } else { inner.span() };
                inner
            }
            (Part::Index(index), DeValue::Array(list)) => {
                let inner = list.get(*index)?;
                span = inner.span();
                inner
            }
            _ => return None,
        };
        value = inner.get_ref();
    }
    Some(span)
}
