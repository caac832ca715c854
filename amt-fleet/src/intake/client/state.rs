//! What a client keeps between two runs: its key and the number of its newest report.

use super::STAGE;
use crate::intake::wire::{ClientKey, MAX_SEQUENCE};
use crate::seal::warn_if_readable_by_others;
use amt_core::{ErrorCode, Failure, SystemId};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Longest state file.
pub const MAX_STATE: u64 = 8 * 1024;

const FORMAT: u32 = 1;

/// The client key of one machine, in a file for its owner alone or in memory.
///
/// The key is on disk before it is sent: killed at any moment, the next run goes on as the same client.
#[derive(Debug)]
pub struct ClientState {
    content: Content,
    /// Absent: in memory only.
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    uuid: String,
    client_key: ClientKey,
    sequence: u64,
    /// Server that has taken the key.
    enrolled_at: Option<String>,
}

impl ClientState {
    /// A key that ends with the process, for systems that keep nothing.
    ///
    /// # Errors
    /// `IO` without randomness.
    pub fn in_memory(id: SystemId) -> Result<Self, Failure> {
        let content = Content {
            format: FORMAT,
            uuid: id.to_string(),
            client_key: ClientKey::random()?,
            sequence: 0,
            enrolled_at: None,
        };
        Ok(Self { content, file: None })
    }

    /// Reads the state of machine `id`, or makes one. If `path` is a folder, or ends like one, the file in it is named after the machine,
    /// so that one stick serves many.
    ///
    /// # Errors
    /// `FILE_READ` for a file that is damaged or belongs to another machine, `FILE_WRITE` if it cannot be made.
    pub fn open(path: &Path, id: SystemId) -> Result<Self, Failure> {
        let is_folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with(['/', '\\']);
        let file = if is_folder { path.join(format!("amt-enroll-{id}.json")) } else { path.to_owned() };
        match std::fs::File::open(&file) {
            Ok(open) => {
                warn_if_readable_by_others(&file, &open);
                let content = read(open, id).map_err(|why| damaged(&file, &why))?;
                Ok(Self { content, file: Some(file) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let state = Self { file: Some(file), ..Self::in_memory(id)? };
                state.save()?;
                Ok(state)
            }
            Err(error) => Err(Failure::new(ErrorCode::FILE_READ, STAGE, format!("{}: {error}", file.display()))
                .hint("give another file with --state, or run as the user who made it")),
        }
    }

    /// Where the operating system keeps such things: `/var/lib/amt/` and, on Windows, the user's own `AppData`.
    pub fn default_folder() -> PathBuf {
        if cfg!(windows) {
            std::env::var_os("LOCALAPPDATA").map_or_else(std::env::temp_dir, PathBuf::from).join("amt\\")
        } else {
            PathBuf::from("/var/lib/amt/")
        }
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) const fn key(&self) -> &ClientKey {
        &self.content.client_key
    }

    pub(super) fn is_enrolled_at(&self, server: &str) -> bool {
        self.content.enrolled_at.as_deref() == Some(server)
    }

    /// The server has taken the key, or has forgotten it.
    pub(super) fn set_enrolled_at(&mut self, server: Option<&str>) -> Result<(), Failure> {
        self.content.enrolled_at = server.map(str::to_owned);
        self.save()
    }

    /// The number of the next report, on disk before it is used. The time of day, so that a key restored from an older copy goes on.
    pub(super) fn next_sequence(&mut self) -> Result<u64, Failure> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or_default();
        self.content.sequence = self.content.sequence.saturating_add(1).max(now).min(MAX_SEQUENCE);
        self.save()?;
        Ok(self.content.sequence)
    }

    fn save(&self) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        write(file, &self.content).map_err(|error| {
            Failure::new(ErrorCode::FILE_WRITE, STAGE, format!("{}: {error}", file.display()))
                .hint("nothing was sent: give a file that can be written with --state, or --live to keep the key in memory only")
        })
    }
}

fn read(file: std::fs::File, id: SystemId) -> Result<Content, String> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_STATE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_STATE {
        return Err(format!("it is longer than {MAX_STATE} bytes"));
    }
    // The parser's own message may quote the file.
    let content: Content = serde_json::from_slice(&bytes)
        .map_err(|error| format!("it is damaged at line {} column {}", error.line(), error.column()))?;
    if content.format != FORMAT {
        return Err(format!("it has format {}, this version knows {FORMAT}", content.format));
    }
    if content.uuid != id.to_string() {
        return Err(format!(
            "it belongs to machine {}, and this one is {id}",
            content.uuid.chars().take(40).collect::<String>()
        ));
    }
    Ok(content)
}

fn damaged(file: &Path, why: &str) -> Failure {
    Failure::new(ErrorCode::FILE_READ, STAGE, format!("{}: {why}", file.display())).hint(
        "delete the file, or give a folder with --state, where each machine has a file of its own; if this machine was enrolled with a key \
         that is lost, the administrator first runs `amt fleet token reset UUID`",
    )
}

/// Replaces the file whole, for its owner alone, and has it and its name on disk.
fn write(file: &Path, content: &Content) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // A temporary file is its owner's alone from the start; where renaming is all a file system can, as on a stick, that is enough.
    let mut beside = tempfile::Builder::new().prefix(".amt-enroll-").tempfile_in(folder)?;
    let text = zeroize::Zeroizing::new(serde_json::to_vec(content)?);
    beside.write_all(&text)?;
    beside.as_file().sync_all()?;
    beside.persist(file).map_err(|error| error.error)?;
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> SystemId {
        let mut bytes = *b"0123456789abcdef";
        bytes[15] = last;
        SystemId::from_wire(bytes)
    }

    #[test]
    fn the_same_machine_is_the_same_client_and_its_reports_are_numbered_upwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/state.json");
        let mut first = ClientState::open(&path, id(1)).unwrap();
        let (a, b) = (first.next_sequence().unwrap(), first.next_sequence().unwrap());
        first.set_enrolled_at(Some("https://x:443")).unwrap();
        let mut again = ClientState::open(&path, id(1)).unwrap();
        assert_eq!(again.key(), first.key());
        assert!(again.is_enrolled_at("https://x:443") && !again.is_enrolled_at("https://y:443"));
        assert!(again.next_sequence().unwrap() > b && b > a);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn in_a_folder_every_machine_has_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) =
            (ClientState::open(folder.path(), id(1)).unwrap(), ClientState::open(folder.path(), id(2)).unwrap());
        assert_ne!(one.key(), two.key());
        assert_ne!(one.file(), two.file());
        let new = folder.path().join("sub/");
        assert!(ClientState::open(&new, id(1)).unwrap().file().unwrap().starts_with(&new));
    }

    #[test]
    fn a_damaged_or_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let state = ClientState::open(&path, id(1)).unwrap();
        let secret = state.key().reveal();
        let whole = std::fs::read(&path).unwrap();
        let failure = ClientState::open(&path, id(2)).unwrap_err();
        assert!(failure.message.contains("belongs to machine") && failure.hint.contains("folder"), "{failure:?}");
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let failure = ClientState::open(&path, id(1)).unwrap_err();
            assert_eq!(failure.code, ErrorCode::FILE_READ, "cut at {cut}");
            assert!(!format!("{failure:?}").contains(secret.expose()));
            assert_eq!(std::fs::read(&path).unwrap(), &whole[..cut]);
        }
        for bad in ["x".repeat(9000), String::from_utf8(whole).unwrap().replace("\"format\":1", "\"format\":2")] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(ClientState::open(&path, id(1)).unwrap_err().code, ErrorCode::FILE_READ);
        }
    }

    #[test]
    fn what_is_kept_in_memory_makes_no_file_and_is_never_the_same() {
        let (mut one, two) = (ClientState::in_memory(id(1)).unwrap(), ClientState::in_memory(id(1)).unwrap());
        assert_ne!(one.key(), two.key());
        assert!(
            one.next_sequence().unwrap() > 1_600_000_000_000,
            "a live system that starts anew is not taken for a replay"
        );
        assert!(one.file().is_none());
        assert!(!format!("{one:?}").contains(one.key().reveal().expose()));
    }
}
