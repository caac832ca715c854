//! Profiles as the tests write them, and machines to apply them to.

use super::World;
use amt_core::tls::LegacyTls;
use amt_core::{Failure, Secret};
use amt_provision::apply::Applied;
use amt_provision::profile::{CertificateSource, Desired, Material, Profile, SecretSource, Syntax};
use amt_sim::persona::Persona;
use std::sync::Arc;

/// Secrets and certificates of the tests: what a source is called is what it holds.
pub struct Named;

impl Material for Named {
    fn secret(&mut self, source: &SecretSource) -> Result<Secret<String>, Failure> {
        let name = source.file.as_ref().and_then(|file| file.to_str()).or(source.env.as_deref());
        Ok(Secret::from(name.unwrap_or_default()))
    }

    fn certificates(&mut self, _: &CertificateSource) -> Result<Vec<Vec<u8>>, Failure> {
        Ok(vec![amt_sim::authority::ProvisioningChain::new("gateway.example").root().to_vec()])
    }
}

pub fn profile(text: &str) -> Profile {
    let (profile, findings) = Profile::read(text, Syntax::Toml).unwrap();
    profile.unwrap_or_else(|| panic!("{findings:?}"))
}

pub fn desired(world: &World, text: &str) -> Desired {
    Desired::new(&profile(text), world.firmware.id(), None, &mut Named).unwrap()
}

pub const PERSONAS: &[&str] = &["9.5", "11.8", "14.0", "16.0", "18.0", "21.0"];

pub fn of_persona(name: &str) -> World {
    World::provisioned_as(
        |server| server.plan.legacy_tls = LegacyTls::Allow,
        |config| {
            config.persona = Arc::new(Persona::built_in(name).unwrap_or_else(|| panic!("there is no persona {name}")));
            Arc::make_mut(&mut config.persona).keys.not_ready_percent = 0;
        },
    )
}

pub fn writes(world: &World) -> u64 {
    world.firmware.truth(world.now).writes
}

pub fn apply(world: &mut World, desired: &Desired) -> Applied {
    world.apply(desired, None).result.unwrap().unwrap()
}
