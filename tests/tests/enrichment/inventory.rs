//! Names and roles of own hosts.

use std::fs;

use sensor_lab::{Answer, Signal, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, text};

#[test]
fn inventory_names_the_host_and_a_bad_one_leaves_the_name() {
    require_lab!(Network);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let hosts = scratch.path().join("hosts.csv");
    fs::write(&hosts, "10.0.0.2,fs01,Ann Example,file-server\n").unwrap();
    let config = format!("[assets]\nfile = {hosts:?}\n");
    let mut agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    fs::write(&hosts, "10.0.0.2,fs02\n10.0.0.300,fs03\n").unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    let line = agent.wait_for_log("the inventory of own hosts stays as it was").unwrap();
    assert!(line.contains("hosts.csv, line 2: \"10.0.0.300\""), "{line}");
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    let opened = agent.wait_for(|document| text(document, "/event/action") == "incident-opened").unwrap();
    assert_eq!(text(&opened, "/smb_sensor/asset/name"), "fs01");
    assert_eq!(text(&opened, "/smb_sensor/asset/owner"), "Ann Example");
    assert_eq!(text(&opened, "/smb_sensor/asset/role"), "file-server");
    assert_eq!(text(&opened, "/host/name"), "fs01");
    assert!(text(&opened, "/message").starts_with("10.0.0.2 (fs01) "), "{opened}");
    assert!(text(&opened, "/message").contains("the inventory lists fs01 as a file server"), "{opened}");
    agent.stop().unwrap();
}
