//! However the agent ends, its interfaces are free afterwards.

use sensor_lab::{Answer, Signal, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, EvidenceLevel, PATIENCE, attached, connect, echo, number, reaches, still_loaded};

#[test]
fn sigint_and_sigterm_end_cleanly_and_detach() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let agent = Agent::on(border.gateway(), "lan0,wan0").start().unwrap();
        let programs = agent.kernel_programs().unwrap();
        assert!(programs.len() >= 3, "XDP, TC in, TC out: {programs:?}");
        let ended = agent.stop_by(signal).unwrap();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.log);
        for interface in ["lan0", "wan0"] {
            assert_eq!(attached(border.gateway(), interface).unwrap(), [""; 0], "{signal}");
        }
        assert_eq!(still_loaded(&programs, PATIENCE).unwrap(), [0; 0], "{signal}");
    }
}

#[test]
fn signal_during_start_ends_it_cleanly() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let how = ["--ingress", "tc", "--tc", "clsact"];
    let agent = Agent::on(border.gateway(), "lan0").arguments(&how);
    let agent = agent.start_until("no internal networks are configured").unwrap();
    let ended = agent.stop_by(Signal::SIGTERM).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn killed_agent_leaves_nothing_attached() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").start().unwrap();
    let programs = agent.kernel_programs().unwrap();
    assert!(programs.len() >= 3, "{programs:?}");
    agent.kill().unwrap();
    let next = Agent::on(border.gateway(), "lan0").start().unwrap();
    assert_eq!(attached(border.gateway(), "lan0").unwrap().len(), 2, "only the new agent's");
    next.kill().unwrap();
    assert_eq!(still_loaded(&programs, PATIENCE).unwrap(), [0; 0]);
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn next_agent_replaces_the_filters_of_a_killed_one() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let filters = ["filter ingress smb_tc_in", "filter egress smb_tc_out"];
    let agent = || Agent::on(border.gateway(), "lan0").arguments(&["--ingress", "tc", "--tc", "clsact"]);
    for _ in 0..2 {
        agent().start().unwrap().kill().unwrap();
        assert_eq!(attached(border.gateway(), "lan0").unwrap(), filters, "filters outlive their owner");
    }

    let last = agent().start().unwrap();
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), filters);
    let mut stream = connect(border.client(), server.address()).unwrap();
    echo(&mut stream, &[7; 100]).unwrap();
    drop(stream);
    last.wait_for(reaches("smb-to-internet", EvidenceLevel::Connected)).unwrap();
    let ended = last.stop().unwrap();
    let alert = ended.found("smb-to-internet").unwrap();
    assert_eq!(number(alert, "/smb_sensor/volume/left_bytes"), 100);
    assert_eq!(number(alert, "/network/packets"), ended.number("kept").unwrap());
    assert_eq!(attached(border.gateway(), "lan0").unwrap(), [""; 0]);
}

#[test]
fn keeps_an_earlier_clsact_qdisc_and_its_filters() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let tc = |arguments: &[&str]| {
        let output = border.gateway().command("tc").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    tc(&["qdisc", "add", "dev", "lan0", "clsact"]);
    // A classic BPF program that matches nothing.
    let program = ["prio", "7", "protocol", "all", "bpf", "bytecode", "1,6 0 0 0"];
    tc(&[&["filter", "add", "dev", "lan0", "egress"], &program[..]].concat());
    let agent = Agent::on(border.gateway(), "lan0").arguments(&["--tc", "clsact"]);
    agent.start().unwrap().stop().unwrap();
    let left = tc(&["filter", "show", "dev", "lan0", "egress"]);
    assert!(left.contains("pref 7 bpf") && !left.contains("smb_"), "{left}");
}
