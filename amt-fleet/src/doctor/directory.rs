//! The directory: reachable, its log-in, and the unit that accounts are made in.

use super::{Area, Doctor};
use amt_core::Severity::Info;

impl Doctor<'_> {
    pub(super) async fn directory(&mut self) {
        let Some(settings) = self.config.directory.clone() else { return };
        let field = settings.server.url().to_owned();
        self.private(Area::Directory, &settings.bind_password_file);
        if self.resolver.is_none() {
            let text = "the directory was not asked: offline";
            return self.report(Area::Directory, Info, "DIRECTORY-SKIPPED", field, text, "");
        }
        #[cfg(feature = "directory")]
        match settings.has_unit().await {
            Ok(true) => {
                let text = format!("{} logs in, and {} is there", settings.server.bind(), settings.ou);
                self.report(Area::Directory, Info, "DIRECTORY-OK", field, text, "");
            }
            Ok(false) => {
                let text = format!("{} does not see {}", settings.server.bind(), settings.ou);
                let hint = "correct directory.ou, make the unit, or give the account rights in it";
                self.report(Area::Directory, amt_core::Severity::Error, "DIRECTORY-UNIT", field, text, hint);
            }
            Err(failure) => self.failure(Area::Directory, "DIRECTORY", field, &failure),
        }
    }
}
