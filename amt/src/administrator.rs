//! What the administrator does about one machine that is set up, by its address: for programs that keep the machine's records
//! themselves.

use crate::apply::{ApplyHost, ApplyJob, apply};
use crate::clock::{ClockJob, clock};
use crate::device::{Device, Transport};
use crate::host::Host;
use crate::managed::{Target, read_facts};
use crate::profile::{Folder, refusal};
use crate::renew::{RenewHost, RenewJob, renew};
use crate::rotate::{RotateJob, rotate};
use crate::tls::ClientCertificates;
use crate::unprovision::{UnprovisionJob, unprovision};
use amt_core::tls::{LegacyTls, PeerIdentity};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::apply::{Applied, ApplyRecord};
use amt_provision::clock::ClockSeen;
use amt_provision::profile::{Desired, Profile};
use amt_provision::renew::Due;
use amt_provision::rotate::Rotated;
use amt_provision::unprovision::{Extent, Unprovisioned};
use amt_provision::{MachineFacts, Record, RenewRecord, Renewed};
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::client::Credentials;
use std::net::SocketAddr;

/// The user that every machine has.
const ADMIN: &str = "admin";

/// The administrator of one machine. Which machine it is, the machine is asked, unless a record says so.
///
/// The methods prepare procedures whose records their host keeps ([`Host::persist`], [`ApplyHost::persist_apply`],
/// [`RenewHost::persist_renewal`]); one that broke off is
/// gone on with by giving it the record that was kept last.
#[derive(Clone, Debug)]
pub struct Administrator {
    address: SocketAddr,
    identity: PeerIdentity,
    password: Secret<String>,
    consent: LegacyTls,
    client: ClientCertificates,
}

impl Administrator {
    /// Whom `credentials` name on the machine at `address`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for another user than `admin`, and without TLS.
    pub fn new(
        address: SocketAddr,
        transport: Transport,
        credentials: Credentials,
        consent: LegacyTls,
    ) -> Result<Self, Failure> {
        let refused = |text, hint| Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "call", text).hint(hint));
        let Transport::Tls(identity) = transport else {
            return refused("this is done over TLS only", "say by which certificate the machine is known");
        };
        if credentials.user != ADMIN {
            return refused("this is done by the administrator only", "give admin and its password");
        }
        Ok(Self { address, identity, password: credentials.password, consent, client: ClientCertificates::default() })
    }

    /// The same, showing one of these certificates if the machine asks for one (mutual TLS).
    #[must_use]
    pub fn client_certificates(mut self, certificates: ClientCertificates) -> Self {
        self.client = certificates;
        self
    }

    /// Reads what the machine says of itself, as [`read_facts`]. Nothing is changed.
    ///
    /// # Errors
    /// As [`read_facts`].
    pub async fn facts<H: Host>(&self, host: &H) -> Result<MachineFacts, Failure> {
        read_facts(self.ask().await?, host).await
    }

    /// Makes the machine what `profile` says, as [`apply`]; with `dry_run` reads and compares only. Files that the profile names are looked
    /// for in `folder`. `has_authority`: whether `host` certifies, for 802.1X with a certificate.
    ///
    /// # Errors
    /// `PLAN_INVALID` for a profile that this machine cannot be given, else as [`apply`].
    pub async fn configure<H: ApplyHost>(
        &self,
        profile: &Profile,
        folder: &Folder,
        record: Option<ApplyRecord>,
        dry_run: bool,
        has_authority: bool,
        host: &H,
    ) -> Result<Applied, Failure> {
        let target = self.ask().await?;
        let desired = Desired::new(profile, target.id, target.version, &mut folder.clone()).map_err(|findings| {
            refusal(&findings)
                .unwrap_or_else(|| Failure::new(ErrorCode::PLAN_INVALID, "profile", "the profile is wrong"))
        })?;
        let mut job = match record {
            Some(record) => ApplyJob::new(target, desired, record),
            None => ApplyJob::first(target, desired)?,
        };
        (job.dry_run, job.has_authority) = (dry_run, has_authority);
        apply(job, host).await
    }

    /// Gives the machine's `admin` another password, as [`rotate`]; none: a strong one is generated.
    ///
    /// # Errors
    /// As [`rotate`].
    pub async fn rotate<H: Host>(
        &self,
        record: Option<Record>,
        password: Option<Secret<String>>,
        host: &H,
    ) -> Result<Rotated, Failure> {
        let (target, record) = self.recorded(record).await?;
        let mut job = RotateJob::new(target, record);
        job.password = password;
        rotate(job, host).await
    }

    /// Gives the machine another certificate when it is time, as [`renew`].
    ///
    /// # Errors
    /// As [`renew`].
    pub async fn renew<H: RenewHost>(
        &self,
        record: Option<RenewRecord>,
        due: Due,
        host: &H,
    ) -> Result<Renewed, Failure> {
        // What broke off may have changed the certificate by which the machine is known here.
        let (target, record) = match record {
            Some(record) => (self.target(record.replacement.id), record),
            None => {
                let target = self.ask().await?;
                let record = RenewRecord::new(target.id);
                (target, record)
            }
        };
        let mut job = RenewJob::new(target, record);
        job.due = due;
        renew(job, host).await
    }

    /// Compares the machine's clock with this system's, as [`clock`]; with `set` makes it right where it is off.
    ///
    /// # Errors
    /// As [`clock`].
    pub async fn clock<H: Host>(&self, set: bool, host: &H) -> Result<ClockSeen, Failure> {
        let mut job = ClockJob::new(self.ask().await?);
        job.set = set;
        clock(job, host).await
    }

    /// Takes back the machine's setup, as [`unprovision`]; with `dry_run` finds out what would be done only.
    ///
    /// # Errors
    /// As [`unprovision`].
    pub async fn unprovision<H: Host>(
        &self,
        record: Option<Record>,
        extent: Extent,
        dry_run: bool,
        host: &H,
    ) -> Result<Unprovisioned, Failure> {
        let (target, record) = self.recorded(record).await?;
        let mut job = UnprovisionJob::new(target, record, extent);
        job.dry_run = dry_run;
        unprovision(job, host).await
    }

    /// The machine with its journal: with a record nothing is sent to find out which it is, since what broke off may have changed the
    /// password or the certificate that are known here.
    async fn recorded(&self, record: Option<Record>) -> Result<(Target, Record), Failure> {
        let Some(mut record) = record else {
            let target = self.ask().await?;
            let mut record = Record::new(target.id);
            record.admin_passwords.clone_from(&target.admin_passwords);
            record.admin_proven = true;
            record.version = target.version;
            return Ok((target, record));
        };
        if !record.admin_passwords.contains(&self.password) {
            // One more to be tried is not yet a change of passwords that broke off.
            record.admin_proven |= record.admin_passwords.len() < 2;
            record.admin_passwords.push(self.password.clone());
        }
        let mut target = self.target(record.id);
        target.admin_passwords.clone_from(&record.admin_passwords);
        (target.version, target.rung) = (record.version, record.rung);
        Ok((target, record))
    }

    /// The machine, asked which it is.
    async fn ask(&self) -> Result<Target, Failure> {
        let credentials = Credentials { user: ADMIN.to_owned(), password: self.password.clone() };
        let transport = Transport::Tls(self.identity.clone());
        let device = Device::new(self.address, transport, credentials)?.legacy_tls(self.consent);
        let mut device = device.client_certificates(self.client.clone());
        let reply = device.call(&SetupAndConfigurationService::get_uuid()).await?;
        let uuid = SetupAndConfigurationService::uuid(&reply).map_err(|error| error.failure("read-state"))?;
        let mut target = self.target(SystemId::from_wire(uuid));
        target.version = device.version();
        Ok(target)
    }

    fn target(&self, id: SystemId) -> Target {
        let target = Target::new(id, self.address.ip(), self.identity.clone(), vec![self.password.clone()]);
        let mut target = target.at(self.address);
        (target.legacy_tls, target.client) = (self.consent, self.client.clone());
        target
    }
}
