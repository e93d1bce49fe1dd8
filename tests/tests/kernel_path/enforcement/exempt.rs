//! Exempt traffic is never dropped, by its client, its server or both.

use sensor_common::{
    counter::Counter::{ExemptDestination, ExemptSource},
    prefix::PAIRS,
};
use sensor_tests::{Frame, Setup};
use sensor_user::{
    config::Service,
    exempt::{Exemption, Spoken},
};

use super::{Rule, hold};

/// Two clients, two servers, and one pair more than the kernel can distinguish.
fn exempting() -> Setup {
    let mut pairs: Vec<(String, String)> =
        [("10.6.0.0/24", "8.8.4.0/24"), ("9.9.8.0/24", "10.5.0.0/16"), ("fd00:6::/48", "2001:4860:6::/48")]
            .map(|(client, server)| (client.into(), server.into()))
            .to_vec();
    for number in 3..=PAIRS {
        pairs.push((format!("10.4.{number}.0/24"), format!("20.4.{number}.0/24")));
    }
    let net = |text: &str| Some(text.parse().unwrap());
    let exemption = |source, destination| Exemption::between(source, destination, "a test says so");
    let mut setup = Setup::default();
    setup.config.exemptions = vec![
        exemption(net("10.7.0.0/16"), None),
        exemption(None, net("8.8.8.0/24")),
        exemption(net("9.9.9.9/32"), None),
        exemption(None, net("10.8.0.0/16")),
    ];
    let service = |source, destination| {
        let services = vec![Spoken::Service(Service::Rpc)];
        Exemption { services, ..exemption(source, destination) }
    };
    setup.config.exemptions.extend([
        service(net("10.13.0.0/16"), None),
        service(None, net("20.13.0.0/16")),
        service(net("10.2.0.0/16"), net("20.2.0.0/16")),
    ]);
    let pairs = pairs.iter().map(|(client, server)| exemption(net(client), net(server)));
    setup.config.exemptions.extend(pairs);
    setup
}

#[test]
fn exempt_traffic_is_not_dropped() {
    let setup = exempting();
    let from_to = |source: &str, destination: &str| {
        Frame::tcp(&format!("{source}:50000"), &format!("{destination}:445"))
    };
    let between =
        |source: &str, destination: &str| Frame::tcp(&format!("{source}:445"), &format!("{destination}:445"));
    let rows = [
        ("an exempt client", from_to("10.7.0.1", "8.8.4.4"), Rule::Let(ExemptSource)),
        ("it as a server", from_to("8.8.9.1", "10.7.0.1"), Rule::Inbound),
        ("an exempt server", from_to("10.0.0.2", "8.8.8.8"), Rule::Let(ExemptDestination)),
        ("it as a client", from_to("8.8.8.8", "10.0.0.2"), Rule::Inbound),
        ("an exempt external client", from_to("9.9.9.9", "10.0.0.2"), Rule::Let(ExemptSource)),
        ("an exempt internal server", from_to("8.8.9.1", "10.8.0.1"), Rule::Let(ExemptDestination)),
        ("a client of SMB's own port", between("10.7.0.1", "8.8.9.1"), Rule::None),
        ("a server to SMB's own port", between("10.0.0.2", "8.8.8.8"), Rule::None),
        ("it as a client of that port", between("8.8.8.8", "10.0.0.2"), Rule::Inbound),
        ("an exempt pair", from_to("10.6.0.9", "8.8.4.4"), Rule::None),
        ("an exempt pair, both on the port of SMB", between("10.6.0.9", "8.8.4.4"), Rule::None),
        ("the last pair that is distinguished", from_to("10.4.27.9", "20.4.27.5"), Rule::None),
        ("its client with another server", from_to("10.4.27.9", "20.5.27.5"), Rule::Outbound),
        ("another client with its server", from_to("10.3.27.9", "20.4.27.5"), Rule::Outbound),
        ("the client of one and the server of another", from_to("10.6.0.9", "20.4.27.5"), Rule::Outbound),
        ("one that shares its number", from_to("10.4.28.9", "20.4.28.5"), Rule::None),
        (
            "it and the one that it shares with: passed, never dropped",
            from_to("10.4.28.9", "8.8.4.4"),
            Rule::None,
        ),
        ("a pair the other way round", from_to("8.8.4.4", "10.6.0.9"), Rule::Inbound),
        ("a pair from outside", from_to("9.9.8.7", "10.5.1.1"), Rule::None),
        ("that the other way round", from_to("10.5.1.1", "9.9.8.7"), Rule::Outbound),
        ("a client that is exempt for a service", from_to("10.13.0.1", "8.8.9.1"), Rule::None),
        ("it as a server", from_to("8.8.9.1", "10.13.0.1"), Rule::Inbound),
        ("a server that is exempt for a service", from_to("10.0.0.2", "20.13.0.1"), Rule::None),
        ("a client that is exempt for a service of one server", from_to("10.2.0.1", "20.2.0.1"), Rule::None),
        ("that server with another client", from_to("10.0.0.2", "20.2.0.1"), Rule::Outbound),
        ("a pair of IPv6", from_to("[fd00:6::1]", "[2001:4860:6::1]"), Rule::None),
        ("its client alone", from_to("[fd00:6::1]", "[2001:4860:7::1]"), Rule::Outbound),
        ("its server alone", from_to("[fd00:7::1]", "[2001:4860:6::1]"), Rule::Outbound),
    ];
    hold("exempt_traffic_is_not_dropped", &setup, rows);
}
