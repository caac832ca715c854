//! `tls`: modes and names (`spec/wsman.md` §3.8, §4(e)). The certificate itself is made at setup.

use super::property::{Group, LeadsTo, Property};
use super::{Run, refused};
use crate::certificate::blob;
use crate::commit;
use crate::csr;
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
                match self.write(PublicKeyManagementService::add_trusted_root_certificate(&der)).await {
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
            let has = self.read(TlsSettingData::get_one(id)).await?;
            let is = |name: &str| has.as_ref().and_then(|has| has.bool(name)) == Some(true);
            let bound = all(&mut self.session, Step::Configure, TlsCredentialContext::NAME).await?;
            if !is("Enabled") && bound.is_empty() {
                return refuse(
                    "tls: no certificate is bound to the machine's TLS service",
                    "set the machine up with a certificate authority (`amt serve`), which gives it one",
                );
            }
            let remote = id == TlsSettingData::REMOTE;
            if remote && mode.mutual() {
                let is_mutual = is("MutualAuthentication");
                let names = has.as_ref().map(|has| has.texts("TrustedCN")).unwrap_or_default();
                let names = names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect();
                let names: Vec<String> = tls.trusted_names.clone().unwrap_or(names);
                self.lets_us_in(is_mutual, &names, tls.trusted_roots.as_ref().map_or(0, Vec::len)).await?;
            }
        }
        Ok(())
    }

    /// Refuses mutual TLS by which this program would not be let in again: with a certificate that the machine will not trust, or none.
    async fn lets_us_in(&mut self, is_mutual: bool, names: &[String], sources: usize) -> Result<(), Failure> {
        let refuse = |text: String, hint: &'static str| {
            Err(Failure::new(ErrorCode::STEP_REFUSED, Step::Configure.name(), text).hint(hint))
        };
        let Some(chain) = self.access.client.clone() else {
            if is_mutual {
                return Ok(());
            }
            return refuse(
                "tls.remote: with mutual TLS this program would not be let in any more".to_owned(),
                "give a certificate that the machine will accept: --client-certificate, or [console] of the setup server",
            );
        };
        let name = chain.first().and_then(|leaf| csr::common_name(leaf)).unwrap_or_default();
        if !names.is_empty() && !names.iter().any(|trusted| csr::is_trusted_name(&name, trusted)) {
            return refuse(
                format!(
                    "tls.trusted_names: {name:?}, the name of the certificate shown here, is none of {}",
                    names.join(", ")
                ),
                "add it to tls.trusted_names, or leave these out: then every name is good",
            );
        }
        let installed = all(&mut self.session, Step::Configure, PublicKeyCertificate::NAME).await?;
        let roots = installed.iter().filter(|has| super::client::is_root(has));
        let mut roots: Vec<Vec<u8>> = roots.filter_map(|has| blob(has, "X509Certificate")).collect();
        for index in 0..sources {
            roots.extend_from_slice(self.desired.certificates(&format!("tls.trusted_roots[{index}]")));
        }
        if !roots.iter().any(|root| csr::leads_to(&chain, root)) {
            return refuse(
                format!(
                    "tls.remote: {name:?}, the certificate shown here, was issued by none of the roots that the machine shall trust"
                ),
                "add the root of the console's certificate to tls.trusted_roots",
            );
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
