//! In which order machines are listed.

use super::error::did_you_mean;
use super::field::{COLUMNS, Column, FieldKind};
use amt_core::{ErrorCode, Failure};
use std::fmt;
use std::str::FromStr;

/// An order of machines: a field of their records, upwards or downwards. Read from `name`, or `-hello` for downwards.
/// Machines without a value come last; what is equal stands in the order in which it became known. An age is sorted as an age: upwards,
/// what happened last comes first.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    column: &'static Column,
    downwards: bool,
}

impl Sort {
    /// What comes after ORDER BY: constants of the field table only.
    pub(crate) fn to_sql(self) -> String {
        let Column { sql, kind, .. } = self.column;
        let descending = self.downwards != (*kind == FieldKind::Age);
        let fold = if *kind == FieldKind::Text { " COLLATE NOCASE" } else { "" };
        format!("({sql}){fold} {} NULLS LAST, m.id", if descending { "DESC" } else { "ASC" })
    }
}

impl PartialEq for Sort {
    fn eq(&self, other: &Self) -> bool {
        self.column.name == other.column.name && self.downwards == other.downwards
    }
}

impl Eq for Sort {}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.downwards { "-" } else { "" }, self.column.name)
    }
}

impl FromStr for Sort {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (downwards, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let column = COLUMNS.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        column.map(|column| Self { column, downwards }).ok_or_else(|| {
            let near = did_you_mean(name, COLUMNS.iter().map(|column| column.name));
            let hint =
                if near.is_empty() { "`amt fleet fields` lists the fields of machines".to_owned() } else { near };
            let message = format!("machines cannot be sorted by {name:?}: it is no field of their records");
            Failure::new(ErrorCode::FILTER, "filter", message).hint(hint)
        })
    }
}
