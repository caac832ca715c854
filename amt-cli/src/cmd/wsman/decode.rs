//! `amt wsman decode FILE`: what a saved SOAP envelope says.

use super::document::{instance_json, properties_json, write_instance};
use crate::cmd::{Error, Verdict};
use crate::input;
use crate::output::Output;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::names::{class_and_method, class_name};
use amt_wsman::ns;
use amt_wsman::op::ReturnValue;
use amt_wsman::soap::{Envelope, Fault, Kind};
use amt_wsman::xml::MAX_SIZE;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Say what a saved SOAP envelope means
#[derive(clap::Args)]
pub(super) struct Decode {
    /// The envelope; - is standard input
    file: PathBuf,
}

impl Decode {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let bytes = input::read(&self.file, MAX_SIZE)?;
        let envelope = Envelope::decode(&bytes).map_err(|error| error.failure("decode"))?;
        let message = Message::of(&envelope);
        out.show(&message.json(), |w| message.write(w))?;
        Ok(Verdict::Done)
    }
}

/// An envelope, read as one operation's request or answer.
struct Message {
    kind: Kind,
    action: String,
    class: Option<String>,
    method: String,
    return_value: Option<ReturnValue>,
    fault: Option<Fault>,
    items: Vec<Instance>,
    /// What a `PullResponse` holds beside its items: the context of the next pull.
    pull: Vec<(String, Value)>,
}

impl Message {
    fn of(envelope: &Envelope) -> Self {
        let mut items = Vec::new();
        let mut pull = Vec::new();
        for node in &envelope.body {
            if !node.is(ns::ENUMERATION, "PullResponse") {
                items.push(Instance::from_node(node));
                continue;
            }
            for part in &node.children {
                if part.is(ns::ENUMERATION, "Items") {
                    items.extend(part.children.iter().map(Instance::from_node));
                } else {
                    pull.push((part.name.clone(), Value::from_node(part)));
                }
            }
        }
        // `EndOfSequence` and the like say nothing more than their name.
        pull.retain(|(_, value)| value.text() != Some(""));
        let invoked = class_and_method(&envelope.action);
        let class = invoked
            .map(|(class, _)| class)
            .or_else(|| class_name(envelope.resource_uri.as_deref()?))
            .or_else(|| items.iter().map(|item| item.class.as_str()).find(|class| is_class(class)))
            .map(str::to_owned);
        let verb = envelope.verb();
        let method = invoked.map_or(verb.strip_suffix("Response").unwrap_or(verb), |(_, method)| method).to_owned();
        let return_value = items
            .iter()
            .find_map(|item| item.u32("ReturnValue"))
            .map(|value| ReturnValue::of(class.as_deref().unwrap_or_default(), &method, value));
        Self {
            kind: envelope.kind(),
            action: envelope.action.clone(),
            class,
            method,
            return_value,
            fault: envelope.fault(),
            items,
            pull,
        }
    }

    fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Request => "request",
            Kind::Response => "response",
            Kind::Fault => "fault",
        }
    }

    fn json(&self) -> Json {
        let mut document = json!({
            "kind": self.kind(),
            "action": self.action,
            "class": self.class,
            "method": self.method,
            "return_value": self.return_value.as_ref().map(|value| value.value),
            "items": self.items.iter().map(instance_json).collect::<Vec<_>>(),
        });
        if let Some(value) = &self.return_value {
            document["return_value_name"] = value.name.as_ref().into();
        }
        if !self.pull.is_empty() {
            document["pull"] = properties_json(&self.pull);
        }
        if let Some(fault) = &self.fault {
            document["fault"] = json!({
                "code": fault.code,
                "subcode": fault.subcode,
                "reason": fault.reason,
                "detail": fault.detail,
                "status": fault.status.map(|status| status.0),
                "status_name": fault.status.and_then(|status| status.name()),
            });
        }
        document
    }

    fn write(&self, w: &mut dyn Write) -> io::Result<()> {
        writeln!(w, "{} {}.{}", self.kind(), self.class.as_deref().unwrap_or("-"), self.method)?;
        if let Some(value) = &self.return_value {
            writeln!(w, "returned {value}")?;
        }
        for item in &self.items {
            write_instance(w, item)?;
        }
        Ok(())
    }
}

fn is_class(name: &str) -> bool {
    ["AMT_", "CIM_", "IPS_"].iter().any(|prefix| name.starts_with(prefix)) && !name.ends_with("_INPUT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &str, action: &str) -> Json {
        let envelope = format!(
            "<s:Envelope xmlns:s='{}' xmlns:a='{}' xmlns:n='{}' xmlns:h='{}CIM_X'><s:Header><a:Action>{action}</a:Action>\
             <a:RelatesTo>1</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>",
            ns::SOAP,
            ns::ADDRESSING,
            ns::ENUMERATION,
            ns::CIM_SCHEMA,
        );
        Message::of(&Envelope::decode(envelope.as_bytes()).unwrap()).json()
    }

    #[test]
    fn a_pull_gives_its_items_and_keeps_the_context() {
        let body = "<n:PullResponse><n:EnumerationContext> 7 </n:EnumerationContext><n:Items><h:CIM_X><h:A>1</h:A></h:CIM_X>\
                    <h:CIM_X/></n:Items></n:PullResponse>";
        let json = decode(body, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/PullResponse");
        assert_eq!(
            (&json["kind"], &json["class"], &json["method"]),
            (&"response".into(), &"CIM_X".into(), &"Pull".into())
        );
        assert_eq!(json["items"].as_array().unwrap().len(), 2);
        assert_eq!(json["pull"]["EnumerationContext"], "7");
        assert_eq!(json["return_value"], Json::Null);
    }

    #[test]
    fn an_output_gives_class_method_and_return_value() {
        let action = format!("{}CIM_X/DoResponse", ns::CIM_SCHEMA);
        let json = decode("<h:Do_OUTPUT><h:ReturnValue>5</h:ReturnValue></h:Do_OUTPUT>", &action);
        assert_eq!((&json["class"], &json["method"]), (&"CIM_X".into(), &"Do".into()));
        assert_eq!((&json["return_value"], &json["return_value_name"]), (&5.into(), &"INVALID_PARAMETER".into()));
        assert_eq!(json["items"][0]["properties"]["ReturnValue"], "5");
    }

    #[test]
    fn a_fault_keeps_every_text() {
        let body =
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>";
        let json = decode(body, "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault");
        assert_eq!((&json["kind"], &json["fault"]["code"]), (&"fault".into(), &"Sender".into()));
        assert_eq!(json["items"][0]["properties"]["Code"]["Value"], "s:Sender");
        assert_eq!(json["items"][0]["properties"]["Reason"]["Text"], "no");
    }
}
