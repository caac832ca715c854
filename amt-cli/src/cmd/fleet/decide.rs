//! What somebody decides by hand: `release`, `rebind`, `forget-facts`.

use super::by::By;
use super::text::count;
use super::{Error, Place, Verdict};
use crate::output::Output;
use amt_core::SystemId;
use amt_fleet::{FactKey, FactSource, ReleaseOrder};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use std::net::IpAddr;

#[derive(clap::Args)]
pub(super) struct Release {
    /// Their UUIDs
    #[arg(required = true, value_name = "UUID")]
    uuid: Vec<SystemId>,
    /// Let a boot action fire once instead of letting the machine in
    #[arg(long)]
    boot: bool,
    /// Of several machines with this UUID, the one at this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "boot")]
    address: Option<IpAddr>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

impl Release {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        if self.address.is_some() && self.uuid.len() > 1 {
            return Err(Error::usage("--address is about one machine", "give one UUID with it"));
        }
        let mut order = ReleaseOrder::by(self.by.name()?);
        (order.boot, order.address) = (self.boot, self.address);
        let fleet = self.place.open().await?;
        for id in &self.uuid {
            // Some let in and others not would be hard to tell apart: all must be known.
            fleet.machine(*id).await?;
        }
        for id in &self.uuid {
            fleet.release(*id, order.clone()).await?;
        }
        fleet.close().await;
        let uuids: Vec<String> = self.uuid.iter().map(ToString::to_string).collect();
        let document = json!({ "released": uuids, "boot": order.boot, "address": order.address, "by": order.by });
        out.show(&document, |w| {
            let what = if order.boot { "a boot action may fire on it once" } else { "is let in" };
            uuids.iter().try_for_each(|id| writeln!(w, "{id}: {what}, says {}", order.by))
        })?;
        Ok(Verdict::Done)
    }
}

#[derive(clap::Args)]
pub(super) struct Rebind {
    /// UUID of the record that is handed over
    old: SystemId,
    /// UUID that the computer has now
    new: SystemId,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

impl Rebind {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let by = self.by.name()?;
        let fleet = self.place.open().await?;
        fleet.rebind(self.old, self.new, &by).await?;
        fleet.close().await;
        let document = json!({ "old": self.old.to_string(), "new": self.new.to_string(), "by": by });
        out.show(&document, |w| {
            writeln!(w, "{} has the record of {} now", self.new, self.old)?;
            writeln!(w, "the old record stays, parked as REPLACED, with its credentials")
        })?;
        Ok(Verdict::Done)
    }
}

#[derive(clap::Args)]
pub(super) struct ForgetFacts {
    /// The machine's UUID
    uuid: SystemId,
    /// Whose word is outdated
    #[arg(long, value_name = "SOURCE", value_parser = source_parser())]
    source: FactSource,
    /// About what; without it: all that the source says
    #[arg(long, value_name = "KEY", value_parser = key_parser())]
    key: Option<FactKey>,
    #[command(flatten)]
    place: Place,
}

fn source_parser() -> impl TypedValueParser<Value = FactSource> {
    PossibleValuesParser::new(FactSource::ALL.iter().map(|s| s.name())).try_map(|text| text.parse::<FactSource>())
}

fn key_parser() -> impl TypedValueParser<Value = FactKey> {
    PossibleValuesParser::new(FactKey::ALL.iter().map(|k| k.name())).try_map(|text| text.parse::<FactKey>())
}

impl ForgetFacts {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let fleet = self.place.open().await?;
        let ended = fleet.forget_facts(self.uuid, self.source, self.key).await?;
        fleet.close().await;
        let document = json!({
            "uuid": self.uuid.to_string(),
            "source": self.source.name(),
            "key": self.key.map(FactKey::name),
            "ended": ended,
        });
        let facts = count(usize::try_from(ended).unwrap_or(usize::MAX), "fact", "facts");
        out.show(&document, |w| {
            writeln!(w, "{facts} of source {} no longer stand; they stay in the history", self.source)
        })?;
        Ok(Verdict::Done)
    }
}
