//! Addresses as people write them: one, a network, a range.

use crate::place::{names_interface, resolve};
use amt_core::{ErrorCode, Failure};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Most addresses of one scan.
pub const MAX_TARGETS: usize = 1 << 20;

/// Addresses to look at, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    list: Vec<Span>,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    One(IpAddr),
    /// An address that is one of a link's, with the number of the interface.
    Scoped(Ipv6Addr, u32),
    /// First and last.
    Many(u32, u32),
}

impl Targets {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one address.
    pub fn push(&mut self, address: IpAddr) {
        self.count += 1;
        self.list.push(Span::One(address));
    }

    /// Adds the address of a place, with the interface that it names (`fe80::1%eth0`); the port does not matter.
    pub fn push_place(&mut self, place: SocketAddr) {
        match place {
            SocketAddr::V6(place) if place.scope_id() != 0 => {
                self.count = self.count.saturating_add(1);
                self.list.push(Span::Scoped(*place.ip(), place.scope_id()));
            }
            place => self.push(place.ip()),
        }
    }

    /// Adds an address (`10.0.0.5`, `fd00::5`), a network (`10.0.0.0/24`, without its own and its broadcast address) or a range
    /// (`10.0.0.10-10.0.0.20`, `10.0.0.10-20`). Whether it is more than one address.
    ///
    /// # Errors
    /// `PARSE_TEXT` for anything else and for more than [`MAX_TARGETS`] addresses in all.
    pub fn add(&mut self, text: &str) -> Result<bool, Failure> {
        let span = match (text.parse::<IpAddr>(), text.split_once('/'), text.split_once('-')) {
            (Ok(address), ..) => Span::One(address),
            (_, Some((network, prefix)), _) => of_network(network, prefix).ok_or_else(|| wrong(text))?,
            (.., Some((first, last))) => of_range(first, last).ok_or_else(|| wrong(text))?,
            _ => return Err(wrong(text)),
        };
        let (count, many) = match span {
            Span::One(_) | Span::Scoped(..) => (1, false),
            Span::Many(first, last) => (usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1), true),
        };
        self.count = self.count.saturating_add(count);
        if self.count > MAX_TARGETS {
            let message = format!("{text}: more than {MAX_TARGETS} addresses");
            return Err(Failure::new(ErrorCode::PARSE_TEXT, "discover", message));
        }
        self.list.push(span);
        Ok(many)
    }

    /// Adds what [`add`](Self::add) does, and also a name, and an address with its interface (`fe80::1%eth0`), which the operating system is
    /// asked about. The place, where it is one alone.
    ///
    /// # Errors
    /// As [`add`](Self::add); `DNS` if there is no address.
    pub async fn look_up(&mut self, text: &str) -> Result<Option<SocketAddr>, Failure> {
        match self.add(text) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(text.parse().ok().map(|address: IpAddr| SocketAddr::new(address, 0))),
            Err(_) if is_name(text) => {
                let place = resolve(text, 0, "discover").await?;
                self.push_place(place);
                Ok(Some(place))
            }
            Err(failure) => Err(failure),
        }
    }

    /// How many addresses there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// The addresses in order, with the interfaces that they name and without a port.
    pub(super) fn places(self) -> impl Iterator<Item = SocketAddr> + Send {
        self.list.into_iter().flat_map(|span| {
            let (first, last) = match span {
                Span::One(_) | Span::Scoped(..) => (1, 1),
                Span::Many(first, last) => (first, last),
            };
            (first..=last).map(move |number| match span {
                Span::One(address) => SocketAddr::new(address, 0),
                Span::Scoped(address, interface) => SocketAddrV6::new(address, 0, 0, interface).into(),
                Span::Many(..) => SocketAddr::new(Ipv4Addr::from(number).into(), 0),
            })
        })
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl IntoIterator for Targets {
    type Item = IpAddr;
    type IntoIter = Box<dyn Iterator<Item = IpAddr> + Send>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.places().map(|place| place.ip()))
    }
}

/// Why a text is not the name or address of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotHost {
    /// A port, a scheme or a path stands with it.
    More,
    /// It has characters that no name has.
    Other,
}

impl fmt::Display for NotHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::More => "write the name or the address alone",
            Self::Other => "this is no name and no address",
        })
    }
}

impl std::error::Error for NotHost {}

/// The name or address of one machine: without the brackets that an address of IPv6 may stand in, with the interface that it may name
/// (`fe80::1%eth0`). Empty text is taken as it is.
///
/// # Errors
/// What else stands there, without repeating it.
pub fn host(text: &str) -> Result<&str, NotHost> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.split_once('%').map_or(bare, |(address, _)| address);
    if address.parse::<IpAddr>().is_ok() {
        return Ok(bare);
    }
    if bare.contains([':', '/']) {
        return Err(NotHost::More);
    }
    if bare.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '@')) {
        return Err(NotHost::Other);
    }
    Ok(bare)
}

/// A name has a letter and nothing of a network; an address of IPv6 may name its interface, which is looked up as names are.
fn is_name(text: &str) -> bool {
    names_interface(text) || text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(['/', ':', '%'])
}

fn wrong(text: &str) -> Failure {
    let message = format!("{text:?} is no address, network or range");
    Failure::new(ErrorCode::PARSE_TEXT, "discover", message)
        .hint("write 10.0.0.5, 10.0.0.0/24, 10.0.0.10-10.0.0.20 or 10.0.0.10-20")
}

fn of_network(network: &str, prefix: &str) -> Option<Span> {
    let address = u32::from(network.parse::<Ipv4Addr>().ok()?);
    let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    let (first, last) = (address & mask, address & mask | !mask);
    // Networks of one or two addresses have none to spare.
    Some(if prefix >= 31 { Span::Many(first, last) } else { Span::Many(first + 1, last - 1) })
}

fn of_range(first: &str, last: &str) -> Option<Span> {
    let first: Ipv4Addr = first.trim().parse().ok()?;
    let last = match last.trim().parse::<u8>() {
        Ok(number) => {
            let [a, b, c, _] = first.octets();
            Ipv4Addr::new(a, b, c, number)
        }
        Err(_) => last.trim().parse().ok()?,
    };
    let (first, last) = (u32::from(first), u32::from(last));
    (first <= last).then_some(Span::Many(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        let mut targets = Targets::new();
        targets.add(text).unwrap();
        let count = targets.len();
        let all: Vec<String> = targets.into_iter().map(|address| address.to_string()).collect();
        assert_eq!(all.len(), count);
        all
    }

    #[test]
    fn addresses_networks_and_ranges_are_read() {
        assert_eq!(list("10.0.0.5"), ["10.0.0.5"]);
        assert_eq!(list("fd00::5"), ["fd00::5"]);
        assert_eq!(list("10.0.0.9/30"), ["10.0.0.9", "10.0.0.10"]);
        assert_eq!(list("10.0.0.9/32"), ["10.0.0.9"]);
        assert_eq!(list("10.0.0.8/31"), ["10.0.0.8", "10.0.0.9"]);
        assert_eq!(list("10.0.0.254-10.0.1.1"), ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]);
        assert_eq!(list("10.0.0.7-9"), ["10.0.0.7", "10.0.0.8", "10.0.0.9"]);
        assert_eq!(list("255.255.255.255-255"), ["255.255.255.255"]);
        assert_eq!(list("10.0.0.0/12").len(), MAX_TARGETS - 2);
    }

    #[test]
    fn an_address_keeps_the_interface_that_it_names() {
        let mut targets = Targets::new();
        targets.push_place(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 3).into());
        targets.push_place("10.0.0.5:7".parse().unwrap());
        assert_eq!(targets.len(), 2);
        let places: Vec<String> = targets.places().map(|place| place.to_string()).collect();
        assert_eq!(places, ["[fe80::1%3]:0", "10.0.0.5:0"]);
    }

    #[tokio::test]
    async fn names_and_interfaces_are_looked_up() {
        let mut targets = Targets::new();
        assert_eq!(targets.look_up("10.0.0.0/30").await.unwrap(), None);
        assert_eq!(targets.look_up("10.0.0.5").await.unwrap(), Some("10.0.0.5:0".parse().unwrap()));
        assert_eq!(
            targets.look_up("fe80::1%1").await.unwrap().map(|place| place.to_string()).unwrap(),
            "[fe80::1%1]:0"
        );
        assert!(targets.look_up("localhost").await.unwrap().is_some_and(|place| place.ip().is_loopback()));
        assert_eq!(targets.len(), 5);
        assert_eq!(targets.look_up("no-such-machine.invalid").await.unwrap_err().code, ErrorCode::DNS);
        for text in ["10.0.0.9-8", "pc1:16993", "10.0.0.5%1", "fe80::1%"] {
            assert_eq!(targets.look_up(text).await.unwrap_err().code, ErrorCode::PARSE_TEXT, "{text}");
        }
        assert_eq!(targets.len(), 5);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "pc1",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "10.0.0.9-8",
            "10.0.0.9-300",
            "fd00::/64",
            "0.0.0.0/0",
            "10.0.0.0/11",
        ] {
            assert_eq!(Targets::new().add(text).unwrap_err().code, ErrorCode::PARSE_TEXT, "{text}");
        }
    }
}
