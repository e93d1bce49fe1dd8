//! Blocks: which SYNs, datagrams and packets of established connections are dropped, and how they are counted.

use sensor_common::{
    block::BlockEntry,
    counter::Counter::{
        self, Blocked, DroppedBlocked, ExemptSource, Kept, Lateral, Seen, Transit, WouldDropBlocked,
    },
    path::Verdict,
    slot::{
        Hook, mark,
        tcp::{ACK, FIN, RST, SYN},
    },
};
use sensor_tests::{Effect, Frame, HOOKS, Setup, Twin, VLAN, flows};
use sensor_user::{exempt::Exemption, kernel::blocks::BlockKey, response::Target};

use crate::{
    encapsulation::{ENDS, IPIP, ip},
    enforcement::{LONG, begin_anew},
    expect::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, on, syn, syn_v6},
};

/// What is expected of a frame whose block is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Dropped and accounted, as an attempt is.
    Dropped,
    /// Dropped out of a connection, and not accounted.
    Cut,
    /// Accounted, and let pass.
    Kept,
    /// Let pass for this reason.
    Let(Counter),
    /// Not watched.
    Foreign,
}

type Row = (&'static str, Frame, Fate);

fn targets(texts: &[&str]) -> Vec<Target> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn entries(targets: &[Target], is_dry: bool) -> Vec<(BlockKey, BlockEntry)> {
    targets.iter().zip(1..).map(|(target, number)| (target.key(), BlockEntry::new(number, is_dry))).collect()
}

fn block_counts(effect: &Effect) -> [u64; 3] {
    [WouldDropBlocked, DroppedBlocked, Blocked].map(|counter| effect.counted.get(counter))
}

fn check(effect: &Effect, fate: Fate) -> Result<(), String> {
    let (verdict, counts, outcome) = match fate {
        Fate::Dropped => (Verdict::Dropped, [1, 1, 0], Some(Kept)),
        Fate::Cut => (Verdict::Dropped, [1, 1, 1], Some(Blocked)),
        Fate::Kept => (Verdict::Kept, [0; 3], Some(Kept)),
        Fate::Let(counter) => (Verdict::Passed(counter), [0; 3], Some(counter)),
        Fate::Foreign => (Verdict::Foreign, [0; 3], None),
    };
    let is_counted = effect.counted.get(Seen) == u64::from(outcome.is_some())
        && outcome.is_none_or(|counter| effect.counted.get(counter) == 1);
    let reported = flows(&effect.records).map_err(|error| error.to_string())?;
    let marked = reported.last().is_some_and(|(_, flow)| flow.marks & mark::DROPPED != 0);
    let fits = effect.verdict == verdict
        && block_counts(effect) == counts
        && is_counted
        && marked == (fate == Fate::Dropped)
        && (fate == Fate::Cut) <= reported.is_empty();
    if fits {
        Ok(())
    } else {
        Err(format!("{fate:?}: {:?} with {:?}, {reported:?}", effect.verdict, effect.changes()))
    }
}

/// Gives each frame to both engines at every hook, each time beside a bystander: while the blocks are in force, as a dry run, and when
/// the lease is over.
fn hold(test: &str, setup: &Setup, rows: Vec<Row>) {
    let in_one_piece = Setup { frags: false, ..setup.clone() };
    for (setup, hooks) in [(setup, &HOOKS[..]), (&in_one_piece, &[Hook::XdpIngress])] {
        let (rows, targets) = (rows.clone(), setup.blocked.clone());
        on(test, setup, move |twin| {
            let mut wrong = Vec::new();
            for (state, is_dry, ticks) in
                [("in force", false, LONG), ("dry", true, LONG), ("lapsed", false, 0)]
            {
                twin.block(&entries(&targets, is_dry), ticks).unwrap();
                for (name, frame, fate) in &rows {
                    for hook in hooks {
                        begin_anew(twin, *hook);
                        let held = match twin.run(*hook, &frame.build()) {
                            Ok(effect) if state == "in force" => check(&effect, *fate),
                            Ok(effect) => check_passed(&effect, *fate),
                            Err(error) => Err(format!("{error:#}")),
                        };
                        if let Err(how) = held {
                            wrong.push(format!("{name} at {hook:?}, {state}: {how}"));
                        }
                    }
                }
            }
            twin.block(&[], 0).unwrap();
            wrong
        });
    }
}

/// A block that is not in force lets everything pass, and counts it.
fn check_passed(effect: &Effect, fate: Fate) -> Result<(), String> {
    let concerned = matches!(fate, Fate::Dropped | Fate::Cut);
    if effect.verdict != Verdict::Dropped && block_counts(effect) == [u64::from(concerned), 0, 0] {
        return Ok(());
    }
    Err(format!("{fate:?}: {:?} with {:?}", effect.verdict, effect.changes()))
}

#[test]
fn block_drops_all_services_of_a_host_in_both_directions() {
    let setup = Setup { blocked: targets(&["8.8.4.4", "2001:4860:4860::8844"]), ..Setup::default() };
    let to = |port: u16| Frame::tcp(CLIENT, &format!("8.8.4.4:{port}"));
    let from_server = |flags| Frame::tcp(SERVER, CLIENT).flags(flags);
    let mut rows = vec![
        ("a SYN", syn(), Fate::Dropped),
        ("to 139", to(139), Fate::Dropped),
        ("to 135", to(135), Fate::Dropped),
        ("to 443", to(443), Fate::Foreign),
        ("a datagram", Frame::udp("10.0.0.2:137", "8.8.4.4:137"), Fate::Dropped),
        ("its answer", Frame::udp("8.8.4.4:137", "10.0.0.2:137"), Fate::Dropped),
        ("inbound", Frame::tcp("8.8.4.4:50000", "10.0.0.2:445"), Fate::Dropped),
        ("another host", Frame::tcp(CLIENT, "8.8.4.5:445"), Fate::Kept),
        ("behind NAT64", Frame::tcp(CLIENT_V6, "[64:ff9b::8.8.4.4]:445"), Fate::Dropped),
        ("IPv6", syn_v6(), Fate::Dropped),
        ("IPv6, established", syn_v6().flags(ACK).payload(&[1; 9]), Fate::Cut),
        ("IPv6, from the server", Frame::tcp(SERVER_V6, CLIENT_V6).flags(ACK), Fate::Cut),
        ("another host, IPv6", Frame::tcp(CLIENT_V6, "[2001:4860:4860::8845]:445").flags(ACK), Fate::Kept),
        ("tagged", syn().tag(VLAN, 7), Fate::Dropped),
        ("with IPv4 options", syn().option_words(4).flags(ACK), Fate::Cut),
        ("a first fragment", syn().fragment(0, true).flags(ACK), Fate::Cut),
        ("transit", Frame::tcp("1.1.1.1:50000", SERVER), Fate::Let(Transit)),
    ];
    for flags in [ACK, SYN | ACK, FIN | ACK, RST, 0] {
        rows.push(("from the client", syn().flags(flags), Fate::Cut));
        rows.push(("from the server", from_server(flags), Fate::Cut));
    }
    hold("block_drops_all_services_of_a_host_in_both_directions", &setup, rows);
}

#[test]
fn block_of_an_internal_host_stops_at_the_border() {
    let setup = Setup { blocked: targets(&["10.0.0.2", "fd00:1::2"]), ..Setup::default() };
    let rows = vec![
        ("outbound", syn().flags(ACK), Fate::Cut),
        ("inbound", Frame::tcp("9.9.9.9:50000", "10.0.0.2:445"), Fate::Dropped),
        ("IPv6", Frame::tcp("[fd00:1::2]:50000", SERVER_V6), Fate::Dropped),
        ("lateral", Frame::tcp(CLIENT, "10.0.0.3:445").flags(ACK), Fate::Let(Lateral)),
        ("another host", Frame::tcp("10.0.0.3:50000", SERVER), Fate::Kept),
    ];
    hold("block_of_an_internal_host_stops_at_the_border", &setup, rows);
}

#[test]
fn block_of_a_network_or_pair_spares_others() {
    let blocked = targets(&["8.8.4.0/24", "10.0.0.2,9.9.9.9", "10.0.0.4,20.0.0.0/16", "2001:4860::/32"]);
    let setup = Setup { blocked, ..Setup::default() };
    let from_to = |source: &str, destination: &str| {
        Frame::tcp(&format!("{source}:50000"), &format!("{destination}:445")).flags(ACK)
    };
    let back = |source: &str, destination: &str| {
        Frame::tcp(&format!("{source}:445"), &format!("{destination}:50000")).flags(ACK)
    };
    let rows = vec![
        ("inside the network", from_to("10.0.0.9", "8.8.4.255"), Fate::Cut),
        ("outside", from_to("10.0.0.9", "8.8.5.0"), Fate::Kept),
        ("the pair", from_to("10.0.0.2", "9.9.9.9"), Fate::Cut),
        ("the pair, back", back("9.9.9.9", "10.0.0.2"), Fate::Cut),
        ("its host with another", from_to("10.0.0.2", "9.9.9.8"), Fate::Kept),
        ("another with its host", from_to("10.0.0.3", "9.9.9.9"), Fate::Kept),
        ("a host and a network", from_to("10.0.0.4", "20.0.7.7"), Fate::Cut),
        ("back", back("20.0.7.7", "10.0.0.4"), Fate::Cut),
        ("another host and that network", from_to("10.0.0.5", "20.0.7.7"), Fate::Kept),
        ("a network of IPv6", from_to("[fd00:1::9]", "[2001:4860:7::7]"), Fate::Cut),
        ("another one", from_to("[fd00:1::9]", "[2001:4861::7]"), Fate::Kept),
    ];
    hold("block_of_a_network_or_pair_spares_others", &setup, rows);
}

#[test]
fn exemptions_come_before_blocks() {
    let net = |text: &str| Some(text.parse().unwrap());
    let exemption = |source, destination| Exemption::between(source, destination, "a test says so");
    let mut setup = Setup { blocked: targets(&["8.8.4.4", "10.7.0.0/16"]), ..Setup::default() };
    setup.config.exemptions =
        vec![exemption(net("10.6.0.1/32"), net("8.8.4.4/32")), exemption(net("10.7.0.0/16"), None)];
    let rows = vec![
        ("an exempt pair", Frame::tcp("10.6.0.1:50000", SERVER), Fate::Kept),
        ("established", Frame::tcp("10.6.0.1:50000", SERVER).flags(ACK), Fate::Kept),
        ("from its server", Frame::tcp(SERVER, "10.6.0.1:50000").flags(ACK), Fate::Kept),
        ("the other way round", Frame::tcp("8.8.4.4:50000", "10.6.0.1:445"), Fate::Dropped),
        ("an exempt client", Frame::tcp("10.7.0.1:50000", "9.9.9.9:445").flags(ACK), Fate::Let(ExemptSource)),
        ("that as a server", Frame::tcp("9.9.9.9:50000", "10.7.0.1:445").flags(ACK), Fate::Cut),
        ("another client", Frame::tcp("10.6.0.2:50000", SERVER).flags(ACK), Fate::Cut),
    ];
    hold("exemptions_come_before_blocks", &setup, rows);
}

#[test]
fn tunnelled_packet_is_blocked_by_its_inner_header() {
    let mut setup = Setup { blocked: targets(&["8.8.4.4"]), ..Setup::default() };
    setup.config.kernel.tunnels = true;
    let rows = vec![("in IPIP", ip(ENDS, IPIP, &syn().flags(ACK).packet()), Fate::Cut)];
    hold("tunnelled_packet_is_blocked_by_its_inner_header", &setup, rows);
}

#[test]
fn block_cuts_an_established_connection_and_its_flow_keeps_what_passed() {
    let test = "block_cuts_an_established_connection_and_its_flow_keeps_what_passed";
    let setup = Setup { blocked: targets(&["10.0.0.2,8.8.4.4"]), ..Setup::default() };
    let blocks = entries(&setup.blocked, false);
    on(test, &setup, move |twin: &mut Twin| {
        for hook in HOOKS {
            begin_anew(twin, hook);
            let data = syn().flags(ACK).payload(&[7; 100]).build();
            for frame in [&syn().build(), &Frame::tcp(SERVER, CLIENT).flags(SYN | ACK).build(), &data] {
                assert_eq!(twin.run(hook, frame).unwrap().verdict, Verdict::Kept, "{hook:?}");
            }
            let before = twin.changed_slots();
            twin.block(&blocks, LONG).unwrap();
            let effect = twin.repeat(hook, &data, 5).unwrap();
            assert_eq!((effect.verdict, block_counts(&effect)), (Verdict::Dropped, [5, 5, 5]), "{hook:?}");
            assert!(effect.records.is_empty() && twin.changed_slots().is_empty(), "the flow is untouched");
            assert_eq!(before[0].line.packets.iter().sum::<u32>(), 3);
            if let Some(kernel) = twin.kernel() {
                assert_eq!(kernel.blocked_packets(1).unwrap(), 5, "{hook:?}");
            }
            twin.block(&[], 0).unwrap();
            let effect = twin.run(hook, &data).unwrap();
            assert_eq!(
                (effect.verdict, block_counts(&effect)),
                (Verdict::Kept, [0; 3]),
                "{hook:?}: it continues"
            );
        }
        vec![]
    });
}
