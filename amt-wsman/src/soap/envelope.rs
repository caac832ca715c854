//! Reading envelopes.

use super::{Fault, Selector, local};
use crate::xml::{self, Node};
use crate::{Error, ns};

/// Most header entries that must be understood and are not, kept for the fault that names them.
const MAX_NOT_UNDERSTOOD: usize = 16;

/// A decoded envelope: header fields as text, body as trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// Action URI; empty if there is none.
    pub action: String,
    /// Addressee.
    pub to: Option<String>,
    /// Class URI.
    pub resource_uri: Option<String>,
    /// Identity of this message.
    pub message_id: Option<String>,
    /// Identity of the message that this one answers.
    pub relates_to: Option<String>,
    /// Address to reply to; requests have one.
    pub reply_to: Option<String>,
    /// How long the sender waits, an XML duration.
    pub operation_timeout: Option<String>,
    /// Key properties of the instance that is meant.
    pub selectors: Vec<Selector>,
    /// Local names of header entries marked `mustUnderstand` that are unknown here.
    pub must_understand_unknown: Vec<String>,
    /// Children of the body.
    pub body: Vec<Node>,
}

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks.
    Request,
    /// It answers.
    Response,
    /// It refuses.
    Fault,
}

impl Envelope {
    /// Reads an envelope. Limits are those of [`xml::parse`]; errors: XML's own, and `Envelope` when it is no SOAP 1.2
    /// envelope with a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let root = xml::parse(bytes)?;
        if !root.is(ns::SOAP, "Envelope") {
            return Err(Error::Envelope { what: "the document is no SOAP 1.2 envelope" });
        }
        let mut envelope = Self::default();
        let mut body = None;
        for part in root.children {
            if part.is(ns::SOAP, "Header") {
                for entry in part.children {
                    envelope.header(entry)?;
                }
            } else if part.is(ns::SOAP, "Body") && body.is_none() {
                body = Some(part.children);
            }
        }
        envelope.body = body.ok_or(Error::Envelope { what: "there is no body" })?;
        Ok(envelope)
    }

    fn header(&mut self, entry: Node) -> Result<(), Error> {
        match (entry.namespace.as_str(), entry.name.as_str()) {
            (ns::ADDRESSING, "Action") => self.action = entry.text,
            (ns::ADDRESSING, "To") => self.to = Some(entry.text),
            (ns::ADDRESSING, "MessageID") => self.message_id = Some(entry.text),
            (ns::ADDRESSING, "RelatesTo") => self.relates_to = Some(entry.text),
            (ns::ADDRESSING, "ReplyTo") => {
                self.reply_to = Some(entry.child("Address").map(|node| node.text.clone()).unwrap_or_default());
            }
            (ns::ADDRESSING, "From" | "FaultTo") => {}
            (ns::WSMAN, "ResourceURI") => self.resource_uri = Some(entry.text),
            (ns::WSMAN, "OperationTimeout") => self.operation_timeout = Some(entry.text),
            (ns::WSMAN, "MaxEnvelopeSize" | "Locale") => {}
            (ns::WSMAN, "SelectorSet") => {
                let bad = Error::Envelope { what: "the selector set has no known form" };
                self.selectors = Selector::list_from_node(&entry).ok_or(bad)?;
            }
            _ => {
                let must = entry.attribute("mustUnderstand").is_some_and(|value| matches!(value, "true" | "1"));
                if must && self.must_understand_unknown.len() < MAX_NOT_UNDERSTOOD {
                    self.must_understand_unknown.push(entry.name);
                }
            }
        }
        Ok(())
    }

    /// What this envelope is. A request saved as a reply is known by what only requests carry.
    pub fn kind(&self) -> Kind {
        if self.fault_node().is_some() {
            Kind::Fault
        } else if self.relates_to.is_some() || self.action.ends_with("Response") {
            Kind::Response
        } else {
            Kind::Request
        }
    }

    /// The fault in the body, if it is one.
    pub fn fault(&self) -> Option<Fault> {
        self.fault_node().map(Fault::from_node)
    }

    /// Text of the selector `name`.
    pub fn selector(&self, name: &str) -> Option<&str> {
        self.selectors.iter().find(|selector| selector.name == name).and_then(|selector| selector.value.text())
    }

    /// Last segment of the action: `Get`, `PullResponse`, `GetUuid`.
    pub fn verb(&self) -> &str {
        local(self.action.rsplit_once('/').map_or(self.action.as_str(), |(_, verb)| verb))
    }

    fn fault_node(&self) -> Option<&Node> {
        self.body.iter().find(|node| node.is(ns::SOAP, "Fault"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Head, Reference};

    fn request() -> Vec<u8> {
        let inner = Reference::to("CIM_X").with("Name", "a<b>&\"c\"");
        let selectors = [Selector::new("InstanceID", " 0 "), Selector::new("Of", inner)];
        Head::request("urn:do/Get", "urn:class", "7", &selectors).write(|w| {
            w.open("h:A").attr("xmlns:h", "urn:class").close();
        })
    }

    #[test]
    fn a_request_is_read_back() {
        let envelope = Envelope::decode(&request()).unwrap();
        assert_eq!(envelope.kind(), Kind::Request);
        assert_eq!((envelope.action.as_str(), envelope.verb()), ("urn:do/Get", "Get"));
        assert_eq!(envelope.to.as_deref(), Some("/wsman"));
        assert_eq!(envelope.message_id.as_deref(), Some("7"));
        assert_eq!(envelope.reply_to.as_deref(), Some(ns::ANONYMOUS));
        assert_eq!(envelope.selector("InstanceID"), Some("0"), "selector text is trimmed");
        let inner = Reference::to("CIM_X").with("Name", "a<b>&\"c\"");
        assert_eq!(envelope.selectors[1], Selector::new("Of", inner));
        assert!(envelope.body[0].is("urn:class", "A"));
    }

    #[test]
    fn a_reply_names_its_request() {
        let request = Envelope::decode(&request()).unwrap();
        let reply = Head::reply(&request, "urn:do/GetResponse", "uuid:1").write(|_| {});
        let reply = Envelope::decode(&reply).unwrap();
        assert_eq!(reply.kind(), Kind::Response);
        assert_eq!(reply.relates_to.as_deref(), Some("7"));
        assert_eq!(reply.resource_uri.as_deref(), Some("urn:class"));
        assert!(reply.body.is_empty() && reply.must_understand_unknown.is_empty());
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        let text = String::from_utf8(request()).unwrap();
        let option = "<w:OptionSet s:mustUnderstand=\"true\"><w:Option Name=\"x\"/></w:OptionSet></s:Header>";
        let envelope = Envelope::decode(text.replace("</s:Header>", option).as_bytes()).unwrap();
        assert_eq!(envelope.must_understand_unknown, ["OptionSet"]);
        let many = option.replace("</s:Header>", "").repeat(MAX_NOT_UNDERSTOOD + 4) + "</s:Header>";
        let envelope = Envelope::decode(text.replace("</s:Header>", &many).as_bytes()).unwrap();
        assert_eq!(envelope.must_understand_unknown.len(), MAX_NOT_UNDERSTOOD);
    }

    #[test]
    fn other_documents_are_no_envelopes() {
        for document in [
            "<html><body>401</body></html>".to_owned(),
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>".to_owned(),
            format!("<s:Envelope xmlns:s='{}'><s:Header/></s:Envelope>", ns::SOAP),
        ] {
            assert!(matches!(Envelope::decode(document.as_bytes()), Err(Error::Envelope { .. })), "{document}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = request();
        for cut in 0..whole.len() {
            assert!(Envelope::decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
