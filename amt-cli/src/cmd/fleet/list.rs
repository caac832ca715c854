//! `amt fleet list`.

use super::machine::machine_json;
use super::{Database, Error, Verdict};
use crate::output::Output;
use serde_json::json;

pub(super) async fn run(out: &mut Output, fleet: Database) -> Result<Verdict, Error> {
    let machines = fleet.machines().await?;
    let document = json!({ "machines": machines.iter().map(machine_json).collect::<Vec<_>>() });
    out.show(&document, |w| {
        for machine in &machines {
            let state = match machine.step {
                Some(step) if !machine.is_verified() => format!("{} ({step})", machine.state),
                _ => machine.state.to_string(),
            };
            let address = machine.address.map(|a| a.to_string()).unwrap_or_default();
            let name = machine.name().unwrap_or_default();
            writeln!(w, "{}  {state:<28}  {address:<15}  {name}", machine.id)?;
            if let Some(failure) = machine.failure.as_ref().filter(|_| !machine.is_verified()) {
                writeln!(w, "    {failure}")?;
            }
        }
        let verified = machines.iter().filter(|m| m.is_verified()).count();
        writeln!(w, "{} machines, {verified} verified", machines.len())
    })?;
    fleet.close().await;
    Ok(Verdict::Done)
}
