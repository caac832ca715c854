//! `AMT_RemoteAccessService` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::Error;
use crate::class::class;
use crate::op::{Reply, Request};
use crate::soap::Reference;
use amt_core::Secret;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::net::{Ipv4Addr, Ipv6Addr};

class! {
    /// Connections that the device opens by itself. One instance.
    RemoteAccessService = "AMT_RemoteAccessService" {
        /// Whether one is open.
        is_remote_tunnel_connected: Option<bool> = "IsRemoteTunnelConnected",
    }
}

/// `InfoFormat` of an address: an IPv4 address is 3, one of IPv6 4, a name 201.
pub(crate) fn info_format(address: &str) -> u32 {
    if address.parse::<Ipv4Addr>().is_ok() {
        3
    } else if address.parse::<Ipv6Addr>().is_ok() {
        4
    } else {
        201
    }
}

/// How a management presence server knows the device.
#[derive(Clone, Copy, Debug)]
enum Login<'a> {
    Certificate(&'a Reference),
    Password(&'a str, &'a Secret<String>),
}

/// A management presence server to add.
#[derive(Clone, Copy, Debug)]
pub struct MpServer<'a> {
    address: &'a str,
    port: u16,
    common_name: Option<&'a str>,
    login: Login<'a>,
}

impl<'a> MpServer<'a> {
    /// A server at an address or name that is logged in to with a user and password, 1 to 16 characters each.
    pub const fn with_password(address: &'a str, port: u16, username: &'a str, password: &'a Secret<String>) -> Self {
        Self { address, port, common_name: None, login: Login::Password(username, password) }
    }

    /// A server at an address or name that the device shows its certificate to.
    pub const fn with_certificate(address: &'a str, port: u16, certificate: &'a Reference) -> Self {
        Self { address, port, common_name: None, login: Login::Certificate(certificate) }
    }

    /// The same with the name in the server's certificate: needed where an address and no name is given.
    #[must_use]
    pub const fn common_name(mut self, name: &'a str) -> Self {
        self.common_name = Some(name);
        self
    }
}

/// What makes the device connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trigger {
    /// The user asks for it.
    User,
    /// There is an alert to deliver.
    Alert,
    /// Every so many seconds.
    Every(u32),
    /// Every day at this hour and minute.
    Daily(u32, u32),
}

impl Trigger {
    /// `Trigger`.
    pub const fn number(self) -> u32 {
        match self {
            Self::User => 0,
            Self::Alert => 1,
            Self::Every(_) | Self::Daily(..) => 2,
        }
    }

    /// `ExtendedData`: 32-bit words in the order of the network.
    pub fn extended_data(self) -> Option<String> {
        let words = match self {
            Self::User | Self::Alert => return None,
            Self::Every(seconds) => vec![0, seconds],
            Self::Daily(hour, minute) => vec![1, hour, minute],
        };
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        Some(BASE64_STANDARD.encode(bytes))
    }
}

impl RemoteAccessService {
    /// Adds a server. Not to be repeated blindly: a second call may make a second entry.
    pub fn add_mp_server(server: &MpServer<'_>) -> Request {
        let mut request = Request::invoke(Self::NAME, "AddMpServer")
            .arg("AccessInfo", server.address)
            .arg("InfoFormat", info_format(server.address))
            .arg("Port", u32::from(server.port));
        request = match server.login {
            Login::Certificate(certificate) => request.arg("AuthMethod", 1).arg("Certificate", certificate),
            Login::Password(username, password) => {
                request.arg("AuthMethod", 2).arg("Username", username).secret_arg("Password", password)
            }
        };
        match server.common_name {
            Some(name) => request.arg("CN", name),
            None => request,
        }
    }

    /// The server that [`add_mp_server`](Self::add_mp_server) made.
    pub fn mp_server(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("MpServer").cloned()
    }

    /// Adds a rule: when to connect to which servers, one or two in this order, and for how many seconds (0: for ever) a
    /// connection stays. There is one rule of a kind; a second one is a duplicate (2058).
    pub fn add_remote_access_policy_rule(trigger: Trigger, tunnel_life_time: u32, servers: &[Reference]) -> Request {
        let mut request = Request::invoke(Self::NAME, "AddRemoteAccessPolicyRule")
            .arg("Trigger", trigger.number())
            .arg("TunnelLifeTime", tunnel_life_time);
        if let Some(extended) = trigger.extended_data() {
            request = request.arg("ExtendedData", extended);
        }
        servers.iter().fold(request, |request, server| request.arg("MpServer", server))
    }

    /// The rule that [`add_remote_access_policy_rule`](Self::add_remote_access_policy_rule) made.
    pub fn policy_rule(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("PolicyRule").cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::written::{body, call, reference};

    const CLASS: &str = "AMT_RemoteAccessService";

    #[test]
    fn servers_are_written_byte_for_byte() {
        let password = Secret::from("s3cret");
        let server = MpServer::with_password("192.0.2.1", 4433, "standalone", &password).common_name("mps.example.com");
        let arguments = "<h:AccessInfo>192.0.2.1</h:AccessInfo><h:InfoFormat>3</h:InfoFormat><h:Port>4433</h:Port>\
            <h:AuthMethod>2</h:AuthMethod><h:Username>standalone</h:Username><h:Password>s3cret</h:Password>\
            <h:CN>mps.example.com</h:CN>";
        let request = RemoteAccessService::add_mp_server(&server);
        assert_eq!(body(&request), call(CLASS, "AddMpServer", arguments));
        assert!(!format!("{server:?} {request:?}").contains("s3cret"));

        let id = "Intel(r) AMT Certificate: Handle: 1";
        let certificate = Reference::to("AMT_PublicKeyCertificate").with("InstanceID", id);
        let server = MpServer::with_certificate("mps.example.com", 443, &certificate);
        let arguments = format!(
            "<h:AccessInfo>mps.example.com</h:AccessInfo><h:InfoFormat>201</h:InfoFormat><h:Port>443</h:Port>\
             <h:AuthMethod>1</h:AuthMethod><h:Certificate>{}</h:Certificate>",
            reference("AMT_PublicKeyCertificate", "InstanceID", id)
        );
        assert_eq!(body(&RemoteAccessService::add_mp_server(&server)), call(CLASS, "AddMpServer", &arguments));
        assert_eq!(info_format("2001:db8::1"), 4);
    }

    #[test]
    fn rules_are_written_byte_for_byte() {
        let name = "Intel(r) AMT:Management Presence Server 0";
        let sap = Reference::to("AMT_ManagementPresenceRemoteSAP").with("Name", name);
        let server = reference("AMT_ManagementPresenceRemoteSAP", "Name", name);
        let of = |trigger| {
            body(&RemoteAccessService::add_remote_access_policy_rule(trigger, 300, std::slice::from_ref(&sap)))
        };
        let expected = |number: u32, extended: &str| {
            let arguments = format!(
                "<h:Trigger>{number}</h:Trigger><h:TunnelLifeTime>300</h:TunnelLifeTime>{extended}\
                 <h:MpServer>{server}</h:MpServer>"
            );
            call(CLASS, "AddRemoteAccessPolicyRule", &arguments)
        };
        // The recorded rule of real firmware: every 25 seconds.
        assert_eq!(of(Trigger::Every(25)), expected(2, "<h:ExtendedData>AAAAAAAAABk=</h:ExtendedData>"));
        assert_eq!(of(Trigger::Daily(1, 2)), expected(2, "<h:ExtendedData>AAAAAQAAAAEAAAAC</h:ExtendedData>"));
        assert_eq!((of(Trigger::User), of(Trigger::Alert)), (expected(0, ""), expected(1, "")));
    }
}
