//! Two sensors that see the same connections.

use std::{net::Ipv4Addr, time::Duration};

use async_nats::ConnectOptions;
use sensor_lab::{NatsServer, Topology, poll, require_lab, scratch_dir};
use sensor_tests::nats::stored;

use super::{cluster::SETTLED_WITHIN, config, converse, sensor, wait_for_summaries};

/// Of some of them, both sensors see the first packet within the same millisecond: their summaries have the same identifier.
const CONNECTIONS: usize = 10;

#[test]
fn stream_has_the_documents_of_both_sensors() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let at = Ipv4Addr::LOCALHOST;
    let server = NatsServer::start(border.gateway(), at, &scratch.path().join("nats"), "").unwrap();
    let start = |interface, site| sensor(&border, interface, &config(&[at], site, Duration::ZERO)).start();
    let (inner, outer) = (start("lan0", "graz").unwrap(), start("wan0", "vienna").unwrap());
    for _ in 0..CONNECTIONS {
        converse(&border, &[border.client()]).unwrap();
    }
    for agent in [&inner, &outer] {
        wait_for_summaries(agent, CONNECTIONS).unwrap();
    }
    let of = |site: &str| {
        let subject = format!("smb-sensor.{site}.gate.flow");
        stored(border.gateway(), server.address(), ConnectOptions::new(), &subject).map_or(0, |all| all.len())
    };
    let both = || (of("graz"), of("vienna"));
    let all = (CONNECTIONS, CONNECTIONS);
    poll(SETTLED_WITHIN, || (both() == all).then_some(())).unwrap_or_else(|| panic!("{:?}", both()));
}
