//! Names and ports: does a machine find the server (`spec/hello-tls.md` §1.1), and does the server hear it.

use super::{Area, Doctor};
use amt_core::Severity::{Error, Info, Warning};
use std::fs::TryLockError;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// How long a connection to our own port may take.
const CONNECT: Duration = Duration::from_secs(2);

impl Doctor<'_> {
    pub(super) fn names(&mut self) {
        let Some(resolver) = self.resolver.take() else {
            return self.report(
                Area::Names,
                Info,
                "NAMES-SKIPPED",
                "dns_suffixes",
                "names were not resolved: offline",
                "",
            );
        };
        if self.config.dns_suffixes.is_empty() {
            let hint = "list the suffixes of DHCP option 15 under dns_suffixes";
            self.report(
                Area::Names,
                Warning,
                "NO-SUFFIX",
                "dns_suffixes",
                "no DNS suffix is configured: machines look for provisionserver.<suffix>",
                hint,
            );
        }
        for suffix in self.config.dns_suffixes.clone() {
            let name = format!("provisionserver.{suffix}");
            match resolver(&name) {
                Ok(found) if !found.is_empty() => self.resolved(&name, &found),
                other => {
                    let why = other.err().unwrap_or_else(|| "no address".to_owned());
                    let hint = format!("add a DNS record {name} with an address of this host");
                    self.report(Area::Names, Error, "NAME-MISSING", &name, format!("does not resolve: {why}"), &hint);
                }
            }
        }
        // Machines without a domain ask for it; most DNS servers do not answer, and that is in order.
        match resolver("ProvisionServer") {
            Ok(found) if !found.is_empty() => {
                let elsewhere = !found.iter().any(|a| self.is_ours(*a));
                let (severity, code) = if elsewhere { (Warning, "NAME-ELSEWHERE") } else { (Info, "NAME-OK") };
                let hint = if elsewhere {
                    "machines without a DNS suffix say hello there: correct or remove the record"
                } else {
                    ""
                };
                self.report(
                    Area::Names,
                    severity,
                    code,
                    "ProvisionServer",
                    format!("resolves to {}", list(&found)),
                    hint,
                );
            }
            _ => {
                let text = "the bare name does not resolve; only machines without a DNS suffix ask for it";
                self.report(Area::Names, Info, "NAME-BARE", "ProvisionServer", text, "");
            }
        }
        self.resolver = Some(resolver);
    }

    fn resolved(&mut self, name: &str, found: &[IpAddr]) {
        let (ours, others): (Vec<IpAddr>, Vec<IpAddr>) = found.iter().partition(|a| self.is_ours(**a));
        if ours.is_empty() {
            let text = format!("resolves to {}, which is no address of this host: hellos go there", list(found));
            let hint = "point the record to this host; where a container or NAT stands between, name its address with --address";
            return self.report(Area::Names, Error, "NAME-ELSEWHERE", name, text, hint);
        }
        if !others.is_empty() {
            let text =
                format!("resolves to {} too, which is no address of this host: some hellos go there", list(&others));
            self.report(
                Area::Names,
                Warning,
                "NAME-SHARED",
                name,
                text,
                "leave only this host's addresses in the record",
            );
        }
        if let Some(deaf) = ours.iter().copied().find(|a| !self.config.listen.iter().any(|l| covers(*l, *a))) {
            let text = format!("resolves to {deaf}, where the server does not listen");
            self.report(
                Area::Names,
                Error,
                "NAME-DEAF",
                name,
                text,
                "add this address to listen, or listen on \"[::]:9971\"",
            );
        } else {
            self.report(Area::Names, Info, "NAME-OK", name, format!("resolves to {}", list(&ours)), "");
        }
    }

    pub(super) async fn ports(&mut self) {
        for listen in self.config.listen.clone() {
            let field = listen.to_string();
            if listen.port() != crate::config::HELLO_PORT {
                let text = "machines say hello to port 9971 unless told otherwise";
                self.report(
                    Area::Port,
                    Warning,
                    "PORT-UNUSUAL",
                    &field,
                    text,
                    "listen on 9971, or set the port in MEBx",
                );
            }
            // Let go at once: what comes in this instant is said again by the machine.
            match TcpListener::bind(listen) {
                Ok(_) => self.report(Area::Port, Info, "PORT-FREE", &field, "the port is free", ""),
                Err(error) if error.kind() == ErrorKind::AddrInUse => self.taken(listen).await,
                Err(error) => {
                    let hint = "give an address of this host, and the right to use the port";
                    self.report(Area::Port, Error, "PORT-UNUSABLE", &field, error.to_string(), hint);
                }
            }
        }
    }

    async fn taken(&mut self, listen: SocketAddr) {
        let field = listen.to_string();
        if !is_locked(&self.config.files.database) {
            let hint = "stop the other program: `ss -ltnp` names it";
            return self.report(
                Area::Port,
                Error,
                "PORT-TAKEN",
                &field,
                "another program than a server of this database owns the port",
                hint,
            );
        }
        self.report(Area::Port, Info, "PORT-SERVED", &field, "a server of this database runs and owns the port", "");
        if self.resolver.is_none() {
            return;
        }
        let ip = match listen.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        };
        let connect = tokio::net::TcpStream::connect((ip, listen.port()));
        match tokio::time::timeout(CONNECT, connect).await {
            Ok(Ok(_)) => {
                self.report(Area::Port, Info, "PORT-REACHABLE", &field, "it takes connections from this host", "")
            }
            _ => self.report(
                Area::Port,
                Error,
                "PORT-UNREACHABLE",
                &field,
                "it takes no connection from this host",
                "look at the firewall and at the server's log",
            ),
        }
    }

    /// Whether it is an address of this host: only such can be bound.
    fn is_ours(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || UdpSocket::bind((address, 0)).is_ok()
    }
}

/// Whether hellos to `address` arrive at `listen`; `[::]` takes IPv4 too.
fn covers(listen: SocketAddr, address: IpAddr) -> bool {
    match listen.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => true,
        IpAddr::V4(ip) if ip.is_unspecified() => address.is_ipv4(),
        ip => ip.to_canonical() == address.to_canonical(),
    }
}

/// Whether a running server holds the lock of the database. A shared lock is tried, for an instant.
fn is_locked(database: &Path) -> bool {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    std::fs::File::open(name).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

pub(super) fn ask_system(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0_u16).to_socket_addrs().map_err(|e| e.to_string())?;
    let mut addresses: Vec<IpAddr> = found.map(|a| a.ip().to_canonical()).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
