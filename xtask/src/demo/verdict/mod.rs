//! Whether the sensor reported the incidents that the story must cause, and nothing else.

mod incidents;

use std::process::ExitCode;

use serde_json::Value;

/// The result of a comparison.
struct Verdict {
    expected: String,
    seen: String,
    /// Each difference, in words; empty if all is as expected.
    faults: Vec<String>,
}

/// Prints the comparison of the documents with what is expected.
pub(super) fn show(documents: &[Value]) -> ExitCode {
    let verdict = incidents::check(documents);
    if verdict.faults.is_empty() {
        println!("as expected: {}", verdict.expected);
        return ExitCode::SUCCESS;
    }
    println!("NOT as expected");
    println!("  expected: {}", verdict.expected);
    println!("  seen:     {}", verdict.seen);
    for fault in &verdict.faults {
        println!("  fault:    {fault}");
    }
    ExitCode::FAILURE
}

/// Whether the sensor has reported everything that is expected, so that there is nothing to wait for.
pub(super) fn is_complete(documents: &[Value]) -> bool {
    incidents::check(documents).faults.is_empty()
}

/// The identifier of the incident to show in full.
pub(super) fn worst(documents: &[Value]) -> Option<String> {
    incidents::worst(documents)
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
