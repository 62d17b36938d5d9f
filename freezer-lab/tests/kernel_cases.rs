//! Every case of the lab, through the agent, as JSON and as text: exactly the right tasks are blamed, each for the
//! right reason and with the right culprit, a replay of the recorded session says the same, and the cgroup is left as
//! it was found. `cargo xtask lab all --score` judges by the same code.

mod support;

use freezer_lab::cases;
use freezer_lab::{Form, Trial};

/// Cases that need a module or a controller that most hosts lack: guests run them (`cargo xtask vm test`).
const RARE: [&str; 7] = [
    "block-io-dm-read",
    "block-io-dm-direct",
    "nfs-request",
    "nfs-request-v1",
    "io-throttle-max-read",
    "io-throttle-max-write",
    "io-throttle-max-fsync",
];

#[test]
fn rare_cases_are_right_where_they_can_run_and_elsewhere_it_is_said_what_they_lack() {
    let all = cases::all();
    for name in RARE {
        let case = all.iter().find(|case| case.name == name).expect("a case of the list");
        match case.missing() {
            None => examine(name),
            Some(why) => {
                assert!(
                    ["kernel", "hierarchy", "freezer"].iter().any(|word| why.contains(word)),
                    "{name}: {why}"
                );
            }
        }
    }
}

macro_rules! cases {
    ($($test:ident: $name:literal,)+) => {
        $(#[test] fn $test() { examine($name); })+

        #[test]
        fn every_case_of_the_lab_has_a_test() {
            let tested: Vec<_> = [$($name),+].into_iter().chain(RARE).collect();
            // One that this kernel cannot run would be no test here; `freezer-lab list` tells of it.
            let mut runnable = cases::all().into_iter().filter(|case| case.missing().is_none());
            let forgotten = runnable.find(|case| !tested.contains(&case.name));
            assert!(forgotten.is_none(), "{forgotten:?}");
        }
    };
}

cases! {
    a_silent_fuse_server_outside_is_named: "fuse-server-outside",
    a_fuse_server_frozen_by_the_same_freeze_is_named: "fuse-server-inside",
    a_fuse_server_frozen_with_another_cgroup_is_named: "fuse-server-frozen-elsewhere",
    a_read_of_an_open_fuse_file_is_certain: "fuse-read",
    an_fsync_of_an_open_fuse_file_is_certain: "fuse-fsync",
    a_read_through_the_page_cache_is_the_server_s_too: "fuse-cached-read",
    only_the_thread_that_waits_is_blamed: "fuse-one-thread",
    a_flush_in_exit_is_the_server_s_fault: "fuse-flush-in-exit",
    an_exit_that_flushes_is_told_from_who_waits_for_another_mount: "fuse-flush-beside-busy-mount",
    a_chain_of_two_fuse_servers_is_followed: "fuse-chain",
    a_chain_of_two_servers_in_one_cgroup_is_a_circle_with_an_order: "fuse-chain-inside",
    a_server_that_waits_for_its_own_mount_is_a_deadlock: "fuse-own-mount",
    the_stuck_thread_of_a_server_is_named: "fuse-server-one-thread-stuck",
    a_child_that_only_keeps_the_device_is_not_the_server: "fuse-server-two-processes",
    a_dead_server_s_heir_is_named: "fuse-server-dead",
    a_mount_that_nobody_serves_names_no_process: "fuse-no-server",
    a_server_in_another_pid_namespace_has_the_agent_s_pid: "fuse-server-pid-namespace",
    of_two_servers_the_right_one_is_named: "fuse-two-servers",
    a_mount_of_the_task_s_own_namespace_is_named_as_it_sees_it: "fuse-mount-namespace",
    a_bind_mount_is_named_where_the_task_uses_it: "fuse-bind-mount",
    of_two_mounts_on_one_directory_the_upper_one_is_named: "fuse-overmount",
    a_mount_hidden_under_another_is_not_named: "fuse-overmounted-parent",
    a_symbolic_link_is_followed_into_the_mount: "fuse-symlink",
    a_relative_path_is_followed_into_the_mount: "fuse-relative-path",
    a_directory_descriptor_tells_the_mount: "fuse-directory-descriptor",
    a_changed_root_hides_no_mount: "fuse-changed-root",
    three_locks_are_followed_to_a_frozen_server: "lock-chain",
    two_freezes_that_wait_for_each_other_are_a_circle: "freezes-cross",
    a_server_frozen_by_an_ancestor_s_request_is_named: "fuse-server-frozen-by-ancestor",
    one_blocker_among_thousands_is_found: "fuse-among-5000",
    a_loop_device_on_a_silent_file_is_followed_to_the_server: "block-io-loop-read",
    so_it_is_past_the_page_cache: "block-io-loop-direct",
    of_two_fuse_mounts_the_loop_device_s_is_named: "block-io-server-inside",
    a_loop_device_on_a_frozen_filesystem_is_followed_to_it: "block-io-on-frozen",
    a_read_over_its_limit_names_the_cgroup: "io-throttle-read",
    a_write_over_its_limit_names_its_own_cgroup_and_not_the_parent: "io-throttle-write",
    an_fsync_over_its_limit_names_the_cgroup: "io-throttle-fsync",
    a_write_to_a_frozen_filesystem_names_the_mount: "fs-frozen-write",
    a_mkdir_on_a_frozen_filesystem_names_the_mount: "fs-frozen-mkdir",
    a_store_into_a_file_of_a_frozen_filesystem_names_the_mount: "fs-frozen-store",
    v1_freezes_a_writer_to_a_frozen_filesystem_in_place: "fs-frozen-write-v1",
    the_chain_from_a_directory_s_lock_to_the_fuse_server_is_followed: "lock-directory",
    a_mutex_and_what_its_owner_waits_for_are_told_apart: "lock-file-position",
    an_unserved_userfault_names_its_own_process: "userfault",
    an_unserved_userfault_names_the_holder_outside: "userfault-held-outside",
    a_silent_seccomp_supervisor_is_named: "seccomp-outside",
    a_seccomp_supervisor_frozen_by_the_same_freeze_is_named: "seccomp-inside",
    a_seccomp_supervisor_frozen_with_another_cgroup_is_named: "seccomp-frozen-elsewhere",
    a_signal_ends_a_wait_for_a_seccomp_supervisor_without_the_flag: "seccomp-interruptible",
    a_seccomp_supervisor_whom_nobody_asks_is_not_blamed: "seccomp-idle-beside",
    of_two_silent_seccomp_supervisors_none_is_picked: "seccomp-two-supervisors",
    a_silent_fanotify_listener_is_named: "fanotify-outside",
    v1_freezes_a_task_that_waits_for_a_fanotify_listener_in_place: "fanotify-outside-v1",
    a_fanotify_listener_frozen_by_the_same_freeze_is_named: "fanotify-inside",
    a_fanotify_listener_frozen_with_another_cgroup_is_named: "fanotify-frozen-elsewhere",
    a_read_of_a_marked_open_file_is_certain: "fanotify-read",
    a_mark_on_a_program_s_directory_is_found: "fanotify-exec",
    of_two_fanotify_listeners_the_one_that_marked_the_file_is_named: "fanotify-one-of-two",
    of_two_fanotify_listeners_that_marked_the_file_none_is_picked: "fanotify-two",
    a_silent_automount_daemon_is_named: "autofs-indirect",
    a_direct_automount_point_names_its_daemon: "autofs-direct",
    an_automount_daemon_frozen_by_the_same_freeze_is_named: "autofs-inside",
    of_two_automount_daemons_the_one_of_the_path_is_named: "autofs-one-of-two",
    a_silent_key_helper_is_named: "key-upcall",
    a_key_helper_frozen_by_the_same_freeze_is_named: "key-upcall-inside",
    of_two_key_helpers_the_one_that_makes_the_key_is_named: "key-upcall-one-of-two",
    tearing_down_memory_is_exiting: "exiting-memory",
    closing_files_in_exit_is_exiting: "exiting-sockets",
    a_long_system_call_is_kernel_work: "kernel-work",
    a_task_out_of_quota_names_the_cgroup_with_the_quota: "cpu-throttled",
    a_starved_task_names_who_has_the_cpu: "cpu-starved",
    a_slow_fuse_server_is_named_after_a_freeze_that_succeeds: "slow-fuse",
    a_lock_held_for_a_while_names_its_owner: "slow-lock",
    a_long_mlock_is_told_by_name: "slow-mlock",
    a_long_munmap_is_told_by_name: "slow-munmap",
    a_long_exit_is_told_although_the_task_is_gone: "slow-exit",
    a_quota_that_lets_a_task_through_late_is_named: "slow-quota",
    a_real_time_task_that_lets_go_late_is_named: "slow-starved",
    a_task_moved_in_late_is_told_beside_the_one_that_kept_the_freeze_waiting: "slow-late-arrival",
    a_client_outside_of_a_frozen_fuse_server_is_told: "hurts-fuse-client",
    who_waits_for_a_lock_frozen_in_place_is_told: "hurts-lock-waiter",
    a_tracer_of_a_frozen_task_is_told: "hurts-tracer",
    a_tracer_that_hangs_in_its_attach_is_told: "hurts-attach",
    a_core_dump_that_v1_cuts_short_is_told: "hurts-core-dump",
    memory_that_is_waited_for_names_the_cgroup_at_its_limit: "oom-wait",
    memory_that_is_waited_for_names_the_ancestor_at_its_limit: "oom-wait-parent",
    memory_that_one_of_several_threads_waits_for_blames_that_thread: "oom-wait-thread",
    an_execve_that_waits_for_a_stuck_thread_is_followed_to_the_fuse_server: "exec-stuck-thread",
    an_execve_of_the_main_thread_waits_for_the_others_too: "exec-stuck-thread-main",
    an_execve_names_the_thread_that_another_cgroup_froze: "exec-frozen-before",
    an_execve_under_way_finds_its_threads_frozen_by_v1: "exec-during-freeze",
    v2_lets_frozen_threads_die_for_an_execve: "exec-during-freeze-v2",
    an_execve_names_the_tracer_that_keeps_a_dead_thread: "exec-dead-traced",
    the_threads_of_an_unfinished_core_dump_wait_for_it: "core-dump",
    a_stuck_task_moved_in_late_keeps_its_own_cause: "late-stuck",
    a_task_moved_in_late_with_nothing_else_known_is_a_late_arrival: "late-arrival",
    a_busy_task_moved_in_late_freezes: "late-harmless",
    a_tracer_inside_freezes_with_its_tracee: "traced-inside",
    a_tracer_frozen_before_does_not_keep_its_tracee: "traced-tracer-frozen",
    a_kernel_thread_makes_a_v2_freeze_impossible: "kernel-thread",
    a_task_frozen_by_v1_makes_a_v2_freeze_impossible: "frozen-elsewhere",
    a_stopped_process_is_never_a_blocker: "stopped",
    a_traced_process_is_never_a_blocker: "traced",
    a_stopped_tracer_and_its_tracee_freeze: "stopped-tracer",
    a_stopped_process_freezes_in_both_hierarchies: "stopped-both",
    a_traced_process_freezes_in_both_hierarchies: "traced-both",
    who_is_stopped_during_the_freeze_is_not_blamed: "stopped-during",
    a_vfork_parent_is_never_a_blocker: "vfork",
    a_stuck_vfork_child_is_blamed_and_not_its_parent: "fuse-vfork-child",
    a_fork_storm_freezes: "fork-storm",
    sleepers_freeze: "sleepers",
    busy_loops_freeze: "busy",
    a_task_frozen_by_v2_freezes_in_v1_too: "frozen-v2-first",
}

fn examine(name: &str) {
    let Some(_turn) = support::turn() else { return };
    let all = cases::all();
    let case = all.iter().find(|case| case.name == name).expect("a case of the list");
    if let Some(why) = case.missing() {
        return support::skip(&why);
    }
    for hierarchy in case.possible() {
        for form in [Form::Json, Form::Text] {
            let trial = Trial::run(case, hierarchy, form).expect("the case can be set up");
            for why in &trial.again {
                eprintln!("{name} on {hierarchy}, {form:?}, was set up again: {why}");
            }
            let wrong: Vec<_> = trial.flaws.iter().map(ToString::to_string).collect();
            let said = trial.ended.map(|ended| (ended.stdout, ended.stderr)).unwrap_or_default();
            assert!(
                wrong.is_empty(),
                "{name} on {hierarchy}, {form:?}:\n{}\n--- stdout\n{}\n--- stderr\n{}",
                wrong.join("\n"),
                said.0,
                said.1
            );
        }
    }
}
