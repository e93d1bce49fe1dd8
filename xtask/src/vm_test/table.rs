//! The table of the results on each kernel.

use super::machine::{Outcome, Tried};

/// The table in Markdown: a row for each kernel.
pub(super) fn render(tried: &[Tried]) -> String {
    let Some(first) = tried.first() else { return String::new() };
    let names: Vec<&str> = first.parts.iter().map(|(name, _)| *name).collect();
    let mut table = format!("| kernel | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for one in tried {
        let cells: Vec<String> = one.parts.iter().map(|(name, outcome)| cell(name, outcome)).collect();
        table.push_str(&format!("| {} ({}) | {} |\n", one.version, one.release, cells.join(" | ")));
    }
    let notes = tried.iter().flat_map(notes);
    table.push('\n');
    notes.for_each(|note| table.push_str(&format!("- {note}\n")));
    table
}

fn cell(name: &str, outcome: &Outcome) -> String {
    let state = match outcome.code {
        None => return "did not end".to_owned(),
        Some(0) if outcome.failed == 0 => "",
        Some(_) => "FAILED, ",
    };
    let skipped = outcome.skipped.len() as u64;
    let tests = match (outcome.passed.saturating_sub(skipped), skipped) {
        (0, 0) if name == "check" => "programs accepted".to_owned(),
        (0, 0) => "no disagreement".to_owned(),
        (passed, 0) => format!("{passed} passed"),
        (passed, skipped) => format!("{passed} passed, {skipped} skipped"),
    };
    let tests = if outcome.code == Some(0) {
        tests
    } else {
        format!("{} of {} failed", outcome.failed, outcome.passed + outcome.failed)
    };
    format!("{state}{tests}")
}

/// What the kernel lacks, by its own check and by the tests that skipped themselves.
fn notes(tried: &Tried) -> Vec<String> {
    let outcomes = tried.parts.iter().map(|(_, outcome)| outcome);
    let of_check = outcomes.clone().flat_map(|outcome| {
        let capabilities = ["kernel", "helpers", "lo", "attribution"];
        capabilities.into_iter().filter_map(|what| Some((what, outcome.checked.get(what)?)))
    });
    let of_check = of_check.map(|(what, said)| format!("{}, {what}: {said}", tried.version));
    let skipped = outcomes
        .flat_map(|outcome| &outcome.skipped)
        .map(|skip| format!("{}, skipped: {skip}", tried.version));
    of_check.chain(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: i32, passed: u64, failed: u64, skipped: &[&str]) -> Outcome {
        Outcome {
            code: Some(code),
            passed,
            failed,
            skipped: skipped.iter().map(|one| (*one).to_owned()).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn skipped_test_is_no_passed_one_and_a_failure_is_named() {
        assert_eq!(cell("attachment", &outcome(0, 5, 0, &["attach::tcx: none"])), "4 passed, 1 skipped");
        assert_eq!(cell("sessions", &outcome(101, 1, 2, &[])), "FAILED, 2 of 3 failed");
        assert_eq!(cell("check", &outcome(0, 0, 0, &[])), "programs accepted");
        assert_eq!(cell("tun", &Outcome::default()), "did not end");
        let tried =
            Tried { version: "5.10", release: "5.10.0".to_owned(), parts: vec![("tun", Outcome::default())] };
        assert!(!tried.passed() && render(&[tried]).contains("| 5.10 (5.10.0) | did not end |"));
    }
}
