//! Limits on block devices in the cgroups of waiting tasks and, in v2, all their ancestors.

use std::path::Path;

use super::cgroups::Mounted;
use super::procdir::{ProcDir, read};
use super::storage::device_number;
use crate::explain::facts::{IoLimit, TaskFacts};
use crate::model::Name;

/// File, and which of reads and writes it limits; `io.max` says that in each line.
const FILES: [(&str, [bool; 2]); 6] = [
    ("blkio.throttle.read_bps_device", [true, false]),
    ("blkio.throttle.write_bps_device", [false, true]),
    ("blkio.throttle.read_iops_device", [true, false]),
    ("blkio.throttle.write_iops_device", [false, true]),
    ("io.max", [false, false]),
    ("io.latency", [true, true]),
];

/// The limits that cover these tasks.
pub fn covering(proc: &ProcDir, tasks: &[&TaskFacts]) -> Vec<IoLimit> {
    let mounted = Mounted::read(proc);
    let mut limits: Vec<IoLimit> = Vec::new();
    let mut seen: Vec<std::path::PathBuf> = Vec::new();
    for task in tasks {
        for dir in mounted.io_directories(&proc.process(task.task.tid)) {
            if !seen.contains(&dir) {
                limits.extend(of_directory(&dir));
                seen.push(dir.clone());
            }
            let own = limits.iter_mut().filter(|limit| limit.cgroup == Name::from(dir.as_path()));
            own.for_each(|limit| limit.covers.push(task.task.tid));
        }
    }
    limits
}

fn of_directory(dir: &Path) -> Vec<IoLimit> {
    let mut limits = Vec::new();
    for (file, kinds) in FILES {
        let Some(text) = read(&dir.join(file)) else { continue };
        let lines = String::from_utf8_lossy(&text).into_owned();
        limits.extend(lines.lines().filter_map(|line| limit(dir, file, kinds, line)));
    }
    limits
}

/// `7:0 1048576`, `7:0 rbps=1048576 wbps=max riops=max wiops=max`, `7:0 target=75000`.
fn limit(dir: &Path, file: &str, kinds: [bool; 2], line: &str) -> Option<IoLimit> {
    let (device, rest) = line.split_once(' ')?;
    let limited = |letter: char| {
        rest.split(' ').any(|word| word.starts_with(letter) && !word.ends_with("=max") && word.contains('='))
    };
    let limits = if file == "io.max" { [limited('r'), limited('w')] } else { kinds };
    (limits != [false, false]).then(|| IoLimit {
        cgroup: Name::from(dir),
        file: file.to_owned(),
        line: line.to_owned(),
        number: device_number(device.as_bytes()).unwrap_or_default(),
        limits,
        covers: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_io_max_limits_only_what_it_says() {
        let parse = |line: &str| limit(Path::new("/c"), "io.max", [false, false], line);
        let reads = parse("8:16 rbps=2097152 wbps=max riops=max wiops=max").expect("a limit");
        assert_eq!((reads.number, reads.limits), ((8, 16), [true, false]));
        let writes = parse("8:16 rbps=max wbps=max riops=max wiops=120").expect("a limit");
        assert_eq!(writes.limits, [false, true]);
        assert_eq!(parse("8:16 rbps=max wbps=max riops=max wiops=max"), None);
    }

    #[test]
    fn v1_files_are_read_line_by_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("blkio.throttle.write_iops_device");
        std::fs::write(file, "7:0 1\n254:0 100\n").expect("written");
        let found: Vec<_> =
            of_directory(dir.path()).into_iter().map(|limit| (limit.number, limit.limits)).collect();
        assert_eq!(found, [((7, 0), [false, true]), ((254, 0), [false, true])]);
    }

    proptest! {
        #[test]
        fn any_line_is_a_limit_or_not(line in ".{0,40}") {
            limit(Path::new("/c"), "io.max", [false, false], &line);
        }
    }
}
