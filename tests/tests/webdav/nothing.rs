//! HTTP that causes no incident: a log-on between internal hosts, or an OPTIONS request as browsers send it.

use sensor_lab::{PASSWORD, Topology, WebDavServer, address, curl, require_lab};
use sensor_tests::Agent;

use crate::{url, with_log_on};

const FLOWS: &str = "flow_documents = true\n";

#[test]
fn log_on_between_internal_hosts_is_nothing() {
    require_lab!(WebDav);
    let border = Topology::builder().lan_server().build().unwrap();
    let _server = WebDavServer::start(border.lan_server().unwrap(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0,lan1").config(FLOWS).start().unwrap();
    let arguments = with_log_on(&url(address::LAN_SERVER_V4), PASSWORD);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = curl(border.client(), &arguments).unwrap().output;
    assert!(answer.contains("multistatus"), "{answer}");
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("kept").unwrap(), 0);
}

#[test]
fn request_of_a_browser_for_options_is_nothing() {
    require_lab!(WebDav);
    let border = Topology::border().unwrap();
    let _server = WebDavServer::start(border.server(), 80).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(FLOWS).start().unwrap();
    let url = url(address::SERVER_V4);
    let fields = ["--header", "Origin: http://app.example", "--header", "Access-Control-Request-Method: PUT"];
    let request = ["--request", "OPTIONS", "--user-agent", "Mozilla/5.0", "--include", url.as_str()];
    let answer = curl(border.client(), &[&fields[..], &request].concat()).unwrap().output;
    assert!(answer.contains("204"), "{answer}");
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert!(ended.number("kept").unwrap() > 0, "the request was looked at: {}", ended.statistics);
}
