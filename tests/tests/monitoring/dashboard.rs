//! The dashboard for Grafana, against the model of a dashboard.

use std::collections::BTreeSet;

use serde_json::Value;

const DASHBOARD: &str = include_str!("../../../packaging/grafana/smb-sensor.json");
const SCHEMA: &str = include_str!("../../fixtures/grafana/dashboard.schema.json");

#[test]
fn dashboard_is_valid_and_no_panel_covers_another() {
    let [dashboard, schema] = [DASHBOARD, SCHEMA].map(|text| serde_json::from_str::<Value>(text).unwrap());
    let validator = jsonschema::draft202012::options().build(&schema).unwrap();
    let mistakes: Vec<String> = validator
        .iter_errors(&dashboard)
        .map(|mistake| format!("{}: {mistake}", mistake.instance_path()))
        .collect();
    assert_eq!(mistakes, [""; 0]);

    let panels = dashboard["panels"].as_array().unwrap();
    let identifiers: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(identifiers.len(), panels.len(), "each panel has its own identifier");
    let mut covered = BTreeSet::new();
    for panel in panels {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y) = (place("x")..place("x") + place("w"), place("y")..place("y") + place("h"));
        assert!(x.end <= 24, "{} is beyond the edge", panel["title"]);
        for cell in x.flat_map(|x| y.clone().map(move |y| (x, y))) {
            assert!(covered.insert(cell), "{} covers another panel", panel["title"]);
        }
    }
}
