//! Counts over the output of many test programs, as libtest prints it.

use std::fmt;

use super::skips::Skip;

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<Skip>,
    /// Tests that the program now running announced and has not counted yet.
    announced: Option<usize>,
    /// Names of failures of the program now running.
    failures: Vec<String>,
}

impl Summary {
    /// Takes one line of output.
    pub(super) fn read_line(&mut self, line: &str) {
        if let Some(count) = announced(line) {
            self.close_program();
            self.announced = Some(count);
        } else if let Some((passed, failed)) = result(line) {
            self.passed += passed;
            // Names may be lost among a test's own output; the count is libtest's.
            self.failures.resize_with(failed, || "(unnamed)".to_owned());
            self.failed.append(&mut self.failures);
            self.announced = None;
        } else if let Some((test, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            self.read_verdict(test, verdict.trim_end());
        }
    }

    fn read_verdict(&mut self, test: &str, verdict: &str) {
        if verdict.ends_with("FAILED") {
            self.failures.push(test.to_owned());
        } else if let Some(reason) = verdict.strip_prefix("ignored") {
            let reason = reason.strip_prefix(", ").unwrap_or("marked as ignored");
            self.skipped.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        }
    }

    /// Takes the end of the run and whether cargo was content with it.
    pub(super) fn end(&mut self, content: bool) {
        self.close_program();
        if !content && self.failed.is_empty() {
            self.failed.push("cargo test itself, see above (does everything compile?)".to_owned());
        }
    }

    /// A program that announced tests and ended without a result did not end well.
    fn close_program(&mut self) {
        if let Some(count) = self.announced.take() {
            self.failed.append(&mut self.failures);
            self.failed.push(format!("a test program of {count} tests that ended before its result"));
        }
    }

    /// Takes the tests that returned early and were counted as passed although they tested nothing.
    pub(super) fn skip_self_reported(&mut self, skips: Vec<Skip>) {
        self.passed = self.passed.saturating_sub(skips.len());
        self.skipped.extend(skips);
    }

    /// Whether something was tested and nothing failed.
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
            writeln!(f, "no test was run, which is a failure too")?;
        }
        let (passed, failed, skipped) = (self.passed, self.failed.len(), self.skipped.len());
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(output: &str, content: bool) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.read_line(line));
        summary.end(content);
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
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn closing_line(summary: &Summary) -> String {
        summary.to_string().lines().last().unwrap().to_owned()
    }

    #[test]
    fn programs_are_counted_together() {
        let summary = summary_of(&format!("{PASSING}{FAILING}{PASSING}"), false);
        assert_eq!(closing_line(&summary), "5 passed, 1 failed, 2 skipped");
        assert!(!summary.is_success());
        assert!(summary.to_string().contains("failed  x\n"));
        assert!(summary.to_string().contains("skipped a::c: needs a newer kernel\n"));
    }

    #[test]
    fn a_test_that_skipped_itself_counts_as_skipped_not_passed() {
        let mut summary = summary_of(PASSING, true);
        summary.skip_self_reported(vec![Skip { test: "a::b".to_owned(), reason: "needs root".to_owned() }]);
        assert_eq!(closing_line(&summary), "1 passed, 0 failed, 2 skipped");
        assert!(summary.is_success());
    }

    #[test]
    fn a_run_without_tests_is_a_failure() {
        let output =
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert!(!summary_of(output, true).is_success());
        assert!(!summary_of("", true).is_success());
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let output = format!("running 2 tests\ntest x ... ok\n{PASSING}");
        let summary = summary_of(&output, false);
        assert_eq!(closing_line(&summary), "2 passed, 1 failed, 1 skipped");
        let last = summary_of("running 2 tests\ntest x ... ok\n", false);
        assert_eq!(closing_line(&last), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_failure_without_a_failed_test_is_still_a_failure() {
        let summary = summary_of(PASSING, false);
        assert_eq!(closing_line(&summary), "2 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_failure_whose_name_was_lost_is_still_counted() {
        let output = FAILING.replace("test x ... FAILED\n", "test x ... thread 'x' said something\n");
        assert_eq!(closing_line(&summary_of(&output, false)), "1 passed, 1 failed, 0 skipped");
    }
}
