//! Facts recorded from tasks that were really stuck (kernel 6.18 where nothing else is said) give the same verdict on any machine.

use std::fs::File;
use std::path::PathBuf;

use freezer_agent::explain::{judge, record};

#[track_caller]
fn replay(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.json"));
    let (facts, _) = record::load(File::open(path).expect("the record is there")).expect("it is a record");
    serde_json::to_string_pretty(&judge(&facts)).expect("a verdict is JSON")
}

macro_rules! replays {
    ($($test:ident: $record:literal;)*) => {
        $(#[test]
        fn $test() {
            insta::assert_snapshot!($record, replay($record));
        })*
    };
}

replays! {
    a_page_of_an_nfs_file_on_6_1: "nfs-read-v1";
    a_read_behind_an_o_direct_read_of_an_nfs_file_on_6_1: "nfs-dio-wait-v1";
    a_look_up_on_nfs_on_6_12: "nfs-lookup-v2";
    a_loop_device_whose_file_s_server_is_frozen_by_the_same_freeze: "block-io-server-inside-v1";
    a_page_of_a_loop_device_on_a_silent_file: "block-io-loop-read-v2";
    a_write_over_its_blkio_limit: "io-throttle-write-v2";
    a_fuse_server_frozen_by_the_same_freeze: "fuse-server-inside-v1";
    a_fuse_server_frozen_by_suspend_on_6_1: "suspend-fuse-server";
    a_fuse_server_frozen_in_another_cgroup: "fuse-server-frozen-elsewhere-v2";
    a_descriptor_on_a_fuse_mount_makes_it_certain: "fuse-read-v2";
    an_exit_that_flushes_to_fuse_waits_for_the_server: "fuse-flush-in-exit-v1";
    a_write_to_a_frozen_filesystem: "fs-frozen-write-v2";
    a_mkdir_on_a_frozen_filesystem: "fs-frozen-mkdir-v2";
    a_store_into_a_mapped_file_names_no_mount: "fs-frozen-store-v2";
    a_directory_lock_held_by_a_fuse_waiter: "lock-directory-v1";
    two_threads_on_one_file_position: "lock-file-position-v2";
    a_userfaultfd_of_its_own: "userfault-v1";
    a_userfaultfd_held_outside: "userfault-held-outside-v2";
    a_task_frozen_in_v1_first: "frozen-elsewhere-v2";
    a_kernel_thread_in_v2: "kernel-thread-v2";
    a_spent_cpu_quota: "cpu-throttled-v2";
}
