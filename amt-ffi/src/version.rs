//! Versions of the interface and of the library.

/// Version of the binary interface that this header describes. Compare it with `amt_abi_version`: within one version things are only
/// added.
pub const AMT_ABI_VERSION: u32 = 1;

/// Major version of the library that this header belongs to.
pub const AMT_VERSION_MAJOR: u32 = 0;
/// Minor version.
pub const AMT_VERSION_MINOR: u32 = 1;
/// Patch version.
pub const AMT_VERSION_PATCH: u32 = 0;
/// The version in one number that can be compared: major × 65536 + minor × 256 + patch.
pub const AMT_VERSION_NUMBER: u32 = 256;

/// Version of the binary interface of the library that is loaded. Refuse to go on where it is not `AMT_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn amt_abi_version() -> u32 {
    AMT_ABI_VERSION
}

/// Version of the library that is loaded, in the form of `AMT_VERSION_NUMBER`.
#[unsafe(no_mangle)]
pub extern "C" fn amt_version_number() -> u32 {
    AMT_VERSION_NUMBER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_carries_the_version_of_the_package() {
        let package = [AMT_VERSION_MAJOR, AMT_VERSION_MINOR, AMT_VERSION_PATCH].map(|part| part.to_string()).join(".");
        assert_eq!(package, env!("CARGO_PKG_VERSION"));
        const { assert!(AMT_VERSION_MINOR < 256 && AMT_VERSION_PATCH < 256) };
        assert_eq!(amt_version_number(), (AMT_VERSION_MAJOR << 16) | (AMT_VERSION_MINOR << 8) | AMT_VERSION_PATCH);
    }
}
