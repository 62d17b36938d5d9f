//! The kernel's own word of which lock a task waits for, and who holds it. Needs root.

mod kernel_common;

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use freezer_agent::{
    model::{Hierarchy, LockWait, TaskState},
    source::{Scope, Stacks, procfs},
};
use kernel_common::{Sleeper, observer, ready, settle};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A FUSE filesystem without a server: whoever creates a file there waits for ever, holding the directory's lock.
struct DeadFuse {
    folder: PathBuf,
    _device: File,
}

impl DeadFuse {
    fn mount() -> Self {
        let folder = std::env::temp_dir().join(format!("freezer-test-fuse-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("FUSE is there");
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        mount(Some("dead"), &folder, Some("fuse.dead"), MsFlags::empty(), Some(data.as_str()))
            .expect("it mounts");
        Self { folder, _device: device }
    }

    fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for DeadFuse {
    fn drop(&mut self) {
        umount2(&self.folder, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH).ok();
        fs::remove_dir(&self.folder).ok();
    }
}

#[tokio::test]
async fn a_task_that_waits_for_an_rwsem_names_the_writer_that_holds_it() {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() || !Path::new("/dev/fuse").exists() {
        eprintln!("SKIPPED: no BTF or no FUSE");
        assert!(std::env::var_os("CI").is_none(), "a kernel test was skipped in CI");
        return;
    }
    let Some(cgroup) = ready(Hierarchy::V1, "lock") else { return };
    let fuse = DeadFuse::mount();
    let holder = Sleeper::start_creating(&cgroup, &fuse.path().join("first"));
    settle(|| procfs::stack(holder.tid()).iter().any(|function| function.starts_with("fuse_")));
    let waiter = Sleeper::start_creating(&cgroup, &fuse.path().join("second"));
    // The rwsem's own functions are in no stack: they are in `.sched.text`, which stacks leave out.
    settle(|| procfs::snapshot(&[waiter.tid()], false)[0].state == TaskState::Uninterruptible);

    let tasks = observer(&cgroup).snapshot(Scope::Watched, Stacks::NotFrozen).expect("a snapshot");
    let lock = |tid: i32| tasks.iter().find(|task| task.tid == tid).and_then(|task| task.lock.clone());
    let by_writer =
        LockWait { kind: "rwsem-write".to_owned(), owner: Some(holder.tid()), owner_is_reader: false };
    assert_eq!(lock(holder.tid()), None);
    assert_eq!(lock(waiter.tid()), Some(by_writer));
}
