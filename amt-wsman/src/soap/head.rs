//! Writing envelopes: the header, then whatever the caller puts into the body.

use super::{Envelope, Selector};
use crate::ns;
use crate::xml::Writer;

/// Header of an envelope to be written, a request's or a reply's.
///
/// The envelope declares the prefixes `s` (SOAP), `a` (addressing) and `w` (WS-Man); bodies may use them.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    action: &'a str,
    to: &'a str,
    resource_uri: Option<&'a str>,
    message_id: &'a str,
    relates_to: Option<&'a str>,
    operation_timeout: Option<&'a str>,
    selectors: &'a [Selector],
}

impl<'a> Head<'a> {
    /// A request to `/wsman`, to be answered within 60 seconds.
    pub fn request(action: &'a str, resource_uri: &'a str, message_id: &'a str, selectors: &'a [Selector]) -> Self {
        Self {
            action,
            to: "/wsman",
            resource_uri: Some(resource_uri),
            message_id,
            relates_to: None,
            operation_timeout: Some("PT60S"),
            selectors,
        }
    }

    /// The reply to `request`.
    pub fn reply(request: &'a Envelope, action: &'a str, message_id: &'a str) -> Self {
        Self {
            action,
            to: ns::ANONYMOUS,
            resource_uri: request.resource_uri.as_deref(),
            message_id,
            relates_to: Some(request.message_id.as_deref().unwrap_or_default()),
            operation_timeout: None,
            selectors: &[],
        }
    }

    /// The same without `ResourceURI`, as faults have it.
    #[must_use]
    pub fn without_resource(mut self) -> Self {
        self.resource_uri = None;
        self
    }

    /// Writes the envelope with what `body` puts into its body.
    pub fn write(&self, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut w = Writer::new();
        w.open("s:Envelope").attr("xmlns:s", ns::SOAP).attr("xmlns:a", ns::ADDRESSING).attr("xmlns:w", ns::WSMAN);
        w.open("s:Header");
        if let Some(relates_to) = self.relates_to {
            // The order of replies as firmware writes them.
            w.element("a:To", self.to).element("a:RelatesTo", relates_to);
            w.open("a:Action").attr("s:mustUnderstand", "true").text(self.action).close();
            w.element("a:MessageID", self.message_id);
            if let Some(uri) = self.resource_uri {
                w.element("w:ResourceURI", uri);
            }
        } else {
            // The order of requests that every client uses.
            w.element("a:Action", self.action).element("a:To", self.to);
            if let Some(uri) = self.resource_uri {
                w.element("w:ResourceURI", uri);
            }
            w.element("a:MessageID", self.message_id);
            w.open("a:ReplyTo").element("a:Address", ns::ANONYMOUS).close();
        }
        if let Some(timeout) = self.operation_timeout {
            w.element("w:OperationTimeout", timeout);
        }
        if !self.selectors.is_empty() {
            Selector::write_set(self.selectors, &mut w);
        }
        w.close().open("s:Body");
        body(&mut w);
        w.finish()
    }
}
