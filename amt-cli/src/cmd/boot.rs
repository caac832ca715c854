//! `amt boot`: what one machine boots next.

use super::connect::Connect;
use super::power::change_text;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::{BootPlan, NextBoot, PowerAction, Then, boot_next, boot_state, clear_boot};
use amt_fleet::json::operate as documents;
use clap::builder::PossibleValuesParser;
use serde_json::json;

/// Say what one machine boots next, for once, and start it
///
/// `pxe`, `disk` and `cd` choose the source of one boot, `bios` enters the BIOS setup, `https` boots what a web server has
/// (AMT 16 and later; the server's root certificate must be in the machine's store). After that the computer is reset if it
/// runs and switched on if it is off, unless --then says otherwise. If the machine refuses a step, what was set is taken back.
/// `show` says how the next boot is set, `clear` takes it back. In client control mode the firmware wants the consent of the
/// user at the machine.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt boot pxe --host pc1.example.com --ca ca.pem
    amt boot bios --sol --then cycle --host 10.0.0.5 --ca ca.pem --name pc1.example.com
    amt boot https --url https://boot.example.com/image.efi --host pc1.example.com --ca ca.pem
    amt boot cd --then none --host pc1.example.com --ca ca.pem     counts whenever it starts next
    amt boot show --host pc1.example.com --ca ca.pem")]
pub(crate) struct Boot {
    /// What to boot, or show, or clear
    #[arg(value_name = "WHAT", value_parser = PossibleValuesParser::new(["pxe", "disk", "cd", "bios", "https", "show", "clear"]))]
    what: String,
    /// What to boot over HTTPS
    #[arg(long, value_name = "URL", required_if_eq("what", "https"))]
    url: Option<String>,
    /// How the computer is started [default: reset if it runs, on if it is off]
    #[arg(long, value_name = "reset|on|cycle|none", value_parser = then)]
    then: Option<Then>,
    /// Send its console over the network during this boot (serial over LAN)
    #[arg(long)]
    sol: bool,
    #[command(flatten)]
    connect: Connect,
}

fn then(text: &str) -> Result<Then, String> {
    match text {
        "none" => Ok(Then::Nothing),
        "reset" => Ok(Then::Power(PowerAction::Reset)),
        "on" => Ok(Then::Power(PowerAction::On)),
        "cycle" => Ok(Then::Power(PowerAction::Cycle)),
        _ => Err("write reset, on, cycle or none".to_owned()),
    }
}

impl Boot {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let next = match self.what.as_str() {
            "pxe" => NextBoot::Pxe,
            "disk" => NextBoot::Disk,
            "cd" => NextBoot::Cd,
            "bios" => NextBoot::Bios,
            "https" => NextBoot::Https(self.url.clone().unwrap_or_default()),
            _ if self.url.is_some() || self.sol || self.then.is_some() => {
                let message = format!("{} goes without --url, --then and --sol", self.what);
                return Err(Error::usage(message, "give these with what is to be booted"));
            }
            "clear" => return clear(self.connect, out),
            _ => return show(self.connect, out),
        };
        if self.url.is_some() && self.what != "https" {
            return Err(Error::usage(format!("{} has no --url", self.what), "a URL goes with `amt boot https`"));
        }
        let mut plan = BootPlan::new(next);
        plan.sol = self.sol;
        plan.then = self.then.unwrap_or_default();
        let change = block_on(async { Ok(boot_next(&mut self.connect.device().await?, &plan).await?) })?;
        out.show(&documents::boot(&plan, change.as_ref()), |w| {
            writeln!(w, "next boot: {}, once", plan.next.name())?;
            match &change {
                Some(change) => writeln!(w, "{}", change_text(change)),
                None => writeln!(w, "it counts when the computer starts next"),
            }
        })?;
        Ok(Verdict::Done)
    }
}

fn clear(connect: Connect, out: &mut Output) -> Result<Verdict, Error> {
    block_on(async { Ok(clear_boot(&mut connect.device().await?).await?) })?;
    out.show(&json!({ "cleared": true }), |w| writeln!(w, "the next boot is one like any other"))?;
    Ok(Verdict::Done)
}

fn show(connect: Connect, out: &mut Output) -> Result<Verdict, Error> {
    let state = block_on(async { Ok(boot_state(&mut connect.device().await?).await?) })?;
    out.show(&documents::boot_state(&state), |w| {
        let armed = match state.armed {
            Some(true) => "set to something; the firmware does not tell the source",
            Some(false) => "as the BIOS is set up",
            None => "the firmware does not tell",
        };
        writeln!(w, "next boot  {armed}")?;
        let options = if state.options.is_empty() { "none".to_owned() } else { state.options.join(", ") };
        writeln!(w, "options    {options}")?;
        writeln!(w, "possible   {}", state.possible.join(", "))
    })?;
    Ok(Verdict::Done)
}
