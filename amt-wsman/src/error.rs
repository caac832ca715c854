//! What can go wrong between a request and its reply.

use crate::client::LIKELY_LOCKED;
use crate::http::HttpError;
use crate::instance::Instance;
use crate::op::ReturnValue;
use crate::soap::Fault;
use crate::xml::XmlError;
use amt_core::{DeviceStatus, ErrorCode, Failure};

/// Why there is no (good) reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The reply is not HTTP, or exceeds a limit of HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An HTTP status that has no meaning here, without SOAP.
    #[error("the device answered with HTTP status {status}")]
    HttpStatus {
        /// The status.
        status: u16,
    },
    /// A web page, or nothing, where SOAP was expected.
    #[error("the answer (HTTP status {status}) is not SOAP")]
    NotSoap {
        /// The status.
        status: u16,
    },
    /// The reply's XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML that is no envelope, or an envelope that does not answer the request.
    #[error("envelope: {what}")]
    Envelope {
        /// What is wrong.
        what: &'static str,
    },
    /// The device refused.
    #[error("the device refused: {0}")]
    Fault(Box<Fault>),
    /// A method returned something other than success.
    #[error("{method} returned {value}")]
    ReturnValue {
        /// `Class.Method`.
        method: String,
        /// What it returned.
        value: ReturnValue,
        /// The whole `Method_OUTPUT`.
        output: Box<Instance>,
    },
    /// The device did not accept user and password; or the account is locked, which firmware does not tell apart.
    #[error("wrong user or password, or the account is locked")]
    WrongOrLocked {
        /// The same credentials were accepted earlier: locked is the likelier of the two.
        worked_before: bool,
        /// Logins of this user that this client had refused in a row, this one too, none of them 20 s after the one before: from
        /// [`LIKELY_LOCKED`](crate::client::LIKELY_LOCKED) on the account is likelier locked.
        refused: u32,
    },
    /// The device asks for a login and there are no credentials.
    #[error("the device asks for user and password, and none are set")]
    LoginRequired,
    /// The device asks for a login of a kind that is not supported.
    #[error("the device offers no supported way to log in: {what}")]
    AuthUnsupported {
        /// What is missing.
        what: &'static str,
    },
    /// A connection was opened for a login by Kerberos, and there was no token.
    #[error("there is no Kerberos token for the connection")]
    TokenMissing,
    /// The token is larger than old firmware takes.
    #[error("the Kerberos token has {size} characters, and AMT before 6.0 takes {limit}")]
    TokenTooLarge {
        /// Its length in base64.
        size: usize,
        /// The firmware's limit.
        limit: usize,
    },
    /// The device did not let the owner of the ticket in.
    #[error(
        "the machine did not accept the Kerberos ticket{}{}",
        if *.offered { "" } else { ", and offers no login by Kerberos" },
        .date.as_ref().map(|date| format!("; its clock says {date}")).unwrap_or_default()
    )]
    TicketRefused {
        /// The device says that it takes tickets at all.
        offered: bool,
        /// Its clock, as the answer says.
        date: Option<String>,
    },
    /// Another realm than the recorded one: another machine. No digest was computed.
    #[error("the digest realm is {found:?} and not {expected:?}")]
    RealmMismatch {
        /// The recorded realm.
        expected: String,
        /// The realm of the device that answered.
        found: String,
    },
    /// The connection ended before any byte of the reply.
    #[error("the connection was closed before the reply")]
    Closed {
        /// The request had been handed out: the device may have carried it out.
        sent: bool,
    },
    /// The connection ended inside the reply.
    #[error("the connection was closed inside the reply")]
    Truncated,
    /// No whole reply in time.
    #[error("no reply in time")]
    Timeout,
    /// An enumeration exceeds a limit; its context was released.
    #[error("the enumeration has more than {limit} {unit}")]
    Enumeration {
        /// The limit.
        limit: usize,
        /// What it counts.
        unit: &'static str,
    },
    /// A property is missing or cannot be read as what it should be.
    #[error("{class}.{property}: {what}")]
    Property {
        /// Name of the class, or of the method's output.
        class: String,
        /// Name of the property.
        property: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Outputs were not drained before the next input.
    #[error("outputs were not drained")]
    NotDrained,
    /// A request is in flight already.
    #[error("a request is in flight")]
    Busy,
    /// An input that makes no sense in this state.
    #[error("unexpected input: {what}")]
    Unexpected {
        /// The input.
        what: &'static str,
    },
}

impl Error {
    /// The cause, in the registry.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Http(HttpError::TooLarge { .. }) | Self::Enumeration { .. } => ErrorCode::REPLY_TOO_LARGE,
            Self::Http(HttpError::Malformed { .. }) => ErrorCode::HTTP_MALFORMED,
            Self::HttpStatus { .. } => ErrorCode::HTTP_STATUS,
            Self::NotSoap { .. } => ErrorCode::NOT_SOAP,
            Self::Xml(XmlError::Malformed { .. }) => ErrorCode::XML_MALFORMED,
            Self::Xml(XmlError::Refused { .. }) => ErrorCode::XML_REFUSED,
            Self::Envelope { .. } => ErrorCode::SOAP_UNEXPECTED,
            Self::Fault(_) => ErrorCode::SOAP_FAULT,
            Self::ReturnValue { .. } => ErrorCode::RETURN_VALUE,
            Self::WrongOrLocked { .. } | Self::LoginRequired => ErrorCode::WRONG_OR_LOCKED,
            Self::AuthUnsupported { .. } => ErrorCode::AUTH_UNSUPPORTED,
            Self::TokenMissing => ErrorCode::TICKET_ABSENT,
            Self::TokenTooLarge { .. } => ErrorCode::TICKET_TOO_LARGE,
            Self::TicketRefused { .. } => ErrorCode::TICKET_REFUSED,
            Self::RealmMismatch { .. } => ErrorCode::REALM_MISMATCH,
            Self::Closed { .. } => ErrorCode::CONNECTION_CLOSED,
            Self::Truncated => ErrorCode::REPLY_TRUNCATED,
            Self::Timeout => ErrorCode::REPLY_TIMEOUT,
            Self::Property { .. } => ErrorCode::PROPERTY,
            Self::NotDrained => ErrorCode::NOT_DRAINED,
            Self::Busy => ErrorCode::BUSY,
            Self::Unexpected { .. } => ErrorCode::INVALID_ARGUMENT,
        }
    }

    /// What the device itself said, if it said anything.
    pub fn device(&self) -> Option<DeviceStatus> {
        match self {
            Self::Fault(fault) => Some(DeviceStatus::Fault {
                code: fault.code.clone(),
                subcode: fault.subcode.clone(),
                status: fault.status,
                reason: fault.reason.clone(),
            }),
            Self::ReturnValue { method, value, .. } => {
                Some(DeviceStatus::ReturnValue { method: method.clone(), value: value.value, name: value.name.clone() })
            }
            Self::HttpStatus { status } | Self::NotSoap { status } => Some(DeviceStatus::Http(*status)),
            Self::WrongOrLocked { .. } | Self::LoginRequired | Self::TicketRefused { .. } => {
                Some(DeviceStatus::Http(401))
            }
            _ => None,
        }
    }

    /// The same error as users of every language see it, at a stage of a procedure.
    pub fn failure(&self, stage: &'static str) -> Failure {
        let failure = Failure::new(self.code(), stage, self.to_string());
        let failure = match self.device() {
            Some(status) => failure.device(status),
            None => failure,
        };
        match self {
            Self::WrongOrLocked { worked_before: true, .. } => {
                failure.hint("this password worked before, so the account is likelier locked: wait some minutes")
            }
            Self::WrongOrLocked { refused, .. } if *refused >= LIKELY_LOCKED => failure.hint(format!(
                "{refused} logins were refused shortly after each other, so the account is likelier locked by now, for the right \
                 password too: wait some minutes, then try once"
            )),
            Self::WrongOrLocked { refused: 0 | 1, .. } => failure.hint(
                "this was the first try of this session, so the password is likelier wrong (locked only if somebody tried before): \
                 check user and password, and wait 20 seconds before another",
            ),
            Self::LoginRequired => failure.hint("give user and password"),
            Self::TicketRefused { offered: false, .. } => failure
                .hint("switch Kerberos on in the machine's profile ([kerberos] enabled = true), or log in by digest"),
            Self::Fault(fault) if fault.subcode.as_deref() == Some("AccessDenied") => failure
                .hint("the user's realms do not cover this: use a user that has the realm, or give it to this one"),
            _ => failure,
        }
    }

    /// The fault, if the device refused with one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Local name of the fault's subcode, for example `AlreadyExists`.
    pub fn subcode(&self) -> Option<&str> {
        self.fault()?.subcode.as_deref()
    }

    /// What the method returned, if that is the error.
    pub fn return_value(&self) -> Option<&ReturnValue> {
        match self {
            Self::ReturnValue { value, .. } => Some(value),
            _ => None,
        }
    }
}
