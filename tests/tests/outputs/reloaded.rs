//! Outputs that change while the agent runs.

use std::fs;

use sensor_lab::{Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, documents_of};

use super::converse;

#[test]
fn outputs_change_at_a_signal_without_loss_or_repetition() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("smb-sensor.toml");
    let file = |name: &str, path: &str| {
        let path = scratch.path().join(path);
        format!("[[output]]\ntype = \"file\"\nname = \"{name}\"\npath = {path:?}\ntake = \"both\"\n")
    };
    let write = |outputs: &[String]| {
        let stdout = "[[output]]\ntype = \"stdout\"\ntake = \"both\"\n";
        fs::write(&path, format!("[kernel]\nflow_idle = 10\n{stdout}{}", outputs.concat())).unwrap();
    };
    write(&[file("moved", "a"), file("removed", "b")]);
    let arguments = ["--config", path.to_str().unwrap()];
    let mut agent = Agent::on(border.gateway(), "lan0").arguments(&arguments).start().unwrap();
    let talk = |agent: &Agent| {
        let before = agent.documents().len();
        poll(PATIENCE, || {
            converse(&border).unwrap();
            (agent.documents().len() > before).then_some(())
        })
        .unwrap();
    };
    let reload = |agent: &mut Agent, outputs: &[String], changed: &str| {
        write(outputs);
        agent.signal(Signal::SIGHUP).unwrap();
        agent.wait_for_log(&format!("changed outputs: {changed}")).unwrap();
        talk(agent);
    };
    talk(&agent);
    reload(&mut agent, &[file("moved", "c"), file("removed", "b")], "moved");
    reload(&mut agent, &[file("moved", "c")], "removed");
    reload(&mut agent, &[file("moved", "c"), file("added", "d")], "added");
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("applied only after a restart"), "{}", ended.log);
    let lines =
        |name: &str| documents_of(fs::read_to_string(scratch.path().join(name)).unwrap().lines()).unwrap();
    assert_eq!([lines("a"), lines("c")].concat(), ended.documents, "all, once and in order");
    let [before, after] = [lines("b"), lines("d")];
    assert_eq!(before[..], ended.documents[..before.len()], "until it was removed");
    assert_eq!(after[..], ended.documents[ended.documents.len() - after.len()..], "from when it was added");
    assert!(!before.is_empty() && before.len() + after.len() < ended.documents.len());
}
