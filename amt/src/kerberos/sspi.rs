//! Tokens by SSPI: the tickets of the account that is logged in to the domain.
#![allow(unsafe_code, reason = "SSPI has no safe binding")]

use super::{STAGE, TokenSource, spnego};
use amt_core::{ErrorCode, Failure, Secret};
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{
    SEC_E_CONTEXT_EXPIRED, SEC_E_NO_AUTHENTICATING_AUTHORITY, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_TARGET_UNKNOWN,
    SEC_E_TIME_SKEW, SEC_I_CONTINUE_NEEDED,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    AcquireCredentialsHandleW, DeleteSecurityContext, FreeContextBuffer, FreeCredentialsHandle,
    ISC_REQ_ALLOCATE_MEMORY, InitializeSecurityContextW, SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_CRED_OUTBOUND,
    SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc,
};
use windows_sys::Win32::Security::Credentials::SecHandle;

/// The account's tickets.
pub(super) struct Sspi;

/// Given back when dropped.
struct Credentials(SecHandle);

impl Drop for Credentials {
    fn drop(&mut self) {
        // SAFETY: the handle was filled by a call that succeeded, and is freed once. There is nothing to do about a failure.
        unsafe { FreeCredentialsHandle(&self.0) };
    }
}

impl TokenSource for Sspi {
    fn token(&self, spn: &str) -> Result<Secret<Vec<u8>>, Failure> {
        // Not Negotiate, which falls back to NTLM: machines do not know that.
        let package = wide("Kerberos");
        let mut handle = SecHandle::default();
        let mut expiry = 0;
        // SAFETY: the strings end with 0 and live to the end of the call, as do the places for its results; null means the
        // account's own credentials.
        let status = unsafe {
            AcquireCredentialsHandleW(
                null(),
                package.as_ptr(),
                SECPKG_CRED_OUTBOUND,
                null(),
                null(),
                None,
                null(),
                &mut handle,
                &mut expiry,
            )
        };
        if status != SEC_E_OK {
            return Err(failure(status, spn));
        }
        let credentials = Credentials(handle);
        let token = first(&credentials, spn)?;
        let wrapped = spnego::wrap(token.expose())
            .map_err(|error| Failure::new(ErrorCode::TICKET_FAILED, STAGE, format!("the token: {error}")))?;
        Ok(Secret::new(wrapped))
    }
}

/// The first token of a context. No answer of the machine is asked for: TLS proves it.
fn first(credentials: &Credentials, spn: &str) -> Result<Secret<Vec<u8>>, Failure> {
    let target = wide(spn);
    let mut buffer = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_TOKEN, pvBuffer: null_mut() };
    let mut output = SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: 1, pBuffers: &mut buffer };
    let mut context = SecHandle::default();
    let (mut attributes, mut expiry) = (0, 0);
    // SAFETY: handle and strings are valid for the call; there is neither an earlier context nor an input, which null says; the
    // one buffer is allocated by SSPI, as the flag asks.
    let status = unsafe {
        InitializeSecurityContextW(
            &credentials.0,
            null(),
            target.as_ptr(),
            ISC_REQ_ALLOCATE_MEMORY,
            0,
            SECURITY_NATIVE_DREP,
            null(),
            0,
            &mut context,
            &mut output,
            &mut attributes,
            &mut expiry,
        )
    };
    let made = status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED;
    let mut token = Vec::new();
    if !buffer.pvBuffer.is_null() {
        if let (true, Ok(length)) = (made, usize::try_from(buffer.cbBuffer)) {
            // SAFETY: SSPI allocated the buffer and says how many bytes of it are filled.
            token.extend_from_slice(unsafe { std::slice::from_raw_parts(buffer.pvBuffer.cast::<u8>(), length) });
        }
        // SAFETY: SSPI allocated it, and nothing points into it any more.
        unsafe { FreeContextBuffer(buffer.pvBuffer.cast::<c_void>()) };
    }
    if !made {
        return Err(failure(status, spn));
    }
    // SAFETY: a call that succeeded made the context, and it is deleted once.
    unsafe { DeleteSecurityContext(&context) };
    if token.is_empty() {
        return Err(Failure::new(ErrorCode::TICKET_FAILED, STAGE, "SSPI made no token"));
    }
    Ok(Secret::new(token))
}

fn failure(status: i32, spn: &str) -> Failure {
    let words = std::io::Error::from_raw_os_error(status);
    let (code, text) = match status {
        SEC_E_TARGET_UNKNOWN => {
            (ErrorCode::TICKET_SERVICE_UNKNOWN, format!("the domain does not know the service {spn}: {words}"))
        }
        SEC_E_TIME_SKEW => (ErrorCode::TICKET_CLOCK, format!("no ticket for {spn}: {words}")),
        SEC_E_NO_CREDENTIALS | SEC_E_CONTEXT_EXPIRED | SEC_E_NO_AUTHENTICATING_AUTHORITY => {
            (ErrorCode::TICKET_ABSENT, format!("no ticket for {spn}: {words}"))
        }
        _ => (ErrorCode::TICKET_FAILED, format!("no ticket for {spn}: {words}")),
    };
    Failure::new(code, STAGE, text)
}

/// UTF-16, ended by 0.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
