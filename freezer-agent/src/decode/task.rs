//! Records of the task iterator, in the layout of `freezer_common::snapshot`.

use bytes::{Buf as _, TryGetError};
use freezer_common::snapshot::{
    FROZEN_V1, FROZEN_V2, HAS_FROZEN_V2, HAS_JOBCTL, HAS_LOCK, HAS_ON_CPU, HAS_SINCE, HAS_THROTTLED,
    LOCK_MUTEX, LOCK_READERS, LOCK_RWSEM_READ, LOCK_SEMAPHORE, ON_CPU, STACK_FRAMES, THROTTLED, TaskRecord,
};

use super::{DecodeError, event::comm};
use crate::model::{LockWait, SchedPolicy, TaskSnapshot, TaskState};

/// `PF_KTHREAD` and `PF_EXITING` (include/linux/sched.h), unchanged since 2.6.
const PF_KTHREAD: u32 = 0x0020_0000;
const PF_EXITING: u32 = 0x0000_0004;
/// `JOBCTL_TRAP_FREEZE` (include/linux/sched/jobctl.h, 5.2 and newer).
const JOBCTL_TRAP_FREEZE: u64 = 1 << 23;

/// One task as the iterator saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLook {
    /// The task, its stack still without names.
    pub task: TaskSnapshot,
    /// Kernel addresses of its stack, innermost first.
    pub stack: Vec<u64>,
    /// Address of the task.
    pub address: u64,
    /// Address of the task that the awaited lock's owner word names; 0: none.
    pub lock_owner_address: u64,
}

/// Decodes everything one walk of the iterator wrote.
pub fn tasks(mut bytes: &[u8]) -> Result<Vec<TaskLook>, DecodeError> {
    let mut out = Vec::with_capacity(bytes.len() / size_of::<TaskRecord>());
    while !bytes.is_empty() {
        let have = bytes.len();
        let short = |_| DecodeError::Short { kind: 0, have };
        let len =
            bytes.get(..4).map(|mut len| len.get_u32_le()).ok_or(DecodeError::Short { kind: 0, have })?;
        let record = bytes.get(..len as usize).ok_or(DecodeError::Length(len))?;
        let (frames, look) = task(record).map_err(short)?;
        // Also keeps a length of nought from looping for ever.
        let expected = size_of::<TaskRecord>() + frames as usize * 8;
        if frames as usize > STACK_FRAMES || len as usize != expected {
            return Err(DecodeError::Length(len));
        }
        out.push(look);
        bytes.advance(len as usize);
    }
    Ok(out)
}

/// Fields in the order of [`TaskRecord`].
pub(super) fn task(mut record: &[u8]) -> Result<(u32, TaskLook), TryGetError> {
    let buf = &mut record;
    let (_len, frames) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let address = buf.try_get_u64_le()?;
    let (start_ns, since_ns) = (buf.try_get_u64_le()?, buf.try_get_u64_le()?);
    let (switches, jobctl) = (buf.try_get_u64_le()?, buf.try_get_u64_le()?);
    let (cgroup_v1, cgroup_v2) = (buf.try_get_u64_le()?, buf.try_get_u64_le()?);
    let lock_owner_address = buf.try_get_u64_le()?;
    let (lock_owner, lock_kind) = (buf.try_get_i32_le()?, buf.try_get_u32_le()?);
    let (tid, process) = (buf.try_get_i32_le()?, buf.try_get_i32_le()?);
    let (parent, tracer) = (buf.try_get_i32_le()?, buf.try_get_i32_le()?);
    let (state, _saved_state) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let (exit_state, flags) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let (cpu, policy) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let (marks, _reserved) = (buf.try_get_u32_le()?, buf.try_get_u32_le()?);
    let comm = comm(buf)?;
    let mut stack = Vec::with_capacity(STACK_FRAMES.min(frames as usize));
    while let Ok(frame) = buf.try_get_u64_le() {
        stack.push(frame);
    }
    let marked = |has: u32, mark: u32| (marks & has != 0).then_some(marks & mark != 0);
    let lock = (marks & HAS_LOCK != 0).then(|| LockWait {
        kind: lock_name(lock_kind).to_owned(),
        owner: (lock_owner_address != 0).then_some(lock_owner),
        owner_is_reader: marks & LOCK_READERS != 0,
    });
    let task = TaskSnapshot {
        tid,
        tgid: process,
        parent,
        comm,
        start_ns,
        state: state_letter(state, exit_state),
        kernel_thread: flags & PF_KTHREAD != 0,
        exiting: flags & PF_EXITING != 0,
        frozen_v1: Some(marks & FROZEN_V1 != 0),
        frozen_v2: marked(HAS_FROZEN_V2, FROZEN_V2),
        freeze_asked_v2: (marks & HAS_JOBCTL != 0).then_some(jobctl & JOBCTL_TRAP_FREEZE != 0),
        cgroup_v1: (cgroup_v1 != 0).then_some(cgroup_v1),
        cgroup_v2: (cgroup_v2 != 0).then_some(cgroup_v2),
        on_cpu: marked(HAS_ON_CPU, ON_CPU),
        cpu,
        policy: policy_of(policy),
        throttled: marked(HAS_THROTTLED, THROTTLED),
        since_ns: (marks & HAS_SINCE != 0).then_some(since_ns),
        switches: Some(switches),
        lock,
        tracer: (tracer != 0).then_some(tracer),
        times: None,
        stack: Vec::new(),
    };
    Ok((frames, TaskLook { task, stack, address, lock_owner_address }))
}

fn lock_name(kind: u32) -> &'static str {
    match kind {
        LOCK_MUTEX => "mutex",
        LOCK_SEMAPHORE => "semaphore",
        LOCK_RWSEM_READ => "rwsem-read",
        _ => "rwsem-write",
    }
}

/// The letter /proc prints: `__task_state_index` (include/linux/sched.h) and `task_state_array` (fs/proc/array.c).
fn state_letter(state: u32, exit_state: u32) -> TaskState {
    const TASK_REPORT: u32 = 0x7f;
    const TASK_IDLE: u32 = 0x402;
    const RTLOCK_WAIT: u32 = 0x1000;
    const TASK_FROZEN: u32 = 0x8000;
    if state & (RTLOCK_WAIT | TASK_FROZEN) != 0 {
        return TaskState::Uninterruptible;
    }
    if state & TASK_IDLE == TASK_IDLE {
        return TaskState::Idle;
    }
    let reported = (state | exit_state) & TASK_REPORT;
    match u32::BITS - reported.leading_zeros() {
        0 => TaskState::Running,
        1 => TaskState::Sleeping,
        2 => TaskState::Uninterruptible,
        3 => TaskState::Stopped,
        4 => TaskState::Traced,
        5 => TaskState::Dead,
        6 => TaskState::Zombie,
        _ => TaskState::Parked,
    }
}

/// `SCHED_` numbers of include/uapi/linux/sched.h.
pub(crate) fn policy_of(policy: u32) -> SchedPolicy {
    match policy {
        1 => SchedPolicy::Fifo,
        2 => SchedPolicy::RoundRobin,
        6 => SchedPolicy::Deadline,
        _ => SchedPolicy::Fair,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frozen_task_shows_d_whatever_it_slept_in() {
        assert_eq!(state_letter(0x8000, 0), TaskState::Uninterruptible);
        assert_eq!(state_letter(0x8001, 0), TaskState::Uninterruptible);
    }

    #[test]
    fn letters_follow_the_kernels_table() {
        let letters: String =
            [0, 1, 2, 4, 8, 0x40, 0x402, 0x2001].map(|s| state_letter(s, 0).letter()).iter().collect();
        assert_eq!(letters, "RSDTtPIS");
        assert_eq!(state_letter(0x80, 0x20), TaskState::Zombie);
        assert_eq!(state_letter(0x80, 0x10), TaskState::Dead);
    }

    #[test]
    fn a_record_of_length_nought_is_refused_and_does_not_loop() {
        assert!(tasks(&[0; 400]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_tasks_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
            _ = tasks(&bytes);
        }

        #[test]
        fn any_record_of_the_right_length_gives_one_task(
            frames in 0..=STACK_FRAMES, body in proptest::collection::vec(any::<u8>(), 136 + STACK_FRAMES * 8)
        ) {
            let len = 144 + frames * 8;
            let mut bytes = Vec::new();
            for word in [len, frames] {
                bytes.extend(u32::try_from(word).expect("a small number").to_le_bytes());
            }
            bytes.extend(&body[..len - 8]);
            let looks = tasks(&bytes).expect("one whole record");
            prop_assert_eq!(looks.len(), 1);
            prop_assert_eq!(looks[0].stack.len(), frames);
        }
    }
}
