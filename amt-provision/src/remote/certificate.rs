//! The machine's own TLS certificate: a key made on the machine, a request signed by it, a certificate from our authority
//! (`spec/wsman.md` §4(e)).

use super::{Outcome, Run, try_call};
use crate::ca::{CaAnswer, CertificateRequest};
use crate::csr;
use crate::session::Session;
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{
    PublicKeyCertificate, PublicKeyManagementService, PublicPrivateKeyPair, TlsCredentialContext, TlsSettingData,
};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use amt_wsman::soap::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// What every firmware with key generation makes; larger keys only newer ones.
const KEY_BITS: u32 = 2048;

/// Firmware that has no key material yet gets some soon (`spec/wsman.md` §1.7: others ask every 10 s, up to 20 times).
const KEY_ATTEMPTS: u32 = 22;
const KEY_RETRY_FIRST: Duration = Duration::from_secs(2);
const KEY_RETRY_LONGEST: Duration = Duration::from_secs(10);

impl Run {
    /// Leaves the machine with our certificate bound to its TLS server and TLS turned on, to take effect at the commit.
    pub(super) async fn install_certificate(
        &mut self,
        session: &mut Session<Outcome>,
        general: &Instance,
    ) -> Result<(), Failure> {
        self.step(Step::ReadKeys);
        let installed = enumerate(session, Step::ReadKeys, PublicKeyCertificate::NAME).await?;
        let ours = self.record.certificate.as_deref().and_then(|der| find_certificate(&installed, der));
        let handle = match ours {
            Some(handle) => handle,
            None => self.make_certificate(session, &installed, general).await?,
        };
        if self.record.certificate_handle.as_ref() != Some(&handle) {
            self.record.certificate_handle = Some(handle.clone());
            self.persist().await?;
        }
        self.bind(session, &handle).await?;
        self.turn_on_tls(session).await
    }

    async fn make_certificate(
        &mut self,
        session: &mut Session<Outcome>,
        installed: &[Instance],
        general: &Instance,
    ) -> Result<String, Failure> {
        let mut second_try = false;
        loop {
            let key = self.key(session, installed).await?;
            self.certificate_for(session, &key, general).await?;
            self.add_issuers(session).await?;
            self.step(Step::AddCertificate);
            let der = self.record.certificate.clone().unwrap_or_default();
            let error =
                match try_call(session, Step::AddCertificate, &PublicKeyManagementService::add_certificate(&der))
                    .await?
                {
                    Ok(reply) => {
                        let output = reply.output().map_err(|e| e.failure(Step::AddCertificate.name()))?;
                        return handle(output, "CreatedCertificate", Step::AddCertificate);
                    }
                    Err(error) => error,
                };
            match error.return_value().map(PtStatus) {
                // There already: an earlier answer was lost.
                Some(PtStatus::DUPLICATE) => {
                    let all = enumerate(session, Step::AddCertificate, PublicKeyCertificate::NAME).await?;
                    return find_certificate(&all, &der).ok_or_else(|| error.into());
                }
                // The key is gone: begin again with a new one, once.
                Some(PtStatus::CERT_KEY_NOT_MATCH) if !second_try => {
                    self.cx.note("the machine no longer has the key of the certificate; a new key is made");
                    self.record.key_handle = None;
                    self.record.csr = None;
                    self.record.certificate = None;
                    second_try = true;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// The public half (PKCS#1) of a key on the machine: the one of an earlier attempt, one without a certificate, or a new one.
    async fn key(&mut self, session: &mut Session<Outcome>, installed: &[Instance]) -> Result<Vec<u8>, Failure> {
        let certified: Vec<Vec<u8>> = installed
            .iter()
            .filter_map(|i| blob(i, "X509Certificate"))
            .filter_map(|der| csr::certificate_key(&der).ok())
            .collect();
        let keys = enumerate(session, Step::ReadKeys, PublicPrivateKeyPair::NAME).await?;
        let is_recorded = |key: &&Instance| key.text("InstanceID") == self.record.key_handle.as_deref();
        let is_free = |key: &&Instance| blob(key, "DERKey").is_some_and(|der| !certified.contains(&der));
        let found = keys.iter().find(is_recorded).or_else(|| keys.iter().find(is_free));
        if let Some((key, id)) = found.and_then(|k| Some((blob(k, "DERKey")?, k.text("InstanceID")?.to_owned()))) {
            self.record.key_handle = Some(id);
            return Ok(key);
        }
        let id = self.generate_key(session).await?;
        let request = Request::get(PublicPrivateKeyPair::NAME).selector("InstanceID", id.as_str());
        let reply = session.call(Step::GenerateKey, &request).await?;
        let pair = reply.instance().map_err(|e| e.failure(Step::GenerateKey.name()))?;
        blob(pair, "DERKey").ok_or_else(|| missing(Step::GenerateKey, "AMT_PublicPrivateKeyPair.DERKey"))
    }

    async fn generate_key(&mut self, session: &mut Session<Outcome>) -> Result<String, Failure> {
        self.step(Step::GenerateKey);
        let mut pause = KEY_RETRY_FIRST;
        for attempt in 1..=KEY_ATTEMPTS {
            let error =
                match try_call(session, Step::GenerateKey, &PublicKeyManagementService::generate_key_pair(KEY_BITS))
                    .await?
                {
                    Ok(reply) => {
                        let output = reply.output().map_err(|e| e.failure(Step::GenerateKey.name()))?;
                        let id = handle(output, "KeyPair", Step::GenerateKey)?;
                        self.record.key_handle = Some(id.clone());
                        self.persist().await?;
                        return Ok(id);
                    }
                    Err(error) => error,
                };
            match error.return_value().map(PtStatus) {
                Some(
                    PtStatus::PKI_GENERATING_KEYS | PtStatus::RNG_GENERATION_IN_PROGRESS | PtStatus::RNG_NOT_READY,
                ) if attempt < KEY_ATTEMPTS => {
                    self.cx.note(format!("the machine has no key material yet; asked again in {} s", pause.as_secs()));
                    self.cx.sleep(pause).await?;
                    pause = (pause * 2).min(KEY_RETRY_LONGEST);
                }
                Some(
                    PtStatus::PKI_GENERATING_KEYS | PtStatus::RNG_GENERATION_IN_PROGRESS | PtStatus::RNG_NOT_READY,
                ) => {
                    let mut failure = Failure::from(error);
                    failure.code = ErrorCode::KEY_NOT_READY;
                    return Err(failure.hint(ErrorCode::KEY_NOT_READY.hint()));
                }
                _ => return Err(error.into()),
            }
        }
        Err(Self::fail(ErrorCode::KEY_NOT_READY, Step::GenerateKey, "the machine did not make a key"))
    }

    /// Has a certificate for `key` in the record: of an earlier attempt, or issued now.
    async fn certificate_for(
        &mut self,
        session: &mut Session<Outcome>,
        key: &[u8],
        general: &Instance,
    ) -> Result<(), Failure> {
        let earlier = self.record.certificate.as_deref().map(csr::certificate_key);
        if earlier.is_some_and(|issued| issued.is_ok_and(|issued| issued == key)) {
            return Ok(());
        }
        let (common_name, dns_names) = self.names(general);
        if self.record.csr.as_deref().is_none_or(|csr| csr::check_key(csr, key).is_err()) {
            self.sign_request(session, key, &common_name, &dns_names).await?;
        }
        self.step(Step::Certify);
        let csr = self.record.csr.clone().unwrap_or_default();
        let mut request = CertificateRequest::new(self.record.id, csr, common_name, dns_names);
        request.request_id = self.record.ca_request.clone();
        match self.cx.certify(request).await? {
            CaAnswer::Issued { certificate, chain } => {
                if csr::certificate_key(&certificate)? != key {
                    return Err(Self::fail(
                        ErrorCode::CA_CERTIFICATE_WRONG,
                        Step::Certify,
                        "the authority issued a certificate for another key",
                    ));
                }
                self.record.certificate = Some(certificate);
                self.record.certificate_chain = chain;
                self.record.ca_request = None;
                self.persist().await
            }
            CaAnswer::Pending { request_id, .. } => {
                let text = format!("the certificate authority has not decided on request {request_id} yet");
                if self.record.ca_request.as_ref() != Some(&request_id) {
                    self.record.ca_request = Some(request_id);
                    self.persist().await?;
                }
                Err(Self::fail(ErrorCode::CA_PENDING, Step::Certify, text))
            }
            CaAnswer::Denied { reason } => {
                // A refused request is not asked about again; the next attempt submits a new one.
                self.record.ca_request = None;
                self.record.csr = None;
                self.persist().await?;
                let text = format!("the certificate authority refused: {reason}");
                Err(Self::fail(ErrorCode::CA_DENIED, Step::Certify, text))
            }
            CaAnswer::Failed(failure) => Err(failure.at(Step::Certify.name())),
        }
    }

    async fn sign_request(
        &mut self,
        session: &mut Session<Outcome>,
        key: &[u8],
        common_name: &str,
        dns_names: &[String],
    ) -> Result<(), Failure> {
        self.step(Step::SignRequest);
        let unsigned = csr::null_signed(key, common_name, dns_names)?;
        let id = self.record.key_handle.clone().unwrap_or_default();
        let pair = Reference::to(PublicPrivateKeyPair::NAME).with("InstanceID", id.as_str());
        let algorithm = PublicKeyManagementService::SHA256_RSA;
        let request = PublicKeyManagementService::generate_pkcs10_request(&pair, algorithm, &unsigned);
        let reply = session.call(Step::SignRequest, &request).await?;
        let signed =
            PublicKeyManagementService::signed_request(&reply).map_err(|e| e.failure(Step::SignRequest.name()))?;
        csr::check_key(&signed, key)?;
        self.record.csr = Some(signed);
        self.record.ca_request = None;
        self.persist().await
    }

    /// Subject and DNS names: the plan's, else the machine's own, else its UUID.
    fn names(&self, general: &Instance) -> (String, Vec<String>) {
        let own = |property| general.text(property).filter(|text| !text.is_empty()).map(str::to_owned);
        let host = self.plan.host_name.clone().or_else(|| own("HostName"));
        let domain = self.plan.domain_name.clone().or_else(|| own("DomainName"));
        match (host, domain) {
            (Some(host), Some(domain)) => {
                let full = format!("{host}.{domain}");
                (full.clone(), vec![full, host])
            }
            (Some(host), None) => (host.clone(), vec![host]),
            _ => (self.record.id.to_string(), Vec::new()),
        }
    }

    /// Puts the certificates between ours and the root on the machine: it sends only what it holds.
    async fn add_issuers(&mut self, session: &mut Session<Outcome>) -> Result<(), Failure> {
        let chain = self.record.certificate_chain.clone();
        let Some((_root, intermediates)) = chain.split_last() else { return Ok(()) };
        for der in intermediates {
            self.step(Step::AddCertificate);
            let request = PublicKeyManagementService::add_trusted_root_certificate(der);
            match try_call(session, Step::AddCertificate, &request).await? {
                Ok(_) => {}
                Err(error) if error.return_value() == Some(PtStatus::DUPLICATE.0) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn bind(&mut self, session: &mut Session<Outcome>, handle: &str) -> Result<(), Failure> {
        self.step(Step::BindCertificate);
        let step = Step::BindCertificate;
        let certificate = Reference::to(PublicKeyCertificate::NAME).with("InstanceID", handle);
        let bound = enumerate(session, step, TlsCredentialContext::NAME).await?.into_iter().next();
        if let Some(context) = &bound
            && context.reference("ElementInContext").and_then(|r| r.selector("InstanceID")) == Some(handle)
        {
            return Ok(());
        }
        if bound.is_none() {
            match try_call(session, step, &TlsCredentialContext::create(&certificate)).await? {
                Ok(_) => return Ok(()),
                Err(error) if error.is_fault("AlreadyExists") => {}
                Err(error) => return Err(error.into()),
            }
        }
        session.call(step, &TlsCredentialContext::put(&certificate)).await?;
        Ok(())
    }

    async fn turn_on_tls(&mut self, session: &mut Session<Outcome>) -> Result<(), Failure> {
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

async fn enumerate(session: &mut Session<Outcome>, step: Step, class: &str) -> Result<Vec<Instance>, Failure> {
    match try_call(session, step, &Request::enumerate(class)).await? {
        Ok(reply) => Ok(reply.instances().to_vec()),
        // No instance at all is a fault on some firmware.
        Err(error) if error.is_fault("DestinationUnreachable") => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn find_certificate(installed: &[Instance], der: &[u8]) -> Option<String> {
    let found = installed.iter().find(|i| blob(i, "X509Certificate").as_deref() == Some(der))?;
    Some(found.text("InstanceID")?.to_owned())
}

/// A base64 property, which firmware may wrap over lines.
fn blob(instance: &Instance, property: &str) -> Option<Vec<u8>> {
    let compact: String = instance.text(property)?.split_whitespace().collect();
    STANDARD.decode(compact).ok()
}

fn handle(output: &Instance, property: &'static str, step: Step) -> Result<String, Failure> {
    let id = output.reference(property).and_then(|r| r.selector("InstanceID"));
    id.map(str::to_owned).ok_or_else(|| missing(step, property))
}

fn missing(step: Step, what: &str) -> Failure {
    Run::fail(ErrorCode::PROPERTY, step, format!("{what} is missing in the machine's answer"))
}
