//! `redirection`, `kvm`, `consent` and `power.package` (`spec/wsman.md` §3.9, §3.11).

use super::property::{Group, LeadsTo, Property, one};
use super::{Run, refused};
use crate::profile::{ConsentFor, PowerPackage};
use crate::session::all;
use crate::step::Step;
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::{RedirectionService, SystemPowerScheme};
use amt_wsman::class::cim::{ElementSettingData, KvmRedirectionSap};
use amt_wsman::class::ips::{KvmRedirectionSettingData, OptInService};
use amt_wsman::op::Request;

static LISTENER: Group = Group {
    class: RedirectionService::NAME,
    selector: None,
    omit: |_| &[],
    leads_to: LeadsTo::Nothing,
    properties: &[Property {
        field: "redirection.listener",
        name: "ListenerEnabled",
        want: |p| one(p.redirection.as_ref()?.listener),
    }],
};

static KVM_SETTINGS: Group = Group {
    class: KvmRedirectionSettingData::NAME,
    selector: None,
    // A password is not read back, and is not wiped by a Put without it.
    omit: |_| &["RFBPassword"],
    leads_to: LeadsTo::Nothing,
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
    class: OptInService::NAME,
    selector: None,
    omit: |_| &[],
    leads_to: LeadsTo::Nothing,
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
            Self::None => OptInService::NONE,
            Self::Kvm => OptInService::KVM,
            Self::All => OptInService::ALL,
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
            let Some(instance) = self.read(RedirectionService::get()).await? else {
                self.lacks("redirection", format!("the firmware has no {}", RedirectionService::NAME));
                return Ok(());
            };
            let state = instance.u32("EnabledState").unwrap_or(RedirectionService::OFF);
            let wanted = [
                ("drives", redirection.drives, RedirectionService::DRIVES),
                ("sol", redirection.sol, RedirectionService::SERIAL),
            ];
            let mut next = state;
            let mut changed = None;
            for (name, wanted, bit) in wanted {
                let has = state & bit != 0;
                if let Some(wanted) = wanted.filter(|wanted| *wanted != has)
                    && self.change(format!("redirection.{name}"), has.to_string(), wanted.to_string())
                {
                    next = if wanted { next | bit } else { next & !bit };
                    changed.get_or_insert(name);
                }
            }
            if let Some(name) = changed {
                let request = RedirectionService::request_state_change(next);
                self.write(request).await.map_err(|error| refused(&format!("redirection.{name}"), error))?;
            }
        }
        self.group(&LISTENER).await.map(drop)
    }

    async fn kvm(&mut self) -> Result<(), Failure> {
        let Some(wanted) = self.profile().kvm.as_ref().and_then(|kvm| kvm.enabled) else { return Ok(()) };
        let Some(instance) = self.read(KvmRedirectionSap::get()).await? else {
            if wanted {
                self.lacks("kvm.enabled", "the firmware has no KVM");
            }
            return Ok(());
        };
        let has = KvmRedirectionSap::from_instance(&instance).is_ok_and(|sap| sap.is_on());
        if has != wanted && self.change("kvm.enabled", has.to_string(), wanted.to_string()) {
            self.write(KvmRedirectionSap::request_state_change(wanted))
                .await
                .map_err(|error| refused("kvm.enabled", error))?;
        }
        Ok(())
    }

    async fn rfb_password(&mut self) -> Result<(), Failure> {
        let field = "kvm.rfb_password";
        if self.profile().kvm.as_ref().is_none_or(|kvm| kvm.rfb_password.is_none())
            || !self.secret_differs(field, field)?
        {
            return Ok(());
        }
        let Some(mut instance) = self.read(Request::get(KVM_SETTINGS.class)).await? else {
            self.lacks(field, "the firmware has no KVM settings");
            return Ok(());
        };
        if self.change(field, "(not known)", "(secret)") {
            instance.set("RFBPassword", self.desired.secret(field)?.expose().as_str());
            self.write(Request::put(&instance)).await.map_err(|error| refused(field, error))?;
            self.secret_written(field, field).await?;
        }
        Ok(())
    }

    /// The machine's list of packages says which identifier it has under which name.
    pub(super) async fn power(&mut self) -> Result<(), Failure> {
        let field = "power.package";
        let Some(wanted) = self.profile().power.as_ref().and_then(|power| power.package) else { return Ok(()) };
        let packages = all(&mut self.session, Step::Configure, SystemPowerScheme::NAME).await?;
        let packages: Vec<SystemPowerScheme> = packages
            .iter()
            .map(SystemPowerScheme::from_instance)
            .collect::<Result<_, _>>()
            .map_err(|error| error.failure(Step::Configure.name()))?;
        let means =
            |package: &&SystemPowerScheme| package.guid().is_some_and(|guid| wanted.identifiers().contains(&guid));
        let Some(package) = packages.iter().find(means) else {
            self.lacks(field, "the machine has no power package of this meaning");
            return Ok(());
        };
        let settings = all(&mut self.session, Step::Configure, ElementSettingData::NAME).await?;
        let settings: Vec<ElementSettingData> =
            settings.iter().filter_map(|setting| ElementSettingData::from_instance(setting).ok()).collect();
        let active =
            ElementSettingData::active_power_scheme(&settings).and_then(|active| active.selector("InstanceID"));
        if active == Some(package.instance_id.as_str()) {
            return Ok(());
        }
        let name = |id: &str| {
            let package = packages.iter().find(|package| package.instance_id == id);
            package.and_then(|package| package.description.clone()).unwrap_or_else(|| id.to_owned())
        };
        let (from, to) = (active.map(name).unwrap_or_default(), name(&package.instance_id));
        if self.change(field, from, to) {
            let request = SystemPowerScheme::set_power_scheme(&package.instance_id);
            self.write(request).await.map_err(|error| refused(field, error))?;
        }
        Ok(())
    }
}

impl PowerPackage {
    /// Identifiers of the packages with this meaning, of desktops and of notebooks (`spec/setupbin.md` §2.3).
    const fn identifiers(self) -> [[u8; 16]; 2] {
        match self {
            Self::S0 => [
                0x944F_8312_FB10_4FDC_968E_1E23_2B0C_9065_u128.to_be_bytes(),
                0x7639_9711_0B56_5043_8870_9812_F391_B560_u128.to_be_bytes(),
            ],
            Self::S0WakeInSx => [
                0x7322_7346_23DC_432F_A98A_13D3_7982_D855_u128.to_be_bytes(),
                0x3080_0DEE_09C0_7843_AF28_7868_A2DB_BE3A_u128.to_be_bytes(),
            ],
        }
    }
}
