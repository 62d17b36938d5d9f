//! v1 memory cgroups of tasks that wait for memory with the OOM killer off.

use std::path::Path;

use super::cgroups::Mounted;
use super::procdir::{ProcDir, field, number, read};
use crate::explain::facts::TaskFacts;
use crate::explain::facts::memory::{MemoryCgroup, MemoryLimit};
use crate::explain::functions::Mechanism;
use crate::model::Name;

/// Usage and limit of what a charge counts towards (`mm/memcontrol.c`, `try_charge_memcg`).
const COUNTERS: [(&str, &str); 2] = [
    ("memory.usage_in_bytes", "memory.limit_in_bytes"),
    ("memory.memsw.usage_in_bytes", "memory.memsw.limit_in_bytes"),
];

/// The memory cgroups of those of `tasks` that wait so, from their own up to the root.
pub fn covering<'a>(proc: &ProcDir, tasks: impl Iterator<Item = &'a TaskFacts>) -> Vec<MemoryCgroup> {
    let mut found: Vec<MemoryCgroup> = Vec::new();
    let mut mounted: Option<Mounted> = None;
    for facts in tasks.filter(|facts| super::may_be(facts, Mechanism::OomWait)) {
        let mounted = mounted.get_or_insert_with(|| Mounted::read(proc));
        // The charge goes to the owner of the memory: the main thread, while it lives (get_mem_cgroup_from_mm).
        let dirs = mounted.memory_directories(&proc.process(facts.task.tgid));
        for dir in dirs {
            let name = Name::from(dir.as_path());
            if let Some(known) = found.iter_mut().find(|known| known.cgroup == name) {
                known.covers.push(facts.task.tid);
            } else if let Some(cgroup) = look(&dir) {
                found.push(MemoryCgroup { covers: vec![facts.task.tid], ..cgroup });
            }
        }
    }
    found
}

fn look(dir: &Path) -> Option<MemoryCgroup> {
    let control = read(&dir.join("memory.oom_control"))?;
    let flag = |key| field(&control, key).map(|n| n != 0);
    let limits = COUNTERS.iter().filter_map(|(usage, limit)| {
        let value = |file: &str| number(&read(&dir.join(file))?);
        Some(MemoryLimit { file: (*limit).to_owned(), bytes: value(limit)?, usage: value(usage)? })
    });
    Some(MemoryCgroup {
        cgroup: Name::from(dir),
        depth: dir.components().count(),
        killer_off: flag("oom_kill_disable")?,
        under_oom: flag("under_oom")?,
        limits: limits.collect(),
        covers: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_cgroup_tells_its_killer_and_the_limits_it_has() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(look(dir.path()), None, "v2 has no such file");
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).expect("written");
        write("memory.oom_control", "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n");
        write("memory.limit_in_bytes", "4096\n");
        write("memory.usage_in_bytes", "4000\n");
        let found = look(dir.path()).expect("a memory cgroup");
        assert!(found.killer_off && found.under_oom);
        let limit = MemoryLimit { file: "memory.limit_in_bytes".to_owned(), bytes: 4096, usage: 4000 };
        assert_eq!(found.limits, [limit]);
    }
}
