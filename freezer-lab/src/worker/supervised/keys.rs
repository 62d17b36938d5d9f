//! A key that a helper of user space is to make (`security/keys/request_key.c`).

use nix::errno::Errno;

use super::super::job::after_ready;
use crate::error::{Error, Result, Tried as _};

/// `KEY_SPEC_PROCESS_KEYRING`: whatever comes of it goes with the process.
const PROCESS_KEYRING: i32 = -2;

pub(super) fn request(description: &str) -> Result<()> {
    let text = std::ffi::CString::new(description)
        .map_err(|error| Error::new("use the description", description, error))?;
    after_ready(|| {
        // SAFETY: all texts end with a NUL; the key's serial number that comes back is not a descriptor.
        let result = unsafe {
            libc::syscall(
                libc::SYS_request_key,
                c"user".as_ptr(),
                text.as_ptr(),
                c"freezer-lab".as_ptr(),
                PROCESS_KEYRING,
            )
        };
        Errno::result(result).map(drop).tried("request the key", description)
    })
}
