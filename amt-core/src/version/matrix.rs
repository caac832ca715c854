//! What each release from AMT 2.0 to 22 can do, as data (`spec/wsman.md` §0.1, `spec/hello-tls.md` §1.2, §2.2, §2.3, §2.5).

use super::{FirmwareVersion, TlsVersion};
use crate::hello::HashAlgorithm;

/// Releases from one to before another.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: FirmwareVersion,
    before: Option<FirmwareVersion>,
}

const fn from(major: u16, minor: u16) -> Span {
    Span { from: FirmwareVersion::new(major, minor), before: None }
}

const fn only(major: u16, minor: u16) -> Span {
    Span { from: FirmwareVersion::new(major, minor), before: Some(FirmwareVersion::new(major, minor + 1)) }
}

impl Span {
    const fn before(self, major: u16, minor: u16) -> Self {
        Self { from: self.from, before: Some(FirmwareVersion::new(major, minor)) }
    }

    fn holds(&self, version: FirmwareVersion) -> bool {
        version >= self.from && self.before.is_none_or(|before| version < before)
    }
}

/// Pre-shared keys came with AMT 2.0 and went with 11.0.
const PSK_RELEASES: Span = from(2, 0).before(11, 0);
const PSK_SUITES: &[&str] = &[
    "TLS_PSK_WITH_AES_128_CBC_SHA",
    "TLS_PSK_WITH_AES_256_CBC_SHA",
    "TLS_PSK_WITH_3DES_EDE_CBC_SHA",
    "TLS_PSK_WITH_RC4_128_SHA",
];

/// A yes-or-no property of firmware.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name in JSON: that of the field of [`Capabilities`].
    pub name: &'static str,
    /// What it means, for people.
    pub meaning: &'static str,
    spans: &'static [Span],
}

impl Feature {
    /// Whether `version` has it.
    pub fn is_in(&self, version: FirmwareVersion) -> bool {
        self.spans.iter().any(|span| span.holds(version))
    }
}

macro_rules! matrix {
    ($($(#[$doc:meta])* $name:ident = $meaning:literal, [$($span:expr),* $(,)?];)*) => {
        /// What a firmware can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Capabilities {
            $($(#[$doc])* pub $name: bool,)*
            /// TLS of port 16993.
            pub tls: TlsRange,
            /// Suites of that port, by their IANA names; what no source tells is the likeliest.
            pub suites: &'static [&'static str],
            /// Suites with a pre-shared key, most wanted first: no source tells which of these a firmware offers
            /// (`spec/hello-tls.md` §2.2). Empty where there are none.
            pub psk_suites: &'static [&'static str],
            /// Hash algorithms by which roots of provisioning certificates are known.
            pub root_hashes: &'static [HashAlgorithm],
            /// Smallest RSA modulus accepted in a provisioning chain, in bits.
            pub rsa_bits_min: u16,
            /// RSA modulus to use in new provisioning chains, in bits.
            pub rsa_bits_advised: u16,
            /// Hash algorithms of digest authentication.
            pub digest_algorithms: &'static [&'static str],
        }

        /// The features of [`Capabilities`], with their names and meanings.
        pub const FEATURES: &[Feature] =
            &[$(Feature { name: stringify!($name), meaning: $meaning, spans: &[$($span),*] },)*];

        impl FirmwareVersion {
            /// What this firmware can do.
            pub fn capabilities(self) -> Capabilities {
                let has = |spans: &[Span]| spans.iter().any(|span| span.holds(self));
                let chain = CHAINS.of(self);
                let (tls, suites) = TLS.of(self);
                Capabilities {
                    $($name: has(&[$($span),*]),)*
                    tls,
                    suites,
                    psk_suites: if has(&[PSK_RELEASES]) { PSK_SUITES } else { &[] },
                    root_hashes: chain.hashes,
                    rsa_bits_min: chain.min,
                    rsa_bits_advised: chain.advised,
                    digest_algorithms: &["MD5"],
                }
            }
        }
    };
}

matrix! {
    /// Certificate-based remote configuration (hello type 3).
    pki = "remote configuration with a provisioning certificate", [only(2, 2), from(2, 6)];
    /// PID/PPS remote configuration (hello type 2).
    psk = "remote configuration with PID and PPS", [PSK_RELEASES];
    /// Says hello from the factory, without a program on the machine; an OEM may have switched that off.
    bare_metal = "says hello by itself, before there is an operating system", [from(2, 0)];
    /// A program on the machine can open the setup window (again).
    agent_start = "a program on the machine can start its setup", [only(2, 2), from(2, 6)];
    /// WS-Man.
    wsman = "WS-Management", [from(3, 0)];
    /// The older EOI SOAP interface.
    eoi = "the older EOI SOAP interface", [from(1, 0).before(9, 0)];
    /// `GenerateKeyPair` and PKCS#10 on the device.
    generate_key_pair = "key pairs and PKCS#10 made on the device", [from(6, 0)];
    /// Client and admin control mode set up from the host.
    host_based_setup = "setup from the machine's own system", [from(6, 2)];
    /// `StartConfigurationHBased`.
    secure_host_based_setup = "the same over TLS", [from(14, 0)];
    /// Digest `auth-int`.
    auth_int = "digest authentication with body integrity", [from(14, 0)];
    /// Local ports speak TLS only.
    local_tls_enforced = "local ports speak TLS only", [from(19, 0)];
    /// Ports 16992 and 623 can be open to the network.
    remote_plain_http = "plain HTTP from the network can be open", [from(1, 0).before(16, 1)];
    /// A provisioning chain with SHA-1 in it is accepted.
    sha1_chain = "accepts SHA-1 in a provisioning chain", [from(1, 0).before(15, 0)];
}

/// TLS of a firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsRange {
    /// Oldest version it speaks.
    pub min: TlsVersion,
    /// Newest version it speaks.
    pub max: TlsVersion,
    /// Whether it offers (EC)DHE suites; without them only the legacy engine connects.
    pub forward_secrecy: bool,
}

/// What is so from the first release on, and from which later ones something else; newest first.
struct Since<T: 'static> {
    first: T,
    later: &'static [(FirmwareVersion, T)],
}

impl<T: Copy> Since<T> {
    fn of(&self, version: FirmwareVersion) -> T {
        self.later.iter().find(|(since, _)| version >= *since).map_or(self.first, |(_, value)| *value)
    }
}

const fn since(major: u16, minor: u16) -> FirmwareVersion {
    FirmwareVersion::new(major, minor)
}

const fn range(min: TlsVersion, max: TlsVersion, forward_secrecy: bool) -> TlsRange {
    TlsRange { min, max, forward_secrecy }
}

const MODERN: &[&str] = &[
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
];
const RSA_GCM: &[&str] =
    &["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"];
const RSA_CBC: &[&str] = &["TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"];

/// Versions and suites of port 16993.
const TLS: Since<(TlsRange, &[&str])> = Since {
    first: (range(TlsVersion::V1_0, TlsVersion::V1_0, false), RSA_CBC),
    later: &[
        (since(20, 0), (range(TlsVersion::V1_2, TlsVersion::V1_3, true), MODERN)),
        (since(16, 0), (range(TlsVersion::V1_2, TlsVersion::V1_2, true), MODERN)),
        (since(14, 0), (range(TlsVersion::V1_1, TlsVersion::V1_2, true), MODERN)),
        (since(12, 0), (range(TlsVersion::V1_1, TlsVersion::V1_2, false), RSA_GCM)),
        (since(11, 8), (range(TlsVersion::V1_0, TlsVersion::V1_2, false), RSA_GCM)),
        (since(6, 0), (range(TlsVersion::V1_0, TlsVersion::V1_1, false), RSA_CBC)),
    ],
};

#[derive(Clone, Copy)]
struct ChainRule {
    hashes: &'static [HashAlgorithm],
    min: u16,
    advised: u16,
}

/// Hashes of roots and sizes of keys in provisioning chains.
const CHAINS: Since<ChainRule> = Since {
    first: ChainRule { hashes: &[HashAlgorithm::SHA1], min: 1024, advised: 2048 },
    later: &[
        (since(22, 0), ChainRule { hashes: SHA2, min: 2048, advised: 3072 }),
        (since(15, 0), ChainRule { hashes: SHA2, min: 2048, advised: 2048 }),
        (since(6, 0), ChainRule { hashes: ALL_HASHES, min: 1024, advised: 2048 }),
    ],
};
const SHA2: &[HashAlgorithm] = &[HashAlgorithm::SHA256, HashAlgorithm::SHA384];
const ALL_HASHES: &[HashAlgorithm] = &[HashAlgorithm::SHA1, HashAlgorithm::SHA256, HashAlgorithm::SHA384];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(major: u16, minor: u16) -> Capabilities {
        FirmwareVersion::new(major, minor).capabilities()
    }

    #[test]
    fn milestones_are_as_documented() {
        assert!(of(10, 0).psk && !of(11, 0).psk && of(2, 0).psk);
        assert!(!of(2, 1).pki && of(2, 2).pki && !of(2, 3).pki && !of(2, 5).pki && of(2, 6).pki && of(3, 0).pki);
        assert!(!of(2, 6).wsman && of(3, 0).wsman && of(8, 0).eoi && !of(9, 0).eoi);
        assert!(!of(5, 0).generate_key_pair && of(6, 0).generate_key_pair);
        assert!(!of(6, 1).host_based_setup && of(6, 2).host_based_setup);
        assert!(of(16, 0).remote_plain_http && !of(16, 1).remote_plain_http);
        assert!(!of(12, 0).tls.forward_secrecy && of(14, 0).tls.forward_secrecy);
        assert!(!of(18, 0).local_tls_enforced && of(19, 0).local_tls_enforced);
        assert_eq!((of(7, 1).tls.min, of(7, 1).tls.max), (TlsVersion::V1_0, TlsVersion::V1_1));
        assert_eq!((of(21, 0).tls.min, of(21, 0).tls.max), (TlsVersion::V1_2, TlsVersion::V1_3));
        assert_eq!(of(5, 0).root_hashes, [HashAlgorithm::SHA1]);
        assert_eq!((of(16, 0).rsa_bits_min, of(22, 0).rsa_bits_advised), (2048, 3072));
    }

    #[test]
    fn the_features_are_those_of_the_struct_and_the_tables_are_in_order() {
        for (major, minor) in [(2, 0), (2, 6), (7, 1), (11, 8), (16, 1), (22, 0)] {
            let version = FirmwareVersion::new(major, minor);
            let text = format!("{:?}", version.capabilities());
            for feature in FEATURES {
                assert!(text.contains(&format!("{}: {}", feature.name, feature.is_in(version))), "{}", feature.name);
            }
        }
        assert_eq!((of(1, 0).tls.max, of(1, 0).rsa_bits_min), (TlsVersion::V1_0, 1024));
        let versions =
            [TLS.later.iter().map(|row| row.0).collect::<Vec<_>>(), CHAINS.later.iter().map(|row| row.0).collect()];
        for table in versions {
            assert!(table.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
        }
    }
}
