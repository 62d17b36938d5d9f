//! Tasks that wait for other tasks, for memory, for a CPU.

use super::{IN_SOURCE, Mechanism as M, Part, part};

pub(super) const PARTS: &[Part] = &[part(
    "",
    &[
        // kernel/fork.c, wait_for_vfork_done (inlined into kernel_clone)
        ("kernel_clone", M::VforkWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("wait_for_vfork_done", M::VforkWait, IN_SOURCE),
        // kernel/exit.c
        ("do_wait", M::ChildWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // kernel/ptrace.c
        ("ptrace_attach", M::TracerAttach, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // kernel/signal.c
        ("ptrace_stop", M::TraceStop, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // fs/exec.c; all builds have de_thread in begin_new_exec
        ("begin_new_exec", M::ExecWait, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("de_thread", M::ExecWait, IN_SOURCE),
        // kernel/exit.c; coredump_task_exit (5.16) is part of do_exit; a dying thread sleeps idly nowhere else
        ("coredump_task_exit", M::CoredumpThread, IN_SOURCE),
        ("do_exit", M::CoredumpThread, "5.10, 6.1, 6.12, 6.18, 7.3"),
        // mm/memcontrol-v1.c, mm/memcontrol.c before 6.11; Debian's 6.12 and 7.3 have no v1 memory controller
        ("mem_cgroup_oom_synchronize", M::OomWait, "5.10, 6.1, 6.18"),
        // kernel/sched/core.c, kernel/entry/common.c, kernel/softirq.c: innermost frames of samples
        ("finish_task_switch", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__schedule", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("schedule", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("preempt_schedule_irq", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("preempt_schedule_common", M::Scheduling, "6.1"),
        ("preempt_schedule", M::Scheduling, "6.1, 6.12, 6.18, 7.3"),
        ("__cond_resched", M::Scheduling, "6.1, 6.12, 6.18, 7.3"),
        ("raw_irqentry_exit_cond_resched", M::Scheduling, "6.1, 6.12, 6.18, 7.3"),
        ("irqentry_exit_cond_resched", M::Scheduling, "5.10"),
        ("irqentry_exit", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("handle_softirqs", M::Scheduling, "6.1, 6.12, 6.18, 7.3"),
        ("__do_softirq", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("__irq_exit_rcu", M::Scheduling, "6.1, 6.12, 6.18, 7.3"),
        ("irq_exit_rcu", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("sysvec_apic_timer_interrupt", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("asm_sysvec_apic_timer_interrupt", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("sysvec_reschedule_ipi", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
        ("asm_sysvec_reschedule_ipi", M::Scheduling, "5.10, 6.1, 6.12, 6.18, 7.3"),
    ],
)];
