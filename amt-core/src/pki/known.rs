//! Public root certificates that firmware was seen to list in a hello.
//!
//! Only names and fingerprints, to say which root a fingerprint stands for, and to notice that a chain ends at another certificate
//! of a listed root's key. Never a trust decision: what a machine accepts is told by its own hello.

/// A public root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRoot {
    /// Its common name, or what serves as one.
    pub name: &'static str,
    /// SHA-256 of the certificate, lower-case hex.
    pub sha256: &'static str,
    /// SHA-256 of its SubjectPublicKeyInfo, lower-case hex.
    pub key_sha256: &'static str,
}

/// The roots, in the order in which one machine listed them.
pub const ROOTS: &[KnownRoot] = &[
    KnownRoot {
        name: "Go Daddy Class 2 Certification Authority",
        sha256: "c3846bf24b9e93ca64274c0ec67c1ecc5e024ffcacd2d74019350e81fe546ae4",
        key_sha256: "5632d97bfa775bf3c99ddea52fc2553410864016729c52dd6524c8a9c3b4489f",
    },
    KnownRoot {
        name: "Go Daddy Root Certificate Authority - G2",
        sha256: "45140b3247eb9cc8c5b4f0d7b53091f73292089e6e5a63e2749dd3aca9198eda",
        key_sha256: "2a8f2d8af0eb123898f74c866ac3fa669054e23c17bc7a95bd0234192dc635d0",
    },
    KnownRoot {
        name: "AAA Certificate Services",
        sha256: "d7a7a0fb5d7e2731d771e9484ebcdef71d5f0c3e0a2948782bc83ee0ea699ef4",
        key_sha256: "bd153ed7b0434f6886b17bce8bbe84ed340c7132d702a8f4fa318f756ecbd6f3",
    },
    KnownRoot {
        name: "Starfield Class 2 Certification Authority",
        sha256: "1465fa205397b876faa6f0a9958e5590e40fcc7faa4fb7c2c8677521fb5fb658",
        key_sha256: "15f14ac45c9c7da233d3479164e8137fe35ee0f38ae858183f08410ea82ac4b4",
    },
    KnownRoot {
        name: "Starfield Root Certificate Authority - G2",
        sha256: "2ce1cb0bf9d2f9e102993fbe215152c3b2dd0cabde1c68e5319b839154dbb7f5",
        key_sha256: "808d68b3fab4884a5f971ace7d10550d7a95a163774f3ec36afffb213fbe4c74",
    },
    KnownRoot {
        name: "Baltimore CyberTrust Root",
        sha256: "16af57a9f676b0ab126095aa5ebadef22ab31119d644ac95cd4b93dbf3f26aeb",
        key_sha256: "63d9af9b47b1064d49a10e7b7fd566dbc8caa399459bfc2829c571ad8c6ef34a",
    },
    KnownRoot {
        name: "Entrust.net Certification Authority (2048)",
        sha256: "6dc47172e01cbcb0bf62580d895fe2b8ac9ad4f873801e0c10b9c837d21eb177",
        key_sha256: "1ea3c5e43ed66c2da2983a42a4a79b1e906786ce9f1b58621419a00463a87d38",
    },
    KnownRoot {
        name: "Entrust Root Certification Authority",
        sha256: "73c176434f1bc6d5adf45b0e76e727287c8de57616c1e6e6141a2b2cbc7d8e4c",
        key_sha256: "6dbfae00d37b9cd73f8fb47de65917af00e0dddf42dbceac20c17c0275ee2095",
    },
    KnownRoot {
        name: "Entrust Root Certification Authority - G2",
        sha256: "43df5774b03e7fef5fe40d931a7bedf1bb2e6b42738c4e6d3841103d3aa7f339",
        key_sha256: "76ee8590374c715437bbca6bba6028eadde2dc6dbbb8c3f610e851f11d1ab7f5",
    },
    KnownRoot {
        name: "AffirmTrust Premium",
        sha256: "70a73f7f376b60074248904534b11482d5bf0e698ecc498df52577ebf2e93b9a",
        key_sha256: "c7f43b4cf5b71568294f822b53762605f6ddd15cadece739e9e2c3cba61e9d67",
    },
    KnownRoot {
        name: "DigiCert Global Root CA",
        sha256: "4348a0e9444c78cb265e058d5e8944b4d84f9662bd26db257f8934a443c70161",
        key_sha256: "aff988906dde12955d9bebbf928fdcc31cce328d5b9384f21c8941ca26e20391",
    },
    KnownRoot {
        name: "DigiCert Global Root G2",
        sha256: "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
        key_sha256: "8bb593a93be1d0e8a822bb887c547890c3e706aad2dab76254f97fb36b82fc26",
    },
    KnownRoot {
        name: "DigiCert Global Root G3",
        sha256: "31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0",
        key_sha256: "b94c198300cec5c057ad0727b70bbe91816992256439a7b32f4598119dda9c97",
    },
    KnownRoot {
        name: "DigiCert Trusted Root G4",
        sha256: "552f7bdcf1a7af9e6ce672017f4f12abf77240c78e761ac203d1d9d20ac89988",
        key_sha256: "59df317bfa9f4f0ab7ca514d7772296aa2c765b87664d08b96e57399e364729c",
    },
    KnownRoot {
        name: "GlobalSign Root CA - R3",
        sha256: "cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b",
        key_sha256: "706bb1017c855c59169bad5c1781cf597f12d2cad2f63d1a4aa37493800ffb80",
    },
    KnownRoot {
        name: "GlobalSign ECC Root CA - R5",
        sha256: "179fbc148a3dd00fd24ea13458cc43bfa7f59c8182d783a513f6ebec100c8924",
        key_sha256: "7e0ead76bb6819dc2f54511a84354f6e8b307b9dd82058ea6c004f01d9dda5df",
    },
    KnownRoot {
        name: "GlobalSign Root CA - R6",
        sha256: "2cabeafe37d06ca22aba7391c0033d25982952c453647349763a3ab5ad6ccf69",
        key_sha256: "682747f8ba621b87cdd3bc295ed5cabce722a1c0c0363d1d68b38928d2787f1e",
    },
];

/// The public root with this SHA-256 fingerprint.
pub fn by_sha256(fingerprint: &[u8]) -> Option<&'static KnownRoot> {
    let hex = super::facts::hex(fingerprint);
    ROOTS.iter().find(|root| root.sha256 == hex)
}

/// The public root with this key (SHA-256 of its SubjectPublicKeyInfo).
pub fn by_key(key_sha256: &[u8; 32]) -> Option<&'static KnownRoot> {
    let hex = super::facts::hex(key_sha256);
    ROOTS.iter().find(|root| root.key_sha256 == hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_whole_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for root in ROOTS {
            for hex in [root.sha256, root.key_sha256] {
                assert!(
                    hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                    "{}",
                    root.name
                );
                assert!(seen.insert(hex), "{} stands twice", root.name);
            }
        }
        assert_eq!(by_sha256(&[0; 32]), None);
    }
}
