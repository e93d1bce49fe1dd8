//! A real rsyslog as the destination.

use std::{fs, net::Ipv4Addr};

use sensor_lab::{Rsyslogd, SyslogInput, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE, text};
use serde_json::Value;

use super::converse;

#[test]
fn rsyslog_takes_every_document_over_udp_tcp_and_tls() {
    require_lab!(Syslog);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(file);
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    let at = Ipv4Addr::new(127, 0, 0, 1);
    let server = |number: u8, name: &str, input| {
        Rsyslogd::start(border.gateway(), Ipv4Addr::new(127, 0, 0, number), input, &file(name)).unwrap()
    };
    let tls = server(at.octets()[3], "over-tls", SyslogInput::Tls(&certificate, &key));
    let (tcp, udp) = (server(2, "over-tcp", SyslogInput::Tcp), server(3, "over-udp", SyslogInput::Udp));

    let output = |name: &str, server: &str, more: &str| {
        format!(
            "[[output]]\ntype = \"syslog\"\nname = \"{name}\"\nserver = \"{server}\"\ntransport = \"{name}\"\n{more}"
        )
    };
    let config = [
        "[kernel]\nflow_idle = 10\n[[output]]\ntype = \"stdout\"\ntake = \"both\"\n".to_owned(),
        output("udp", &udp.address().to_string(), "take = \"both\"\n"),
        output("tcp", &tcp.address().to_string(), "take = \"both\"\n"),
        output("tls", "localhost:6514", &format!("take = \"both\"\nca_file = {certificate:?}\n")),
    ]
    .concat();
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    for _ in 0..5 {
        converse(&border).unwrap();
    }
    let is_flow = |one: &Value| text(one, "/data_stream/dataset") == "network_traffic.flow";
    agent.wait_for(is_flow).unwrap();
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for (name, server) in [("udp", udp), ("tcp", tcp), ("tls", tls)] {
        // Without acknowledgements, the agent ends before the server has written the last one.
        poll(PATIENCE, || (server.lines().len() >= ended.documents.len()).then_some(()));
        let lines = server.lines();
        assert_eq!(lines.len(), ended.documents.len(), "{name}");
        for (line, document) in lines.iter().zip(&ended.documents) {
            let [severity, host, program, kind, body] = line.splitn(5, '\t').collect::<Vec<_>>()[..] else {
                panic!("{name}: {line}")
            };
            let wanted = if is_flow(document) { "flow" } else { "incident" };
            assert_eq!((program, kind), ("smb-sensor", wanted), "{name}");
            let is_informational = severity == "info";
            assert_eq!(is_informational, is_flow(document), "{name}: {severity}");
            assert_eq!(host, text(document, "/observer/hostname"), "{name}");
            let received: Value = serde_json::from_str(body.trim_start()).unwrap();
            assert_eq!(received, *document, "{name}");
        }
    }
}
