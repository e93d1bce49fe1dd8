//! An internal client talks SMB to a server on the Internet: the sensor on the gateway's LAN side tells.

use sensor_lab::{Smbclient, Smbd, Topology, address, require_lab};
use sensor_tests::{Agent, text};

#[test]
fn a_real_smb_session_to_the_internet_alerts_with_its_evidence() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let outcome = Smbclient::new(border.client(), address::SERVER_V4).get("hello.txt").unwrap();
    assert!(outcome.success(), "{}", outcome.output);

    let alert = agent
        .wait_for(|d| text(d, "/rule/id") == "smb-to-internet" && text(d, "/smb_sensor/alert/status") == "closed")
        .unwrap();
    eprintln!("{alert:#}");
    eprintln!("{}", agent.log());
    let ended = agent.stop().unwrap();
    eprintln!("{}", ended.statistics);
    assert_eq!(ended.rules(), ["rare-smb-destination", "smb-to-internet"]);
}
