//! OpenSSL begun without its configuration file: what a machine is offered is the profile's choice, not that of a file on this computer.
#![allow(unsafe_code)]

use std::sync::Once;

/// `OPENSSL_INIT_NO_LOAD_CONFIG` (OpenSSL's `crypto.h`), for which the binding has no name.
const NO_LOAD_CONFIG: u64 = 0x80;

/// Begins once; to be called before anything else of OpenSSL's.
pub(in crate::tls) fn prepare() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        let options = NO_LOAD_CONFIG | openssl_sys::OPENSSL_INIT_NO_ATEXIT;
        // SAFETY: may be called at any time from any thread; the settings pointer may be null (OPENSSL_init_ssl(3)).
        unsafe {
            openssl_sys::OPENSSL_init_ssl(options, std::ptr::null());
        }
        #[cfg(feature = "weak-ciphers")]
        load_rc4();
    });
}

/// RC4 is in OpenSSL's provider of old algorithms, which stays loaded for as long as the process runs.
#[cfg(feature = "weak-ciphers")]
fn load_rc4() {
    match openssl::provider::Provider::try_load(None, "legacy", true) {
        Ok(provider) => std::mem::forget(provider),
        Err(error) => tracing::warn!(%error, "RC4 is not to be had"),
    }
}
