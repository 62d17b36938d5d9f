//! An ext4 filesystem of the lab's own, in a file on a loop device.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result, Tried as _};
use crate::scene::Scene;
use crate::undo::Undo;

/// Big enough for a journal, whose thread the kernel-thread case needs.
const SIZE: u64 = 32 << 20;

nix::ioctl_readwrite!(
    /// `FIFREEZE` of linux/fs.h.
    fs_freeze, b'X', 119, libc::c_int
);

impl Scene {
    /// Makes and mounts it.
    pub fn ext4(&mut self) -> Result<PathBuf> {
        let dir = self.directory()?;
        let (image, mount) = (dir.join("image"), dir.join("mnt"));
        std::fs::create_dir(&mount).tried("make the directory", mount.display())?;
        File::create(&image).and_then(|file| file.set_len(SIZE)).tried("make", image.display())?;
        // Without lazy initialisation: its kernel thread would be a stranger in every list.
        let options = "lazy_itable_init=0,lazy_journal_init=0";
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", options]).arg(&image))?;
        self.will_undo(Undo::Unmount(mount.clone()))?;
        // `-o loop` has the loop device detach itself on unmount (LO_FLAGS_AUTOCLEAR).
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount))?;
        Ok(mount)
    }

    /// Freezes a filesystem until the end of the scene: who writes to it waits.
    pub fn freeze_fs(&mut self, mount: &Path) -> Result<()> {
        let dir = File::open(mount).tried("open", mount.display())?;
        self.will_undo(Undo::ThawFs(mount.to_path_buf()))?;
        let mut unused: libc::c_int = 0;
        // SAFETY: FIFREEZE takes an int pointer it does not use; the descriptor is open.
        unsafe { fs_freeze(dir.as_raw_fd(), &raw mut unused) }.tried("freeze", mount.display()).map(drop)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{}", command.get_program().display());
    let output = command.output().tried("run", &name)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new("run", name, String::from_utf8_lossy(&output.stderr).trim()))
}
