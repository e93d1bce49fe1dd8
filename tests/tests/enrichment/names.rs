//! Names of hosts by reverse DNS.

use sensor_lab::{Answer, Dnsmasq, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, text};

#[test]
fn name_of_the_external_host_is_asked_for_in_the_background_if_that_is_on() {
    require_lab!(Names);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let _names =
        Dnsmasq::start(border.client(), address::CLIENT_V4, "files.example", &[address::SERVER_V4.into()])
            .unwrap();
    for is_on in [false, true] {
        let config = format!("[dns]\nservers = [\"10.0.0.2\"]\n[enrichment]\nreverse_dns = {is_on}\n");
        let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
        let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
        echo(&mut stream, &SMB2_MESSAGE).unwrap();
        let named = |document: &serde_json::Value| text(document, "/destination/domain") == "files.example";
        if is_on {
            agent.wait_for(named).unwrap();
        }
        let ended = agent.stop().unwrap();
        assert_eq!(ended.documents.iter().any(named), is_on, "{}", ended.log);
    }
}
