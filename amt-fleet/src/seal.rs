//! Secrets at rest: AES-256-GCM under one key that is kept outside the database.
//!
//! A sealed value is bound to the place it was made for ([`Place`]): a row copied over another machine's does not open.
//! Layout: format (1 byte), nonce (12), ciphertext, tag (16).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use amt_core::{ErrorCode, Failure, Secret};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// Length of the key.
pub const KEY_LEN: usize = 32;
/// Longest key file that is read: 64 hex digits and a line end fit easily.
pub const MAX_KEY_FILE: u64 = 128;

const FORMAT: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// The key that opens a fleet's secrets.
#[derive(Clone)]
pub struct SealKey(Aes256Gcm);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

/// Where a sealed value belongs. Part of what is authenticated, so that rows cannot be swapped.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table and column, for example `journal.record`.
    pub column: &'a str,
    /// Identity of the row.
    pub row: &'a str,
}

impl SealKey {
    /// A key that the caller holds, for example from a key management service.
    pub fn new(key: &Secret<[u8; KEY_LEN]>) -> Self {
        Self(Aes256Gcm::new(&(*key.expose()).into()))
    }

    /// Reads the key file: 32 raw bytes, or 64 hex digits with white space around.
    ///
    /// # Errors
    /// `SEAL_KEY` if the file is missing, unreadable or holds something else.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bad = |why: String| Failure::new(ErrorCode::SEAL_KEY, "seal", format!("{}: {why}", path.display()));
        let file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
        warn_if_readable_by_others(path, &file);
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
        let key = parse_key(&bytes).ok_or_else(|| bad("holds neither 32 bytes nor 64 hex digits".to_owned()))?;
        Ok(Self(Aes256Gcm::new(&(*key).into())))
    }

    /// Reads the key file, or makes a new key if there is none. The new file is readable by its owner alone and on disk,
    /// name included, before this returns.
    ///
    /// # Errors
    /// `SEAL_KEY` as [`read`](Self::read), or if the file cannot be made.
    pub fn read_or_create(path: &Path) -> Result<Self, Failure> {
        match create_key(path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "made a new seal key: keep a copy, sealed credentials cannot be read without it")
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text = format!("{}: the key file cannot be made: {error}", path.display());
                return Err(Failure::new(ErrorCode::SEAL_KEY, "seal", text));
            }
        }
        Self::read(path)
    }

    /// Seals `clear` for `place`.
    ///
    /// # Errors
    /// `SEAL_KEY` if the system has no randomness, or the value is absurdly large.
    pub fn seal(&self, place: Place<'_>, clear: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = |why: &str| Failure::new(ErrorCode::SEAL_KEY, "seal", format!("{}: {why}", place.column));
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| failed("the system gives no randomness"))?;
        let aad = place.authenticated();
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), Payload { msg: clear, aad: &aad })
            .map_err(|_| failed("the value cannot be sealed"))?;
        Ok([&[FORMAT][..], &nonce, &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for the same `place`.
    ///
    /// # Errors
    /// `UNSEAL` if key or place differ, or a byte was altered.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Failure> {
        let failed =
            |why: &str| Failure::new(ErrorCode::UNSEAL, "unseal", format!("{} of {}: {why}", place.column, place.row));
        let (format, rest) = sealed.split_first().ok_or_else(|| failed("the value is empty"))?;
        if *format != FORMAT {
            return Err(failed(&format!("format {format} is not known to this version")));
        }
        let (nonce, text) = rest
            .split_first_chunk::<NONCE_LEN>()
            .filter(|(_, text)| text.len() >= TAG_LEN)
            .ok_or_else(|| failed("the value is cut short"))?;
        let aad = place.authenticated();
        self.0
            .decrypt(&Nonce::from(*nonce), Payload { msg: text, aad: &aad })
            .map(Secret::new)
            .map_err(|_| failed("it does not open with this key"))
    }
}

impl Place<'_> {
    // Lengths first: no two places give the same bytes.
    fn authenticated(self) -> Vec<u8> {
        format!("amt-fleet {FORMAT} {}:{} {}:{}", self.column.len(), self.column, self.row.len(), self.row).into_bytes()
    }
}

fn parse_key(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    if let Ok(raw) = <[u8; KEY_LEN]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let mut key = Zeroizing::new([0; KEY_LEN]);
    if text.len() != KEY_LEN * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

fn create_key(path: &Path) -> std::io::Result<()> {
    let mut key = Zeroizing::new([0u8; KEY_LEN]);
    getrandom::fill(key.as_mut_slice()).map_err(|e| std::io::Error::other(e.to_string()))?;
    let mut text = Zeroizing::new(String::with_capacity(KEY_LEN * 2 + 1));
    for byte in key.iter() {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    write_new_private_file(path, text.as_bytes())
}

/// Writes a file that did not exist, for its owner alone, whole or not at all, and syncs it and its name to disk.
pub(crate) fn write_new_private_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    // Written beside and linked into place: a process killed half-way leaves no half key behind.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Of this process and this call: threads may make the same file in the same moment.
    static CALLS: AtomicU64 = AtomicU64::new(0);
    name.push(format!(".new-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(name);
    if path.try_exists()? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::hard_link(&beside, path)
    })();
    let _ = std::fs::remove_file(&beside);
    written?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A secret file that everyone may read is a mistake worth a line in the log, not a reason to stop: containers mount them so.
pub(crate) fn warn_if_readable_by_others(path: &Path, file: &std::fs::File) {
    #[cfg(unix)]
    if let Ok(facts) = file.metadata() {
        use std::os::unix::fs::PermissionsExt as _;
        if facts.permissions().mode() & 0o004 != 0 {
            tracing::warn!(path = %path.display(), "this file holds a secret and every user of the system may read it");
        }
    }
    #[cfg(not(unix))]
    let _ = (path, file);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { column: "journal.record", row: "machine-1" };

    fn key(byte: u8) -> SealKey {
        SealKey::new(&Secret::new([byte; KEY_LEN]))
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_with_its_key() {
        let sealed = key(1).seal(PLACE, b"P@ssw0rd").unwrap();
        assert!(!sealed.windows(8).any(|w| w == b"P@ssw0rd"));
        assert_eq!(key(1).open(PLACE, &sealed).unwrap().expose(), b"P@ssw0rd");
        for place in [Place { row: "machine-2", ..PLACE }, Place { column: "journal.other", ..PLACE }] {
            assert_eq!(key(1).open(place, &sealed).unwrap_err().code, ErrorCode::UNSEAL);
        }
        assert_eq!(key(2).open(PLACE, &sealed).unwrap_err().code, ErrorCode::UNSEAL);
    }

    #[test]
    fn every_altered_byte_and_every_cut_is_noticed() {
        let sealed = key(1).seal(PLACE, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert_eq!(key(1).open(PLACE, &other).unwrap_err().code, ErrorCode::UNSEAL, "byte {at}");
            assert_eq!(key(1).open(PLACE, &sealed[..at]).unwrap_err().code, ErrorCode::UNSEAL, "cut at {at}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        assert_ne!(key(1).seal(PLACE, b"same").unwrap(), key(1).seal(PLACE, b"same").unwrap());
    }

    #[test]
    fn places_with_shifted_borders_differ() {
        let one = Place { column: "a", row: "1:b" }.authenticated();
        let other = Place { column: "a 3:1", row: "b" }.authenticated();
        assert_ne!(one, other);
    }

    #[test]
    fn a_new_key_file_is_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        assert_eq!(SealKey::read(&path).unwrap_err().code, ErrorCode::SEAL_KEY);
        let sealed = SealKey::read_or_create(&path).unwrap().seal(PLACE, b"x").unwrap();
        assert_eq!(SealKey::read_or_create(&path).unwrap().open(PLACE, &sealed).unwrap().expose(), b"x");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no leftover beside the key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn raw_and_hex_keys_are_read_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let sealed = key(0xab).seal(PLACE, b"x").unwrap();
        for good in [vec![0xab; 32], "ab".repeat(32).into_bytes(), format!(" {}\r\n", "AB".repeat(32)).into_bytes()] {
            std::fs::write(&path, good).unwrap();
            assert_eq!(SealKey::read(&path).unwrap().open(PLACE, &sealed).unwrap().expose(), b"x");
        }
        for bad in [vec![], vec![1; 31], "zz".repeat(32).into_bytes(), vec![b'a'; 4096]] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(SealKey::read(&path).unwrap_err().code, ErrorCode::SEAL_KEY);
        }
    }
}
