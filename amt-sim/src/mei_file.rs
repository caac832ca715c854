//! A machine's management engine interface as a device file that any program can open (`spec/heci.md` §8.2).
//!
//! It is a file system in user space whose root is a regular file, mounted over a path. All ioctls of the interface carry their size and
//! direction in their number, so the kernel passes them on; the rest of the device's behaviour is that of §1.2: one client a
//! descriptor, whole messages, one for each time that somebody reads or polls, the rest of a message after a short read, poll, and an
//! error when the firmware is reset.

use crate::firmware::{MeiGone, MeiRefusal};
use crate::net::{MeiDevice, MeiSlot};
use amt_core::{ErrorCode, Failure};
use amt_heci::mei::Guid;
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, INodeNo,
    IoctlFlags, LockOwner, MountOption, OpenFlags, PollEvents, PollFlags, PollNotifier, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyIoctl, ReplyOpen, ReplyPoll, ReplyWrite, Request, SessionACL, TimeOrNow, WriteFlags,
};
use rustix::mount::{UnmountFlags, unmount};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

/// `_IOWR('H', 1, 16 bytes)`.
const CONNECT_CLIENT: u32 = 0xC010_4801;
/// `_IOW('H', 2, 4 bytes)` and `_IOR('H', 3, 4 bytes)`.
const NOTIFY_SET: u32 = 0x4004_4802;
const NOTIFY_GET: u32 = 0x8004_4803;
/// How often those who wait in a read are looked at: whether a signal waits for them.
const SIGNALS: Duration = Duration::from_millis(100);

/// The file, mounted. Dropped, it is unmounted.
pub struct MeiFile {
    path: PathBuf,
    session: Option<BackgroundSession>,
    stopped: Arc<AtomicBool>,
}

impl MeiFile {
    /// Presents `device` at `path`, which is made if it is not there. A mount that a killed program left behind is taken away first.
    /// Messages are waited for on the runtime that this is called on.
    ///
    /// # Errors
    /// `FILE_WRITE` if it cannot be mounted there.
    pub fn mount(device: MeiDevice, path: &Path) -> Result<Self, Failure> {
        let failed = |what: &str, error: &io::Error| {
            let text = format!("{}: {what}: {error}", path.display());
            Failure::new(ErrorCode::FILE_WRITE, "mount", text)
                .hint("this needs /dev/fuse, and root or the right to mount")
        };
        if fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotConnected) {
            unmount(path, UnmountFlags::DETACH).map_err(|error| failed("an old mount stays", &error.into()))?;
        }
        if !path.exists() {
            fs::write(path, []).map_err(|error| failed("cannot be made", &error))?;
        }
        let files = Arc::new(Files::default());
        let stopped = Arc::new(AtomicBool::new(false));
        let system = System { device, files: Arc::clone(&files), runtime: Handle::current() };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("amt-sim".to_owned()), MountOption::Subtype("mei".to_owned())];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(system, path, &config).map_err(|error| failed("cannot be mounted", &error))?;
        let watched = Arc::clone(&stopped);
        std::thread::spawn(move || {
            while !watched.load(Ordering::SeqCst) {
                std::thread::sleep(SIGNALS);
                files.interrupt();
            }
        });
        Ok(Self { path: path.to_owned(), session: Some(session), stopped })
    }
}

impl Drop for MeiFile {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Programs that still have it open keep a dead device; the path is free.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
        drop(self.session.take());
    }
}

/// One open descriptor.
#[derive(Default)]
struct Open(Mutex<State>);

#[derive(Default)]
struct State {
    slot: Option<MeiSlot>,
    /// The firmware was reset under it.
    dead: bool,
    /// Messages that the firmware has not been let send: it needs a credit for each.
    held: VecDeque<Vec<u8>>,
    /// A read or a poll found nothing, and so the firmware may send one message.
    credit: bool,
    /// The message that has come, or the rest of it.
    arrived: Option<VecDeque<u8>>,
    readers: VecDeque<Reader>,
    /// To be told when there is something; the kernel has one for each descriptor.
    poller: Option<PollNotifier>,
}

struct Reader {
    thread: u32,
    size: usize,
    reply: ReplyData,
}

impl Open {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the client that this is bound to send one message, unless one is there.
    fn grant(&mut self) {
        self.credit |= self.slot.is_some() && self.arrived.is_none();
        self.advance();
    }

    /// The firmware sends a message if it may.
    fn advance(&mut self) {
        if self.credit && !self.dead && self.arrived.is_none() {
            self.arrived = self.held.pop_front().map(Into::into);
            self.credit = self.arrived.is_none();
        }
    }

    /// The message that has come, or as much of it as `size` takes.
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let message = self.arrived.as_mut()?;
        let part = message.drain(..size.min(message.len())).collect();
        if message.is_empty() {
            self.arrived = None;
        }
        Some(part)
    }

    /// Serves those who wait, and wakes those who poll.
    fn serve(&mut self) {
        self.advance();
        while let Some(reader) = self.readers.pop_front() {
            self.grant();
            match self.take(reader.size) {
                Some(part) => reader.reply.data(&part),
                None if self.dead => reader.reply.error(Errno::ENODEV),
                None => {
                    self.readers.push_front(reader);
                    break;
                }
            }
        }
        if (self.arrived.is_some() || self.dead)
            && let Some(poller) = self.poller.take()
        {
            let _ = poller.notify();
        }
    }

    fn events(&self) -> PollEvents {
        if self.slot.is_none() || self.dead {
            return PollEvents::POLLERR;
        }
        let readable = if self.arrived.is_some() { PollEvents::POLLIN } else { PollEvents::empty() };
        PollEvents::POLLOUT | readable
    }
}

/// Descriptors of this moment.
#[derive(Default)]
struct Files {
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
    next: AtomicU64,
}

impl Files {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, handle: FileHandle) -> Option<Arc<Open>> {
        self.all().get(&handle.0).cloned()
    }

    /// Ends the reads of those for whom a signal waits. The kernel would tell, but the library passes that message over.
    fn interrupt(&self) {
        let open: Vec<_> = self.all().values().cloned().collect();
        for file in open {
            let mut state = file.state();
            let (signalled, waiting): (Vec<_>, Vec<_>) =
                state.readers.drain(..).partition(|reader| has_signal(reader.thread));
            state.readers = waiting.into();
            signalled.into_iter().for_each(|reader| reader.reply.error(Errno::EINTR));
        }
    }
}

/// Whether a signal waits for this thread that it does not block or ignore, or it is gone.
fn has_signal(thread: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{thread}/status")) else { return true };
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).ok()
    };
    let all = |name| mask(name).unwrap_or_default();
    (all("SigPnd") | all("ShdPnd")) & !all("SigBlk") & !all("SigIgn") != 0
}

struct System {
    device: MeiDevice,
    files: Arc<Files>,
    runtime: Handle,
}

impl System {
    fn attributes() -> FileAttr {
        let [atime, mtime, ctime, crtime] = [UNIX_EPOCH; 4];
        FileAttr {
            ino: INodeNo::ROOT,
            size: 0,
            blocks: 0,
            atime,
            mtime,
            ctime,
            crtime,
            kind: FileType::RegularFile,
            perm: 0o600,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 512,
            flags: 0,
        }
    }

    /// Binds the descriptor to a client.
    fn connect(&self, file: &Arc<Open>, guid: [u8; 16]) -> Result<[u8; 16], Errno> {
        let mut state = file.state();
        if state.dead {
            return Err(Errno::ENODEV);
        }
        if state.slot.is_some() {
            return Err(Errno::EBUSY);
        }
        let (sender, mut messages) = unbounded_channel();
        let slot = self.device.attach(Guid::from_wire(guid), sender).map_err(|refusal| match refusal {
            MeiRefusal::NoClient => Errno::ENOTTY,
            MeiRefusal::Busy => Errno::EBUSY,
            MeiRefusal::NoFirmware => Errno::ENODEV,
        })?;
        let mut answer = guid;
        answer[..8].copy_from_slice(&[slot.connected().encode().as_slice(), &[0; 3]].concat());
        state.slot = Some(slot);
        let bound = Arc::clone(file);
        self.runtime.spawn(async move {
            while let Some(message) = messages.recv().await {
                let mut state = bound.state();
                state.held.push_back(message);
                state.serve();
            }
            let mut state = bound.state();
            state.dead = true;
            state.serve();
        });
        Ok(answer)
    }
}

impl Filesystem for System {
    fn getattr(&self, _: &Request, _: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&Duration::ZERO, &Self::attributes());
    }

    fn setattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.attr(&Duration::ZERO, &Self::attributes());
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.files.next.fetch_add(1, Ordering::SeqCst) + 1;
        self.files.all().insert(handle, Arc::default());
        // A stream has no position, and its reads and writes do not wait for one another.
        let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NONSEEKABLE | FopenFlags::FOPEN_STREAM;
        reply.opened(FileHandle(handle), flags);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if let Some(file) = self.files.all().remove(&handle.0) {
            let mut state = file.state();
            state.slot = None;
            state.dead = true;
            state.serve();
        }
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn read(
        &self,
        request: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: u64,
        size: u32,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        let mut state = file.state();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size == 0 {
            return reply.data(&[]);
        }
        if state.readers.is_empty()
            && let Some(part) = state.take(size)
        {
            return reply.data(&part);
        }
        if state.slot.is_none() || state.dead {
            return reply.error(Errno::ENODEV);
        }
        if flags.0 & i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0) != 0 {
            // What comes now comes after this read, however soon.
            reply.error(Errno::EAGAIN);
            state.grant();
            return state.serve();
        }
        state.readers.push_back(Reader { thread: request.pid(), size, reply });
        state.serve();
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        let state = file.state();
        let Some(slot) = state.slot.as_ref().filter(|_| !state.dead) else { return reply.error(Errno::ENODEV) };
        if data.is_empty() {
            return reply.written(0);
        }
        match slot.send(data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(MeiGone::TooLong) => reply.error(Errno::EFBIG),
            Err(MeiGone::Dead) => reply.error(Errno::ENODEV),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: IoctlFlags,
        command: u32,
        argument: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        match (command, <[u8; 16]>::try_from(argument)) {
            (CONNECT_CLIENT, Ok(guid)) => match self.connect(&file, guid) {
                Ok(answer) => reply.ioctl(0, &answer),
                Err(errno) => reply.error(errno),
            },
            (NOTIFY_SET | NOTIFY_GET, _) => reply.error(Errno::EOPNOTSUPP),
            _ => reply.error(Errno::ENOTTY),
        }
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        notifier: PollNotifier,
        wanted: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let Some(file) = self.files.get(handle) else { return reply.error(Errno::EBADF) };
        let mut state = file.state();
        if flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY) {
            state.poller = Some(notifier);
        }
        if wanted.intersects(PollEvents::POLLIN | PollEvents::POLLRDNORM) {
            state.grant();
        }
        reply.poll(state.events());
    }
}
