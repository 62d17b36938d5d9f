//! Adds up what the test binaries of a run say they did.

use crate::step::Outcome;

/// Tests passed, failed and skipped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Ran and held.
    pub passed: usize,
    /// Ran and did not hold.
    pub failed: usize,
    /// Did not run, or said on a line `skipped: REASON` that it could not.
    pub skipped: usize,
}

/// The line with which a test says that this machine cannot run it.
const SKIP: &str = "skipped: ";

impl Counts {
    /// Reads the output of `cargo test -- --show-output`: one `test result:` line for each binary, and the lines of
    /// tests that skipped themselves, which the runner counts as passed.
    pub fn read(output: &str) -> Self {
        let results = output.lines().filter_map(|line| line.strip_prefix("test result: "));
        let mut counts = results.map(Self::read_result).fold(Counts::default(), |mut sum, one| {
            sum.add(one);
            sum
        });
        let skipped = output.lines().filter(|line| line.starts_with(SKIP)).count();
        counts.skipped += skipped;
        counts.passed = counts.passed.saturating_sub(skipped);
        counts
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn read_result(result: &str) -> Self {
        let number_before = |word: &str| {
            let words: Vec<&str> = result.split([' ', ';', '.']).filter(|part| !part.is_empty()).collect();
            words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        Counts {
            passed: number_before("passed"),
            failed: number_before("failed"),
            skipped: number_before("ignored"),
        }
    }

    /// Adds another part's counts.
    pub fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Outcome for Counts {
    fn note(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_BINARIES: &str = "\
running 3 tests
test a ... ok
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s
";

    #[test]
    fn counts_of_all_binaries_are_added_up() {
        assert_eq!(Counts::read(TWO_BINARIES), Counts { passed: 13, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_test_that_says_it_skipped_itself_is_not_counted_as_passed() {
        // The runner prints the output of tests before its result line.
        let output = "---- frozen stdout ----\nskipped: no v1 freezer here\n\n\
                      test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(Counts::read(output), Counts { passed: 2, failed: 0, skipped: 1 });
    }

    #[test]
    fn the_closing_line_is_the_plain_one() {
        assert_eq!(Counts { passed: 3, failed: 0, skipped: 1 }.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
