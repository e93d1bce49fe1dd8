//! An incident waits for what is known of its hosts, but not for long, and nothing else waits at all.

use std::time::{Duration, Instant};

use sensor_lab::{Answer, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, text};

#[test]
fn incident_is_written_without_a_worker_that_hangs_and_updated_when_it_answers() {
    require_lab!(Network);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").fault("hang:enrich:6").start().unwrap();
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    let began = Instant::now();
    let opened = agent.wait_for(|document| text(document, "/event/action") == "incident-opened").unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(text(&opened, "/source/mac"), "", "the worker has not answered");
    let updated = agent.wait_for(|document| !text(document, "/source/mac").is_empty()).unwrap();
    assert_eq!(text(&updated, "/event/kind"), "event", "{updated}");
    agent.stop().unwrap();
}
