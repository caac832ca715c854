//! The beginning of redirection, ports 16994 and 16995: which session a console asks for, whether it gets it, and the login after that.
//!
//! A console asks for one kind of session before it logs in, and the firmware answers at once whether that kind is free. Nothing
//! of the session itself is here. Layout and numbers: MeshCommander `amt-redir-ws`, amtterm `redir.c`, Intel's SDK constants
//! (`RedirectionConstants.h`); that "busy" is 2 has one source.

use crate::codec::{DecodeError, Reader};
use std::fmt;

/// Port without TLS.
pub const PLAIN_PORT: u16 = 16_994;
/// Port with TLS.
pub const TLS_PORT: u16 = 16_995;
/// Target of the digest of a login.
pub const LOGIN_URI: &str = "/RedirectionService";
/// Most bytes of a login message: a Kerberos ticket is the largest thing in one.
pub const MAX_LOGIN: usize = 8 * 1024;

const START: u8 = 0x10;
const START_REPLY: u8 = 0x11;
const END: u8 = 0x12;
const LOGIN: u8 = 0x13;
const LOGIN_REPLY: u8 = 0x14;

/// What is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionKind {
    /// Serial over LAN.
    Serial,
    /// Remote drives: IDE-R, from AMT 11 on USB-R.
    Drives,
    /// The screen, KVM.
    Screen,
}

impl SessionKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Serial, Self::Drives, Self::Screen];

    /// `serial`, `drives`, `screen`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Drives => "drives",
            Self::Screen => "screen",
        }
    }

    /// Its four characters on the wire.
    pub const fn tag(self) -> [u8; 4] {
        match self {
            Self::Serial => *b"SOL ",
            Self::Drives => *b"IDER",
            Self::Screen => *b"KVMR",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// `StartRedirectionSession`: a console asks for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartSession {
    /// Four characters; [`kind`](Self::kind) names those that are known.
    pub tag: [u8; 4],
}

impl StartSession {
    /// Bytes on the wire.
    pub const LEN: usize = 1 /* type = 0x10 */ + 3 /* reserved; MeshCommander sends 1 in the first for KVM */ + 4 /* tag */;

    /// Asks for `kind`.
    pub const fn new(kind: SessionKind) -> Self {
        Self { tag: kind.tag() }
    }

    /// What is asked for; none for what is unknown.
    pub fn kind(&self) -> Option<SessionKind> {
        SessionKind::ALL.iter().copied().find(|kind| kind.tag() == self.tag)
    }

    /// The message.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.tag;
        let first = u8::from(self.tag == SessionKind::Screen.tag());
        [START, first, 0, 0, a, b, c, d]
    }

    /// Reads the message.
    ///
    /// # Errors
    /// `redirection.type` if it is another one, `Truncated` if it is not whole yet.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        tag(reader, START)?;
        reader.bytes("redirection.reserved", 3)?;
        Ok(Self { tag: reader.array("redirection.session")? })
    }
}

/// What firmware says to a console that asks for a session. Open: unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionStatus(pub u8);

impl SessionStatus {
    /// The session is there, and a login is awaited.
    pub const GRANTED: Self = Self(0);
    /// The firmware knows no such session.
    pub const UNKNOWN_TYPE: Self = Self(1);
    /// Somebody has this session.
    pub const BUSY: Self = Self(2);
    /// The firmware does not offer it: it is switched off.
    pub const UNSUPPORTED: Self = Self(3);
    /// Anything else.
    pub const ERROR: Self = Self(0xff);
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::GRANTED => f.write_str("granted"),
            Self::UNKNOWN_TYPE => f.write_str("session type unknown"),
            Self::BUSY => f.write_str("busy"),
            Self::UNSUPPORTED => f.write_str("unsupported"),
            Self::ERROR => f.write_str("error"),
            Self(other) => write!(f, "status {other}"),
        }
    }
}

/// `StartRedirectionSessionReply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAnswer {
    /// Whether the console gets it.
    pub status: SessionStatus,
    /// What a firmware that grants it says of itself.
    pub granted: Option<Granted>,
}

/// The rest of an answer that grants a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Version of the protocol.
    pub protocol: (u8, u8),
    /// Version of the firmware's session manager.
    pub manager: (u8, u8),
    /// IANA enterprise number of the maker; Intel is 343.
    pub oem: u32,
    /// The maker's own words.
    pub oem_data: Vec<u8>,
}

impl SessionAnswer {
    /// Bytes of a refusal, and of the beginning of what grants.
    pub const HEAD: usize = 1 /* type = 0x11 */ + 1 /* status */ + 2 /* reserved */;
    /// Most bytes that it has.
    pub const MAX_LEN: usize = Self::HEAD + 2 /* protocol */ + 2 /* manager */ + 4 /* oem, LE */ + 1 /* length */ + 255;

    /// Refuses.
    pub const fn refused(status: SessionStatus) -> Self {
        Self { status, granted: None }
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![START_REPLY, self.status.0, 0, 0];
        if let Some(granted) = &self.granted {
            out.extend([granted.protocol.0, granted.protocol.1, granted.manager.0, granted.manager.1]);
            out.extend(granted.oem.to_le_bytes());
            let length = u8::try_from(granted.oem_data.len()).unwrap_or(u8::MAX);
            out.push(length);
            out.extend(granted.oem_data.iter().take(usize::from(length)));
        }
        out
    }

    /// Reads the message. Behind a refusal firmware may send as many bytes as behind a grant, or none: they say nothing, and are left.
    ///
    /// # Errors
    /// `redirection.type` if it is another one, `Truncated` if it is not whole yet.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        tag(reader, START_REPLY)?;
        let status = SessionStatus(reader.u8("redirection.status")?);
        reader.bytes("redirection.reserved", 2)?;
        if status != SessionStatus::GRANTED {
            return Ok(Self::refused(status));
        }
        let [major, minor] = reader.array("redirection.protocol")?;
        let [manager_major, manager_minor] = reader.array("redirection.manager")?;
        let oem = reader.u32_le("redirection.oem")?;
        let length = reader.u8("redirection.oem_length")?;
        let oem_data = reader.bytes("redirection.oem_data", usize::from(length))?.to_vec();
        let granted = Granted { protocol: (major, minor), manager: (manager_major, manager_minor), oem, oem_data };
        Ok(Self { status, granted: Some(granted) })
    }
}

/// Ways to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoginMethod(pub u8);

impl LoginMethod {
    /// Which ways there are.
    pub const QUERY: Self = Self(0);
    /// User and password in the clear.
    pub const BASIC: Self = Self(1);
    /// Kerberos.
    pub const KERBEROS: Self = Self(2);
    /// Digest without a client's nonce.
    pub const BAD_DIGEST: Self = Self(3);
    /// Digest.
    pub const DIGEST: Self = Self(4);
}

/// `AuthenticateSession`, and with [`is_reply`](Self::is_reply) the firmware's answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginMessage {
    /// From the firmware.
    pub is_reply: bool,
    /// Of a reply: 0 done, 1 refused, or, with a digest's challenge, not yet.
    pub status: u8,
    /// Way to log in.
    pub method: LoginMethod,
    /// What the method says; see [`fields`](Self::fields).
    pub data: Vec<u8>,
}

impl LoginMessage {
    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![if self.is_reply { LOGIN_REPLY } else { LOGIN }, self.status, 0, 0, self.method.0];
        let length = self.data.len().min(MAX_LOGIN);
        out.extend(u32::try_from(length).unwrap_or_default().to_le_bytes());
        out.extend(self.data.iter().take(length));
        out
    }

    /// Reads the message.
    ///
    /// # Errors
    /// `redirection.type` if it is another one, `TooLarge` above [`MAX_LOGIN`], `Truncated` if it is not whole yet.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        let is_reply = match reader.u8("redirection.type")? {
            LOGIN => false,
            LOGIN_REPLY => true,
            got => return Err(DecodeError::Invalid { field: "redirection.type", offset, got: got.into() }),
        };
        let status = reader.u8("redirection.status")?;
        reader.bytes("redirection.reserved", 2)?;
        let method = LoginMethod(reader.u8("redirection.method")?);
        let length = usize::try_from(reader.u32_le("redirection.length")?).unwrap_or(usize::MAX);
        if length > MAX_LOGIN {
            return Err(DecodeError::TooLarge { field: "redirection.login", max: MAX_LOGIN, have: length });
        }
        let data = reader.bytes("redirection.login", length)?.to_vec();
        Ok(Self { is_reply, status, method, data })
    }

    /// The fields of [`data`](Self::data), each behind a byte with its length, as basic and digest have them.
    ///
    /// # Errors
    /// `Truncated` if the last one is longer than what is left.
    pub fn fields(&self) -> Result<Vec<&[u8]>, DecodeError> {
        let mut reader = Reader::new(&self.data);
        let mut fields = Vec::new();
        while !reader.rest().is_empty() {
            let length = usize::from(reader.u8("redirection.field_length")?);
            fields.push(reader.bytes("redirection.field", length)?);
        }
        Ok(fields)
    }
}

/// What a console says, read without knowing what comes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleMessage {
    /// It asks for a session.
    Start(StartSession),
    /// It logs in.
    Login(LoginMessage),
    /// It ends its session.
    End,
}

impl ConsoleMessage {
    /// Reads one message.
    ///
    /// # Errors
    /// `redirection.type` for any other message, `Truncated` if it is not whole yet.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.rest().first() {
            Some(&START) => StartSession::decode(reader).map(Self::Start),
            Some(&END) => reader.bytes("redirection.end", 4).map(|_| Self::End),
            Some(&LOGIN_REPLY) => Err(DecodeError::Invalid {
                field: "redirection.type",
                offset: reader.offset(),
                got: LOGIN_REPLY.into(),
            }),
            _ => LoginMessage::decode(reader).map(Self::Login),
        }
    }
}

fn tag(reader: &mut Reader<'_>, expected: u8) -> Result<(), DecodeError> {
    let offset = reader.offset();
    match reader.u8("redirection.type")? {
        got if got == expected => Ok(()),
        got => Err(DecodeError::Invalid { field: "redirection.type", offset, got: got.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What MeshCommander sends, and the answer of Intel's SDK (`Redirection.c`).
    const SERIAL: &[u8] = &[0x10, 0, 0, 0, 0x53, 0x4f, 0x4c, 0x20];
    const SCREEN: &[u8] = &[0x10, 1, 0, 0, 0x4b, 0x56, 0x4d, 0x52];
    const DRIVES: &[u8] = &[0x10, 0, 0, 0, 0x49, 0x44, 0x45, 0x52];
    const GRANTED: &[u8] = &[0x11, 0, 0, 0, 1, 0, 2, 0, 0x57, 1, 0, 0, 3, b'o', b'e', b'm'];
    const QUERY: &[u8] = &[0x13, 0, 0, 0, 0, 0, 0, 0, 0];
    const METHODS: &[u8] = &[0x14, 0, 0, 0, 0, 2, 0, 0, 0, 3, 4];

    #[test]
    fn sessions_are_asked_for_as_consoles_do() {
        for (kind, wire) in
            [(SessionKind::Serial, SERIAL), (SessionKind::Screen, SCREEN), (SessionKind::Drives, DRIVES)]
        {
            assert_eq!(StartSession::new(kind).encode(), wire);
            let read = StartSession::decode(&mut Reader::new(wire)).unwrap();
            assert_eq!((read.kind(), SessionKind::from_name(kind.name())), (Some(kind), Some(kind)));
        }
        let strange = StartSession::decode(&mut Reader::new(b"\x10\0\0\0WHAT")).unwrap();
        assert_eq!((strange.kind(), strange.tag), (None, *b"WHAT"));
    }

    #[test]
    fn an_answer_grants_with_the_firmwares_words_or_refuses_with_a_number() {
        let answer = SessionAnswer::decode(&mut Reader::new(GRANTED)).unwrap();
        let granted = answer.granted.clone().unwrap();
        assert_eq!((granted.protocol, granted.manager, granted.oem), ((1, 0), (2, 0), 343));
        assert_eq!((granted.oem_data.as_slice(), answer.encode().as_slice()), (&b"oem"[..], GRANTED));
        for (number, text) in
            [(1, "session type unknown"), (2, "busy"), (3, "unsupported"), (255, "error"), (9, "status 9")]
        {
            let wire = [0x11, number, 0, 0];
            let refused = SessionAnswer::decode(&mut Reader::new(&wire)).unwrap();
            assert_eq!((refused.status.to_string().as_str(), refused.encode().as_slice()), (text, &wire[..]));
            assert_eq!(refused.granted, None);
        }
    }

    #[test]
    fn logins_are_read_both_ways() {
        let query = LoginMessage::decode(&mut Reader::new(QUERY)).unwrap();
        assert_eq!((query.is_reply, query.method, query.data.len()), (false, LoginMethod::QUERY, 0));
        assert_eq!(ConsoleMessage::decode(&mut Reader::new(QUERY)), Ok(ConsoleMessage::Login(query.clone())));
        assert_eq!(query.encode(), QUERY);
        let methods = LoginMessage::decode(&mut Reader::new(METHODS)).unwrap();
        assert_eq!(
            (methods.is_reply, methods.data.as_slice(), methods.encode().as_slice()),
            (true, &[3, 4][..], METHODS)
        );
        let digest =
            LoginMessage { is_reply: false, status: 0, method: LoginMethod::DIGEST, data: b"\x02ab\0\x01c".to_vec() };
        assert_eq!(digest.fields().unwrap(), [&b"ab"[..], b"", b"c"]);
        let cut = LoginMessage { data: b"\x02a".to_vec(), ..digest };
        assert_eq!(cut.fields().unwrap_err().field(), "redirection.field");
    }

    #[test]
    fn every_truncation_names_a_field() {
        let short = |error: DecodeError, cut: usize| {
            assert!(
                matches!(error, DecodeError::Truncated { .. }) && error.field().starts_with("redirection."),
                "{cut}: {error}"
            );
        };
        for wire in [SERIAL, SCREEN, DRIVES] {
            for cut in 0..wire.len() {
                short(StartSession::decode(&mut Reader::new(&wire[..cut])).unwrap_err(), cut);
                short(ConsoleMessage::decode(&mut Reader::new(&wire[..cut])).unwrap_err(), cut);
            }
        }
        for cut in 0..GRANTED.len() {
            short(SessionAnswer::decode(&mut Reader::new(&GRANTED[..cut])).unwrap_err(), cut);
        }
        for cut in 0..METHODS.len() {
            short(LoginMessage::decode(&mut Reader::new(&METHODS[..cut])).unwrap_err(), cut);
        }
    }

    #[test]
    fn strangers_and_lengths_out_of_reason_are_refused() {
        let error = SessionAnswer::decode(&mut Reader::new(b"HTTP/1.1 400")).unwrap_err();
        assert_eq!(error, DecodeError::Invalid { field: "redirection.type", offset: 0, got: 0x48 });
        let huge = [0x13, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff];
        let error = LoginMessage::decode(&mut Reader::new(&huge)).unwrap_err();
        assert!(matches!(error, DecodeError::TooLarge { max: MAX_LOGIN, .. }), "{error}");
        assert!(ConsoleMessage::decode(&mut Reader::new(METHODS)).is_err(), "a reply is nothing that a console says");
    }
}
