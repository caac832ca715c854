//! What taking a setup back means for the machine, in words: before it is done, and after.

use super::Extent;
use crate::remote::ControlMode;
use amt_core::FirmwareVersion;

/// From this version on a full unprovision keeps the DNS suffix, and an auditor does not stand in its way.
const KEEPS_SUFFIX: u16 = 12;

/// What will be lost, what follows and what may stand in the way, to be said before it is done. What is not known of the machine is said
/// for both cases.
pub fn consequences(extent: Extent, mode: Option<ControlMode>, version: Option<FirmwareVersion>) -> Vec<&'static str> {
    let mut all = vec![
        "the machine cannot be managed over the network until it is set up again",
        "its certificates and keys, further users, wireless, 802.1X and remote access settings, and all other settings are erased",
    ];
    match extent {
        Extent::Full => {
            all.push("names, the administrator's password and pre-shared keys are erased too");
            all.push("root hashes of your own are erased: certificates from your own authority cannot set it up again until they are \
                      put back, by hand or by USB key");
            if version.is_none_or(|version| version.major < KEEPS_SUFFIX) {
                all.push("before AMT 12.0 the DNS suffix that was put into the machine is erased");
            }
            all.push("the password of the setup menu (MEBx) is not reset: keep it");
        }
        Extent::Partial => {
            all.push("the machine waits for a setup server at once: one that lets it in sets it up again");
        }
    }
    if mode == Some(ControlMode::Client) {
        all.push("it was set up from its own system, and does not wait for a setup server afterwards: it can be reached from there only");
    } else if extent == Extent::Full {
        all.push("the machine may say hello for some hours: a setup server that lets it in sets it up again");
    }
    if mode != Some(ControlMode::Client) && version.is_none_or(|version| version.major < KEEPS_SUFFIX) {
        all.push("before AMT 12.0 the firmware refuses while an auditor has locked its audit log");
    }
    all
}

/// What is left in the machine afterwards.
pub fn remains(extent: Extent, version: Option<FirmwareVersion>) -> Vec<&'static str> {
    let mut all = match extent {
        Extent::Full => Vec::new(),
        Extent::Partial => vec![
            "the administrator's login",
            "pre-shared keys",
            "host and domain name",
            "the setup server's address and port",
            "root hashes of your own",
            "the DNS suffix",
        ],
    };
    if extent == Extent::Full && version.is_none_or(|version| version.major >= KEEPS_SUFFIX) {
        all.push("the DNS suffix (AMT 12.0 and later)");
    }
    all.push("the password of the setup menu (MEBx)");
    all.push("the maker's root hashes");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(all: &[&str], word: &str) -> bool {
        all.iter().any(|text| text.contains(word))
    }

    #[test]
    fn what_is_said_fits_the_machine() {
        let of = |extent, mode, major| consequences(extent, mode, Some(FirmwareVersion::new(major, 0)));
        let full = of(Extent::Full, Some(ControlMode::Admin), 16);
        assert!(
            says(&full, "root hashes of your own") && says(&full, "MEBx") && says(&full, "says hello")
                || says(&full, "say hello")
        );
        assert!(!says(&full, "auditor") && !says(&full, "DNS suffix"));
        let old = of(Extent::Full, Some(ControlMode::Admin), 9);
        assert!(says(&old, "auditor") && says(&old, "DNS suffix"));
        let client = of(Extent::Full, Some(ControlMode::Client), 9);
        assert!(says(&client, "its own system") && !says(&client, "auditor") && !says(&client, "say hello"));
        let partial = of(Extent::Partial, Some(ControlMode::Admin), 16);
        assert!(says(&partial, "at once") && !says(&partial, "MEBx") && !says(&partial, "root hashes"));
        let unknown = consequences(Extent::Full, None, None);
        assert!(says(&unknown, "auditor") && says(&unknown, "before AMT 12.0 the DNS suffix"));
    }

    #[test]
    fn what_remains_differs_by_extent_and_version() {
        let full = |major| remains(Extent::Full, Some(FirmwareVersion::new(major, 0)));
        assert!(says(&full(12), "DNS suffix") && !says(&full(11), "DNS suffix"));
        assert!(!says(&full(16), "administrator") && says(&full(16), "MEBx"));
        let partial = remains(Extent::Partial, None);
        for kept in ["administrator", "pre-shared", "domain name", "address", "MEBx"] {
            assert!(says(&partial, kept), "{kept}");
        }
    }
}
