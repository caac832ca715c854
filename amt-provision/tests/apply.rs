//! A profile is applied: what differs is written and nothing else, read back, and left alone the next time, whatever crashed before.

mod support;

use amt_core::{Failure, Secret};
use amt_provision::apply::{Applied, ApplyStage};
use amt_provision::profile::{CertificateSource, Desired, Material, Profile, SecretSource, Syntax};
use std::time::Duration;
use support::{Crash, World};

/// Secrets and certificates of the tests: what a source is called is what it holds.
struct Named;

impl Material for Named {
    fn secret(&mut self, source: &SecretSource) -> Result<Secret<String>, Failure> {
        Ok(Secret::new(source.env.clone().unwrap_or_default()))
    }

    fn certificates(&mut self, _: &CertificateSource) -> Result<Vec<Vec<u8>>, Failure> {
        Ok(vec![amt_sim::authority::ProvisioningChain::new("gateway.example").root().to_vec()])
    }
}

fn profile(text: &str) -> Profile {
    let (profile, findings) = Profile::read(text, Syntax::Toml).unwrap();
    profile.unwrap_or_else(|| panic!("{findings:?}"))
}

fn desired(world: &World, text: &str) -> Desired {
    Desired::new(&profile(text), world.firmware.id(), None, &mut Named).unwrap()
}

const BASIC: &str = r#"
format = 1
name = "basic"
[general]
ping = false
rmcp_ping = false
shared_name = true
dns_update = "amt"
dns_update_minutes = 60
dns_ttl_seconds = 600
[power]
idle_minutes = 30
[redirection]
listener = true
sol = true
drives = false
[time]
[access]
remove_others = true
[[access.users]]
name = "helpdesk"
password = { env = "H3lpdesk!pw" }
from = "network"
realms = ["redirection", "remote-control"]
"#;

fn apply(world: &mut World, desired: &Desired) -> Applied {
    world.apply(desired, None).result.unwrap().unwrap()
}

#[test]
fn what_differs_is_written_and_the_second_time_nothing() {
    let mut world = World::provisioned(|_| {});
    let desired = desired(&world, BASIC);
    let dry = world.apply_by(&desired, None, |apply| apply.dry_run = true).result.unwrap().unwrap();
    assert!(dry.writes == 0 && dry.changes.len() > 5, "{dry:?}");
    let first = apply(&mut world, &desired);
    assert_eq!(first.changes, dry.changes, "a dry run tells what will be done");
    assert!(first.unsupported.is_empty(), "{:?}", first.unsupported);
    assert_eq!(world.apply_record().stage, ApplyStage::Done);
    assert_eq!(world.apply_record().revision.as_deref(), Some(desired.revision.as_str()));
    let before = world.firmware.truth(world.now);
    let again = apply(&mut world, &desired);
    assert_eq!((again.writes, again.changes.len()), (0, 0), "{again:?}");
    let after = world.firmware.truth(world.now);
    let writes = |truth: &amt_sim::firmware::MachineTruth| {
        let is_write =
            |label: &&String| !label.ends_with(".Get") && !label.contains("Enumerate") && !label.contains("Pull");
        truth
            .requests
            .iter()
            .filter(|(label, _)| is_write(label))
            .map(|(label, n)| (label.clone(), *n))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        writes(&before).into_iter().filter(|(label, _)| !label.contains(".Get")).collect::<Vec<_>>(),
        writes(&after).into_iter().filter(|(label, _)| !label.contains(".Get")).collect::<Vec<_>>()
    );
}

#[test]
fn a_crash_after_any_output_is_made_good_by_running_again() {
    let total = {
        let mut world = World::provisioned(|_| {});
        let desired = desired(&world, BASIC);
        world.apply(&desired, None).outputs
    };
    assert!(total > 40, "{total}");
    for output in 0..total {
        for after in [false, true] {
            let crash = Crash { output, after };
            let mut world = World::provisioned(|_| {});
            let desired = desired(&world, BASIC);
            world.apply(&desired, Some(crash));
            world.assert_reachable("after the crash");
            world.wait(Duration::from_secs(30));
            apply(&mut world, &desired);
            let again = apply(&mut world, &desired);
            assert_eq!((again.writes, again.changes.len()), (0, 0), "{crash:?}: {again:?}");
            let truth = world.firmware.truth(world.now);
            assert_eq!(truth.requests.get("AMT_AuthorizationService.AddUserAclEntryEx"), Some(&1), "{crash:?}");
        }
    }
}
