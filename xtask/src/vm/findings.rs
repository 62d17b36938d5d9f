//! What a guest's run shows, read from what its programs print.

use super::Layout;
use super::extent::Extent;
use super::programs::TESTS;

/// One thing looked at, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The program that looked.
    pub part: Part,
    /// What it looked at: a case and its hierarchy, a test, a hook.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// In words, where there is more to say.
    pub detail: String,
}

/// The parts of a run, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `freezer-agent doctor`: what loads on this kernel.
    Doctor,
    /// `freezer-lab all`: stuck freezes explained.
    Lab,
    /// The kernel's own checklist, through the agent, and what else is asked of each kernel ([`TESTS`]).
    Selftests,
    /// The first two once more for each way of the kernel that is withheld ([`WITHHELD`]), and under each [`Condition`].
    Paths,
}

/// What may come of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As it should be.
    Right,
    /// Not as it should be.
    Wrong,
    /// The kernel lacks what it needs.
    Missing,
    /// It needs the v1 freezer, and none is mounted.
    NoV1,
    /// A source of knowledge the agent does without.
    Lost,
}

impl Part {
    /// All, in their order.
    pub const ALL: [Part; 4] = [Part::Doctor, Part::Lab, Part::Selftests, Part::Paths];

    /// As in the table of expectations.
    pub fn name(self) -> &'static str {
        match self {
            Part::Doctor => "doctor",
            Part::Lab => "lab",
            Part::Selftests => "selftests",
            Part::Paths => "paths",
        }
    }

    /// How a guest runs it.
    fn command(self, extent: Extent, layout: Layout) -> String {
        match self {
            Part::Doctor => "freezer-agent doctor".to_owned(),
            Part::Lab => extent.lab(layout),
            Part::Selftests => {
                let here = TESTS.iter().filter(|test| test.layouts.contains(&layout));
                let each = here.map(|test| format!("tests/{} --test-threads=1 {}", test.file, test.which));
                each.collect::<Vec<_>>().join("; ")
            }
            Part::Paths => {
                let all = WITHHELD.iter().map(Condition::without).chain(CONDITIONS.iter().map(Condition::of));
                all.map(|condition| condition.examined(layout)).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// What the agent has to live with for a while.
struct Condition {
    name: String,
    /// What brings it about, for the guest's shell; nothing is looked at where that fails.
    begin: String,
    /// What takes it back.
    end: &'static str,
    /// Whether it leaves the agent another kind of knowledge: then some of the lab is told as well.
    lab: bool,
}

impl Condition {
    /// Some ways of the kernel withheld (`freezer-agent/src/host/withheld.rs`).
    fn without(&(ways, lab): &(&str, bool)) -> Self {
        Condition {
            name: format!("without {ways}"),
            begin: format!("export FREEZER_AGENT_WITHOUT={ways}"),
            end: "unset FREEZER_AGENT_WITHOUT",
            lab,
        }
    }

    fn of(&(name, begin, end): &(&str, &str, &'static str)) -> Self {
        Condition { name: name.to_owned(), begin: begin.to_owned(), end, lab: true }
    }

    /// What the agent has left, and whether it still tells a blocker from a frozen task: in v1, where that is harder.
    fn examined(&self, layout: Layout) -> String {
        let lab = if self.lab && layout == Layout::Hybrid {
            "; freezer-lab all --once --hierarchy v1 --only fuse-server-inside --only sleepers"
        } else {
            ""
        };
        let Condition { name, begin, end, .. } = self;
        format!("printf '\\036condition {name}\\n'; {begin} && {{ freezer-agent doctor{lab}; {end}; }}")
    }
}

/// Ways that are withheld in turn: each leaves the agent the next best one; and whether that is another kind of knowledge.
const WITHHELD: [(&str, bool); 9] = [
    ("fentry,fexit", false),
    ("fentry,fexit,kprobe.multi", false),
    ("fentry,fexit,kprobe.multi,kprobe", false),
    ("tp_btf", false),
    ("tp_btf,raw_tp", true),
    ("tp_btf,raw_tp,tracepoint,fentry,fexit,kprobe.multi,kprobe", true),
    ("iter", true),
    ("btf", false),
    ("bpf", true),
];

/// Name, begin and end of what a system's owner may have set. The kernel is locked down last: that only a boot takes back.
const CONDITIONS: &[(&str, &str, &str)] = &[
    (
        "under kptr_restrict=2",
        "echo 2 >/proc/sys/kernel/kptr_restrict",
        "echo 0 >/proc/sys/kernel/kptr_restrict",
    ),
    ("without /sys/kernel/btf", "mount -t tmpfs none /sys/kernel/btf", "umount /sys/kernel/btf"),
    ("under lockdown=integrity", "echo integrity >/sys/kernel/security/lockdown", ":"),
    ("under lockdown=confidentiality", "echo confidentiality >/sys/kernel/security/lockdown", ":"),
];

impl Outcome {
    /// As in the table of expectations.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Right => "right",
            Outcome::Wrong => "wrong",
            Outcome::Missing => "missing",
            Outcome::NoV1 => "no-v1",
            Outcome::Lost => "lost",
        }
    }

    /// By that name.
    pub fn named(name: &str) -> Option<Self> {
        [Outcome::Right, Outcome::Wrong, Outcome::Missing, Outcome::NoV1, Outcome::Lost]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

/// Around each part; no program prints it.
const MARK: char = '\x1e';

/// The script that runs some parts.
pub fn script(parts: &[Part], extent: Extent, layout: Layout) -> String {
    let part = |part: &Part| {
        let (name, command) = (part.name(), part.command(extent, layout));
        format!("printf '\\036begin {name}\\n'; {command}; printf '\\036end {name}\\n'\n")
    };
    format!("cd /vm/bin\n{}", parts.iter().map(part).collect::<String>())
}

/// Reads the output of that script. A part that did not begin, or found nothing, is a finding itself.
pub fn read(parts: &[Part], output: &str) -> Vec<Finding> {
    let mut all = Vec::new();
    for &part in parts {
        let begin = format!("{MARK}begin {}\n", part.name());
        let end = format!("{MARK}end {}\n", part.name());
        let text =
            output.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(text, _)| text);
        let found = match part {
            Part::Doctor => doctor(text.unwrap_or_default()),
            Part::Lab => lab(text.unwrap_or_default()),
            Part::Selftests => selftests(text.unwrap_or_default()),
            Part::Paths => paths(text.unwrap_or_default()),
        };
        if text.is_none() || !found.iter().any(|finding| finding.outcome == Outcome::Right) {
            let detail = "it printed nothing that is right".to_owned();
            all.push(Finding { part, name: part.name().to_owned(), outcome: Outcome::Wrong, detail });
        }
        all.extend(found);
    }
    all
}

/// Below `v1 freezer` and `v2 freezer`: `  mode      bpf`, `  fentry    NAME, NAME`, `  without   NAME: WHY`, each
/// with its rest on deeper lines.
fn doctor(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut freezer = "";
    for field in fields(text) {
        if let Some(name) = field.strip_suffix(" freezer") {
            freezer = match name {
                "v1" => "v1",
                _ => "v2",
            };
        }
        let Some((key, value)) = field.strip_prefix("  ").and_then(|field| field.split_once(' ')) else {
            continue;
        };
        let mut add = |name: &str, outcome, detail: &str| {
            let name = format!("{freezer} {}", name.trim());
            found.push(Finding { part: Part::Doctor, name, outcome, detail: detail.to_owned() });
        };
        match (key, value.trim()) {
            ("mode", "bpf") => add("mode bpf", Outcome::Right, ""),
            ("mode", other) => add(&format!("mode {other}"), Outcome::Lost, ""),
            ("without", lost) => {
                let (name, why) = lost.split_once(": ").unwrap_or((lost, ""));
                add(name, Outcome::Lost, why);
            }
            (path, targets) if PATHS.contains(&path) => {
                targets.split(", ").for_each(|target| add(&format!("{path} {target}"), Outcome::Right, ""));
            }
            _ => {}
        }
    }
    found
}

/// The ways in which programs are attached, as `doctor` prints them.
pub const PATHS: &[&str] =
    &["tp_btf", "raw_tp", "tracepoint", "fentry", "kprobe.multi", "kprobe", "fexit", "iter", "perf"];

/// The lines with those below them that go on with the same value, which stand deeper than any key.
fn fields(text: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.starts_with("     "), fields.last_mut()) {
            (true, Some(last)) => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

/// `NAME v1 ok ok WRONG ...`, then what is wrong, indented; `NAME missing here: WHY`.
fn lab(text: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let rows = text.lines().skip_while(|line| !line.starts_with("case ")).skip(1);
    for line in rows.take_while(|line| !line.is_empty()) {
        if line.starts_with(' ') {
            if let Some(last) = found.last_mut() {
                last.detail += line.trim();
                last.detail.push('\n');
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let (case, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !["v1", "v2", "missing"].contains(&second) {
            continue; // a worker's complaint, which comes between
        }
        if second == "missing" {
            let detail = line.split_once("here: ").map_or("", |(_, why)| why).to_owned();
            let outcome = if detail == "no v1 freezer is mounted" { Outcome::NoV1 } else { Outcome::Missing };
            found.push(Finding { part: Part::Lab, name: case.to_owned(), outcome, detail });
            continue;
        }
        let outcome = if words.any(|word| word == "WRONG") { Outcome::Wrong } else { Outcome::Right };
        let name = format!("{case} {second}");
        found.push(Finding { part: Part::Lab, name, outcome, detail: String::new() });
    }
    for finding in &mut found {
        finding.outcome = lacks_v1(finding).unwrap_or(finding.outcome);
    }
    found
}

/// That a case needs a v1 controller beside its own freezer is found only when it is set up.
fn lacks_v1(finding: &Finding) -> Option<Outcome> {
    let lacking = finding.detail.strip_prefix("cannot be set up: cannot find the v1 controller ")?;
    Some(if lacking.starts_with("freezer") { Outcome::NoV1 } else { Outcome::Missing })
}

/// Behind each `condition NAME` what `doctor` and the lab print. That something is lost is the point of it.
fn paths(text: &str) -> Vec<Finding> {
    let begin = format!("{MARK}condition ");
    let mut all = Vec::new();
    for section in text.split(&begin).skip(1) {
        let (name, rest) = section.split_once('\n').unwrap_or((section, ""));
        let modes = |finding: &Finding| finding.outcome == Outcome::Right || finding.name.contains(" mode ");
        let found: Vec<_> = doctor(rest).into_iter().filter(modes).chain(lab(rest)).collect();
        if found.is_empty() {
            let (name, detail) = (format!("{name}: nothing"), rest.to_owned());
            all.push(Finding { part: Part::Paths, name, outcome: Outcome::Missing, detail });
        }
        all.extend(found.into_iter().map(|finding| Finding {
            part: Part::Paths,
            name: format!("{name}: {}", finding.name),
            outcome: if finding.part == Part::Doctor { Outcome::Right } else { finding.outcome },
            detail: finding.detail,
        }));
    }
    all
}

/// `test NAME ... ok`; what a test prints past the runner comes between, `SKIPPED: NAME: WHY` among it.
pub fn selftests(text: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut skipped: Option<&str> = None;
    let mut running = None;
    for line in text.lines() {
        let mut rest = line;
        if let Some((name, after)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            (running, skipped, rest) = (Some(name), None, after);
        }
        if let Some(why) = rest.strip_prefix("SKIPPED: ") {
            skipped = Some(why);
        }
        let right = match rest {
            "ok" => true,
            "FAILED" => false,
            _ => continue,
        };
        let Some(name) = running.take() else { continue };
        let outcome = match (right, skipped) {
            (true, None) => Outcome::Right,
            (true, Some(_)) => Outcome::Missing,
            (false, _) => Outcome::Wrong,
        };
        let detail = skipped.take().unwrap_or_default().to_owned();
        found.push(Finding { part: Part::Selftests, name: name.to_owned(), outcome, detail });
    }
    for finding in found.iter_mut().filter(|finding| finding.outcome == Outcome::Wrong) {
        let begin = format!("---- {} stdout ----\n", finding.name);
        if let Some((_, rest)) = text.split_once(&begin) {
            rest.split("\n\n").next().unwrap_or_default().clone_into(&mut finding.detail);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(found: &[Finding]) -> Vec<(&str, Outcome)> {
        found.iter().map(|finding| (finding.name.as_str(), finding.outcome)).collect()
    }

    #[test]
    fn a_row_of_the_lab_is_wrong_as_soon_as_one_column_is() {
        let text = "case                 blockers  cause\n\
                    fuse-read     v1     ok        ok  12\n\
                    worker: cannot make a directory\nfuse-fsync    v2     ok        WRONG  12\n      Json, cause: fuse-request, not unknown\n\
                    autofs        missing here: this kernel has no autofs filesystem\n\
                    stopped       missing here: no v1 freezer is mounted\n\nblockers 100 %\n";
        let found = lab(text);
        assert_eq!(
            short(&found),
            [
                ("fuse-read v1", Outcome::Right),
                ("fuse-fsync v2", Outcome::Wrong),
                ("autofs", Outcome::Missing),
                ("stopped", Outcome::NoV1)
            ]
        );
        assert_eq!(found[1].detail, "Json, cause: fuse-request, not unknown\n");
    }

    #[test]
    fn a_case_that_needs_both_freezers_needs_v1() {
        let text = "case \nstopped-both v2 WRONG WRONG\n      cannot be set up: cannot find the v1 controller freezer: not in\n";
        assert_eq!(short(&lab(text)), [("stopped-both v2", Outcome::NoV1)]);
        let text = text.replace("controller freezer", "controller memory");
        assert_eq!(short(&lab(&text)), [("stopped-both v2", Outcome::Missing)]);
    }

    #[test]
    fn what_is_left_without_a_way_is_found_under_its_name() {
        let text = "\x1econdition without fentry\nv1 freezer\n  mode      bpf\n  kprobe    freeze_task\n  without   x: y\n\
                    case  blockers\nsleepers v1 ok ok\n\x1econdition under x\nsh: no such file\n\x1econdition without bpf\nv1 freezer\n  mode      proc: by /proc\n\
                    case  blockers\nsleepers v1 ok WRONG\n";
        assert_eq!(
            short(&paths(text)),
            [
                ("without fentry: v1 mode bpf", Outcome::Right),
                ("without fentry: v1 kprobe freeze_task", Outcome::Right),
                ("without fentry: sleepers v1", Outcome::Right),
                ("under x: nothing", Outcome::Missing),
                ("without bpf: v1 mode proc: by /proc", Outcome::Right),
                ("without bpf: sleepers v1", Outcome::Wrong),
            ]
        );
    }

    #[test]
    fn a_test_that_says_it_was_skipped_did_not_pass() {
        let text = "test simple ... ok\ntest mkdir ... SKIPPED: mkdir: no v1 freezer\nok\ntest stop ... FAILED\n\n\
                    ---- stop stdout ----\nit hangs\n\nfailures:\n";
        let found = selftests(text);
        assert_eq!(
            short(&found),
            [("simple", Outcome::Right), ("mkdir", Outcome::Missing), ("stop", Outcome::Wrong)]
        );
        assert_eq!(found[2].detail, "it hangs");
    }

    #[test]
    fn what_doctor_has_and_does_without_belongs_to_a_freezer() {
        let text = "v1 freezer\n  mode      bpf\n  tp_btf    sched_switch, sched_waking,\n            cgroup_freeze\n\
                    \x20 without   task->blocker: this kernel has none (locks are told\n\
                    \x20           without their owner)\n\nv2 freezer\n  fentry    a\n";
        let found = doctor(text);
        assert_eq!(
            short(&found),
            [
                ("v1 mode bpf", Outcome::Right),
                ("v1 tp_btf sched_switch", Outcome::Right),
                ("v1 tp_btf sched_waking", Outcome::Right),
                ("v1 tp_btf cgroup_freeze", Outcome::Right),
                ("v1 task->blocker", Outcome::Lost),
                ("v2 fentry a", Outcome::Right),
            ]
        );
        assert_eq!(found[4].detail, "this kernel has none (locks are told without their owner)");
    }

    #[test]
    fn a_part_that_did_not_begin_is_wrong() {
        let found = read(&Part::ALL, "\x1ebegin doctor\nv2 freezer\n  mode      bpf\n\x1eend doctor\n");
        assert_eq!(
            short(&found),
            [
                ("v2 mode bpf", Outcome::Right),
                ("lab", Outcome::Wrong),
                ("selftests", Outcome::Wrong),
                ("paths", Outcome::Wrong)
            ]
        );
    }
}
