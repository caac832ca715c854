//! `remote_access`: gateway, triggers, proxies, and last of all the home domains (`spec/wsman.md` §3.10, §4(f)).

use super::property::{Group, LeadsTo, Property};
use super::{Pass, Run, refused};
use crate::profile::{RemoteServer, Trigger, Tunnel};
use crate::session::all;
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{
    self, EnvironmentDetectionSettingData, ManagementPresenceRemoteSap, MpServer, RemoteAccessPolicyAppliesToMps,
    RemoteAccessPolicyRule, RemoteAccessService, UserInitiatedConnectionService,
};
use amt_wsman::class::ips::{HttpProxyAccessPoint, HttpProxyService};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;

const SAP: &str = ManagementPresenceRemoteSap::NAME;
const RULE: &str = RemoteAccessPolicyRule::NAME;

static HOME: Group = Group {
    class: EnvironmentDetectionSettingData::NAME,
    selector: None,
    omit: |_| &[],
    leads_to: LeadsTo::Nothing,
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
        if self.read(RemoteAccessService::get()).await?.is_none() {
            self.lacks(at, "the firmware has no remote access");
            return Ok(());
        }
        self.trusted_root("remote_access.server.root").await?;
        let saps = all(&mut self.session, Step::Configure, SAP).await?;
        let rules = all(&mut self.session, Step::Configure, RULE).await?;
        let has = saps.iter().find(|sap| is_server(sap, &server));
        let password = format!("{at}.password");
        let new_secret = has.is_none() || self.secret_differs(&password, &password)?;
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
            self.remove(at, RemoteAccessPolicyRule::delete(name)).await?;
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
        let mut wanted = MpServer::with_password(&server.address, server.port, &server.user, &secret);
        if let Some(name) = &server.common_name {
            wanted = wanted.common_name(name);
        }
        let added =
            self.write(RemoteAccessService::add_mp_server(&wanted)).await.map_err(|error| refused(at, error))?;
        let sap = RemoteAccessService::mp_server(&added).map_err(|error| error.failure(Step::Configure.name()))?;
        self.secret_written(password, password).await?;
        for tunnel in &server.triggers {
            let life = tunnel.life_seconds.unwrap_or(0);
            let request =
                RemoteAccessService::add_remote_access_policy_rule(reason(tunnel), life, std::slice::from_ref(&sap));
            self.write(request).await.map_err(|error| refused(at, error))?;
        }
        self.kinds(at).await
    }

    /// Says for which kind of gateway each rule is, where the firmware asks for it.
    async fn kinds(&mut self, at: &str) -> Result<(), Failure> {
        for applies in all(&mut self.session, Step::Configure, RemoteAccessPolicyAppliesToMps::NAME).await? {
            // Firmware before 11.6 does not tell it, and does not take it.
            let both = RemoteAccessPolicyAppliesToMps::BOTH;
            if applies.u32("MpsType").is_none_or(|kind| kind == both) {
                continue;
            }
            let request = RemoteAccessPolicyAppliesToMps::put_mps_type(&applies, both)
                .map_err(|error| error.failure(Step::Configure.name()))?;
            self.write(request).await.map_err(|error| refused(at, error))?;
        }
        Ok(())
    }

    async fn user_initiated(&mut self, server: &RemoteServer) -> Result<(), Failure> {
        let field = "remote_access.server.triggers";
        if !server.triggers.iter().any(|tunnel| tunnel.when == Trigger::User) {
            return Ok(());
        }
        let Some(instance) = self.read(UserInitiatedConnectionService::get()).await? else {
            self.lacks(field, "the firmware has no user-initiated connections");
            return Ok(());
        };
        if instance.u32("EnabledState") != Some(UserInitiatedConnectionService::BOTH)
            && self.change(field, "off for users", "user")
        {
            let request = UserInitiatedConnectionService::request_state_change(UserInitiatedConnectionService::BOTH);
            self.write(request).await.map_err(|error| refused(field, error))?;
        }
        Ok(())
    }

    /// Proxies are added where they are missing; others stay, since something else may rest on them.
    pub(super) async fn proxies(&mut self) -> Result<(), Failure> {
        let Some(proxies) = self.profile().remote_access.as_ref().and_then(|remote| remote.proxies.clone()) else {
            return Ok(());
        };
        if proxies.is_empty() {
            return Ok(());
        }
        if self.read(HttpProxyService::get()).await?.is_none() {
            self.lacks("remote_access.proxies", "the firmware has no proxies for remote access");
            return Ok(());
        }
        let installed = all(&mut self.session, Step::Configure, HttpProxyAccessPoint::NAME).await?;
        for (index, proxy) in proxies.iter().enumerate() {
            let same = |name: &str, has: &Instance, wanted: &str| {
                has.text(name).is_some_and(|has| has.eq_ignore_ascii_case(wanted))
            };
            let there = installed.iter().any(|has| {
                same("AccessInfo", has, &proxy.address)
                    && has.u32("Port") == Some(proxy.port.into())
                    && same("NetworkDnsSuffix", has, &proxy.network_suffix)
            });
            let field = format!("remote_access.proxies[{index}]");
            let text = format!("{}:{} in {}", proxy.address, proxy.port, proxy.network_suffix);
            if !there && self.change(&field, "", text) {
                let request =
                    HttpProxyService::add_proxy_access_point(&proxy.address, proxy.port, &proxy.network_suffix);
                match self.write(request).await {
                    // A duplicate: an earlier answer was lost.
                    Err(error) if error.return_value() != Some(2058) => return Err(refused(&field, error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn remove(&mut self, field: &str, request: Request) -> Result<(), Failure> {
        match self.write(request).await {
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

fn reason(tunnel: &Tunnel) -> amt::Trigger {
    match (tunnel.when, tunnel.every_seconds) {
        (Trigger::User, _) => amt::Trigger::User,
        (Trigger::Alert, _) => amt::Trigger::Alert,
        (Trigger::Periodic, every) => amt::Trigger::Every(every.unwrap_or(0)),
    }
}

fn is_server(sap: &Instance, server: &RemoteServer) -> bool {
    sap.text("AccessInfo").is_some_and(|address| address.eq_ignore_ascii_case(&server.address))
        && sap.u32("Port") == Some(server.port.into())
        && server.common_name.as_ref().is_none_or(|name| sap.text("CN") == Some(name))
}

fn is_rule(rule: &Instance, tunnel: &Tunnel) -> bool {
    rule.u32("Trigger") == Some(reason(tunnel).number())
        && rule.u32("TunnelLifeTime").unwrap_or(0) == tunnel.life_seconds.unwrap_or(0)
        && rule.text("ExtendedData").unwrap_or_default() == reason(tunnel).extended_data().unwrap_or_default()
}

fn describe_sap(sap: &Instance) -> String {
    format!("{}:{}", sap.text("AccessInfo").unwrap_or_default(), sap.text("Port").unwrap_or_default())
}

fn describe_rule(rule: &Instance) -> String {
    words(rule.u32("Trigger").unwrap_or_default(), rule.u32("TunnelLifeTime").unwrap_or_default())
}

fn describe(tunnel: &Tunnel) -> String {
    words(reason(tunnel).number(), tunnel.life_seconds.unwrap_or_default())
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
