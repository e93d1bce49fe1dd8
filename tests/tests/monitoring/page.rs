//! The status page of a running agent, as text.

use std::process::Command;

use sensor_lab::{Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE};

use crate::{
    CONFIG, converse,
    http::{get, wait_for},
};

/// What a browser shows of escaped text.
fn unescaped(text: &str) -> String {
    let entities = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[test]
fn incident_of_a_running_agent_has_the_text_of_the_command() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(gateway, "lan0")
        .config(&format!("flow_documents = true\n{CONFIG}"))
        .state_dir(state.path())
        .start()
        .unwrap();
    converse(&border).unwrap();
    let list =
        wait_for(gateway, "/incidents?q=8.8.4.4", PATIENCE, |answer| answer.body.contains("/incidents/"))
            .unwrap();
    let id: String = list.body.split("/incidents/").nth(1).unwrap().chars().take(16).collect();
    let beginning = get(gateway, &format!("/incidents/{}", &id[..6])).unwrap();
    assert_eq!(beginning.status, 303, "{}", beginning.body);
    assert!(beginning.head.contains(&format!("location: /incidents/{id}")), "{}", beginning.head);
    // The incident may go on between the command and the page: then both are asked again.
    let missing = || -> Vec<String> {
        let mut command = Command::new(Agent::program().unwrap());
        command.args(["alerts", &id, "--state-dir"]).arg(state.path());
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(text.lines().count() > 5, "{text}");
        let shown = unescaped(&get(gateway, &format!("/incidents/{id}")).unwrap().body);
        let lines =
            text.lines().filter(|line| !line.starts_with("  volume") && !line.starts_with("CRITICAL"));
        lines.filter(|line| !shown.contains(line)).map(str::to_owned).collect()
    };
    poll(PATIENCE, || missing().is_empty().then_some(()))
        .unwrap_or_else(|| panic!("the page does not show {:#?}", missing()));
    let overview = get(gateway, "/").unwrap();
    assert!(overview.body.contains(&format!("/incidents/{id}")) && overview.body.contains("lan0"));
    assert!(overview.head.contains("content-security-policy: default-src 'none'; style-src 'self'"));
    let flow = format!("<a href=\"/incidents/{id}\">{id}</a>");
    wait_for(gateway, "/flows", PATIENCE, |answer| answer.body.contains(&flow)).unwrap();
    for path in ["/incidents/0000000000000000", "/incidents/nothing", "/incidents/ffff", "/assets/none"] {
        assert_eq!(get(gateway, path).unwrap().status, 404, "{path}");
    }
    agent.stop().unwrap();
}

#[test]
fn page_can_be_turned_off() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(&format!("{CONFIG}page = false\n")).start().unwrap();
    for path in ["/", "/incidents", "/live", "/assets/style.css"] {
        assert_eq!(get(gateway, path).unwrap().status, 404, "{path}");
    }
    assert_eq!(get(gateway, "/healthz").unwrap().status, 200);
    agent.stop().unwrap();
}
