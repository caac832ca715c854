//! Records of the audit log: who did what, when and from where; big-endian (`spec/wsman.md` §3.12).
//!
//! Names and details are bytes, not text: nothing is lost of what firmware wrote.

mod names;

use crate::codec::{DecodeError, Reader};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initiator {
    /// A user with a password: its name.
    Digest(Vec<u8>),
    /// A user of a domain.
    Kerberos {
        /// The user's number in the domain (RID).
        user: u32,
        /// Identifier of the domain (SID), binary.
        domain: Vec<u8>,
    },
    /// The machine's own system.
    Local,
    /// The KVM's default port.
    Kvm,
}

impl Initiator {
    /// `digest`, `kerberos`, `local`, `kvm`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Digest(_) => "digest",
            Self::Kerberos { .. } => "kerberos",
            Self::Local => "local",
            Self::Kvm => "kvm",
        }
    }

    /// Name of the user: bytes that are no printable ASCII are escaped; a domain's user as `S-1-…`. None for those without one.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Digest(name) => Some(name.escape_ascii().to_string()),
            Self::Kerberos { user, domain } => Some(match sid(domain) {
                Some(sid) => format!("{sid}-{user}"),
                None => format!("{}-{user}", hex(domain)),
            }),
            Self::Local | Self::Kvm => None,
        }
    }
}

/// Name of a part of the firmware, if it is known.
pub fn application_name(application: u16) -> Option<&'static str> {
    names::application(application)
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Part of the firmware.
    pub application: u16,
    /// Event of that part.
    pub event: u16,
    /// Who.
    pub initiator: Initiator,
    /// Seconds since 1970 by the machine's clock.
    pub time: u32,
    /// What the address is: 0 IPv4, 1 IPv6, 2 none.
    pub location: u8,
    /// From where.
    pub address: Vec<u8>,
    /// What is particular to the event.
    pub extra: Vec<u8>,
}

impl AuditRecord {
    /// Reads one record, which is all of `bytes`.
    ///
    /// # Errors
    /// `Truncated` names the field that is cut, `Invalid` an initiator of unknown kind; `TooLarge` if more follows.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let application = r.u16_be("audit.application")?;
        let event = r.u16_be("audit.event")?;
        let offset = r.offset();
        let initiator = match r.u8("audit.initiator")? {
            0 => Initiator::Digest(counted(&mut r, "audit.user")?),
            1 => {
                let user = r.u32_be("audit.user_in_domain")?;
                Initiator::Kerberos { user, domain: counted(&mut r, "audit.domain")? }
            }
            2 => Initiator::Local,
            3 => Initiator::Kvm,
            other => return Err(DecodeError::Invalid { field: "audit.initiator", offset, got: other.into() }),
        };
        let time = r.u32_be("audit.time")?;
        let location = r.u8("audit.location")?;
        let address = counted(&mut r, "audit.address")?;
        let extra = counted(&mut r, "audit.extra")?;
        if !r.rest().is_empty() {
            return Err(DecodeError::TooLarge { field: "audit", max: r.offset(), have: bytes.len() });
        }
        Ok(Self { application, event, initiator, time, location, address, extra })
    }

    /// Its bytes. Names, addresses and details beyond 255 bytes are cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.application.to_be_bytes());
        out.extend_from_slice(&self.event.to_be_bytes());
        match &self.initiator {
            Initiator::Digest(name) => {
                out.push(0);
                push_counted(&mut out, name);
            }
            Initiator::Kerberos { user, domain } => {
                out.push(1);
                out.extend_from_slice(&user.to_be_bytes());
                push_counted(&mut out, domain);
            }
            Initiator::Local => out.push(2),
            Initiator::Kvm => out.push(3),
        }
        out.extend_from_slice(&self.time.to_be_bytes());
        out.push(self.location);
        push_counted(&mut out, &self.address);
        push_counted(&mut out, &self.extra);
        out
    }

    /// Name of the part, if it is known.
    pub fn application_name(&self) -> Option<&'static str> {
        application_name(self.application)
    }

    /// Name of the event, if it is known.
    pub fn event_name(&self) -> Option<&'static str> {
        names::event(self.application, self.event)
    }

    /// The address as text; none if there is none. Firmware writes it as text or in binary.
    pub fn address_text(&self) -> Option<String> {
        if self.address.is_empty() {
            return None;
        }
        let is_text = self.address.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'%'));
        if is_text {
            return Some(self.address.escape_ascii().to_string());
        }
        if let Ok(octets) = <[u8; 4]>::try_from(self.address.as_slice()) {
            return Some(Ipv4Addr::from(octets).to_string());
        }
        if let Ok(octets) = <[u8; 16]>::try_from(self.address.as_slice()) {
            return Some(Ipv6Addr::from(octets).to_string());
        }
        Some(self.address.escape_ascii().to_string())
    }
}

/// A byte that counts, and what it counts.
fn counted(r: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, DecodeError> {
    let length = r.u8(field)?;
    Ok(r.bytes(field, length.into())?.to_vec())
}

fn push_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..255).unwrap_or(bytes);
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

/// `S-1-5-21-…` of a binary security identifier.
fn sid(bytes: &[u8]) -> Option<String> {
    let mut r = Reader::new(bytes);
    let (revision, count) = (r.u8("sid").ok()?, r.u8("sid").ok()?);
    let [a, b, c, d, e, f] = r.array("sid").ok()?;
    let mut text = format!("S-{revision}-{}", u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    for _ in 0..count {
        let _ = write!(text, "-{}", r.u32_le("sid").ok()?);
    }
    r.rest().is_empty().then_some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of real firmware: an update of it, begun by its own system.
    const REAL: &[u8] = b"\x00\x13\x00\x00\x02\x3f\xf4\xcd\x6e\x02\x00\x10\x00\x0c\x00\x00\x00\x28\x05\x99\x00\x0c\x00\x00\x00\x24\x05\x94";
    const DIGEST: &[u8] =
        b"\x00\x10\x00\x02\x00\x05\x61\xff\x80\x00\x62\x65\x00\x00\x00\x00\x0b10.20.30.40\x02\xc3\x28";
    const KERBEROS: &[u8] =
        b"\x00\x11\x00\x03\x01\x00\x00\x04\x57\x0c\x01\x01\0\0\0\0\0\x05\x15\0\0\0\x65\x00\x00\x00\x00\x04\x0a\x00\x00\xfe\x00";

    #[test]
    fn a_record_of_real_firmware_reads_as_what_it_is() {
        let record = AuditRecord::decode(REAL).unwrap();
        assert_eq!(
            (record.application_name(), record.event_name()),
            (Some("firmware update"), Some("firmware updated"))
        );
        assert_eq!((&record.initiator, record.time, record.location), (&Initiator::Local, 0x3ff4_cd6e, 2));
        assert_eq!((record.address_text(), record.extra.len()), (None, 16));
        assert_eq!(record.encode(), REAL);
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let record = AuditRecord::decode(DIGEST).unwrap();
        assert_eq!(record.initiator, Initiator::Digest(b"a\xff\x80\0b".to_vec()));
        assert_eq!(record.initiator.name().as_deref(), Some(r"a\xff\x80\x00b"));
        assert_eq!((record.address_text().as_deref(), &record.extra[..]), (Some("10.20.30.40"), &b"\xc3\x28"[..]));
        assert_eq!(record.encode(), DIGEST);
    }

    #[test]
    fn a_user_of_a_domain_has_a_security_identifier() {
        let record = AuditRecord::decode(KERBEROS).unwrap();
        assert_eq!(record.initiator.name().as_deref(), Some("S-1-5-21-1111"));
        assert_eq!((record.event_name(), record.address_text().as_deref()), (Some("reset"), Some("10.0.0.254")));
        assert_eq!(record.encode(), KERBEROS);
    }

    #[test]
    fn every_truncation_of_every_kind_names_a_field() {
        for wire in [REAL, DIGEST, KERBEROS] {
            for cut in 0..wire.len() {
                let error = AuditRecord::decode(&wire[..cut]).unwrap_err();
                assert!(matches!(error, DecodeError::Truncated { .. }) && error.field().starts_with("audit."), "{cut}");
            }
            let longer = [wire, &[0]].concat();
            assert!(matches!(AuditRecord::decode(&longer), Err(DecodeError::TooLarge { .. })));
        }
    }

    #[test]
    fn an_initiator_of_unknown_kind_has_no_known_length() {
        let error = AuditRecord::decode(b"\0\x10\0\0\x09\0\0\0\0\x02\0\0").unwrap_err();
        assert_eq!(error, DecodeError::Invalid { field: "audit.initiator", offset: 4, got: 9 });
    }

    #[test]
    fn what_is_unknown_has_no_name() {
        let record = AuditRecord::decode(b"\0\xff\0\xee\x03\0\0\0\0\x02\0\0").unwrap();
        assert_eq!((record.application_name(), record.event_name(), record.initiator.name()), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(record) = AuditRecord::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
