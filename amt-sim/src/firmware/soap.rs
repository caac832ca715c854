//! SOAP as the firmware reads and writes it (`spec/wsman.md` §2): own reading of requests, replies with the
//! single-letter prefixes of the real thing, faults.

use amt_wsman::instance::{Instance, Value};
use amt_wsman::soap::{Reference, Selector, SelectorValue};
use amt_wsman::xml::{self, Node, Writer};
use amt_wsman::{names, ns};

const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
const FAULT_DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";
/// Smallest `MaxEnvelopeSize` that firmware accepts (§1.7).
pub(crate) const MIN_ENVELOPE_SIZE: u32 = 50_000;

/// A decoded request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) resource_uri: String,
    pub(crate) message_id: String,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) body: Option<Node>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Put,
    Create,
    Delete,
    Enumerate,
    Pull,
    Release,
    Invoke(String),
    Unknown,
}

impl Request {
    /// The class, by the last part of the resource URI.
    pub(crate) fn class(&self) -> &str {
        names::class_name(&self.resource_uri).unwrap_or_default()
    }

    pub(crate) fn operation(&self) -> Operation {
        let in_space = |space: &str| self.action.strip_prefix(space)?.strip_prefix('/');
        match (in_space(ns::TRANSFER), in_space(ns::ENUMERATION)) {
            (Some("Get"), _) => Operation::Get,
            (Some("Put"), _) => Operation::Put,
            (Some("Create"), _) => Operation::Create,
            (Some("Delete"), _) => Operation::Delete,
            (_, Some("Enumerate")) => Operation::Enumerate,
            (_, Some("Pull")) => Operation::Pull,
            (_, Some("Release")) => Operation::Release,
            _ => match in_space(&self.resource_uri) {
                Some(method) if !method.is_empty() && !method.contains('/') => Operation::Invoke(method.to_owned()),
                _ => Operation::Unknown,
            },
        }
    }

    /// Whether it is meant to change something.
    pub(crate) fn is_write(&self) -> bool {
        match self.operation() {
            Operation::Put | Operation::Create | Operation::Delete => true,
            Operation::Invoke(method) => {
                !["Get", "Enumerate", "Read", "Position"].iter().any(|ask| method.starts_with(ask))
            }
            _ => false,
        }
    }

    /// `Class.Method`, as audit and fault plan know it.
    pub(crate) fn label(&self) -> String {
        let method = match self.operation() {
            Operation::Invoke(method) => method,
            other => format!("{other:?}"),
        };
        format!("{}.{method}", self.class())
    }
}

/// Reads a request. `Ok(Err(fault))` is SOAP that firmware answers with a fault; `Err(())` is not SOAP at all.
pub(crate) fn read(bytes: &[u8]) -> Result<Result<Request, Fault>, ()> {
    let root = xml::parse(bytes).map_err(|_| ())?;
    if root.name != "Envelope" || root.namespace != ns::SOAP {
        return Err(());
    }
    let body = root.child("Body").ok_or(())?.children.first().cloned();
    let none = Node::default();
    let header = root.child("Header").unwrap_or(&none);
    Ok(read_header(header).map(|request| Request { body, ..request }))
}

fn read_header(header: &Node) -> Result<Request, Fault> {
    let known = |node: &Node| match node.namespace.as_str() {
        ns::ADDRESSING => matches!(node.name.as_str(), "Action" | "To" | "MessageID" | "ReplyTo" | "FaultTo" | "From"),
        ns::WSMAN => matches!(
            node.name.as_str(),
            "ResourceURI" | "OperationTimeout" | "SelectorSet" | "MaxEnvelopeSize" | "Locale"
        ),
        _ => false,
    };
    for node in &header.children {
        let must = node.attributes.iter().any(|(name, value)| {
            name.rsplit(':').next() == Some("mustUnderstand") && matches!(value.as_str(), "true" | "1")
        });
        if must && !known(node) {
            return Err(Fault::must_understand(&node.name));
        }
    }
    let text = |space: &str, name: &str| {
        header.children.iter().find(|n| n.namespace == space && n.name == name).map(|n| n.text.clone())
    };
    let required = |space: &str, name: &str| {
        text(space, name).filter(|t| !t.is_empty()).ok_or_else(|| Fault::header_missing(name))
    };
    let action = required(ns::ADDRESSING, "Action")?;
    required(ns::ADDRESSING, "To")?;
    let message_id = required(ns::ADDRESSING, "MessageID")?;
    let resource_uri = required(ns::WSMAN, "ResourceURI").map_err(|_| Fault::destination_unreachable())?;
    if let Some(size) = text(ns::WSMAN, "MaxEnvelopeSize")
        && size.parse::<u32>().map_or(true, |size| size < MIN_ENVELOPE_SIZE)
    {
        return Err(Fault::encoding_limit());
    }
    let selectors = match header.children.iter().find(|n| n.namespace == ns::WSMAN && n.name == "SelectorSet") {
        Some(set) => read_selectors(set)?,
        None => Vec::new(),
    };
    Ok(Request { action, resource_uri, message_id, selectors, body: None })
}

fn read_selectors(set: &Node) -> Result<Vec<Selector>, Fault> {
    set.children
        .iter()
        .map(|node| {
            let name = node.attributes.iter().find(|(n, _)| n.rsplit(':').next() == Some("Name"));
            let name = name.map(|(_, v)| v.clone()).ok_or_else(Fault::invalid_selectors)?;
            let value = match node.child("EndpointReference") {
                Some(reference) => SelectorValue::Reference(Box::new(read_reference(reference)?)),
                None => SelectorValue::Text(node.text.clone()),
            };
            Ok(Selector { name, value })
        })
        .collect()
}

fn read_reference(node: &Node) -> Result<Reference, Fault> {
    let parameters = node.child("ReferenceParameters").ok_or_else(Fault::invalid_selectors)?;
    let uri = parameters.child("ResourceURI").ok_or_else(Fault::invalid_selectors)?;
    let selectors = parameters.child("SelectorSet").map_or(Ok(Vec::new()), read_selectors)?;
    let address = node.child("Address").map(|n| n.text.clone()).unwrap_or_default();
    Ok(Reference { address, resource_uri: uri.text.clone(), selectors })
}

/// A reference to an instance of ours.
pub(crate) fn reference(class: &str, selectors: &[(&str, &str)]) -> Reference {
    Reference {
        address: ANONYMOUS.to_owned(),
        resource_uri: names::class_uri(class),
        selectors: selectors
            .iter()
            .map(|(name, value)| Selector { name: (*name).to_owned(), value: SelectorValue::Text((*value).to_owned()) })
            .collect(),
    }
}

/// What a reply's body holds.
pub(crate) enum Body {
    Empty,
    Instance(Instance),
    Output { class: String, method: String, fields: Vec<(String, Value)>, value: u32 },
    Created(Reference),
    Enumerated { context: String },
    Pulled { items: Vec<Instance>, context: Option<String> },
}

/// Writes a reply to `request`. `number` counts replies, as in the message ids of real firmware.
pub(crate) fn write(request: &Request, number: u32, body: &Body) -> Vec<u8> {
    // As in real replies all prefixes are declared by the envelope: some consoles take an element with attributes for another
    // kind of value.
    let (verb, class) = match body {
        Body::Empty => (None, None),
        Body::Instance(instance) => (None, Some(instance.class.as_str())),
        Body::Output { class, .. } => (None, Some(class.as_str())),
        Body::Created(_) => (Some(ns::TRANSFER), None),
        Body::Enumerated { .. } => (Some(ns::ENUMERATION), None),
        Body::Pulled { items, .. } => (Some(ns::ENUMERATION), items.first().map(|item| item.class.as_str())),
    };
    let uri = class.map(names::class_uri);
    let mut w = envelope(&format!("{}Response", request.action), Some(request), number, verb, uri.as_deref());
    w.open("a:Body");
    match body {
        Body::Empty => {}
        Body::Instance(instance) => write_instance(&mut w, instance, class),
        Body::Output { method, fields, value, .. } => {
            w.open(format!("h:{method}_OUTPUT"));
            for (name, field) in fields {
                write_value(&mut w, name, field);
            }
            w.element("h:ReturnValue", &value.to_string());
            w.close();
        }
        Body::Created(reference) => {
            w.open("g:ResourceCreated");
            write_reference(&mut w, reference);
            w.close();
        }
        Body::Enumerated { context } => {
            w.open("g:EnumerateResponse");
            w.element("g:EnumerationContext", context);
            w.close();
        }
        Body::Pulled { items, context } => {
            w.open("g:PullResponse");
            if let Some(context) = context {
                w.element("g:EnumerationContext", context);
            }
            w.open("g:Items");
            for item in items {
                write_instance(&mut w, item, class);
            }
            w.close();
            if context.is_none() {
                w.element("g:EndOfSequence", "");
            }
            w.close();
        }
    }
    w.close();
    w.close();
    w.finish()
}

fn write_instance(w: &mut Writer, instance: &Instance, declared: Option<&str>) {
    w.open(format!("h:{}", instance.class));
    if declared != Some(&instance.class) {
        w.attr("xmlns:h", &names::class_uri(&instance.class));
    }
    for (name, value) in &instance.properties {
        write_value(w, name, value);
    }
    w.close();
}

fn write_value(w: &mut Writer, name: &str, value: &Value) {
    w.open(format!("h:{name}"));
    match value {
        Value::Text(text) => {
            w.text(text);
        }
        Value::Reference(reference) => write_reference(w, reference),
        Value::Object(members) => members.iter().for_each(|(name, value)| write_value(w, name, value)),
    }
    w.close();
}

fn write_reference(w: &mut Writer, reference: &Reference) {
    w.element("b:Address", &reference.address);
    w.open("b:ReferenceParameters");
    w.element("c:ResourceURI", &reference.resource_uri);
    w.open("c:SelectorSet");
    for selector in &reference.selectors {
        w.open("c:Selector");
        w.attr("Name", &selector.name);
        match &selector.value {
            SelectorValue::Text(text) => {
                w.text(text);
            }
            SelectorValue::Reference(inner) => {
                w.open("b:EndpointReference");
                write_reference(w, inner);
                w.close();
            }
        }
        w.close();
    }
    w.close();
    w.close();
}

fn envelope(action: &str, request: Option<&Request>, number: u32, verb: Option<&str>, class: Option<&str>) -> Writer {
    let mut w = Writer::new();
    w.open("a:Envelope");
    w.attr("xmlns:a", ns::SOAP);
    w.attr("xmlns:b", ns::ADDRESSING);
    w.attr("xmlns:c", ns::WSMAN);
    w.attr("xmlns:f", ns::CIMBINDING);
    for (prefix, uri) in [("xmlns:g", verb), ("xmlns:h", class)] {
        if let Some(uri) = uri {
            w.attr(prefix, uri);
        }
    }
    w.attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
    w.open("a:Header");
    w.element("b:To", ANONYMOUS);
    if let Some(request) = request {
        w.element("b:RelatesTo", &request.message_id);
    }
    w.open("b:Action");
    w.attr("a:mustUnderstand", "true");
    w.text(action);
    w.close();
    w.element("b:MessageID", &format!("uuid:00000000-8086-8086-8086-{number:012X}"));
    if let Some(request) = request {
        w.element("c:ResourceURI", &request.resource_uri);
    }
    w.close();
    w
}

/// A SOAP fault (§2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    code: &'static str,
    space: &'static str,
    pub(crate) subcode: &'static str,
    reason: String,
    detail: Option<Detail>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Detail {
    Kind(&'static str),
    Status(u32),
}

impl Fault {
    fn sender(space: &'static str, subcode: &'static str, reason: &str) -> Self {
        Self { code: "Sender", space, subcode, reason: reason.to_owned(), detail: None }
    }

    fn detailed(mut self, kind: &'static str) -> Self {
        self.detail = Some(Detail::Kind(kind));
        self
    }

    /// Short name for the audit: subcode and detail.
    pub(crate) fn name(&self) -> String {
        match &self.detail {
            Some(Detail::Kind(kind)) => format!("{}/{kind}", self.subcode),
            Some(Detail::Status(status)) => format!("{} AMT-STATUS {status}", self.subcode),
            None if self.subcode.is_empty() => self.code.to_owned(),
            None => self.subcode.to_owned(),
        }
    }

    pub(crate) fn destination_unreachable() -> Self {
        Self::sender(
            ns::ADDRESSING,
            "DestinationUnreachable",
            "No route can be determined to reach the destination role defined by the WS-Addressing To.",
        )
        .detailed("InvalidResourceURI")
    }

    pub(crate) fn no_instance() -> Self {
        Self { detail: None, ..Self::destination_unreachable() }
    }

    pub(crate) fn action_not_supported() -> Self {
        Self::sender(ns::ADDRESSING, "ActionNotSupported", "The action is not supported by the service.")
    }

    fn header_missing(name: &str) -> Self {
        let reason = format!("A required message information header, {name}, is not present.");
        Self::sender(ns::ADDRESSING, "MessageInformationHeaderRequired", &reason)
    }

    pub(crate) fn access_denied() -> Self {
        Self::sender(ns::WSMAN, "AccessDenied", "The sender was not authorized to access the resource.")
    }

    pub(crate) fn invalid_selectors() -> Self {
        Self::sender(ns::WSMAN, "InvalidSelectors", "The Selectors for the resource were not valid.")
    }

    pub(crate) fn missing_values() -> Self {
        Self::sender(ns::TRANSFER, "InvalidRepresentation", "The XML content was not valid.").detailed("MissingValues")
    }

    pub(crate) fn invalid_values() -> Self {
        Self::sender(ns::TRANSFER, "InvalidRepresentation", "The XML content was not valid.").detailed("InvalidValues")
    }

    pub(crate) fn already_exists() -> Self {
        Self::sender(ns::WSMAN, "AlreadyExists", "The sender attempted to create a resource which already exists.")
    }

    pub(crate) fn quota_limit() -> Self {
        Self::sender(ns::WSMAN, "QuotaLimit", "The service is busy servicing other requests.")
    }

    pub(crate) fn encoding_limit() -> Self {
        Self::sender(
            ns::WSMAN,
            "EncodingLimit",
            "An internal encoding limit was exceeded in a request or would be violated if the message were processed.",
        )
        .detailed("MinimumEnvelopeLimit")
    }

    pub(crate) fn schema() -> Self {
        Self::sender(
            ns::WSMAN,
            "SchemaValidationError",
            "The supplied SOAP violates the corresponding XML schema definition.",
        )
    }

    pub(crate) fn invalid_context() -> Self {
        Self {
            code: "Receiver",
            ..Self::sender(ns::ENUMERATION, "InvalidEnumerationContext", "The supplied enumeration context is invalid.")
        }
    }

    /// An intrinsic operation failed inside the firmware.
    pub(crate) fn status(status: u32) -> Self {
        let reason = "The service cannot comply with the request due to internal processing errors.";
        Self {
            code: "Receiver",
            detail: Some(Detail::Status(status)),
            ..Self::sender(ns::WSMAN, "InternalError", reason)
        }
    }

    fn must_understand(header: &str) -> Self {
        let reason = format!("The service does not understand the header {header}.");
        Self { code: "MustUnderstand", ..Self::sender(ns::SOAP, "", &reason) }
    }

    /// The fault as a whole envelope.
    pub(crate) fn write(&self, request: Option<&Request>, number: u32) -> Vec<u8> {
        let action = if self.space == ns::ADDRESSING || self.space == ns::SOAP {
            format!("{}/fault", ns::ADDRESSING)
        } else {
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault".to_owned()
        };
        let mut w = envelope(&action, request, number, None, None);
        w.open("a:Body");
        w.open("a:Fault");
        w.open("a:Code");
        w.element("a:Value", &format!("a:{}", self.code));
        if !self.subcode.is_empty() {
            w.open("a:Subcode");
            w.open("a:Value");
            w.attr("xmlns:s", self.space);
            w.text(&format!("s:{}", self.subcode));
            w.close();
            w.close();
        }
        w.close();
        w.open("a:Reason");
        w.open("a:Text");
        w.attr("xml:lang", "en-US");
        w.text(&self.reason);
        w.close();
        w.close();
        w.open("a:Detail");
        match &self.detail {
            Some(Detail::Kind(kind)) => {
                w.element("c:FaultDetail", &format!("{FAULT_DETAIL}{kind}"));
            }
            Some(Detail::Status(status)) => {
                w.text(&format!("AMT-STATUS {status}"));
            }
            None => {}
        }
        w.close();
        w.close();
        w.close();
        w.close();
        w.finish()
    }
}
