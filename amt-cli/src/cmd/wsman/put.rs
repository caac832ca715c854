//! `amt wsman put`: properties of one instance written, what would change shown first.

use super::call::{Selectors, pair};
use crate::cmd::confirm::Question;
use crate::cmd::connect::Connect;
use crate::cmd::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use amt_core::{Failure, Secret};
use amt_wsman::instance::{Instance, Value};
use amt_wsman::op::Request;
use serde_json::json;
use std::path::PathBuf;

const WRITE: Question = Question { whether: "this shall be written", text: "Write this?" };
/// What is shown in the place of a value from a file.
const HIDDEN: &str = "(from a file)";

/// Write properties of one instance of a class
///
/// The instance is read first, and what would change is shown: --dry-run ends there, without --yes it is asked about. Then the whole instance
/// goes back as it was read, with these properties changed, in one request that is sent once, and is read again. Where nothing differs
/// nothing is written.
///
/// The firmware decides what may be written, and what it means: docs/operate.md and `amt configure` know most of it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt wsman put AMT_GeneralSettings --set PingResponseEnabled=false --host pc1.example.com --ca ca.pem --dry-run
    amt wsman put AMT_GeneralSettings --set PingResponseEnabled=false --host pc1.example.com --ca ca.pem --yes

Exit status: 0 it is so now (or was), or would be; 1 it is not, or the machine keeps another value than was written.")]
pub(super) struct Put {
    /// For example AMT_GeneralSettings
    class: String,
    /// A property and its value; of one name several times: the values of an array
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, required_unless_present_any = ["files", "removed"])]
    values: Vec<(String, String)>,
    /// A property and the file whose first line is its value, for secrets; it is shown nowhere
    #[arg(long = "set-file", value_name = "NAME=FILE", value_parser = pair)]
    files: Vec<(String, String)>,
    /// A property to leave out
    #[arg(long = "remove", value_name = "NAME")]
    removed: Vec<String>,
    #[command(flatten)]
    selectors: Selectors,
    /// Show what would change, and write nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connect: Connect,
}

/// A property with what it shall have: nothing, one value, or those of an array.
struct Wish {
    name: String,
    values: Vec<Secret<String>>,
    is_secret: bool,
}

/// A property that differs.
struct Change<'w> {
    wish: &'w Wish,
    from: Vec<String>,
}

impl Put {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let wishes = self.wishes()?;
        if !self.yes && !self.dry_run {
            WRITE.can_be_asked(out)?;
        }
        let get = self.selectors.on(Request::get(&self.class));
        block_on(async {
            let mut device = self.connect.device().await?;
            let read = |reply: amt_wsman::op::Reply| reply.instance().cloned().map_err(|error| error.failure("read"));
            let mut instance = read(device.call(&get).await?)?;
            let changes = changes(&wishes, &instance)?;
            for change in &changes {
                out.line(&format!(
                    "  {}: {} -> {}",
                    change.wish.name,
                    shown(&change.from),
                    shown(&change.wish.told())
                ))?;
            }
            if changes.is_empty() || self.dry_run {
                return tell(out, &self.class, &changes, None);
            }
            if !self.yes && !WRITE.confirmed(out)? {
                out.line("nothing was written")?;
                return Ok(Verdict::Failed);
            }
            changes.iter().for_each(|change| change.wish.apply(&mut instance));
            let put = self.selectors.on(Request::put(&instance));
            device.call(&put).await.map_err(|failure| about_put(failure, &self.class))?;
            let kept = differing(&changes, &read(device.call(&get).await?)?);
            tell(out, &self.class, &changes, Some(&kept))
        })
    }

    fn wishes(&self) -> Result<Vec<Wish>, Error> {
        let mut wishes: Vec<Wish> = Vec::new();
        for (name, value) in &self.values {
            match wishes.iter_mut().find(|wish| wish.name == *name) {
                Some(wish) => wish.values.push(value.as_str().into()),
                None => wishes.push(Wish { name: name.clone(), values: vec![value.as_str().into()], is_secret: false }),
            }
        }
        for (name, file) in &self.files {
            let value = input::password(Some(&PathBuf::from(file)), "")?;
            wishes.push(Wish { name: name.clone(), values: vec![value], is_secret: true });
        }
        wishes.extend(self.removed.iter().map(|name| Wish {
            name: name.clone(),
            values: Vec::new(),
            is_secret: false,
        }));
        let twice =
            wishes.iter().enumerate().find(|(at, wish)| wishes.iter().skip(at + 1).any(|w| w.name == wish.name));
        if let Some((_, wish)) = twice {
            let text = format!("{} is named twice, in different ways", wish.name);
            return Err(Error::usage(text, "give one of --set, --set-file and --remove for each property"));
        }
        Ok(wishes)
    }
}

impl Wish {
    /// Its values as they may be shown.
    fn told(&self) -> Vec<String> {
        match self.is_secret {
            true => vec![HIDDEN.to_owned()],
            false => self.values.iter().map(|value| value.expose().clone()).collect(),
        }
    }

    fn apply(&self, instance: &mut Instance) {
        instance.set_all(&self.name, self.values.iter().map(|value| Value::Text(value.expose().clone())));
    }

    fn is_met(&self, has: &[String]) -> bool {
        has.len() == self.values.len() && has.iter().zip(&self.values).all(|(has, value)| has == value.expose())
    }
}

/// What differs. What is no text cannot be compared with one, nor replaced by it.
fn changes<'w>(wishes: &'w [Wish], instance: &Instance) -> Result<Vec<Change<'w>>, Error> {
    let mut changes = Vec::new();
    for wish in wishes {
        if instance.values(&wish.name).any(|value| value.text().is_none()) {
            let text = format!("{} of {} is no plain value", wish.name, instance.class);
            return Err(Error::usage(text, "only properties that are text, numbers or truth values are written here"));
        }
        let from = texts(instance, &wish.name);
        if !wish.is_met(&from) {
            changes.push(Change { wish, from: if wish.is_secret { Vec::new() } else { from } });
        }
    }
    Ok(changes)
}

/// What the machine has in the place of what was written. Secrets are not read back.
fn differing<'w>(changes: &[Change<'w>], instance: &Instance) -> Vec<Change<'w>> {
    let open = changes.iter().filter(|change| !change.wish.is_secret);
    let all = open.map(|change| Change { wish: change.wish, from: texts(instance, &change.wish.name) });
    all.filter(|change| !change.wish.is_met(&change.from)).collect()
}

fn texts(instance: &Instance, name: &str) -> Vec<String> {
    instance.texts(name).into_iter().map(str::to_owned).collect()
}

/// Sent once: if its answer is lost, only the machine can tell.
fn about_put(failure: Failure, class: &str) -> Failure {
    if failure.code.is_reply_lost() {
        return failure.hint(format!("it was sent once; `amt wsman get {class}` tells whether it was carried out"));
    }
    failure
}

/// `kept` is what came of it, if it was written: where the machine has something else.
fn tell(out: &mut Output, class: &str, changes: &[Change<'_>], kept: Option<&[Change<'_>]>) -> Result<Verdict, Error> {
    let of =
        |change: &Change<'_>| json!({ "property": change.wish.name, "from": change.from, "to": change.wish.told() });
    let differs = |change: &Change<'_>| json!({ "property": change.wish.name, "has": change.from });
    let kept_or_none = kept.unwrap_or_default();
    let document = json!({
        "class": class, "changes": changes.iter().map(of).collect::<Vec<_>>(), "written": kept.is_some(),
        "differs": kept_or_none.iter().map(differs).collect::<Vec<_>>(),
    });
    out.show(&document, |w| {
        for change in kept_or_none {
            writeln!(w, "{} was written, and the machine has {}", change.wish.name, shown(&change.from))?;
        }
        match (kept.is_some(), changes.len()) {
            (_, 0) => writeln!(w, "{class}: no change"),
            (false, _) => writeln!(w, "{class}: nothing was written"),
            (true, _) => writeln!(w, "{class}: written, read back"),
        }
    })?;
    Ok(if kept_or_none.is_empty() { Verdict::Done } else { Verdict::Failed })
}

fn shown(values: &[String]) -> String {
    if values.is_empty() { "nothing".to_owned() } else { values.join(", ") }
}
