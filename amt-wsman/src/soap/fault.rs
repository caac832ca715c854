//! Faults (`spec/wsman.md` §2.4).

use super::{Envelope, Head, local};
use crate::ns;
use crate::xml::{Node, Writer};
use amt_core::status::PtStatus;

/// A SOAP fault. Codes are told by local names, since prefixes vary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `Sender`, `Receiver`, `MustUnderstand`.
    pub code: String,
    /// For example `DestinationUnreachable`, `AlreadyExists`.
    pub subcode: Option<String>,
    /// The firmware's own words.
    pub reason: String,
    /// Last part of the `FaultDetail` URI, for example `MissingValues`.
    pub detail: Option<String>,
    /// The status behind `AMT-STATUS` in the detail.
    pub status: Option<PtStatus>,
}

impl Fault {
    /// A fault with code and subcode.
    pub fn new(code: &str, subcode: &str, reason: &str) -> Self {
        Self { code: code.to_owned(), subcode: Some(subcode.to_owned()), reason: reason.to_owned(), ..Self::default() }
    }

    /// Reads a `Fault` element; what is missing stays empty.
    pub fn from_node(node: &Node) -> Self {
        let code = node.child("Code");
        let value = |node: Option<&Node>| {
            node.and_then(|node| node.child("Value"))
                .map(|value| local(&value.text).to_owned())
                .filter(|v| !v.is_empty())
        };
        let detail = node.child("Detail");
        Self {
            code: value(code).unwrap_or_default(),
            subcode: value(code.and_then(|code| code.child("Subcode"))),
            reason: node
                .child("Reason")
                .map(|reason| reason.child("Text").unwrap_or(reason).text.clone())
                .unwrap_or_default(),
            detail: detail
                .and_then(|detail| detail.child("FaultDetail"))
                .map(|node| node.text.rsplit_once('/').map_or(node.text.as_str(), |(_, last)| last).to_owned())
                .filter(|text| !text.is_empty()),
            status: detail.and_then(amt_status),
        }
    }

    /// Writes the envelope that answers `request` with this fault.
    pub fn reply(&self, request: &Envelope, message_id: &str) -> Vec<u8> {
        let (prefix, namespace) = self.subcode.as_deref().map_or(("w", ns::WSMAN), subcode_namespace);
        let action = if namespace == ns::ADDRESSING { ns::ADDRESSING_FAULT } else { ns::WSMAN_FAULT };
        Head::reply(request, action, message_id).without_resource().write(|w| {
            w.open("s:Fault").open("s:Code").element("s:Value", &format!("s:{}", self.code));
            if let Some(subcode) = &self.subcode {
                w.open("s:Subcode").open("s:Value").attr(&format!("xmlns:{prefix}"), namespace);
                w.text(&format!("{prefix}:{subcode}")).close().close();
            }
            w.close().open("s:Reason").open("s:Text").attr("xml:lang", "en-US").text(&self.reason).close().close();
            self.write_detail(w);
            w.close();
        })
    }

    fn write_detail(&self, w: &mut Writer) {
        w.open("s:Detail");
        if let Some(status) = self.status {
            w.text(&format!("AMT-STATUS {}", status.0));
        }
        if let Some(detail) = &self.detail {
            w.element("w:FaultDetail", &format!("{}{detail}", ns::FAULT_DETAIL));
        }
        w.close();
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.code)?;
        if let Some(subcode) = &self.subcode {
            write!(f, "/{subcode}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(status) = self.status {
            write!(f, ", AMT-STATUS {status}")?;
        }
        Ok(())
    }
}

/// Prefix and namespace that a subcode belongs to.
fn subcode_namespace(subcode: &str) -> (&'static str, &'static str) {
    match subcode {
        "DestinationUnreachable"
        | "EndpointUnavailable"
        | "ActionNotSupported"
        | "InvalidMessageInformationHeader"
        | "MessageInformationHeaderRequired" => ("a", ns::ADDRESSING),
        "InvalidRepresentation" => ("t", ns::TRANSFER),
        "InvalidEnumerationContext" | "InvalidExpirationTime" | "FilteringNotSupported" | "CannotProcessFilter" => {
            ("n", ns::ENUMERATION)
        }
        _ => ("w", ns::WSMAN),
    }
}

/// The number behind `AMT-STATUS` in any text of the detail.
fn amt_status(detail: &Node) -> Option<PtStatus> {
    let here = detail.text.split_once("AMT-STATUS").and_then(|(_, rest)| {
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '='));
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().ok().map(PtStatus)
    });
    here.or_else(|| detail.children.iter().find_map(amt_status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Kind;

    fn request() -> Envelope {
        Envelope::decode(&Head::request("urn:a", "urn:r", "5", &[]).write(|_| {})).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (subcode, action) in [
            ("DestinationUnreachable", ns::ADDRESSING_FAULT),
            ("AlreadyExists", ns::WSMAN_FAULT),
            ("InvalidRepresentation", ns::WSMAN_FAULT),
            ("InvalidEnumerationContext", ns::WSMAN_FAULT),
        ] {
            let mut fault = Fault::new("Sender", subcode, "no & no");
            fault.detail = Some("MissingValues".into());
            fault.status = Some(PtStatus(2057));
            let envelope = Envelope::decode(&fault.reply(&request(), "uuid:1")).unwrap();
            assert_eq!((envelope.kind(), envelope.action.as_str()), (Kind::Fault, action));
            assert_eq!(envelope.relates_to.as_deref(), Some("5"));
            assert_eq!(envelope.fault(), Some(fault));
        }
    }

    #[test]
    fn a_captured_fault_is_understood() {
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><a:Envelope xmlns:a="{}" xmlns:b="{}" xmlns:e="{}"><a:Header>
            <b:RelatesTo>4</b:RelatesTo><b:Action a:mustUnderstand="true">{}</b:Action></a:Header><a:Body><a:Fault><a:Code>
            <a:Value>a:Receiver</a:Value><a:Subcode><a:Value>e:InternalError</a:Value></a:Subcode></a:Code><a:Reason>
            <a:Text xml:lang="en-US">The service cannot comply.</a:Text></a:Reason><a:Detail>AMT-STATUS 36</a:Detail>
            </a:Fault></a:Body></a:Envelope>"#,
            ns::SOAP,
            ns::ADDRESSING,
            ns::WSMAN,
            ns::WSMAN_FAULT
        );
        let fault = Envelope::decode(text.as_bytes()).unwrap().fault().unwrap();
        assert_eq!((fault.code.as_str(), fault.subcode.as_deref()), ("Receiver", Some("InternalError")));
        assert_eq!(fault.status, Some(PtStatus::INVALID_PARAMETER));
        assert_eq!(fault.to_string(), "Receiver/InternalError, AMT-STATUS 36 (INVALID_PARAMETER)");
        assert_eq!(fault.reason, "The service cannot comply.");
    }
}
