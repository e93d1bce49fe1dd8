//! An exemption by process covers that process alone.

use sensor_lab::{Cgroup, Process, Topology, address, require_lab};
use sensor_tests::{Agent, PATIENCE, has_finding, number};

use crate::{RULE, executable, shell};

#[test]
fn exempt_process_is_silent_by_name_and_file_and_another_is_not() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let config = format!(
        "[[exempt]]\nprocess = \"backupd\"\nreason = \"test\"\n\
         [[exempt]]\nprocess = \"{}\"\ndestination = \"{}\"\nreason = \"test\"\n",
        executable("bash"),
        address::SERVER_V6
    );
    let agent = Agent::on(border.client(), "eth0").config(&config).owners_in(&cgroup).start().unwrap();
    agent.wait_for_log("names neither a source nor a destination").unwrap();
    let (v4, v6) = (address::SERVER_V4.to_string(), address::SERVER_V6.to_string());
    // Nobody listens: only the opener matters, and the last one comes after the others were decided.
    let connect = |name: &str, to: &str| {
        let script = format!("printf {name} > /proc/$$/comm; : 3<>/dev/tcp/{to}/445; echo asked");
        let client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
        client.wait_for_line(PATIENCE, |line| line == "asked").unwrap();
        client
    };
    let _exempt = [connect("backupd", &v4), connect("anybody", &v6)];
    let other = connect("anybody", &v4);
    agent.wait_for(has_finding(RULE, "refused")).unwrap();
    let ended = agent.stop().unwrap();
    let id = u64::from(other.id());
    assert!(
        ended.documents.iter().all(|alert| number(alert, "/process/pid") == id),
        "{:#?}",
        ended.documents
    );
    assert_eq!(ended.number("exempt").unwrap(), 2, "{}", ended.statistics);
}
