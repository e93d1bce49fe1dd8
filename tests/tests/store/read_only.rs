//! A state directory on a disk that becomes read-only, as ext4 does when it finds an error.

use sensor_lab::{Topology, poll, require_lab};
use sensor_tests::{Agent, Disk, PATIENCE, documents_of, text};
use serde_json::Value;

use super::{SOON, Strangers};

/// What the log says when the disk fails.
const FAILS: &str = "its file system is read-only now";

fn clients(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|one| text(one, "/source/ip")).collect()
}

#[test]
fn agent_goes_on_while_its_disk_is_read_only_and_the_next_one_has_everything_before() {
    require_lab!(Disk);
    let border = Topology::border().unwrap();
    let disk = Disk::mount(border.gateway()).unwrap();
    let state = disk.state_dir();
    let start = || {
        let agent = Agent::on(border.gateway(), "lan0").config(SOON).state_dir(&state);
        agent.in_mounts_of(disk.holder()).start().unwrap()
    };
    let program = Agent::program().unwrap();
    let of_command =
        |words: &[&str]| disk.run(&program, &[words, &["--state-dir", state.to_str().unwrap()]].concat());
    let listed = || documents_of(of_command(&["alerts", "--json"]).unwrap().lines()).unwrap();
    let mut strangers = Strangers::on(&border);
    let agent = start();
    let before = strangers.send().to_string();
    poll(PATIENCE, || clients(&agent.documents()).contains(&&*before).then_some(())).expect("it is reported");

    disk.fail().unwrap();
    let unkept = strangers.send().to_string();
    let line = agent.wait_for_log(FAILS).unwrap();
    assert!(line.contains(state.to_str().unwrap()) && line.contains("documents wait in memory"), "{line}");
    let problem = |status: &Value| {
        let all = status["problems"].as_array().unwrap().iter().filter_map(Value::as_str);
        all.clone().find(|one| one.contains(FAILS)).map(str::to_owned)
    };
    let status = || -> Value {
        // It ends with an error while there are problems.
        let script = "\"$0\" status --json --state-dir \"$1\" || [ $? -eq 1 ]";
        let arguments = ["-c", script, program.to_str().unwrap(), state.to_str().unwrap()];
        serde_json::from_str(&disk.run("sh".as_ref(), &arguments).unwrap()).unwrap()
    };
    let waiting = || Some(status()).filter(|status| status["store"]["unsaved"].as_u64() > Some(0));
    let reported = poll(PATIENCE, waiting).expect("documents wait");
    assert!(problem(&reported).is_some(), "{reported:#}");
    // Earlier documents are listed from the disk as it is.
    assert!(clients(&listed()).contains(&&*before));
    let later = strangers.send().to_string();
    let counted = |agent: &Agent| {
        let is_counted = || (status()["store"]["unsaved"].as_u64() >= Some(2)).then_some(());
        poll(PATIENCE, is_counted).unwrap_or_else(|| panic!("{:#} {}", status(), agent.log()));
    };
    counted(&agent);
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert_eq!(ended.log.matches(FAILS).count(), 1, "{}", ended.log);
    let unsaved = ended.number("unsaved").unwrap();
    assert!(unsaved >= 2 && ended.number("dropped").unwrap() == 0, "{}", ended.log);
    let last = format!("smb-sensor: {unsaved} documents are not in the store in {}", state.display());
    assert!(ended.log.lines().last().unwrap_or_default().starts_with(&last), "{}", ended.log);

    disk.repair().unwrap();
    let agent = start();
    let after = strangers.send().to_string();
    poll(PATIENCE, || clients(&agent.documents()).contains(&&*after).then_some(())).expect("it is reported");
    let kept = listed();
    assert!(ended.documents.iter().all(|document| kept.contains(document)), "reported and not kept");
    for (client, is_kept) in [(before, true), (unkept, false), (later, false), (after, true)] {
        assert_eq!(clients(&kept).contains(&&*client), is_kept, "{client}: {kept:#?}");
    }
    let ended = agent.stop().unwrap();
    assert_eq!((ended.code, ended.number("unsaved").unwrap()), (Some(0), 0), "{}", ended.log);
}
