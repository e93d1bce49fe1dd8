//! Random changes to valid frames, the same on every run.

use sensor_common::{
    counter::Counter,
    headers::Link,
    payload::PieceKind,
    settings::MAX_LEASE,
    slot::{Hook, Side, tcp::ACK},
};
use sensor_tests::{
    ENTRIES, Entry, Frame, QINQ, Setup, Twin, VLAN, Xorshift,
    extension::{AUTHENTICATION, DESTINATION_OPTIONS, HOP_BY_HOP, ROUTING},
    fuzz::mutate,
    pieces,
};

use crate::{
    any_port::message,
    encapsulation::{
        CHECKSUM, ENDS, ENDS_V6, ERSPAN, ERSPAN_III, ETHERNET, GRE, IPIP, IPV4, IPV6, IPV6_IN_IP, KEY,
        MPLS_IN_IP, SEQUENCE, VXLAN_GPE, datagram, erspan_ii, erspan_iii, geneve, gre, ip, labels, vxlan,
        vxlan_gpe,
    },
    expect::{syn, syn_v6},
    payload::{
        Ends,
        message::{REPLY, REQUEST, contents, of_smb1, of_smb2, pdu, rpc, smb1, smb2, smb2_with},
        segment,
    },
    pppoe::{PPP_IPV4, PPP_IPV6},
    tunnels::{GENEVE, VXLAN},
};

const FRAMES: usize = 20_000;

fn corpus() -> Vec<Vec<u8>> {
    let smb = b"\0\0\0\x40\xFESMB\x40\0\0\0";
    let (packet, packet_v6) = (syn().payload(smb).packet(), syn_v6().payload(smb).packet());
    let (inner, tagged) = (syn().payload(smb).build(), syn_v6().tag(VLAN, 3).build());
    let elsewhere =
        |from, to, identifier, reply| Frame::tcp(from, to).flags(ACK).payload(&message(identifier, reply));
    let chain = syn_v6().extension(HOP_BY_HOP, 0).extension(ROUTING, 1).extension(AUTHENTICATION, 1);
    [
        syn(),
        syn_v6(),
        syn().flags(ACK).payload(smb),
        syn_v6().flags(ACK).payload(smb),
        syn().tag(VLAN, 7).payload(smb),
        syn_v6().tag(QINQ, 7).tag(VLAN, 8),
        syn().option_words(4).payload(smb),
        syn().fragment(0, true).payload(smb),
        syn_v6().fragment(0, true).payload(smb),
        chain.clone().extension(DESTINATION_OPTIONS, 0),
        chain.fragment(0, false),
        Frame::udp("10.0.0.2:137", "8.8.4.4:137").payload(&[1; 50]),
        Frame::udp("[fd00::2]:50000", "[2001:4860::1]:138").payload(&[1; 50]),
        Frame::tcp("8.8.4.4:50000", "10.0.0.2:445"),
        Frame::tcp("10.0.0.2:50000", "10.0.0.3:445"),
        Frame::tcp("[64:ff9b::8.8.4.4]:445", "[fd00::2]:50000"),
        ip(ENDS, IPIP, &packet),
        ip(ENDS, IPV6_IN_IP, &packet_v6),
        ip(ENDS_V6, IPV6_IN_IP, &packet_v6).extension(DESTINATION_OPTIONS, 0),
        ip(ENDS, GRE, &gre(0, IPV4, &packet)),
        ip(ENDS_V6, GRE, &gre(CHECKSUM | KEY | SEQUENCE, IPV6, &packet_v6)),
        ip(ENDS, GRE, &gre(KEY, ETHERNET, &tagged)).tag(VLAN, 7),
        datagram(ENDS, VXLAN, &vxlan(&inner)),
        datagram(ENDS_V6, VXLAN, &vxlan(&tagged)),
        datagram(ENDS, GENEVE, &geneve(0, 0, IPV4, &packet)),
        datagram(ENDS, GENEVE, &geneve(0, 2, ETHERNET, &inner)),
        ip(ENDS, IPIP, &ip(ENDS, IPIP, &packet).packet()),
        ip(ENDS, MPLS_IN_IP, &labels(3, &packet)),
        datagram(ENDS, VXLAN_GPE, &vxlan_gpe(1, &packet)),
        ip(ENDS, GRE, &gre(0, ERSPAN, &inner)),
        ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN, &erspan_ii(&inner))),
        ip(ENDS_V6, GRE, &gre(SEQUENCE, ERSPAN_III, &erspan_iii(0, true, &tagged))),
        syn().pppoe(PPP_IPV4).payload(smb),
        syn_v6().tag(VLAN, 7).pppoe(PPP_IPV6).payload(smb),
        syn().pppoe(0xC021),
        elsewhere("10.0.0.2:50000", "8.8.4.4:4445", 0xFE, false),
        elsewhere("8.8.4.4:443", "10.0.0.2:50000", 0xFF, true),
        elsewhere("[fd00::2]:50000", "[2001:4860::1]:8445", 0xFD, false),
        elsewhere("10.0.0.2:50000", "10.0.0.3:4445", 0xFE, false),
        Frame::tcp("10.0.0.2:50000", "8.8.4.4:4445").flags(ACK).payload(&[0x55; 90]),
    ]
    .iter()
    .map(Frame::build)
    .collect()
}

/// A connection on each of several ports: set-up, pipes, files, whole and in segments, one frame each.
fn connections() -> Vec<Vec<u8>> {
    let bind = pdu(rpc::BIND, 72);
    let messages = [
        of_smb2(smb2::NEGOTIATE, REQUEST, 232),
        of_smb2(smb2::SESSION_SETUP, REQUEST, 560),
        of_smb2(smb2::TREE_CONNECT, REPLY, 84),
        of_smb1(smb1::SESSION_SETUP_ANDX, REQUEST, 240),
        smb2_with(smb2::WRITE, REQUEST, 116, &bind),
        smb2_with(smb2::READ, REPLY, 84, &bind),
        smb2_with(smb2::WRITE, REQUEST, 116, &contents(200)),
    ];
    let ends: [(Ends, Side); 5] = [
        (("10.0.0.2:50000", "8.8.4.4:445"), Side::Local),
        (("10.0.0.2:445", "8.8.4.4:50000"), Side::Remote),
        (("[fd00:1::2]:50000", "[2001:4860:4860::8844]:139"), Side::Local),
        (("10.0.0.2:50000", "8.8.4.4:4445"), Side::Local),
        (("10.0.0.2:50000", "8.8.4.4:135"), Side::Remote),
    ];
    let mut frames = Vec::new();
    for (ends, side) in ends {
        for message in messages.iter().chain([&bind]) {
            // So far apart that both can be distinguished.
            let start = u32::MAX - 200;
            for part in [0..message.len(), 0..64, 64..message.len(), 70..message.len().min(100)] {
                if part.end <= message.len() {
                    let sequence = start.wrapping_add(part.start as u32);
                    frames.push(segment(ends, side, sequence, &message[part]).build());
                }
            }
        }
    }
    frames
}

/// A frame from `corpus`, usually changed.
fn next(random: &mut Xorshift, corpus: &[Vec<u8>]) -> Vec<u8> {
    let frame = &corpus[random.below(corpus.len())];
    if random.below(4) == 0 { frame.clone() } else { mutate(random, frame) }
}

#[test]
fn kernel_and_host_agree_on_mutated_frames() {
    let test = "kernel_and_host_agree_on_mutated_frames";
    let mut setup = Setup { slots_per_cpu: 16, ..Setup::default() };
    setup.config.kernel.tunnels = true;
    let mut twin = setup.twin(test).unwrap();
    let met = run(&mut twin, &ENTRIES, FRAMES);
    // A run that never leaves the first branch would prove nothing.
    let expected = [
        Counter::Kept,
        Counter::Lateral,
        Counter::Reserved,
        Counter::Transit,
        Counter::ShortTransport,
        Counter::ShortFrame,
        Counter::Fragment,
        Counter::Evicted,
        Counter::PayloadSent,
        Counter::WouldDropOutbound,
        Counter::WouldDropInbound,
        Counter::DroppedOutbound,
        Counter::DroppedInbound,
    ];
    for counter in expected {
        let met = met.counted[counter as usize];
        assert!(met >= 10, "{} was met {met} times", counter.name());
    }
    assert!(met.untouched > 100, "{} frames were foreign", met.untouched);
    for kind in [PieceKind::Message, PieceKind::Continued, PieceKind::Rpc, PieceKind::Datagram] {
        let reported = met.reported.iter().filter(|reported| **reported == kind).count();
        assert!(reported >= 10, "{reported} pieces were {kind:?}");
    }
}

#[test]
fn xdp_program_for_linear_frames_agrees() {
    let test = "xdp_program_for_linear_frames_agrees";
    let mut setup = Setup { slots_per_cpu: 16, frags: false, ..Setup::default() };
    setup.config.kernel.tunnels = true;
    let met = run(&mut setup.twin(test).unwrap(), &[Hook::XdpIngress.into()], FRAMES / 4);
    assert!(met.reported.len() >= 100 && met.counted[Counter::Kept as usize] >= 100);
}

#[test]
fn programs_of_older_kernels_agree() {
    let test = "programs_of_older_kernels_agree";
    for frags in [true, false] {
        let mut setup = Setup { slots_per_cpu: 16, frags, short: true, ..Setup::default() };
        setup.config.kernel.tunnels = true;
        let met = run(&mut setup.twin(test).unwrap(), &ENTRIES, FRAMES / 4);
        assert!(met.reported.len() >= 100 && met.counted[Counter::Kept as usize] >= 100);
    }
}

/// The observations of a run.
struct Met {
    counted: [u64; Counter::COUNT],
    untouched: usize,
    reported: Vec<PieceKind>,
}

/// Gives both engines so many frames, without their Ethernet headers where none are expected; from time to time enforcement
/// is switched.
fn run(twin: &mut Twin, entries: &[Entry], frames: usize) -> Met {
    let mut random = Xorshift(0x5EED_0445);
    let (corpus, connections) = (corpus(), connections());
    let mut met = Met { counted: [0; Counter::COUNT], untouched: 0, reported: vec![] };
    for number in 0..frames {
        if number % 500 == 0 {
            let switched =
                if number % 1_000 == 0 { twin.end_enforcement() } else { twin.enforce_for(MAX_LEASE as i32) };
            switched.unwrap();
        }
        let frame = next(&mut random, if number % 2 == 0 { &corpus } else { &connections });
        let entry = entries[number % entries.len()];
        let at = if entry.link == Link::Ip { frame.len().min(14) } else { 0 };
        let effect =
            twin.run(entry, &frame[at..]).unwrap_or_else(|error| panic!("frame {number}: {error:#}"));
        for (counter, by) in effect.changes() {
            met.counted[counter as usize] += by;
        }
        met.untouched += usize::from(effect.changes().is_empty());
        met.reported.extend(pieces(&effect.records).unwrap().iter().map(|piece| piece.kind));
    }
    met
}
