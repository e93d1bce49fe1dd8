//! A test that cannot run says so instead of passing in silence.

use std::env;
use std::fs;
use std::process::Command;

use sensor_lab::{require_lab, scratch_dir};

/// Set in the run that has no programs to work with.
const POOR: &str = "SENSOR_LAB_WITHOUT_PROGRAMS";

#[test]
fn logs_a_skipped_test_with_the_remedy() {
    if env::var_os(POOR).is_some() {
        require_lab!();
        panic!("without programs there is no laboratory");
    }
    let scratch = scratch_dir().expect("scratch folder");
    let log = scratch.path().join("skipped");
    let name = "logs_a_skipped_test_with_the_remedy";
    let run = Command::new(env::current_exe().expect("own path"))
        .args(["--exact", name, "--nocapture"])
        .env(POOR, "1")
        .env("PATH", "/nowhere")
        .env("SMB_SENSOR_SKIP_LOG", &log)
        .output()
        .expect("run again");
    assert!(run.status.success(), "{run:?}");
    let expected = format!("SKIP skipping::{name}: ip is not in PATH: install the package iproute2\n");
    assert_eq!(fs::read_to_string(&log).expect("read the log"), expected);
    assert!(String::from_utf8_lossy(&run.stderr).contains(&expected));
}
