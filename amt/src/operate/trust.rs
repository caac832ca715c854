//! The authorities that a machine trusts: read, and added to (`spec/wsman.md` §3.8). Nothing is ever removed.

use crate::certificate::{Authority, TrustBundle, root_first};
use crate::device::{Device, is_absent};
use amt_core::status::PtStatus;
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{PublicKeyCertificate, PublicKeyManagementService, TlsCredentialContext};

const STAGE: &str = "trust";
/// Most issuers that are looked for above the machine's own certificate.
const MAX_ISSUERS: usize = 16;

/// What a machine trusts, and what its own certificate rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineTrust {
    /// Its trusted authorities, and those above its own certificate that it holds or presents: the root first.
    pub authorities: Vec<Authority>,
    /// The certificate of its TLS server, if it has one.
    pub served: Option<Authority>,
    /// Certificates in its store that cannot be read.
    pub unreadable: usize,
}

impl MachineTrust {
    /// Those whose issuer the machine does not hold: a bundle with one of them is not complete.
    pub fn without_issuer(&self) -> impl Iterator<Item = &Authority> {
        self.authorities.iter().enumerate().filter_map(|(at, authority)| {
            let mut before = self.authorities.iter().take(at);
            (!authority.is_root && !before.any(|known| known.signed(authority))).then_some(authority)
        })
    }
}

/// What became of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrustChange {
    /// Those that the machine did not trust before: added, or to be added in a dry run.
    pub added: Vec<Authority>,
    /// Those that it trusted already.
    pub present: Vec<Authority>,
}

/// Reads what the machine trusts.
///
/// # Errors
/// As [`Device::call`].
pub async fn trust(device: &mut Device) -> Result<MachineTrust, Failure> {
    let stored = stored(device).await?;
    let served = served(device, &stored).await?;
    let mut unreadable = 0;
    let (mut trusted, mut others) = (Vec::new(), Vec::new());
    for certificate in &stored {
        let der = certificate.der().filter(|der| Authority::read(der).is_some());
        match (der, certificate.trusted_root) {
            (None, _) => unreadable += 1,
            (Some(der), Some(true)) => trusted.push(der),
            (Some(der), _) => others.push(der),
        }
    }
    // What is presented beside the own certificate, too.
    others.extend(device.tls().into_iter().flat_map(|tls| tls.peer.iter().skip(1).cloned()));
    let others: Vec<Authority> = others.iter().filter_map(|der| Authority::read(der)).collect();
    let mut below = served.clone();
    for _ in 0..MAX_ISSUERS {
        let Some(certificate) = below.filter(|certificate| !certificate.is_root) else { break };
        let issuer = others.iter().find(|other| other.is_authority && other.signed(&certificate));
        trusted.extend(issuer.map(|issuer| issuer.der.clone()));
        below = issuer.cloned();
    }
    Ok(MachineTrust { authorities: root_first(&trusted), served, unreadable })
}

/// Adds the authorities of a bundle that the machine does not trust yet, in the bundle's order; in a dry run only says which. What was
/// added is read back.
///
/// # Errors
/// As [`Device::call`]; a refusal says how many were added before. Run it again after any error: what is there is not sent twice.
pub async fn add_trust(device: &mut Device, bundle: &TrustBundle, dry_run: bool) -> Result<TrustChange, Failure> {
    let before = stored(device).await?;
    let (present, added): (Vec<_>, Vec<_>) =
        bundle.authorities.iter().cloned().partition(|authority| trusts(&before, &authority.der));
    let change = TrustChange { added, present };
    if dry_run || change.added.is_empty() {
        return Ok(change);
    }
    for (at, authority) in change.added.iter().enumerate() {
        let request = PublicKeyManagementService::add_trusted_root_certificate(&authority.der);
        let Err(failure) = device.call(&request).await else { continue };
        let is_duplicate = matches!(&failure.device, Some(DeviceStatus::ReturnValue { value, .. })
            if PtStatus(*value) == PtStatus::DUPLICATE);
        // Of a lost answer the store tells what became of the request; of a duplicate, whether it is trusted.
        if is_duplicate || failure.code.is_reply_lost() && trusts(&stored(device).await?, &authority.der) {
            continue;
        }
        return Err(explain(failure, authority, at, change.added.len()));
    }
    let after = stored(device).await?;
    if let Some(missing) = change.added.iter().find(|authority| !trusts(&after, &authority.der)) {
        let text = format!("the machine took {}, and does not list it among its trusted roots", missing.subject);
        let hint = "the machine may hold it as an ordinary certificate: `amt wsman enumerate AMT_PublicKeyCertificate` lists all";
        return Err(Failure::new(ErrorCode::STEP_REFUSED, STAGE, text).hint(hint));
    }
    Ok(change)
}

async fn stored(device: &mut Device) -> Result<Vec<PublicKeyCertificate>, Failure> {
    match device.call(&PublicKeyCertificate::enumerate()).await {
        Ok(reply) => reply.typed_all().map_err(|error| error.failure(STAGE)),
        // No instance at all is a fault on some firmware.
        Err(failure) if is_absent(&failure) => Ok(Vec::new()),
        Err(failure) => Err(failure.at(STAGE)),
    }
}

/// The certificate of the TLS server: the one presented here, or the one that is bound.
async fn served(device: &mut Device, stored: &[PublicKeyCertificate]) -> Result<Option<Authority>, Failure> {
    if let Some(leaf) = device.tls().and_then(|tls| tls.peer.first()) {
        return Ok(Authority::read(leaf));
    }
    let bound: Vec<TlsCredentialContext> = match device.call(&TlsCredentialContext::enumerate()).await {
        Ok(reply) => reply.typed_all().map_err(|error| error.failure(STAGE))?,
        Err(failure) if is_absent(&failure) => return Ok(None),
        Err(failure) => return Err(failure.at(STAGE)),
    };
    let handle = bound.first().and_then(|context| context.certificate.selector("InstanceID"));
    let certificate = stored.iter().find(|certificate| Some(certificate.instance_id.as_str()) == handle);
    Ok(certificate.and_then(PublicKeyCertificate::der).and_then(|der| Authority::read(&der)))
}

fn trusts(stored: &[PublicKeyCertificate], der: &[u8]) -> bool {
    stored.iter().any(|known| known.trusted_root == Some(true) && known.der().as_deref() == Some(der))
}

/// What a refusal means, and how far it came.
fn explain(failure: Failure, authority: &Authority, done: usize, all: usize) -> Failure {
    let full = "the machine has no room for another certificate: take out what nobody needs (`amt wsman enumerate \
                AMT_PublicKeyCertificate` lists all), and run it again";
    let hint = match &failure.device {
        Some(DeviceStatus::ReturnValue { value, .. }) => match PtStatus(*value) {
            PtStatus::MAX_LIMIT_REACHED | PtStatus::NOT_ENOUGH_STORAGE => Some(full),
            PtStatus::INVALID_CERT => Some(
                "this firmware does not take the certificate: its kind of key, its size or its signature are not for it",
            ),
            PtStatus::FLASH_WRITE_LIMIT_EXCEEDED => {
                Some("the firmware spares its memory after many writes: run it again in some hours")
            }
            _ => None,
        },
        Some(DeviceStatus::Fault { subcode, .. }) if subcode.as_deref() == Some("QuotaLimit") => Some(full),
        _ => None,
    };
    let text = format!("{done} of {all} were added, then not {}: {}", authority.subject, failure.message);
    let mut failure = failure.at(STAGE);
    failure.message = text;
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
