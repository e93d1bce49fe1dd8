//! Several outputs at once.

use std::fs;

use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, documents_of, text};

use super::converse;

#[test]
fn each_output_gets_what_it_takes_while_another_fails() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let config = format!(
        "[kernel]\nflow_idle = 10\n\
         [[output]]\ntype = \"file\"\nname = \"incidents\"\npath = {:?}\n\
         [[output]]\ntype = \"file\"\nname = \"critical\"\npath = {:?}\nmin_severity = \"critical\"\n\
         [[output]]\ntype = \"file\"\nname = \"flows\"\npath = {:?}\ntake = \"flows\"\n\
         [[output]]\ntype = \"file\"\nname = \"full\"\npath = \"/dev/full\"\n",
        file("incidents"),
        file("critical"),
        file("flows"),
    );
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("the output full does not accept documents").unwrap();
    let documents = |name: &str| {
        let text = fs::read_to_string(file(name)).unwrap();
        documents_of(text[..text.rfind('\n').map_or(0, |end| end + 1)].lines()).unwrap()
    };
    poll(PATIENCE, || (!documents("incidents").is_empty() && !documents("flows").is_empty()).then_some(()))
        .unwrap_or_else(|| panic!("nothing arrived: {}", agent.log()));
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(1), "documents wait for the full one: {}", ended.log);
    let datasets = |name: &str| -> Vec<String> {
        documents(name).iter().map(|one| text(one, "/data_stream/dataset").to_owned()).collect()
    };
    assert!(datasets("incidents").iter().all(|dataset| dataset == "smb_sensor.incident"));
    assert!(datasets("flows").iter().all(|dataset| dataset == "network_traffic.flow"));
    assert_eq!(datasets("critical"), [""; 0]);
    let line = |name: &str| {
        let start = format!("output {name}: ");
        ended.log.lines().rfind(|line| line.contains(&start)).unwrap_or_default().to_owned()
    };
    let written = datasets("incidents").len();
    assert!(line("incidents").contains(&format!("written={written} waiting=0 errors=0")), "{}", ended.log);
    assert!(line("full").contains("written=0") && line("full").contains("last_error="), "{}", ended.log);
}

#[test]
fn output_file_is_rotated() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("alerts.json");
    let config = format!("[[output]]\ntype = \"file\"\npath = {path:?}\nrotate_size = 4096\nkeep = 50\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    let first = scratch.path().join("alerts.json.1");
    poll(PATIENCE, || {
        converse(&border).unwrap();
        first.exists().then_some(())
    })
    .unwrap_or_else(|| panic!("it was not rotated: {}", agent.log()));
    let ended = agent.stop().unwrap();
    let mut lines = 0;
    for entry in fs::read_dir(scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("alerts.json") {
            lines += documents_of(fs::read_to_string(path).unwrap().lines()).unwrap().len() as u64;
        }
    }
    assert_eq!(lines, ended.number("written").unwrap());
}
