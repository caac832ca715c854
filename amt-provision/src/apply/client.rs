//! The certificate by which the machine logs in to its network: 802.1X with EAP-TLS, wired and wireless (`spec/wsman.md` §3.6, §3.7,
//! §4(e), §4(i)). A machine has one, for its own name, whatever it logs in to.
//!
//! It is made as the TLS server's is: a key pair, a request, an authority, which may take days. Meanwhile the rest of the profile is
//! applied. The record keeps what was made, so that nothing is made twice. When a share of its life is over, or the machine was renamed,
//! another one is made with a new key pair; the old one and its key are removed after the machine was seen using the new one.

use super::{Pass, Run};
use crate::ca::Purpose;
use crate::certificate::{Maker, blob, certified_keys, find_certificate, fingerprint};
use crate::csr;
use crate::event::Event;
use crate::names::{self, CertificateNames};
use crate::profile::{Ieee8021x, Profile};
use crate::renew::{Due, is_due};
use crate::replace::{self, Replacement, Stage};
use crate::session::{all, read_general};
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{Profile8021x, PublicKeyCertificate, PublicPrivateKeyPair};
use amt_wsman::class::cim::{CredentialContext, Ieee8021xSettings};
use amt_wsman::class::ips::WiredIeee8021xCredentialContext;
use amt_wsman::instance::Instance;
use amt_wsman::soap::Reference;

/// The certificate that the machine shows.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its handle; none as long as there is none.
    pub(super) handle: Option<String>,
    /// The name that it carries.
    pub(super) name: String,
}

/// Certificates that 802.1X uses, by handle: the client's, and the authority of the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    pub(super) client: Option<String>,
    pub(super) root: Option<String>,
}

impl Certificates {
    /// In words, for differences.
    pub(super) fn describe(&self) -> String {
        let word = |what: &str, handle: &Option<String>| handle.as_ref().map(|handle| format!(", {what} {handle}"));
        let parts = [word("certificate", &self.client), word("authority", &self.root)];
        parts.into_iter().flatten().collect()
    }
}

/// A certificate as an argument.
pub(super) fn reference(handle: &str) -> Reference {
    Reference::to(PublicKeyCertificate::NAME).with("InstanceID", handle)
}

/// Who uses a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum User {
    Wired,
    /// The 802.1X settings of a wireless network.
    Wireless(String),
}

fn logins(profile: &Profile) -> impl Iterator<Item = &Ieee8021x> {
    let wired = profile.wired.iter().filter_map(|wired| wired.ieee8021x.as_ref());
    let networks = profile.wifi.iter().flat_map(|wifi| wifi.profiles.iter().flatten());
    wired.chain(networks.filter_map(|network| network.ieee8021x.as_ref()))
}

impl Run {
    /// The certificate that the machine is to log in with, made now if it has none or its time has come. None if an authority does not
    /// give one now. `field`: what wants it.
    pub(super) async fn client(&mut self, field: &str) -> Result<Option<Client>, Failure> {
        if self.client.is_none() && self.postponed.is_none() {
            self.client = self.find_or_make(field).await?;
        }
        Ok(self.client.clone())
    }

    async fn find_or_make(&mut self, field: &str) -> Result<Option<Client>, Failure> {
        let general = read_general(&mut self.session, Step::Configure).await?;
        let (host, domain) = (names::own(&general, "HostName"), names::own(&general, "DomainName"));
        let names = CertificateNames::new(host, domain, self.access.id);
        let name = names.common_name.clone();
        let installed = all(&mut self.session, Step::Configure, PublicKeyCertificate::NAME).await?;
        let part = &self.record.client;
        let is_there = |der: &Vec<u8>| find_certificate(&installed, der).is_some();
        if part.stage == Stage::Done && !part.certificate.as_ref().is_some_and(is_there) {
            // The setup that it belonged to was taken back.
            self.record.client = Replacement::new(self.access.id);
            self.record.client_name = None;
        }
        let current = match self.record.client.stage {
            Stage::Idle => self.adopted(&installed, &name).await?,
            _ => self.record.client.certificate.clone(),
        };
        let same_name = self.record.client_name.as_ref().is_none_or(|asked| *asked == name);
        let milliseconds = self.cx.now().0;
        let fits = |der: &&Vec<u8>| same_name && !is_due(self.due, der, self.wall_clock, milliseconds);
        let has = current.as_ref().filter(fits);
        if let Some(handle) = has.and_then(|der| find_certificate(&installed, der)) {
            return Ok(Some(Client { handle: Some(handle), name }));
        }
        let keeps = has.is_some();
        let to = format!("a certificate for {name}");
        let from = if current.is_some() && !keeps { "a certificate whose time has come" } else { "" };
        if !self.has_authority && self.mode == Pass::Write {
            let is_good = |der: &&Vec<u8>| !is_due(Due::Percent(100), der, self.wall_clock, milliseconds);
            let usable = current.as_ref().filter(|_| same_name).filter(is_good);
            if let Some(handle) = usable.and_then(|der| find_certificate(&installed, der)) {
                self.cx.note(format!("{field}: the certificate's time has come, and no authority was given: it stays"));
                return Ok(Some(Client { handle: Some(handle), name }));
            }
            let text = format!("{field}: the machine needs {to}, and no certificate authority was given");
            let hint = "give one: `amt configure --authority FILE`, a file with a section [ca] as `amt serve` reads it";
            let failure = Failure::new(ErrorCode::CA_UNAVAILABLE, Step::Certify.name(), text).hint(hint);
            self.cx.note(format!("{}; the rest is done meanwhile", failure.message));
            self.postponed = Some(failure);
            return Ok(None);
        }
        if !self.change(field, from, to) {
            return Ok(Some(Client { handle: None, name }));
        }
        // One that is being made for the same name is gone on with.
        if !same_name || (current.is_some() && !keeps) {
            self.record.client.give_up();
            if let Some(old) = current {
                self.record.client.supersede(old);
            }
        }
        self.record.client.stage = Stage::Preparing;
        self.record.client_name = Some(name.clone());
        self.record.begin();
        self.keep().await?;
        match self.make(names).await {
            Ok(handle) => Ok(Some(Client { handle: Some(handle), name })),
            Err(failure) if is_of_authority(failure.code) => {
                self.cx.note(format!("{field}: {failure}; the rest is done meanwhile"));
                self.postponed = Some(failure);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn make(&mut self, names: CertificateNames) -> Result<String, Failure> {
        let before = self.session.writes();
        let made = Maker {
            cx: &self.cx,
            session: &mut self.session,
            record: Box::new((&self.cx, &mut self.record)),
            id: self.access.id,
            names,
            name_matters: false,
            makes_keys: self.access.version.is_none_or(|version| version.capabilities().generate_key_pair),
            purpose: Purpose::Client,
        }
        .install()
        .await;
        self.writes += self.session.writes() - before;
        self.cx.event(Event::Step(Step::Configure));
        made
    }

    /// The certificate that the machine shows already and that carries its name, of an application whose record was lost.
    async fn adopted(&mut self, installed: &[Instance], name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let bound = self.bound().await?;
        let own = installed.iter().filter(|has| !is_root(has));
        let shown = own.filter(|has| bound.iter().any(|(handle, _)| has.text("InstanceID") == Some(handle)));
        Ok(shown.filter_map(|has| blob(has, "X509Certificate")).find(|der| csr::is_for(der, name)))
    }

    /// Handles of the certificates that 802.1X uses, and what uses each.
    pub(super) async fn bound(&mut self) -> Result<Vec<(String, User)>, Failure> {
        let mut bound = Vec::new();
        for context in all(&mut self.session, Step::Configure, WiredIeee8021xCredentialContext::NAME).await? {
            bound.extend(handle(&context, "ElementInContext").map(|handle| (handle, User::Wired)));
        }
        if let Some(profile) = self.read(Profile8021x::get()).await? {
            let names = ["ClientCertificate", "ServerCertificateIssuer"];
            bound.extend(names.iter().filter_map(|name| Some((handle(&profile, name)?, User::Wired))));
        }
        for context in all(&mut self.session, Step::Configure, CredentialContext::NAME).await? {
            // Firmware tells the associations of other settings too.
            let settings = context.reference("ElementProvidingContext");
            let settings = settings.filter(|settings| settings.class() == Some(Ieee8021xSettings::NAME));
            let network = settings.and_then(|settings| settings.selector("InstanceID"));
            if let Some((handle, network)) = handle(&context, "ElementInContext").zip(network) {
                bound.push((handle, User::Wireless(network.to_owned())));
            }
        }
        Ok(bound)
    }

    /// What `user` has, and what it shall have by `login`, an authority that the profile does not name staying.
    pub(super) async fn certificates(
        &mut self,
        at: &str,
        user: &User,
        login: &Ieee8021x,
        client: Option<&Client>,
    ) -> Result<(Certificates, Certificates), Failure> {
        let field = format!("{at}.server_root");
        if login.server_root.is_some() {
            self.trusted_root(&field).await?;
        }
        let installed = all(&mut self.session, Step::Configure, PublicKeyCertificate::NAME).await?;
        let bound = self.bound().await?;
        let roots: Vec<&str> =
            installed.iter().filter(|has| is_root(has)).filter_map(|has| has.text("InstanceID")).collect();
        let mut has = Certificates::default();
        for (handle, by) in bound {
            if by == *user {
                let slot = if roots.contains(&handle.as_str()) { &mut has.root } else { &mut has.client };
                *slot = Some(handle);
            }
        }
        let named = self.desired.certificates(&field).first();
        let to_come = |what: &str| Some(format!("(new {what})"));
        let wanted = Certificates {
            client: client.and_then(|client| client.handle.clone().or_else(|| to_come("certificate"))),
            root: match named {
                Some(der) => find_certificate(&installed, der).or_else(|| to_come("authority")),
                None => has.root.clone(),
            },
        };
        Ok((has, wanted))
    }

    /// After the machine was seen as it shall be: removes certificates that it does not show any more, with their keys, and what was made
    /// for one that the profile does not want.
    pub(super) async fn tidy_client(&mut self) -> Result<(), Failure> {
        let part = &self.record.client;
        let wanted = logins(self.profile()).any(Ieee8021x::by_certificate);
        let nothing = part.stage == Stage::Idle || (wanted && part.stage == Stage::Done && part.superseded.is_empty());
        if self.postponed.is_some() || nothing {
            return Ok(());
        }
        if wanted && self.client.is_none() {
            // The machine has nothing that could show it.
            return Ok(());
        }
        let mut unused = part.superseded.clone();
        if !wanted {
            unused.extend(part.certificate.clone());
        }
        let bound = self.bound().await?;
        let installed = all(&mut self.session, Step::Configure, PublicKeyCertificate::NAME).await?;
        let is_shown = |der: &Vec<u8>| {
            find_certificate(&installed, der).is_some_and(|id| bound.iter().any(|(handle, _)| *handle == id))
        };
        unused.retain(|der| !is_shown(der));
        let before = self.session.writes();
        if !unused.is_empty() {
            self.cx.event(Event::Step(Step::Tidy));
            // What stays is used otherwise, and not asked for again.
            replace::remove(&self.cx, &mut self.session, &unused).await?;
        }
        let old = self.record.clone();
        let part = &mut self.record.client;
        part.superseded.retain(|der| !unused.contains(der));
        if wanted {
            (part.csr, part.private_key, part.stage) = (None, None, Stage::Done);
        } else if part.certificate.as_ref().is_none_or(|der| unused.contains(der)) {
            if part.certificate.is_none() {
                self.drop_key().await?;
            }
            self.record.client = Replacement::new(self.access.id);
            self.record.client_name = None;
        }
        self.writes += self.session.writes() - before;
        if self.record == old { Ok(()) } else { self.keep().await }
    }
}

impl Run {
    /// Removes the key pair that was made for a certificate which is not wanted any more.
    async fn drop_key(&mut self) -> Result<(), Failure> {
        let pairs = all(&mut self.session, Step::Tidy, PublicPrivateKeyPair::NAME).await?;
        let part = &self.record.client;
        let ours = match (&part.key_handle, &part.keys_before) {
            (Some(handle), _) => Some(handle.clone()),
            // It may have been made without an answer.
            (None, Some(before)) => {
                let is_new =
                    |pair: &&Instance| blob(pair, "DERKey").is_some_and(|key| !before.contains(&fingerprint(&key)));
                let installed = all(&mut self.session, Step::Tidy, PublicKeyCertificate::NAME).await?;
                let certified = certified_keys(&installed);
                let is_free = |pair: &&Instance| blob(pair, "DERKey").is_some_and(|key| !certified.contains(&key));
                pairs
                    .iter()
                    .find(|pair| is_new(pair) && is_free(pair))
                    .and_then(|pair| Some(pair.text("InstanceID")?.to_owned()))
            }
            (None, None) => None,
        };
        match ours {
            Some(key) => replace::discard_key(&self.cx, &mut self.session, &key).await,
            None => Ok(()),
        }
    }
}

/// Whether time, or somebody at the authority, mends it.
fn is_of_authority(code: ErrorCode) -> bool {
    [ErrorCode::CA_PENDING, ErrorCode::CA_DENIED, ErrorCode::CA_UNAVAILABLE, ErrorCode::CA_CERTIFICATE_WRONG]
        .contains(&code)
}

fn handle(instance: &Instance, property: &str) -> Option<String> {
    Some(instance.reference(property)?.selector("InstanceID")?.to_owned())
}

pub(super) fn is_root(certificate: &Instance) -> bool {
    // The misspelling is the firmware's.
    certificate.bool("TrustedRootCertficate") == Some(true)
}
