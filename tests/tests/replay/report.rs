//! The stored table of the recorded captures matches their replay.

use std::{env, fs, path::Path};

use sensor_tests::{ReplayTable, privileged};

/// Set to `write` to rewrite the table, like the golden files.
const WRITE: &str = "SMB_SENSOR_GOLDEN";

/// The beginning of the table; an introduction precedes it.
const TABLE: &str = "| capture |";

#[test]
fn stored_table_of_the_captures_matches_their_replay() {
    if !privileged("stored_table_of_the_captures_matches_their_replay") {
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = ReplayTable::of(&[tests.join("captures")], true).unwrap().to_string();
    let path = tests.join("../docs/replay-results.md");
    let kept = fs::read_to_string(&path).unwrap();
    let (head, kept) = kept.split_at(kept.find(TABLE).unwrap());
    if env::var_os(WRITE).is_some_and(|what| what == "write") {
        return fs::write(&path, format!("{head}{table}")).unwrap();
    }
    for (is, was) in table.lines().zip(kept.lines()) {
        assert_eq!(
            is, was,
            "docs/replay-results.md: if that is meant, cargo xtask replay-report writes it anew"
        );
    }
    assert_eq!(
        table, kept,
        "docs/replay-results.md: another number of captures; cargo xtask replay-report writes it anew"
    );
}
