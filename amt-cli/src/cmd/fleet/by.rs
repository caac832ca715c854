//! Who does it, for the diary.

use super::Error;

#[derive(clap::Args)]
pub(super) struct By {
    /// Who says so, for the diary; without it: the name of your user on this computer
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl By {
    pub(super) fn name(self) -> Result<String, Error> {
        let name = self.by.map_or_else(whoami::username, Ok);
        name.map_err(|error| Error::usage(format!("this user has no name: {error}"), "give --by NAME"))
    }
}
