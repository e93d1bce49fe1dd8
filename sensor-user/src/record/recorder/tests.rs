use etherparse::PacketBuilder;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use sensor_common::headers::Link;

use super::*;

const BOUNDS: Bounds = Bounds {
    window_bytes: 1 << 20,
    window_time: 30_000_000_000,
    flow_bytes: 1 << 20,
    flows: 16,
    idle_time: 10_000_000_000,
    file_bytes: 1 << 20,
};

fn packet(at: u64, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Packet {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 9);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"payload").unwrap();
    Packet { interface: 0, at, length: bytes.len() as u32, bytes: bytes.into() }
}

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 50_000);
const SERVER: ([u8; 4], u16) = ([8, 8, 4, 4], 445);
const OTHER: ([u8; 4], u16) = ([8, 8, 8, 8], 445);

fn ends() -> FiveTuple {
    FiveTuple { transport: TCP, local: SocketAddr::from(CLIENT), remote: SocketAddr::from(SERVER) }
}

fn recorder(bounds: Bounds) -> Recorder<Vec<u8>> {
    let interface = |name: &str, index, link| Interface { name: name.into(), index, link, networks: vec![] };
    let interfaces = [interface("lan0", 2, Link::Ethernet), interface("tun0", 3, Link::Ip)];
    Recorder::new(vec![], 0, &interfaces, 512, bounds).unwrap()
}

/// Times and comments of the packets in a file.
fn read(bytes: &[u8]) -> Vec<(u64, String)> {
    let mut reader = create_reader(1 << 16, bytes).unwrap();
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((taken, block)) => {
                if let PcapBlockOwned::NG(Block::EnhancedPacket(packet)) = block {
                    let at = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    let comment = packet.options.iter().find(|option| option.code.0 == 1).unwrap();
                    let comment = &comment.value[..usize::from(comment.len)];
                    packets.push((at, String::from_utf8(comment.to_vec()).unwrap()));
                }
                reader.consume(taken);
            }
            Err(PcapError::Eof) => return packets,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn packets_of_an_interface_that_appears_later_are_kept() {
    let mut recorder = recorder(BOUNDS);
    let late = Packet { interface: 2, ..packet(1, CLIENT, SERVER) };
    recorder.packet(late.clone()).unwrap();
    let interface = Interface { name: "lan1".into(), index: 9, link: Link::Ethernet, networks: vec![] };
    recorder.interface(&interface).unwrap();
    recorder.packet(Packet { at: 2, ..late }).unwrap();
    recorder.alerted(&ends(), "A", "r", 3).unwrap();
    let packets = read(&recorder.out);
    assert_eq!(packets.len(), 1, "there was no such interface before: {packets:?}");
    assert_eq!(packets[0].0, 2);
}

#[test]
fn packets_without_an_ethernet_header_are_kept_under_their_own_link_type() {
    let mut recorder = recorder(BOUNDS);
    let mut bare = packet(1, CLIENT, SERVER);
    bare.interface = 1;
    bare.bytes = bare.bytes[14..].into();
    recorder.packet(bare.clone()).unwrap();
    // The same bytes are no packet of this flow where an Ethernet header is expected.
    recorder.packet(Packet { interface: 0, at: 2, ..bare }).unwrap();
    recorder.alerted(&ends(), "A", "r", 3).unwrap();
    assert_eq!(recorder.written(), 1);
    let mut links = Vec::new();
    let mut frames = Vec::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &recorder.out).unwrap();
    crate::capture::frames(file.path(), |frame| {
        links.push(frame.link);
        frames.push(frame.bytes.to_vec());
    })
    .unwrap();
    assert_eq!(links, [Linktype::RAW]);
    assert_eq!(frames[0][0], 0x45);
}

#[test]
fn keeps_packets_of_a_flow_from_before_its_alert_and_no_others() {
    let mut recorder = recorder(BOUNDS);
    recorder.packet(packet(1, CLIENT, SERVER)).unwrap();
    recorder.packet(packet(2, CLIENT, OTHER)).unwrap();
    recorder.packet(packet(3, SERVER, CLIENT)).unwrap();
    recorder.alerted(&ends(), "r/1:x/5", "r", 3).unwrap();
    recorder.packet(packet(4, CLIENT, SERVER)).unwrap();
    recorder.alerted(&ends(), "s/1:x/5", "s", 4).unwrap();
    recorder.closed(&ends(), 5);
    // It passed before the flow ended, and waited.
    recorder.packet(packet(5, SERVER, CLIENT)).unwrap();
    recorder.packet(packet(6, CLIENT, SERVER)).unwrap();
    let one = "smb-sensor incident r/1:x/5, rule r";
    let both = format!("{one}\nsmb-sensor incident s/1:x/5, rule s");
    let expected = [(1, one), (3, one), (4, one), (5, both.as_str())];
    assert_eq!(read(&recorder.out), expected.map(|(at, comment)| (at, comment.to_owned())));
    assert_eq!(recorder.written(), 4);
}

#[test]
fn memory_is_bounded_by_bytes_and_time() {
    let mut few = recorder(Bounds { window_bytes: 4 * weight(&packet(0, CLIENT, SERVER)), ..BOUNDS });
    let mut young = recorder(Bounds { window_time: 3, ..BOUNDS });
    for at in 0..100 {
        few.packet(packet(at, CLIENT, SERVER)).unwrap();
        young.packet(packet(at, CLIENT, SERVER)).unwrap();
    }
    for recorder in [&mut few, &mut young] {
        recorder.alerted(&ends(), "a", "r", 0).unwrap();
        let times: Vec<u64> = read(&recorder.out).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [96, 97, 98, 99]);
        assert_eq!(recorder.window_bytes, 0);
    }
}

#[test]
fn flow_and_file_keep_within_their_limits() {
    let mut flow = recorder(Bounds { flow_bytes: 1_000, ..BOUNDS });
    let mut file = recorder(Bounds { file_bytes: 1_000, ..BOUNDS });
    for recorder in [&mut flow, &mut file] {
        recorder.alerted(&ends(), "a", "r", 0).unwrap();
        for at in 0..100 {
            recorder.packet(packet(at, CLIENT, SERVER)).unwrap();
        }
        assert!(!read(&recorder.out).is_empty());
    }
    assert!(file.out.len() <= 1_000 && file.is_full(), "{}", file.out.len());
    assert!(flow.out.len() <= 1_200 && !flow.is_full(), "{}", flow.out.len());
}

#[test]
fn ended_and_forgotten_flows_free_their_places() {
    const SECOND: u64 = 1_000_000_000;
    let mut recorder = recorder(Bounds { flows: 2, ..BOUNDS });
    let flow = |port| FiveTuple { local: SocketAddr::from((CLIENT.0, port)), ..ends() };
    let from = |port| (CLIENT.0, port);
    recorder.alerted(&flow(1), "one", "r", SECOND).unwrap();
    recorder.alerted(&flow(2), "two", "r", SECOND).unwrap();
    recorder.alerted(&flow(3), "none", "r", 3 * SECOND).unwrap();
    assert_eq!(recorder.left_out(), 1);
    recorder.closed(&flow(1), 4 * SECOND);
    recorder.alerted(&flow(3), "three", "r", 5 * SECOND).unwrap();
    recorder.packet(packet(8 * SECOND, from(3), SERVER)).unwrap();
    // The second was silent for eleven seconds, the third was not.
    recorder.alerted(&flow(4), "four", "r", 12 * SECOND).unwrap();
    for port in 1..=4 {
        recorder.packet(packet(13 * SECOND, from(port), SERVER)).unwrap();
    }
    let alerts = ["three", "three", "four"].map(|alert| format!("smb-sensor incident {alert}, rule r"));
    assert_eq!(read(&recorder.out).into_iter().map(|(_, comment)| comment).collect::<Vec<_>>(), alerts);
    assert_eq!(recorder.left_out(), 1);
}

#[test]
fn same_ends_again_are_a_new_flow() {
    let mut recorder = recorder(BOUNDS);
    recorder.alerted(&ends(), "one", "r", 1).unwrap();
    recorder.closed(&ends(), 2);
    recorder.alerted(&ends(), "two", "r", 3).unwrap();
    recorder.packet(packet(4, CLIENT, SERVER)).unwrap();
    assert_eq!(read(&recorder.out), [(4, "smb-sensor incident two, rule r".to_owned())]);
}
