//! Keys and requests of the console, and what is issued for them.

use super::record::ConsoleRequest;
use super::seconds;
use crate::ca::new_key;
use amt_core::{ErrorCode, Failure, Secret};
use amt_provision::REMOTE_CONSOLE;
use amt_provision::csr::{Validity, certificate_key, request_key};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use std::time::SystemTime;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;
use zeroize::Zeroizing;

/// What an authority has to be told.
pub(super) const NEEDED: &str = "the authority's template must give the extended key usages clientAuth (1.3.6.1.5.5.7.3.2) and remote console \
                                 (2.16.840.1.113741.1.2.1), and keep the key of the request";

/// What a remote console's certificate is for.
pub(crate) fn usages() -> Vec<ExtendedKeyUsagePurpose> {
    let console = REMOTE_CONSOLE.split('.').filter_map(|part| part.parse().ok()).collect();
    vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(console)]
}

/// A new RSA key and the request for it.
pub(super) async fn make(name: &str, now: SystemTime) -> Result<ConsoleRequest, Failure> {
    let failed = |why: String| Failure::new(ErrorCode::IO, "console", format!("no key pair could be made: {why}"));
    let common_name = name.to_owned();
    // Primes take a good part of a second.
    let made = tokio::task::spawn_blocking(move || build(&common_name)).await;
    let (key, csr) = made.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    Ok(ConsoleRequest {
        name: name.to_owned(),
        key,
        csr,
        request: None,
        since: now,
        asked_at: None,
        retry_at: None,
        failure: None,
    })
}

fn build(name: &str) -> Result<(Secret<Vec<u8>>, Vec<u8>), String> {
    let pem = Zeroizing::new(new_key()?);
    let key = KeyPair::from_pem(&pem).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(|error| error.to_string())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = usages();
    let csr = params.serialize_request(&key).map_err(|error| error.to_string())?.der().to_vec();
    Ok((Secret::new(key.serialize_der()), csr))
}

/// Why what was issued can't be used.
pub(super) fn check(request: &ConsoleRequest, certificate: &[u8], now: SystemTime) -> Result<(), String> {
    let same = certificate_key(certificate).ok() == request_key(&request.csr).ok();
    if !same {
        return Err("it is for another key than the request".to_owned());
    }
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "it cannot be read".to_owned())?;
    let usage = parsed.extended_key_usage().ok().flatten().map(|usage| usage.value);
    let usage = usage.ok_or_else(|| "it says of no extended key usage".to_owned())?;
    if !usage.client_auth {
        return Err("its extended key usage lacks clientAuth".to_owned());
    }
    if !usage.other.iter().any(|oid| oid.to_id_string() == REMOTE_CONSOLE) {
        return Err(format!("its extended key usage lacks {REMOTE_CONSOLE} (remote console)"));
    }
    let names: Vec<_> = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
    if !names.contains(&request.name.as_str()) {
        return Err(format!("its common name is {:?}, wanted {:?}", names.join(", "), request.name));
    }
    match Validity::of(certificate) {
        Some(validity) if validity.not_after > seconds(now) => Ok(()),
        _ => Err("it has ended already".to_owned()),
    }
}
