//! `amt rotate --host …`: another password for the administrator of one machine.

use super::connect::Connect;
use super::notes::Notes;
use super::{Error, Verdict, block_on, lock};
use crate::input;
use crate::output::{Output, replace};
use amt::{RotateJob, rotate};
use amt_core::{ErrorCode, Failure, Secret};
use amt_fleet::json;
use amt_provision::Record;
use std::path::{Path, PathBuf};

/// Give the administrator of one machine another password
///
/// The new password is the first line of a file. If there is no such file, a strong password is generated and stored in it before anything is
/// sent: whatever happens then, one of the two files opens the machine. Run it again after a crash or a lost connection; it asks the
/// machine which of the two it has. Machines of a fleet's database are rotated with `amt fleet run rotate`.
#[derive(clap::Args)]
pub(crate) struct Rotate {
    /// File whose first line is the new password; made, with a generated one, if it is not there
    #[arg(long, value_name = "FILE")]
    new_password_file: PathBuf,
    #[command(flatten)]
    connect: Connect,
}

impl Rotate {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let new = new_password(&self.new_password_file)?;
        // Before anything is sent: it is also tried as a login, and the firmware counts what is wrong.
        if let Err(why) = amt_provision::password::check(new.expose()) {
            let text = format!("{}: the firmware would refuse this password: {why}", self.new_password_file.display());
            let hint =
                "nothing was sent; write another into the file, or name a file that is not there yet, to have one made";
            return Err(Failure::new(ErrorCode::PLAN_INVALID, "start", text).hint(hint).into());
        }
        let rotated = block_on(async {
            let target = self.connect.any_of(std::slice::from_ref(&new)).await?;
            let _taken = lock::take(target.id, "rotate")?;
            let mut record = Record::new(target.id);
            record.admin_passwords.clone_from(&target.admin_passwords);
            record.admin_proven = true;
            let mut job = RotateJob::new(target, record);
            job.password = Some(new);
            // Both passwords are in files already: there is nothing else to keep.
            Ok(rotate(job, &Notes::on(&mut *out)).await?)
        })?;
        let file = self.new_password_file.display();
        out.show(&json::rotated(&rotated), |w| match rotated.changed {
            true => writeln!(w, "{}: the password in {file} is its password now, proven by a login", rotated.id),
            false => writeln!(w, "{}: it had the password in {file} already", rotated.id),
        })?;
        Ok(Verdict::Done)
    }
}

/// The password in `file`; a new one, durable in it, if there is no such file.
fn new_password(file: &Path) -> Result<Secret<String>, Error> {
    if file == Path::new("-") || file.exists() {
        return input::password(Some(&file.to_path_buf()), "");
    }
    let password = amt::fresh_password()?;
    replace(file, format!("{}\n", password.expose()).as_bytes(), true).map_err(|error| {
        Failure::new(ErrorCode::FILE_WRITE, "write", format!("{}: {error}", file.display()))
            .hint("nothing was sent; give a file in a folder that can be written")
    })?;
    Ok(password)
}
