//! Device-mapper devices of the lab's own, by the ioctls of `/dev/mapper/control` (include/uapi/linux/dm-ioctl.h).

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{Error, Result, Tried as _};
use crate::wait;

const CONTROL: &str = "/dev/mapper/control";
const SECTOR: u64 = 512;

/// `DM_SUSPEND_FLAG`
const SUSPEND: u32 = 1 << 1;
/// `DM_SKIP_LOCKFS_FLAG`, `DM_NOFLUSH_FLAG`: there is no filesystem on it, and nothing to be written first.
const AS_IT_IS: u32 = 1 << 10 | 1 << 11;

/// `struct dm_ioctl`, with room behind it for one target and its parameters.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_nr: u32,
    padding: u32,
    dev: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
    target: Target,
}

/// `struct dm_target_spec`, then its parameters.
#[repr(C)]
#[derive(Clone, Copy)]
struct Target {
    sector_start: u64,
    length: u64,
    status: i32,
    next: u32,
    kind: [u8; 16],
    parameters: [u8; 88],
}

/// Size of `struct dm_ioctl`, which is part of the ioctls' numbers.
const HEAD: usize = 312;
/// The same, and that of a whole request, as a request tells them.
const SIZES: [u32; 2] = [312, 440];
const _: () = assert!(std::mem::offset_of!(Request, target) == HEAD && size_of::<Request>() == 440);

macro_rules! ioctls {
    ($($name:ident = $number:literal;)*) => { $(nix::ioctl_readwrite_bad!(
        /// The ioctl of that name, `DM_*_CMD`.
        $name, nix::request_code_readwrite!(0xfd, $number, HEAD), Request
    );)* };
}
ioctls! {
    dev_create = 3;
    dev_remove = 4;
    dev_suspend = 6;
    table_load = 9;
}

/// One of them.
type Call = unsafe fn(libc::c_int, *mut Request) -> nix::Result<libc::c_int>;

/// Makes a device that stands on another, all of it, and gives its path.
pub fn make(name: &str, lower: &Path) -> Result<PathBuf> {
    let sectors = size_of_device(lower)? / SECTOR;
    call(dev_create, &mut request(name)).tried("make the device", name)?;
    let mut table = request(name);
    table.target_count = 1;
    table.target.length = sectors;
    put(&mut table.target.kind, "linear");
    put(&mut table.target.parameters, &format!("{} 0", lower.display()));
    call(table_load, &mut table).tried("load the table of", name)?;
    // A table is used from the first resume on; what comes back tells the device's number.
    let mut resumed = request(name);
    call(dev_suspend, &mut resumed).tried("resume", name)?;
    Ok(PathBuf::from(format!("/dev/dm-{}", libc::minor(resumed.dev))))
}

/// Has it keep all requests.
pub fn suspend(name: &str) -> Result<()> {
    let mut request = request(name);
    request.flags = SUSPEND | AS_IT_IS;
    call(dev_suspend, &mut request).tried("suspend", name)
}

/// Resumes and removes it, once nobody uses it any more. One that is gone is no error.
pub fn release(name: &str, limit: Duration) -> Result<()> {
    match call(dev_suspend, &mut request(name)) {
        Ok(()) => {}
        Err(Errno::ENXIO | Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno).tried("resume", name),
    }
    let mut last = Ok(());
    let gone = wait::until(limit, || {
        last = call(dev_remove, &mut request(name));
        !matches!(last, Err(Errno::EBUSY))
    });
    if gone && last == Err(Errno::ENXIO) { Ok(()) } else { last.tried("remove the device", name) }
}

fn call(call: Call, request: &mut Request) -> nix::Result<()> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL);
    let control = control.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    // SAFETY: a live request of the size that it says itself.
    unsafe { call(control.as_raw_fd(), request) }.map(drop)
}

fn request(name: &str) -> Request {
    // SAFETY: integers and arrays of them.
    let mut request: Request = unsafe { std::mem::zeroed() };
    request.version = [4, 0, 0];
    [request.data_start, request.data_size] = SIZES;
    put(&mut request.name, name);
    request
}

/// A text and at least one zero byte.
fn put(room: &mut [u8], text: &str) {
    let length = text.len().min(room.len() - 1);
    room[..length].copy_from_slice(&text.as_bytes()[..length]);
}

fn size_of_device(path: &Path) -> Result<u64> {
    use std::io::{Seek as _, SeekFrom};
    let size = File::open(path).and_then(|mut device| device.seek(SeekFrom::End(0)));
    match size.tried("ask for the size of", path.display())? {
        0 => Err(Error::new("use", path.display(), "it is empty")),
        size => Ok(size),
    }
}
