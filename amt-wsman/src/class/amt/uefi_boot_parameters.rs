//! `UefiBootParametersArray` of `AMT_BootSettingData`: what UEFI is told about one boot (`spec/wsman.md` §3.11).
//!
//! Records of vendor (`0x8086`), type and length, little-endian, and the value. Text has no terminator.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest URL that is sent. Firmware's own limit is not public.
pub const MAX_URL: usize = 1024;

const VENDOR: u16 = 0x8086;
/// URL of the image.
const NETWORK_DEVICE_PATH: u16 = 1;
/// Whether the server's certificate is checked against the root certificates in AMT's store.
const SYNC_ROOT_CA: u16 = 20;

/// Parameters of one boot, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UefiBootParameters {
    count: u32,
    bytes: Vec<u8>,
}

impl UefiBootParameters {
    /// A boot from `url`; the server's certificate is checked against the roots that the machine has. None unless it is an
    /// `https` URL of printable characters, at most [`MAX_URL`] of them.
    pub fn https(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        if rest.is_empty() || rest.starts_with('/') || url.len() > MAX_URL || !url.bytes().all(|b| b.is_ascii_graphic())
        {
            return None;
        }
        let mut parameters = Self::default();
        parameters.push(NETWORK_DEVICE_PATH, url.as_bytes());
        parameters.push(SYNC_ROOT_CA, &[1]);
        Some(parameters)
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&VENDOR.to_le_bytes());
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// How many there are (`UefiBootNumberOfParams`).
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// As the property holds them.
    pub fn encode(&self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_the_check_of_its_server_are_written_byte_for_byte() {
        let parameters = UefiBootParameters::https("https://a/b").unwrap();
        let mut wire = b"\x86\x80\x01\x00\x0b\x00\x00\x00https://a/b".to_vec();
        wire.extend_from_slice(b"\x86\x80\x14\x00\x01\x00\x00\x00\x01");
        assert_eq!((parameters.count(), parameters.encode()), (2, STANDARD.encode(wire)));
    }

    #[test]
    fn anything_but_an_https_url_is_refused() {
        let long = format!("https://a/{}", "x".repeat(MAX_URL));
        for url in ["", "http://a/b", "https://", "https:///b", "https://a/b c", "https://ä/b", "https://a/\n", &long]
        {
            assert_eq!(UefiBootParameters::https(url), None, "{url:?}");
        }
    }
}
