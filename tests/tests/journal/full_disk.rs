//! A state directory on a disk that is full: alerts are told and listed all the same, and kept when there is room again.

use std::process::Command;

use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, documents_of, text};
use serde_json::Value;

use super::converse;

#[test]
fn on_a_full_disk_alerts_are_told_and_they_are_kept_when_there_is_room_again() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let agent =
        Agent::on(border.gateway(), "lan0").state_dir(&state).with_small_state(16 << 10).start().unwrap();
    // What happens where only the agent sees it.
    let beside = |script: &str| {
        let output = Command::new("nsenter")
            .args(["--mount", "--target", &agent.id().to_string(), "--", "sh", "-c", script, "sh"])
            .args([state.as_path(), &Agent::program().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    beside("dd if=/dev/zero of=\"$1/ballast\" bs=4k 2>/dev/null; test -s \"$1/ballast\"");
    let failed = "the journal does not take documents";
    // What is free inside the store's file may last for some.
    for _ in 0..200 {
        converse(&border).unwrap();
        if agent.log().contains(failed) {
            break;
        }
    }
    agent.wait_for_log(failed).unwrap();
    converse(&border).unwrap();
    // The last conversation is told although nothing can be kept.
    let started = |document: &Value| text(document, "/event/id").to_owned();
    let last = poll(PATIENCE, || agent.documents().last().map(started)).unwrap();
    // Who asks meanwhile has what is on the disk and what waits for room there.
    let listed = || documents_of(beside("\"$2\" alerts --json --state-dir \"$1\"").lines()).unwrap();
    let meanwhile = poll(PATIENCE, || {
        let listed = listed();
        let everything = agent.documents().iter().all(|document| listed.contains(document));
        (everything && listed.iter().any(|document| started(document) == last)).then_some(())
    });
    meanwhile.unwrap_or_else(|| panic!("not everything told is listed: {}", agent.log()));
    assert!(!agent.log().contains("takes documents again"), "{}", agent.log());
    beside("rm \"$1/ballast\"");
    agent.wait_for_log("the journal takes documents again").unwrap();
    let told = agent.documents();
    let kept = poll(PATIENCE, || {
        let kept = listed();
        told.iter().all(|document| kept.contains(document)).then_some(kept)
    });
    let kept = kept.unwrap_or_else(|| panic!("not everything told is kept: {}", agent.log()));
    assert!(kept.iter().any(|document| started(document) == last));
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.log.matches(failed).count(), 1, "{}", ended.log);
    assert_eq!((ended.number("unsaved").unwrap(), ended.number("dropped").unwrap()), (0, 0));
}
