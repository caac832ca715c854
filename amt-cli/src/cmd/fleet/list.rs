//! `amt fleet list`, and lists of machines wherever else they are shown.

use super::{Database, Error, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::Failure;
use amt_fleet::filter::{FieldName, FieldValue, Filter, Sort};
use amt_fleet::{Facts, FilterError, Listed, Machine};
use serde_json::{Value, json};
use std::io::Write;

/// Which machines, in which order, and what of them.
#[derive(clap::Args)]
pub(super) struct Listing {
    /// Only machines that fit this expression, for example 'version >= 16 and not verified'
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    #[command(flatten)]
    view: View,
}

/// In which order, and what of them.
#[derive(clap::Args)]
pub(super) struct View {
    /// Sort by this field of their records; -FIELD downwards. Without it: the order in which they became known
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Show these fields, for example uuid,name,fact.os; `amt fleet fields` lists them
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    columns: Vec<String>,
}

impl Listing {
    pub(super) async fn run(self, out: &mut Output, place: super::Place) -> Result<Verdict, Error> {
        // What was mistyped is said before a database is looked for.
        let filter = read_filter(self.filter.as_deref().unwrap_or_default())?;
        let order = self.view.read()?;
        let fleet = place.open().await?;
        order.show(out, &fleet, &filter).await?;
        fleet.close().await;
        Ok(Verdict::Done)
    }
}

/// The expression in an argument.
pub(super) fn read_filter(text: &str) -> Result<Filter, Error> {
    Filter::parse(text).map_err(|error: FilterError| Error::Usage(error.into()))
}

/// What [`View`] asks for, understood.
pub(super) struct Order {
    sort: Option<Sort>,
    limit: Option<u32>,
    columns: Vec<FieldName>,
}

impl View {
    pub(super) fn read(self) -> Result<Order, Error> {
        let sort = self.sort.map(|text| text.parse::<Sort>()).transpose().map_err(Error::Usage)?;
        let columns: Result<Vec<FieldName>, FilterError> =
            self.columns.iter().map(|text| text.trim().parse()).collect();
        let columns = columns.map_err(|error| Error::Usage(error.into()))?;
        Ok(Order { sort, limit: self.limit, columns })
    }
}

impl Order {
    pub(super) async fn show(&self, out: &mut Output, fleet: &Database, filter: &Filter) -> Result<(), Error> {
        if self.columns.is_empty() && !out.is_json() {
            let machines = fleet.list(filter, self.sort, self.limit).await?;
            out.show(&(), |w| people(w, &machines))?;
            return Ok(());
        }
        let machines = fleet.select(filter, self.sort, self.limit).await?;
        if self.columns.is_empty() {
            let document = json!({ "machines": machines.iter().map(Machine::to_json).collect::<Vec<_>>() });
            out.show(&document, |_| Ok(()))?;
            return Ok(());
        }
        let rows = self.rows(fleet, &machines).await?;
        let object = |row: &Vec<Vec<FieldValue>>| -> Value {
            let cells = self.columns.iter().zip(row);
            cells
                .map(|(name, values)| (name.to_string(), cell_json(*name, values)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let document = json!({ "machines": rows.iter().map(object).collect::<Vec<_>>() });
        out.show(&document, |w| self.table(w, &rows))?;
        Ok(())
    }

    async fn rows(&self, fleet: &Database, machines: &[Machine]) -> Result<Vec<Vec<Vec<FieldValue>>>, Failure> {
        let facts = if self.columns.iter().any(|name| name.is_fact()) {
            fleet.facts_of(machines).await?
        } else {
            vec![Facts::default(); machines.len()]
        };
        let row = |(machine, facts)| self.columns.iter().map(|name| name.read(machine, facts)).collect();
        Ok(machines.iter().zip(&facts).map(row).collect())
    }

    fn table(&self, w: &mut dyn Write, rows: &[Vec<Vec<FieldValue>>]) -> std::io::Result<()> {
        let heads = self.columns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lines = rows.iter().map(|row| row.iter().map(|values| cell(values)).collect::<Vec<_>>());
        let lines: Vec<Vec<String>> = std::iter::once(heads).chain(lines).collect();
        let width =
            |n: usize| lines.iter().filter_map(|line| line.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for line in &lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(w, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

fn people(w: &mut dyn Write, machines: &[Listed]) -> std::io::Result<()> {
    for machine in machines {
        let state = match machine.step {
            Some(step) if !machine.is_verified() => format!("{} ({step})", machine.state),
            _ => machine.state.to_string(),
        };
        let address = machine.address.map(|a| a.to_string()).unwrap_or_default();
        let name = machine.name.as_ref().map(ToString::to_string).unwrap_or_default();
        writeln!(w, "{}  {state:<28}  {address:<15}  {name}", machine.id)?;
        if let Some(failure) = machine.failure.as_ref().filter(|_| !machine.is_verified()) {
            writeln!(w, "    {failure}")?;
        }
    }
    let verified = machines.iter().filter(|m| m.is_verified()).count();
    writeln!(w, "{} machines, {verified} verified", machines.len())
}

/// Several values stand in one cell, with commas.
fn cell(values: &[FieldValue]) -> String {
    let text = |value: &FieldValue| match value {
        FieldValue::Text(text) => text.clone(),
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        FieldValue::Moment(time) => rfc3339(*time),
        _ => String::new(),
    };
    values.iter().map(text).collect::<Vec<_>>().join(",")
}

/// A list where a machine may have several values, `null` where it has none.
fn cell_json(name: FieldName, values: &[FieldValue]) -> Value {
    let value = |value: &FieldValue| match value {
        FieldValue::Text(text) => json!(text),
        FieldValue::Number(number) => json!(number),
        FieldValue::Flag(flag) => json!(flag),
        FieldValue::Moment(time) => json!(rfc3339(*time)),
        _ => Value::Null,
    };
    let all: Vec<Value> = values.iter().map(value).collect();
    if name.is_many() { json!(all) } else { all.into_iter().next().unwrap_or(Value::Null) }
}
