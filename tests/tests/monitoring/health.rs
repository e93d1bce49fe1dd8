//! `/healthz` and `/readyz` report whether the agent works.

use std::time::Duration;

use sensor_lab::{Topology, require_lab};
use sensor_tests::{Agent, PATIENCE};

use crate::{
    CONFIG, converse,
    http::{Answer, get, wait_for},
};

/// Time in which a store that does not commit is reported, and in which it commits again.
const STUCK: Duration = Duration::from_secs(90);

#[test]
fn ready_while_every_interface_is_watched() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0,wan*").config(CONFIG).start().unwrap();
    let is_ready = |answer: &Answer| answer.status == 200 && answer.body == "ready\n";
    wait_for(gateway, "/readyz", PATIENCE, is_ready).unwrap();
    assert_eq!(get(gateway, "/healthz").unwrap().body, "ok\n");
    gateway.ip("link delete lan0").unwrap();
    let gone = "interface lan0 is not watched: there is no such interface\n";
    let names_it = |answer: &Answer| answer.status == 503 && answer.body == gone;
    wait_for(gateway, "/readyz", PATIENCE, names_it).unwrap();
    assert_eq!(get(gateway, "/healthz").unwrap().status, 200, "the agent itself works");
    agent.stop().unwrap();
}

#[test]
fn not_ready_while_the_store_does_not_commit() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let agent = Agent::on(gateway, "lan0").config(CONFIG).fault("hang:store-writer:40").start().unwrap();
    converse(&border).unwrap();
    let stuck = wait_for(gateway, "/readyz", STUCK, |answer| answer.body.contains("the store")).unwrap();
    assert_eq!(stuck.status, 503, "{}", stuck.body);
    assert!(stuck.body.starts_with("the store has not committed anything for "), "{}", stuck.body);
    wait_for(gateway, "/readyz", STUCK, |answer| answer.status == 200).unwrap();
    agent.stop().unwrap();
}
