//! Exemptions that the fleet shares.

use std::{fs, net::Ipv4Addr, path::Path};

use sensor_lab::{NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, text};
use serde_json::Value;

use super::{HEALTH, config, converse, sensor};

fn incidents(documents: &[Value]) -> usize {
    documents.iter().filter(|one| text(one, "/data_stream/dataset") == "smb_sensor.incident").count()
}

#[test]
fn sensors_apply_shared_exemptions_also_those_that_were_offline() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let (client, other) = (border.client(), border.lan_server().unwrap());
    let scratch = scratch_dir().unwrap();
    let at = Ipv4Addr::LOCALHOST;
    let mut server = NatsServer::start(border.gateway(), at, &scratch.path().join("nats"), "").unwrap();
    let path = scratch.path().join("smb-sensor.toml");
    fs::write(&path, config(&[at], "anywhere", HEALTH)).unwrap();
    let exempt = |what: &str, arguments: &[&str]| -> (String, String) {
        let mut command = border.gateway().command(Agent::program().unwrap());
        command.args(["fleet", "exempt", what, "--config"]).arg(&path).args(arguments);
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let with = |site: &str| config(&[at], site, HEALTH) + "fleet_exemptions = true\n";
    let [graz_state, vienna_state] = ["graz", "vienna"].map(|site| scratch.path().join(site));
    let start = |interface: &str, site: &str, state: &Path| {
        sensor(&border, interface, &with(site)).state_dir(state).start().unwrap()
    };

    let graz = start("lan0", "graz", &graz_state);
    let entry = ["--destination", "8.8.4.4", "--reason", "nightly backup", "--id", "backup"];
    let (said, wrong) = exempt("add", &entry);
    assert!(said.contains("shared backup: any -> 8.8.4.4"), "{said} {wrong}");
    let (_, refused) = exempt("add", &entry);
    assert!(refused.contains("there is an exemption of this name already"), "{refused}");
    let (listed, _) = exempt("list", &[]);
    for words in
        ["backup  any -> 8.8.4.4", "reason:  nightly backup", "origin:  added by ", "sites:   all sites"]
    {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    graz.wait_for_log("the fleet shares 1 exemption with this sensor").unwrap();
    graz.wait_for_log("reloaded:").unwrap();
    converse(&border, &[client]).unwrap();
    graz.wait_for_outputs().unwrap();
    let ended = graz.stop().unwrap();
    assert_eq!((ended.code, incidents(&ended.documents)), (Some(0), 0), "{}", ended.log);

    // No server can be reached: what is known stays in force.
    server.end(Signal::SIGTERM).unwrap();
    let graz = start("lan0", "graz", &graz_state);
    converse(&border, &[client]).unwrap();
    let ended = graz.stop().unwrap();
    assert_eq!(incidents(&ended.documents), 0, "{}", ended.log);
    server.begin().unwrap();

    // One that was offline all the time gets it now; one of another site does not get what is not for it.
    let site = ["--site", "graz"];
    let (said, wrong) =
        exempt("add", &[&["--destination", "9.9.9.9", "--reason", "x", "--id", "dns"][..], &site].concat());
    assert!(said.contains("shared dns"), "{said} {wrong}");
    let vienna = start("lan1", "vienna", &vienna_state);
    vienna.wait_for_log("the fleet shares 1 exemption with this sensor").unwrap();
    vienna.wait_for_log("reloaded:").unwrap();
    converse(&border, &[other]).unwrap();
    let ended = vienna.stop().unwrap();
    assert_eq!(incidents(&ended.documents), 0, "{}", ended.log);

    // It is removed while the sensor is offline.
    let (said, _) = exempt("remove", &["backup"]);
    assert!(said.contains("no longer shared: backup"), "{said}");
    assert!(exempt("remove", &["backup"]).1.contains("there is no such exemption"));
    let vienna = start("lan1", "vienna", &vienna_state);
    vienna.wait_for_log("the fleet shares 0 exemptions with this sensor").unwrap();
    poll(PATIENCE, || {
        converse(&border, &[other]).unwrap();
        (incidents(&vienna.documents()) > 0).then_some(())
    })
    .unwrap_or_else(|| panic!("no incident: {}", vienna.log()));
}
