//! Where the running kernel keeps the fields the programs read, from its own BTF.

use freezer_common::ABSENT;

use super::btf::{Btf, Kind};

/// Every named type the agent asks BTF for: structs to read, tracepoints and functions to attach to.
pub const WANTED: &[(Kind, &str)] = &[
    (Kind::Struct, "task_struct"),
    (Kind::Struct, "thread_info"),
    (Kind::Struct, "css_set"),
    (Kind::Struct, "cgroup_subsys_state"),
    (Kind::Struct, "cgroup"),
    (Kind::Struct, "kernfs_node"),
    (Kind::Struct, "cfs_rq"),
    (Kind::Struct, "rq"),
    (Kind::Struct, "mutex"),
    (Kind::Struct, "rw_semaphore"),
    (Kind::Struct, "semaphore"),
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
    (Kind::Func, "freeze_task"),
    (Kind::Func, "cgroup_freeze_task"),
    (Kind::Func, "__refrigerator"),
    (Kind::Func, "freeze_kernel_threads"),
    (Kind::Func, "thaw_processes"),
    (Kind::Func, "cgroup_enter_frozen"),
    (Kind::Func, "__set_task_frozen"),
];

/// `PF_FROZEN` (include/linux/sched.h before 6.1). The bit was given to `PF_KCOMPACTD` later, so it must not be
/// looked at where the freezer uses `TASK_FROZEN`.
const PF_FROZEN: u32 = 0x0001_0000;

/// Values of the kernel side's read-only globals, by name.
#[derive(Clone, Debug)]
pub struct Offsets(Vec<(&'static str, u32)>);

impl Offsets {
    /// Looks everything up.
    #[must_use]
    pub fn of(btf: &Btf) -> Self {
        let byte = |of: &str, path: &[&str]| btf.member_path(of, path).map(super::btf::Member::byte);
        let task = |name: &str| byte("task_struct", &[name]);
        let frozen = btf.member("task_struct", "frozen");
        let freezer = btf.enumerator("cgroup_subsys_id", "freezer_cgrp_id");
        // One pointer per subsystem.
        let css_set_freezer = byte("css_set", &["subsys"]).zip(freezer).map(|(subsys, id)| subsys + 8 * id);
        // `__set_task_frozen` (kernel/freezer.c) came with TASK_FROZEN in 6.1.
        let flag_based = btf.id(Kind::Func, "__set_task_frozen").is_none() && task("saved_state").is_none();
        let switch_arguments = btf.tracepoint_arguments("btf_trace_sched_switch");
        Self(
            [
                // `state` was a long before 5.14; its low half is what `__state` became.
                ("TASK_STATE", task("__state").or_else(|| task("state"))),
                ("TASK_SAVED_STATE", task("saved_state")),
                ("TASK_EXIT_STATE", task("exit_state")),
                ("TASK_FLAGS", task("flags")),
                ("TASK_JOBCTL", task("jobctl")),
                ("TASK_FROZEN_BYTE", frozen.map(super::btf::Member::byte)),
                ("TASK_FROZEN_MASK", Some(frozen.map_or(0, |member| 1 << (member.bit % 8)))),
                ("TASK_PID", task("pid")),
                ("TASK_TGID", task("tgid")),
                ("TASK_REAL_PARENT", task("real_parent")),
                ("TASK_PARENT", task("parent")),
                ("TASK_PTRACE", task("ptrace")),
                ("TASK_COMM", task("comm")),
                ("TASK_CGROUPS", task("cgroups")),
                ("TASK_ON_CPU", task("on_cpu")),
                // In `task_struct` itself before 5.16.
                ("TASK_CPU", byte("task_struct", &["thread_info", "cpu"]).or_else(|| task("cpu"))),
                ("TASK_POLICY", task("policy")),
                ("TASK_EXEC_START", byte("task_struct", &["se", "exec_start"])),
                ("TASK_CFS_RQ", byte("task_struct", &["se", "cfs_rq"])),
                ("TASK_THROTTLED", task("throttled")),
                ("TASK_NVCSW", task("nvcsw")),
                ("TASK_NIVCSW", task("nivcsw")),
                // `real_start_time` before 5.5; /proc prints this clock.
                ("TASK_START", task("start_boottime").or_else(|| task("real_start_time"))),
                ("TASK_BLOCKER", task("blocker")),
                ("CFS_RQ_RQ", byte("cfs_rq", &["rq"])),
                ("CFS_RQ_THROTTLE_COUNT", byte("cfs_rq", &["throttle_count"])),
                ("RQ_CLOCK", byte("rq", &["clock"])),
                ("RQ_CLOCK_TASK", byte("rq", &["clock_task"])),
                ("CSS_SET_FREEZER", css_set_freezer),
                ("CSS_SET_DFL_CGRP", byte("css_set", &["dfl_cgrp"])),
                ("CSS_CGROUP", byte("cgroup_subsys_state", &["cgroup"])),
                ("CGROUP_PARENT", byte("cgroup", &["self", "parent"])),
                ("CGROUP_ROOT", byte("cgroup", &["root"])),
                ("CGROUP_KN", byte("cgroup", &["kn"])),
                ("KN_ID", byte("kernfs_node", &["id"])),
                ("MUTEX_OWNER", byte("mutex", &["owner"])),
                ("RWSEM_OWNER", byte("rw_semaphore", &["owner"])),
                ("SEMAPHORE_HOLDER", byte("semaphore", &["last_holder"])),
                ("PF_FROZEN_MASK", Some(if flag_based { PF_FROZEN } else { 0 })),
                ("SWITCH_HAS_STATE", Some(u32::from(switch_arguments == Some(4)))),
            ]
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or(ABSENT)))
            .collect(),
        )
    }

    /// Names and values, [`ABSENT`] where this kernel has no such field.
    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, u32)> {
        self.0.iter()
    }

    /// Whether this kernel has the field a global stands for.
    #[must_use]
    pub fn has(&self, global: &str) -> bool {
        self.0.iter().any(|(name, value)| *name == global && *value != ABSENT)
    }
}
