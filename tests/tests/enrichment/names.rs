//! Names of hosts by reverse DNS.

use std::net::IpAddr;

use sensor_lab::{Answer, Dnsmasq, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, text};
use serde_json::Value;

#[test]
fn names_of_both_hosts_are_asked_for_in_the_background_if_that_is_on() {
    require_lab!(Names);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let records = [("files.example", address::SERVER_V4), ("pc-ann.example", address::CLIENT_V4)]
        .map(|(name, address)| (name, IpAddr::from(address)));
    let _names = Dnsmasq::naming(border.client(), address::CLIENT_V4, &records).unwrap();
    for is_on in [false, true] {
        let config = format!("[dns]\nservers = [\"10.0.0.2\"]\n[enrichment]\nreverse_dns = {is_on}\n");
        let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
        let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
        echo(&mut stream, &SMB2_MESSAGE).unwrap();
        let names_external = |document: &Value| text(document, "/destination/domain") == "files.example";
        let names_own = |document: &Value| text(document, "/host/name") == "pc-ann.example";
        let names_both = |document: &Value| {
            let is_client = text(document, "/source/domain") == "pc-ann.example";
            names_external(document) && names_own(document) && is_client
        };
        if is_on {
            agent.wait_for(names_both).unwrap();
        }
        let ended = agent.stop().unwrap();
        let any = |named: &dyn Fn(&Value) -> bool| ended.documents.iter().any(named);
        assert_eq!((any(&names_external), any(&names_own)), (is_on, is_on), "{}", ended.log);
    }
}
