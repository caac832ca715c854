//! The TLS suites that virtual machines may offer: a persona names them as OpenSSL does, truth as IANA does.
//!
//! RC4 and 3DES are not among them: the OpenSSL that is built here has them compiled out.

use amt_core::version::TlsVersion;

/// A suite of TLS 1.0 to 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// OpenSSL's name.
    pub name: &'static str,
    /// IANA's name.
    pub iana: &'static str,
    /// How keys are agreed on.
    pub exchange: Exchange,
    /// Oldest version that has it.
    pub since: TlsVersion,
}

/// Key exchange of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A pre-shared key, no certificate.
    Psk,
    /// The secret goes out encrypted with the certificate's key: no forward secrecy.
    Rsa,
    /// Elliptic-curve Diffie-Hellman, signed with the certificate's key.
    Ecdhe,
}

macro_rules! suites {
    ($($name:literal $iana:ident $exchange:ident $since:ident;)*) => {
        &[$(Suite {
            name: $name, iana: stringify!($iana), exchange: Exchange::$exchange, since: TlsVersion::$since,
        },)*]
    };
}

static SUITES: &[Suite] = suites! {
    "PSK-AES128-CBC-SHA" TLS_PSK_WITH_AES_128_CBC_SHA Psk V1_0;
    "PSK-AES256-CBC-SHA" TLS_PSK_WITH_AES_256_CBC_SHA Psk V1_0;
    "AES128-SHA" TLS_RSA_WITH_AES_128_CBC_SHA Rsa V1_0;
    "AES256-SHA" TLS_RSA_WITH_AES_256_CBC_SHA Rsa V1_0;
    "AES128-SHA256" TLS_RSA_WITH_AES_128_CBC_SHA256 Rsa V1_2;
    "AES256-SHA256" TLS_RSA_WITH_AES_256_CBC_SHA256 Rsa V1_2;
    "AES128-GCM-SHA256" TLS_RSA_WITH_AES_128_GCM_SHA256 Rsa V1_2;
    "AES256-GCM-SHA384" TLS_RSA_WITH_AES_256_GCM_SHA384 Rsa V1_2;
    "ECDHE-RSA-AES128-SHA" TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA Ecdhe V1_0;
    "ECDHE-RSA-AES256-SHA" TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA Ecdhe V1_0;
    "ECDHE-RSA-AES128-GCM-SHA256" TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 Ecdhe V1_2;
    "ECDHE-RSA-AES256-GCM-SHA384" TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 Ecdhe V1_2;
};

impl Suite {
    /// The suite of this OpenSSL name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SUITES.iter().find(|suite| suite.name == name)
    }

    /// Whether rustls can serve it.
    pub fn is_modern(&self) -> bool {
        self.exchange == Exchange::Ecdhe && self.since >= TlsVersion::V1_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_only_aead_with_ecdhe_is_modern() {
        let names: HashSet<_> = SUITES.iter().flat_map(|s| [s.name, s.iana]).collect();
        assert_eq!(names.len(), 2 * SUITES.len());
        let modern: Vec<_> = SUITES.iter().filter(|s| s.is_modern()).map(|s| s.name).collect();
        assert_eq!(modern, ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]);
        assert!(Suite::named("RC4-SHA").is_none());
    }
}
