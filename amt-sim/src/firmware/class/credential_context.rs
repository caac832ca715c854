//! `AMT_TLSCredentialContext` and `AMT_TLSProtocolEndpointCollection`: which certificate TLS serves
//! (`spec/wsman.md` §3.8).

use super::certificate::{CERTIFICATE, certificate_handle, certificate_id};
use super::{Call, Class, Instance, instance};
use crate::firmware::device::Device;
use crate::firmware::soap::{Fault, reference};
use amt_core::Tick;
use amt_wsman::soap::Reference;

const CONTEXT: &str = "AMT_TLSCredentialContext";
const COLLECTION: &str = "AMT_TLSProtocolEndpointCollection";
/// As firmware reports it; clients send it without the first blank, and that is taken.
const COLLECTION_NAME: &str = "TLSProtocolEndpoint Instances Collection";

pub(super) const CLASSES: &[Class] = &[
    Class {
        put: Some(put),
        create: Some(create),
        delete: Some(delete),
        ..Class::read(CONTEXT, &["ElementInContext", "ElementProvidingContext"], list)
    },
    Class::read(COLLECTION, &["ElementName"], list_collection),
];

fn list_collection(_: &Device, _: Tick) -> Vec<Instance> {
    vec![instance(COLLECTION, &[("ElementName", COLLECTION_NAME)])]
}

fn collection() -> Reference {
    reference(COLLECTION, &[("ElementName", COLLECTION_NAME)])
}

fn certificate_reference(handle: u32) -> Reference {
    reference(CERTIFICATE, &[("InstanceID", &certificate_id(handle))])
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let Some(handle) = device.staged.certificate else { return Vec::new() };
    let mut context = Instance::new(CONTEXT);
    context.push("ElementInContext", certificate_reference(handle));
    context.push("ElementProvidingContext", collection());
    vec![context]
}

/// The certificate that a representation binds: it must be here, with its private key.
fn bound(device: &Device, call: &Call<'_>) -> Result<u32, Fault> {
    let element = call.input.reference("ElementInContext").ok_or_else(Fault::missing_values)?;
    let provider = call.input.reference("ElementProvidingContext").ok_or_else(Fault::missing_values)?;
    let names_collection = provider.class() == Some(COLLECTION)
        && provider
            .selector("ElementName")
            .is_some_and(|name| name == COLLECTION_NAME || name == "TLSProtocolEndpointInstances Collection");
    if !names_collection || element.class() != Some(CERTIFICATE) {
        return Err(Fault::invalid_values());
    }
    let handle = element.selector("InstanceID").and_then(certificate_handle).ok_or_else(Fault::invalid_values)?;
    let stored = device.certificate(handle).ok_or_else(Fault::invalid_values)?;
    if stored.key.is_none() || stored.trusted_root {
        return Err(Fault::invalid_values());
    }
    Ok(handle)
}

fn create(device: &mut Device, call: &Call<'_>) -> Result<Reference, Fault> {
    let handle = bound(device, call)?;
    if device.staged.certificate.is_some() {
        return Err(Fault::already_exists());
    }
    device.staged.certificate = Some(handle);
    Ok(Reference::to(CONTEXT)
        .with("ElementInContext", certificate_reference(handle))
        .with("ElementProvidingContext", collection()))
}

fn put(device: &mut Device, call: &Call<'_>, _: &Instance) -> Result<(), Fault> {
    device.staged.certificate = Some(bound(device, call)?);
    Ok(())
}

fn delete(device: &mut Device, _: &Call<'_>, _: &Instance) -> Result<(), Fault> {
    // TLS that runs keeps its certificate.
    if device.staged.remote.enabled || device.staged.local.enabled {
        return Err(Fault::status(amt_core::status::PtStatus::NOT_PERMITTED.0));
    }
    device.staged.certificate = None;
    Ok(())
}
