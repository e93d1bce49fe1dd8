//! The page of the fleet, as an agent with an output to NATS serves it.

use std::{fs, net::Ipv4Addr, time::Duration};

use sensor_lab::{Namespace, NatsServer, Signal, Topology, curl, poll, require_lab, scratch_dir};
use sensor_tests::Agent;

use super::{HEALTH, config, converse, sensor};

/// Makes the agent serve pages.
const HTTP: &str = "[http]\nlisten = \"127.0.0.1:9645\"\n";

/// Time in which the page follows the stream: it reads again after ten seconds, if somebody looks.
const FOLLOWS: Duration = Duration::from_secs(120);

fn get(namespace: &Namespace, path: &str) -> String {
    let got = curl(namespace, &[&format!("http://127.0.0.1:9645{path}")]);
    got.map(|outcome| outcome.output).unwrap_or_default()
}

/// Looks at the page until it has all of these texts.
fn shows(namespace: &Namespace, texts: &[&str]) -> String {
    shows_without(namespace, texts, None)
}

/// The same, until it also has not the other text.
fn shows_without(namespace: &Namespace, texts: &[&str], other: Option<&str>) -> String {
    let fits = |page: &String| {
        texts.iter().all(|text| page.contains(text)) && other.is_none_or(|other| !page.contains(other))
    };
    poll(FOLLOWS, || Some(get(namespace, "/fleet")).filter(fits))
        .unwrap_or_else(|| panic!("no {texts:?}, or {other:?}, in {}", get(namespace, "/fleet")))
}

#[test]
fn page_shows_all_sensors_and_says_when_no_server_answers() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let at = Ipv4Addr::LOCALHOST;
    let mut server = NatsServer::start(gateway, at, &scratch.path().join("nats"), "").unwrap();
    let graz = sensor(&border, "lan0", &format!("{}{HTTP}", config(&[at], "graz", HEALTH))).start().unwrap();
    let vienna = sensor(&border, "lan1", &config(&[at], "vienna", HEALTH)).start().unwrap();
    converse(&border, &[border.client(), border.lan_server().unwrap()]).unwrap();

    let two = ["graz/gate", "vienna/gate", "2 alive", "8.8.4.4", "c-cc005f7d5d94", "graz/gate, vienna/gate"];
    shows_without(gateway, &two, Some("Not current"));
    assert!(get(gateway, "/").contains("href=\"/fleet\""), "the navigation has it");
    assert!(get(gateway, "/fleet?output=other").contains("no such output"));

    vienna.kill().unwrap();
    shows(gateway, &["1 alive, 1 silent, 0 unknown"]);

    server.end(Signal::SIGKILL).unwrap();
    let page = shows(gateway, &["Not current", "What is below was read at", "vienna/gate"]);
    assert!(page.contains("nats://127.0.0.1:4222"), "{page}");
    assert!(get(gateway, "/healthz").starts_with("ok"));

    server.begin().unwrap();
    shows_without(gateway, &["1 alive, 1 silent"], Some("Not current"));
    assert_eq!(graz.stop().unwrap().code, Some(0));
}

#[test]
fn reload_that_adds_an_output_to_nats_adds_the_page() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let path = scratch.path().join("smb-sensor.toml");
    fs::write(&path, HTTP).unwrap();
    let arguments = ["--config", path.to_str().unwrap()];
    let mut agent = Agent::on(gateway, "lan0").arguments(&arguments).start().unwrap();
    assert!(!get(gateway, "/").contains("/fleet"));
    assert!(get(gateway, "/fleet").contains("no fleet to show"));

    let at = Ipv4Addr::LOCALHOST;
    let _server = NatsServer::start(gateway, at, &scratch.path().join("nats"), "").unwrap();
    fs::write(&path, format!("{}{HTTP}", config(&[at], "graz", HEALTH))).unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("changed outputs").unwrap();
    shows(gateway, &["href=\"/fleet\"", "graz/gate", "1 alive"]);
    agent.stop().unwrap();
}
