//! The machine's own certificate, and TLS turned on with it (`spec/wsman.md` §4(e)).

use super::Run;
use crate::ca::Purpose;
use crate::certificate::{Draft, Drafted, Maker, enumerate, missing};
use crate::journal::Record;
use crate::names::{self, CertificateNames};
use crate::session::Session;
use crate::step::Step;
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::TlsSettingData;
use amt_wsman::instance::Instance;

impl Run {
    /// Leaves the machine with our certificate bound to its TLS server and TLS turned on, to take effect at the commit.
    pub(super) async fn install_certificate(
        &mut self,
        session: &mut Session,
        general: &Instance,
    ) -> Result<(), Failure> {
        let (id, names) = (self.record.id, self.certificate_names(general));
        let makes_keys = self.record.version.is_none_or(|version| version.capabilities().generate_key_pair);
        let record = Box::new((&self.cx, &mut self.record));
        let purpose = Purpose::Server;
        let mut maker = Maker { cx: &self.cx, session, record, id, names, name_matters: false, makes_keys, purpose };
        let handle = maker.install().await?;
        maker.bind(&handle).await?;
        drop(maker);
        self.turn_on_tls(session).await
    }

    /// Those of the plan's names, else of the machine's own, else of its UUID.
    fn certificate_names(&self, general: &Instance) -> CertificateNames {
        let host = self.plan.host_name.as_deref().or_else(|| names::own(general, "HostName"));
        let domain = self.plan.domain_name.as_deref().or_else(|| names::own(general, "DomainName"));
        CertificateNames::new(host, domain, self.record.id)
    }

    async fn turn_on_tls(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.step(Step::SetTls);
        // The order of the instances is not guaranteed: the name tells. The local one stays off: turned on during a TLS-based
        // setup, the commit is ignored.
        let mut setting = enumerate(session, Step::SetTls, TlsSettingData::NAME)
            .await?
            .into_iter()
            .find(|i| i.text("InstanceID") == Some(TlsSettingData::REMOTE))
            .ok_or_else(|| missing(Step::SetTls, "AMT_TLSSettingData for the network"))?;
        let before = setting.clone();
        setting.set("Enabled", "true");
        setting.set("MutualAuthentication", "false");
        // Firmware that has this property speaks TLS only and refuses to be told otherwise.
        if setting.value("NonSecureConnectionsSupported").is_some() {
            setting.set("AcceptNonSecureConnections", "false");
        } else if let Some(open) = self.plan.tls.plain_http {
            setting.set("AcceptNonSecureConnections", if open { "true" } else { "false" });
        }
        if setting != before {
            session.call(Step::SetTls, &TlsSettingData::put(&setting)).await?;
        }
        Ok(())
    }
}

impl Drafted for Record {
    fn draft(&mut self) -> Draft<'_> {
        Draft {
            // In setup mode nobody else is at work on the machine.
            keys_before: None,
            key_handle: &mut self.key_handle,
            csr: &mut self.csr,
            ca_request: &mut self.ca_request,
            certificate: &mut self.certificate,
            certificate_chain: &mut self.certificate_chain,
            certificate_handle: &mut self.certificate_handle,
            private_key: Some(&mut self.private_key),
        }
    }

    fn note_step(&mut self, step: Step) {
        self.step = step;
    }
}
