//! The numbers add up: every watched packet has one outcome, every kept packet one flow, every loss a name.

use std::net::SocketAddrV4;

use anyhow::{Result, ensure};
use sensor_lab::{RawSocket, Signal, Smbd, Topology, address, poll, require_lab};
use sensor_tests::{Agent, Ended, PATIENCE, smb_session, syn_frame, text};

/// New flows in a burst; many times what the smallest slots and ring hold.
const FLOWS: u16 = 5_000;
const SMALLEST: &str = "[kernel]\nring_bytes = 65536\nflow_slots = 64\n";

#[test]
fn every_packet_of_a_real_session_has_an_outcome_and_a_flow() {
    require_lab!();
    let border = Topology::border().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config("flow_documents = true\n").start().unwrap();
    smb_session(border.client(), address::SERVER_V4).unwrap();
    smb_session(border.client(), address::SERVER_V6).unwrap();
    let is_flow = |one: &serde_json::Value| text(one, "/event/action") == "network_flow";
    agent.wait_for(|_| agent.documents().iter().filter(|one| is_flow(one)).count() == 2).unwrap();
    let ended = agent.stop().unwrap();
    assert_adds_up(&ended).unwrap();
    assert!(ended.number("kept").unwrap() > 40, "{}", ended.statistics);
    assert_eq!(ended.number("kept").unwrap(), ended.number("accounted").unwrap(), "{}", ended.statistics);
    assert_eq!(ended.number("lost").unwrap(), 0, "{}", ended.statistics);
    // The documents' own counts agree with the kernel's.
    let packets: u64 = ended
        .documents
        .iter()
        .filter(|one| is_flow(one))
        .map(|flow| flow["network"]["packets"].as_u64().unwrap())
        .sum();
    assert_eq!(packets, ended.number("kept").unwrap());
}

#[test]
fn burst_of_new_flows_is_counted_to_the_packet() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(SMALLEST).start().unwrap();
    burst(&border).unwrap();
    let ended = agent.stop().unwrap();
    assert_adds_up(&ended).unwrap();
    assert_eq!(ended.number("kept").unwrap(), u64::from(FLOWS), "{}", ended.statistics);
    assert!(ended.number("evicted").unwrap() > u64::from(FLOWS) / 2, "{}", ended.statistics);
    assert_kept_is_accounted_or_lost(&ended).unwrap();
}

#[test]
fn losses_of_a_full_ring_are_counted_to_the_packet() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let mut agent = Agent::on(border.gateway(), "lan0").config(SMALLEST).start().unwrap();
    // Nobody empties the ring.
    agent.signal(Signal::SIGSTOP).unwrap();
    burst(&border).unwrap();
    agent.signal(Signal::SIGCONT).unwrap();
    let ended = agent.stop().unwrap();
    assert_adds_up(&ended).unwrap();
    assert_eq!(ended.number("kept").unwrap(), u64::from(FLOWS), "{}", ended.statistics);
    assert!(ended.number("lost").unwrap() > u64::from(FLOWS), "{}", ended.statistics);
    assert_kept_is_accounted_or_lost(&ended).unwrap();
}

/// A SYN of each of [`FLOWS`] ports of the client to SMB servers on the Internet.
fn burst(border: &Topology) -> Result<()> {
    let socket = RawSocket::open(border.client(), "eth0")?;
    let macs = (border.client().mac_address("eth0")?, border.gateway().mac_address("lan0")?);
    for port in 10_000..10_000 + FLOWS {
        let from = SocketAddrV4::new(address::CLIENT_V4, port);
        let frame = syn_frame(macs, from, SocketAddrV4::new(address::SERVER_V4, 445));
        // A full queue of the interface refuses for a moment.
        let sent = poll(PATIENCE, || socket.send(&frame).ok());
        ensure!(sent.is_some(), "frame {port} was not sent");
    }
    Ok(())
}

fn assert_adds_up(ended: &Ended) -> Result<()> {
    ensure!(ended.number("seen")? == ended.outcomes()?, "{}", ended.statistics);
    ensure!(ended.number("undecodable")? == 0, "{}", ended.statistics);
    ensure!(ended.number("untracked")? == 0, "{}", ended.statistics);
    Ok(())
}

/// Without loss, kept packets equal accounted ones. A lost record loses at most the packets of its flow, some of
/// which an earlier record or sweep may have reported.
fn assert_kept_is_accounted_or_lost(ended: &Ended) -> Result<()> {
    let (kept, accounted) = (ended.number("kept")?, ended.number("accounted")?);
    let lost = ended.number("lost_packets")?;
    ensure!(accounted <= kept && kept <= accounted + lost, "{}", ended.statistics);
    Ok(())
}
