//! Tokens by GSS-API: MIT Kerberos (or what else provides it), with its own configuration and its own cache of tickets.

use super::{STAGE, TokenSource, spnego};
use amt_core::{ErrorCode, Failure, Secret};
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};

// Numbers of MIT Kerberos (`krb5.h`), which GSS-API hands on as the minor status.
const TICKET_EXPIRED: i32 = -1_765_328_352;
const SERVICE_UNKNOWN: i32 = -1_765_328_377;
const SKEW: i32 = -1_765_328_347;
const NOT_YET_VALID: i32 = -1_765_328_351;
const CACHE_MISSING: i32 = -1_765_328_189;
const NOT_IN_CACHE: i32 = -1_765_328_243;

/// Major status where there is nothing to log in with.
const NO_TICKET: [MajorFlags; 2] = [MajorFlags::GSS_S_NO_CRED, MajorFlags::GSS_S_CREDENTIALS_EXPIRED];

/// The account's tickets.
pub(super) struct Gss;

impl TokenSource for Gss {
    fn token(&self, spn: &str) -> Result<Secret<Vec<u8>>, Failure> {
        let failed = |error: Error| failure(error, spn);
        // Without realm: the library finds it by its configuration, and by referral.
        let name = Name::new(format!("{spn}@").as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)).map_err(failed)?;
        let mut mechanisms = OidSet::new();
        mechanisms.add(GSS_MECH_KRB5).map_err(failed)?;
        let own = Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms)).map_err(failed)?;
        // TLS proves the machine: no answer is asked for, and none is waited for.
        let mut context = ClientCtx::new(Some(own), name, CtxFlags::empty(), Some(GSS_MECH_KRB5));
        let token = context.step(None, None).map_err(failed)?;
        let token = token.ok_or_else(|| Failure::new(ErrorCode::TICKET_FAILED, STAGE, "GSS-API made no token"))?;
        let wrapped = spnego::wrap(&token)
            .map_err(|error| Failure::new(ErrorCode::TICKET_FAILED, STAGE, format!("the token: {error}")))?;
        Ok(Secret::new(wrapped))
    }
}

fn failure(error: Error, spn: &str) -> Failure {
    let words = error.to_string();
    let (code, text) = match i32::from_ne_bytes(error.minor.to_ne_bytes()) {
        SERVICE_UNKNOWN => {
            (ErrorCode::TICKET_SERVICE_UNKNOWN, format!("the domain does not know the service {spn}: {words}"))
        }
        SKEW | NOT_YET_VALID => (ErrorCode::TICKET_CLOCK, format!("no ticket for {spn}: {words}")),
        TICKET_EXPIRED | CACHE_MISSING | NOT_IN_CACHE => {
            (ErrorCode::TICKET_ABSENT, format!("no ticket for {spn}: {words}"))
        }
        _ if NO_TICKET.iter().any(|major| error.major.bits() == major.bits()) => {
            (ErrorCode::TICKET_ABSENT, format!("no ticket for {spn}: {words}"))
        }
        _ => (ErrorCode::TICKET_FAILED, format!("no ticket for {spn}: {words}")),
    };
    Failure::new(code, STAGE, text)
}
