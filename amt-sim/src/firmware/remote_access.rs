//! Connections that the machine opens by itself to a server outside: servers, rules, where it is at home
//! (`spec/wsman.md` §3.10).

use super::Firmware;
use super::device::{Device, Phase};
use super::io::Ending;
use amt_core::{Secret, Tick};
use std::time::Duration;

/// Management presence servers.
pub(crate) const MAX_SERVERS: usize = 6;
/// Servers of one rule.
pub(crate) const MAX_SERVERS_OF_RULE: usize = 2;
/// HTTP proxies.
pub(crate) const MAX_PROXIES: usize = 15;

/// From the moment at which a machine finds itself outside to that at which its ports close.
const CLOSES_AFTER: Duration = Duration::from_secs(5);

/// How a server lets the machine in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerLogin {
    /// Handle of the client's certificate.
    Certificate(u32),
    Password {
        username: String,
        secret: Secret<String>,
    },
}

/// A management presence server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PresenceServer {
    pub(crate) number: u32,
    pub(crate) address: String,
    /// 3 IPv4, 4 IPv6, 201 a name.
    pub(crate) format: u32,
    pub(crate) port: u32,
    pub(crate) common_name: Option<String>,
    pub(crate) login: ServerLogin,
}

/// When the machine connects, and to which servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    pub(crate) trigger: u32,
    pub(crate) tunnel_life_time: u32,
    pub(crate) extended: Option<String>,
    /// Numbers of servers in the order in which they are tried, each with its `MpsType`.
    pub(crate) servers: Vec<(u32, u32)>,
}

impl AccessRule {
    pub(crate) const fn name(trigger: u32) -> Option<&'static str> {
        match trigger {
            0 => Some("User Initiated"),
            1 => Some("Alert"),
            2 => Some("Periodic"),
            _ => None,
        }
    }
}

/// A way out of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) number: u32,
    pub(crate) address: String,
    pub(crate) format: u32,
    pub(crate) port: u32,
    pub(crate) suffix: String,
}

/// Everything of it that is set.
#[derive(Clone, Debug)]
pub(crate) struct RemoteAccess {
    pub(crate) servers: Vec<PresenceServer>,
    pub(crate) rules: Vec<AccessRule>,
    /// 32768 nobody, 32769 the BIOS, 32770 the operating system, 32771 both may connect.
    pub(crate) user_initiated: u32,
    /// Suffixes of the networks in which the machine is at home; none: everywhere.
    pub(crate) home: Vec<String>,
    pub(crate) proxies: Vec<Proxy>,
    /// When the ports close, or closed, because the machine is outside.
    pub(crate) closes_at: Option<Tick>,
    pub(crate) closed: bool,
}

impl RemoteAccess {
    pub(crate) const FACTORY: Self = Self {
        servers: Vec::new(),
        rules: Vec::new(),
        user_initiated: 32_768,
        home: Vec::new(),
        proxies: Vec::new(),
        closes_at: None,
        closed: false,
    };

    pub(crate) fn uses(&self, certificate: u32) -> bool {
        self.servers.iter().any(|server| server.login == ServerLogin::Certificate(certificate))
    }

    pub(crate) fn server(&mut self, number: u32) -> Option<&mut PresenceServer> {
        self.servers.iter_mut().find(|server| server.number == number)
    }
}

impl Device {
    /// Whether the network that the machine is in is not one of its own.
    pub(crate) fn is_outside(&self) -> bool {
        let home = &self.remote_access.home;
        let here = self.config.suffix.as_deref().unwrap_or_default();
        !home.is_empty() && !home.iter().any(|suffix| suffix.eq_ignore_ascii_case(here))
    }
}

impl Firmware {
    /// Closes the ports of a machine that is outside, some seconds after it got there, and opens them when it is back.
    pub(super) fn mind_the_network(&mut self, now: Tick) {
        let outside = self.device.config.closes_outside && self.device.phase == Phase::Post && self.device.is_outside();
        let access = &mut self.device.remote_access;
        if !outside {
            access.closes_at = None;
        } else if access.closes_at.is_none() {
            access.closes_at = Some(now.after(CLOSES_AFTER));
        }
        let closed = access.closes_at.is_some_and(|at| at <= now);
        if closed != std::mem::replace(&mut access.closed, closed) {
            if closed {
                self.drop_connections(Ending::Close);
            }
            self.listen(now);
        }
    }
}
