//! Records of the event log: 21 bytes each, little-endian (`spec/wsman.md` §3.12).
//!
//! Numbers follow the platform event trap of IPMI, whose names these are; what has no name here keeps its number.

mod names;

use crate::codec::{DecodeError, Reader};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $table:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u8);

        impl $name {
            /// Its name, if it is known.
            pub fn name(self) -> Option<&'static str> {
                $table.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

number!(
    /// What kind of sensor saw it.
    SensorType,
    names::SENSORS
);
number!(
    /// How bad it is.
    Severity,
    names::SEVERITIES
);
number!(
    /// What part of the computer it is about.
    Entity,
    names::ENTITIES
);
number!(
    /// Which list the offset belongs to.
    EventType,
    names::EVENT_TYPES
);

impl SensorType {
    /// Somebody tried to get in.
    pub const SECURITY_VIOLATION: Self = Self(6);
    /// The firmware's progress at start, and what stopped it.
    pub const FIRMWARE_PROGRESS: Self = Self(15);
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Seconds since 1970 by the machine's clock.
    pub time: u32,
    /// Address of the device that reports.
    pub device_address: u8,
    /// What kind of sensor saw it.
    pub sensor_type: SensorType,
    /// Which list the offset belongs to.
    pub event_type: EventType,
    /// Which event of that list; the highest bit says that it is over.
    pub offset: u8,
    /// Which kind of software reports.
    pub source_type: u8,
    /// How bad it is.
    pub severity: Severity,
    /// Which sensor of its kind.
    pub sensor_number: u8,
    /// What it is about.
    pub entity: Entity,
    /// Which of these.
    pub entity_instance: u8,
    /// What is particular to the event.
    pub data: [u8; 8],
}

impl EventRecord {
    /// Length of a record.
    pub const LEN: usize = 21;

    /// Reads one record, which is all of `bytes`.
    ///
    /// # Errors
    /// `Truncated` names the field that is cut; `TooLarge` if more follows.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let record = Self {
            time: r.u32_le("event.time")?,
            device_address: r.u8("event.device_address")?,
            sensor_type: SensorType(r.u8("event.sensor_type")?),
            event_type: EventType(r.u8("event.type")?),
            offset: r.u8("event.offset")?,
            source_type: r.u8("event.source_type")?,
            severity: Severity(r.u8("event.severity")?),
            sensor_number: r.u8("event.sensor_number")?,
            entity: Entity(r.u8("event.entity")?),
            entity_instance: r.u8("event.entity_instance")?,
            data: r.array("event.data")?,
        };
        if !r.rest().is_empty() {
            return Err(DecodeError::TooLarge { field: "event", max: Self::LEN, have: bytes.len() });
        }
        Ok(record)
    }

    /// Its 21 bytes.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let [t0, t1, t2, t3] = self.time.to_le_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = self.data;
        [
            t0,
            t1,
            t2,
            t3,
            self.device_address,
            self.sensor_type.0,
            self.event_type.0,
            self.offset,
            self.source_type,
            self.severity.0,
            self.sensor_number,
            self.entity.0,
            self.entity_instance,
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
            d6,
            d7,
        ]
    }

    /// What it means, in words, where that is known; else the numbers.
    pub fn text(&self) -> String {
        names::text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of real firmware: progress of a start.
    const REAL: &[u8; 21] = b"\xd7\x57\xa9\x61\xff\x0f\x6f\x02\x68\x01\xff\x00\x00\x40\x12\x00\x00\x00\x00\x00\x00";

    #[test]
    fn a_record_of_real_firmware_reads_as_what_it_is() {
        let record = EventRecord::decode(REAL).unwrap();
        assert_eq!((record.time, record.sensor_type), (1_638_488_023, SensorType::FIRMWARE_PROGRESS));
        assert_eq!((record.severity.to_string().as_str(), record.source_type), ("monitor", 0x68));
        assert_eq!(record.text(), "start: wake-up vector of the operating system");
        assert_eq!(&record.encode(), REAL);
    }

    #[test]
    fn every_truncation_names_a_field_and_a_longer_one_is_no_record() {
        for cut in 0..REAL.len() {
            let error = EventRecord::decode(&REAL[..cut]).unwrap_err();
            assert!(matches!(error, DecodeError::Truncated { .. }) && error.field().starts_with("event."), "{cut}");
        }
        let longer = [&REAL[..], &[0]].concat();
        assert!(matches!(EventRecord::decode(&longer), Err(DecodeError::TooLarge { have: 22, .. })));
    }

    #[test]
    fn what_is_unknown_keeps_its_number() {
        let record = EventRecord::decode(&[0xee; 21]).unwrap();
        assert_eq!((record.sensor_type.to_string(), record.severity.name()), ("238".to_owned(), None));
        assert_eq!(record.text(), "sensor 238, event type 238, offset 238, data eeeeeeeeeeeeeeee");
    }

    #[test]
    fn failed_logins_are_counted() {
        let mut bytes = [0; 21];
        (bytes[5], bytes[6], bytes[13], bytes[14], bytes[15]) = (6, 0x6f, 0xaa, 0x2c, 0x01);
        assert_eq!(EventRecord::decode(&bytes).unwrap().text(), "300 failed logins");
    }

    proptest! {
        #[test]
        fn any_21_bytes_survive_and_have_a_text(bytes in any::<[u8; 21]>()) {
            let record = EventRecord::decode(&bytes).unwrap();
            prop_assert_eq!(record.encode(), bytes);
            prop_assert!(!record.text().is_empty());
        }
    }
}
