//! Every case of the lab, through the agent, as JSON and as text: exactly the right tasks are blamed, each for the
//! right reason and with the right culprit, and the cgroup is left as it was found.

mod support;

use freezer_lab::agent::{self, Ended};
use freezer_lab::cases::{self, Outcome, Place, Stage};
use freezer_lab::{Scene, State, judge};

macro_rules! cases {
    ($($test:ident: $name:literal,)+) => {
        $(#[test] fn $test() { examine($name); })+

        #[test]
        fn every_case_of_the_lab_has_a_test() {
            let tested = [$($name),+];
            let forgotten = cases::all().into_iter().find(|case| !tested.contains(&case.name));
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
    a_write_to_a_frozen_filesystem_names_the_mount: "fs-frozen-write",
    a_mkdir_on_a_frozen_filesystem_names_the_mount: "fs-frozen-mkdir",
    a_store_into_a_file_of_a_frozen_filesystem_names_the_mount: "fs-frozen-store",
    v1_freezes_a_writer_to_a_frozen_filesystem_in_place: "fs-frozen-write-v1",
    the_chain_from_a_directory_s_lock_to_the_fuse_server_is_followed: "lock-directory",
    a_mutex_and_what_its_owner_waits_for_are_told_apart: "lock-file-position",
    an_unserved_userfault_names_its_own_process: "userfault",
    an_unserved_userfault_names_the_holder_outside: "userfault-held-outside",
    tearing_down_memory_is_exiting: "exiting-memory",
    closing_files_in_exit_is_exiting: "exiting-sockets",
    a_long_system_call_is_kernel_work: "kernel-work",
    a_task_out_of_quota_names_the_cgroup_with_the_quota: "cpu-throttled",
    a_starved_task_names_who_has_the_cpu: "cpu-starved",
    a_kernel_thread_makes_a_v2_freeze_impossible: "kernel-thread",
    a_task_frozen_by_v1_makes_a_v2_freeze_impossible: "frozen-elsewhere",
    a_stopped_process_is_never_a_blocker: "stopped",
    a_traced_process_is_never_a_blocker: "traced",
    a_vfork_parent_is_never_a_blocker: "vfork",
    a_fork_storm_freezes: "fork-storm",
    sleepers_freeze: "sleepers",
    busy_loops_freeze: "busy",
    a_task_frozen_by_v2_freezes_in_v1_too: "frozen-v2-first",
}

type Judge = fn(&Stage, &Ended) -> Vec<String>;

fn examine(name: &str) {
    let Some(_turn) = support::turn() else { return };
    let all = cases::all();
    let case = all.iter().find(|case| case.name == name).expect("a case of the list");
    for hierarchy in support::present(case.hierarchies) {
        let judges: [(&str, Judge, &[&str]); 2] =
            [("JSON", judge::json, &["--json"]), ("text", judge::text, &[])];
        for (form, judge, arguments) in judges {
            let mut scene = Scene::new();
            let mut stage =
                (case.set_up)(&mut scene, &Place::new(hierarchy)).expect("the case can be set up");
            let ended = freeze(&mut scene, &mut stage, arguments);
            let mut wrong = judge(&stage, &ended);
            wrong.extend(left_as_found(&stage));
            wrong.extend(scene.take_down().iter().map(ToString::to_string));
            let (wrong, out, err) = (wrong.join("\n"), ended.stdout, ended.stderr);
            assert!(
                wrong.is_empty(),
                "{name} on {hierarchy}, {form}:\n{wrong}\n--- stdout\n{out}\n--- stderr\n{err}"
            );
        }
    }
}

fn freeze(scene: &mut Scene, stage: &mut Stage, more: &[&str]) -> Ended {
    let limit = format!("{}ms", stage.limit.as_millis());
    let mut arguments = vec!["--explain", "--timeout", &limit];
    arguments.extend(more);
    if let Some(trigger) = stage.trigger.take() {
        trigger(scene).expect("what does not last has begun");
    }
    agent::run("freeze", &stage.cgroup, &arguments).expect("the agent ends")
}

/// A freeze that did not succeed is taken back, one that did stays.
fn left_as_found(stage: &Stage) -> Option<String> {
    let wanted = if stage.outcome == Outcome::Frozen { State::Frozen } else { State::Thawed };
    let left = stage.cgroup.state().expect("a state");
    (left != wanted).then(|| format!("the cgroup is left {left:?}"))
}
