//! `io-throttle`: the task's requests are held back by an io or blkio limit.
//!
//! What happens: `blkio.throttle.*` (v1) or `io.max` (v2) queue a request before the device sees it, until the cgroup's
//! rate allows it. Who waits for it (a read, an `O_DIRECT` write, an fsync) sleeps uninterruptibly that long: seconds
//! for a small limit, hours for a tiny one. In v2 the limit may be that of any ancestor; in v1 it is that of the task's own
//! blkio cgroup, which need not have the name of its freezer cgroup, and ancestors' limits do not count.
//!
//! Confirm by hand: find the cgroup in `/proc/TID/cgroup` and look there, in v2 also above, into `blkio.throttle.*_device` or
//! `io.max` for the device's major:minor (a partition's disk); while the task waits, `/sys/dev/block/M:N/inflight` is 0, or
//! the device completes others' requests.
//!
//! Release: raise the limit for the moment: write `M:N 0` to the v1 file, or `M:N rbps=max wbps=max riops=max wiops=max` to
//! `io.max`. What is queued goes at once.
//!
//! Cost: the cgroup may use more of the device while the limit is raised.
//!
//! Kernels: all with `CONFIG_BLK_DEV_THROTTLING`; blocks v1 and v2 freezes alike. The kernel does not say whether a request is
//! queued by a limit: it follows from a limit that fits and no request at the device. Pages that v1 writes back
//! later are the flusher's requests, outside the task's limits; v2 charges them to the cgroup. Slowed down in
//! `balance_dirty_pages` is io-throttle only where a v2 limit explains it, else block-io. `io.latency` and iocost
//! (`io.weight`) hold back in functions of their own, and their cgroup is not named.
//!
//! Source: `block/blk-throttle.c`, `__blk_throtl_bio`, `throtl_pd_init`; `block/blk-iocost.c`, `ioc_rqos_throttle`;
//! `block/blk-iolatency.c`, `blkcg_iolatency_throttle`; `block/blk-cgroup.c`, `blkcg_maybe_throttle_current`.

use super::super::case::{Case, Finding};
use super::super::facts::{BlockDevice, IoLimit};
use super::super::functions::Mechanism;
use super::super::{Cause, Certainty, WaitsFor};
use super::on_device::DeviceWait;
use super::{device_chain, on_device};

/// A device that completes requests of others all this time does not just need longer for this one.
const LONG_NS: u64 = 500_000_000;

pub fn judge(case: &Case<'_>) -> Option<Finding> {
    if case.at(Mechanism::IoLimitWait) && !case.at(Mechanism::DirtyThrottle) && case.asleep() {
        return Some(by_its_function());
    }
    let wait = on_device::wait(case)?;
    let mut holding: Vec<(&IoLimit, Certainty)> =
        limits(case, &wait).filter_map(|limit| holds(case, &wait, limit).map(|sure| (limit, sure))).collect();
    let all: Vec<&IoLimit> = holding.iter().map(|(limit, _)| *limit).collect();
    holding.retain(|(limit, _)| !all.iter().any(|other| is_tighter(other, limit)));
    let (first, mut certainty) = *holding.first()?;
    let one_cgroup = holding.iter().all(|(limit, _)| limit.cgroup == first.cgroup);
    let words: Vec<String> = holding
        .iter()
        .map(|(limit, _)| format!("{} of {} ({})", limit.file, limit.cgroup, limit.line))
        .collect();
    if !one_cgroup {
        certainty = Certainty::Guess;
    }
    let mut finding = Finding::new(
        Cause::IoThrottle,
        certainty,
        format!("waits for a request that is held back by {}", words.join(" or ")),
        release(&holding),
    );
    if let Some(device) = case.facts.storage.device(first.number) {
        finding.waits_for.push(WaitsFor::Device { name: device.name.clone(), backing: device.backing.clone() });
        finding.notes.push(reason(device, wait.flush));
    }
    if one_cgroup {
        let lines: Vec<&str> = holding.iter().map(|(limit, _)| limit.line.as_str()).collect();
        let limit = Some(lines.join("; "));
        finding.waits_for.push(WaitsFor::Cgroup { path: first.cgroup.clone(), limit });
    }
    finding.never_frozen_in_place = true;
    Some(finding)
}

/// Limits that apply to the request, wherever it may be.
pub fn limits<'a>(case: &Case<'a>, wait: &DeviceWait<'a>) -> impl Iterator<Item = &'a IoLimit> {
    let tid = case.task().tid;
    let kinds = wait.kinds;
    let mut numbers: Vec<(u32, u32)> = Vec::new();
    for device in &wait.devices {
        add_layers(case, device, &mut numbers);
    }
    let unnamed = wait.devices.is_empty();
    let dirty = wait.dirty;
    case.facts.storage.limits.iter().filter(move |limit| {
        let kind = [0, 1].iter().any(|&kind| limit.limits[kind] && kinds[kind]);
        let place = numbers.contains(&limit.number) || unnamed;
        // v1 writes dirty pages back in the flusher's name.
        let own_request = !dirty || limit.file == "io.max";
        kind && place && own_request && limit.file != "io.latency" && limit.covers.contains(&tid)
    })
}

/// The device and those that carry its requests in the name of the same cgroup (`bio_clone_blkg_association`,
/// `kthread_associate_blkcg` of a loop worker).
fn add_layers(case: &Case<'_>, device: &BlockDevice, numbers: &mut Vec<(u32, u32)>) {
    if numbers.contains(&device.number) {
        return;
    }
    numbers.push(device.number);
    let storage = &case.facts.storage;
    let backing = device.backing_mount.iter().map(|mount| (mount.major, mount.minor));
    for number in device.below.iter().copied().chain(device.disk).chain(backing) {
        if let Some(lower) = storage.device(number) {
            add_layers(case, lower, numbers);
        }
    }
}

/// How sure it is that the limit, not the device, keeps the request.
fn holds(case: &Case<'_>, wait: &DeviceWait<'_>, limit: &IoLimit) -> Option<Certainty> {
    let device = case.facts.storage.device(limit.number);
    let Some(traffic) = device.and_then(|device| device.traffic) else { return Some(Certainty::Guess) };
    let sum = |counts: [u64; 2]| [0, 1].iter().filter(|&&kind| wait.kinds[kind]).map(|&kind| counts[kind]).sum::<u64>();
    let reached = sum(traffic.in_flight) > 0;
    let serves_others = sum(traffic.completed) > 0 && case.task().since_ns.is_some_and(|ns| ns > LONG_NS);
    if reached && !serves_others || below_an_idle_device(wait, limit) {
        return None;
    }
    let told = wait.devices.len() == 1 && !wait.flush;
    Some(if told { Certainty::Likely } else { Certainty::Guess })
}

/// A request that has not reached the upper device is not queued below it either.
fn below_an_idle_device(wait: &DeviceWait<'_>, limit: &IoLimit) -> bool {
    let [top] = wait.devices.as_slice() else { return false };
    let same = top.number == limit.number || top.disk == Some(limit.number);
    let idle = top.traffic.is_some_and(|traffic| traffic.in_flight == [0, 0]);
    !same && idle && !wait.flush
}

/// The same file with a smaller number for the same device: it is the one that binds.
fn is_tighter(other: &IoLimit, limit: &IoLimit) -> bool {
    let value = |limit: &IoLimit| limit.line.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
    let comparable = other.file == limit.file && other.number == limit.number;
    comparable && value(other).zip(value(limit)).is_some_and(|(other, own)| other < own)
}

fn release(holding: &[(&IoLimit, Certainty)]) -> String {
    let ways: Vec<String> = holding
        .iter()
        .map(|(limit, _)| {
            let (major, minor) = limit.number;
            let none = if limit.file == "io.max" { "rbps=max wbps=max riops=max wiops=max" } else { "0" };
            format!("`echo {major}:{minor} {none} > {}/{}`", limit.cgroup, limit.file)
        })
        .collect();
    format!("raise the limit for the moment: {}; what is queued goes at once", ways.join(", "))
}

fn reason(device: &BlockDevice, flush: bool) -> String {
    let name = device_chain::wording(device);
    match device.traffic {
        None => format!("{name} keeps no statistics: the request may as well be at the device"),
        Some(traffic) if traffic.in_flight != [0, 0] => {
            format!("{name} completes other requests meanwhile, so it is not the device that this one waits for")
        }
        Some(_) if flush => format!("{name} shows no request in flight, but a flush may not be shown"),
        Some(_) => format!("{name} had a moment with no such request in flight: the request has not reached it"),
    }
}

fn by_its_function() -> Finding {
    Finding::new(
        Cause::IoThrottle,
        Certainty::Likely,
        "is held back by an io controller's share or latency target (iocost or io.latency); by which cgroup's the kernel does not say",
        "raise io.weight of its cgroup or ease io.cost.qos or io.latency of the cgroups beside it, or wait longer",
    )
}
