//! A record at which each agent ends.

use std::io::Write as _;

use sensor_common::counter::Counter;
use sensor_lab::require_lab;
use sensor_tests::{Agent, AgentBuilder, connect};
use sensor_user::{kernel::ring::MAX_ENDS, storage::DocumentKind};

use super::{Answer, CONTINUED, Stage, TcpListener, address, documents, speak};

/// A dialect that no server knows.
const DIALECT: &str = "FATAL";

/// SMB_COM_NEGOTIATE with one dialect (MS-CIFS 2.2.4.52).
fn negotiate() -> Vec<u8> {
    let mut message = b"\xffSMB\x72\0\0\0\0\x18\x01\x28".to_vec();
    message.resize(32, 0);
    let dialect = [b"\x02", DIALECT.as_bytes(), b"\0"].concat();
    message.push(0);
    message.extend((dialect.len() as u16).to_le_bytes());
    message.extend(dialect);
    let mut framed = (message.len() as u32).to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

/// An agent that ends at the record of that message.
fn mortal(stage: &Stage) -> AgentBuilder<'_> {
    stage.agent().fault(&format!("record:{DIALECT}"))
}

#[test]
fn record_at_which_several_agents_end_is_left_out() {
    require_lab!(Network);
    let stage = Stage::new();
    // It does not send the message back: then there would be two such records.
    let server = (address::SERVER_V4, 139);
    let _silent = TcpListener::start(stage.border.server(), server, Answer::Silence).unwrap();
    let first: Agent = mortal(&stage).start().unwrap();
    let before = speak(&stage.border);
    let mut stream = connect(stage.border.client(), server).unwrap();
    let port = stream.local_addr().unwrap().port();
    stream.write_all(&negotiate()).unwrap();
    drop(stream);
    let (code, log) = first.exited().unwrap();
    assert_ne!(code, Some(0), "{log}");
    let mut after = Vec::new();
    for _ in 1..MAX_ENDS {
        after.push(speak(&stage.border));
        let ended = mortal(&stage).refused().unwrap();
        assert_ne!(ended.code, Some(0), "{}", ended.stderr);
    }
    let agent = mortal(&stage).start().unwrap();
    agent.wait_for_log(CONTINUED).unwrap();
    let line = agent.wait_for_log("handled the same record").unwrap();
    assert!(line.starts_with('[') && line.contains(&format!("{MAX_ENDS} agents ended")), "{line}");
    after.push(speak(&stage.border));
    let ports: Vec<u16> = [before, port].into_iter().chain(after).collect();
    stage.assert_complete(&ports);
    let ended = stage.assert_counted(agent, ports.len());
    assert!(ended.statistics.contains(&format!("{}=1", Counter::LostLeftOut.name())), "{}", ended.statistics);

    let flows = documents(&stage.state(), DocumentKind::Flow);
    let of_port = flows.iter().find(|one| one["source"]["port"] == port).unwrap();
    assert_eq!(of_port["smb_sensor"]["evidence"]["complete"], false, "{of_port:#}");

    // The next agent is not mistaken about other records.
    let next = stage.start();
    let log = next.wait_for_log(CONTINUED).unwrap();
    assert!(!log.contains("handled the same record"), "{log}");
    assert_eq!(next.stop().unwrap().code, Some(0));
}
