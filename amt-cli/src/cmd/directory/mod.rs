//! `amt directory`: the account that a machine needs in a directory for log-in by Kerberos.

#[cfg(feature = "directory")]
mod object;
mod plan;

use super::{Error, Verdict};
use crate::output::Output;
use plan::Computer;

/// The account of a machine in Active Directory, for log-in by Kerberos
///
/// A machine with Kerberos needs a computer object of its own, beside that of its operating system: with six service names, for its ports
/// 16992 to 16995, 623 and 664, and a password, which the machine gets by its profile ([kerberos]) and the directory by this command.
#[derive(clap::Args)]
pub(crate) struct Directory {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Print what has to be in the directory, for whoever holds the rights; nothing is asked and nothing changed
    Plan {
        #[command(flatten)]
        computer: Computer,
        /// text has the commands of Windows, ldif an entry to import
        #[arg(long, value_name = "text|ldif", default_value = "text")]
        format: Format,
    },
    #[cfg(feature = "directory")]
    Create(Box<object::Create>),
    #[cfg(feature = "directory")]
    Remove(Box<object::Remove>),
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Ldif,
}

impl Directory {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.what {
            What::Plan { computer, format } => {
                let account = computer.account()?;
                out.show(&plan::document(&account), |w| match format {
                    Format::Text => plan::text(&account, w),
                    Format::Ldif => plan::ldif(&account, w),
                })?;
                Ok(Verdict::Done)
            }
            #[cfg(feature = "directory")]
            What::Create(create) => create.run(out),
            #[cfg(feature = "directory")]
            What::Remove(remove) => remove.run(out),
        }
    }
}
