//! What a machine that asks for a certificate likely is. Nothing that is told without a login says it; this weighs what is seen
//! (`spec/hello-tls.md` §2: in setup mode only 16993 answers, with a certificate of the firmware's own).

use super::{Discovered, PortState};

/// Ports that firmware opens only once it is set up.
const AFTER_SETUP: &[u16] = &[16_992, 16_994, 16_995];
/// Names of the leaf that the chip's own authority vouches for.
const ON_DIE: &[&str] = &["AMT RCFG", "IDevID RCFG"];

/// Which of two it likely is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Likely {
    /// It waits for a setup server.
    SetupMode,
    /// It is set up, and wants a certificate of every client.
    MutualTls,
}

impl Likely {
    /// `setup-mode`, `mutual-tls`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetupMode => "setup-mode",
            Self::MutualTls => "mutual-tls",
        }
    }

    /// The same in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SetupMode => "likely in setup mode",
            Self::MutualTls => "likely set up with mutual TLS",
        }
    }
}

/// What was seen that speaks for one or the other, and what follows from it. Signs that contradict each other leave it open.
pub(super) fn judge(found: &Discovered) -> (Option<Likely>, Vec<String>) {
    let (mut setup, mut set_up) = (Vec::new(), Vec::new());
    // It may have been set up, and have kept its certificate: this alone outweighs nothing.
    let mut own = Vec::new();
    let Some(tls) = &found.tls else { return (None, Vec::new()) };
    if let Some(certificate) = &tls.certificate {
        if ON_DIE.iter().any(|name| certificate.subject.contains(name)) {
            setup.push("its certificate is the chip's own".to_owned());
        } else if certificate.self_signed {
            own.push("it signed its certificate itself".to_owned());
        } else {
            set_up.push(format!("its certificate is from {}", certificate.issuer));
        }
    }
    match tls.acceptable_authorities.as_slice() {
        [] => {}
        [first] => set_up.push(format!("it wants a certificate from {first}")),
        [first, rest @ ..] => set_up.push(format!("it wants a certificate from {first} or {} more", rest.len())),
    }
    let open: Vec<String> = AFTER_SETUP
        .iter()
        .filter(|port| found.ports.get(port) == Some(&PortState::Open))
        .map(ToString::to_string)
        .collect();
    if !open.is_empty() {
        set_up.push(format!("a port is open as after setup only: {}", open.join(", ")));
    } else if AFTER_SETUP.iter().all(|port| found.ports.get(port) == Some(&PortState::Closed)) {
        own.push("of its ports only the one for TLS answers".to_owned());
    }
    let likely = match (setup.is_empty(), set_up.is_empty()) {
        // An issuer of somebody else, or a port of a machine that is set up, outweighs what fits both.
        (true, false) => Some(Likely::MutualTls),
        (false, true) => Some(Likely::SetupMode),
        // Both of what fits both: of a machine that is set up, one of them is unusual.
        (true, true) if own.len() == 2 => Some(Likely::SetupMode),
        _ => None,
    };
    setup.append(&mut own);
    setup.append(&mut set_up);
    (likely, setup)
}

#[cfg(test)]
mod tests {
    use super::super::{SeenCertificate, SeenTls, Standing};
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn seen(subject: &str, issuer: &str, authorities: &[&str], open: &[u16]) -> (Option<Likely>, Vec<String>) {
        let certificate = SeenCertificate {
            der: Vec::new(),
            sha256: Vec::new(),
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            self_signed: subject == issuer,
            dns_names: Vec::new(),
            validity: (0, 0),
        };
        let tls = SeenTls {
            port: 16_993,
            certificate_requested: true,
            certificate: Some(certificate),
            acceptable_authorities: authorities.iter().map(|name| (*name).to_owned()).collect(),
            ..SeenTls::default()
        };
        let state = |port| if open.contains(&port) { PortState::Open } else { PortState::Closed };
        judge(&Discovered {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            interface: 0,
            ports: super::super::PORTS.iter().map(|port| (*port, state(*port))).collect(),
            server: None,
            version: None,
            tls: Some(tls),
            standing: Standing::WantsCertificate,
            likely: None,
            signs: Vec::new(),
        })
    }

    #[test]
    fn signs_are_weighed_and_contradictions_left_open() {
        let own = "CN=Intel(R) AMT self-signed certificate";
        let (likely, signs) = seen(own, own, &[], &[16_993]);
        assert_eq!((likely, signs.len()), (Some(Likely::SetupMode), 2));
        assert_eq!(seen("CN=AMT RCFG", "CN=CSME ROM CA", &[], &[16_993]).0, Some(Likely::SetupMode));
        assert_eq!(
            seen(own, own, &[], &[16_993, 16_995]).0,
            Some(Likely::MutualTls),
            "it may keep its own certificate"
        );
        assert_eq!(seen(own, own, &["CN=Owner"], &[16_993]).0, Some(Likely::MutualTls));
        let (likely, signs) = seen("CN=pc1", "CN=Owner", &["CN=Owner", "CN=Other"], &[16_993]);
        assert_eq!(likely, Some(Likely::MutualTls));
        assert_eq!(signs[1..], ["its certificate is from CN=Owner", "it wants a certificate from CN=Owner or 1 more"]);
        assert_eq!(seen("CN=AMT RCFG", "CN=CSME ROM CA", &[], &[16_993, 16_994]).0, None);
    }

    #[test]
    fn a_firewall_leaves_it_open() {
        let own = "CN=Intel(R) AMT self-signed certificate";
        let mut found = Discovered {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            interface: 0,
            ports: super::super::PORTS.iter().map(|port| (*port, PortState::Filtered)).collect(),
            server: None,
            version: None,
            tls: None,
            standing: Standing::WantsCertificate,
            likely: None,
            signs: Vec::new(),
        };
        assert_eq!(judge(&found), (None, Vec::new()));
        found.tls = Some(SeenTls {
            certificate: Some(SeenCertificate {
                der: Vec::new(),
                sha256: Vec::new(),
                subject: own.to_owned(),
                issuer: own.to_owned(),
                self_signed: true,
                dns_names: Vec::new(),
                validity: (0, 0),
            }),
            ..SeenTls::default()
        });
        assert_eq!(judge(&found).0, None, "whether the other ports are open is not known");
    }
}
