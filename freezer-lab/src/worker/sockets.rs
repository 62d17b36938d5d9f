//! A worker whose files take long to close.

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::job::after_ready;
use crate::error::{Result, Tried as _};

/// Below the usual limit of 1024 descriptors.
const SOCKETS: usize = 150;

/// Exits with packet sockets open: closing one waits for an RCU grace period (`net/packet/af_packet.c`,
/// `packet_release`), some 10 ms each.
pub(super) fn exit_with_sockets() -> Result<()> {
    let sockets = open()?;
    after_ready(|| {
        std::mem::forget(sockets); // the kernel is to close them, in exit
        std::process::exit(0)
    })
}

fn open() -> Result<Vec<OwnedFd>> {
    let open = || socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
    (0..SOCKETS).map(|_| open()).collect::<nix::Result<_>>().tried("open", "packet sockets")
}
