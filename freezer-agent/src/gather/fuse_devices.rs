//! Which connection a `/dev/fuse` serves on kernels whose `fdinfo` does not say it (before 6.15): by the kernel's own pointers
//! (`freezer-ebpf/src/hooks/files.rs`).
//!
//! The control filesystem's directory of each connection points to it, and so does each open device. So the agent holds
//! these directories open, as places only, while the kernel side walks over the files of all processes. No mount of FUSE
//! is touched: its server is never asked, and one that is hidden or in another namespace is told as well.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;

use super::Gatherer;
use super::descriptors::{Found, ServedDevice};
use super::fusectl::Fusectl;
use super::procdir::ProcDir;
use crate::decode::{FileLook, PointsTo};
use crate::source::OpenFiles;

impl Gatherer<'_> {
    /// Completes what the walk over descriptors found.
    pub(super) fn tell_fuse_devices(&mut self, found: &mut Found) {
        let Some(files) = self.subject.open_files.as_ref().filter(|_| found.has_unnamed_devices()) else {
            return;
        };
        match tell(&self.proc, files) {
            Ok(served) => found.name_devices(&served),
            Err(gap) => {
                self.gaps.insert(gap);
            }
        }
    }
}

/// Every open `/dev/fuse` whose connection can be told, else why none can.
pub fn tell(proc: &ProcDir, files: &OpenFiles) -> Result<Vec<ServedDevice>, String> {
    let gap =
        |why: &dyn std::fmt::Display| format!("which FUSE server serves which mount is not certain: {why}");
    let control = Fusectl::open(proc).ok_or_else(|| gap(&"fusectl is not mounted, and cannot be"))?;
    let numbers = control.connections();
    let directories: Vec<(u32, File)> =
        numbers.into_iter().filter_map(|number| Some((number, control.directory(number)?))).collect();
    let looks = files.walk().map_err(|error| gap(&error))?;
    Ok(served(&directories, proc.own_pid(), &looks))
}

/// The devices whose connection is one of those whose directory this process holds open.
fn served(directories: &[(u32, File)], own: Option<i32>, looks: &[FileLook]) -> Vec<ServedDevice> {
    let held = |fd: i32| directories.iter().find(|(_, directory)| directory.as_raw_fd() == fd);
    let connection = |look: &FileLook| match look.points_to {
        // None where the connection is gone (fs/fuse/control.c, fuse_ctl_remove_conn).
        PointsTo::Own(address) if address != 0 && Some(look.pid) == own => Some((address, held(look.fd)?.0)),
        _ => None,
    };
    let connections: HashMap<u64, u32> = looks.iter().filter_map(connection).collect();
    let device = |look: &FileLook| match look.points_to {
        PointsTo::FuseDevice(address) => {
            Some(ServedDevice { pid: look.pid, fd: look.fd, number: *connections.get(&address)? })
        }
        PointsTo::Own(_) => None,
    };
    looks.iter().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_serves_the_connection_it_points_to() {
        let directories = [(38, File::open("/").expect("opened")), (39, File::open("/").expect("opened"))];
        let fd = |at: usize| directories[at].1.as_raw_fd();
        let look = |pid, fd, points_to| FileLook { pid, fd, points_to };
        let looks = [
            look(7, fd(0), PointsTo::Own(0xa00)),
            look(7, fd(1), PointsTo::Own(0xb00)),
            // A connection that is gone, another process's descriptor of that number, and a device not yet mounted.
            look(7, fd(1) + 1, PointsTo::Own(0)),
            look(8, fd(0), PointsTo::Own(0xc00)),
            look(20, 3, PointsTo::FuseDevice(0xb00)),
            look(21, 4, PointsTo::FuseDevice(0xa00)),
            look(22, 5, PointsTo::FuseDevice(0)),
            look(23, 6, PointsTo::FuseDevice(0xc00)),
        ];
        assert_eq!(
            served(&directories, Some(7), &looks),
            [ServedDevice { pid: 20, fd: 3, number: 39 }, ServedDevice { pid: 21, fd: 4, number: 38 }]
        );
    }
}
