//! Frames that nobody thought of: random changes to sound ones, the same on every run.

use sensor_common::{counter::Counter, slot::tcp::ACK};
use sensor_tests::{
    Frame, HOOKS, QINQ, Setup, VLAN,
    extension::{AUTHENTICATION, DESTINATION_OPTIONS, HOP_BY_HOP, ROUTING},
};

use crate::{
    any_port::message,
    encapsulation::{
        CHECKSUM, ENDS, ENDS_V6, ETHERNET, GRE, IPIP, IPV4, IPV6, IPV6_IN_IP, KEY, SEQUENCE, datagram,
        geneve, gre, ip, vxlan,
    },
    expect::{syn, syn_v6},
    pppoe::{PPP_IPV4, PPP_IPV6},
    random::Xorshift,
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

/// Interesting bytes: protocol numbers, parts of EtherTypes and ports, edges.
const TELLING: [u8; 28] = [
    0, 1, 4, 5, 6, 8, 10, 17, 41, 43, 44, 47, 51, 60, 0x12, 0x21, 0x45, 0x57, 0x58, 0x60, 0x64, 0x65, 0x81,
    0x86, 0xBD, 0xDD, 0xFE, 0xFF,
];

fn mutate(random: &mut Xorshift, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for _ in 0..1 + random.below(3) {
        // Headers lie in front: most changes go there.
        let reach = if random.below(4) == 0 { frame.len() } else { frame.len().min(110) };
        let at = random.below(reach).max(if random.below(8) == 0 { 0 } else { 12.min(frame.len() - 1) });
        match random.below(6) {
            0 => frame[at] ^= 1 << random.below(8),
            1 => frame[at] = random.next() as u8,
            2 => frame[at] = TELLING[random.below(TELLING.len())],
            3 => frame.truncate(14 + random.below(frame.len() - 13)),
            4 => {
                let run: Vec<u8> = frame[at..(at + 1 + random.below(8)).min(frame.len())].to_vec();
                frame.splice(at..at, run);
            }
            _ => {
                let run = at..(at + 1 + random.below(8)).min(frame.len());
                if frame.len() - run.len() >= 14 {
                    frame.drain(run);
                }
            }
        }
    }
    frame
}

#[test]
fn mutated_frames_are_judged_alike_in_the_kernel_and_on_the_host() {
    let test = "mutated_frames_are_judged_alike_in_the_kernel_and_on_the_host";
    let mut setup = Setup { slots_per_cpu: 16, ..Setup::default() };
    setup.config.kernel.tunnels = true;
    let mut twin = setup.twin(test).unwrap();
    let mut random = Xorshift(0x5EED_0445);
    let corpus = corpus();
    let mut met = [0; Counter::COUNT];
    let mut untouched = 0;
    for number in 0..FRAMES {
        let base = random.below(corpus.len());
        let frame = mutate(&mut random, &corpus[base]);
        let effect =
            twin.run(HOOKS[number % 3], &frame).unwrap_or_else(|error| panic!("frame {number}: {error:#}"));
        for (counter, by) in effect.changes() {
            met[counter as usize] += by;
        }
        untouched += usize::from(effect.changes().is_empty());
    }
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
    ];
    for counter in expected {
        assert!(met[counter as usize] >= 10, "{} was met {} times", counter.name(), met[counter as usize]);
    }
    assert!(untouched > 100, "{untouched} frames were foreign");
}
