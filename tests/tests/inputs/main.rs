//! Options and files: read alike everywhere, and refused with the error, its place and its remedy.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod completion;
mod files;
mod help;
mod typed;

use std::{path::Path, process::Command};

use sensor_tests::Agent;

/// Runs the program; returns its exit code and all its output.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(Agent::program().unwrap()).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// It ends with `code`, and its output has all of `words`.
#[track_caller]
fn says(arguments: &[&str], code: i32, words: &[&str]) {
    let (found, output) = run(arguments);
    assert_eq!(found, code, "{arguments:?}: {output}");
    for word in words {
        assert!(output.contains(word), "{arguments:?}: no {word:?} in: {output}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
