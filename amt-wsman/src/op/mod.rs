//! What can be asked of a device, and what it answers (`spec/wsman.md` §2.3).

mod reply;
mod return_value;

pub use reply::Reply;
pub use return_value::ReturnValue;

use crate::instance::{Instance, Value};
use crate::soap::{Head, Reference, Selector, SelectorValue};
use crate::xml::Writer;
use crate::{names, ns};
use amt_core::Secret;
use std::fmt;
use zeroize::Zeroize;

/// Most elements asked for in one Pull; firmware normally sends all that it has.
const PULL_ELEMENTS: &str = "999";
/// Most characters asked for in one Pull.
const PULL_CHARACTERS: &str = "99999";

/// One operation. Message identities are given by the client, so that the same request can be used again.
///
/// Arguments may hold secrets: `Debug` shows none of them, and they are wiped on drop.
#[derive(Clone)]
pub struct Request {
    operation: Operation,
    class: String,
    resource_uri: String,
    selectors: Vec<Selector>,
    payload: Instance,
    raw: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    Put,
    Create,
    Delete,
    Enumerate,
    /// A method of the class.
    Invoke(String),
    /// An action of the caller's, with a body of the caller's.
    Raw(String),
}

impl Request {
    /// Reads the only instance of a class, or the one that [`selector`](Self::selector) chooses.
    pub fn get(class: &str) -> Self {
        Self::new(Operation::Get, class, Instance::default())
    }

    /// Replaces an instance by this one: read, modify, put back whole.
    pub fn put(instance: &Instance) -> Self {
        Self::new(Operation::Put, &instance.class, instance.clone())
    }

    /// Creates an instance.
    pub fn create(instance: &Instance) -> Self {
        Self::new(Operation::Create, &instance.class, instance.clone())
    }

    /// Deletes the instance that [`selector`](Self::selector) chooses.
    pub fn delete(class: &str) -> Self {
        Self::new(Operation::Delete, class, Instance::default())
    }

    /// Calls a method; give its arguments with [`arg`](Self::arg), in the order of the class definition.
    pub fn invoke(class: &str, method: &str) -> Self {
        Self::new(Operation::Invoke(method.to_owned()), class, Instance::new(&format!("{method}_INPUT")))
    }

    /// Reads all instances of a class: the whole loop of Enumerate, Pull and Release when given to a client.
    pub fn enumerate(class: &str) -> Self {
        Self::new(Operation::Enumerate, class, Instance::default())
    }

    /// Any action on any resource, with a body that is XML already. It may use the prefixes of
    /// [`Head`].
    pub fn raw(action: &str, resource_uri: &str, body: Vec<u8>) -> Self {
        Self {
            operation: Operation::Raw(action.to_owned()),
            class: names::class_name(resource_uri).unwrap_or(resource_uri).to_owned(),
            resource_uri: resource_uri.to_owned(),
            selectors: Vec::new(),
            payload: Instance::default(),
            raw: body,
        }
    }

    fn new(operation: Operation, class: &str, payload: Instance) -> Self {
        Self {
            operation,
            class: class.to_owned(),
            resource_uri: names::class_uri(class),
            selectors: Vec::new(),
            payload,
            raw: Vec::new(),
        }
    }

    /// The same with one more key property.
    #[must_use]
    pub fn selector(mut self, name: &str, value: impl Into<SelectorValue>) -> Self {
        self.selectors.push(Selector::new(name, value));
        self
    }

    /// The same for the instance that `reference` names.
    #[must_use]
    pub fn at(mut self, reference: &Reference) -> Self {
        self.selectors.clone_from(&reference.selectors);
        self
    }

    /// The same with one more argument, or one more property of the instance.
    #[must_use]
    pub fn arg(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload.push(name, value);
        self
    }

    /// The same with one more argument that must not be shown.
    #[must_use]
    pub fn secret_arg(self, name: &str, value: &Secret<String>) -> Self {
        self.arg(name, value.expose().as_str())
    }

    /// Name of the class.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Name of the method, when one is called.
    pub fn method(&self) -> Option<&str> {
        match &self.operation {
            Operation::Invoke(method) => Some(method),
            _ => None,
        }
    }

    /// Class and operation in one word, for messages: `AMT_GeneralSettings.Get`.
    pub fn label(&self) -> String {
        let verb = match &self.operation {
            Operation::Get => "Get",
            Operation::Put => "Put",
            Operation::Create => "Create",
            Operation::Delete => "Delete",
            Operation::Enumerate => "Enumerate",
            Operation::Invoke(method) => method,
            Operation::Raw(action) => action.rsplit_once('/').map_or(action.as_str(), |(_, verb)| verb),
        };
        format!("{}.{verb}", self.class)
    }

    /// The envelope; for an enumeration, its first.
    pub fn encode(&self, message_id: u32) -> Vec<u8> {
        let action = match &self.operation {
            Operation::Get => format!("{}/Get", ns::TRANSFER),
            Operation::Put => format!("{}/Put", ns::TRANSFER),
            Operation::Create => format!("{}/Create", ns::TRANSFER),
            Operation::Delete => format!("{}/Delete", ns::TRANSFER),
            Operation::Enumerate => format!("{}/Enumerate", ns::ENUMERATION),
            Operation::Invoke(method) => format!("{}/{method}", self.resource_uri),
            Operation::Raw(action) => action.clone(),
        };
        self.envelope(&action, message_id, |w| match &self.operation {
            Operation::Get | Operation::Delete => {}
            Operation::Put | Operation::Create | Operation::Invoke(_) => {
                self.payload.write_as(&self.payload.class, &self.resource_uri, w);
            }
            Operation::Enumerate => {
                w.open("n:Enumerate").attr("xmlns:n", ns::ENUMERATION).close();
            }
            Operation::Raw(_) => {
                w.raw(&String::from_utf8_lossy(&self.raw));
            }
        })
    }

    /// The Pull that goes on with an enumeration.
    pub fn encode_pull(&self, message_id: u32, context: &str) -> Vec<u8> {
        self.envelope(&format!("{}/Pull", ns::ENUMERATION), message_id, |w| {
            w.open("n:Pull").attr("xmlns:n", ns::ENUMERATION).element("n:EnumerationContext", context);
            w.element("n:MaxElements", PULL_ELEMENTS).element("n:MaxCharacters", PULL_CHARACTERS).close();
        })
    }

    /// The Release that gives up an enumeration.
    pub fn encode_release(&self, message_id: u32, context: &str) -> Vec<u8> {
        self.envelope(&format!("{}/Release", ns::ENUMERATION), message_id, |w| {
            w.open("n:Release").attr("xmlns:n", ns::ENUMERATION).element("n:EnumerationContext", context).close();
        })
    }

    /// Whether this is more than a plain read: methods count, whatever they do.
    pub fn may_write(&self) -> bool {
        !matches!(self.operation, Operation::Get | Operation::Enumerate)
    }

    /// Whether this is an enumeration.
    pub fn is_enumeration(&self) -> bool {
        self.operation == Operation::Enumerate
    }

    fn envelope(&self, action: &str, message_id: u32, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
        Head::request(action, &self.resource_uri, &message_id.to_string(), &self.selectors).write(body)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("label", &self.label())
            .field("selectors", &self.selectors)
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.raw.zeroize();
        self.payload.properties.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::Text(text) => text.zeroize(),
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| wipe(value)),
        Value::Reference(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Envelope, Kind};

    #[test]
    fn a_method_call_is_written_byte_for_byte() {
        let request = Request::invoke("AMT_SetupAndConfigurationService", "SetMEBxPassword").arg("Password", "a&b");
        let uri = names::class_uri("AMT_SetupAndConfigurationService");
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
             <a:Action>{uri}/SetMEBxPassword</a:Action><a:To>/wsman</a:To><w:ResourceURI>{uri}</w:ResourceURI>\
             <a:MessageID>3</a:MessageID><a:ReplyTo><a:Address>{anonymous}</a:Address></a:ReplyTo>\
             <w:OperationTimeout>PT60S</w:OperationTimeout></s:Header><s:Body>\
             <h:SetMEBxPassword_INPUT xmlns:h=\"{uri}\"><h:Password>a&amp;b</h:Password></h:SetMEBxPassword_INPUT>\
             </s:Body></s:Envelope>",
            anonymous = ns::ANONYMOUS
        );
        assert_eq!(String::from_utf8(request.encode(3)).unwrap(), expected);
        assert_eq!(request.label(), "AMT_SetupAndConfigurationService.SetMEBxPassword");
    }

    #[test]
    fn every_operation_says_what_it_is() {
        let mut instance = Instance::new("AMT_TLSSettingData");
        instance.set("Enabled", true);
        let body = |request: &Request| Envelope::decode(&request.encode(1)).unwrap().body;
        for (request, action, bodies) in [
            (Request::get("AMT_X"), format!("{}/Get", ns::TRANSFER), 0),
            (Request::put(&instance), format!("{}/Put", ns::TRANSFER), 1),
            (Request::create(&instance), format!("{}/Create", ns::TRANSFER), 1),
            (Request::delete("AMT_X"), format!("{}/Delete", ns::TRANSFER), 0),
            (Request::enumerate("AMT_X"), format!("{}/Enumerate", ns::ENUMERATION), 1),
            (Request::raw("urn:x/Do", "urn:r", b"<q/>".to_vec()), "urn:x/Do".to_owned(), 1),
        ] {
            let envelope = Envelope::decode(&request.encode(1)).unwrap();
            assert_eq!((envelope.kind(), envelope.action), (Kind::Request, action));
            assert_eq!(envelope.body.len(), bodies, "{request:?}");
        }
        assert!(body(&Request::put(&instance))[0].is(&names::class_uri("AMT_TLSSettingData"), "AMT_TLSSettingData"));
        let pull = Envelope::decode(&Request::enumerate("AMT_X").encode_pull(2, "c<")).unwrap();
        assert_eq!(pull.body[0].child("EnumerationContext").unwrap().text, "c<");
        let release = Envelope::decode(&Request::enumerate("AMT_X").encode_release(2, "c")).unwrap();
        assert_eq!((release.verb(), release.body[0].name.as_str()), ("Release", "Release"));
    }

    #[test]
    fn selectors_reach_the_header() {
        let reference =
            Reference::to("AMT_PublicKeyCertificate").with("InstanceID", "Intel(r) AMT Certificate: Handle: 0");
        let request = Request::get("AMT_PublicKeyCertificate").at(&reference);
        let envelope = Envelope::decode(&request.encode(1)).unwrap();
        assert_eq!(envelope.selectors, reference.selectors);
        let request = Request::delete("AMT_RemoteAccessPolicyAppliesToMPS").selector("PolicySet", reference.clone());
        assert_eq!(Envelope::decode(&request.encode(1)).unwrap().selectors[0].value, reference.into());
    }

    #[test]
    fn debug_shows_no_argument() {
        let request = Request::invoke("AMT_X", "Set").secret_arg("Password", &"P@ssw0rd".into());
        assert!(!format!("{request:?}").contains("P@ss"));
        assert!(String::from_utf8(request.encode(1)).unwrap().contains("P@ssw0rd"));
    }
}
