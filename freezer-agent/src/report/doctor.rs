//! What `doctor` found.

use serde::Serialize;

use super::{SCHEMA, Screen};
use crate::host::Missing;
use crate::host::rights::Right;
use crate::model::{Hierarchy, Name};
use crate::source::Attached;

/// Everything `doctor` reports.
#[derive(Clone, Debug, Serialize)]
pub struct Checkup {
    /// [`SCHEMA`]
    pub schema: &'static str,
    /// `uname -r`
    pub kernel: String,
    /// `uname -m`
    pub machine: String,
    /// What this process may do; `None` where that could not be read.
    pub rights: Option<Vec<Right>>,
    /// Each freezer.
    pub freezers: Vec<Freezer>,
    /// What `freeze --explain` cannot have here, whichever the freezer.
    pub missing: Vec<Missing>,
}

/// One freezer: where it is, and what observes it.
#[derive(Clone, Debug, Serialize)]
pub struct Freezer {
    /// Which.
    pub hierarchy: Hierarchy,
    /// Where it is mounted; none: not here.
    pub mounts: Vec<Name>,
    /// Programs that load and attach; `None`: BPF is not allowed or not there, and /proc remains.
    pub programs: Option<Vec<Attached>>,
    /// What does not.
    pub missing: Vec<Missing>,
}

/// The ways in which programs are attached, in the order in which they are shown.
const WAYS: [&str; 9] =
    ["tp_btf", "raw_tp", "tracepoint", "fentry", "kprobe.multi", "kprobe", "fexit", "iter", "perf"];

impl Checkup {
    /// Of this kernel.
    #[must_use]
    pub fn new(kernel: String, machine: String) -> Self {
        Self { schema: SCHEMA, kernel, machine, rights: None, freezers: Vec::new(), missing: Vec::new() }
    }

    /// The screen.
    #[must_use]
    pub fn render(&self, screen: Screen) -> String {
        let mut text = screen.field(0, "kernel", &format!("Linux {} {}", self.kernel, self.machine));
        text += &self.render_rights(screen);
        for freezer in &self.freezers {
            text.push('\n');
            text += &freezer.render(screen);
        }
        if !self.missing.is_empty() {
            text.push('\n');
            text += &missing(&self.missing, screen);
        }
        text
    }

    fn render_rights(&self, screen: Screen) -> String {
        let Some(rights) = &self.rights else {
            return screen.field(0, "rights", "unknown: /proc/self/status cannot be read");
        };
        let lacking: Vec<&Right> = rights.iter().filter(|right| !right.held).collect();
        if lacking.is_empty() {
            return screen.field(0, "rights", "all that are needed");
        }
        let lacking = lacking.iter().map(|right| {
            let line = format!("{} {}: {}", screen.bad("lacks"), right.capability, right.needed_for);
            screen.field(0, "rights", &line)
        });
        lacking.collect()
    }
}

impl Freezer {
    fn render(&self, screen: Screen) -> String {
        let mut text = format!("{}\n", screen.strong(format_args!("{} freezer", self.hierarchy)));
        if self.mounts.is_empty() {
            return text + &screen.field(2, "mounted", &screen.notable("nowhere: not to be used here"));
        }
        for mount in &self.mounts {
            text += &screen.field(2, "mounted", &mount.to_string());
        }
        match &self.programs {
            Some(programs) => {
                text += &screen.field(2, "mode", &screen.good("bpf"));
                for by in WAYS {
                    let targets: Vec<&str> = programs
                        .iter()
                        .filter(|program| program.by == by)
                        .map(|program| program.target)
                        .collect();
                    if !targets.is_empty() {
                        text += &screen.field(2, by, &targets.join(", "));
                    }
                }
            }
            None => {
                text +=
                    &screen.field(2, "mode", &screen.notable("proc: freezes and explains from /proc alone"));
            }
        }
        text + &missing(&self.missing, screen)
    }
}

fn missing(missing: &[Missing], screen: Screen) -> String {
    missing.iter().map(|missing| screen.field(2, "without", &missing.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freezer(hierarchy: Hierarchy, mounts: &[&str], programs: Option<Vec<Attached>>) -> Freezer {
        let missing = vec![Missing {
            what: "freeze_task".into(),
            why: "fentry: EPERM at load, kprobe: this kernel has none".into(),
            lost: "no time at which each task was asked".into(),
        }];
        Freezer { hierarchy, mounts: mounts.iter().map(|&mount| mount.into()).collect(), programs, missing }
    }

    #[test]
    fn each_freezer_shows_what_loads_and_what_is_lost() {
        let mut checkup = Checkup::new("6.18.44".into(), "x86_64".into());
        let right = |capability, held| Right { capability, held, needed_for: "loading eBPF programs" };
        checkup.rights = Some(vec![right("CAP_BPF", false), right("CAP_PERFMON", true)]);
        let programs = [
            ("sched_switch", "tracepoint"),
            ("sched_process_exit", "tracepoint"),
            ("freeze_task", "kprobe.multi"),
            ("tasks", "iter"),
        ];
        let programs = programs.map(|(target, by)| Attached { target, by }).to_vec();
        checkup.freezers = vec![
            freezer(Hierarchy::V1, &["/sys/fs/cgroup/freezer", "/containers"], Some(programs)),
            freezer(Hierarchy::V2, &["/sys/fs/cgroup/unified"], None),
            freezer(Hierarchy::V2, &[], None),
        ];
        insta::assert_snapshot!(checkup.render(Screen { color: false, width: Some(90) }));
    }
}
