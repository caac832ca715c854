//! `tls`: modes and names (`spec/wsman.md` §3.8, §4(e)). The certificate itself is made at setup.

use super::property::{Group, LeadsTo, Property};
use super::{Run, refused};
use crate::commit;
use crate::profile::{Profile, Tls, TlsMode};
use crate::session::all;
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{PublicKeyCertificate, PublicKeyManagementService, TlsCredentialContext, TlsSettingData};

fn tls(profile: &Profile) -> Option<&Tls> {
    profile.tls.as_ref()
}

fn word(on: bool) -> Vec<String> {
    vec![on.to_string()]
}

fn names(profile: &Profile) -> Option<Vec<String>> {
    tls(profile)?.trusted_names.clone()
}

macro_rules! instance {
    ($name:ident, $id:expr, $side:ident, $field:literal, [$($extra:expr,)*]) => {
        static $name: Group = Group {
            class: TlsSettingData::NAME,
            selector: Some(("InstanceID", $id)),
            omit: |_| &["NonSecureConnectionsSupported"],
            leads_to: LeadsTo::Commit,
            properties: &[
                Property { field: $field, name: "Enabled", want: |p| Some(word(tls(p)?.$side?.enabled())) },
                Property { field: $field, name: "MutualAuthentication", want: |p| Some(word(tls(p)?.$side?.mutual())) },
                $($extra,)*
            ],
        };
    };
}

instance!(LOCAL, TlsSettingData::LOCAL, local, "tls.local", []);
instance!(
    REMOTE,
    TlsSettingData::REMOTE,
    remote,
    "tls.remote",
    [
        Property {
            field: "tls.remote",
            name: "AcceptNonSecureConnections",
            want: |p| tls(p)?.remote.filter(|mode| mode.enabled()).map(|mode| word(mode.plain())),
        },
        Property { field: "tls.trusted_names", name: "TrustedCN", want: names },
    ]
);

impl Run {
    pub(super) async fn tls(&mut self) -> Result<(), Failure> {
        let Some(tls) = self.profile().tls.clone() else { return Ok(()) };
        self.trusted_roots(tls.trusted_roots.as_ref().map_or(0, Vec::len)).await?;
        if tls.remote == Some(TlsMode::Off) {
            self.lacks("tls.remote", "it is reached by TLS here, and would not be reached any more");
            return Ok(());
        }
        self.group(&REMOTE).await?;
        self.group(&LOCAL).await.map(drop)
    }

    /// Authorities of clients: added, never removed, since others may rest on them.
    async fn trusted_roots(&mut self, sources: usize) -> Result<(), Failure> {
        for index in 0..sources {
            let field = format!("tls.trusted_roots[{index}]");
            self.trusted_root(&field).await?;
        }
        Ok(())
    }

    /// Makes sure that the certificates of `field` are trusted.
    pub(super) async fn trusted_root(&mut self, field: &str) -> Result<(), Failure> {
        let installed = all(&mut self.session, Step::Configure, PublicKeyCertificate::NAME).await?;
        for der in self.desired.certificates(field).to_vec() {
            if crate::certificate::find_certificate(&installed, &der).is_some() {
                continue;
            }
            if self.change(field, "", "an authority") {
                match self.write(&PublicKeyManagementService::add_trusted_root_certificate(&der)).await {
                    // A duplicate: an earlier answer was lost.
                    Err(error) if error.return_value() != Some(2058) => return Err(refused(field, error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Refuses TLS that would leave a machine that nobody reaches, before anything is written.
    pub(super) async fn tls_is_possible(&mut self) -> Result<(), Failure> {
        let Some(tls) = self.profile().tls.clone() else { return Ok(()) };
        let refuse = |text: &'static str, hint: &'static str| {
            Err(Failure::new(ErrorCode::STEP_REFUSED, Step::Configure.name(), text).hint(hint))
        };
        for (id, mode) in [(TlsSettingData::REMOTE, tls.remote), (TlsSettingData::LOCAL, tls.local)] {
            let Some(mode) = mode.filter(|mode| mode.enabled()) else { continue };
            let has = self.read(&TlsSettingData::get_one(id)).await?;
            let is = |name: &str| has.as_ref().and_then(|has| has.bool(name)) == Some(true);
            let bound = all(&mut self.session, Step::Configure, TlsCredentialContext::NAME).await?;
            if !is("Enabled") && bound.is_empty() {
                return refuse(
                    "tls: no certificate is bound to the machine's TLS service",
                    "set the machine up with a certificate authority (`amt serve`), which gives it one",
                );
            }
            let remote = id == TlsSettingData::REMOTE;
            if remote && mode.mutual() && !is("MutualAuthentication") && self.access.candidates.is_empty() {
                return refuse(
                    "tls.remote: with mutual TLS this program would not be let in any more",
                    "give a certificate that the machine will accept, so that it can be proven",
                );
            }
        }
        Ok(())
    }

    /// Sent once; then the machine is waited for.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        self.cx.event(crate::Event::Step(Step::Commit));
        self.writes += 1;
        commit::send(&self.cx, &mut self.session).await??;
        self.come_back().await?;
        self.record.commit_due = false;
        self.keep().await
    }
}
