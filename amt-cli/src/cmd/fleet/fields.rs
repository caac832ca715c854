//! `amt fleet fields`: what a filter may ask about.

use super::{Error, Verdict};
use crate::output::Output;
use amt_fleet::FactSource;
use amt_fleet::filter::{FieldInfo, fields};
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn run(out: &mut Output) -> Result<Verdict, Error> {
    let (facts, columns): (Vec<FieldInfo>, Vec<FieldInfo>) = fields().into_iter().partition(|field| field.is_fact);
    let sources: Vec<&str> = FactSource::ALL.iter().map(|source| source.name()).collect();
    let list = |fields: &[FieldInfo]| fields.iter().map(field_json).collect::<Vec<_>>();
    let document = json!({ "fields": list(&columns), "facts": list(&facts), "sources": sources });
    out.show(&document, |w| {
        writeln!(w, "A machine's record:")?;
        table(w, &columns)?;
        writeln!(w, "\nWhat is said of it; fact.{{{}}}.NAME asks one source:", sources.join("|"))?;
        table(w, &facts)?;
        writeln!(w, "\nCompare with = != < <= > >=, with ~ for a pattern of * and ?, or with in (A, B); join with and, or, not and ().")?;
        writeln!(w, "`has FIELD` asks for any value, `in COLLECTION` for membership. What a machine does not have is equal to nothing.")
    })?;
    Ok(Verdict::Done)
}

fn field_json(field: &FieldInfo) -> Value {
    json!({ "name": field.name, "kind": field.kind.name(), "about": field.about, "example": field.example })
}

fn table(w: &mut dyn Write, fields: &[FieldInfo]) -> std::io::Result<()> {
    let widest = |text: fn(&FieldInfo) -> usize| fields.iter().map(text).max().unwrap_or_default();
    let (names, examples) = (widest(|f| f.name.len()), widest(|f| f.example.len()));
    fields.iter().try_for_each(|field| {
        writeln!(w, "  {:<names$}  {:<9}  {:<examples$}  {}", field.name, field.kind.name(), field.example, field.about)
    })
}
