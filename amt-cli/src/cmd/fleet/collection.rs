//! `amt fleet collection`: named filters, and who fits them.

use super::list::{View, read_filter};
use super::{Error, Place, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_fleet::Membership;
use amt_fleet::filter::Filter;
use serde_json::json;

/// Collections: named filters, and the machines that fit them
///
/// A machine joins and leaves by itself as what is known of it changes. A filter may ask about other collections: 'in lab and
/// not in retired'. `amt fleet fields` lists what a filter can ask about.
#[derive(clap::Subcommand)]
pub(super) enum Collection {
    /// Make a collection, for example: new old-firmware 'version < 16 and verified'
    New {
        /// Its name; case is disregarded
        name: String,
        /// Who belongs to it
        #[arg(value_name = "EXPR")]
        filter: String,
        #[command(flatten)]
        place: Place,
    },
    /// Give a collection another filter
    Set {
        /// Its name
        name: String,
        /// Who belongs to it from now on
        #[arg(value_name = "EXPR")]
        filter: String,
        #[command(flatten)]
        place: Place,
    },
    /// Give a collection another name; filters that ask about it follow
    Rename {
        /// Its name
        from: String,
        /// Its new name
        to: String,
        #[command(flatten)]
        place: Place,
    },
    /// Give a collection up; no machine is touched
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Every collection with its filter and how many machines belong to it
    List {
        #[command(flatten)]
        place: Place,
    },
    /// The machines of a collection, as they were when it was last looked at
    Members {
        /// Its name
        name: String,
        #[command(flatten)]
        view: View,
        #[command(flatten)]
        place: Place,
    },
}

impl Collection {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self {
            Self::New { name, filter, place } => {
                let filter = read_filter(&filter)?;
                let fleet = place.open().await?;
                let changes = fleet.new_collection(&name, &filter).await?;
                fleet.close().await;
                saved(out, &name, &filter, &changes)?;
            }
            Self::Set { name, filter, place } => {
                let filter = read_filter(&filter)?;
                let fleet = place.open().await?;
                let changes = fleet.set_collection(&name, &filter).await?;
                fleet.close().await;
                saved(out, &name, &filter, &changes)?;
            }
            Self::Rename { from, to, place } => {
                let fleet = place.open().await?;
                fleet.rename_collection(&from, &to).await?;
                fleet.close().await;
                out.show(&json!({ "name": to, "was": from }), |w| writeln!(w, "{from} is called {to} now"))?;
            }
            Self::Remove { name, place } => {
                let fleet = place.open().await?;
                fleet.remove_collection(&name).await?;
                fleet.close().await;
                out.show(&json!({ "name": name, "removed": true }), |w| writeln!(w, "{name} is gone"))?;
            }
            Self::List { place } => {
                let fleet = place.open().await?;
                let all = fleet.collections().await?;
                fleet.close().await;
                let list: Vec<_> = all
                    .iter()
                    .map(|c| {
                        let made = rfc3339(c.created_at);
                        json!({ "name": c.name, "filter": c.filter, "members": c.members, "created_at": made })
                    })
                    .collect();
                let widest = all.iter().map(|c| c.name.chars().count()).max().unwrap_or_default();
                out.show(&json!({ "collections": list }), |w| {
                    all.iter().try_for_each(|c| writeln!(w, "{:<widest$}  {:>6}  {}", c.name, c.members, c.filter))?;
                    if all.is_empty() { writeln!(w, "no collections") } else { Ok(()) }
                })?;
            }
            Self::Members { name, view, place } => {
                let filter = Filter::member_of(&name).map_err(Error::Usage)?;
                let order = view.read()?;
                let fleet = place.open().await?;
                order.show(out, &fleet, &filter).await?;
                fleet.close().await;
            }
        }
        Ok(Verdict::Done)
    }
}

fn saved(out: &mut Output, name: &str, filter: &Filter, changes: &[Membership]) -> Result<(), Error> {
    let list: Vec<_> = changes
        .iter()
        .map(|c| json!({ "uuid": c.id.to_string(), "collection": c.collection, "joined": c.joined }))
        .collect();
    let document = json!({ "name": name, "filter": filter.to_string(), "changes": list });
    out.show(&document, |w| {
        writeln!(w, "{name}: {filter}")?;
        let mut collections: Vec<&str> = changes.iter().map(|c| c.collection.as_str()).collect();
        collections.dedup();
        collections.iter().try_for_each(|collection| {
            let of = |joined| changes.iter().filter(|c| c.collection == *collection && c.joined == joined).count();
            writeln!(w, "{collection}: {} machines joined, {} left", of(true), of(false))
        })
    })?;
    Ok(())
}
