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
    });
}
