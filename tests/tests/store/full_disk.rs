//! A state directory on a full disk: the agent continues, and its documents are kept and delivered when there is space again.

use std::{net::Ipv4Addr, process::Command, thread, time::Duration};

use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, documents_of, text};
use serde_json::Value;

use super::Strangers;

/// Reports attempts after one second, each as an incident.
const CONFIG: &str = "[detection]\nattempt_settle = 1\nincidents_per_window = 100000\n";

/// Time between two of them.
const PAUSE: Duration = Duration::from_millis(50);

#[test]
fn agent_continues_on_a_full_disk_and_keeps_its_documents() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let state = scratch.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let agent = Agent::on(border.gateway(), "lan0")
        .config(CONFIG)
        .state_dir(&state)
        .with_small_state(16 << 10)
        .start()
        .unwrap();
    // In a mount that only the agent sees.
    let beside = |script: &str| {
        let output = Command::new("nsenter")
            .args(["--mount", "--target", &agent.id().to_string(), "--", "sh", "-c", script, "sh"])
            .args([state.as_path(), &Agent::program().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = || documents_of(beside("\"$2\" alerts --json --state-dir \"$1\"").lines()).unwrap();
    let of = |documents: &[Value], client: Ipv4Addr| {
        documents.iter().any(|one| text(one, "/source/ip") == client.to_string())
    };
    let mut strangers = Strangers::on(&border);
    let before = strangers.send();
    poll(PATIENCE, || of(&agent.documents(), before).then_some(())).unwrap();

    beside("dd if=/dev/zero of=\"$1/ballast\" bs=4k 2>/dev/null; test -s \"$1/ballast\"");
    let failed = "documents wait in memory until the disk takes them";
    // The free space inside the store's files may last for some.
    let mut sent = vec![];
    poll(PATIENCE, || {
        sent.push(strangers.send());
        thread::sleep(PAUSE);
        agent.log().contains(failed).then_some(())
    })
    .unwrap_or_else(|| panic!("it does not say that the disk is full: {}", agent.log()));
    sent.push(strangers.send());
    // A command meanwhile sees the earlier documents.
    assert!(of(&listed(), before));

    beside("rm \"$1/ballast\"");
    let recovered = "the store takes documents again";
    agent.wait_for_log(recovered).unwrap();
    let missing = || -> Vec<Ipv4Addr> {
        let documents = agent.documents();
        sent.iter().copied().filter(|client| !of(&documents, *client)).collect()
    };
    poll(PATIENCE, || missing().is_empty().then_some(()))
        .unwrap_or_else(|| panic!("{:?} are lost: {}", missing(), agent.log()));
    let documents = agent.documents();
    let kept = listed();
    assert!(documents.iter().all(|document| kept.contains(document)), "reported and not kept");
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    // The write-ahead log frees space meanwhile, so the store may recover more than once.
    let [failures, recoveries] = [failed, recovered].map(|words| ended.log.matches(words).count());
    assert!(failures >= 1 && failures == recoveries, "{}", ended.log);
    assert_eq!((ended.number("unsaved").unwrap(), ended.number("dropped").unwrap()), (0, 0));
}
