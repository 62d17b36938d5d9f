//! Where the running kernel keeps the fields the programs read, from its own BTF.

use std::cell::RefCell;

use freezer_common::ABSENT;

use super::btf::{Btf, Kind, Member};
use super::withheld::is_withheld;

/// Every named type the agent asks BTF for: structs to read, tracepoints and functions to attach to.
pub const WANTED: &[(Kind, &str)] = &[
    (Kind::Struct, "task_struct"),
    (Kind::Struct, "thread_info"),
    (Kind::Struct, "css_set"),
    (Kind::Struct, "cgroup_subsys_state"),
    (Kind::Struct, "cgroup"),
    (Kind::Struct, "freezer"),
    (Kind::Struct, "kernfs_node"),
    (Kind::Struct, "cfs_rq"),
    (Kind::Struct, "rq"),
    (Kind::Struct, "mutex"),
    (Kind::Struct, "rw_semaphore"),
    (Kind::Struct, "semaphore"),
    (Kind::Struct, "mutex_waiter"),
    (Kind::Struct, "rwsem_waiter"),
    (Kind::Struct, "file"),
    (Kind::Struct, "inode"),
    (Kind::Struct, "trace_event_raw_sched_switch"),
    (Kind::Struct, "trace_event_raw_sched_process_fork"),
    (Kind::Struct, "trace_event_raw_cgroup"),
    (Kind::Struct, "trace_event_raw_cgroup_event"),
    (Kind::Struct, "freezer"),
    (Kind::Enum, "cgroup_subsys_id"),
    (Kind::Typedef, "btf_trace_sched_switch"),
    (Kind::Typedef, "btf_trace_sched_waking"),
    (Kind::Typedef, "btf_trace_sched_process_fork"),
    (Kind::Typedef, "btf_trace_sched_process_exec"),
    (Kind::Typedef, "btf_trace_sched_process_exit"),
    (Kind::Typedef, "btf_trace_cgroup_freeze"),
    (Kind::Typedef, "btf_trace_cgroup_unfreeze"),
    (Kind::Typedef, "btf_trace_cgroup_notify_frozen"),
    (Kind::Typedef, "btf_trace_cgroup_attach_task"),
    (Kind::Func, "bpf_iter_task"),
    (Kind::Func, "bpf_iter_task_file"),
    (Kind::Func, "freezer_apply_state"),
    (Kind::Func, "freeze_task"),
    (Kind::Func, "cgroup_freeze_task"),
    (Kind::Func, "__refrigerator"),
    (Kind::Func, "freeze_kernel_threads"),
    (Kind::Func, "thaw_processes"),
    (Kind::Func, "cgroup_enter_frozen"),
    (Kind::Func, "cgroup_leave_frozen"),
    (Kind::Func, "__set_task_frozen"),
];

/// `PF_FROZEN` (include/linux/sched.h before 6.1). The bit was given to `PF_KCOMPACTD` later, so it must not be
/// looked at where the freezer uses `TASK_FROZEN`.
const PF_FROZEN: u32 = 0x0001_0000;

/// Values of the kernel side's read-only globals, by name.
#[derive(Clone, Debug)]
pub struct Offsets {
    values: Vec<(&'static str, u32)>,
    odd: Vec<String>,
}

/// Sizes in bytes that the programs read a field of.
const WORD: &[u32] = &[4];
const LONG: &[u32] = &[8];
/// A link of a list.
const LINK: &[u32] = &[16];
/// A mark, which they read the first byte of: an int once, a bool or a byte later.
const MARK: &[u32] = &[1, 4];

/// Looks fields up, and keeps account of those that are there and are something else than the programs take them for.
struct Lookup<'b> {
    btf: &'b Btf,
    odd: RefCell<Vec<String>>,
}

impl Lookup<'_> {
    /// Offset of a field in bytes; `None` where there is none, or none of these sizes: half of another field, or two
    /// of them at once, would be a wrong answer.
    fn field(&self, of: &str, path: &[&str], sizes: &[u32]) -> Option<u32> {
        let (member, size) = self.btf.sized_member(of, path)?;
        if size.is_some_and(|size| sizes.contains(&size)) && member.bit % 8 == 0 {
            return Some(member.byte());
        }
        let size = size.map_or("of a size that is not known".to_owned(), |size| format!("{size} bytes long"));
        self.odd.borrow_mut().push(format!("{of}.{} is {size} here, not {sizes:?}", path.join(".")));
        None
    }

    fn task(&self, name: &str, sizes: &[u32]) -> Option<u32> {
        self.field("task_struct", &[name], sizes)
    }

    /// The bit that says that v2 counts a task as frozen.
    fn frozen(&self) -> Option<Member> {
        let member = self.btf.member("task_struct", "frozen")?;
        if member.width == Some(1) {
            return Some(member);
        }
        self.odd.borrow_mut().push("task_struct.frozen is no single bit here".to_owned());
        None
    }

    /// The task in an entry of a lock's queue that begins with its link, be the lock a mutex or an rwsem.
    fn waiter_task(&self) -> Option<u32> {
        let entry = |of| {
            let begins = self.field(of, &["list"], LINK)? == 0;
            self.field(of, &["task"], LONG).filter(|_| begins)
        };
        entry("mutex_waiter").filter(|task| entry("rwsem_waiter") == Some(*task))
    }

    /// The v1 freezer's pointer in `css_set->subsys`, which has one for each subsystem.
    fn css_set_freezer(&self) -> Option<u32> {
        let id = self.btf.enumerator("cgroup_subsys_id", "freezer_cgrp_id")?;
        let (subsys, size) = self.btf.sized_member("css_set", &["subsys"])?;
        let at = id.checked_mul(8)?;
        (size? >= at.checked_add(8)?).then(|| subsys.byte() + at)
    }
}

impl Offsets {
    /// Looks everything up.
    #[must_use]
    pub fn of(btf: &Btf) -> Self {
        let look = Lookup { btf, odd: RefCell::default() };
        let mut values = task_fields(&look);
        values.extend(other_fields(&look));
        // `__set_task_frozen` (kernel/freezer.c) came with TASK_FROZEN in 6.1.
        let has_state = btf.member("task_struct", "saved_state").is_some();
        let flag_based = btf.id(Kind::Func, "__set_task_frozen").is_none() && !has_state;
        values.push(("PF_FROZEN_MASK", Some(if flag_based { PF_FROZEN } else { 0 })));
        let freezer_state = if flag_based { look.field("freezer", &["state"], WORD) } else { None };
        values.push(("FREEZER_STATE", freezer_state));
        let switch_arguments = btf.tracepoint_arguments("btf_trace_sched_switch");
        values.push(("SWITCH_HAS_STATE", Some(u32::from(switch_arguments == Some(4)))));
        let values = values.into_iter().map(|(name, value)| (name, value.unwrap_or(ABSENT))).collect();
        Self { values, odd: look.odd.into_inner() }
    }

    /// Names and values, [`ABSENT`] where this kernel has no such field.
    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, u32)> {
        self.values.iter()
    }

    /// Whether this kernel has the field a global stands for.
    #[must_use]
    pub fn has(&self, global: &str) -> bool {
        self.values.iter().any(|(name, value)| *name == global && *value != ABSENT)
    }

    /// Whether the lock that a task waits for is told by its place in the lock's queue.
    #[must_use]
    pub fn has_queues(&self) -> bool {
        const ALL: [&str; 9] = [
            "TASK_SP",
            "TASK_STACK",
            "WAITER_TASK",
            "MUTEX_WAIT_LIST",
            "MUTEX_OWNER",
            "RWSEM_WAIT_LIST",
            "RWSEM_OWNER",
            "RWSEM_COUNT",
            "RWSEM_WAITER_TYPE",
        ];
        ALL.iter().all(|global| self.has(global))
    }

    /// Fields that are there and are not used, being something else than the programs know: in words.
    #[must_use]
    pub fn odd(&self) -> &[String] {
        &self.odd
    }

    /// The first field without which no task can be judged, and that is not there or not as it should be.
    #[must_use]
    pub fn lacks_essential(&self) -> Option<&'static str> {
        let essential = ESSENTIAL.iter().find(|(global, _)| !self.has(global));
        essential.map(|(_, field)| *field)
    }
}

/// Without these nothing that the programs say could be believed.
const ESSENTIAL: [(&str, &str); 9] = [
    ("TASK_STATE", "task_struct.__state"),
    ("TASK_FLAGS", "task_struct.flags"),
    ("TASK_PID", "task_struct.pid"),
    ("TASK_TGID", "task_struct.tgid"),
    ("TASK_CGROUPS", "task_struct.cgroups"),
    ("CSS_CGROUP", "cgroup_subsys_state.cgroup"),
    ("CGROUP_PARENT", "cgroup.self.parent"),
    ("CGROUP_KN", "cgroup.kn"),
    ("KN_ID", "kernfs_node.id"),
];

type Value = (&'static str, Option<u32>);

fn task_fields(look: &Lookup<'_>) -> Vec<Value> {
    let task = |name: &str, sizes: &[u32]| look.task(name, sizes);
    let thread = |path: &[&str]| look.field("task_struct", path, LONG);
    let frozen = look.frozen();
    vec![
        // `state` was a long before 5.14; its low half is what `__state` became.
        ("TASK_STATE", task("__state", WORD).or_else(|| task("state", LONG))),
        ("TASK_SAVED_STATE", task("saved_state", WORD)),
        ("TASK_EXIT_STATE", task("exit_state", WORD)),
        ("TASK_FLAGS", task("flags", WORD)),
        ("TASK_JOBCTL", task("jobctl", LONG)),
        ("TASK_FROZEN_BYTE", frozen.map(Member::byte)),
        ("TASK_FROZEN_MASK", Some(frozen.map_or(0, |member| 1 << (member.bit % 8)))),
        ("TASK_PID", task("pid", WORD)),
        ("TASK_TGID", task("tgid", WORD)),
        ("TASK_REAL_PARENT", task("real_parent", LONG)),
        ("TASK_PARENT", task("parent", LONG)),
        ("TASK_PTRACE", task("ptrace", WORD)),
        ("TASK_COMM", task("comm", &[16])),
        ("TASK_CGROUPS", task("cgroups", LONG)),
        ("TASK_ON_CPU", task("on_cpu", MARK)),
        // In `task_struct` itself before 5.16.
        ("TASK_CPU", look.field("task_struct", &["thread_info", "cpu"], WORD).or_else(|| task("cpu", WORD))),
        ("TASK_POLICY", task("policy", WORD)),
        ("TASK_EXEC_START", look.field("task_struct", &["se", "exec_start"], LONG)),
        ("TASK_CFS_RQ", look.field("task_struct", &["se", "cfs_rq"], LONG)),
        ("TASK_THROTTLED", task("throttled", MARK)),
        ("TASK_NVCSW", task("nvcsw", LONG)),
        ("TASK_NIVCSW", task("nivcsw", LONG)),
        // `real_start_time` before 5.5; /proc prints this clock.
        ("TASK_START", task("start_boottime", LONG).or_else(|| task("real_start_time", LONG))),
        ("TASK_BLOCKER", task("blocker", LONG).filter(|_| !is_withheld("blocker"))),
        // x86, arm64
        ("TASK_SP", thread(&["thread", "sp"]).or_else(|| thread(&["thread", "cpu_context", "sp"]))),
        ("TASK_STACK", task("stack", LONG)),
    ]
}

fn other_fields(look: &Lookup<'_>) -> Vec<Value> {
    vec![
        ("CFS_RQ_RQ", look.field("cfs_rq", &["rq"], LONG)),
        ("CFS_RQ_THROTTLE_COUNT", look.field("cfs_rq", &["throttle_count"], WORD)),
        ("RQ_CLOCK", look.field("rq", &["clock"], LONG)),
        ("RQ_CLOCK_TASK", look.field("rq", &["clock_task"], LONG)),
        ("CSS_SET_FREEZER", look.css_set_freezer()),
        ("CSS_SET_DFL_CGRP", look.field("css_set", &["dfl_cgrp"], LONG)),
        ("CSS_CGROUP", look.field("cgroup_subsys_state", &["cgroup"], LONG)),
        ("FREEZER_CGROUP", look.field("freezer", &["css", "cgroup"], LONG)),
        ("CGROUP_PARENT", look.field("cgroup", &["self", "parent"], LONG)),
        ("CGROUP_ROOT", look.field("cgroup", &["root"], LONG)),
        ("CGROUP_KN", look.field("cgroup", &["kn"], LONG)),
        ("KN_ID", look.field("kernfs_node", &["id"], LONG)),
        ("MUTEX_OWNER", look.field("mutex", &["owner"], LONG)),
        ("RWSEM_OWNER", look.field("rw_semaphore", &["owner"], LONG)),
        ("SEMAPHORE_HOLDER", look.field("semaphore", &["last_holder"], LONG)),
        ("MUTEX_WAIT_LIST", look.field("mutex", &["wait_list"], LINK)),
        ("RWSEM_WAIT_LIST", look.field("rw_semaphore", &["wait_list"], LINK)),
        ("RWSEM_COUNT", look.field("rw_semaphore", &["count"], LONG)),
        ("WAITER_TASK", look.waiter_task()),
        ("RWSEM_WAITER_TYPE", look.field("rwsem_waiter", &["type"], WORD)),
        ("FILE_INODE", look.field("file", &["f_inode"], LONG)),
        ("FILE_PRIVATE", look.field("file", &["private_data"], LONG)),
        ("INODE_RDEV", look.field("inode", &["i_rdev"], WORD)),
        ("INODE_PRIVATE", look.field("inode", &["i_private"], LONG)),
        ("RECORD_PREV_STATE", look.field("trace_event_raw_sched_switch", &["prev_state"], LONG)),
        ("RECORD_CHILD_PID", look.field("trace_event_raw_sched_process_fork", &["child_pid"], WORD)),
        ("RECORD_CGROUP_ID", look.field("trace_event_raw_cgroup", &["id"], LONG)),
        ("RECORD_NOTIFY_ID", look.field("trace_event_raw_cgroup_event", &["id"], LONG)),
        ("RECORD_NOTIFY_VAL", look.field("trace_event_raw_cgroup_event", &["val"], WORD)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::btf::tests::Edit;
    use super::*;

    /// The running kernel's types; `None`: it has none, `doctor` says so, and there is nothing to test.
    fn running() -> Option<Btf> {
        Btf::from_kernel(WANTED).ok()
    }

    fn value(offsets: &Offsets, global: &str) -> u32 {
        offsets.iter().find(|(name, _)| *name == global).expect("a global").1
    }

    #[test]
    fn the_running_kernel_is_known() {
        let Some(btf) = running() else { return };
        let offsets = Offsets::of(&btf);
        assert_eq!(offsets.lacks_essential(), None);
        assert!(offsets.odd().is_empty(), "{:?}", offsets.odd());
    }

    #[test]
    fn a_missing_member_is_absent_and_leaves_the_rest_as_it_was() {
        let Some(mut btf) = running() else { return };
        let before = Offsets::of(&btf);
        btf.edit_member("task_struct", "jobctl", Edit::Forget);
        let after = Offsets::of(&btf);
        assert_eq!(value(&after, "TASK_JOBCTL"), ABSENT);
        assert_eq!((after.lacks_essential(), after.odd().len()), (None, 0));
        for (name, value) in before.iter().filter(|(name, _)| *name != "TASK_JOBCTL") {
            assert_eq!(after.iter().find(|(other, _)| other == name), Some(&(*name, *value)));
        }
    }

    #[test]
    fn a_member_of_another_type_is_not_read_and_that_is_said() {
        let Some(mut btf) = running() else { return };
        btf.edit_member("task_struct", "policy", Edit::TypeOf("jobctl"));
        let offsets = Offsets::of(&btf);
        assert_eq!(value(&offsets, "TASK_POLICY"), ABSENT);
        assert_eq!(offsets.odd(), ["task_struct.policy is 8 bytes long here, not [4]"]);
        assert_eq!(offsets.lacks_essential(), None);
    }

    #[test]
    fn without_a_member_that_everything_hangs_on_nothing_is_believed() {
        for edit in [Edit::Forget, Edit::TypeOf("jobctl"), Edit::TypeOf("comm")] {
            let Some(mut btf) = running() else { return };
            btf.edit_member("task_struct", "pid", edit);
            assert_eq!(Offsets::of(&btf).lacks_essential(), Some("task_struct.pid"));
        }
    }

    #[test]
    fn where_the_entries_of_queues_are_not_as_known_no_lock_is_told_by_them() {
        for (of, member) in [("mutex_waiter", "task"), ("rwsem_waiter", "list"), ("rw_semaphore", "count")] {
            let Some(mut btf) = running() else { return };
            if !Offsets::of(&btf).has_queues() {
                // 7.x, whose queues begin with a waiter and not with a link.
                return;
            }
            btf.edit_member(of, member, Edit::Forget);
            assert!(!Offsets::of(&btf).has_queues(), "{of}.{member}");
        }
    }

    #[test]
    fn a_frozen_mark_that_is_no_single_bit_is_not_read() {
        let Some(mut btf) = running() else { return };
        btf.edit_member("task_struct", "frozen", Edit::Forget);
        let offsets = Offsets::of(&btf);
        assert_eq!((value(&offsets, "TASK_FROZEN_BYTE"), value(&offsets, "TASK_FROZEN_MASK")), (ABSENT, 0));
    }
}
