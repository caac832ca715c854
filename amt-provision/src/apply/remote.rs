//! `remote_access`: gateway, triggers, proxies, and last of all the home domains (`spec/wsman.md` §3.10, §4(f)).

use super::property::{Group, Property};
use super::{Pass, Run, refused};
use crate::profile::{RemoteServer, Trigger, Tunnel};
use crate::session::all;
use crate::step::Step;
use amt_core::{ErrorCode, Failure, FirmwareVersion};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use amt_wsman::soap::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;

const SERVICE: &str = "AMT_RemoteAccessService";
const SAP: &str = "AMT_ManagementPresenceRemoteSAP";
const RULE: &str = "AMT_RemoteAccessPolicyRule";
const APPLIES: &str = "AMT_RemoteAccessPolicyAppliesToMPS";
const USER: &str = "AMT_UserInitiatedConnectionService";
/// User-initiated connections from the BIOS and from the system.
const USER_BIOS_AND_SYSTEM: u32 = 32_771;
/// From here on a rule says for which kind of gateway it is.
const KINDS: FirmwareVersion = FirmwareVersion::new(11, 6);
/// Both kinds of gateway.
const BOTH: u32 = 2;

static HOME: Group = Group {
    class: "AMT_EnvironmentDetectionSettingData",
    selector: None,
    omit: |_| &[],
    commits: false,
    properties: &[Property {
        field: "remote_access.home_domains",
        name: "DetectionStrings",
        want: |p| p.remote_access.as_ref()?.home_domains.clone(),
    }],
};

impl Run {
    /// The gateway and what makes the machine connect to it.
    pub(super) async fn remote_access(&mut self) -> Result<(), Failure> {
        let Some(server) = self.profile().remote_access.as_ref().and_then(|remote| remote.server.clone()) else {
            return Ok(());
        };
        let at = "remote_access.server";
        if self.read(&Request::get(SERVICE)).await?.is_none() {
            self.lacks(at, "the firmware has no remote access");
            return Ok(());
        }
        self.trusted_root("remote_access.server.root").await?;
        let saps = all(&mut self.session, Step::Configure, SAP).await?;
        let rules = all(&mut self.session, Step::Configure, RULE).await?;
        let has = saps.iter().find(|sap| is_server(sap, &server));
        let password = format!("{at}.password");
        let new_secret = has.is_none() || self.secret_differs(&password)?;
        let fits = |rule: &Instance| server.triggers.iter().any(|tunnel| is_rule(rule, tunnel));
        let stray = rules.iter().filter(|rule| !fits(rule)).count() + saps.len() - usize::from(has.is_some());
        let missing = server.triggers.iter().filter(|tunnel| !rules.iter().any(|rule| is_rule(rule, tunnel))).count();
        if has.is_some() && !new_secret && stray == 0 && missing == 0 {
            return self.user_initiated(&server).await;
        }
        let from: Vec<String> = saps.iter().map(describe_sap).chain(rules.iter().map(describe_rule)).collect();
        let to: Vec<String> = std::iter::once(format!("{}:{}", server.address, server.port))
            .chain(server.triggers.iter().map(describe))
            .collect();
        let (field, from, to) = match has.is_some() && stray == 0 && missing == 0 {
            true => (password.as_str(), "(not known)".to_owned(), "(secret)".to_owned()),
            false => (at, from.join("; "), to.join("; ")),
        };
        if !self.change(field, from, to) {
            return Ok(());
        }
        // Rules hold gateways: they go first, and all is made anew, so that nothing of an earlier attempt stays (§4.10).
        for rule in &rules {
            let name = rule.text("PolicyRuleName").unwrap_or_default();
            self.remove(at, Request::delete(RULE).selector("PolicyRuleName", name)).await?;
        }
        for sap in &saps {
            let name = sap.text("Name").unwrap_or_default();
            self.remove(at, Request::delete(SAP).selector("Name", name)).await?;
        }
        self.add_server(at, &server, &password).await?;
        self.user_initiated(&server).await
    }

    async fn add_server(&mut self, at: &str, server: &RemoteServer, password: &str) -> Result<(), Failure> {
        let secret = self.desired.secret(password)?.clone();
        let mut request = Request::invoke(SERVICE, "AddMpServer")
            .arg("AccessInfo", server.address.as_str())
            .arg("InfoFormat", format_of(&server.address))
            .arg("Port", u32::from(server.port))
            .arg("AuthMethod", 2u32)
            .arg("Username", server.user.as_str())
            .secret_arg("Password", &secret);
        if let Some(name) = &server.common_name {
            request = request.arg("CN", name.as_str());
        }
        self.write(&request).await.map_err(|error| refused(at, error))?;
        self.secret_written(password).await?;
        let saps = all(&mut self.session, Step::Configure, SAP).await?;
        let Some(name) = saps.iter().find(|sap| is_server(sap, server)).and_then(|sap| sap.text("Name")) else {
            return Err(crate::certificate::missing(Step::Configure, "the gateway that was added is not there"));
        };
        let sap = Reference::to(SAP)
            .with("CreationClassName", SAP)
            .with("Name", name)
            .with("SystemCreationClassName", "CIM_ComputerSystem")
            .with("SystemName", "Intel(r) AMT");
        for tunnel in &server.triggers {
            let mut request = Request::invoke(SERVICE, "AddRemoteAccessPolicyRule")
                .arg("Trigger", tunnel.when.number())
                .arg("TunnelLifeTime", tunnel.life_seconds.unwrap_or(0));
            if let Some(data) = extended(tunnel) {
                request = request.arg("ExtendedData", data);
            }
            self.write(&request.arg("MpServer", sap.clone())).await.map_err(|error| refused(at, error))?;
        }
        self.kinds(at).await
    }

    /// Says for which kind of gateway each rule is, where the firmware asks for it.
    async fn kinds(&mut self, at: &str) -> Result<(), Failure> {
        if self.version.is_none_or(|version| version < KINDS) {
            return Ok(());
        }
        for mut applies in all(&mut self.session, Step::Configure, APPLIES).await? {
            if applies.u32("MpsType") == Some(BOTH) {
                continue;
            }
            let keys =
                ["ManagedElement", "PolicySet"].map(|name| applies.reference(name).cloned().map(|key| (name, key)));
            applies.set("MpsType", BOTH.to_string());
            let request = keys
                .into_iter()
                .flatten()
                .fold(Request::put(&applies), |request, (name, key)| request.selector(name, key));
            self.write(&request).await.map_err(|error| refused(at, error))?;
        }
        Ok(())
    }

    async fn user_initiated(&mut self, server: &RemoteServer) -> Result<(), Failure> {
        let field = "remote_access.server.triggers";
        if !server.triggers.iter().any(|tunnel| tunnel.when == Trigger::User) {
            return Ok(());
        }
        let Some(instance) = self.read(&Request::get(USER)).await? else {
            self.lacks(field, "the firmware has no user-initiated connections");
            return Ok(());
        };
        if instance.u32("EnabledState") != Some(USER_BIOS_AND_SYSTEM) && self.change(field, "off for users", "user") {
            let request = Request::invoke(USER, "RequestStateChange").arg("RequestedState", USER_BIOS_AND_SYSTEM);
            self.write(&request).await.map_err(|error| refused(field, error))?;
        }
        Ok(())
    }

    async fn remove(&mut self, field: &str, request: Request) -> Result<(), Failure> {
        match self.write(&request).await {
            // Absent: an earlier answer was lost.
            Err(error) if !error.is_fault("DestinationUnreachable") => Err(refused(field, error)),
            _ => Ok(()),
        }
    }

    /// The home domains: behind them the machine may think that it is away, and close its ports.
    pub(super) async fn home_domains(&mut self) -> Result<(), Failure> {
        if !self.group(&HOME).await? {
            return Ok(());
        }
        // Read back on the connection that stands; a machine that has closed it is away, as it was told.
        self.mode = Pass::Verify;
        let changes = std::mem::take(&mut self.changes);
        let read = self.group(&HOME).await;
        let kept = std::mem::replace(&mut self.changes, changes).is_empty();
        self.mode = Pass::Write;
        match read {
            Ok(_) if kept => Ok(()),
            Ok(_) => {
                let text = "remote_access.home_domains: the machine did not keep them";
                Err(Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text))
            }
            Err(failure) if matches!(failure.code.number(), 6001..=6999) => {
                self.cx.note(
                    "the machine is out of reach now: by its home domains it is away; it connects to its gateway",
                );
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Trigger {
    /// `Trigger`.
    const fn number(self) -> u32 {
        match self {
            Self::User => 0,
            Self::Alert => 1,
            Self::Periodic => 2,
        }
    }
}

/// `InfoFormat`.
fn format_of(address: &str) -> u32 {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 3,
        Ok(IpAddr::V6(_)) => 4,
        Err(_) => 201,
    }
}

/// `ExtendedData` of a periodic rule: kind 0, an interval, and its seconds, both big-endian.
fn extended(tunnel: &Tunnel) -> Option<String> {
    let seconds = tunnel.every_seconds?;
    Some(STANDARD.encode([[0; 4], seconds.to_be_bytes()].concat()))
}

fn is_server(sap: &Instance, server: &RemoteServer) -> bool {
    sap.text("AccessInfo").is_some_and(|address| address.eq_ignore_ascii_case(&server.address))
        && sap.u32("Port") == Some(server.port.into())
        && server.common_name.as_ref().is_none_or(|name| sap.text("CN") == Some(name))
}

fn is_rule(rule: &Instance, tunnel: &Tunnel) -> bool {
    rule.u32("Trigger") == Some(tunnel.when.number())
        && rule.u32("TunnelLifeTime").unwrap_or(0) == tunnel.life_seconds.unwrap_or(0)
        && rule.text("ExtendedData").unwrap_or_default() == extended(tunnel).unwrap_or_default()
}

fn describe_sap(sap: &Instance) -> String {
    format!("{}:{}", sap.text("AccessInfo").unwrap_or_default(), sap.text("Port").unwrap_or_default())
}

fn describe_rule(rule: &Instance) -> String {
    words(rule.u32("Trigger").unwrap_or_default(), rule.u32("TunnelLifeTime").unwrap_or_default())
}

fn describe(tunnel: &Tunnel) -> String {
    words(tunnel.when.number(), tunnel.life_seconds.unwrap_or_default())
}

fn words(trigger: u32, life: u32) -> String {
    let trigger = match trigger {
        0 => "user",
        1 => "alert",
        2 => "periodic",
        _ => "other",
    };
    format!("{trigger} for {life} s")
}
