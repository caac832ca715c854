//! The driver of Windows, Intel's "TEE" or its older "HECI" (`spec/heci.md` §1.4): the calls that [`overlapped`](super::overlapped) makes.
#![allow(unsafe_code, reason = "listing devices and overlapped operations have no safe binding")]

use super::overlapped::{Calls, Code, Interfaces, Operation, Started, Woken};
use super::{Mei, MeiConnection, MeiFuture, Turn};
use amt_core::Failure;
use amt_heci::hfsts::StatusRegisters;
use amt_heci::mei::Client;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::mem::take;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    DIGCF_DEVICEINTERFACE, DIGCF_PRESENT, HDEVINFO, SP_DEVICE_INTERFACE_DATA, SP_DEVICE_INTERFACE_DETAIL_DATA_W,
    SetupDiDestroyDeviceInfoList, SetupDiEnumDeviceInterfaces, SetupDiGetClassDevsW, SetupDiGetDeviceInterfaceDetailW,
};
use windows_sys::Win32::Foundation::{
    ERROR_GEN_FAILURE, ERROR_INVALID_NAME, ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, STATUS_PENDING, WAIT_OBJECT_0,
    WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, DeviceIoControl, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};
use windows_sys::core::{BOOL, GUID};

/// The interface of both drivers.
const INTERFACE: GUID = GUID::from_u128(0xE2D1_FF34_3458_49A9_88DA_8E69_15CE_9BE5);
/// Longest path of a device, in bytes; Windows' own are of some 200.
const MAX_PATH: usize = 64 * 1024;

/// The devices that Windows lists, or one that is named.
pub struct WindowsMei(Interfaces<Windows>);

impl WindowsMei {
    /// The devices of this system.
    ///
    /// # Errors
    /// `MEI_ABSENT` if there is none.
    pub fn system() -> Result<Self, Failure> {
        Interfaces::list(Windows).map(Self)
    }

    /// The device at `path` (`\\?\PCI#VEN_8086&…`), and nothing else.
    pub fn at(path: &Path) -> Self {
        Self(Interfaces::at(Windows, path))
    }
}

impl Mei for WindowsMei {
    fn open(&self, client: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
        self.0.open(client)
    }

    fn status(&self) -> Option<StatusRegisters> {
        self.0.status()
    }

    fn turn(&self) -> Turn {
        self.0.turn()
    }
}

/// Windows itself.
struct Windows;

/// A started operation.
struct Request {
    /// Kept open for as long as there is an operation at it.
    device: Arc<OwnedHandle>,
    event: OwnedHandle,
    /// From a box. While the operation is pending, Windows writes to it.
    memory: NonNull<Memory>,
    is_pending: bool,
}

struct Memory {
    overlapped: OVERLAPPED,
    input: Vec<u8>,
    /// What is written, or has room for what is read.
    data: Vec<u8>,
}

impl Request {
    fn overlapped(&self) -> *mut OVERLAPPED {
        // SAFETY: the memory is not freed before this is dropped; no reference to it is made.
        unsafe { &raw mut (*self.memory.as_ptr()).overlapped }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Whatever went wrong: memory that Windows may still write to is lost, not freed.
        if !self.is_pending {
            // SAFETY: it came from a box, once, and Windows has done with it.
            drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
        }
    }
}

impl Calls for Windows {
    type Device = OwnedHandle;
    type Request = Request;
    type Event = OwnedHandle;

    fn interfaces(&self, most: usize) -> Result<Vec<PathBuf>, Code> {
        let set = DeviceSet::present()?;
        Ok((0..).take(most).map_while(|index| set.interface(index)).filter_map(|data| set.path(&data)).collect())
    }

    fn create(&self, path: &Path) -> Result<OwnedHandle, Code> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        let opened = options.custom_flags(FILE_FLAG_OVERLAPPED).open(path);
        opened.map(OwnedHandle::from).map_err(|error| code(&error).unwrap_or(ERROR_INVALID_NAME))
    }

    fn event(&self) -> Result<OwnedHandle, Code> {
        // SAFETY: the attributes and the name may be null: nobody else sees this event.
        let event = unsafe { CreateEventW(null(), 1, 0, null()) };
        if event.is_null() {
            return Err(last_error());
        }
        // SAFETY: it was made just now, and nobody else closes it.
        Ok(unsafe { OwnedHandle::from_raw_handle(event) })
    }

    fn set(&self, event: &OwnedHandle) {
        // SAFETY: the handle is open and an event's.
        unsafe { SetEvent(event.as_raw_handle()) };
    }

    fn start(&self, device: &Arc<OwnedHandle>, operation: Operation) -> Result<Started<Request>, Code> {
        let event = self.event()?;
        let (control, input, data, is_write) = match operation {
            Operation::Control { number, input, output } => (Some(number), input, vec![0; output], false),
            Operation::Read(most) => (None, Vec::new(), vec![0; most], false),
            Operation::Write(message) => (None, Vec::new(), message, true),
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| ERROR_INVALID_PARAMETER);
        let (input_length, data_length) = (length(&input)?, length(&data)?);
        let overlapped = OVERLAPPED { hEvent: event.as_raw_handle(), ..OVERLAPPED::default() };
        let memory = NonNull::from(Box::leak(Box::new(Memory { overlapped, input, data })));
        let mut request = Request { device: Arc::clone(device), event, memory, is_pending: false };
        let (handle, overlapped) = (request.device.as_raw_handle(), request.overlapped());
        // SAFETY: nothing else refers to the memory yet.
        let (input, data) = unsafe {
            let memory = &mut *memory.as_ptr();
            (memory.input.as_ptr(), memory.data.as_mut_ptr())
        };
        // SAFETY: the handle is open, for overlapped operations. Buffers and OVERLAPPED are in the request's memory, of the lengths given,
        // and stay there, as the event does, until the operation is over: see `is_pending`. Counts are not asked for here.
        let done = unsafe {
            match control {
                Some(number) => DeviceIoControl(
                    handle,
                    number,
                    input.cast(),
                    input_length,
                    data.cast(),
                    data_length,
                    null_mut(),
                    overlapped,
                ),
                None if is_write => WriteFile(handle, data, data_length, null_mut(), overlapped),
                None => ReadFile(handle, data, data_length, null_mut(), overlapped),
            }
        };
        match checked(done) {
            Ok(()) => Ok(Started::Over(request)),
            Err(ERROR_IO_PENDING) => {
                request.is_pending = true;
                Ok(Started::Pending(request))
            }
            Err(code) => Err(code),
        }
    }

    fn wait(&self, request: &Request, stop: &OwnedHandle, limit: Option<Duration>) -> Result<Woken, Code> {
        let milliseconds =
            limit.map_or(INFINITE, |limit| u32::try_from(limit.as_millis()).unwrap_or(INFINITE).min(INFINITE - 1));
        // Of two that are set, the first is told.
        let events = [request.event.as_raw_handle(), stop.as_raw_handle()];
        // SAFETY: there are two handles, both open.
        match unsafe { WaitForMultipleObjects(2, events.as_ptr(), 0, milliseconds) } {
            WAIT_OBJECT_0 => Ok(Woken::Over),
            WAIT_TIMEOUT => Ok(Woken::TimedOut),
            index if index == WAIT_OBJECT_0 + 1 => Ok(Woken::Stopped),
            _failed => Err(last_error()),
        }
    }

    fn cancel(&self, request: &Request) {
        // SAFETY: the handle is open; the address is that of the operation, which is compared and not read.
        // That there is nothing to be cancelled any more is no error.
        unsafe { CancelIoEx(request.device.as_raw_handle(), request.overlapped()) };
    }

    fn result(&self, request: &mut Request) -> Result<Vec<u8>, Code> {
        let mut count = 0;
        // SAFETY: handle and OVERLAPPED are of the same operation, and both live. It returns when the operation is over.
        let done = checked(unsafe {
            GetOverlappedResult(request.device.as_raw_handle(), request.overlapped(), &mut count, 1)
        });
        if done.is_err() && request.is_pending {
            // SAFETY: the field is aligned and initialised; Windows may write to it at any time, hence volatile.
            let status = unsafe { (&raw const (*request.overlapped()).Internal).read_volatile() };
            // The call failed, not the operation: nobody knows when that will be over.
            request.is_pending = status == usize::try_from(STATUS_PENDING).unwrap_or(usize::MAX);
            done?;
        }
        request.is_pending = false;
        done?;
        // SAFETY: the operation is over: Windows has done with the memory.
        let mut data = take(unsafe { &mut (*request.memory.as_ptr()).data });
        data.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(data)
    }
}

/// The devices that have the interface, as they were when this was made.
struct DeviceSet(HDEVINFO);

impl DeviceSet {
    fn present() -> Result<Self, Code> {
        const NONE: HDEVINFO = -1;
        let which = DIGCF_PRESENT | DIGCF_DEVICEINTERFACE;
        // SAFETY: the GUID lives; the other two may be null.
        match unsafe { SetupDiGetClassDevsW(&INTERFACE, null(), null_mut(), which) } {
            NONE => Err(last_error()),
            set => Ok(Self(set)),
        }
    }

    fn interface(&self, index: u32) -> Option<SP_DEVICE_INTERFACE_DATA> {
        let mut data = SP_DEVICE_INTERFACE_DATA { cbSize: size::<SP_DEVICE_INTERFACE_DATA>(), ..Default::default() };
        // SAFETY: the set is open; `data` is writable and says its own size.
        let done = unsafe { SetupDiEnumDeviceInterfaces(self.0, null(), &INTERFACE, index, &mut data) };
        checked(done).ok().map(|()| data)
    }

    /// None where Windows does not tell it.
    fn path(&self, data: &SP_DEVICE_INTERFACE_DATA) -> Option<PathBuf> {
        let mut length = 0;
        // SAFETY: asks for the length only; what is null may be.
        unsafe { SetupDiGetDeviceInterfaceDetailW(self.0, data, null_mut(), 0, &mut length, null_mut()) };
        let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= MAX_PATH)?;
        // In units of four bytes, as the structure is aligned.
        let mut detail = vec![0_u32; bytes.div_ceil(4).max(2)];
        detail[0] = size::<SP_DEVICE_INTERFACE_DETAIL_DATA_W>();
        let room = detail.as_mut_ptr().cast();
        // SAFETY: there are `length` bytes of room, and they begin with the size of the structure's fixed part.
        checked(unsafe { SetupDiGetDeviceInterfaceDetailW(self.0, data, room, length, null_mut(), null_mut()) })
            .ok()?;
        let units = detail.iter().skip(1).flat_map(|unit| {
            let [a, b, c, d] = unit.to_le_bytes();
            [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
        });
        let path: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        (!path.is_empty()).then(|| OsString::from_wide(&path).into())
    }
}

impl Drop for DeviceSet {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody uses it after this.
        unsafe { SetupDiDestroyDeviceInfoList(self.0) };
    }
}

/// Bytes of a structure, as Windows wants to be told.
fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

fn checked(done: BOOL) -> Result<(), Code> {
    if done == 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Code {
    code(&io::Error::last_os_error()).unwrap_or(ERROR_GEN_FAILURE)
}

fn code(error: &io::Error) -> Option<Code> {
    error.raw_os_error().map(i32::cast_unsigned)
}

/// The calls at a named pipe, which is read and written as a driver is. They run under Wine too.
#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::ErrorCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
    use windows_sys::Win32::Foundation::{ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_OPERATION_ABORTED};

    const LONG: Option<Duration> = Some(Duration::from_secs(30));

    /// The driver's end of a pipe, and ours.
    async fn pipe(name: &str) -> (NamedPipeServer, Arc<OwnedHandle>) {
        let path = format!(r"\\.\pipe\amt-{name}-{}", std::process::id());
        let server = ServerOptions::new().first_pipe_instance(true).create(&path).unwrap();
        let device = Windows.create(Path::new(&path)).unwrap();
        server.connect().await.unwrap();
        (server, Arc::new(device))
    }

    fn pending(started: Result<Started<Request>, Code>) -> Request {
        match started {
            Ok(Started::Pending(request)) => request,
            Ok(Started::Over(_)) => panic!("it was over at once"),
            Err(code) => panic!("Windows error {code}"),
        }
    }

    #[tokio::test]
    async fn a_pending_read_brings_what_comes_later() {
        let (mut server, device) = pipe("read").await;
        let stop = Windows.event().unwrap();
        let mut request = pending(Windows.start(&device, Operation::Read(16)));
        assert_eq!(Windows.wait(&request, &stop, Some(Duration::ZERO)), Ok(Woken::TimedOut));
        server.write_all(&[1, 2, 3]).await.unwrap();
        assert_eq!(Windows.wait(&request, &stop, LONG), Ok(Woken::Over));
        assert_eq!(Windows.result(&mut request), Ok(vec![1, 2, 3]));
        // What is over wins against a stop.
        server.write_all(&[4]).await.unwrap();
        let mut request = match Windows.start(&device, Operation::Read(16)).unwrap() {
            Started::Over(request) | Started::Pending(request) => request,
        };
        Windows.set(&stop);
        assert_eq!(Windows.wait(&request, &stop, LONG), Ok(Woken::Over));
        assert_eq!(Windows.result(&mut request), Ok(vec![4]));
    }

    #[tokio::test]
    async fn a_cancelled_read_ends_and_takes_nothing() {
        let (mut server, device) = pipe("cancel").await;
        let stop = Windows.event().unwrap();
        let mut request = pending(Windows.start(&device, Operation::Read(16)));
        Windows.set(&stop);
        assert_eq!(Windows.wait(&request, &stop, LONG), Ok(Woken::Stopped));
        Windows.cancel(&request);
        assert_eq!(Windows.result(&mut request), Err(ERROR_OPERATION_ABORTED));
        drop(request);
        // A write meanwhile, and the next read.
        let stop = Windows.event().unwrap();
        for (operation, expected) in [(Operation::Write(vec![9, 9]), vec![9, 9]), (Operation::Read(16), vec![7])] {
            server.write_all(&[7]).await.unwrap();
            let mut request = match Windows.start(&device, operation).unwrap() {
                Started::Over(request) | Started::Pending(request) => request,
            };
            assert_eq!(Windows.wait(&request, &stop, LONG), Ok(Woken::Over));
            let result = Windows.result(&mut request).unwrap();
            assert_eq!(result.first(), expected.first());
        }
        let mut heard = [0; 2];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [9, 9]);
    }

    /// The other end of a pipe goes away only while tokio's driver runs: on a thread of its own, since this one waits.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn errors_are_those_of_windows() {
        assert_eq!(Windows.create(Path::new(r"C:\none")).err(), Some(ERROR_FILE_NOT_FOUND));
        let (server, device) = pipe("errors").await;
        drop(server);
        let stop = Windows.event().unwrap();
        let result = match Windows.start(&device, Operation::Read(16)) {
            Ok(Started::Over(mut request) | Started::Pending(mut request)) => {
                assert_eq!(Windows.wait(&request, &stop, LONG), Ok(Woken::Over));
                Windows.result(&mut request)
            }
            Err(code) => Err(code),
        };
        assert_eq!(result, Err(ERROR_BROKEN_PIPE));
        // A file that is no device: its file system knows no such call.
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = WindowsMei::at(file.path()).open(Client::Amthi).await.err().unwrap();
        assert_ne!(failure.code, ErrorCode::PANIC, "{}", failure.message);
        assert!(failure.message.contains("Windows error"), "{}", failure.message);
        assert_eq!(WindowsMei::at(file.path()).status(), None);
    }
}
