//! Typed reading straight from the tokens of a reply, without a tree in between.

use super::{Class, Piece};
use crate::instance::Value;
use crate::soap::Envelope;
use crate::xml::{Leaf, Node, Token, Tokens};
use crate::{Error, ns};

/// Reads the instance of `T` in a reply to Get or Put, or the first one in a reply to Pull.
///
/// Errors: XML's own; a fault, if that is what the reply is; `Envelope` if there is no instance; `Property` if one is
/// missing or of another type.
pub fn decode<T: Class>(reply: &[u8]) -> Result<T, Error> {
    let mut found = None;
    walk(reply, |instance| {
        found.get_or_insert(instance);
    })?;
    found.ok_or(Error::Envelope { what: "there is no instance of the class" })
}

/// Reads all instances of `T` in a reply to Pull. Errors as [`decode`], but an empty list is none.
pub fn decode_all<T: Class>(reply: &[u8]) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    walk(reply, |instance| found.push(instance))?;
    Ok(found)
}

fn walk<T: Class>(reply: &[u8], mut found: impl FnMut(T)) -> Result<(), Error> {
    let mut tokens = Tokens::new(reply)?;
    let mut in_envelope = false;
    let mut in_body = false;
    let mut had_body = false;
    loop {
        match tokens.next()? {
            Token::Start(start) => match start.local_name().into_inner() {
                "Envelope" if !in_envelope && tokens.namespace(start.name())? == ns::SOAP => in_envelope = true,
                _ if !in_envelope => return Err(Error::Envelope { what: "the document is no SOAP 1.2 envelope" }),
                "Body" if !had_body && tokens.namespace(start.name())? == ns::SOAP => {
                    (in_body, had_body) = (true, true)
                }
                name if in_body && name == T::NAME => found(instance(&mut tokens)?),
                // The items of an enumeration are reached through these.
                "PullResponse" | "EnumerateResponse" | "Items" if in_body => {}
                "Fault" if in_body && tokens.namespace(start.name())? == ns::SOAP => return Err(fault(reply)),
                _ => tokens.skip()?,
            },
            Token::Text(_) => {}
            Token::End => in_body = in_body && tokens.depth() > 1,
            Token::Complete if had_body => return Ok(()),
            Token::Complete => return Err(Error::Envelope { what: "there is no body" }),
        }
    }
}

/// Reads the instance whose start was the last token.
fn instance<T: Class>(tokens: &mut Tokens<'_>) -> Result<T, Error> {
    let mut class = T::default();
    let mut seen = 0;
    loop {
        match tokens.next()? {
            Token::Start(property) => {
                let value = match tokens.leaf()? {
                    Leaf::Text(text) => Piece::Text(text),
                    Leaf::Parent(child) => Piece::Value(Value::from_node(&Node::rest(tokens, &child)?)),
                };
                class.absorb(property.local_name().into_inner(), value, &mut seen)?;
            }
            Token::Text(_) => {}
            Token::End | Token::Complete => break,
        }
    }
    class.check(seen)?;
    Ok(class)
}

/// The fault in a reply. Rare, so it is read again as a whole.
fn fault(reply: &[u8]) -> Error {
    match Envelope::decode(reply) {
        Ok(envelope) => match envelope.fault() {
            Some(fault) => Error::Fault(Box::new(fault)),
            None => Error::Envelope { what: "the fault has no known form" },
        },
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::class::amt::{GeneralSettings, TlsCredentialContext, TlsSettingData};
    use crate::class::cim::{BiosElement, SoftwareIdentity};
    use crate::instance::Instance;
    use crate::soap::{Fault, Head, Reference};

    const GENERAL_SETTINGS: &[u8] = include_bytes!("../../tests/data/general_settings.xml");

    fn reply(body: &str) -> Vec<u8> {
        let request = Envelope::decode(&Head::request("urn:a", "urn:r", "1", &[]).write(|_| {})).unwrap();
        Head::reply(&request, "urn:response", "uuid:1").write(|w| {
            w.raw(body);
        })
    }

    fn problem<T: Class + std::fmt::Debug>(body: &str) -> (String, &'static str) {
        match decode::<T>(&reply(body)) {
            Err(Error::Property { property, what, .. }) => (property, what),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens_and_tree_give_the_same_instance() {
        let settings: GeneralSettings = decode(GENERAL_SETTINGS).unwrap();
        assert_eq!(settings.digest_realm, "Digest:0F1E2D3C4B5A69788796A5B4C3D2E1F0");
        assert_eq!((settings.ddns_ttl, settings.shared_fqdn), (Some(900), Some(true)));
        let envelope = Envelope::decode(GENERAL_SETTINGS).unwrap();
        assert_eq!(GeneralSettings::from_instance(&Instance::from_node(&envelope.body[0])).unwrap(), settings);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let end = GENERAL_SETTINGS.trim_ascii_end().len();
        for cut in 0..end {
            assert!(decode::<GeneralSettings>(&GENERAL_SETTINGS[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn references_and_objects_are_read_whole() {
        let certificate =
            Reference::to("AMT_PublicKeyCertificate").with("InstanceID", "Intel(r) AMT Certificate: Handle: 1");
        let request = TlsCredentialContext::create(&certificate).encode(1);
        let context: TlsCredentialContext = decode(&request).unwrap();
        assert_eq!(context.certificate, certificate);
        assert_eq!(context.endpoints.class(), Some("AMT_TLSProtocolEndpointCollection"));
        let body =
            "<CIM_BIOSElement><ReleaseDate> <Datetime>2026</Datetime> </ReleaseDate><Name>b</Name></CIM_BIOSElement>";
        let bios: BiosElement = decode(&reply(body)).unwrap();
        assert_eq!(bios.release_date, Some(Value::Object(vec![("Datetime".into(), "2026".into())])));
        assert_eq!(bios.name.as_deref(), Some("b"), "what follows an object is read too");
    }

    #[test]
    fn all_items_of_a_page_are_read() {
        let item = |id| format!("<CIM_SoftwareIdentity><InstanceID>{id}</InstanceID></CIM_SoftwareIdentity>");
        let other = "<CIM_Other><InstanceID>x</InstanceID></CIM_Other>";
        let page =
            format!("<PullResponse><Items>{}{other}{}</Items><EndOfSequence/></PullResponse>", item("a"), item("b"));
        let parts: Vec<SoftwareIdentity> = decode_all(&reply(&page)).unwrap();
        assert_eq!(parts.iter().map(|part| part.instance_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(decode_all::<GeneralSettings>(&reply(&page)).unwrap(), []);
    }

    #[test]
    fn what_does_not_fit_names_the_property() {
        let tls = |inner: &str| format!("<AMT_TLSSettingData><InstanceID>x</InstanceID>{inner}</AMT_TLSSettingData>");
        let of = |inner: &str| problem::<TlsSettingData>(&tls(inner));
        assert_eq!(of(""), ("Enabled".into(), "missing"));
        assert_eq!(of("<Enabled>yes</Enabled>"), ("Enabled".into(), "no truth value"));
        assert_eq!(of("<Enabled>true</Enabled><Enabled>true</Enabled>"), ("Enabled".into(), "more than one value"));
        assert_eq!(of("<Enabled><X/></Enabled>"), ("Enabled".into(), "no text"));
        let context = "<AMT_TLSCredentialContext><ElementInContext>x</ElementInContext></AMT_TLSCredentialContext>";
        assert_eq!(problem::<TlsCredentialContext>(context), ("ElementInContext".into(), "no endpoint reference"));
        let settings: TlsSettingData =
            decode(&reply(&tls("<Enabled>1</Enabled><TrustedCN></TrustedCN><MutualAuthentication/>"))).unwrap();
        assert!(settings.enabled && settings.trusted_cn.is_empty() && settings.mutual_authentication.is_none());
    }

    #[test]
    fn faults_and_other_documents_are_errors() {
        let request = Envelope::decode(&GeneralSettings::get().encode(1)).unwrap();
        let fault = Fault::new("Sender", "AccessDenied", "no");
        let got = decode::<GeneralSettings>(&fault.reply(&request, "uuid:1"));
        assert_eq!(got, Err(Error::Fault(Box::new(fault))));
        for document in [&b"<html/>"[..], b"<Envelope/>", &reply("<AMT_Other/>"), &reply("")] {
            assert!(matches!(decode::<GeneralSettings>(document), Err(Error::Envelope { .. })));
        }
        let header = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Header><AMT_GeneralSettings/></s:Header></s:Envelope>";
        assert!(matches!(decode::<GeneralSettings>(header.as_bytes()), Err(Error::Envelope { .. })));
    }
}
