//! WS-Management operations over the class table (`spec/wsman.md` §2.3).

use super::class::{self, Call, Caller, Class};
use super::soap::{Body, Fault, Operation, Request};
use super::{Firmware, soap};
use amt_core::Tick;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::names;
use amt_wsman::soap::{Reference, Selector, SelectorValue};
use std::time::Duration;

/// Most items of one Pull, whatever the client asks for.
const MAX_PULL: usize = 999;

impl Firmware {
    pub(super) fn operate(
        &mut self,
        now: Tick,
        request: &Request,
        caller: Caller,
        forced: Option<u32>,
    ) -> Result<Body, Fault> {
        let name = request.class();
        let class = class::of(&self.device.config.persona, name).ok_or_else(Fault::destination_unreachable)?;
        let operation = request.operation();
        if let (Some(status), false) = (forced, matches!(operation, Operation::Invoke(_))) {
            return Err(Fault::status(status));
        }
        let lifetime = Duration::from_secs(self.device.config.persona.wsman.enumeration_seconds);
        self.enumerations.expire(now, lifetime);
        if !self.device.permits(&caller, name, &operation) || !self.device.covers(&caller, name, &operation) {
            return Err(Fault::access_denied());
        }
        let mut call =
            Call { now, caller, selectors: &request.selectors, input: Instance::new(""), body: request.body.as_ref() };
        match operation {
            Operation::Get => Ok(Body::Instance(self.selected(now, class, &request.selectors)?)),
            Operation::Put => {
                let current = self.selected(now, class, &request.selectors)?;
                call.input = representation(request, name)?;
                // The representation's own keys must not name another instance.
                for key in class.keys {
                    if let (Some(old), Some(new)) = (current.text(key), call.input.text(key))
                        && old != new
                    {
                        return Err(Fault::invalid_values());
                    }
                }
                let put = class.put.ok_or_else(Fault::action_not_supported)?;
                let before = self.device.phase;
                put(&mut self.device, &call, &current)?;
                self.device.log_call(&call, name, "Put", before);
                if class.silent_put {
                    return Ok(Body::Empty);
                }
                Ok(Body::Instance(self.selected(now, class, &request.selectors)?))
            }
            Operation::Create => {
                let create = class.create.ok_or_else(Fault::action_not_supported)?;
                call.input = representation(request, name)?;
                let before = self.device.phase;
                let created = create(&mut self.device, &call)?;
                self.device.log_call(&call, name, "Create", before);
                Ok(Body::Created(created))
            }
            Operation::Delete => {
                let delete = class.delete.ok_or_else(Fault::action_not_supported)?;
                let current = self.selected(now, class, &request.selectors)?;
                let before = self.device.phase;
                delete(&mut self.device, &call, &current)?;
                self.device.log_call(&call, name, "Delete", before);
                Ok(Body::Empty)
            }
            Operation::Enumerate => {
                expect_body(request, "Enumerate")?;
                if self.enumerations.len() >= self.device.config.persona.wsman.enumerations {
                    return Err(Fault::quota_limit());
                }
                let items = (class.list)(&self.device, now);
                Ok(Body::Enumerated { context: self.enumerations.open(now, name, items) })
            }
            Operation::Pull => {
                let body = expect_body(request, "Pull")?;
                let context = body.text("EnumerationContext").ok_or_else(Fault::schema)?;
                // WS-Enumeration: one element where the client does not say.
                let most = match body.text("MaxElements") {
                    None => 1,
                    Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or_else(Fault::schema)?,
                };
                let pulled = self.enumerations.pull(now, name, context, most.min(MAX_PULL));
                let (items, context) = pulled.ok_or_else(Fault::invalid_context)?;
                Ok(Body::Pulled { items, context })
            }
            Operation::Release => {
                let body = expect_body(request, "Release")?;
                let context = body.text("EnumerationContext").ok_or_else(Fault::schema)?;
                if self.enumerations.release(context) { Ok(Body::Empty) } else { Err(Fault::invalid_context()) }
            }
            Operation::Invoke(method) => {
                let found = class.methods.iter().find(|(known, _)| *known == method);
                let (_, invoke) = found.ok_or_else(Fault::action_not_supported)?;
                if !request.selectors.is_empty() {
                    self.selected(now, class, &request.selectors)?;
                }
                call.input = input(request, name, &method)?;
                let before = self.device.phase;
                let output = match forced {
                    Some(status) => class::Output::value(status),
                    None => invoke(&mut self.device, &call)?,
                };
                if output.value == 0 {
                    self.device.log_call(&call, name, &method, before);
                }
                Ok(Body::Output { class: name.to_owned(), method, fields: output.fields, value: output.value })
            }
            Operation::Unknown => Err(Fault::action_not_supported()),
        }
    }

    /// The one instance that the selectors name; without selectors, the only one there is.
    fn selected(&self, now: Tick, class: &Class, selectors: &[Selector]) -> Result<Instance, Fault> {
        let mut instances = (class.list)(&self.device, now);
        if selectors.is_empty() {
            return match instances.len() {
                0 => Err(Fault::no_instance()),
                1 => Ok(instances.remove(0)),
                _ => Err(Fault::invalid_selectors()),
            };
        }
        if selectors.iter().any(|s| !class.keys.contains(&s.name.as_str())) {
            return Err(Fault::invalid_selectors());
        }
        let fits = |instance: &Instance| {
            selectors.iter().all(|selector| match (&selector.value, instance.value(&selector.name)) {
                (SelectorValue::Text(want), Some(Value::Text(have))) => want == have,
                (SelectorValue::Reference(want), Some(Value::Reference(have))) => same(want, have),
                _ => false,
            })
        };
        instances.retain(fits);
        match instances.len() {
            0 => Err(Fault::no_instance()),
            1 => Ok(instances.remove(0)),
            _ => Err(Fault::invalid_selectors()),
        }
    }
}

/// Whether two references name the same instance; addresses do not matter, and clients write the name of the TLS
/// collection without the blank that the firmware has in it (§3.8).
fn same(one: &Reference, other: &Reference) -> bool {
    let plain = |selectors: &[Selector]| {
        let mut list: Vec<(String, String)> = selectors
            .iter()
            .map(|s| match &s.value {
                SelectorValue::Text(text) => (s.name.clone(), text.replace("Endpoint Instances", "EndpointInstances")),
                SelectorValue::Reference(inner) => (s.name.clone(), format!("{inner:?}")),
            })
            .collect();
        list.sort();
        list
    };
    one.resource_uri == other.resource_uri && plain(&one.selectors) == plain(&other.selectors)
}

/// The instance in the body of Put and Create.
fn representation(request: &Request, class: &str) -> Result<Instance, Fault> {
    let node = request.body.as_ref().ok_or_else(Fault::schema)?;
    if node.name != class || node.namespace != names::class_uri(class) {
        return Err(Fault::schema());
    }
    Ok(Instance::from_node(node))
}

/// The input of a method; an absent body is an input without arguments.
fn input(request: &Request, class: &str, method: &str) -> Result<Instance, Fault> {
    let Some(node) = request.body.as_ref() else { return Ok(Instance::new("")) };
    if node.name != format!("{method}_INPUT") || node.namespace != names::class_uri(class) {
        return Err(Fault::schema());
    }
    Ok(Instance::from_node(node))
}

fn expect_body(request: &Request, name: &str) -> Result<Instance, Fault> {
    let node = request.body.as_ref().ok_or_else(Fault::schema)?;
    if node.name != name || node.namespace != amt_wsman::ns::ENUMERATION {
        return Err(soap::Fault::schema());
    }
    Ok(Instance::from_node(node))
}
