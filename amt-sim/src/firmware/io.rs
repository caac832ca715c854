//! What happens to a machine, and what it does: the contract between the firmware and whoever drives it.

use super::{ChannelId, MeiHandle};
use crate::chain::{self, ChainFault, ChainRules};
use crate::keys::DeviceKey;
use amt_core::psk::PskPair;
use amt_core::redirection::SessionKind;
use amt_core::version::TlsVersion;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Number of a connection, chosen by the driver.
pub type ConnectionId = u64;

/// A port of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 16992.
    Plain,
    /// 16993.
    Secure,
    /// 16994.
    PlainRedirection,
    /// 16995.
    SecureRedirection,
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// Power comes (back): the window opens if it is the first time, hellos begin.
    Power,
    /// A connection is up; on the secure port the handshake is done and this chain, leaf first, was sent.
    Accepted {
        /// The driver's number for it.
        connection: ConnectionId,
        /// Where.
        port: Port,
        /// Who.
        peer: Option<IpAddr>,
        /// Client certificates, if any.
        chain: Vec<Vec<u8>>,
    },
    /// Bytes from a connection, TLS removed.
    Bytes {
        /// Which.
        connection: ConnectionId,
        /// What.
        bytes: &'a [u8],
    },
    /// The peer closed or reset it.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A connection from the machine's own system is up, as `Accepted` from the network.
    AcceptedLocally {
        /// The driver's number for it.
        connection: ConnectionId,
        /// Where.
        port: Port,
        /// Client certificates, if any.
        chain: Vec<Vec<u8>>,
    },
    /// A message to a client of the firmware.
    Mei {
        /// Over which connection.
        handle: MeiHandle,
        /// The whole message.
        message: &'a [u8],
    },
    /// The program closed its connection to a client.
    MeiClosed {
        /// Which.
        handle: MeiHandle,
    },
    /// Bytes of a local service for a channel of LME.
    ChannelBytes {
        /// Which.
        channel: ChannelId,
        /// What.
        bytes: &'a [u8],
    },
    /// The local service ended its connection to a channel of LME.
    ChannelClosed {
        /// Which.
        channel: ChannelId,
    },
    /// The deadline has come.
    Timeout,
    /// Say hello now, whatever the schedule.
    SayHello,
    /// A local agent opens the window again, with or without a one-time password.
    Rearm {
        /// The one-time password.
        otp: Option<String>,
    },
    /// An agent in the operating system tells the firmware the system's name.
    OsName {
        /// Full name; empty: none any more.
        name: String,
    },
    /// Somebody whom nobody sees takes a session of redirection, or gives it back.
    Session {
        /// Which.
        kind: SessionKind,
        /// Whether it is taken.
        taken: bool,
    },
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, after what was sent.
    Close,
    /// Reset.
    Reset,
    /// It stays open and silent.
    Stay,
}

/// What a machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to the setup server and send this.
    Hello {
        /// The message, perhaps damaged on purpose.
        bytes: Vec<u8>,
        /// How the connection ends after it.
        ending: Ending,
    },
    /// Send on a connection, in one write.
    Transmit {
        /// Which.
        connection: ConnectionId,
        /// What.
        bytes: Vec<u8>,
    },
    /// End a connection.
    Close {
        /// Which.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
    /// A message of a client, one read.
    Mei {
        /// Over which connection.
        handle: MeiHandle,
        /// The whole message.
        message: Vec<u8>,
    },
    /// The firmware was reset: every connection to a client is dead.
    MeiReset,
    /// Connect a channel of LME to this port of the machine's local side.
    ChannelOpen {
        /// Which.
        channel: ChannelId,
        /// Port.
        port: Port,
    },
    /// Bytes from a channel of LME.
    ChannelBytes {
        /// Which.
        channel: ChannelId,
        /// What.
        bytes: Vec<u8>,
    },
    /// The host closed a channel of LME.
    ChannelClose {
        /// Which.
        channel: ChannelId,
    },
    /// Which ports listen from now on.
    Listen {
        /// 16992.
        plain: bool,
        /// 16993.
        secure: bool,
    },
    /// It is at this address from now on; the ports that listen do so there.
    Moved {
        /// Where.
        address: Ipv4Addr,
    },
    /// Which ports of redirection listen from now on.
    ListenRedirection {
        /// 16994.
        plain: bool,
        /// 16995.
        secure: bool,
    },
}

/// Whom the TLS server asks for a certificate.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// Nobody.
    None,
    /// Nobody: a setup server proves that it has the key of this pair. There is no certificate on either side.
    Psk(PskPair),
    /// A setup server; judged by these rules.
    Provisioning(ChainRules),
    /// Any client, after setup with mutual authentication.
    Mutual {
        /// Trusted roots, DER.
        roots: Vec<Vec<u8>>,
        /// Accepted common names; empty: any.
        trusted_names: Vec<String>,
    },
}

impl ClientAuth {
    /// The judgement; empty: accepted.
    pub fn judge(&self, presented: &[Vec<u8>]) -> Vec<ChainFault> {
        match self {
            Self::None => Vec::new(),
            Self::Psk(_) if presented.is_empty() => Vec::new(),
            Self::Psk(_) => vec![ChainFault::NotPsk],
            Self::Provisioning(rules) => chain::judge(rules, presented),
            Self::Mutual { roots, trusted_names } if presented.is_empty() => {
                let _ = (roots, trusted_names);
                vec![ChainFault::NoCertificate]
            }
            Self::Mutual { roots, trusted_names } => chain::judge_mutual(roots, trusted_names, presented),
        }
    }
}

/// What the TLS server of this moment serves.
#[derive(Clone, Debug)]
pub struct TlsServing {
    /// Leaf certificate, DER.
    pub certificate: Arc<Vec<u8>>,
    /// What is sent behind it, DER.
    pub issuers: Vec<Vec<u8>>,
    /// Its key.
    pub key: DeviceKey,
    /// Whom it asks.
    pub client: ClientAuth,
}

/// What a TLS handshake brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// What served it: `rustls` or `openssl`.
    pub engine: &'static str,
    /// Version.
    pub version: TlsVersion,
    /// Suite, by IANA's name.
    pub suite: String,
}
