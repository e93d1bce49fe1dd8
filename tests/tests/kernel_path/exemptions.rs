//! Exemptions by client or by server; the kernel leaves those by both to the agent.

use sensor_common::{
    counter::Counter,
    headers::Link,
    path::Arrival,
    slot::{Hook, Side},
};
use sensor_tests::{Frame, Setup};
use sensor_user::{
    config::Service,
    exempt::{Exemption, Spoken},
    plan,
};

use crate::{
    classification::{inbound, outbound, row},
    expect::{counted, hold, kept},
};

fn exempting() -> Setup {
    let net = |text: &str| Some(text.parse().unwrap());
    let exemption = |source, destination| Exemption::between(source, destination, "a test says so");
    let mut setup = Setup::default();
    setup.config.exemptions = vec![
        exemption(net("10.7.0.0/16"), None),
        exemption(None, net("8.8.8.0/24")),
        exemption(net("9.9.9.8/32"), None),
        exemption(None, net("10.8.0.0/16")),
        exemption(net("10.6.0.0/16"), net("8.8.4.4/32")),
        exemption(None, net("2001:4860:7::/48")),
    ];
    setup
}

#[test]
fn exempt_client_passes_and_is_watched_as_a_server() {
    let swap = |source: &str, destination: &str| {
        Frame::tcp(&format!("{source}:445"), &format!("{destination}:50000"))
    };
    let both = Frame::tcp("10.7.0.1:445", "8.8.4.4:139");
    let rows = [
        row("its request", "10.7.0.1", "8.8.4.4", counted(Counter::ExemptSource)),
        ("the answer to it", swap("8.8.4.4", "10.7.0.1"), counted(Counter::ExemptSource)),
        row("as a server", "8.8.4.4", "10.7.0.1", inbound("8.8.4.4", "10.7.0.1")),
        (
            "its answer as a server",
            swap("10.7.0.1", "8.8.4.4"),
            kept(Side::Local, "10.7.0.1:445", "8.8.4.4:50000", 40).reported(),
        ),
        row("beside its network", "10.9.0.0", "8.8.4.4", outbound("10.9.0.0", "8.8.4.4")),
        row("an external client", "9.9.9.8", "10.0.0.2", counted(Counter::ExemptSource)),
        row("the address next to it", "9.9.9.10", "10.0.0.2", inbound("9.9.9.10", "10.0.0.2")),
        row("both ends exempt: the client is named", "10.7.0.1", "8.8.8.8", counted(Counter::ExemptSource)),
        row("inside, it is lateral all the same", "10.7.0.1", "10.0.0.2", counted(Counter::Lateral)),
        (
            "services on both ends: nobody can tell the client",
            both,
            kept(Side::Local, "10.7.0.1:445", "8.8.4.4:139", 40).reported(),
        ),
    ];
    hold("exempt_client_passes_and_is_watched_as_a_server", &exempting(), rows);
}

#[test]
fn exempt_server_passes_and_is_watched_as_a_client() {
    let swap = |source: &str, destination: &str| {
        Frame::tcp(&format!("{source}:445"), &format!("{destination}:50000"))
    };
    let lan6 = "fd00:1::2";
    let rows = [
        row("a request to it", "10.0.0.2", "8.8.8.255", counted(Counter::ExemptDestination)),
        ("its answer", swap("8.8.8.0", "10.0.0.2"), counted(Counter::ExemptDestination)),
        row("as a client", "8.8.8.8", "10.0.0.2", inbound("8.8.8.8", "10.0.0.2")),
        row("beside its network", "10.0.0.2", "8.8.9.0", outbound("10.0.0.2", "8.8.9.0")),
        row("an internal server", "8.8.4.4", "10.8.1.1", counted(Counter::ExemptDestination)),
        row("over IPv6", lan6, "2001:4860:7::1", counted(Counter::ExemptDestination)),
        row("behind NAT64", lan6, "64:ff9b::8.8.8.8", counted(Counter::ExemptDestination)),
    ];
    hold("exempt_server_passes_and_is_watched_as_a_client", &exempting(), rows);
}

#[test]
fn exempt_pair_is_left_to_the_agent() {
    let rows = [row("the pair", "10.6.0.1", "8.8.4.4", outbound("10.6.0.1", "8.8.4.4"))];
    hold("exempt_pair_is_left_to_the_agent", &exempting(), rows);
}

#[test]
fn service_exemption_is_left_to_the_agent() {
    let mut setup = exempting();
    for exemption in &mut setup.config.exemptions {
        exemption.services = vec![Spoken::Service(Service::Rpc)];
    }
    let rows = [
        row("its client", "10.7.0.1", "8.8.4.4", outbound("10.7.0.1", "8.8.4.4")),
        row("its server", "10.0.0.2", "8.8.8.8", outbound("10.0.0.2", "8.8.8.8")),
    ];
    hold("service_exemption_is_left_to_the_agent", &setup, rows);
}

#[test]
fn counts_packets_for_their_exemption() {
    let setup = exempting();
    let frame = |from: &str, to: &str| Frame::tcp(&format!("{from}:50000"), &format!("{to}:445")).build();
    let v6 = Frame::tcp("[fd00:1::2]:50000", "[2001:4860:7::1]:445").build();
    let inside_v6 = Frame::tcp("[fd00:1::2]:50000", "[64:ff9b::808:808]:445").build();
    let frames = [
        (frame("10.7.0.1", "8.8.4.4"), 3),
        (frame("10.7.0.1", "8.8.8.8"), 1),
        (frame("10.0.0.2", "8.8.8.8"), 2),
        (frame("9.9.9.8", "10.0.0.2"), 4),
        (frame("8.8.4.4", "10.8.1.1"), 5),
        (v6, 6),
        (inside_v6, 7),
        (frame("10.6.0.1", "8.8.4.4"), 1),
    ];
    // In the order of the configuration, in which the pair has no number.
    let expected = [0, 4, 9, 4, 5, 6, 0];
    let mut host = setup.host();
    let mut kernel = setup.kernel("counts_packets_for_their_exemption").unwrap();
    for (frame, times) in &frames {
        let arrival = Arrival {
            hook: Hook::XdpIngress,
            ifindex: 1,
            link: Link::Ethernet,
            frame_len: frame.len() as u32,
            vlan: 0,
        };
        for _ in 0..*times {
            let _ = host.frame(frame, arrival);
        }
        if let Some(kernel) = &mut kernel {
            kernel.inject(Hook::XdpIngress, frame, *times).unwrap();
        }
    }
    assert_eq!(host.exempted()[..expected.len()], expected);
    if let Some(kernel) = &mut kernel {
        let counted: Vec<_> =
            (0..expected.len() as u32).map(|number| kernel.exempted(number).unwrap()).collect();
        assert_eq!(counted, expected);
        // Another view has counts of its own.
        kernel.put(&plan::prefixes(&setup.config)).unwrap();
        kernel.inject(Hook::XdpIngress, &frames[0].0, 2).unwrap();
        assert_eq!((kernel.exempted(1).unwrap(), kernel.exempted(1).unwrap()), (2, 0));
    }
}
