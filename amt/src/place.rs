//! Where a machine is: an address, and for one that counts on a link only (`fe80::1%eth0`) the interface of this computer that leads there.

use amt_core::{ErrorCode, Failure};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An address with the number of its interface; 0: none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: IpAddr,
    pub(crate) interface: u32,
}

impl Place {
    /// A port there.
    pub(crate) fn at(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.interface).into(),
            IpAddr::V4(address) => (address, port).into(),
        }
    }
}

impl From<IpAddr> for Place {
    fn from(address: IpAddr) -> Self {
        Self { address, interface: 0 }
    }
}

impl From<SocketAddr> for Place {
    fn from(place: SocketAddr) -> Self {
        Self { address: place.ip(), interface: interface(place) }
    }
}

/// The number of the interface that `place` names; 0: none.
pub const fn interface(place: SocketAddr) -> u32 {
    match place {
        SocketAddr::V6(place) => place.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

/// What HTTP's `Host` says. The interface is this computer's affair (RFC 6874 §4).
pub(crate) fn authority(place: SocketAddr) -> String {
    SocketAddr::new(place.ip(), place.port()).to_string()
}

/// `address:port` of a name or an address (`10.0.0.5`, `fe80::1%eth0`) as the operating system knows it. `stage` goes into errors.
///
/// # Errors
/// `DNS` if there is no address or no such interface, `INVALID_ARGUMENT` for empty text, and for an address of a link without the
/// interface that leads there.
pub async fn resolve(host: &str, port: u16, stage: &'static str) -> Result<SocketAddr, Failure> {
    if host.is_empty() {
        let text = "the name of the machine is empty";
        return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, stage, text).hint("give a name or an address"));
    }
    let found =
        tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(host, stage, &error.to_string()))?;
    first(found, host, stage)
}

/// The same for an address alone, at once: no name is looked up.
///
/// # Errors
/// As [`resolve`]; `PARSE_TEXT` for anything but an address.
pub fn parse(text: &str, port: u16, stage: &'static str) -> Result<SocketAddr, Failure> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return first([SocketAddr::new(address, port)].into_iter(), text, stage);
    }
    if !names_interface(text) {
        let failure = Failure::new(ErrorCode::PARSE_TEXT, stage, format!("not an IP address: {text:?}"));
        return Err(failure.hint("write 10.0.0.5, fd00::5 or fe80::1%eth0"));
    }
    // An address with an interface is looked up without asking anybody.
    let found = std::net::ToSocketAddrs::to_socket_addrs(&(text, port));
    first(found.map_err(|error| unknown(text, stage, &error.to_string()))?, text, stage)
}

/// Whether `text` is an address of IPv6 with an interface: `fe80::1%eth0`.
pub(crate) fn names_interface(text: &str) -> bool {
    text.split_once('%')
        .is_some_and(|(address, interface)| address.parse::<Ipv6Addr>().is_ok() && !interface.is_empty())
}

/// The name by which a certificate may know the machine: an address without the interface of this computer.
pub fn without_interface(host: &str) -> &str {
    host.split_once('%').map_or(host, |(address, _)| address)
}

fn first(mut found: impl Iterator<Item = SocketAddr>, host: &str, stage: &'static str) -> Result<SocketAddr, Failure> {
    let place = found.next().ok_or_else(|| unknown(host, stage, "no address"))?;
    match place.ip() {
        // Other systems try an interface of their choice.
        IpAddr::V6(address) if cfg!(unix) && address.is_unicast_link_local() && interface(place) == 0 => {
            let text = format!("{host} counts on one link only, and nothing says on which");
            Err(Failure::new(ErrorCode::INVALID_ARGUMENT, stage, text)
                .hint(format!("name the interface that leads there: {address}%eth0")))
        }
        _ => Ok(place),
    }
}

fn unknown(host: &str, stage: &'static str, why: &str) -> Failure {
    let failure = Failure::new(ErrorCode::DNS, stage, format!("{host}: {why}"));
    if names_interface(host) {
        return failure.hint("after % stands the name or the number of an interface of this computer: check it");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interface_is_kept_and_told_to_nobody() {
        // The first interface of every Linux is the loopback.
        for text in ["fe80::1%1", "fe80::1%lo"] {
            if cfg!(not(target_os = "linux")) && text.ends_with("lo") {
                continue;
            }
            let place = resolve(text, 16993, "connect").await.unwrap();
            assert_eq!(place.to_string(), "[fe80::1%1]:16993");
            assert_eq!(parse(text, 16993, "connect").unwrap(), place);
            assert_eq!(authority(place), "[fe80::1]:16993");
            assert_eq!(Place::from(place).at(16995).to_string(), "[fe80::1%1]:16995");
        }
        assert_eq!(without_interface("fe80::1%lo"), "fe80::1");
        assert_eq!(without_interface("pc1.example.com"), "pc1.example.com");
        let v4 = Place { address: "10.0.0.5".parse().unwrap(), interface: 3 };
        assert_eq!(v4.at(7).to_string(), "10.0.0.5:7");
        assert_eq!(resolve("10.0.0.5", 7, "connect").await.unwrap().to_string(), "10.0.0.5:7");
        assert_eq!(parse("fd00::5", 7, "connect").unwrap().to_string(), "[fd00::5]:7");
    }

    #[tokio::test]
    async fn what_leads_nowhere_is_told_with_the_next_step() {
        let none = resolve("fe80::1%no-such-0", 7, "connect").await.unwrap_err();
        assert!(none.code == ErrorCode::DNS && none.hint.contains("interface of this computer"), "{none:?}");
        assert_eq!(parse("fe80::1%no-such-0", 7, "call").unwrap_err().code, ErrorCode::DNS);
        assert_eq!(resolve("", 7, "connect").await.unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
        for text in ["pc1", "fe80::1%", "%eth0", "10.0.0.5%1", ""] {
            assert_eq!(parse(text, 7, "call").unwrap_err().code, ErrorCode::PARSE_TEXT, "{text}");
        }
        #[cfg(unix)]
        for failure in [resolve("fe80::1", 7, "connect").await.unwrap_err(), parse("fe80::1", 7, "call").unwrap_err()] {
            assert!(
                failure.code == ErrorCode::INVALID_ARGUMENT && failure.hint.contains("fe80::1%eth0"),
                "{failure:?}"
            );
        }
    }
}
