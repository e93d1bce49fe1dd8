//! Counts passed, failed and skipped tests from the output of many libtest programs.

use std::fmt;

use super::skips::Skip;

/// How the reason of a test ends that is ignored because the task named in it runs the test.
const ELSEWHERE: &str = "cargo xtask vm-test runs them";

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<Skip>,
    /// Tests that another task runs.
    elsewhere: usize,
    /// Number of tests that the running program announced, until it prints its result.
    announced: Option<usize>,
    /// Names of failed tests of the running program.
    failures: Vec<String>,
    /// Output of failed tests, as libtest prints it after its list of verdicts, one entry per test.
    failure_output: Vec<String>,
    /// Whether the lines now read are the output of a failed test.
    in_failure_output: bool,
}

impl Summary {
    /// Reads one line of output.
    pub(super) fn read_line(&mut self, line: &str) {
        self.read_failure_output(line);
        if let Some(count) = announced(line) {
            self.close_program();
            self.announced = Some(count);
        } else if let Some((passed, failed)) = result(line) {
            self.passed += passed;
            // A name can be lost in the test's own output; the count is reliable.
            self.failures.resize_with(failed, || "(unnamed)".to_owned());
            self.failed.append(&mut self.failures);
            self.announced = None;
        } else if let Some((test, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            self.read_verdict(test, verdict.trim_end());
        }
    }

    /// Collects the blocks that begin with `---- test stdout ----` and end at the list of failed tests.
    fn read_failure_output(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" ----") {
            self.in_failure_output = true;
            self.failure_output.push(line.to_owned());
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.in_failure_output = false;
        } else if let Some(output) = self.failure_output.last_mut().filter(|_| self.in_failure_output) {
            output.push('\n');
            output.push_str(line);
        }
    }

    /// The output of each failed test, trimmed.
    pub(super) fn failure_output(&self) -> impl Iterator<Item = &str> {
        self.failure_output.iter().map(|output| output.trim_end())
    }

    fn read_verdict(&mut self, test: &str, verdict: &str) {
        if verdict.ends_with("FAILED") {
            self.failures.push(test.to_owned());
        } else if let Some(reason) = verdict.strip_prefix("ignored") {
            let reason = reason.strip_prefix(", ").unwrap_or("marked as ignored");
            if reason.ends_with(ELSEWHERE) {
                self.elsewhere += 1;
                return;
            }
            self.skipped.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        }
    }

    /// Records the end of the run and whether cargo succeeded.
    pub(super) fn end(&mut self, succeeded: bool) {
        self.close_program();
        if !succeeded && self.failed.is_empty() {
            self.failed.push("cargo test itself; see the log".to_owned());
        }
    }

    /// Counts a failure if the running program announced tests and printed no result.
    fn close_program(&mut self) {
        if let Some(count) = self.announced.take() {
            self.failed.append(&mut self.failures);
            self.failed.push(format!("a test program of {count} tests that ended before its result"));
        }
    }

    /// Moves tests that skipped themselves from passed to skipped.
    pub(super) fn skip_self_reported(&mut self, skips: Vec<Skip>) {
        self.passed = self.passed.saturating_sub(skips.len());
        self.skipped.extend(skips);
    }

    /// Whether at least one test passed and none failed.
    pub(super) fn is_success(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }
}

/// Reads `running 12 tests`.
fn announced(line: &str) -> Option<usize> {
    let (count, tests) = line.strip_prefix("running ")?.split_once(' ')?;
    matches!(tests.trim_end(), "test" | "tests").then(|| count.parse().ok())?
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; …` as (passed, failed).
fn result(line: &str) -> Option<(usize, usize)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |name: &str| {
        let mut parts = counts.split("; ");
        parts.find_map(|part| part.trim().strip_suffix(name)?.trim_end().parse().ok())
    };
    Some((count("passed")?, count("failed")?))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Skip { test, reason } in &self.skipped {
            writeln!(f, "skipped {test}: {reason}")?;
        }
        for test in &self.failed {
            writeln!(f, "failed  {test}")?;
        }
        if self.passed == 0 && self.failed.is_empty() {
            writeln!(f, "no test ran, which counts as a failure")?;
        }
        if self.elsewhere > 0 {
            writeln!(f, "tests left to cargo xtask vm-test: {}", self.elsewhere)?;
        }
        let (passed, failed, skipped) = (self.passed, self.failed.len(), self.skipped.len());
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(output: &str, succeeded: bool) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.read_line(line));
        summary.end(succeeded);
        summary
    }

    const PASSING: &str = "
running 3 tests
test a::b ... ok
test a::c ... ignored, needs a newer kernel
test d - should panic ... ok

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
    const FAILING: &str = "
running 2 tests
test x ... FAILED
test y ... ok

failures:

---- x stdout ----
thread 'x' panicked at src/x.rs:1:2:
  left: 1


failures:
    x

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn closing_line(summary: &Summary) -> String {
        summary.to_string().lines().last().unwrap().to_owned()
    }

    #[test]
    fn counts_programs_together() {
        let summary = summary_of(&format!("{PASSING}{FAILING}{PASSING}"), false);
        assert_eq!(closing_line(&summary), "5 passed, 1 failed, 2 skipped");
        assert!(!summary.is_success());
        assert!(summary.to_string().contains("failed  x\n"));
        assert!(summary.to_string().contains("skipped a::c: needs a newer kernel\n"));
    }

    #[test]
    fn counts_a_self_skipped_test_as_skipped() {
        let mut summary = summary_of(PASSING, true);
        summary.skip_self_reported(vec![Skip { test: "a::b".to_owned(), reason: "needs root".to_owned() }]);
        assert_eq!(closing_line(&summary), "1 passed, 0 failed, 2 skipped");
        assert!(summary.is_success());
    }

    #[test]
    fn test_of_another_task_is_not_skipped() {
        let output =
            PASSING.replace("needs a newer kernel", "needs these links; cargo xtask vm-test runs them");
        let summary = summary_of(&output, true);
        assert_eq!(
            summary.to_string(),
            "tests left to cargo xtask vm-test: 1\n2 passed, 0 failed, 0 skipped"
        );
    }

    #[test]
    fn run_without_tests_is_a_failure() {
        let output =
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert!(!summary_of(output, true).is_success());
        assert!(!summary_of("", true).is_success());
    }

    #[test]
    fn dying_program_is_a_failure() {
        let output = format!("running 2 tests\ntest x ... ok\n{PASSING}");
        let summary = summary_of(&output, false);
        assert_eq!(closing_line(&summary), "2 passed, 1 failed, 1 skipped");
        let last = summary_of("running 2 tests\ntest x ... ok\n", false);
        assert_eq!(closing_line(&last), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn failure_without_a_failed_test_is_still_a_failure() {
        let summary = summary_of(PASSING, false);
        assert_eq!(closing_line(&summary), "2 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn keeps_the_output_of_a_failed_test() {
        let summary = summary_of(&format!("{PASSING}{FAILING}{PASSING}"), false);
        let output: Vec<&str> = summary.failure_output().collect();
        assert_eq!(output, ["---- x stdout ----\nthread 'x' panicked at src/x.rs:1:2:\n  left: 1"]);
    }

    #[test]
    fn counts_a_failure_whose_name_was_lost() {
        let output = FAILING.replace("test x ... FAILED\n", "test x ... thread 'x' said something\n");
        assert_eq!(closing_line(&summary_of(&output, false)), "1 passed, 1 failed, 0 skipped");
    }
}
