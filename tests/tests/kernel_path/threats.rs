//! Threat lists: a flow whose external end is listed is kept like any other, and marked.

use std::sync::Arc;

use sensor_common::{
    counter::Counter,
    slot::{Side, mark},
};
use sensor_tests::{Frame, Outcome, Setup};
use sensor_user::threat::{Format, ThreatList, ThreatLists};

use crate::{
    classification::{inbound, outbound, row},
    expect::{counted, hold, kept},
};

/// Many addresses on a list, among them whole networks and some internal ones.
fn listing() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list");
    let mut text =
        String::from("8.8.4.4\n9.9.0.0/16\n2001:4860:7::/48\n10.0.0.2\n203.0.113.0/24\n8.8.8.0/24\n");
    for number in 0..100_000u32 {
        text.push_str(&format!("{}\n", std::net::Ipv4Addr::from(0x1400_0000 + number * 3)));
    }
    std::fs::write(&file, text).unwrap();
    let list = ThreatList { name: "list".into(), file, format: Format::Plain };
    let mut setup = Setup::default();
    setup.config.threats = Arc::new(ThreatLists::read(&[list]).unwrap());
    setup.config.internal = vec!["8.8.8.0/25".parse().unwrap()];
    setup
}

fn listed(side: Side, local: &str, remote: &str, bytes: u64) -> Outcome {
    kept(side, local, remote, bytes).marked(mark::THREAT).reported()
}

#[test]
fn keeps_and_marks_a_flow_with_a_listed_external_end() {
    let lan = "10.0.0.2";
    let (local, local6) = ("10.0.0.2:50000", "[fd00:1::2]:50000");
    let to6 = |server: &str| Frame::tcp(local6, server);
    let rows = [
        row("to a listed address", lan, "8.8.4.4", listed(Side::Local, local, "8.8.4.4:445", 40)),
        row("from one", "8.8.4.4", lan, listed(Side::Remote, "10.0.0.2:445", "8.8.4.4:50000", 40)),
        row("to a listed network", lan, "9.9.255.255", listed(Side::Local, local, "9.9.255.255:445", 40)),
        row("one of very many", lan, "20.4.147.221", listed(Side::Local, local, "20.4.147.221:445", 40)),
        row("the address beside it", lan, "20.4.147.222", outbound(lan, "20.4.147.222")),
        row("beside a listed address", lan, "8.8.4.5", outbound(lan, "8.8.4.5")),
        row("from beside a listed network", "9.10.0.0", lan, inbound("9.10.0.0", lan)),
        ("over IPv6", to6("[2001:4860:7::1]:445"), listed(Side::Local, local6, "[2001:4860:7::1]:445", 60)),
        (
            "an IPv4 address inside an IPv6 one",
            to6("[64:ff9b::808:404]:445"),
            listed(Side::Local, local6, "[64:ff9b::808:404]:445", 60),
        ),
        row("a listed network of ours is ours", lan, "8.8.8.8", counted(Counter::Lateral)),
        row("the other half of it is not", lan, "8.8.8.200", listed(Side::Local, local, "8.8.8.200:445", 40)),
        row("listed and reserved", lan, "203.0.113.9", counted(Counter::Reserved)),
    ];
    hold("keeps_and_marks_a_flow_with_a_listed_external_end", &listing(), rows);
}
