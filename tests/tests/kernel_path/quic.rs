//! Initial packets of QUIC, and the flows that the agent asks for.

use sensor_common::{
    counter::Counter,
    payload::PieceKind,
    quic::{INITIALS_OF_FLOW, INITIALS_PER_SECOND},
    slot::{Hook, RecordKind, Side, UDP},
};
use sensor_core::address::FiveTuple;
use sensor_tests::{Frame, HOOKS, Outcome, Setup, VLAN, extension, flows, pieces};
use sensor_user::config::Config;

use crate::expect::{Row, counted, foreign, hold, on};

const CLIENT: &str = "10.0.0.2:50000";
const SERVER: &str = "8.8.4.4:443";
const SMB: &[u8] = include_bytes!("../../../sensor-user/dissect/fixtures/quic/smb.bin");

const INITIAL: Outcome = counted(Counter::QuicInitials);

/// A datagram of 1200 bytes that begins with these.
fn datagram(from: &str, to: &str, beginning: &[u8]) -> Frame {
    let mut payload = beginning.to_vec();
    payload.resize(1_200, 7);
    Frame::udp(from, to).payload(&payload)
}

fn initial(from: &str, to: &str) -> Frame {
    Frame::udp(from, to).payload(SMB)
}

fn two_ports() -> Setup {
    let mut config = Config::default();
    config.services.quic_udp = vec![443, 8443];
    Setup { config, ..Setup::default() }
}

#[test]
fn initial_packets_across_the_border_are_handed_up() {
    const V2: &[u8] = &[0xD5, 0x6B, 0x33, 0x43, 0xCF];
    let v6 = ("[fd00:1::2]:50000", "[2001:4860:4860::8844]:443");
    // Flows of their own: of one, few are handed up in a second.
    let [old, new, tagged, optioned] = ["10.0.0.2:51", "10.0.0.2:52", "10.0.0.2:53", "10.0.0.2:54"];
    let rows: [Row; 7] = [
        ("version 1", initial(old, SERVER), INITIAL),
        ("version 2", datagram(new, SERVER, V2), INITIAL),
        ("from the Internet", initial("8.8.4.4:50000", "10.0.1.2:443"), INITIAL),
        ("over IPv6", initial(v6.0, v6.1), INITIAL),
        ("with a tag", initial(tagged, SERVER).tag(VLAN, 7), INITIAL),
        ("with IP options", initial(optioned, SERVER).option_words(2), INITIAL),
        (
            "behind an extension header",
            initial(v6.0, v6.1).extension(extension::DESTINATION_OPTIONS, 0),
            INITIAL,
        ),
    ];
    hold("initial_packets_across_the_border_are_handed_up", &Setup::default(), rows);
}

#[test]
fn other_packets_of_quic_are_nothing() {
    let between = |from: &str, to: &str| initial(from, to);
    let begins = |beginning: &[u8]| datagram(CLIENT, SERVER, beginning);
    let rows: [Row; 11] = [
        ("between internal hosts", between(CLIENT, "10.0.1.2:443"), foreign()),
        ("between external hosts", between("9.9.9.9:50000", SERVER), foreign()),
        ("to reserved space", between(CLIENT, "192.0.2.1:443"), foreign()),
        ("from the port of QUIC", between(SERVER, CLIENT), foreign()),
        ("to another port", between(CLIENT, "8.8.4.4:8443"), foreign()),
        ("a handshake packet", begins(&[0xE0, 0, 0, 0, 1]), foreign()),
        ("0-RTT", begins(&[0xD0, 0, 0, 0, 1]), foreign()),
        ("an unknown version", begins(&[0xC0, 0, 0, 0, 2]), foreign()),
        ("a short header", begins(&[0x40, 0, 0, 0, 1]), foreign()),
        ("too short for a client", Frame::udp(CLIENT, SERVER).payload(&SMB[..1_199]), foreign()),
        ("empty", Frame::udp(CLIENT, SERVER), foreign()),
    ];
    hold("other_packets_of_quic_are_nothing", &Setup::default(), rows);
}

#[test]
fn ports_are_those_of_the_configuration() {
    let rows = [("a second port", initial(CLIENT, "8.8.4.4:8443"), INITIAL)];
    hold("ports_are_those_of_the_configuration", &two_ports(), rows);
    let mut none = Setup::default();
    none.config.services.quic_udp.clear();
    hold("ports_are_those_of_the_configuration", &none, [("none", initial(CLIENT, SERVER), foreign())]);
}

#[test]
fn piece_is_the_whole_datagram_with_its_flow() {
    on("piece_is_the_whole_datagram_with_its_flow", &Setup::default(), |twin| {
        for (frame, side) in [
            (initial("10.0.0.2:57", SERVER), Side::Local),
            (initial("8.8.4.4:443", "10.0.1.2:443"), Side::Remote),
        ] {
            for hook in HOOKS {
                let effect = twin.run(hook, &frame.build()).unwrap();
                let [piece] = pieces(&effect.records).unwrap()[..] else {
                    panic!("not one piece: {effect:?}")
                };
                assert_eq!((piece.kind, piece.side), (PieceKind::QuicInitial, side));
                assert_eq!((piece.bytes, piece.wanted), (SMB, 1_200));
                assert_eq!(piece.id.tuple.remote.ip().to_string(), "8.8.4.4");
                assert_eq!(piece.id.tuple.end(side.peer()).port(), 443);
            }
        }
        vec![]
    });
}

#[test]
fn no_more_are_handed_up_in_a_second_than_the_limit() {
    // Engines of their own, because the second never ends here.
    let setup = Setup { ring_bytes: 4 << 20, ..Setup::default() };
    on("no_more_are_handed_up_in_a_second_than_the_limit", &setup, |twin| {
        let mut outcomes = [0; 2];
        for port in 20_000..20_005 + INITIALS_PER_SECOND {
            let client: &'static str = format!("10.0.0.2:{port}").leak();
            let counted = twin.run(Hook::XdpIngress, &initial(client, SERVER).build()).unwrap().counted;
            outcomes[0] += counted.get(Counter::PayloadSent);
            outcomes[1] += counted.get(Counter::QuicInitialsOver);
        }
        assert_eq!(outcomes, [INITIALS_PER_SECOND.into(), 5]);
        vec![]
    });
}

#[test]
fn first_ones_of_a_flow_are_handed_up_in_a_second() {
    // As above.
    on("first_ones_of_a_flow_are_handed_up_in_a_second", &Setup::default(), |twin| {
        for client in ["10.0.0.2:55", "10.0.0.2:56"] {
            let frame = initial(client, SERVER).build();
            let effect = twin.repeat(Hook::XdpIngress, &frame, INITIALS_OF_FLOW + 5).unwrap();
            let expected = [
                (Counter::PayloadSent, INITIALS_OF_FLOW.into()),
                (Counter::QuicInitials, u64::from(INITIALS_OF_FLOW) + 5),
                (Counter::QuicInitialsOver, 5),
            ];
            assert_eq!(effect.changes(), expected, "{client}");
        }
        vec![]
    });
}

#[test]
fn only_flows_that_the_agent_asks_for_are_counted() {
    let mut setup = two_ports();
    setup.slots_per_cpu = 64;
    on("only_flows_that_the_agent_asks_for_are_counted", &setup, |twin| {
        let tuple = |local: &str, remote: &str| FiveTuple {
            transport: UDP,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let short = |from: &str, to: &str| datagram(from, to, &[0x40]).build();
        for (local, remote) in [(CLIENT, SERVER), ("[fd00:1::2]:50000", "[2001:4860:4860::8844]:443")] {
            twin.count_quic(&[tuple(local, remote)]).unwrap();
            let kept = |effect: &sensor_tests::Effect| effect.counted.get(Counter::Kept);
            for hook in HOOKS {
                let [there, back] = [(local, remote), (remote, local)].map(|(from, to)| short(from, to));
                let first = twin.run(hook, &there).unwrap();
                assert_eq!(kept(&first), 1);
                let answer = twin.run(hook, &back).unwrap();
                assert_eq!(kept(&answer), 1, "both directions");
                assert!(pieces(&answer.records).unwrap().is_empty(), "what is encrypted is not handed up");
                // Another flow on the same port.
                let other = if local == CLIENT { "10.0.0.3:50000" } else { "[fd00:1::3]:50000" };
                assert_eq!(twin.run(hook, &short(other, remote)).unwrap().changes(), []);
                let offer = twin.run(hook, &initial(other, remote).build()).unwrap();
                assert_eq!(offer.counted.get(Counter::QuicInitials), 1);
                let again = twin.run(hook, &initial(local, remote).build()).unwrap();
                assert_eq!((kept(&again), again.counted.get(Counter::QuicInitials)), (1, 0));
            }
            twin.count_quic(&[]).unwrap();
            assert_eq!(twin.run(Hook::XdpIngress, &short(local, remote)).unwrap().changes(), []);
        }
        vec![]
    });
}

#[test]
fn counted_flow_is_reported_like_any_other() {
    let mut setup = two_ports();
    setup.slots_per_cpu = 128;
    on("counted_flow_is_reported_like_any_other", &setup, |twin| {
        let tuple = FiveTuple {
            transport: UDP,
            local: "10.0.1.2:443".parse().unwrap(),
            remote: "8.8.4.4:50000".parse().unwrap(),
        };
        twin.count_quic(&[tuple]).unwrap();
        let effect = twin.run(Hook::TcEgress, &datagram("10.0.1.2:443", "8.8.4.4:50000", &[0x40]).build());
        let [(RecordKind::Opened, seen)] = flows(&effect.unwrap().records).unwrap()[..] else {
            panic!("no record");
        };
        assert_eq!((seen.id.tuple, seen.counts.payload), (tuple, [1_200, 0]));
        twin.count_quic(&[]).unwrap();
        vec![]
    });
}
