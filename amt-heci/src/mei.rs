//! The management engine interface: the firmware's clients and how one is connected to (`spec/heci.md` §1.1, §1.4, §2).

use amt_core::codec::{DecodeError, Reader};
use std::fmt;

/// A client of the firmware. One connection talks to one client; each has its own messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Client {
    /// AMT host interface, also called PTHI.
    Amthi,
    /// Local management: port forwarding to the firmware's network services.
    Lme,
    /// Watchdog and manageability commands.
    Watchdog,
    /// Kernel: versions, features.
    Mkhi,
    /// Unique platform id.
    Upid,
    /// Flash log.
    Hotham,
}

impl Client {
    /// Every client of the list.
    pub const ALL: [Self; 6] = [Self::Amthi, Self::Lme, Self::Watchdog, Self::Mkhi, Self::Upid, Self::Hotham];

    /// The client's GUID.
    pub const fn guid(self) -> Guid {
        Guid::new(match self {
            Self::Amthi => 0x12F8_0028_B4B7_4B2D_ACA8_46E0_FF65_814C,
            Self::Lme => 0x6733_A4DB_0476_4E7B_B3AF_BCFC_29BE_E7A7,
            Self::Watchdog => 0x05B7_9A6F_4628_4D7F_899D_A915_14CB_32AB,
            Self::Mkhi => 0x8E6A_6715_9ABC_4043_88EF_9E39_C6F6_3E0F,
            Self::Upid => 0x9213_6C79_5FEA_4CFD_980E_23BE_07FA_5E9F,
            Self::Hotham => 0x082E_E5A7_7C25_470A_9643_0C06_F046_6EA1,
        })
    }

    /// The client with this GUID, if it is of the list.
    pub fn of(guid: Guid) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.guid() == guid)
    }

    /// Its short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amthi => "AMTHI",
            Self::Lme => "LME",
            Self::Watchdog => "watchdog",
            Self::Mkhi => "MKHI",
            Self::Upid => "UPID",
            Self::Hotham => "HOTHAM",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A GUID as it travels: the first three groups little-endian, the rest straight.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// From its text read as one number.
    const fn new(text: u128) -> Self {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3, e4, e5] = text.to_be_bytes();
        Self([a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, e0, e1, e2, e3, e4, e5])
    }

    /// From the bytes as they travel.
    pub const fn from_wire(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes as they travel.
    pub const fn to_wire(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&amt_core::SystemId::from_wire(self.0), f)
    }
}

/// What a connection to a client is told: the answer of the connect call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Longest message that the client takes or gives. Longer ones are refused (EFBIG).
    pub max_message: usize,
    /// Version of the client's protocol.
    pub version: u8,
}

/// Longest message that a client is believed to take.
pub const MAX_MESSAGE: usize = 1 << 20;

impl Connected {
    /// Bytes of the answer: as Windows gives it. Linux overwrites the first five of its 16 (`spec/heci.md` §1.1).
    pub const SIZE: usize = 5;

    /// Reads the driver's answer; more bytes than [`SIZE`](Self::SIZE) do not matter.
    ///
    /// # Errors
    /// If it is shorter, or allows messages of no length at all, or of more than [`MAX_MESSAGE`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = reader.u32_le("mei.max_message_length")?;
        let version = reader.u8("mei.protocol_version")?;
        let field = "mei.max_message_length";
        match usize::try_from(length).unwrap_or(usize::MAX) {
            0 => Err(DecodeError::Invalid { field, offset: 0, got: 0 }),
            have if have > MAX_MESSAGE => Err(DecodeError::TooLarge { field, max: MAX_MESSAGE, have }),
            max_message => Ok(Self { max_message, version }),
        }
    }

    /// The driver's answer.
    pub fn encode(self) -> [u8; Self::SIZE] {
        let [a, b, c, d] = u32::try_from(self.max_message).unwrap_or(u32::MAX).to_le_bytes();
        [a, b, c, d, self.version]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_travel_mixed_endian() {
        let wire = [0x28, 0, 0xf8, 0x12, 0xb7, 0xb4, 0x2d, 0x4b, 0xac, 0xa8, 0x46, 0xe0, 0xff, 0x65, 0x81, 0x4c];
        assert_eq!(Client::Amthi.guid().to_wire(), wire);
        assert_eq!(format!("{:?}", Client::Amthi.guid()), "12f80028-b4b7-4b2d-aca8-46e0ff65814c");
        for client in Client::ALL {
            assert_eq!(Client::of(Guid::from_wire(client.guid().to_wire())), Some(client));
        }
        assert_eq!(Client::of(Guid::from_wire([0; 16])), None);
    }

    #[test]
    fn the_answer_to_a_connect_is_read_at_every_length() {
        let connected = Connected { max_message: 5120, version: 1 };
        let bytes = connected.encode();
        assert_eq!(bytes, [0, 0x14, 0, 0, 1]);
        assert_eq!(Connected::decode(&[bytes.as_slice(), &[0xff; 11]].concat()), Ok(connected));
        for cut in 0..bytes.len() {
            assert!(matches!(Connected::decode(&bytes[..cut]), Err(DecodeError::Truncated { .. })), "{cut}");
        }
        assert!(Connected::decode(&[0; 5]).is_err(), "no length");
        for (max_message, good) in [(MAX_MESSAGE, true), (MAX_MESSAGE + 1, false), (0xffff_ffff, false)] {
            let read = Connected::decode(&Connected { max_message, version: 1 }.encode());
            assert_eq!(read.is_ok(), good, "{max_message}");
        }
    }
}
