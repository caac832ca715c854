//! Fields that are properties of an instance: read it, compare, put it back whole if one differs.

use super::{Run, refused};
use crate::profile::Profile;
use amt_core::Failure;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::op::Request;

/// A property that a field of the profile sets.
pub(super) struct Property {
    /// The field.
    pub(super) field: &'static str,
    /// Name on the wire.
    pub(super) name: &'static str,
    /// What it shall be; none if the profile does not say. No values: the property is left out of the instance.
    pub(super) want: fn(&Profile) -> Option<Vec<String>>,
}

/// An instance, and the properties of it that a profile may set.
pub(super) struct Group {
    /// The class.
    pub(super) class: &'static str,
    /// Key that chooses the instance, where there are several.
    pub(super) selector: Option<(&'static str, &'static str)>,
    /// What the class does not take back with what the profile says (`spec/wsman.md` §2.3).
    pub(super) omit: fn(&Profile) -> &'static [&'static str],
    /// What a change leads to.
    pub(super) leads_to: LeadsTo,
    /// What may be set.
    pub(super) properties: &'static [Property],
}

/// What a change of an instance leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// Nothing: it counts at once.
    Nothing,
    /// It counts only after a commit.
    Commit,
    /// The machine restarts its network and may be at another address then.
    Move,
}

/// One value, if the profile has it.
pub(super) fn one<T: ToString>(value: Option<T>) -> Option<Vec<String>> {
    value.map(|value| vec![value.to_string()])
}

impl Group {
    fn on(&self, request: Request) -> Request {
        match self.selector {
            Some((name, value)) => request.selector(name, value),
            None => request,
        }
    }
}

impl Run {
    /// Makes the properties of a group what the profile says. Tells whether something was put.
    pub(super) async fn group(&mut self, group: &Group) -> Result<bool, Failure> {
        let profile = self.profile();
        let wanted: Vec<(&Property, Vec<String>)> =
            group.properties.iter().filter_map(|property| Some((property, (property.want)(profile)?))).collect();
        if wanted.is_empty() {
            return Ok(false);
        }
        let Some(mut instance) = self.read(group.on(Request::get(group.class))).await? else {
            for (property, _) in &wanted {
                self.lacks(property.field, format!("the firmware has no {}", group.class));
            }
            return Ok(false);
        };
        let mut put = None;
        for (property, values) in &wanted {
            let has = texts(&instance, property.name);
            let differs = has.len() != values.len() || has.iter().zip(values).any(|(has, wanted)| !same(has, wanted));
            // Where a field is several properties, which of them it is.
            let several = group.properties.iter().filter(|other| other.field == property.field).count() > 1;
            let name = if several { format!("{} ", property.name) } else { String::new() };
            let text = |values: &[String]| format!("{name}{}", values.join(", "));
            if differs && self.change(property.field, text(&has), text(values)) {
                instance.set_all(property.name, values.iter().map(|value| Value::from(value.as_str())));
                put.get_or_insert(property.field);
            }
        }
        let Some(changed) = put else { return Ok(false) };
        for name in (group.omit)(self.profile()) {
            instance.remove(name);
        }
        // Neither that a commit is due nor where a machine went can be seen on it after a crash.
        let news = match group.leads_to {
            LeadsTo::Nothing => false,
            LeadsTo::Commit => !std::mem::replace(&mut self.record.commit_due, true),
            LeadsTo::Move => self.will_move(),
        };
        if news {
            self.keep().await?;
        }
        match self.write(group.on(Request::put(&instance))).await {
            // The network restarts and may take the answer with it: what is read there tells.
            Err(error) if group.leads_to == LeadsTo::Move && error.is_lost() => {
                self.cx.note("the answer was lost; what the machine says afterwards will tell");
                Ok(true)
            }
            Err(error) => Err(refused(changed, error)),
            Ok(_) => Ok(true),
        }
    }
}

/// The values of a property that say something.
fn texts(instance: &Instance, name: &str) -> Vec<String> {
    instance.texts(name).into_iter().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Whether two texts mean the same: truth values have two spellings, and names no case.
fn same(has: &str, wanted: &str) -> bool {
    let plain = |text: &str| match text {
        "1" => "true".to_owned(),
        "0" => "false".to_owned(),
        text => text.to_ascii_lowercase(),
    };
    has.eq_ignore_ascii_case(wanted) || (is_truth(wanted) && plain(has) == plain(wanted))
}

fn is_truth(text: &str) -> bool {
    matches!(text, "true" | "false")
}
