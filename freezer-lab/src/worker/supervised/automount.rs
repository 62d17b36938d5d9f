//! An automount daemon that mounts nothing (fs/autofs, `linux/auto_fs.h`).

use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::super::job::after_ready;
use super::asked;
use crate::error::{Result, Tried as _};

/// The biggest packet, `struct autofs_v5_packet`; the pipe keeps packets apart.
const PACKET: usize = 304;

/// Leads its process group already ([`super::super::Worker::start`]): that group is the one the kernel lets through.
pub(super) fn serve(dir: &Path, direct: bool) -> Result<()> {
    let (mut questions, kernels_end) = std::io::pipe().tried("make", "a pipe")?;
    let kind = if direct { "direct" } else { "indirect" };
    let (fd, group) = (kernels_end.as_raw_fd(), nix::unistd::getpgrp());
    let options = format!("fd={fd},pgrp={group},minproto=5,maxproto=5,{kind}");
    mount(Some("freezer-lab"), dir, Some("autofs"), MsFlags::empty(), Some(options.as_str()))
        .tried("mount autofs on", dir.display())?;
    drop(kernels_end);
    after_ready(|| {
        loop {
            questions.read(&mut [0; PACKET]).tried("read", "an autofs packet")?;
            asked();
        }
    })
}
