//! Every message of APF (`spec/heci.md` §5.1, §5.2). All integers are big-endian; a text is its 32-bit length and its bytes.

use amt_core::codec::{DecodeError, Reader};
use amt_core::{Secret, SystemId};

/// Longest text of a message: names, addresses, passwords.
pub const MAX_TEXT: usize = 1024;
/// Most data of one message.
pub const MAX_DATA: usize = 1 << 20;
/// Longest message.
pub const MAX_MESSAGE: usize = MAX_DATA + 4 * MAX_TEXT + 64;
/// Bytes of a DATA message before its data.
pub const DATA_HEADER: usize = 9;

/// Service of authentication.
pub const AUTH: &str = "auth@amt.intel.com";
/// Service of port forwarding.
pub const FORWARDING: &str = "pfwd@amt.intel.com";
/// Channel towards AMT.
pub const FORWARDED: &str = "forwarded-tcpip";
/// Channel that AMT opens outwards.
pub const DIRECT: &str = "direct-tcpip";

/// Reasons of an OPEN_FAILURE.
pub mod open_failure {
    /// Not allowed.
    pub const PROHIBITED: u32 = 1;
    /// Nobody listens there.
    pub const CONNECT_FAILED: u32 = 2;
    /// No such kind of channel.
    pub const UNKNOWN_TYPE: u32 = 3;
    /// No channel is left.
    pub const RESOURCE_SHORTAGE: u32 = 4;
}

/// Reasons of a DISCONNECT that we give.
pub mod disconnect {
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: u32 = 2;
    /// The program has ended.
    pub const BY_APPLICATION: u32 = 11;
}

/// What a GLOBAL_REQUEST asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Global {
    /// Forward connections to this address and port.
    Forward {
        /// `127.0.0.1`: local only; `0.0.0.0` or `::`: to others too.
        address: String,
        /// Port.
        port: u32,
    },
    /// Do not any more.
    CancelForward {
        /// Address.
        address: String,
        /// Port.
        port: u32,
    },
    /// Send a datagram; never answered.
    UdpSend {
        /// Where to.
        to: (String, u32),
        /// Where from.
        from: (String, u32),
        /// What.
        data: Vec<u8>,
    },
    /// Another request.
    Other {
        /// Its name.
        name: String,
        /// What follows.
        rest: Vec<u8>,
    },
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The session ends.
    Disconnect {
        /// Why.
        reason: u32,
    },
    /// Begin a service.
    ServiceRequest {
        /// [`AUTH`] or [`FORWARDING`].
        service: String,
    },
    /// It has begun.
    ServiceAccept {
        /// Which.
        service: String,
    },
    /// A log-in.
    UserAuthRequest {
        /// User.
        user: String,
        /// For which service.
        service: String,
        /// Password of the method `password`; none: the method `none`.
        password: Option<Secret<String>>,
    },
    /// It was refused.
    UserAuthFailure {
        /// Methods that can go on.
        methods: String,
    },
    /// It was accepted.
    UserAuthSuccess,
    /// A request about the session.
    GlobalRequest {
        /// Whether it is to be answered.
        want_reply: bool,
        /// What is asked for.
        request: Global,
    },
    /// It was done; with the port for a forward.
    RequestSuccess {
        /// Port of the forward.
        port: Option<u32>,
    },
    /// It was not.
    RequestFailure,
    /// Open a channel.
    ChannelOpen {
        /// [`FORWARDED`] or [`DIRECT`].
        kind: String,
        /// The opener's number for it.
        sender: u32,
        /// Bytes that may be sent to the opener.
        window: u32,
        /// Where to.
        connected: (String, u32),
        /// Where from.
        originator: (String, u32),
    },
    /// It is open.
    OpenConfirmation {
        /// The opener's number.
        recipient: u32,
        /// The other's number.
        sender: u32,
        /// Bytes that may be sent to the other.
        window: u32,
    },
    /// It is not.
    OpenFailure {
        /// The opener's number.
        recipient: u32,
        /// Why.
        reason: u32,
    },
    /// More may be sent.
    WindowAdjust {
        /// The receiver's number.
        recipient: u32,
        /// How much more.
        add: u32,
    },
    /// Data.
    Data {
        /// The receiver's number.
        recipient: u32,
        /// What.
        data: Vec<u8>,
    },
    /// The channel ends.
    Close {
        /// The receiver's number.
        recipient: u32,
    },
    /// Version of the protocol, and who speaks.
    ProtocolVersion {
        /// 1.
        major: u32,
        /// 0.
        minor: u32,
        /// Why the session began; not to be judged by.
        trigger: u32,
        /// UUID of the machine.
        id: SystemId,
    },
    /// Are you there?
    KeepAliveRequest {
        /// To be given back.
        cookie: u32,
    },
    /// Yes.
    KeepAliveReply {
        /// Of the request.
        cookie: u32,
    },
    /// How often to ask.
    KeepAliveOptionsRequest {
        /// Seconds.
        interval: u32,
        /// Seconds.
        timeout: u32,
    },
    /// How often it will be asked.
    KeepAliveOptionsReply {
        /// Seconds.
        interval: u32,
        /// Seconds.
        timeout: u32,
    },
    /// A type that is not known. Over LME it can be passed over: its end is known.
    Unknown {
        /// Its number.
        kind: u8,
    },
}

/// Type numbers.
mod kind {
    pub(super) const DISCONNECT: u8 = 1;
    pub(super) const SERVICE_REQUEST: u8 = 5;
    pub(super) const SERVICE_ACCEPT: u8 = 6;
    pub(super) const USERAUTH_REQUEST: u8 = 50;
    pub(super) const USERAUTH_FAILURE: u8 = 51;
    pub(super) const USERAUTH_SUCCESS: u8 = 52;
    pub(super) const GLOBAL_REQUEST: u8 = 80;
    pub(super) const REQUEST_SUCCESS: u8 = 81;
    pub(super) const REQUEST_FAILURE: u8 = 82;
    pub(super) const CHANNEL_OPEN: u8 = 90;
    pub(super) const OPEN_CONFIRMATION: u8 = 91;
    pub(super) const OPEN_FAILURE: u8 = 92;
    pub(super) const WINDOW_ADJUST: u8 = 93;
    pub(super) const DATA: u8 = 94;
    pub(super) const CLOSE: u8 = 97;
    pub(super) const PROTOCOLVERSION: u8 = 192;
    pub(super) const KEEPALIVE_REQUEST: u8 = 208;
    pub(super) const KEEPALIVE_REPLY: u8 = 209;
    pub(super) const KEEPALIVE_OPTIONS_REQUEST: u8 = 210;
    pub(super) const KEEPALIVE_OPTIONS_REPLY: u8 = 211;
}

const FORWARD: &str = "tcpip-forward";
const CANCEL: &str = "cancel-tcpip-forward";
const UDP: &str = "udp-send-to@amt.intel.com";
const PASSWORD: &str = "password";
const NONE: &str = "none";
/// What stands where a maximum would; no limit.
const RESERVED: u32 = u32::MAX;
const VERSION_PADDING: usize = 64;

impl Message {
    /// Reads a message that is all of `bytes`, as LME carries it.
    ///
    /// # Errors
    /// If it is cut short, too long, or a field is what the protocol forbids. An unknown type is [`Message::Unknown`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader, End::Known)?;
        match (&message, reader.rest()) {
            // One server ends USERAUTH_FAILURE with a zero too many.
            (_, []) | (Self::UserAuthFailure { .. }, [0]) => Ok(message),
            (_, rest) => {
                Err(DecodeError::TooLarge { field: "apf.message", max: bytes.len() - rest.len(), have: bytes.len() })
            }
        }
    }

    /// Reads the message at the beginning of a stream, and how long it is.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and `Unsupported` for an unknown type: where it ends is not known. `Truncated` means that more
    /// bytes are needed.
    pub fn decode_prefix(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader, End::Open)?;
        match message {
            Self::Unknown { .. } => {
                Err(DecodeError::Unsupported { field: "apf.type", offset: 0, what: "unknown message type" })
            }
            message => Ok((message, reader.offset())),
        }
    }

    fn read(reader: &mut Reader<'_>, end: End) -> Result<Self, DecodeError> {
        let kind = reader.u8("apf.type")?;
        Ok(match kind {
            kind::DISCONNECT => {
                let reason = int(reader, "apf.disconnect.reason")?;
                reader.u16_le("apf.disconnect.reserved")?;
                Self::Disconnect { reason }
            }
            kind::SERVICE_REQUEST => Self::ServiceRequest { service: text(reader, "apf.service")? },
            kind::SERVICE_ACCEPT => Self::ServiceAccept { service: text(reader, "apf.service")? },
            kind::USERAUTH_REQUEST => user_auth(reader)?,
            kind::USERAUTH_FAILURE => {
                let methods = text(reader, "apf.auth.methods")?;
                reader.u8("apf.auth.partial")?;
                Self::UserAuthFailure { methods }
            }
            kind::USERAUTH_SUCCESS => Self::UserAuthSuccess,
            kind::GLOBAL_REQUEST => global(reader, end)?,
            kind::REQUEST_SUCCESS => success(reader, end)?,
            kind::REQUEST_FAILURE => Self::RequestFailure,
            kind::CHANNEL_OPEN => {
                let kind = text(reader, "apf.open.type")?;
                let sender = int(reader, "apf.open.sender")?;
                let window = int(reader, "apf.open.window")?;
                int(reader, "apf.open.reserved")?;
                let connected = endpoint(reader, "apf.open.connected")?;
                let originator = endpoint(reader, "apf.open.originator")?;
                Self::ChannelOpen { kind, sender, window, connected, originator }
            }
            kind::OPEN_CONFIRMATION => {
                let recipient = int(reader, "apf.confirmation.recipient")?;
                let sender = int(reader, "apf.confirmation.sender")?;
                let window = int(reader, "apf.confirmation.window")?;
                int(reader, "apf.confirmation.reserved")?;
                Self::OpenConfirmation { recipient, sender, window }
            }
            kind::OPEN_FAILURE => {
                let recipient = int(reader, "apf.failure.recipient")?;
                let reason = int(reader, "apf.failure.reason")?;
                reader.bytes("apf.failure.reserved", 8)?;
                Self::OpenFailure { recipient, reason }
            }
            kind::WINDOW_ADJUST => Self::WindowAdjust {
                recipient: int(reader, "apf.adjust.recipient")?,
                add: int(reader, "apf.adjust.bytes")?,
            },
            kind::DATA => {
                let recipient = int(reader, "apf.data.recipient")?;
                Self::Data { recipient, data: data(reader, "apf.data.bytes")? }
            }
            kind::CLOSE => Self::Close { recipient: int(reader, "apf.close.recipient")? },
            kind::PROTOCOLVERSION => {
                let major = int(reader, "apf.version.major")?;
                let minor = int(reader, "apf.version.minor")?;
                let trigger = int(reader, "apf.version.trigger")?;
                let id = SystemId::from_wire(reader.array("apf.version.uuid")?);
                reader.bytes("apf.version.reserved", VERSION_PADDING)?;
                Self::ProtocolVersion { major, minor, trigger, id }
            }
            kind::KEEPALIVE_REQUEST => Self::KeepAliveRequest { cookie: int(reader, "apf.keepalive.cookie")? },
            kind::KEEPALIVE_REPLY => Self::KeepAliveReply { cookie: int(reader, "apf.keepalive.cookie")? },
            kind::KEEPALIVE_OPTIONS_REQUEST => {
                let (interval, timeout) = options(reader)?;
                Self::KeepAliveOptionsRequest { interval, timeout }
            }
            kind::KEEPALIVE_OPTIONS_REPLY => {
                let (interval, timeout) = options(reader)?;
                Self::KeepAliveOptionsReply { interval, timeout }
            }
            kind => {
                reader.bytes("apf.type", reader.rest().len())?;
                Self::Unknown { kind }
            }
        })
    }

    /// The message's bytes. Texts and data longer than the limits are cut; nobody but a caller's mistake makes them.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Disconnect { reason } => {
                out.push(kind::DISCONNECT);
                put(&mut out, &[*reason]);
                out.extend_from_slice(&[0; 2]);
            }
            Self::ServiceRequest { service } => {
                out.push(kind::SERVICE_REQUEST);
                put_text(&mut out, service);
            }
            Self::ServiceAccept { service } => {
                out.push(kind::SERVICE_ACCEPT);
                put_text(&mut out, service);
            }
            Self::UserAuthRequest { user, service, password } => {
                out.push(kind::USERAUTH_REQUEST);
                put_text(&mut out, user);
                put_text(&mut out, service);
                match password {
                    None => put_text(&mut out, NONE),
                    Some(password) => {
                        put_text(&mut out, PASSWORD);
                        out.push(0);
                        put_text(&mut out, password.expose());
                    }
                }
            }
            Self::UserAuthFailure { methods } => {
                out.push(kind::USERAUTH_FAILURE);
                put_text(&mut out, methods);
                out.push(0);
            }
            Self::UserAuthSuccess => out.push(kind::USERAUTH_SUCCESS),
            Self::GlobalRequest { want_reply, request } => put_global(&mut out, *want_reply, request),
            Self::RequestSuccess { port } => {
                out.push(kind::REQUEST_SUCCESS);
                port.iter().for_each(|port| put(&mut out, &[*port]));
            }
            Self::RequestFailure => out.push(kind::REQUEST_FAILURE),
            Self::ChannelOpen { kind, sender, window, connected, originator } => {
                out.push(kind::CHANNEL_OPEN);
                put_text(&mut out, kind);
                put(&mut out, &[*sender, *window, RESERVED]);
                put_endpoint(&mut out, connected);
                put_endpoint(&mut out, originator);
            }
            Self::OpenConfirmation { recipient, sender, window } => {
                out.push(kind::OPEN_CONFIRMATION);
                put(&mut out, &[*recipient, *sender, *window, RESERVED]);
            }
            Self::OpenFailure { recipient, reason } => {
                out.push(kind::OPEN_FAILURE);
                put(&mut out, &[*recipient, *reason, 0, 0]);
            }
            Self::WindowAdjust { recipient, add } => {
                out.push(kind::WINDOW_ADJUST);
                put(&mut out, &[*recipient, *add]);
            }
            Self::Data { recipient, data } => {
                out.reserve(DATA_HEADER + data.len());
                out.push(kind::DATA);
                put(&mut out, &[*recipient]);
                put_bytes(&mut out, data, MAX_DATA);
            }
            Self::Close { recipient } => {
                out.push(kind::CLOSE);
                put(&mut out, &[*recipient]);
            }
            Self::ProtocolVersion { major, minor, trigger, id } => {
                out.push(kind::PROTOCOLVERSION);
                put(&mut out, &[*major, *minor, *trigger]);
                out.extend_from_slice(&id.to_wire());
                out.extend_from_slice(&[0; VERSION_PADDING]);
            }
            Self::KeepAliveRequest { cookie } => {
                out.push(kind::KEEPALIVE_REQUEST);
                put(&mut out, &[*cookie]);
            }
            Self::KeepAliveReply { cookie } => {
                out.push(kind::KEEPALIVE_REPLY);
                put(&mut out, &[*cookie]);
            }
            Self::KeepAliveOptionsRequest { interval, timeout } => {
                out.push(kind::KEEPALIVE_OPTIONS_REQUEST);
                put(&mut out, &[*interval, *timeout]);
            }
            Self::KeepAliveOptionsReply { interval, timeout } => {
                out.push(kind::KEEPALIVE_OPTIONS_REPLY);
                put(&mut out, &[*interval, *timeout]);
            }
            Self::Unknown { kind } => out.push(*kind),
        }
        out
    }
}

/// Whether where a message ends is known from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Known,
    Open,
}

fn user_auth(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let user = text(reader, "apf.auth.user")?;
    let service = text(reader, "apf.auth.service")?;
    let offset = reader.offset();
    let password = match text(reader, "apf.auth.method")?.as_str() {
        NONE => None,
        PASSWORD => {
            reader.u8("apf.auth.change")?;
            Some(Secret::new(text(reader, "apf.auth.password")?))
        }
        _ => {
            let what = "neither none nor password";
            return Err(DecodeError::Unsupported { field: "apf.auth.method", offset, what });
        }
    };
    Ok(Message::UserAuthRequest { user, service, password })
}

fn global(reader: &mut Reader<'_>, end: End) -> Result<Message, DecodeError> {
    let offset = reader.offset();
    let name = text(reader, "apf.global.name")?;
    let want_reply = reader.u8("apf.global.want_reply")? != 0;
    let request = match name.as_str() {
        FORWARD => {
            let (address, port) = endpoint(reader, "apf.forward")?;
            Global::Forward { address, port }
        }
        CANCEL => {
            let (address, port) = endpoint(reader, "apf.forward")?;
            Global::CancelForward { address, port }
        }
        UDP => Global::UdpSend {
            to: endpoint(reader, "apf.udp.to")?,
            from: endpoint(reader, "apf.udp.from")?,
            data: data(reader, "apf.udp.bytes")?,
        },
        _ if end == End::Open => {
            return Err(DecodeError::Unsupported { field: "apf.global.name", offset, what: "unknown request" });
        }
        _ => {
            let length = reader.rest().len();
            Global::Other { name, rest: reader.bytes("apf.global.rest", length)?.to_vec() }
        }
    };
    Ok(Message::GlobalRequest { want_reply, request })
}

/// With a port or without: over LME its end tells; on a stream it is an answer to a forward, for that is all that is asked there.
fn success(reader: &mut Reader<'_>, end: End) -> Result<Message, DecodeError> {
    let port = match (end, reader.rest()) {
        (End::Known, []) => None,
        _ => Some(int(reader, "apf.success.port")?),
    };
    Ok(Message::RequestSuccess { port })
}

fn options(reader: &mut Reader<'_>) -> Result<(u32, u32), DecodeError> {
    Ok((int(reader, "apf.keepalive.interval")?, int(reader, "apf.keepalive.timeout")?))
}

fn int(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, DecodeError> {
    reader.array(field).map(u32::from_be_bytes)
}

fn endpoint(reader: &mut Reader<'_>, field: &'static str) -> Result<(String, u32), DecodeError> {
    Ok((text(reader, field)?, int(reader, field)?))
}

fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
    let offset = reader.offset();
    let bytes = counted(reader, field, MAX_TEXT)?;
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Unsupported { field, offset, what: "not text" })?;
    Ok(text.to_owned())
}

fn data(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, DecodeError> {
    counted(reader, field, MAX_DATA).map(<[u8]>::to_vec)
}

/// A length and that many bytes; a length beyond `max` is refused before its bytes have come.
fn counted<'a>(reader: &mut Reader<'a>, field: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
    let have = usize::try_from(int(reader, field)?).unwrap_or(usize::MAX);
    if have > max {
        return Err(DecodeError::TooLarge { field, max, have });
    }
    reader.bytes(field, have)
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes(), MAX_TEXT);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let bytes = bytes.get(..max).unwrap_or(bytes);
    put(out, &[u32::try_from(bytes.len()).unwrap_or(u32::MAX)]);
    out.extend_from_slice(bytes);
}

fn put_endpoint(out: &mut Vec<u8>, (address, port): &(String, u32)) {
    put_text(out, address);
    put(out, &[*port]);
}

fn put_global(out: &mut Vec<u8>, want_reply: bool, request: &Global) {
    let name = match request {
        Global::Forward { .. } => FORWARD,
        Global::CancelForward { .. } => CANCEL,
        Global::UdpSend { .. } => UDP,
        Global::Other { name, .. } => name,
    };
    out.push(kind::GLOBAL_REQUEST);
    put_text(out, name);
    out.push(u8::from(want_reply));
    match request {
        Global::Forward { address, port } | Global::CancelForward { address, port } => {
            put_text(out, address);
            put(out, &[*port]);
        }
        Global::UdpSend { to, from, data } => {
            put_endpoint(out, to);
            put_endpoint(out, from);
            put_bytes(out, data, MAX_DATA);
        }
        Global::Other { rest, .. } => out.extend_from_slice(rest),
    }
}

#[cfg(test)]
mod tests;
