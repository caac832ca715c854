//! What requests look like on the wire, for the tests of the classes.

use crate::names::class_uri;
use crate::ns;
use crate::op::Request;

/// What stands in the body of the envelope.
pub(crate) fn body(request: &Request) -> String {
    let xml = String::from_utf8(request.encode(1)).unwrap();
    let (_, body) = xml.split_once("<s:Body>").unwrap();
    body.split_once("</s:Body>").unwrap().0.to_owned()
}

/// A call of a method, around its arguments.
pub(crate) fn call(class: &str, method: &str, arguments: &str) -> String {
    format!("<h:{method}_INPUT xmlns:h=\"{}\">{arguments}</h:{method}_INPUT>", class_uri(class))
}

/// The content of an endpoint reference with one selector.
pub(crate) fn reference(class: &str, name: &str, value: &str) -> String {
    format!(
        "<a:Address>{}</a:Address><a:ReferenceParameters><w:ResourceURI>{}</w:ResourceURI><w:SelectorSet>\
         <w:Selector Name=\"{name}\">{value}</w:Selector></w:SelectorSet></a:ReferenceParameters>",
        ns::ANONYMOUS,
        class_uri(class)
    )
}
