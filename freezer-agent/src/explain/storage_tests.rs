//! Rules about storage by what they must say, and by near misses they must leave alone.

use super::examples::{at, calls, empty, mount};
use super::facts::{
    AnonymousFs, BlockDevice, Facts, IoLimit, KnownBy, LoopWorker, MappedFile, MountFacts, NetworkMount,
    StorageFacts, TaskFacts, Traffic,
};
use super::{Blocker, Cause, Certainty, WaitsFor, examples, judge};
use crate::model::{Hierarchy, LockWait};

const DISK: (u32, u32) = (254, 0);

fn disk_mount() -> MountFacts {
    MountFacts { major: 254, minor: 0, ..mount(0, "/data", "ext4") }
}

fn device(number: (u32, u32), name: &str, in_flight: [u64; 2]) -> BlockDevice {
    BlockDevice {
        number,
        name: name.into(),
        dm_name: None,
        suspended: false,
        disk: None,
        below: Vec::new(),
        backing: None,
        backing_mount: None,
        traffic: Some(Traffic { in_flight, completed: [0, 0] }),
        worker: None,
    }
}

fn calling(name: &str, stack: &[&str], mount: MountFacts) -> TaskFacts {
    let mut task = at(1, stack);
    task.details = Some(calls(name, "/data/x", KnownBy::Descriptor, mount));
    task
}

fn reader(stack: &[&str]) -> TaskFacts {
    calling("pread64", stack, disk_mount())
}

fn limit(cgroup: &str, file: &str, number: (u32, u32), line: &str, limits: [bool; 2]) -> IoLimit {
    IoLimit {
        cgroup: cgroup.into(),
        file: file.to_owned(),
        line: line.to_owned(),
        number,
        limits,
        covers: vec![1],
    }
}

fn read_limit(cgroup: &str) -> IoLimit {
    limit(cgroup, "io.max", DISK, "254:0 rbps=1 wbps=max riops=max wiops=max", [true, false])
}

fn facts(task: TaskFacts, devices: Vec<BlockDevice>, limits: Vec<IoLimit>) -> Facts {
    let storage = StorageFacts { devices, limits, ..StorageFacts::default() };
    Facts { tasks: vec![task], storage, ..empty(Hierarchy::V2) }
}

#[track_caller]
fn only(facts: &Facts) -> Blocker {
    let mut verdict = judge(facts);
    assert_eq!(verdict.blockers.len(), 1, "{verdict:?}");
    verdict.blockers.remove(0)
}

fn devices(blocker: &Blocker) -> Vec<String> {
    let name = |step: &WaitsFor| match step {
        WaitsFor::Device { name, .. } => Some(name.to_string()),
        _ => None,
    };
    blocker.waits_for.iter().filter_map(name).collect()
}

#[test]
fn a_page_or_a_bio_of_an_open_file_is_waited_for_at_its_filesystem_s_device() {
    for stack in [&["folio_wait_bit_common", "filemap_read"][..], &["__iomap_dio_rw"], &["submit_bio_wait"]] {
        let blocker = only(&facts(reader(stack), vec![device(DISK, "vda", [1, 0])], Vec::new()));
        assert_eq!((blocker.cause, blocker.certainty), (Cause::BlockIo, Certainty::Certain), "{stack:?}");
        assert_eq!(devices(&blocker), ["vda"]);
    }
}

#[test]
fn a_waiter_for_a_lock_on_the_way_to_the_device_waits_for_the_lock() {
    let mut task = reader(&["ext4_file_read_iter", "__iomap_dio_rw"]);
    task.task.lock = Some(LockWait { kind: "mutex".to_owned(), owner: Some(9), owner_is_reader: false });
    let blocker = only(&facts(task, vec![device(DISK, "vda", [1, 0])], Vec::new()));
    assert_eq!(blocker.cause, Cause::LockHeld);
}

#[test]
fn a_page_of_a_file_that_lies_on_no_device_stays_unknown() {
    let task = calling("read", &["folio_wait_bit_common"], mount(9, "/run", "tmpfs"));
    assert_eq!(only(&facts(task, Vec::new(), Vec::new())).cause, Cause::Uninterruptible);
}

#[test]
fn waits_of_any_filesystem_on_a_network_file_are_the_server_s() {
    for frame in ["inode_dio_wait", "balance_dirty_pages", "wb_wait_for_completion"] {
        let task = calling("write", &[frame, "nfs_file_write"], mount(50, "/n", "nfs4"));
        let blocker = only(&facts(task, vec![device(DISK, "vda", [1, 0])], Vec::new()));
        assert_eq!(blocker.cause, Cause::NfsRequest, "{frame}");
    }
}

#[test]
fn sync_waits_for_the_only_busy_device_as_a_guess_and_stays_unknown_without_one() {
    let sync = |in_flight| {
        let mut task = at(1, &["wb_wait_for_completion", "sync_inodes_sb"]);
        task.details.get_or_insert_default().wchan = None;
        only(&facts(task, vec![device(DISK, "vda", in_flight)], Vec::new()))
    };
    let busy = sync([0, 1]);
    assert_eq!((busy.cause, busy.certainty), (Cause::BlockIo, Certainty::Guess));
    assert_eq!(sync([0, 0]).cause, Cause::Uninterruptible);
}

#[test]
fn a_stacked_device_is_followed_to_the_disk() {
    let mut lv = device(DISK, "dm-0", [1, 0]);
    (lv.dm_name, lv.below) = (Some("vg-data".into()), vec![(8, 0)]);
    let blocker =
        only(&facts(reader(&["submit_bio_wait"]), vec![lv, device((8, 0), "sda", [1, 0])], Vec::new()));
    assert_eq!(devices(&blocker), ["dm-0", "sda"]);
    assert!(blocker.summary.contains("dm-0 (vg-data), which stands on sda"), "{}", blocker.summary);
}

#[test]
fn a_suspended_device_is_the_end_of_the_way() {
    let mut lv = device(DISK, "dm-0", [0, 0]);
    (lv.dm_name, lv.below, lv.suspended) = (Some("vg-data".into()), vec![(8, 0)], true);
    let blocker =
        only(&facts(reader(&["submit_bio_wait"]), vec![lv, device((8, 0), "sda", [0, 0])], Vec::new()));
    assert_eq!((blocker.cause, devices(&blocker)), (Cause::BlockIo, vec!["dm-0".to_owned()]));
    assert!(blocker.summary.ends_with("dm-0 (vg-data), which is suspended"), "{}", blocker.summary);
    assert!(blocker.release.starts_with("`dmsetup resume vg-data`"), "{}", blocker.release);
}

#[test]
fn a_loop_device_s_file_on_fuse_leads_to_the_server() {
    let mut looped = device(DISK, "loop0", [1, 0]);
    (looped.backing, looped.backing_mount) = (Some("/mnt/data/img".into()), Some(examples::fuse_mount()));
    let mut facts = facts(reader(&["submit_bio_wait"]), vec![looped], Vec::new());
    let mut server = examples::task(20, "sshfs");
    server.task.frozen_v2 = Some(true);
    facts.tasks.push(server);
    facts.fuse.push(examples::connection(39, &[20]));
    let blocker = only(&facts);
    assert_eq!((blocker.cause, blocker.certainty), (Cause::BlockIo, Certainty::Likely));
    let [WaitsFor::Device { .. }, WaitsFor::Mount { .. }, WaitsFor::Task { pid: 20, frozen: true, .. }] =
        &blocker.waits_for[..]
    else {
        panic!("{:?}", blocker.waits_for)
    };
    assert!(blocker.release.contains("freeze the server's cgroup last"), "{}", blocker.release);
}

#[test]
fn a_loop_device_s_path_is_not_believed_against_its_worker() {
    let mut looped = device(DISK, "loop0", [1, 0]);
    looped.backing_mount = Some(MountFacts { major: 8, ..mount(0, "/", "ext4") });
    let stack = vec!["request_wait_answer".to_owned(), "loop_process_work".to_owned()];
    looped.worker = Some(LoopWorker { tid: 7, comm: "kworker/u8:0+loop0".into(), stack });
    let root = device((8, 0), "sda", [1, 0]);
    let blocker = only(&facts(reader(&["submit_bio_wait"]), vec![looped, root], Vec::new()));
    assert_eq!((devices(&blocker), blocker.certainty), (vec!["loop0".to_owned()], Certainty::Likely));
}

#[test]
fn loop_devices_that_stand_on_each_other_end() {
    let mut looped = device(DISK, "loop0", [1, 0]);
    looped.backing_mount = Some(disk_mount());
    let blocker = only(&facts(reader(&["submit_bio_wait"]), vec![looped], Vec::new()));
    assert_eq!(blocker.cause, Cause::BlockIo);
}

#[test]
fn of_several_devices_of_a_filesystem_none_is_picked_but_the_only_busy_one_is() {
    let behind = |in_flight: [u64; 2]| {
        let task = calling("read", &["submit_bio_wait"], mount(50, "/data", "btrfs"));
        let all = vec![device((8, 0), "sda", in_flight), device((8, 16), "sdb", [1, 0])];
        let mut facts = facts(task, all, Vec::new());
        facts.storage.anonymous = vec![AnonymousFs { minor: 50, devices: vec![(8, 0), (8, 16)] }];
        only(&facts)
    };
    let doubtful = behind([1, 0]);
    assert_eq!((doubtful.certainty, doubtful.waits_for.len()), (Certainty::Guess, 0), "{}", doubtful.summary);
    let busy = behind([0, 0]);
    assert_eq!((busy.certainty, devices(&busy)), (Certainty::Likely, vec!["sdb".to_owned()]));
}

#[test]
fn umount_waits_for_the_busy_device_not_for_the_one_beneath_its_path() {
    let task = calling("umount2", &["submit_bio_wait", "jbd2_journal_destroy"], disk_mount());
    let all = vec![device(DISK, "vda", [0, 0]), device((8, 1), "sda1", [0, 1])];
    assert_eq!(devices(&only(&facts(task, all, Vec::new()))), ["sda1"]);
}

#[test]
fn a_limit_that_fits_holds_a_request_that_has_not_reached_the_device() {
    let blocker = only(&facts(
        reader(&["__iomap_dio_rw"]),
        vec![device(DISK, "vda", [0, 0])],
        vec![read_limit("/io/a")],
    ));
    assert_eq!((blocker.cause, blocker.certainty), (Cause::IoThrottle, Certainty::Likely));
    let Some(WaitsFor::Cgroup { path, limit }) = blocker.waits_for.last() else { panic!("{blocker:?}") };
    assert_eq!(path.to_string(), "/io/a");
    assert_eq!(limit.as_deref(), Some("254:0 rbps=1 wbps=max riops=max wiops=max"));
}

#[test]
fn a_limit_on_writes_another_device_or_other_tasks_is_left_alone() {
    let writes = limit("/io/a", "blkio.throttle.write_bps_device", DISK, "254:0 1", [false, true]);
    let elsewhere = IoLimit { number: (8, 0), ..read_limit("/io/a") };
    let others = IoLimit { covers: vec![2], ..read_limit("/io/a") };
    for limit in [writes, elsewhere, others] {
        let task = reader(&["__iomap_dio_rw"]);
        assert_eq!(only(&facts(task, vec![device(DISK, "vda", [0, 0])], vec![limit])).cause, Cause::BlockIo);
    }
}

#[test]
fn a_request_that_is_at_the_device_is_not_held_back_by_a_limit() {
    let blocker = only(&facts(
        reader(&["__iomap_dio_rw"]),
        vec![device(DISK, "vda", [1, 0])],
        vec![read_limit("/io/a")],
    ));
    assert_eq!(blocker.cause, Cause::BlockIo);
    assert!(blocker.evidence.notes.iter().any(|note| note.contains("also limits it")), "{blocker:?}");
}

#[test]
fn a_busy_device_that_serves_others_is_not_what_a_limited_task_waits_for() {
    let mut busy = device(DISK, "vda", [3, 0]);
    busy.traffic = Some(Traffic { in_flight: [3, 0], completed: [40, 0] });
    let blocker = only(&facts(reader(&["__iomap_dio_rw"]), vec![busy], vec![read_limit("/io/a")]));
    assert_eq!(blocker.cause, Cause::IoThrottle);
}

#[test]
fn a_partition_is_limited_through_its_disk() {
    let mut partition = device(DISK, "vda1", [0, 0]);
    partition.disk = Some((8, 0));
    let limit = IoLimit { number: (8, 0), ..read_limit("/io/a") };
    let all = vec![partition, device((8, 0), "vda", [0, 0])];
    assert_eq!(only(&facts(reader(&["submit_bio_wait"]), all, vec![limit])).cause, Cause::IoThrottle);
}

#[test]
fn different_limits_of_two_cgroups_are_both_said_and_neither_is_picked() {
    let other = limit("/io", "blkio.throttle.read_iops_device", DISK, "254:0 1", [true, false]);
    let task = reader(&["submit_bio_wait"]);
    let blocker = only(&facts(task, vec![device(DISK, "vda", [0, 0])], vec![read_limit("/io/a"), other]));
    assert_eq!((blocker.cause, blocker.certainty), (Cause::IoThrottle, Certainty::Guess));
    assert!(!blocker.waits_for.iter().any(|step| matches!(step, WaitsFor::Cgroup { .. })));
    assert!(
        blocker.summary.contains("/io/a") && blocker.summary.contains("read_iops"),
        "{}",
        blocker.summary
    );
}

#[test]
fn dirty_pages_that_v1_writes_back_are_not_under_the_task_s_limit() {
    for (file, cause) in [("blkio.throttle.write_bps_device", Cause::BlockIo), ("io.max", Cause::IoThrottle)]
    {
        let task = calling("write", &["balance_dirty_pages", "generic_perform_write"], disk_mount());
        let limit = limit("/io/a", file, DISK, "254:0 wbps=1", [false, true]);
        assert_eq!(only(&facts(task, vec![device(DISK, "vda", [0, 0])], vec![limit])).cause, cause, "{file}");
    }
}

#[test]
fn iocost_is_named_by_its_function_without_a_cgroup() {
    let task = reader(&["ioc_rqos_throttle", "__rq_qos_throttle", "blk_mq_submit_bio"]);
    let blocker = only(&facts(task, vec![device(DISK, "vda", [0, 0])], Vec::new()));
    assert_eq!((blocker.cause, blocker.waits_for.len()), (Cause::IoThrottle, 0));
}

fn network(minor: u32, path: &str, address: &str) -> NetworkMount {
    NetworkMount { mount: mount(minor, path, "nfs4"), address: Some(address.to_owned()), hard: true }
}

fn server(blocker: &Blocker) -> Option<&str> {
    match blocker.waits_for.last() {
        Some(WaitsFor::Server { address }) => Some(address),
        _ => None,
    }
}

#[test]
fn an_nfs_wait_names_the_server_of_the_file_s_mount() {
    let task = calling("read", &["rpc_wait_bit_killable", "nfs4_proc_getattr"], mount(50, "/n", "nfs4"));
    let mut facts = facts(task, Vec::new(), Vec::new());
    facts.storage.network = vec![network(49, "/m", "10.0.0.8"), network(50, "/n", "10.0.0.9")];
    let blocker = only(&facts);
    assert_eq!((blocker.cause, blocker.certainty), (Cause::NfsRequest, Certainty::Certain));
    assert_eq!(server(&blocker), Some("10.0.0.9"));
}

#[test]
fn a_page_of_an_nfs_file_is_the_server_s_and_no_disk_s() {
    let mut task = at(1, &["folio_wait_bit_common", "filemap_fault"]);
    let mapped = MappedFile { path: "/n/lib".into(), written_through: false, mount: mount(50, "/n", "nfs4") };
    task.details.get_or_insert_default().mapped = vec![mapped];
    let blocker = only(&facts(task, vec![device(DISK, "vda", [1, 0])], Vec::new()));
    assert_eq!((blocker.cause, server(&blocker)), (Cause::NfsRequest, Some("host")));
}

#[test]
fn of_several_servers_none_is_picked_where_no_file_tells() {
    let mut facts = facts(at(1, &["rpc_wait_bit_killable"]), Vec::new(), Vec::new());
    facts.storage.network = vec![network(49, "/m", "10.0.0.8"), network(50, "/n", "10.0.0.9")];
    assert_eq!(server(&only(&facts)), None);
    facts.storage.network.pop();
    assert_eq!(server(&only(&facts)), Some("10.0.0.8"));
}

#[test]
fn an_nfs_wait_that_v1_froze_in_place_is_no_blocker() {
    let mut task = calling("read", &["rpc_wait_bit_killable"], mount(50, "/n", "nfs4"));
    task.task.frozen_v1 = Some(true);
    let facts = Facts { hierarchy: Hierarchy::V1, ..facts(task, Vec::new(), Vec::new()) };
    assert_eq!(judge(&facts), super::Verdict::default());
}

#[test]
fn a_cifs_wait_names_the_host_of_its_share() {
    let share = MountFacts { source: "//nas/share".into(), ..mount(51, "/s", "cifs") };
    let task = calling("statx", &["wait_for_response", "compound_send_recv"], share);
    assert_eq!(server(&only(&facts(task, Vec::new(), Vec::new()))), Some("nas"));
}
