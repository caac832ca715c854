//! The character device of Linux, `/dev/meiN` (`spec/heci.md` §1.1–1.3).
#![allow(unsafe_code, reason = "connecting to a client is an ioctl without a safe binding")]

use super::{Mei, MeiConnection, MeiFuture, STAGE, Turn, turn};
use amt_core::{ErrorCode, Failure};
use amt_heci::hfsts::StatusRegisters;
use amt_heci::mei::{Client, Connected};
use rustix::io::Errno;
use rustix::ioctl::{self, Updater, ioctl};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// Most devices that are looked at.
const MAX_NODES: usize = 16;
/// `_IOWR('H', 1, 16 bytes)`: GUID in, [`Connected`] out.
const CONNECT: ioctl::Opcode = ioctl::opcode::read_write::<[u8; CONNECT_SIZE]>(b'H', 1);
const CONNECT_SIZE: usize = 16;

/// The kernel's devices, or one that is named.
#[derive(Clone, Debug)]
pub struct LinuxMei {
    nodes: Vec<Node>,
    turn: Turn,
}

#[derive(Clone, Debug)]
struct Node {
    device: PathBuf,
    /// Its folder in sysfs.
    facts: Option<PathBuf>,
}

impl LinuxMei {
    /// The devices of this system: those that the kernel says are of the management engine.
    ///
    /// # Errors
    /// `MEI_ABSENT` if there is none.
    pub fn system() -> Result<Self, Failure> {
        Self::under(Path::new("/"))
    }

    /// The same of a system whose `sys` and `dev` are under `root`.
    ///
    /// # Errors
    /// As [`system`](Self::system).
    pub fn under(root: &Path) -> Result<Self, Failure> {
        let class = root.join("sys/class/mei");
        let mut names: Vec<_> = fs::read_dir(&class)
            .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.file_name()).take(MAX_NODES).collect())
            .unwrap_or_default();
        names.sort_unstable();
        // Old kernels say no kind, and had one device only.
        let is_engine = |name: &std::ffi::OsString| {
            fs::read_to_string(class.join(name).join("kind")).map_or(true, |kind| kind.trim() == "mei")
        };
        let mut nodes: Vec<Node> = names
            .into_iter()
            .filter(is_engine)
            .map(|name| Node { device: root.join("dev").join(&name), facts: Some(class.join(name)) })
            .collect();
        if nodes.is_empty() {
            let known = ["mei0", "mei"].map(|name| root.join("dev").join(name));
            nodes.extend(known.into_iter().filter(|path| path.exists()).map(|device| Node { device, facts: None }));
        }
        let Some(first) = nodes.first() else {
            let text = "this system has no management engine interface: no device, or no driver for one";
            return Err(Failure::new(ErrorCode::MEI_ABSENT, STAGE, text));
        };
        Ok(Self { turn: turn(&first.device), nodes })
    }

    /// The device at `path`, and nothing else.
    pub fn at(path: &Path) -> Self {
        Self { turn: turn(path), nodes: vec![Node { device: path.to_owned(), facts: None }] }
    }

    /// The same device, with its facts read from the folder `facts`, as sysfs has them.
    #[must_use]
    pub fn with_facts(mut self, facts: &Path) -> Self {
        for node in &mut self.nodes {
            node.facts = Some(facts.to_owned());
        }
        self
    }
}

impl Mei for LinuxMei {
    fn open(&self, client: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
        Box::pin(async move {
            let mut last = None;
            for node in &self.nodes {
                let device = node.device.clone();
                // The kernel waits for the firmware in both calls.
                let opened = tokio::task::spawn_blocking(move || connect(&device, client)).await;
                let opened = opened.map_err(|error| {
                    Failure::new(ErrorCode::PANIC, STAGE, format!("connecting to the firmware panicked: {error}"))
                })?;
                match opened {
                    Ok((file, connected)) => return Connection::open(file, connected),
                    // Another device may be the one that has this client.
                    Err(failure) if failure.code == ErrorCode::MEI_CLIENT_ABSENT => last = Some(failure),
                    Err(failure) => return Err(failure),
                }
            }
            Err(last.unwrap_or_else(|| Failure::new(ErrorCode::MEI_ABSENT, STAGE, "there is no device to be opened")))
        })
    }

    fn status(&self) -> Option<StatusRegisters> {
        let facts = self.nodes.first()?.facts.as_ref()?;
        fs::read_to_string(facts.join("fw_status")).ok().map(|text| StatusRegisters::parse(&text))
    }

    fn turn(&self) -> Turn {
        Arc::clone(&self.turn)
    }
}

fn connect(device: &Path, client: Client) -> Result<(File, Connected), Failure> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(device)
        .map_err(|error| open_failure(device, &error))?;
    let mut argument = client.guid().to_wire();
    // SAFETY: the operation reads and writes 16 bytes, as its number says and as `argument` has.
    let done = unsafe { ioctl(&file, Updater::<{ CONNECT }, [u8; CONNECT_SIZE]>::new(&mut argument)) };
    done.map_err(|errno| connect_failure(client, errno))?;
    Ok((
        file,
        Connected::decode(&argument).map_err(|error| {
            Failure::new(ErrorCode::MEI_UNEXPECTED, STAGE, format!("the driver's answer to a connect: {error}"))
        })?,
    ))
}

fn open_failure(device: &Path, error: &io::Error) -> Failure {
    let text = format!("{}: {error}", device.display());
    let code = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NXIO) => ErrorCode::MEI_ABSENT,
        Some(Errno::ACCESS | Errno::PERM) => ErrorCode::MEI_PERMISSION,
        Some(Errno::NODEV) => ErrorCode::MEI_RESET,
        Some(Errno::BUSY) => ErrorCode::MEI_BUSY,
        _ => ErrorCode::IO,
    };
    Failure::new(code, STAGE, text)
}

fn connect_failure(client: Client, errno: Errno) -> Failure {
    let (code, why) = match errno {
        Errno::NOTTY => (ErrorCode::MEI_CLIENT_ABSENT, "the firmware has no such client"),
        Errno::BUSY => (ErrorCode::MEI_BUSY, "another program holds it, or the firmware has no room"),
        Errno::NODEV | Errno::FAULT | Errno::TIME | Errno::TIMEDOUT => {
            (ErrorCode::MEI_RESET, "the firmware does not answer, or restarts")
        }
        Errno::ACCESS | Errno::PERM => (ErrorCode::MEI_PERMISSION, "not allowed"),
        _ => (ErrorCode::IO, "the driver refuses"),
    };
    Failure::new(code, STAGE, format!("connecting to the firmware's client {client}: {why} ({errno})"))
}

struct Connection {
    file: AsyncFd<File>,
    connected: Connected,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(file: File, connected: Connected) -> Result<Box<dyn MeiConnection>, Failure> {
        // SAFETY: the file owns its descriptor, and nothing takes it out or replaces it as long as it is registered.
        let file = unsafe { AsyncFd::register(file) }
            .map_err(|error| Failure::new(ErrorCode::IO, STAGE, format!("the device cannot be waited for: {error}")))?;
        Ok(Box::new(Self { file, buffer: vec![0; connected.max_message], connected }))
    }
}

fn transfer_failure(error: &io::Error) -> Failure {
    let code = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NODEV | Errno::NOTTY | Errno::TIME | Errno::IO) => ErrorCode::MEI_RESET,
        Some(Errno::BUSY) => ErrorCode::MEI_BUSY,
        _ => ErrorCode::IO,
    };
    Failure::new(code, STAGE, format!("talking to the firmware: {error}"))
}

impl MeiConnection for Connection {
    fn connected(&self) -> Connected {
        self.connected
    }

    fn send<'a>(&'a mut self, message: &'a [u8]) -> MeiFuture<'a, ()> {
        Box::pin(async move {
            loop {
                let mut guard = self.file.writable().await.map_err(|error| transfer_failure(&error))?;
                match guard.try_io(|file| rustix::io::write(file.get_ref(), message).map_err(io::Error::from)) {
                    // One write is one message, whole.
                    Ok(Ok(_)) => return Ok(()),
                    Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(Err(error)) => return Err(transfer_failure(&error)),
                    Err(_would_block) => {}
                }
            }
        })
    }

    fn receive(&mut self) -> MeiFuture<'_, Vec<u8>> {
        Box::pin(async move {
            loop {
                let mut guard = self.file.readable().await.map_err(|error| transfer_failure(&error))?;
                let buffer = self.buffer.as_mut_slice();
                match guard.try_io(|file| rustix::io::read(file.get_ref(), &mut *buffer).map_err(io::Error::from)) {
                    Ok(Ok(0)) => return Err(Failure::new(ErrorCode::MEI_RESET, STAGE, "the device ended")),
                    Ok(Ok(count)) => return Ok(self.buffer.get(..count).unwrap_or_default().to_vec()),
                    Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(Err(error)) => return Err(transfer_failure(&error)),
                    Err(_would_block) => {}
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connect_call_has_the_kernels_number() {
        assert_eq!(CONNECT, 0xC010_4801);
    }

    #[test]
    fn only_devices_of_the_management_engine_are_taken() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(LinuxMei::under(root.path()).unwrap_err().code, ErrorCode::MEI_ABSENT);
        for (name, kind) in [("mei0", Some("gscfi\n")), ("mei1", Some("mei\n")), ("mei2", None)] {
            let folder = root.path().join("sys/class/mei").join(name);
            fs::create_dir_all(&folder).unwrap();
            if let Some(kind) = kind {
                fs::write(folder.join("kind"), kind).unwrap();
            }
            fs::write(folder.join("fw_status"), "90000245\n").unwrap();
        }
        let mei = LinuxMei::under(root.path()).unwrap();
        let names: Vec<_> = mei.nodes.iter().filter_map(|node| node.device.file_name()).collect();
        assert_eq!(names, ["mei1", "mei2"]);
        assert_eq!(mei.status().unwrap().is_healthy(), Some(true));
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let code = |path: PathBuf| async move { LinuxMei::at(&path).open(Client::Amthi).await.err().unwrap().code };
        assert_eq!(code(folder.path().join("none")).await, ErrorCode::MEI_ABSENT);
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert_eq!(code(file).await, ErrorCode::MEI_CLIENT_ABSENT, "a file knows no such call");
        for (errno, expected) in [
            (Errno::ACCESS, ErrorCode::MEI_PERMISSION),
            (Errno::NODEV, ErrorCode::MEI_RESET),
            (Errno::NOENT, ErrorCode::MEI_ABSENT),
            (Errno::MFILE, ErrorCode::IO),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(open_failure(Path::new("/dev/mei0"), &error).code, expected);
        }
        for (errno, expected) in [
            (Errno::NOTTY, ErrorCode::MEI_CLIENT_ABSENT),
            (Errno::BUSY, ErrorCode::MEI_BUSY),
            (Errno::NODEV, ErrorCode::MEI_RESET),
            (Errno::FAULT, ErrorCode::MEI_RESET),
            (Errno::INVAL, ErrorCode::IO),
        ] {
            assert_eq!(connect_failure(Client::Lme, errno).code, expected);
        }
    }
}
