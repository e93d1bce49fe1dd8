use std::{fs, net::UdpSocket, thread};

use sensor_lab::{Namespace, Topology, address, poll, require_lab};
use sensor_tests::{Agent, PATIENCE};

use crate::peers::{PAUSE, Peers, SETTLE, only};

const INITIALS: usize = 100_000;

/// Memory that the agent may use beyond what it used before, KiB.
const MORE_MEMORY: u64 = 16 << 10;

#[test]
fn hundred_thousand_foreign_initials_are_counted_and_forgotten() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    border.server().ip("link set eth0 up").unwrap();
    let peers = Peers::new();
    let web = peers.first_datagram(border.client(), &only("h3"));
    let agent = Agent::on(border.gateway(), "lan0").config(SETTLE).start().unwrap();
    let before = memory(agent.id());
    let dropped_before = dropped(border.client());
    border
        .client()
        .run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            for number in 0..INITIALS {
                socket.send_to(&web, (address::SERVER_V4, 443)).unwrap();
                // The queue of a veth is short: whatever it drops, the gateway does not see.
                if number % 64 == 0 {
                    thread::yield_now();
                }
            }
        })
        .unwrap();
    let more = memory(agent.id()).saturating_sub(before);
    assert!(more < MORE_MEMORY, "{more} KiB more");
    poll(PATIENCE, || {
        thread::sleep(PAUSE);
        agent.documents().is_empty().then_some(())
    })
    .unwrap();
    let ended = agent.stop().unwrap();
    let number = |name| ended.number(name).unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    let dropped = dropped(border.client()) - dropped_before;
    let arrived = INITIALS as u64 - dropped;
    assert_eq!(number("quic_initials"), arrived, "{dropped} were dropped before: {}", ended.statistics);
    let read = number("client_hellos");
    assert_eq!(read + number("quic_initials_over") + number("lost"), arrived, "{}", ended.statistics);
    assert!(read > 0 && number("quic_initials_over") > 0, "{}", ended.statistics);
    assert_eq!((number("seen"), number("open")), (0, 0), "{}", ended.statistics);
}

/// Frames that the client's veth could not pass on to the gateway.
fn dropped(client: &Namespace) -> u64 {
    let table = client.run(|| fs::read_to_string("/proc/thread-self/net/dev")).unwrap().unwrap();
    let counters = table.lines().find_map(|line| line.trim().strip_prefix("eth0:")).unwrap();
    // Eight columns of what came, then bytes, packets, errors and drops of what left.
    counters.split_whitespace().nth(11).unwrap().parse().unwrap()
}

/// Resident memory of a process, KiB.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
