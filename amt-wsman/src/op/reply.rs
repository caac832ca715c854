//! The answer to a whole operation.

use super::{Request, ReturnValue};
use crate::Error;
use crate::instance::{Instance, Value};
use crate::soap::{Envelope, Reference};
use crate::xml::Node;

/// Decoded answer of an operation: of an enumeration, all of its messages together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    class: String,
    method: Option<String>,
    instances: Vec<Instance>,
    output: Option<Instance>,
    created: Option<Reference>,
}

/// What one message of an enumeration added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) context: Option<String>,
    pub(crate) end: bool,
}

impl Reply {
    /// An answer to `request` with nothing in it yet.
    pub(crate) fn to(request: &Request) -> Self {
        Self { class: request.class().to_owned(), method: request.method().map(str::to_owned), ..Self::default() }
    }

    /// Reads the answer to `request` out of one envelope.
    pub fn decode(request: &Request, envelope: &Envelope) -> Result<Self, Error> {
        let mut reply = Self::to(request);
        reply.take(envelope)?;
        Ok(reply)
    }

    /// Adds what `envelope` brings. A method's `ReturnValue` other than zero is an error that carries the output.
    pub(crate) fn take(&mut self, envelope: &Envelope) -> Result<Page, Error> {
        let mut page = Page::default();
        for node in &envelope.body {
            match node.name.as_str() {
                "EnumerateResponse" | "PullResponse" => page = self.take_page(node),
                "ResourceCreated" => self.created = reference(node),
                _ => self.instances.push(Instance::from_node(node)),
            }
        }
        if let Some(method) = self.method.clone() {
            self.take_output(&method)?;
        }
        Ok(page)
    }

    fn take_page(&mut self, node: &Node) -> Page {
        // Some implementations nest the items of an optimised Enumerate in WS-Man's namespace: names suffice here.
        let items = node.all("Items").flat_map(|items| items.children.iter());
        self.instances.extend(items.map(Instance::from_node));
        let context = node.child("EnumerationContext").map(|node| node.text.clone()).filter(|text| !text.is_empty());
        Page { context, end: node.child("EndOfSequence").is_some() }
    }

    fn take_output(&mut self, method: &str) -> Result<(), Error> {
        let expected = |output: &Instance| output.class.strip_suffix("_OUTPUT").is_some_and(|name| name == method);
        let output =
            self.instances.pop().filter(expected).ok_or(Error::Envelope { what: "not the method's output" })?;
        let label = format!("{}.{method}", self.class);
        let property = |what| Error::Property { class: label.clone(), property: "ReturnValue".to_owned(), what };
        let value = output.text("ReturnValue").ok_or_else(|| property("missing"))?;
        let value = ReturnValue::of(&self.class, method, value.parse().map_err(|_| property("no number"))?);
        if !value.is_success() {
            return Err(Error::ReturnValue { method: label, value, output: output.into() });
        }
        self.output = Some(output);
        Ok(())
    }

    /// The instance that Get or Put answered with; the first of an enumeration.
    pub fn instance(&self) -> Result<&Instance, Error> {
        self.instances.first().ok_or(Error::Envelope { what: "there is no instance" })
    }

    /// All instances, in order.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The output of the method that was called.
    pub fn output(&self) -> Result<&Instance, Error> {
        self.output.as_ref().ok_or(Error::Envelope { what: "there is no method output" })
    }

    /// What the method returned.
    pub fn return_value(&self) -> Option<ReturnValue> {
        let value = self.output.as_ref()?.u32("ReturnValue")?;
        Some(ReturnValue::of(&self.class, self.method.as_deref()?, value))
    }

    /// The instance that Create made.
    pub fn created(&self) -> Option<&Reference> {
        self.created.as_ref()
    }
}

/// `ResourceCreated` is a reference itself, or holds an `EndpointReference`.
fn reference(node: &Node) -> Option<Reference> {
    Reference::from_node(node).or_else(|| match Value::from_node(node.children.first()?) {
        Value::Reference(reference) => Some(reference),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Head;
    use crate::xml::Writer;

    fn answer(request: &Request, body: impl FnOnce(&mut Writer)) -> Result<Reply, Error> {
        let asked = Envelope::decode(&request.encode(1)).unwrap();
        let bytes = Head::reply(&asked, "urn:reply", "uuid:1").write(body);
        Reply::decode(request, &Envelope::decode(&bytes).unwrap())
    }

    fn output(request: &Request, method: &str, value: Option<&str>) -> Result<Reply, Error> {
        let mut output = Instance::new(&format!("{method}_OUTPUT"));
        output.push("UUID", "AA==");
        if let Some(value) = value {
            output.push("ReturnValue", value);
        }
        answer(request, |w| output.write(w))
    }

    #[test]
    fn a_return_value_other_than_zero_is_an_error_with_the_output() {
        let request = Request::invoke("AMT_SetupAndConfigurationService", "GetUuid");
        let reply = output(&request, "GetUuid", Some("0")).unwrap();
        assert_eq!(reply.output().unwrap().text("UUID"), Some("AA=="));
        assert!(reply.return_value().unwrap().is_success() && reply.instances().is_empty());
        let Err(Error::ReturnValue { method, value, output: kept }) = output(&request, "GetUuid", Some("16")) else {
            panic!("no error");
        };
        assert_eq!(method, "AMT_SetupAndConfigurationService.GetUuid");
        assert_eq!((value.value, value.name.as_ref()), (16, "NOT_PERMITTED"));
        assert_eq!(kept.text("UUID"), Some("AA=="));
    }

    #[test]
    fn an_output_without_a_readable_return_value_is_no_success() {
        let request = Request::invoke("AMT_X", "Do");
        for (value, what) in [(None, "missing"), (Some("zero"), "no number"), (Some("-1"), "no number")] {
            match output(&request, "Do", value) {
                Err(Error::Property { property, what: got, .. }) => {
                    assert_eq!((property.as_str(), got), ("ReturnValue", what))
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(output(&request, "Other", Some("0")), Err(Error::Envelope { .. })));
        assert!(matches!(answer(&request, |_| {}), Err(Error::Envelope { .. })));
    }

    #[test]
    fn the_created_instance_is_named_in_either_form() {
        let made = Reference::to("AMT_TLSCredentialContext").with("Name", "x");
        let request = Request::create(&Instance::new("AMT_TLSCredentialContext"));
        for wrapped in [false, true] {
            let reply = answer(&request, |w| {
                w.open("t:ResourceCreated").attr("xmlns:t", crate::ns::TRANSFER);
                if wrapped {
                    w.open("a:EndpointReference");
                }
                made.write(w);
            });
            assert_eq!(reply.unwrap().created(), Some(&made));
        }
    }

    #[test]
    fn an_instance_that_is_missing_is_an_error() {
        let reply = answer(&Request::get("AMT_X"), |_| {}).unwrap();
        assert!(reply.instance().is_err() && reply.output().is_err() && reply.created().is_none());
    }
}
