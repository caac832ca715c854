//! Against the machine's firmware and its root hashes: ROOT-*, FW-*.

use super::Check;
use crate::FirmwareVersion;
use crate::Severity::{Error, Warning};
use crate::hello::{HashAlgorithm, Roots};
use crate::pki::facts::{CertFacts, SignatureHash};
use crate::pki::known;

/// Most root hashes that a message names one by one.
const MAX_NAMED: usize = 6;

impl<'a> Check<'a> {
    pub(super) fn against_firmware(&mut self) {
        let listed = self.root().zip(self.listed()).map(|(root, roots)| (root, roots, root.listed_under(roots)));
        if let Some((root, roots, None)) = listed {
            self.not_listed(root, roots);
            self.cross_signed(roots);
        }
        self.sha1(listed.and_then(|(_, _, under)| under));
        self.no_sha2();
        if let Some((root, roots, None)) = listed {
            self.no_default(root, roots);
        }
    }

    fn not_listed(&mut self, root: &CertFacts, roots: &Roots) {
        let (text, hint);
        if roots.is_empty() {
            text = "the machine lists no active root hash at all".to_owned();
            hint = "enable the hashes in MEBx (Manage Hashes), or enrol your root's hash by MEBx or USB".to_owned();
        } else {
            text = format!(
                "the machine does not list the root {} (SHA-256 {}); it lists {}",
                root.subject.text,
                root.sha256_hex(),
                names(roots)
            );
            hint = match known::by_sha256(&root.sha256) {
                Some(_) => "use a certificate of an authority that the machine lists".to_owned(),
                None => {
                    "enrol this root's hash by MEBx or USB, or use a certificate of an authority that the machine lists"
                        .to_owned()
                }
            };
        }
        self.report("ROOT-NOHASH", Error, "root", text, hint);
    }

    /// A listed root has the key or the name of a certificate that we would present: the path was swapped, not the authority.
    fn cross_signed(&mut self, roots: &Roots) {
        let issuers = self.placed();
        let at_hand = || self.input.chain.certificates.iter().chain(self.input.reference);
        let mut found = None;
        for (place, cert) in issuers.iter().skip(1) {
            let same = |other: &&CertFacts| {
                other.sha256 != cert.sha256
                    && (other.key_sha256 == cert.key_sha256 || other.subject.is(&cert.subject))
                    && other.is_listed(roots)
            };
            let twin = at_hand().find(same).map(|twin| (twin.subject.text.clone(), twin.sha256_hex()));
            let public = || {
                let twin = known::ROOTS.iter().find(|root| {
                    root.key_sha256 == crate::pki::facts::hex(&cert.key_sha256) && root.sha256 != cert.sha256_hex()
                })?;
                let listed = |root: crate::hello::RootHash<'_>| {
                    root.algorithm == HashAlgorithm::SHA256 && root.hex() == twin.sha256
                };
                roots.iter().any(listed).then(|| (twin.name.to_owned(), twin.sha256.to_owned()))
            };
            if let Some(twin) = twin.or_else(public) {
                found = Some((place.clone(), cert.subject.text.clone(), twin));
                break;
            }
        }
        if let Some((place, ours, (name, fingerprint))) = found {
            let text = format!(
                "the machine lists another certificate of the same key or name as {ours}: {name} (SHA-256 {fingerprint})"
            );
            let hint = format!("replace {ours} and what follows it by the self-signed {name} with that fingerprint");
            self.report("ROOT-CROSS", Warning, place, text, hint);
        }
    }

    fn sha1(&mut self, under: Option<HashAlgorithm>) {
        let Some(severity) = self.modern_rules().severity() else { return };
        let hint = "use a chain signed with SHA-256 from leaf to root";
        let placed = self.placed();
        let weak: Vec<_> = placed.iter().filter(|(_, cert)| cert.signature.is_weak()).collect();
        if let Some((place, _)) = weak.first() {
            let names: Vec<String> =
                weak.iter().map(|(_, cert)| format!("{} ({})", cert.subject.text, cert.signature)).collect();
            let text = format!("AMT 16 (and 15 on H platforms) refuses SHA-1 in the chain: {}", names.join("; "));
            self.report("ROOT-SHA1FW", severity, format!("{place}.signature"), text, hint.to_owned());
        } else if severity == Error && under == Some(HashAlgorithm::SHA1) {
            let text = "the root is known to the machine by its SHA-1 hash only, which AMT 16 does not use".to_owned();
            self.report("ROOT-SHA1FW", severity, "root", text, "enrol the SHA-256 hash of the root".to_owned());
        }
    }

    fn no_sha2(&mut self) {
        let Some(roots) = self.listed().filter(|roots| !roots.is_empty()) else { return };
        let old = roots.iter().all(|root| root.algorithm == HashAlgorithm::SHA1);
        let placed = self.placed();
        let sha2 = placed.iter().find(|(_, cert)| matches!(cert.signature, SignatureHash::Sha2(_)));
        if let Some((place, cert)) = sha2.filter(|_| old) {
            let text = format!(
                "the machine lists SHA-1 hashes only: firmware that old may not verify {} on {}",
                cert.signature, cert.subject.text
            );
            let hint = "update the firmware, or use a private authority with SHA-1 for these machines".to_owned();
            self.report("FW-NOSHA2", Warning, format!("{place}.signature"), text, hint);
        }
    }

    fn no_default(&mut self, root: &CertFacts, roots: &Roots) {
        let new = self.at_least().is_some_and(|version| version >= FirmwareVersion::new(11, 0));
        let has_sha1 = roots.iter().any(|root| root.algorithm == HashAlgorithm::SHA1);
        if new && !has_sha1 && root.signature.is_weak() {
            let text = format!(
                "{} is a root of the SHA-1 era; AMT 11 and later has no SHA-1 hashes by default",
                root.subject.text
            );
            let hint = format!("enrol its SHA-256 fingerprint, {}", root.sha256_hex());
            self.report("FW-NODEFAULT", Error, "root", text, hint);
        }
    }
}

/// The listed roots by name where they are known, else by fingerprint; cut off after some.
fn names(roots: &Roots) -> String {
    let name = |root: crate::hello::RootHash<'_>| {
        known::by_sha256(root.fingerprint).map_or_else(|| format!("{root:?}"), |known| known.name.to_owned())
    };
    let mut names: Vec<String> = roots.iter().take(MAX_NAMED).map(name).collect();
    if let Some(more) = roots.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
