//! One program at work on a machine: of two that change it at the same time neither knows what it has in the end.

use amt_core::{ErrorCode, Failure, SystemId};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

const STAGE: &str = "lock";
/// Most that is read of who holds a lock.
const MAX_HOLDER: u64 = 200;

/// A machine, taken by this process until this is dropped or the process ends, however that ends: the operating system keeps the lock.
///
/// It holds among programs that use the same folder. The file `UUID.lock` stays there, since one that is removed could be held by one
/// program while another makes it anew.
#[derive(Debug)]
pub struct MachineLock {
    /// Says who holds it, in a file of its own: on Windows nobody else can read one that is locked.
    holder: PathBuf,
    _file: File,
}

impl MachineLock {
    /// Takes the machine `id` in `folder`, which is made if it is not there. `by` is told to whoever comes later, with the process's number.
    ///
    /// # Errors
    /// `MACHINE_LOCKED` if another has it, naming it; `FILE_WRITE` if there can be no such file.
    pub fn take(folder: &Path, id: SystemId, by: &str) -> Result<Self, Failure> {
        let path = folder.join(format!("{id}.lock"));
        let holder = path.with_extension("holder");
        let failed = |error: io::Error| {
            Failure::new(ErrorCode::FILE_WRITE, STAGE, format!("{}: {error}", path.display()))
                .hint("nothing was sent; the folder has to be one that can be written, and whose file system has locks")
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(&holder, id)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let lock = Self { holder, _file: file };
        // Who cannot be named holds it all the same.
        let _ = name(&lock.holder, by);
        Ok(lock)
    }
}

impl Drop for MachineLock {
    fn drop(&mut self) {
        // Before the lock goes: afterwards it may be another's.
        let _ = std::fs::remove_file(&self.holder);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The file of a holder that was killed gives way; a link that somebody put there is not followed.
fn name(holder: &Path, by: &str) -> io::Result<()> {
    match std::fs::remove_file(holder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(holder)?;
    writeln!(file, "{by}, process {}", std::process::id())
}

fn taken(holder: &Path, id: SystemId) -> Failure {
    let mut text = String::new();
    let read = File::open(holder).and_then(|file| file.take(MAX_HOLDER).read_to_string(&mut text));
    let line = text.lines().next().filter(|line| read.is_ok() && !line.is_empty() && !line.contains(char::is_control));
    let by = line.unwrap_or("another program");
    Failure::new(ErrorCode::MACHINE_LOCKED, STAGE, format!("{id}: {by} is at work on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SystemId = SystemId::from_wire([7; 16]);

    #[test]
    fn a_machine_is_taken_once_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("amt").join("locks");
        let first = MachineLock::take(&folder, ID, "amt configure").unwrap();
        let failure = MachineLock::take(&folder, ID, "amt rotate").unwrap_err();
        assert_eq!(failure.code, ErrorCode::MACHINE_LOCKED);
        let by = format!("amt configure, process {}", std::process::id());
        assert!(failure.message.contains(&by) && failure.message.contains(&ID.to_string()), "{failure}");
        let other = MachineLock::take(&folder, SystemId::from_wire([8; 16]), "amt rotate").unwrap();
        drop(first);
        let again = MachineLock::take(&folder, ID, "amt rotate").unwrap();
        drop((other, again));
        let left = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        assert!(left.into_iter().all(|file| file.extension().unwrap() == "lock"), "nobody is named any more");
    }

    #[test]
    fn a_holder_that_was_killed_gives_way_and_an_unknown_one_is_another_program() {
        let folder = tempfile::tempdir().unwrap();
        let holder = folder.path().join(format!("{ID}.holder"));
        std::fs::write(&holder, "amt configure, process 1\n").unwrap();
        let lock = MachineLock::take(folder.path(), ID, "amt rotate").unwrap();
        assert!(std::fs::read_to_string(&holder).unwrap().starts_with("amt rotate, process "));
        for unusable in [&b""[..], b"\x1b[31m\n", b"\xff\xfe\n"] {
            std::fs::write(&holder, unusable).unwrap();
            let failure = MachineLock::take(folder.path(), ID, "amt configure").unwrap_err();
            assert!(failure.message.contains("another program is at work"), "{failure}");
        }
        drop(lock);
    }

    #[test]
    fn a_folder_that_cannot_be_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = MachineLock::take(file.path(), ID, "amt rotate").unwrap_err();
        assert_eq!(failure.code, ErrorCode::FILE_WRITE);
        assert!(failure.message.contains(".lock"), "{failure}");
    }
}
