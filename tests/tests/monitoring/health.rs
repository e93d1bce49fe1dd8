//! `/healthz` and `/readyz` say what is the case.

use std::time::Duration;

use sensor_lab::{Topology, require_lab};
use sensor_tests::{Agent, PATIENCE};

use crate::{
    CONFIG, converse,
    http::{get, wait_for},
};

/// Time in which a store that does not commit is reported.
const STUCK: Duration = Duration::from_secs(30);

#[test]
fn ready_while_every_interface_is_watched() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0,wan*").config(CONFIG).start().unwrap();
    let ready = wait_for(gateway, "/readyz", PATIENCE, |answer| answer.status == 200).unwrap();
    assert_eq!(ready.body, "ready\n");
    assert_eq!(get(gateway, "/healthz").unwrap().body, "ok\n");
    gateway.ip("link delete lan0").unwrap();
    let other = wait_for(gateway, "/readyz", PATIENCE, |answer| answer.status == 503).unwrap();
    assert_eq!(other.body, "interface lan0 is not watched: there is no such interface\n");
    assert_eq!(get(gateway, "/healthz").unwrap().status, 200, "the agent itself works");
    agent.stop().unwrap();
}

#[test]
fn not_ready_while_the_store_does_not_commit() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).fault("hang:store-writer:15").start().unwrap();
    converse(&border).unwrap();
    let stuck = wait_for(gateway, "/readyz", STUCK, |answer| answer.body.contains("the store")).unwrap();
    assert_eq!(stuck.status, 503, "{}", stuck.body);
    assert!(stuck.body.starts_with("the store has not committed anything for "), "{}", stuck.body);
    wait_for(gateway, "/readyz", STUCK, |answer| answer.status == 200).unwrap();
    agent.stop().unwrap();
}
