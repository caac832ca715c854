//! A certificate for the machine, its TLS server or itself as a client: a key made on the machine, a request signed by it, a certificate from our authority
//! (`spec/wsman.md` §4(e)). What remote configuration, a rename, a renewal and 802.1X have in common.

use crate::ca::{CaAnswer, CertificateRequest, KeyRequest, Purpose};
use crate::csr::{self, MAX_DER};
use crate::event::Event;
use crate::machine::{Cx, RecordCx};
use crate::names::CertificateNames;
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{
    PublicKeyCertificate, PublicKeyManagementService, PublicPrivateKeyPair, TlsCredentialContext,
};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use amt_wsman::soap::Reference;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// What every firmware with key generation makes; larger keys only newer ones.
const KEY_BITS: u32 = 2048;

/// Firmware that has no key material yet gets some soon (`spec/wsman.md` §1.7: others ask every 10 s, up to 20 times).
const KEY_ATTEMPTS: u32 = 22;
const KEY_RETRY_FIRST: Duration = Duration::from_secs(2);
const KEY_RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Most issuers taken from an authority.
pub(crate) const MAX_ISSUERS: usize = 8;

/// What a record holds of a certificate that is being made.
pub(crate) struct Draft<'r> {
    /// Handle of the key pair on the machine.
    pub(crate) key_handle: &'r mut Option<String>,
    /// Key pairs without a certificate that were there before ours was made ([`fingerprint`]): they are somebody else's, who may wait
    /// for an authority. Absent in a record of a machine that nobody else can be at work on: there any such key is taken.
    pub(crate) keys_before: Option<&'r mut Option<Vec<String>>>,
    /// The request that the machine signed, DER.
    pub(crate) csr: &'r mut Option<Vec<u8>>,
    /// The authority's name for a request that is not decided yet.
    pub(crate) ca_request: &'r mut Option<String>,
    /// The certificate, DER.
    pub(crate) certificate: &'r mut Option<Vec<u8>>,
    /// Its issuers, DER.
    pub(crate) certificate_chain: &'r mut Vec<Vec<u8>>,
    /// Its handle on the machine.
    pub(crate) certificate_handle: &'r mut Option<String>,
    /// The private key, for firmware that makes none itself; absent in a record that must not hold one.
    pub(crate) private_key: Option<&'r mut Option<Secret<Vec<u8>>>>,
}

/// A record that a certificate is made in.
pub(crate) trait Drafted: Clone + Send + Sync + 'static {
    /// The part about the certificate.
    fn draft(&mut self) -> Draft<'_>;

    /// Notes the step that is about to be taken, if the record keeps it.
    fn note_step(&mut self, step: Step);
}

/// Such a record and who makes it durable, whichever record it is.
pub(crate) trait Ledger: Send {
    /// As [`Drafted::draft`].
    fn draft(&mut self) -> Draft<'_>;

    /// As [`Drafted::note_step`].
    fn note_step(&mut self, step: Step);

    /// As [`RecordCx::put`].
    fn put(&self);
}

impl<R: Drafted> Ledger for (&RecordCx<R>, &mut R) {
    fn draft(&mut self) -> Draft<'_> {
        self.1.draft()
    }

    fn note_step(&mut self, step: Step) {
        self.1.note_step(step);
    }

    fn put(&self) {
        self.0.put(self.1);
    }
}

/// Makes a certificate in a session with the machine. What an earlier attempt made is found in the record or on the machine, and not
/// made twice.
pub(crate) struct Maker<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) session: &'a mut Session,
    pub(crate) record: Box<dyn Ledger + 'a>,
    pub(crate) id: SystemId,
    pub(crate) names: CertificateNames,
    /// Whether a certificate without the common name that was asked for is refused.
    pub(crate) name_matters: bool,
    /// Whether the firmware makes key pairs itself, as it does from AMT 6 on.
    pub(crate) makes_keys: bool,
    /// What the certificate is for.
    pub(crate) purpose: Purpose,
}

impl Maker<'_> {
    /// Leaves the certificate of the record, made now if there is none, in the machine's store. Returns its handle.
    pub(crate) async fn install(&mut self) -> Result<String, Failure> {
        self.step(Step::ReadKeys);
        let installed = enumerate(self.session, Step::ReadKeys, PublicKeyCertificate::NAME).await?;
        let ours = self.record.draft().certificate.as_deref().and_then(|der| find_certificate(&installed, der));
        let handle = match ours {
            Some(handle) => handle,
            None => self.make(&installed).await?,
        };
        if self.record.draft().certificate_handle.as_ref() != Some(&handle) {
            *self.record.draft().certificate_handle = Some(handle.clone());
            self.persist().await?;
        }
        Ok(handle)
    }

    /// Binds the certificate to the machine's TLS server, to take effect at the commit.
    pub(crate) async fn bind(&mut self, handle: &str) -> Result<(), Failure> {
        self.step(Step::BindCertificate);
        let step = Step::BindCertificate;
        let certificate = Reference::to(PublicKeyCertificate::NAME).with("InstanceID", handle);
        let bound = enumerate(self.session, step, TlsCredentialContext::NAME).await?.into_iter().next();
        if let Some(context) = &bound
            && context.reference("ElementInContext").and_then(|r| r.selector("InstanceID")) == Some(handle)
        {
            return Ok(());
        }
        if bound.is_none() {
            match try_call(self.session, step, &TlsCredentialContext::create(&certificate)).await? {
                Ok(_) => return Ok(()),
                Err(error) if error.is_fault("AlreadyExists") => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.session.call(step, &TlsCredentialContext::put(&certificate)).await?;
        Ok(())
    }

    async fn make(&mut self, installed: &[Instance]) -> Result<String, Failure> {
        let mut second_try = false;
        loop {
            let key = if self.makes_keys { self.key(installed).await? } else { self.own_key(installed).await? };
            self.certificate_for(&key).await?;
            self.add_issuers().await?;
            self.step(Step::AddCertificate);
            let der = self.record.draft().certificate.clone().unwrap_or_default();
            let request = PublicKeyManagementService::add_certificate(&der);
            let error = match try_call(self.session, Step::AddCertificate, &request).await? {
                Ok(reply) => {
                    let output = reply.output().map_err(|e| e.failure(Step::AddCertificate.name()))?;
                    return handle(output, "CreatedCertificate", Step::AddCertificate);
                }
                Err(error) => error,
            };
            match error.return_value().map(PtStatus) {
                // There already: an earlier answer was lost.
                Some(PtStatus::DUPLICATE) => {
                    let all = enumerate(self.session, Step::AddCertificate, PublicKeyCertificate::NAME).await?;
                    return find_certificate(&all, &der).ok_or_else(|| error.into());
                }
                // The key is gone: begin again with a new one, once.
                Some(PtStatus::CERT_KEY_NOT_MATCH) if !second_try => {
                    self.cx.note("the machine no longer has the key of the certificate; a new key is made");
                    let draft = self.record.draft();
                    *draft.key_handle = None;
                    *draft.csr = None;
                    *draft.certificate = None;
                    if let Some(private_key) = draft.private_key {
                        *private_key = None;
                    }
                    second_try = true;
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// The public half (PKCS#1) of a key on the machine: the one of an earlier attempt, one without a certificate, or a new one.
    async fn key(&mut self, installed: &[Instance]) -> Result<Vec<u8>, Failure> {
        let certified = certified_keys(installed);
        let keys = enumerate(self.session, Step::ReadKeys, PublicPrivateKeyPair::NAME).await?;
        let recorded = self.record.draft().key_handle.clone();
        let is_free = |key: &&Instance| blob(key, "DERKey").is_some_and(|der| !certified.contains(&der));
        // A recorded handle may be another key's by now: only one without a certificate is taken.
        let is_recorded = |key: &&Instance| key.text("InstanceID") == recorded.as_deref() && is_free(key);
        let found = keys.iter().find(is_recorded).or_else(|| {
            let before = match self.record.draft().keys_before {
                None => Some(Vec::new()),
                // Without the note that one was about to be made, there is none of ours.
                Some(noted) => noted.clone(),
            }?;
            let is_ours = |key: &&Instance| {
                is_free(key) && blob(key, "DERKey").is_some_and(|der| !before.contains(&fingerprint(&der)))
            };
            keys.iter().find(is_ours)
        });
        if let Some((key, id)) = found.and_then(|k| Some((blob(k, "DERKey")?, k.text("InstanceID")?.to_owned()))) {
            let draft = self.record.draft();
            *draft.key_handle = Some(id);
            if let Some(noted) = draft.keys_before {
                *noted = None;
            }
            return Ok(key);
        }
        if let Some(noted) = self.record.draft().keys_before {
            let free = keys.iter().filter(is_free).filter_map(|key| blob(key, "DERKey"));
            *noted = Some(free.map(|der| fingerprint(&der)).collect());
            self.persist().await?;
        }
        let id = self.generate_key().await?;
        let request = Request::get(PublicPrivateKeyPair::NAME).selector("InstanceID", id.as_str());
        let pair = self.session.instance(Step::GenerateKey, &request).await?;
        blob(&pair, "DERKey").ok_or_else(|| missing(Step::GenerateKey, "AMT_PublicPrivateKeyPair.DERKey"))
    }

    /// The public half (PKCS#1) of a key made here and put on the machine, durable in the record before it is sent.
    async fn own_key(&mut self, installed: &[Instance]) -> Result<Vec<u8>, Failure> {
        let Some(kept) = self.record.draft().private_key.map(|key| key.clone()) else {
            let text = "this firmware makes no key pairs, and a key that is made for it is not kept here";
            return Err(fail(ErrorCode::FIRMWARE_UNSUPPORTED, Step::AddKey, text));
        };
        let csr = self.record.draft().csr.clone();
        let (private_key, public_key) = match (kept, csr.as_deref().map(csr::request_key)) {
            (Some(private_key), Some(Ok(public_key))) => (private_key, public_key),
            _ => {
                self.drop_given_up(installed).await?;
                self.make_key().await?
            }
        };
        let keys = enumerate(self.session, Step::ReadKeys, PublicPrivateKeyPair::NAME).await?;
        let there = keys.iter().find(|key| blob(key, "DERKey").as_ref() == Some(&public_key));
        let handle = match there.and_then(|key| key.text("InstanceID")) {
            Some(id) => id.to_owned(),
            None => {
                self.step(Step::AddKey);
                let request = PublicKeyManagementService::add_key(&private_key);
                let reply = self.session.call(Step::AddKey, &request).await?;
                handle(reply.output().map_err(|e| e.failure(Step::AddKey.name()))?, "CreatedKey", Step::AddKey)?
            }
        };
        if self.record.draft().key_handle.as_ref() != Some(&handle) {
            *self.record.draft().key_handle = Some(handle);
            self.persist().await?;
        }
        Ok(public_key)
    }

    /// Removes the key that was given to the machine for a request that was given up: none of our keys is left behind.
    async fn drop_given_up(&mut self, installed: &[Instance]) -> Result<(), Failure> {
        let Some(handle) = self.record.draft().key_handle.take() else { return Ok(()) };
        let certified = certified_keys(installed);
        let keys = enumerate(self.session, Step::ReadKeys, PublicPrivateKeyPair::NAME).await?;
        let is_free = |key: &Instance| blob(key, "DERKey").is_some_and(|der| !certified.contains(&der));
        if keys.iter().any(|key| key.text("InstanceID") == Some(handle.as_str()) && is_free(key)) {
            self.step(Step::Tidy);
            let request = Request::delete(PublicPrivateKeyPair::NAME).selector("InstanceID", handle.as_str());
            if let Err(error) = try_call(self.session, Step::Tidy, &request).await? {
                self.cx.note(format!("{handle} stays on the machine: {}", Failure::from(error).message));
            }
        }
        Ok(())
    }

    async fn make_key(&mut self) -> Result<(Secret<Vec<u8>>, Vec<u8>), Failure> {
        self.step(Step::GenerateKey);
        let CertificateNames { common_name, dns_names } = self.names.clone();
        let made =
            self.cx.make_key(KeyRequest { bits: KEY_BITS, common_name, dns_names, purpose: self.purpose }).await?;
        csr::check_key(&made.csr, &made.public_key)?;
        let draft = self.record.draft();
        if let Some(private_key) = draft.private_key {
            *private_key = Some(made.private_key.clone());
        }
        *draft.csr = Some(made.csr);
        *draft.ca_request = None;
        *draft.certificate = None;
        self.persist().await?;
        Ok((made.private_key, made.public_key))
    }

    async fn generate_key(&mut self) -> Result<String, Failure> {
        self.step(Step::GenerateKey);
        let mut pause = KEY_RETRY_FIRST;
        for attempt in 1..=KEY_ATTEMPTS {
            let request = PublicKeyManagementService::generate_key_pair(KEY_BITS);
            let error = match try_call(self.session, Step::GenerateKey, &request).await? {
                Ok(reply) => {
                    let output = reply.output().map_err(|e| e.failure(Step::GenerateKey.name()))?;
                    let id = handle(output, "KeyPair", Step::GenerateKey)?;
                    let draft = self.record.draft();
                    *draft.key_handle = Some(id.clone());
                    if let Some(noted) = draft.keys_before {
                        *noted = None;
                    }
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
        Err(fail(ErrorCode::KEY_NOT_READY, Step::GenerateKey, "the machine did not make a key"))
    }

    /// Has a certificate for `key` in the record: of an earlier attempt, or issued now.
    async fn certificate_for(&mut self, key: &[u8]) -> Result<(), Failure> {
        let earlier = self.record.draft().certificate.as_deref().map(csr::certificate_key);
        if earlier.is_some_and(|issued| issued.is_ok_and(|issued| issued == key)) {
            return Ok(());
        }
        if self.record.draft().csr.as_deref().is_none_or(|csr| csr::check_key(csr, key).is_err()) {
            self.sign_request(key).await?;
        }
        self.step(Step::Certify);
        let draft = self.record.draft();
        let CertificateNames { common_name, dns_names } = self.names.clone();
        let csr = draft.csr.clone().unwrap_or_default();
        let mut request = CertificateRequest::new(self.id, csr, common_name, dns_names);
        (request.request_id, request.purpose) = (draft.ca_request.clone(), self.purpose);
        match self.cx.certify(request).await? {
            CaAnswer::Issued { certificate, chain } => {
                if let Err(wrong) = self.check_issued(&certificate, &chain, key) {
                    // Asked about again, the authority would give the same.
                    if self.record.draft().ca_request.take().is_some() {
                        self.persist().await?;
                    }
                    return Err(wrong);
                }
                let draft = self.record.draft();
                *draft.certificate = Some(certificate);
                *draft.certificate_chain = chain;
                *draft.ca_request = None;
                self.persist().await
            }
            CaAnswer::Pending { request_id, words, hint, .. } => {
                let said = words.map(|words| format!(": {words}")).unwrap_or_default();
                let text = format!("the certificate authority has not decided on request {request_id} yet{said}");
                if self.record.draft().ca_request.as_ref() != Some(&request_id) {
                    *self.record.draft().ca_request = Some(request_id);
                    self.persist().await?;
                }
                let failure = fail(ErrorCode::CA_PENDING, Step::Certify, text);
                Err(match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                })
            }
            CaAnswer::Denied { reason } => {
                // A refused request is not asked about again; the next attempt submits a new one.
                *self.record.draft().ca_request = None;
                *self.record.draft().csr = None;
                self.persist().await?;
                let text = format!("the certificate authority refused: {reason}");
                Err(fail(ErrorCode::CA_DENIED, Step::Certify, text))
            }
            CaAnswer::Failed(failure) => Err(failure.at(Step::Certify.name())),
        }
    }

    fn check_issued(&self, certificate: &[u8], issuers: &[Vec<u8>], key: &[u8]) -> Result<(), Failure> {
        let wrong = |text: String| Err(fail(ErrorCode::CA_CERTIFICATE_WRONG, Step::Certify, text));
        if csr::certificate_key(certificate)? != key {
            return wrong("the authority issued a certificate for another key".to_owned());
        }
        if issuers.len() > MAX_ISSUERS || issuers.iter().any(|issuer| issuer.len() > MAX_DER) {
            return wrong(format!(
                "the authority gave more than {MAX_ISSUERS} issuers, or one of over {MAX_DER} bytes"
            ));
        }
        let name = &self.names.common_name;
        if self.name_matters && !csr::is_for(certificate, name) {
            return wrong(format!("the authority issued a certificate that does not carry the name {name}"));
        }
        Ok(())
    }

    async fn sign_request(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.step(Step::SignRequest);
        let unsigned = csr::null_signed(key, &self.names.common_name, &self.names.dns_names, self.purpose)?;
        let id = self.record.draft().key_handle.clone().unwrap_or_default();
        let pair = Reference::to(PublicPrivateKeyPair::NAME).with("InstanceID", id.as_str());
        let algorithm = PublicKeyManagementService::SHA256_RSA;
        let request = PublicKeyManagementService::generate_pkcs10_request(&pair, algorithm, &unsigned);
        let reply = self.session.call(Step::SignRequest, &request).await?;
        let signed =
            PublicKeyManagementService::signed_request(&reply).map_err(|e| e.failure(Step::SignRequest.name()))?;
        csr::check_key(&signed, key)?;
        *self.record.draft().csr = Some(signed);
        *self.record.draft().ca_request = None;
        self.persist().await
    }

    /// Puts the certificates between ours and the root on the machine: it sends only what it holds. Authorities may leave the root out.
    async fn add_issuers(&mut self) -> Result<(), Failure> {
        let chain = self.record.draft().certificate_chain.clone();
        let intermediates = match chain.split_last() {
            Some((last, before)) if !csr::has_issuer(last) => before,
            _ => &chain,
        };
        for der in intermediates {
            self.step(Step::AddCertificate);
            let request = PublicKeyManagementService::add_trusted_root_certificate(der);
            match try_call(self.session, Step::AddCertificate, &request).await? {
                Ok(_) => {}
                Err(error) if error.return_value() == Some(PtStatus::DUPLICATE.0) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) {
        self.record.note_step(step);
        self.cx.event(Event::Step(step));
    }

    async fn persist(&mut self) -> Result<(), Failure> {
        self.record.put();
        self.cx.kept().await
    }
}

/// Reads all instances of a class; none if the firmware has none.
pub(crate) async fn enumerate(session: &mut Session, step: Step, class: &str) -> Result<Vec<Instance>, Failure> {
    match try_call(session, step, &Request::enumerate(class)).await? {
        Ok(reply) => Ok(reply.instances().to_vec()),
        // No instance at all is a fault on some firmware.
        Err(error) if error.is_fault("DestinationUnreachable") => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Handle of the certificate `der` among those in the machine's store.
pub(crate) fn find_certificate(installed: &[Instance], der: &[u8]) -> Option<String> {
    let found = installed.iter().find(|i| blob(i, "X509Certificate").as_deref() == Some(der))?;
    Some(found.text("InstanceID")?.to_owned())
}

/// The keys (PKCS#1) of the certificates in the machine's store.
pub(crate) fn certified_keys(installed: &[Instance]) -> Vec<Vec<u8>> {
    let certificates = installed.iter().filter_map(|i| blob(i, "X509Certificate"));
    certificates.filter_map(|der| csr::certificate_key(&der).ok()).collect()
}

/// A base64 property, which firmware may wrap over lines.
pub(crate) fn blob(instance: &Instance, property: &str) -> Option<Vec<u8>> {
    let compact: String = instance.text(property)?.split_whitespace().collect();
    STANDARD.decode(compact).ok()
}

/// What a record knows a key by: the SHA-256 of its public half, hexadecimal.
pub(crate) fn fingerprint(public_key: &[u8]) -> String {
    hex::encode(Sha256::digest(public_key))
}

fn handle(output: &Instance, property: &'static str, step: Step) -> Result<String, Failure> {
    let id = output.reference(property).and_then(|r| r.selector("InstanceID"));
    id.map(str::to_owned).ok_or_else(|| missing(step, property))
}

pub(crate) fn missing(step: Step, what: &str) -> Failure {
    fail(ErrorCode::PROPERTY, step, format!("{what} is missing in the machine's answer"))
}

fn fail(code: ErrorCode, step: Step, message: impl Into<String>) -> Failure {
    Failure::new(code, step.name(), message)
}
