//! `amt inventory`: what one machine is made of.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::inventory;
use amt_fleet::json::operate as documents;
use serde_json::Value;
use std::io::{self, Write};

/// What one machine is made of: chassis, board, BIOS, processors, memory, disks, network, firmware
///
/// The firmware has it from the BIOS, which told it at the last start of the computer: this works while the computer is off. What
/// a firmware does not tell is left out, and null in --json, which also lists the classes that it refused.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt inventory --host pc1.example.com --ca ca.pem
    amt inventory --host pc1.example.com --ca ca.pem --json | jq -r '.chassis.serial'")]
pub(crate) struct Inventory {
    #[command(flatten)]
    connect: Connect,
}

impl Inventory {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let found = block_on(async { Ok(inventory(&mut self.connect.device().await?).await?) })?;
        let document = documents::inventory(&found);
        out.show(&document, |w| people(w, &document))?;
        Ok(Verdict::Done)
    }
}

fn people(w: &mut dyn Write, document: &Value) -> io::Result<()> {
    let mut line = |name: &str, parts: Vec<String>| {
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { Ok(()) } else { writeln!(w, "{name:<10} {}", parts.join(", ")) }
    };
    let thing = |value: &Value| {
        vec![join(&[&value["manufacturer"], &value["model"], &value["version"]]), labelled("serial", &value["serial"])]
    };
    line("machine", thing(&document["chassis"]))?;
    line("uuid", vec![text(&document["uuid"])])?;
    line("firmware", vec![text(&document["version"])])?;
    line("board", thing(&document["board"]))?;
    let bios = &document["bios"];
    line("BIOS", vec![join(&[&bios["manufacturer"], &bios["version"]]), text(&bios["date"])])?;
    for processor in list(document, "processors") {
        line("processor", vec![text(&processor["name"]), unit(&processor["max_mhz"], "MHz")])?;
    }
    for module in list(document, "memory") {
        let size = module["bytes"].as_u64().map(|bytes| format!("{} MiB", bytes >> 20)).unwrap_or_default();
        let what = join(&[&module["type"], &module["manufacturer"], &module["part"]]);
        line("memory", vec![size, what, unit(&module["mhz"], "MHz"), text(&module["bank"])])?;
    }
    for disk in list(document, "disks") {
        let size = disk["bytes"].as_u64().map(|bytes| format!("{} GB", bytes / 1_000_000_000)).unwrap_or_default();
        line("disk", vec![size, text(&disk["device"])])?;
    }
    for battery in list(document, "batteries") {
        line("battery", vec![text(&battery["device"]), unit(&battery["design_mwh"], "mWh when new")])?;
    }
    for port in list(document, "network") {
        let kind = if port["wireless"] == true { "wireless" } else { "wired" };
        let link = if port["link"] == true { "link up" } else { "no link" };
        line("network", vec![text(&port["mac"]), kind.to_owned(), link.to_owned(), text(&port["address"])])?;
    }
    line("not told", list(document, "missing_classes").iter().map(text).collect())
}

fn list<'d>(document: &'d Value, name: &str) -> &'d [Value] {
    document[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn join(values: &[&Value]) -> String {
    let texts: Vec<String> = values.iter().map(|value| text(value)).filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

fn labelled(label: &str, value: &Value) -> String {
    value.as_str().map(|text| format!("{label} {text}")).unwrap_or_default()
}

fn unit(value: &Value, unit: &str) -> String {
    value.as_u64().map(|number| format!("{number} {unit}")).unwrap_or_default()
}
