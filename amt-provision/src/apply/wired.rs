//! `wired`: `AMT_EthernetPortSettings` of the wired interface (`spec/wsman.md` §3.5).

use super::property::{Group, LeadsTo, Property, one};
use super::{Pass, Run};
use crate::commit::{Comeback, is_restart};
use crate::managed::Managed;
use crate::profile::{IpMode, Profile, Wired};
use crate::step::Step;
use amt_core::Failure;

/// The interface, as firmware names it.
const PORT: &str = "Intel(r) AMT Ethernet Port Settings 0";

/// What firmware wants left out where the address comes from elsewhere.
const ADDRESSES: &[&str] = &["IPAddress", "SubnetMask", "DefaultGateway", "PrimaryDNS", "SecondaryDNS"];

fn wired(profile: &Profile) -> Option<&Wired> {
    profile.wired.as_ref().filter(|wired| wired.mode.is_some())
}

fn mode(profile: &Profile) -> Option<IpMode> {
    wired(profile)?.mode
}

/// A part of the address: what the profile says with a static one, and else nothing, since the firmware takes it from elsewhere.
fn part(profile: &Profile, of: fn(&Wired) -> Option<&String>) -> Option<Vec<String>> {
    match mode(profile)? {
        IpMode::Static => one(of(wired(profile)?)),
        IpMode::Dhcp | IpMode::Host => None,
    }
}

static WIRED: Group = Group {
    class: "AMT_EthernetPortSettings",
    selector: Some(("InstanceID", PORT)),
    omit: |p| if mode(p) == Some(IpMode::Static) { &[] } else { ADDRESSES },
    leads_to: LeadsTo::Move,
    properties: &[
        Property { field: "wired.mode", name: "DHCPEnabled", want: |p| one(Some(mode(p)? == IpMode::Dhcp)) },
        Property { field: "wired.mode", name: "IpSyncEnabled", want: |p| one(Some(mode(p)? != IpMode::Static)) },
        Property { field: "wired.mode", name: "SharedStaticIp", want: |p| one(Some(mode(p)? == IpMode::Host)) },
        Property { field: "wired.address", name: "IPAddress", want: |p| part(p, |wired| wired.address.as_ref()) },
        Property { field: "wired.mask", name: "SubnetMask", want: |p| part(p, |wired| wired.mask.as_ref()) },
        Property { field: "wired.gateway", name: "DefaultGateway", want: |p| part(p, |wired| wired.gateway.as_ref()) },
        Property { field: "wired.dns", name: "PrimaryDNS", want: |p| part(p, |wired| wired.dns.as_ref()?.first()) },
        Property { field: "wired.dns", name: "SecondaryDNS", want: |p| part(p, |wired| wired.dns.as_ref()?.get(1)) },
    ],
};

impl Run {
    /// A change restarts the machine's network: it is waited for, at the address that it had and at the fixed one that it was given.
    pub(super) async fn wired(&mut self) -> Result<(), Failure> {
        if !self.group(&WIRED).await? {
            return Ok(());
        }
        if mode(self.profile()) == Some(IpMode::Static) {
            return self.come_back().await.map_err(|failure| {
                failure.hint("look whether address, mask and gateway of the profile fit its network; run this again when it answers")
            });
        }
        self.come_back().await.map_err(|failure| {
            failure.hint(
                "it may have got another address: look there (its name in DNS, its DHCP server), and run this again",
            )
        })?;
        // The fixed address may be somebody else's from now on.
        match self.record.moved_to.take() {
            Some(_) => self.keep().await,
            None => Ok(()),
        }
    }

    /// Lets whoever keeps the record know where the machine is, if that is not where it was looked for.
    pub(super) async fn note_place(&mut self) -> Result<(), Failure> {
        let found = self.places.elsewhere();
        if self.mode == Pass::Dry || self.record.found_at == found {
            return Ok(());
        }
        self.record.found_at = found;
        self.keep().await
    }

    /// Takes note of the fixed address that the machine is about to get. Tells whether that is news.
    pub(super) fn will_move(&mut self) -> bool {
        let fixed = part(self.profile(), |wired| wired.address.as_ref());
        let fixed = fixed.and_then(|address| address.first()?.parse().ok());
        fixed.is_some() && std::mem::replace(&mut self.record.moved_to, fixed) != fixed
    }

    /// Waits for a machine that restarts its network, and logs in again.
    pub(super) async fn come_back(&mut self) -> Result<(), Failure> {
        let mut comeback = Comeback::within(self.cx.now(), self.proof_timeout);
        loop {
            comeback.wait(&self.cx).await?;
            match self.places.open(&self.cx, &mut self.access, self.record.moved_to).await {
                Ok(Managed { session, .. }) => {
                    self.session = session;
                    return self.note_place().await;
                }
                Err(failure) if is_restart(&failure) => comeback.missed(self.cx.now(), failure)?,
                Err(failure) => return Err(failure.at(Step::Prove.name())),
            }
        }
    }
}
