//! `/metrics`: its text, its names, and that they are documented.

use std::collections::BTreeMap;

use sensor_lab::{Signal, Topology, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE};

use crate::{
    CONFIG, converse,
    http::{get, get_with, wait_for},
};

const DOCUMENTATION: &str = include_str!("../../../docs/monitoring.md");

/// Further configuration that gives every metric a value.
pub(crate) const EVERYTHING: &str = "[[exempt]]\nid = \"copy\"\nsource = \"10.0.0.9\"\nreason = \"test\"\n\
                                     expires = \"2261-01-01\"\n";

/// Type and help text of each metric.
fn described(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let mut all: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let ("#", Some(what), Some(name), Some(rest)) =
            (words.next().unwrap_or_default(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        match what {
            "HELP" => all.entry(name).or_default().1 = rest,
            "TYPE" => all.entry(name).or_default().0 = rest,
            _ => {}
        }
    }
    all
}

#[test]
fn documentation_has_every_metric_with_its_type_and_meaning() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(CONFIG).start().unwrap();
    let text = wait_for(border.gateway(), "/metrics", PATIENCE, |answer| answer.status == 200).unwrap().body;
    let documented: BTreeMap<&str, (&str, &str)> = DOCUMENTATION
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.strip_prefix("| `smb_sensor_")?.split('|').map(str::trim).collect();
            let [_, kind, _, meaning, _] = cells[..] else { return None };
            let name = line.split('`').nth(1)?;
            Some((name, (kind, meaning)))
        })
        .collect();
    let served: BTreeMap<_, _> = described(&text)
        .into_iter()
        .map(|(name, (kind, help))| (name, (kind, help.trim_end_matches('.'))))
        .collect();
    let table: String =
        served.iter().map(|(name, (kind, help))| format!("| `{name}` | {kind} |  | {help} |\n")).collect();
    assert_eq!(documented, served, "the table would be\n{table}");
    agent.stop().unwrap();
}

#[test]
fn refused_reload_is_counted_and_shown_until_one_is_applied() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let file = scratch.path().join("sensor.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let mut agent =
        Agent::on(gateway, "lan0").arguments(&["--config", file.to_str().unwrap()]).start().unwrap();
    let shows = |lines: [&str; 2]| {
        wait_for(gateway, "/metrics", PATIENCE, |answer| {
            lines.iter().all(|line| answer.body.lines().any(|one| one == *line))
        })
        .unwrap();
    };
    let last = "smb_sensor_config_last_reload_successful";
    std::fs::write(&file, "nonsense").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    shows([&format!("{last} 0.0"), "smb_sensor_config_reloads_total{outcome=\"refused\"} 1"]);
    std::fs::write(&file, CONFIG).unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    shows([&format!("{last} 1.0"), "smb_sensor_config_reloads_total{outcome=\"applied\"} 1"]);
    agent.stop().unwrap();
}

#[test]
fn incident_is_counted_in_both_formats() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let config = format!("{CONFIG}{EVERYTHING}");
    let agent = Agent::on(gateway, "lan0").config(&config).start().unwrap();
    converse(&border).unwrap();
    let counted = "smb_sensor_opened_incidents_total{severity=\"high\"} 1";
    let text = wait_for(gateway, "/metrics", PATIENCE, |answer| answer.body.contains(counted)).unwrap();
    assert!(text.head.contains("content-type: text/plain; version=0.0.4"), "{}", text.head);
    for line in [
        "smb_sensor_incidents{severity=\"high\",state=\"open\"} 1.0",
        "smb_sensor_findings_total{rule=\"smb-to-internet\"} 1",
        "smb_sensor_interface_attached{interface=\"lan0\"} 1.0",
        "smb_sensor_exemption_in_force{exemption=\"copy\"} 1.0",
        "smb_sensor_store_failing 0.0",
    ] {
        assert!(text.body.lines().any(|one| one == line), "no {line} in\n{}", text.body);
    }
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let open = get_with(gateway, "/metrics", accept).unwrap();
    assert!(open.head.contains("content-type: application/openmetrics-text"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n") && open.body.contains(counted), "{}", open.body);
    assert_eq!(get(gateway, "/none").unwrap().status, 404);
    agent.stop().unwrap();
}
