//! `smb-sensor check` tries the steps of `run`, reports each result in a line and leaves nothing behind.

use std::fs;
use std::process::Output;

use anyhow::Result;
use sensor_lab::{Cgroup, Namespace, Topology, require_lab, scratch_dir};
use sensor_tests::{Agent, attached, attached_to};

/// Runs the check. With an interface it tries the owner programs as well: at `cgroup`, or not at all.
fn check_with(namespace: &Namespace, arguments: &[&str], cgroup: Option<&Cgroup>) -> Result<Output> {
    let scratch = scratch_dir()?;
    let config = scratch.path().join("smb-sensor.toml");
    let key = cgroup.map_or_else(
        || "attribution = \"off\"".to_owned(),
        |cgroup| format!("cgroup = \"{}\"", cgroup.path().display()),
    );
    fs::write(&config, format!("[process]\n{key}\n"))?;
    let mut command = namespace.command(Agent::program()?);
    Ok(command.arg("check").arg("--config").arg(config).args(arguments).output()?)
}

fn check(namespace: &Namespace, arguments: &[&str]) -> Result<Output> {
    check_with(namespace, arguments, None)
}

/// The line on `what`: its state and its text.
fn line<'a>(text: &'a str, what: &str) -> Option<(&'a str, &'a str)> {
    text.lines().find_map(|line| {
        let (state, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once(' ')?;
        (name == what).then(|| (state, rest.trim_start()))
    })
}

#[test]
fn interface_watched_by_this_sensor_is_no_fault() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let before = attached(border.gateway(), "lan0").unwrap();
    let output = check(border.gateway(), &["--iface", "lan0"]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = format!("watched by smb-sensor now (process {}); not tried beside it", agent.id());
    assert!(output.status.success(), "{text}");
    assert_eq!(line(&text, "lan0"), Some(("ok", expected.as_str())), "{text}");
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), before, "it goes on watching");
    agent.stop().unwrap();
}

#[test]
fn tries_an_interface_and_leaves_it_unchanged() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let output = check(border.gateway(), &["--iface", "lan0"]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for what in ["kernel", "privileges", "program"] {
        assert_eq!(line(&text, what).map(|(state, _)| state), Some("ok"), "{what}: {text}");
    }
    let tried = ("ok", "incoming by native XDP, outgoing by TCX (tried)");
    assert_eq!(line(&text, "lan0"), Some(tried), "{text}");
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn reports_offloads_as_text_and_json() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let output = check(border.gateway(), &["--iface", "lan0", "--json"]).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    let check = |what: &str| {
        let all = report["checks"].as_array().unwrap();
        all.iter().find(|line| line["check"] == what).unwrap_or_else(|| panic!("no {what}: {report:#}"))
    };
    for what in ["maps", "helpers", "pinning"] {
        assert_eq!(check(what)["state"], "ok", "{report:#}");
    }
    let offloads = check("lan0 offloads")["text"].as_str().unwrap();
    assert!(offloads.contains("GRO o") && offloads.contains("TSO o"), "{offloads}");
}

#[test]
fn unknown_interface_is_missing_and_a_failure() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let output = check(border.gateway(), &["--iface", "nope"]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (state, what) = line(&text, "nope").unwrap();
    assert!(state == "missing" && what.contains("lan0"), "{text}");
}

#[test]
fn interface_in_use_is_missing_and_its_user_undisturbed() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").called("other-program").start().unwrap();
    let before = attached(border.gateway(), "lan0").unwrap();
    let output = check(border.gateway(), &["--iface", "lan0"]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (state, what) = line(&text, "lan0").unwrap();
    assert!(state == "missing" && what.contains("XDP program already"), "{text}");
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), before);
    agent.stop().unwrap();
}

#[test]
fn tries_attribution_and_leaves_the_cgroup_unchanged() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let output = check_with(border.client(), &["--iface", "eth0"], Some(&cgroup)).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let tried = format!("connections opened by processes below {} (tried)", cgroup.path().display());
    assert_eq!(line(&text, "attribution"), Some(("ok", tried.as_str())), "{text}");
    assert_eq!(attached_to(&cgroup).unwrap(), [""; 0]);
}
