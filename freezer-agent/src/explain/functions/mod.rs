//! Every kernel function name the rules know, in one table, one file per subject, with the kernels it is expected on.
//!
//! A function that the compiler put into its caller is never on a stack, so the versions are not those of the source but
//! those of the symbol tables of real kernels, with and without the compiler's suffixes: `/proc/kallsyms` and the symbol
//! tables of the modules of Debian's x86-64 cloud kernels 5.10.223, 6.1.176, 6.12.117 and 7.3.4, and `/proc/kallsyms`
//! of a 6.18.44 without NFS, CIFS, md and loadable modules (so those subjects say nothing about 6.18). Where a function
//! sleeps, and how, was read in the source of the four Debian kernels. `tests/kernel_functions.rs` compares the
//! table with the kernel that runs. Other builds may inline otherwise: no rule refuses a name for its version.
//!
//! Stacks of sleeping tasks leave out functions of the scheduler's text section (`__sched`: `schedule`,
//! `__mutex_lock`, `rwsem_down_read_slowpath`, ...), both in `/proc/PID/stack` and in `bpf_get_task_stack`
//! (`kernel/stacktrace.c`, `stack_trace_consume_entry_nosched`). A lock wait therefore shows its *caller* as the
//! innermost frame; only samples of a running task show the lock functions themselves.

use crate::model::function;

mod freezer;
mod fuse;
mod locks;
mod network;
mod storage;
mod superblock;
mod supervisors;
mod tasks;

/// What a function on a stack says about its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Waits for the answer to a FUSE request, or for a free slot to send one.
    FuseRequest,
    /// Waits for a page or a name that some other task is fetching: whose it is depends on the file.
    SharedFetch,
    /// Code of the FUSE filesystem: tells a shared fetch's filesystem.
    FuseCode,
    /// Reads further requests of a FUSE connection: the idle state of a server's thread.
    FuseServe,
    /// Sleeps as reader of a per-CPU rwsem.
    PercpuRead,
    /// Takes a superblock's write protection (`sb_writers`) and may sleep in it.
    SuperblockWriter,
    /// Waits for a freeze or thaw of a filesystem in a function of its own.
    SuperblockWait,
    /// Handles a fault on a userfaultfd range.
    Userfault,
    /// Reads or writes another process's memory: `process_vm_readv`, ptrace, `/proc/PID/mem`, `/proc/PID/cmdline`.
    OthersMemory,
    /// Waits for a seccomp supervisor.
    SeccompNotify,
    /// Waits for a fanotify listener's leave.
    FanotifyPermission,
    /// Waits for an automount daemon.
    AutofsWait,
    /// Waits for a user-mode helper: for its end or its start, or for a key that one is to make.
    HelperWait,
    /// Has started a user-mode helper itself.
    HelperStart,
    /// Asks for a key.
    KeyRequest,
    /// Asks for a kernel module.
    ModuleRequest,
    /// Writes a core dump.
    CoreDump,
    /// A lock's own slow path.
    LockSlowPath,
    /// Takes a lock whose slow path stacks leave out: what remains as the innermost frame.
    LockCaller,
    /// Sits in the v1 (or suspend) refrigerator.
    Refrigerator,
    /// Sits in v2's frozen trap.
    FrozenTrap,
    /// Waits for a vforked child: frozen enough on every kernel.
    VforkWait,
    /// Waits for room in a memory cgroup whose OOM killer is off.
    OomWait,
    /// Waits in execve for the other threads of the process to die.
    ExecWait,
    /// Stopped for its tracer.
    TraceStop,
    /// Waits for the end of a core dump that another thread writes.
    CoredumpThread,
    /// Waits for a request to a block device, whichever: a bio, a buffer, a journal, a free request slot.
    BlockWait,
    /// Waits for a flush, of which a device's statistics may know nothing.
    BlockFlush,
    /// Waits for a page: of what device or server, its file tells.
    PageWait,
    /// Waits for pages to be written by a flusher thread.
    WritebackWait,
    /// Waits for a limit of a cgroup by its function alone (iocost, iolatency).
    IoLimitWait,
    /// Made too many pages dirty and is slowed down until enough of them are written.
    DirtyThrottle,
    /// A worker of a loop device.
    LoopWork,
    /// Waits for an NFS server.
    NfsWait,
    /// Waits for a CIFS server.
    CifsWait,
    /// A sleep that v1 may freeze in place although it shows `D`.
    FreezableSleep,
    /// A tracer waits in its attach until the stopped tracee has turned to it.
    TracerAttach,
    /// Waits for a child or tracee.
    ChildWait,
    /// Is in a page fault on a file.
    FileFault,
    /// The scheduler or an interrupt's way out: a timer sample that finds a task there was held up on its way to it.
    Scheduling,
}

use Mechanism as M;

/// The kernels whose symbols were looked at.
pub const KERNELS: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.3"];

/// Instead of versions: a function of the source of kernels in that range, not marked inline, that all builds looked at
/// have inlined or leave out by their configuration.
const IN_SOURCE: &str = "";

/// Name without suffix, what it means, and the kernels it is expected on.
type Entry = (&'static str, Mechanism, &'static str);

/// Entries of one module; of the kernel itself where that is empty.
struct Part {
    module: &'static str,
    entries: &'static [Entry],
}

const fn part(module: &'static str, entries: &'static [Entry]) -> Part {
    Part { module, entries }
}

/// By subject.
const TABLE: &[&[Part]] = &[
    fuse::PARTS,
    storage::PARTS,
    network::PARTS,
    superblock::PARTS,
    supervisors::PARTS,
    locks::PARTS,
    tasks::PARTS,
    freezer::PARTS,
];

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().copied().flatten().flat_map(|part| part.entries)
}

/// A function and the module it belongs to, empty for the kernel itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Name without suffix.
    pub function: &'static str,
    /// The module that has it where the subject is built as one.
    pub module: &'static str,
}

/// What the table expects to find among the symbols of a kernel of [`KERNELS`].
pub fn expected_on(kernel: &str) -> impl Iterator<Item = Expected> {
    let found = move |versions: &str| versions.split(", ").any(|version| version == kernel);
    TABLE.iter().copied().flatten().flat_map(move |part| {
        let claimed = part.entries.iter().filter(move |(_, _, versions)| found(versions));
        claimed.map(|(function, _, _)| Expected { function, module: part.module })
    })
}

/// Whether a frame's function has this meaning.
#[must_use]
pub fn means(frame: &str, mechanism: Mechanism) -> bool {
    let Some(name) = function::plain(frame.as_bytes()) else { return false };
    entries().any(|(function, meaning, _)| *meaning == mechanism && *function == name)
}

/// Whether a sleep in this function is a wait for somebody, as far as any rule knows; not the rests that a freezer, a
/// parent or an ordinary sleeper takes.
#[must_use]
pub fn is_known(frame: &str) -> bool {
    let Some(name) = function::plain(frame.as_bytes()) else { return false };
    let rests = [
        M::Refrigerator,
        M::FrozenTrap,
        M::VforkWait,
        M::FreezableSleep,
        M::ChildWait,
        M::FileFault,
        M::Scheduling,
    ];
    entries().any(|(function, meaning, _)| *function == name && !rests.contains(meaning))
}

/// Index of the innermost frame with this meaning.
#[must_use]
pub fn position(stack: &[String], mechanism: Mechanism) -> Option<usize> {
    stack.iter().position(|frame| means(frame, mechanism))
}

/// Whether any frame has this meaning.
#[must_use]
pub fn contains(stack: &[String], mechanism: Mechanism) -> bool {
    position(stack, mechanism).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_suffixes_offsets_and_modules_do_not_hide_a_function() {
        for frame in [
            "handle_userfault",
            "handle_userfault.isra.0",
            "handle_userfault.constprop.0+0x12/0x30",
            "handle_userfault+0x1/0x2 [mm]",
            "handle_userfault.part.0.cold",
        ] {
            assert!(means(frame, Mechanism::Userfault), "{frame}");
        }
    }

    #[test]
    fn every_entry_names_kernels_that_were_looked_at_and_none_is_there_twice() {
        let all: Vec<&Entry> = entries().collect();
        for (at, (function, meaning, versions)) in all.iter().enumerate() {
            let known = versions.split(", ").all(|version| KERNELS.contains(&version));
            assert!(known || *versions == IN_SOURCE, "{function}: {versions}");
            let twice = all[..at].iter().any(|(name, other, _)| name == function && other == meaning);
            assert!(!twice, "{function} twice as {meaning:?}");
        }
    }

    #[test]
    fn a_longer_name_is_another_function() {
        assert!(!means("handle_userfault_work", Mechanism::Userfault));
        assert!(!means("my_request_wait_answer", Mechanism::FuseRequest));
    }
}
