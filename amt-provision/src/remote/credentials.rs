//! The new credentials: chosen, made durable, then set.

use super::{Run, try_call};
use crate::journal::prefer;
use crate::password::{ADMIN, FACTORY, Random};
use crate::plan::PasswordPolicy;
use crate::profile::derive;
use crate::session::Session;
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{Failure, Secret, SystemId};
use amt_wsman::class::amt::{AuthorizationService, SetupAndConfigurationService};
use amt_wsman::client::Credentials;

impl Run {
    /// Puts the new passwords first among the candidates and makes that durable. `current` is the one just used.
    pub(super) async fn record_credentials(
        &mut self,
        realm: String,
        current: Option<Secret<String>>,
    ) -> Result<(), Failure> {
        self.step(Step::RecordCredentials);
        // What setup mode was opened with need not be what the account has: the factory's stays a candidate unless the machine
        // said that it was changed.
        let factory = Secret::from(FACTORY);
        let mut old: Vec<Secret<String>> = current.into_iter().collect();
        if old.is_empty() || self.credentials_set != Some(true) {
            old.push(factory.clone());
        }
        // The passwords of an earlier attempt, if there was one, may be on the machine already: they stay.
        let chosen = self.record.realm.is_some();
        let earlier = |list: &[Secret<String>]| list.first().filter(|_| chosen).cloned();
        let (earlier_admin, earlier_mebx) =
            (earlier(&self.record.admin_passwords), earlier(&self.record.mebx_passwords));
        let id = self.record.id;
        let admin = choose(&self.plan.admin_password, ("admin", id), earlier_admin, &mut self.random);
        let mebx = choose(&self.plan.mebx_password, ("mebx", id), earlier_mebx, &mut self.random);
        for (list, old, new) in [
            (&mut self.record.admin_passwords, old.as_slice(), &admin),
            (&mut self.record.mebx_passwords, std::slice::from_ref(&factory), &mebx),
        ] {
            for password in old {
                if !list.contains(password) {
                    list.push(password.clone());
                }
            }
            prefer(list, new);
        }
        self.record.realm = Some(realm);
        self.record.admin_proven = false;
        self.persist().await
    }

    /// Sets the MEBx password. A firmware whose policy forbids it keeps its own; that is noted, not an error.
    pub(super) async fn set_mebx_password(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.step(Step::SetMebxPassword);
        let Some(password) = self.record.mebx_passwords.first().cloned() else { return Ok(()) };
        let request = SetupAndConfigurationService::set_mebx_password(&password);
        match try_call(session, Step::SetMebxPassword, &request).await? {
            Ok(_) => Ok(()),
            Err(error) if error.return_value() == Some(PtStatus::NOT_PERMITTED.0) => {
                self.cx.note("the firmware's policy does not let the MEBx password be set remotely; it stays as it is");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the password of `admin` and goes on with it: the firmware forgets its digest cache at this call.
    pub(super) async fn set_admin_password(
        &mut self,
        session: &mut Session,
        current: Option<&Secret<String>>,
    ) -> Result<(), Failure> {
        self.step(Step::SetAdminPassword);
        let (Some(password), Some(realm)) = (self.record.admin_passwords.first().cloned(), self.record.realm.clone())
        else {
            return Ok(());
        };
        if current != Some(&password) {
            let request = AuthorizationService::set_admin_acl_entry(ADMIN, &realm, &password);
            self.call_again(session, Step::SetAdminPassword, &request).await?;
            session.log_in_as(Credentials { user: ADMIN.to_owned(), password });
        }
        Ok(())
    }

    /// Forgets the candidates that a login with the first has made needless. Durable with the next record.
    pub(super) fn admin_password_proven(&mut self) {
        self.record.admin_passwords.truncate(1);
        self.record.admin_proven = true;
    }
}

/// The password that `policy` wants for `purpose` on the machine `id`: a generated one is that of an earlier attempt, if there was one.
pub(crate) fn choose(
    policy: &PasswordPolicy,
    (purpose, id): (&str, SystemId),
    earlier: Option<Secret<String>>,
    random: &mut Random,
) -> Secret<String> {
    match policy {
        PasswordPolicy::Fixed(password) => password.clone(),
        PasswordPolicy::Derived(master) => derive(master, purpose, id),
        PasswordPolicy::Generate => earlier.unwrap_or_else(|| random.password()),
    }
}
