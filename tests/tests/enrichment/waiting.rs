//! An incident waits for facts about its hosts, but not for long, and nothing else waits.

use std::time::Duration;

use sensor_lab::{Answer, TcpListener, Topology, address, poll, require_lab};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, text};

/// Time in which the worker answers after all: longer than it hangs.
const ANSWERED: Duration = Duration::from_secs(90);

#[test]
fn incident_is_written_without_a_worker_that_hangs_and_updated_when_it_answers() {
    require_lab!(Network);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").fault("hang:enrich:40").start().unwrap();
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    let opened = agent.wait_for(|document| text(document, "/event/action") == "incident-opened").unwrap();
    assert_eq!(text(&opened, "/source/mac"), "", "the worker has not answered, and is not waited for");
    let updated = poll(ANSWERED, || {
        agent.documents().into_iter().find(|document| !text(document, "/source/mac").is_empty())
    });
    let updated = updated.unwrap_or_else(|| panic!("no address in {:#?}", agent.documents()));
    assert_eq!(text(&updated, "/event/kind"), "event", "{updated}");
    agent.stop().unwrap();
}
