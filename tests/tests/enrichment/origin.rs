//! Autonomous system and country of the external host.

use std::fs;

use sensor_lab::{Answer, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, echo, number, text};

/// Written by a test of the agent: `SMB_SENSOR_WRITE_GOLDEN=1 cargo test -p sensor-user mmdb`.
const DATABASE: &[u8] = include_bytes!("../../fixtures/mmdb/example.mmdb");

#[test]
fn incident_names_the_system_and_country_and_a_damaged_file_is_refused_in_words() {
    require_lab!(Network);
    let border = Topology::builder().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let [whole, damaged] = ["whole.mmdb", "damaged.mmdb"].map(|name| scratch.path().join(name));
    fs::write(&whole, DATABASE).unwrap();
    fs::write(&damaged, &DATABASE[..DATABASE.len() / 2]).unwrap();
    let config = format!("[enrichment]\nmmdb = [{damaged:?}, {whole:?}]\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    agent.wait_for_log("damaged.mmdb is not used: it is damaged or no MMDB file").unwrap();
    agent.wait_for_log("whole.mmdb: a database of type Example-ASN-Country is in use").unwrap();
    let mut stream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    // A document waits for it, but not for long: on a busy machine the next one has it.
    let named = agent.wait_for(|document| document.pointer("/destination/as").is_some()).unwrap();
    assert_eq!(number(&named, "/destination/as/number"), 64_500, "{named}");
    assert_eq!(text(&named, "/destination/as/organization/name"), "ExampleNet");
    assert_eq!(text(&named, "/destination/geo/country_iso_code"), "US");
    assert!(named.pointer("/source/as").is_none(), "{named}");
    agent.stop().unwrap();
}
