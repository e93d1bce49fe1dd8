//! The name under which a host leased its address, and its hardware address.

use sensor_lab::{Answer, Dnsmasq, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, finds, text};

use super::dhcp;

fn hardware_address(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join("-")
}

#[test]
fn incident_has_the_name_of_the_lease_and_the_hardware_address() {
    require_lab!(Names);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let leases = scratch.path().join("dnsmasq.leases");
    let config = format!(
        "[[lease_file]]\nfile = {leases:?}\nformat = \"dnsmasq\"\n[enrichment]\nneighbours = false\n"
    );
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();

    let _dhcp = Dnsmasq::leasing(border.gateway(), "lan0", address::CLIENT_V4, &leases).unwrap();
    assert_eq!(dhcp::lease(border.client(), "eth0", "pc-ann").unwrap(), address::CLIENT_V4);
    // The agent looks at the file once a second.
    let names = |document: &serde_json::Value| text(document, "/host/name") == "pc-ann";
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    agent.wait_for(|document| finds(document, "smb-to-internet")).unwrap();
    let named = sensor_lab::poll(sensor_tests::PATIENCE, || {
        // Each connection asks again.
        let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
        echo(&mut stream, &SMB2_MESSAGE).unwrap();
        agent.documents().into_iter().find(names)
    });
    let named = named.unwrap();
    let mac = hardware_address(border.client().mac_address("eth0").unwrap());
    assert_eq!(text(&named, "/source/mac"), mac);
    assert_eq!(text(&named, "/source/domain"), "pc-ann");
    agent.stop().unwrap();
}

#[test]
fn neighbour_table_gives_the_hardware_address_of_a_new_incident() {
    require_lab!(Network);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    // A document waits for it, but not for long: on a busy machine the next one has it.
    let named = agent.wait_for(|document| !text(document, "/source/mac").is_empty()).unwrap();
    let mac = hardware_address(border.client().mac_address("eth0").unwrap());
    assert_eq!(text(&named, "/source/mac"), mac, "{named}");
    agent.stop().unwrap();
}
