//! What the firmware's SMBIOS tables say of the machine: the structures for system, board and chassis.

use super::STAGE;
use amt_core::{ErrorCode, Failure, SystemId};
use smbioslib::{SMBiosBaseboardInformation, SMBiosData, SMBiosString, SMBiosSystemChassisInformation};
use smbioslib::{SMBiosStruct as _, SMBiosSystemInformation};

/// Largest tables that are read; machines have some kilobytes.
pub const MAX_SMBIOS: usize = 1024 * 1024;
/// Longest text taken from the tables, in bytes.
const MAX_TEXT: usize = 200;

/// Where the UUID stands in the system structure, and where it ends; tables before SMBIOS 2.1 have none.
const UUID: (usize, usize) = (0x08, 0x18);

/// What makers leave in place of a text, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "system manufacturer",
    "system product name",
    "system serial number",
    "chassis serial number",
    "base board serial number",
    "not specified",
    "not available",
    "not applicable",
    "o.e.m.",
    "oem",
    "empty",
    "none",
    "n/a",
    "0",
    "123456789",
    "1234567890",
];

/// The machine's identity as the tables have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Smbios {
    /// The UUID, which may be blank or a placeholder.
    pub id: SystemId,
    /// Maker.
    pub maker: Option<String>,
    /// Product name.
    pub product: Option<String>,
    /// Serial number of the system, else of the chassis, else of the board.
    pub serial: Option<String>,
}

impl Smbios {
    /// Reads the structure table as Linux has it in `/sys/firmware/dmi/tables/DMI`: without entry point, first structure first.
    ///
    /// # Errors
    /// `DECODE_TOO_LARGE` beyond [`MAX_SMBIOS`]; `DECODE_INVALID` if there is no system structure; `DECODE_TRUNCATED` if it is too
    /// short for a UUID.
    pub fn decode(table: &[u8]) -> Result<Self, Failure> {
        if table.len() > MAX_SMBIOS {
            let text = format!("smbios: {} bytes, more than {MAX_SMBIOS}", table.len());
            return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, STAGE, text).hint(DAMAGED));
        }
        let data = SMBiosData::from_vec_and_version(table.to_vec(), None);
        let Some(system) = data.first::<SMBiosSystemInformation<'_>>() else {
            let text = format!("smbios.system: no such structure in {} bytes", table.len());
            return Err(Failure::new(ErrorCode::DECODE_INVALID, STAGE, text).hint(DAMAGED));
        };
        let raw = system.parts().get_field_data(UUID.0, UUID.1).and_then(|raw| <[u8; 16]>::try_from(raw).ok());
        let Some(raw) = raw else {
            let text = "smbios.system.uuid: the structure ends before it";
            return Err(Failure::new(ErrorCode::DECODE_TRUNCATED, STAGE, text).hint(DAMAGED));
        };
        let chassis = || data.first::<SMBiosSystemChassisInformation<'_>>().and_then(|c| text(&c.serial_number()));
        let board = || data.first::<SMBiosBaseboardInformation<'_>>().and_then(|b| text(&b.serial_number()));
        Ok(Self {
            // As they are: AMT says the same bytes, also where tables before 2.6 meant another order by them.
            id: SystemId::from_wire(raw),
            maker: text(&system.manufacturer()),
            product: text(&system.product_name()),
            serial: text(&system.serial_number()).or_else(chassis).or_else(board),
        })
    }

    /// Maker and product in one.
    pub fn model(&self) -> Option<String> {
        model(self.maker.clone(), self.product.clone())
    }
}

const DAMAGED: &str =
    "update the BIOS; if the tables stay like this, save them (/sys/firmware/dmi/tables/DMI) and report it";

/// Maker and product in one; a product that begins with its maker needs no second mention of it.
pub(super) fn model(maker: Option<String>, product: Option<String>) -> Option<String> {
    match (maker, product) {
        (Some(maker), Some(product)) if !product.to_lowercase().starts_with(&maker.to_lowercase()) => {
            Some(format!("{maker} {product}"))
        }
        (maker, product) => product.or(maker),
    }
}

fn text(string: &SMBiosString) -> Option<String> {
    clean(&string.to_utf8_lossy()?)
}

/// A text fit to be shown and stored; nothing where the maker had nothing to say.
pub(super) fn clean(text: &str) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let mut text = words.join(" ");
    if PLACEHOLDERS.contains(&text.to_lowercase().as_str()) {
        return None;
    }
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use amt_core::ErrorCode;

    /// The UUID as it stands in [`table`].
    pub(in crate::system) const WIRE: [u8; 16] = *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

    /// One structure: type, handle, the fields after the header, the strings.
    fn structure(kind: u8, fields: &[u8], strings: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![kind, u8::try_from(fields.len() + 4).unwrap(), kind, 0];
        bytes.extend_from_slice(fields);
        for string in strings {
            bytes.extend_from_slice(string);
            bytes.push(0);
        }
        bytes.extend_from_slice(if strings.is_empty() { &[0, 0] } else { &[0] });
        bytes
    }

    /// Tables of a machine: BIOS, system, board, chassis, end.
    pub(in crate::system) fn table(wire: [u8; 16], system: &[&[u8]], chassis_serial: &[u8]) -> Vec<u8> {
        let mut fields = vec![1, 2, 3, 4];
        fields.extend_from_slice(&wire);
        fields.extend_from_slice(&[6, 0, 0]);
        [
            structure(0, &[1, 2, 0, 0xf0, 3, 0xff], &[b"LENOVO", b"N32ET75W (1.51 )", b"12/02/2021"]),
            structure(1, &fields, system),
            structure(2, &[1, 2, 3, 4, 0], &[b"LENOVO", b"20XWCTO1WW", b"SDK0J40697", b"L1HF16B0123"]),
            structure(3, &[1, 10, 0, 2, 0, 3, 3, 3, 3], &[b"LENOVO", chassis_serial]),
            structure(127, &[], &[]),
        ]
        .concat()
    }

    fn lenovo() -> Vec<u8> {
        table(WIRE, &[b"LENOVO", b"20XWCTO1WW", b"ThinkPad X1 Carbon Gen 9", b"PF2ABCDE"], b"PF2ABCDE")
    }

    #[test]
    fn identity_is_read_in_the_order_of_the_hello() {
        let read = Smbios::decode(&lenovo()).unwrap();
        assert_eq!(read.id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(read.model().as_deref(), Some("LENOVO 20XWCTO1WW"));
        assert_eq!(read.serial.as_deref(), Some("PF2ABCDE"));
    }

    #[test]
    fn what_makers_leave_in_place_is_no_text() {
        let system: [&[u8]; 4] = [b"Dell Inc. ", b"Dell Inc. Vostro", b"x", b"To Be Filled By O.E.M."];
        let read = Smbios::decode(&table(WIRE, &system, b"  CHASSIS\x01 7 ")).unwrap();
        assert_eq!(read.model().as_deref(), Some("Dell Inc. Vostro"));
        assert_eq!(read.serial.as_deref(), Some("CHASSIS 7"));
        let read = Smbios::decode(&table(WIRE, &[b"Default string", b"System Product Name"], b"0")).unwrap();
        assert_eq!((read.model(), read.serial.as_deref()), (None, Some("L1HF16B0123")));
    }

    #[test]
    fn texts_of_any_bytes_become_short_and_printable() {
        let long = "é".repeat(3000);
        let system: [&[u8]; 4] = [b"\xff\xfe\x1b[31mred", long.as_bytes(), b"x", b"\x01\x02"];
        let read = Smbios::decode(&table(WIRE, &system, b"S")).unwrap();
        assert!(!read.maker.unwrap().chars().any(char::is_control));
        assert_eq!(read.product.unwrap().len(), MAX_TEXT);
        assert_eq!(read.serial.as_deref(), Some("S"));
    }

    #[test]
    fn tables_cut_at_every_length_are_refused_or_read_the_same() {
        let whole = lenovo();
        let good = Smbios::decode(&whole).unwrap();
        let mut refused = 0;
        for cut in 0..whole.len() {
            match Smbios::decode(&whole[..cut]) {
                Ok(read) => assert_eq!(read.id, good.id, "cut at {cut}"),
                Err(failure) => {
                    refused += 1;
                    assert_eq!(failure.code, ErrorCode::DECODE_INVALID, "cut at {cut}");
                    assert!(failure.message.starts_with("smbios.system"), "{failure}");
                }
            }
        }
        assert!(refused > 80, "without the whole system structure nothing is read: {refused}");
    }

    #[test]
    fn every_altered_byte_gives_a_value_or_an_error() {
        let whole = lenovo();
        for at in 0..whole.len() {
            for value in [0, 1, 3, 4, 127, 255, whole[at] ^ 0x80] {
                let mut other = whole.clone();
                other[at] = value;
                if let Ok(read) = Smbios::decode(&other) {
                    assert!(read.model().unwrap_or_default().len() <= 2 * MAX_TEXT + 1);
                }
            }
        }
    }

    #[test]
    fn a_structure_without_room_for_a_uuid_says_so() {
        let short = structure(1, &[1, 2, 3, 4, 9, 9], &[b"Maker", b"Model"]);
        let failure = Smbios::decode(&short).unwrap_err();
        assert_eq!(failure.code, ErrorCode::DECODE_TRUNCATED);
        assert!(failure.message.contains("uuid"));
    }

    #[test]
    fn too_much_is_refused_before_it_is_looked_at() {
        let failure = Smbios::decode(&vec![0; MAX_SMBIOS + 1]).unwrap_err();
        assert_eq!(failure.code, ErrorCode::DECODE_TOO_LARGE);
        // As many structures as fit, none of them the system's.
        let many: Vec<u8> = structure(126, &[], &[]).into_iter().cycle().take(MAX_SMBIOS).collect();
        assert_eq!(Smbios::decode(&many).unwrap_err().code, ErrorCode::DECODE_INVALID);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let _ = Smbios::decode(&bytes);
        }
    }
}
