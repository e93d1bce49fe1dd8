//! State directories of other versions: an earlier one is taken over, a newer one is refused and left as it is.

use std::{fs, path::Path, process::Command};

use sensor_lab::{Topology, require_lab, scratch_dir};
use sensor_tests::Agent;
use sensor_user::storage::{Bounds, Writer};

/// The files of a version before the database, which had delivered three of its seven documents.
const EARLIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor-user/src/storage/migrate/fixtures");

/// What is said of a newer database, behind its path.
const NEWER: &str = "has schema 99, and this version reads 1: install the version that wrote it, or move the file away to begin a new one";

#[test]
fn agent_logs_what_it_took_over_of_an_earlier_version_once() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    for file in fs::read_dir(EARLIER).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), state.path().join(file.file_name())).unwrap();
    }
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let log = agent.log();
    let taken = "took over the state of an earlier version: 3 known destinations and other terms, hits of 1 exemptions, 7 documents, \
                 of which the output has yet to take 4";
    assert!(log.contains(taken), "{log}");
    let aside = state.path().join("before-sqlite");
    let kept = format!("its files are in {} and are not needed any more", aside.display());
    assert!(log.contains(&kept), "{log}");
    for file in fs::read_dir(EARLIER).unwrap() {
        let name = file.unwrap().file_name();
        assert!(aside.join(&name).exists() && !state.path().join(&name).exists(), "{}", name.display());
    }
    agent.kill().unwrap();
    let again = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    assert!(!again.log().contains("of an earlier version"), "{}", again.log());
    again.kill().unwrap();
}

/// Makes a database with the schema of a later version; gives its bytes.
fn newer_database(directory: &Path) -> Vec<u8> {
    let opened = Writer::open(directory, Bounds::default(), 0).unwrap();
    drop(opened.handle);
    opened.writer.run().unwrap();
    let path = directory.join("smb-sensor.db");
    let mut bytes = fs::read(&path).unwrap();
    // The user version, a big-endian number at byte 60 of the header (https://www.sqlite.org/fileformat2.html, 1.3).
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    bytes
}

#[test]
fn listing_refuses_a_newer_database_and_leaves_it_unchanged() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("smb-sensor.db");
    let bytes = newer_database(state.path());
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.args(["alerts", "--state-dir"]).arg(state.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.trim_end(), format!("smb-sensor: {} {NEWER}", path.display()));
    assert!(fs::read(&path).unwrap() == bytes, "its bytes have changed");
}

#[test]
fn agent_refuses_a_newer_database_and_leaves_it_unchanged() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = scratch_dir().unwrap();
    let path = state.path().join("smb-sensor.db");
    let bytes = newer_database(state.path());
    let refusal = Agent::on(border.gateway(), "lan0").state_dir(state.path()).refused().unwrap();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    assert!(refusal.stderr.contains(&format!("{} {NEWER}", path.display())), "{refusal:?}");
    assert!(fs::read(&path).unwrap() == bytes, "its bytes have changed");
}
