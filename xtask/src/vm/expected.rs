//! What is known to differ from kernel to kernel, and why: `expected.txt` beside this file.

use anyhow::{Context, ensure};

use super::Layout;
use super::extent::Extent;
use super::findings::{Finding, Outcome, Part};
use super::kernel::SERIES;

/// One line of the table.
struct Expectation {
    kernels: Vec<String>,
    layout: Option<Layout>,
    part: Part,
    /// `None`: right at one time, wrong at another.
    outcome: Option<Outcome>,
    name: String,
    line: &'static str,
}

/// The table.
pub struct Table(Vec<Expectation>);

/// `all` in the columns for kernels and layouts.
const ALL: &str = "all";

/// In the column for outcomes: what hangs on the time that an emulated kernel takes.
const UNSTEADY: &str = "unsteady";

impl Table {
    /// Reads it.
    pub fn read() -> anyhow::Result<Self> {
        Self::parse(include_str!("expected.txt"))
    }

    fn parse(text: &'static str) -> anyhow::Result<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        lines.map(Expectation::parse).collect::<anyhow::Result<_>>().map(Table)
    }

    /// What one guest's findings and the table do not have in common, in words: nothing is as it should be.
    ///
    /// Of a line about a case that was not chosen to run nothing can be said.
    pub fn differences(
        &self,
        kernel: &str,
        layout: Layout,
        extent: Extent,
        findings: &[Finding],
    ) -> Vec<String> {
        let here: Vec<_> = self.0.iter().filter(|line| line.is_for(kernel, layout)).collect();
        let unexplained = findings.iter().filter(|finding| finding.outcome != Outcome::Right);
        let unexplained = unexplained.filter(|finding| !here.iter().any(|line| line.explains(finding)));
        let unexplained = unexplained.map(|finding| {
            let Finding { part, name, outcome, detail } = finding;
            format!("{} {}: {name}: {}", part.name(), outcome.name(), detail.trim_end())
        });
        let ran = |line: &Expectation| {
            extent == Extent::Every || line.part != Part::Lab || findings.iter().any(|one| line.is_about(one))
        };
        let steady = here.iter().filter(|line| line.outcome.is_some() && ran(line));
        let vain = steady.filter(|line| !findings.iter().any(|finding| line.explains(finding)));
        let vain = vain.map(|line| format!("did not occur, though expected.txt says so: {}", line.line));
        unexplained.chain(vain).collect()
    }
}

impl Table {
    /// Whether this is right at one time and wrong at another.
    pub fn is_unsteady(&self, kernel: &str, layout: Layout, finding: &Finding) -> bool {
        let mut here = self.0.iter().filter(|line| line.is_for(kernel, layout));
        here.any(|line| line.outcome.is_none() && line.is_about(finding))
    }

    /// On which kernels what differs, and why: for readers, in the order of the table, one for each reason.
    pub fn reasons(&self) -> Vec<(String, String, &'static str)> {
        let told = self.0.iter().filter(|line| line.outcome.is_some_and(|outcome| outcome != Outcome::NoV1));
        let mut reasons: Vec<(String, String, &'static str)> = Vec::new();
        for line in told {
            let (kernels, why) = (line.kernels_for_readers(), line.why());
            match reasons.iter_mut().find(|known| known.0 == kernels && known.2 == why) {
                Some((_, names, _)) if names.split("`, `").any(|name| name == line.name) => {}
                Some((_, names, _)) => *names += &format!("`, `{}", line.name),
                None => reasons.push((kernels, line.name.clone(), why)),
            }
        }
        reasons
    }
}

impl Expectation {
    /// `KERNELS | LAYOUT | PART | OUTCOME | NAME | WHY`
    fn parse(line: &'static str) -> anyhow::Result<Self> {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let parsed = match columns[..] {
            [kernels, layout, part, outcome, name, why] if !why.is_empty() => (|| {
                Some(Expectation {
                    kernels: match kernels {
                        ALL => SERIES.iter().map(|series| series.name.to_owned()).collect(),
                        some => some.split_whitespace().map(str::to_owned).collect(),
                    },
                    layout: match layout {
                        ALL => None,
                        one => Some(Layout::ALL.into_iter().find(|layout| layout.name() == one)?),
                    },
                    part: Part::ALL.into_iter().find(|one| one.name() == part)?,
                    outcome: match outcome {
                        UNSTEADY => None,
                        one => Some(Outcome::named(one)?),
                    },
                    name: name.to_owned(),
                    line,
                })
            })(),
            _ => None,
        };
        let parsed =
            parsed.with_context(|| format!("expected.txt has a line that cannot be read: {line}"))?;
        let known = |name: &String| SERIES.iter().any(|series| series.name == name);
        ensure!(parsed.kernels.iter().all(known), "expected.txt names a kernel there is not: {line}");
        Ok(parsed)
    }

    fn kernels_for_readers(&self) -> String {
        if self.kernels.len() == SERIES.len() { ALL.to_owned() } else { self.kernels.join(", ") }
    }

    fn why(&self) -> &'static str {
        self.line.rsplit('|').next().unwrap_or_default().trim()
    }

    fn is_for(&self, kernel: &str, layout: Layout) -> bool {
        self.kernels.iter().any(|name| name == kernel) && self.layout.is_none_or(|one| one == layout)
    }

    /// A name that ends in `*` stands for all that begin so.
    fn is_about(&self, finding: &Finding) -> bool {
        let named = match self.name.strip_suffix('*') {
            Some(beginning) => finding.name.starts_with(beginning),
            None => finding.name == self.name,
        };
        named && self.part == finding.part
    }

    fn explains(&self, finding: &Finding) -> bool {
        self.is_about(finding) && self.outcome.unwrap_or(Outcome::Wrong) == finding.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# kernels | layout | part | outcome | name | why\n\
                         6.1 5.10 | all | doctor | lost | v1 task->blocker | no such member\n\
                         all | v2-only | lab | no-v1 | * | nothing to freeze\n";

    fn finding(part: Part, name: &str, outcome: Outcome) -> Finding {
        Finding { part, name: name.to_owned(), outcome, detail: "why".to_owned() }
    }

    fn differences(kernel: &str, layout: Layout, findings: &[Finding]) -> Vec<String> {
        Table::parse(TABLE).expect("a table").differences(kernel, layout, Extent::Every, findings)
    }

    #[test]
    fn a_difference_with_a_reason_is_none() {
        let lost = finding(Part::Doctor, "v1 task->blocker", Outcome::Lost);
        assert!(differences("6.1", Layout::Hybrid, std::slice::from_ref(&lost)).is_empty());
        let elsewhere = differences("6.12", Layout::Hybrid, &[lost]);
        assert_eq!(elsewhere, ["doctor lost: v1 task->blocker: why"]);
    }

    #[test]
    fn a_reason_without_a_difference_is_one() {
        let none = differences("6.1", Layout::Hybrid, &[]);
        assert_eq!(none.len(), 1);
        assert!(none[0].starts_with("did not occur"), "{none:?}");
    }

    #[test]
    fn what_is_unsteady_may_be_wrong_and_may_be_right() {
        let table = Table::parse("6.1 | all | lab | unsteady | userfault v2 | slow").expect("a table");
        let wrong = finding(Part::Lab, "userfault v2", Outcome::Wrong);
        assert!(table.differences("6.1", Layout::Hybrid, Extent::Every, &[wrong]).is_empty());
        assert!(table.differences("6.1", Layout::Hybrid, Extent::Every, &[]).is_empty());
    }

    #[test]
    fn a_reason_for_a_case_that_was_not_chosen_is_none_in_vain() {
        let table = Table::parse("6.1 | all | lab | wrong | a* | slow").expect("a table");
        let differences = |extent, findings: &[_]| table.differences("6.1", Layout::Hybrid, extent, findings);
        assert!(differences(Extent::Chosen, &[]).is_empty());
        assert_eq!(differences(Extent::Every, &[]).len(), 1);
        let right = finding(Part::Lab, "a v1", Outcome::Right);
        assert_eq!(differences(Extent::Chosen, &[right]).len(), 1, "chosen, and right after all");
    }

    #[test]
    fn a_name_can_stand_for_all_that_begin_so_but_for_one_outcome_only() {
        let missing = [finding(Part::Lab, "a", Outcome::NoV1), finding(Part::Lab, "b", Outcome::Missing)];
        assert_eq!(differences("6.12", Layout::V2Only, &missing), ["lab missing: b: why"]);
    }

    #[test]
    fn the_table_of_this_repository_can_be_read() {
        Table::read().expect("a table");
    }
}
