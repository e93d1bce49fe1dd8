//! Enforcement: what a rule would alert on is counted at its SYN, and dropped as long as that is in force.

use std::{sync::Arc, time::Duration};

use sensor_common::{
    counter::Counter::{
        self, DroppedInbound, DroppedOutbound, ExemptDestination, ExemptSource, Kept, Lateral, Reserved,
        Seen, Transit, WouldDropInbound, WouldDropOutbound,
    },
    path::Verdict,
    prefix::PAIRS,
    slot::{
        Hook, mark,
        tcp::{ACK, FIN, RST, SYN},
    },
};
use sensor_lab::poll;
use sensor_tests::{Effect, Fate, Frame, HOOKS, Setup, Twin, VLAN, flows};
use sensor_user::exempt::Exemption;

use crate::{
    encapsulation::{ENDS, IPIP, ip},
    expect::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, on, syn, syn_v6},
};

/// Ticks that no test lasts for.
const LONG: i32 = 1_000_000;

/// Urgent, push and the bits of congestion control: none of them makes a SYN another one.
const OTHER_FLAGS: u8 = 0xE8;

/// What a frame is to be counted as, besides as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The rule `smb-to-internet` would alert on it.
    Outbound,
    /// The rule `external-access-windows-networking` would.
    Inbound,
    /// No rule would; it is kept.
    None,
    /// It is not kept at all, for this reason.
    Let(Counter),
    /// It is none of ours.
    Foreign,
}

/// A name that states the behaviour, a frame, and the rule that it breaks.
type Row = (&'static str, Frame, Rule);

const COUNTED: [Counter; 4] = [WouldDropOutbound, DroppedOutbound, WouldDropInbound, DroppedInbound];

fn enforcement(effect: &Effect) -> [u64; 4] {
    COUNTED.map(|counter| effect.counted.get(counter))
}

/// Whether a frame that breaks this rule does what it has to.
fn check(effect: &Effect, rule: Rule, in_force: bool) -> Result<(), String> {
    let dropped = u64::from(in_force);
    let counted = match rule {
        Rule::Outbound => [1, dropped, 0, 0],
        Rule::Inbound => [0, 0, 1, dropped],
        _ => [0; 4],
    };
    let verdict = match rule {
        Rule::Outbound | Rule::Inbound if in_force => Verdict::Dropped,
        Rule::Outbound | Rule::Inbound | Rule::None => Verdict::Kept,
        Rule::Let(counter) => Verdict::Passed(counter),
        Rule::Foreign => Verdict::Foreign,
    };
    let (seen, kept) = (effect.counted.get(Seen), effect.counted.get(Kept));
    let outcome = match rule {
        Rule::Let(counter) => seen == 1 && effect.counted.get(counter) == 1,
        Rule::Foreign => seen == 0,
        _ => seen == 1 && kept == 1,
    };
    let told = flows(&effect.records).map_err(|error| error.to_string())?;
    let marked = told.last().is_some_and(|(_, flow)| flow.marks & mark::DROPPED != 0);
    let as_dropped = marked == (verdict == Verdict::Dropped);
    if enforcement(effect) == counted && effect.verdict == verdict && outcome && as_dropped {
        return Ok(());
    }
    Err(format!("{rule:?}, in force: {in_force}: {:?} with {:?}, {told:?}", effect.verdict, effect.changes()))
}

/// Gives each frame to both engines at every hook, each time as a new flow, while enforcement is in force and while it is
/// not. At XDP, also to the program for kernels whose frames are in one piece. That the kernel drops what the host says is
/// dropped, and nothing else, is seen to by the twin.
fn hold(test: &str, setup: &Setup, rows: impl IntoIterator<Item = Row>) {
    let rows: Arc<Vec<Row>> = Arc::new(rows.into_iter().collect());
    assert!(!rows.is_empty(), "no row at all");
    let in_one_piece = Setup { frags: false, ..setup.clone() };
    for (setup, hooks) in [(setup, &HOOKS[..]), (&in_one_piece, &[Hook::XdpIngress])] {
        let rows = Arc::clone(&rows);
        on(test, setup, move |twin| failures(twin, hooks, &rows));
    }
}

fn failures(twin: &mut Twin, hooks: &[Hook], rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    for in_force in [false, true] {
        if in_force {
            twin.enforce_for(LONG).unwrap();
        }
        for (name, frame, rule) in rows {
            for hook in hooks {
                begin_anew(twin, *hook);
                let held = match twin.run(*hook, &frame.build()) {
                    Ok(effect) => check(&effect, *rule, in_force),
                    Err(error) => Err(format!("{error:#}")),
                };
                if let Err(how) = held {
                    wrong.push(format!("{name} at {hook:?}: {how}"));
                }
            }
        }
    }
    twin.end_enforcement().unwrap();
    wrong
}

/// Has a bystander take the one slot: a datagram, which is never dropped.
fn begin_anew(twin: &mut Twin, hook: Hook) {
    twin.run(hook, &Frame::udp("10.255.255.254:9", "9.9.9.9:137").build()).unwrap();
}

#[test]
fn to_the_internet_smb_alone_is_dropped() {
    let to = |port: u16| Frame::tcp(CLIENT, &format!("8.8.4.4:{port}"));
    let rows = [
        ("445", to(445), Rule::Outbound),
        ("139", to(139), Rule::Outbound),
        ("135: no rule is about it", to(135), Rule::None),
        ("TCP 137: no service", to(137), Rule::Foreign),
        ("443", to(443), Rule::Foreign),
        ("4445", to(4445), Rule::Foreign),
        ("UDP 137", Frame::udp("10.0.0.2:137", "8.8.4.4:137"), Rule::None),
        ("UDP 138", Frame::udp("10.0.0.2:138", "8.8.4.4:138"), Rule::None),
        ("UDP 445: no service", Frame::udp("10.0.0.2:138", "8.8.4.4:445"), Rule::None),
        ("IPv6", syn_v6(), Rule::Outbound),
        ("IPv6, 135", Frame::tcp(CLIENT_V6, "[2001:4860:4860::8844]:135"), Rule::None),
        ("behind NAT64", Frame::tcp(CLIENT_V6, "[64:ff9b::8.8.4.4]:445"), Rule::Outbound),
        ("tagged", syn().tag(VLAN, 7), Rule::Outbound),
        ("with IPv4 options", syn().option_words(4), Rule::Outbound),
        ("a first fragment", syn().fragment(0, true), Rule::Outbound),
        ("with data, as TCP fast open has it", syn().payload(&[1; 40]), Rule::Outbound),
    ];
    hold("to_the_internet_smb_alone_is_dropped", &Setup::default(), rows);
}

#[test]
fn from_the_internet_every_service_is_dropped() {
    let to = |port: u16| Frame::tcp("8.8.4.4:50000", &format!("10.0.0.2:{port}"));
    let rows = [
        ("445", to(445), Rule::Inbound),
        ("139", to(139), Rule::Inbound),
        ("135", to(135), Rule::Inbound),
        ("443", to(443), Rule::Foreign),
        ("UDP 137", Frame::udp("8.8.4.4:137", "10.0.0.2:137"), Rule::None),
        ("UDP 138", Frame::udp("8.8.4.4:138", "10.0.0.2:138"), Rule::None),
        ("IPv6", Frame::tcp("[2001:4860:4860::8844]:50000", "[fd00:1::2]:445"), Rule::Inbound),
        ("IPv6, 135", Frame::tcp("[2001:4860:4860::8844]:50000", "[fd00:1::2]:135"), Rule::Inbound),
    ];
    hold("from_the_internet_every_service_is_dropped", &Setup::default(), rows);
}

#[test]
fn with_a_service_on_both_ports_the_destination_counts() {
    let rows = [
        ("445 to 445", Frame::tcp("10.0.0.2:445", SERVER), Rule::Outbound),
        ("135 to 139", Frame::tcp("10.0.0.2:135", "8.8.4.4:139"), Rule::Outbound),
        ("445 to 135", Frame::tcp("10.0.0.2:445", "8.8.4.4:135"), Rule::None),
        ("from outside", Frame::tcp("8.8.4.4:445", "10.0.0.2:135"), Rule::Inbound),
        ("IPv6", Frame::tcp("[fd00:1::2]:139", SERVER_V6), Rule::Outbound),
    ];
    hold("with_a_service_on_both_ports_the_destination_counts", &Setup::default(), rows);
}

#[test]
fn only_a_syn_that_asks_for_a_connection_is_dropped() {
    let from_server = |flags| Frame::tcp(SERVER, CLIENT).flags(flags);
    let mut rows: Vec<Row> = vec![
        ("SYN", syn(), Rule::Outbound),
        ("SYN with other bits", syn().flags(SYN | OTHER_FLAGS), Rule::Outbound),
        ("no flag", syn().flags(0), Rule::None),
        ("a SYN from the port of a service", from_server(SYN), Rule::None),
        ("its SYN-ACK", from_server(SYN | ACK), Rule::None),
        ("its RST", from_server(RST | ACK), Rule::None),
    ];
    for flags in [ACK, SYN | ACK, SYN | RST, SYN | FIN, RST, RST | ACK, FIN, FIN | ACK, SYN | ACK | RST | FIN]
    {
        rows.push(("other flags", syn().flags(flags), Rule::None));
        rows.push((
            "other flags, inbound",
            Frame::tcp("8.8.4.4:50000", "10.0.0.2:445").flags(flags),
            Rule::None,
        ));
        rows.push(("other flags, IPv6", syn_v6().flags(flags).payload(&[1; 9]), Rule::None));
    }
    hold("only_a_syn_that_asks_for_a_connection_is_dropped", &Setup::default(), rows);
}

#[test]
fn what_does_not_cross_the_border_is_not_dropped() {
    let rows = [
        ("lateral", Frame::tcp(CLIENT, "10.0.0.3:445"), Rule::Let(Lateral)),
        ("lateral, IPv6", Frame::tcp(CLIENT_V6, "[fd00:2::3]:445"), Rule::Let(Lateral)),
        ("to reserved space", Frame::tcp(CLIENT, "192.0.2.1:445"), Rule::Let(Reserved)),
        ("from reserved space", Frame::tcp("127.0.0.1:50000", "10.0.0.2:445"), Rule::Let(Reserved)),
        ("transit", Frame::tcp("1.1.1.1:50000", SERVER), Rule::Let(Transit)),
    ];
    hold("what_does_not_cross_the_border_is_not_dropped", &Setup::default(), rows);
}

/// Two clients, two servers, and one pair more than the kernel can tell apart.
fn exempting() -> Setup {
    let mut pairs: Vec<(String, String)> =
        [("10.6.0.0/24", "8.8.4.0/24"), ("9.9.8.0/24", "10.5.0.0/16"), ("fd00:6::/48", "2001:4860:6::/48")]
            .map(|(client, server)| (client.into(), server.into()))
            .to_vec();
    for number in 3..=PAIRS {
        pairs.push((format!("10.4.{number}.0/24"), format!("20.4.{number}.0/24")));
    }
    let net = |text: &str| Some(text.parse().unwrap());
    let exemption = |source, destination| Exemption { source, destination, reason: "a test says so".into() };
    let mut setup = Setup::default();
    setup.config.exemptions = vec![
        exemption(net("10.7.0.0/16"), None),
        exemption(None, net("8.8.8.0/24")),
        exemption(net("9.9.9.9/32"), None),
        exemption(None, net("10.8.0.0/16")),
    ];
    let pairs = pairs.iter().map(|(client, server)| exemption(net(client), net(server)));
    setup.config.exemptions.extend(pairs);
    setup
}

#[test]
fn what_is_exempt_is_not_dropped() {
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
        ("the last that can be told apart", from_to("10.4.27.9", "20.4.27.5"), Rule::None),
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
        ("a pair of IPv6", from_to("[fd00:6::1]", "[2001:4860:6::1]"), Rule::None),
        ("its client alone", from_to("[fd00:6::1]", "[2001:4860:7::1]"), Rule::Outbound),
        ("its server alone", from_to("[fd00:7::1]", "[2001:4860:6::1]"), Rule::Outbound),
    ];
    hold("what_is_exempt_is_not_dropped", &setup, rows);
}

#[test]
fn a_packet_in_a_tunnel_is_judged_by_what_is_inside() {
    let mut setup = Setup::default();
    setup.config.kernel.tunnels = true;
    let lateral = Frame::tcp(CLIENT, "10.0.0.3:445");
    let rows = [
        ("a SYN to the Internet", ip(ENDS, IPIP, &syn().packet()), Rule::Outbound),
        ("a SYN that stays", ip(ENDS, IPIP, &lateral.packet()), Rule::Let(Lateral)),
    ];
    hold("a_packet_in_a_tunnel_is_judged_by_what_is_inside", &setup, rows);
}

#[test]
fn a_connection_that_stands_goes_on_and_only_its_successor_is_dropped() {
    let test = "a_connection_that_stands_goes_on_and_only_its_successor_is_dropped";
    let rows: [(Vec<u8>, Vec<u8>, Rule); 3] = [
        (syn().build(), Frame::tcp(SERVER, CLIENT).flags(SYN | ACK).build(), Rule::Outbound),
        (syn_v6().build(), Frame::tcp(SERVER_V6, CLIENT_V6).flags(SYN | ACK).build(), Rule::Outbound),
        (
            Frame::tcp("8.8.4.4:50000", "10.0.0.2:445").build(),
            Frame::tcp("10.0.0.2:445", "8.8.4.4:50000").flags(SYN | ACK).build(),
            Rule::Inbound,
        ),
    ];
    on(test, &Setup::default(), move |twin| {
        for (opening, answer, rule) in rows {
            for hook in HOOKS {
                begin_anew(twin, hook);
                twin.end_enforcement().unwrap();
                let flags_at = opening.len() - 7;
                let mut data = opening.clone();
                data[flags_at] = ACK;
                let mut end = data.clone();
                end[flags_at] = FIN | ACK;
                check(&twin.run(hook, &opening).unwrap(), rule, false).unwrap();
                twin.enforce_for(LONG).unwrap();
                for frame in [&answer, &data, &data, &end] {
                    let effect = twin.run(hook, frame).unwrap();
                    assert_eq!((effect.verdict, enforcement(&effect)), (Verdict::Kept, [0; 4]), "{hook:?}");
                }
                check(&twin.run(hook, &opening).unwrap(), rule, true).unwrap();
                twin.end_enforcement().unwrap();
            }
        }
        vec![]
    });
}

#[test]
fn every_syn_that_is_sent_again_is_counted_and_dropped_again() {
    on("every_syn_that_is_sent_again_is_counted_and_dropped_again", &Setup::default(), |twin| {
        twin.enforce_for(LONG).unwrap();
        for hook in HOOKS {
            begin_anew(twin, hook);
            let effect = twin.repeat(hook, &syn().build(), 5).unwrap();
            assert_eq!(enforcement(&effect), [5, 5, 0, 0], "{hook:?}");
            assert_eq!(effect.counted.get(Kept), 5, "what is dropped is accounted all the same");
            let [_, (_, told)] = flows(&effect.records).unwrap()[..] else { panic!("{effect:?}") };
            assert!(told.marks & mark::DROPPED != 0);
        }
        twin.end_enforcement().unwrap();
        vec![]
    });
}

#[test]
fn nothing_is_dropped_before_the_switch_nor_after_its_last_tick() {
    let test = "nothing_is_dropped_before_the_switch_nor_after_its_last_tick";
    on(test, &Setup::default(), |twin| {
        for (ticks, in_force) in [(LONG, true), (0, false), (LONG, true), (-1, false), (-LONG, false)] {
            twin.enforce_for(ticks).unwrap();
            for hook in HOOKS {
                begin_anew(twin, hook);
                let effect = twin.run(hook, &syn().build()).unwrap();
                check(&effect, Rule::Outbound, in_force).unwrap_or_else(|how| panic!("{ticks} ticks: {how}"));
            }
        }
        twin.end_enforcement().unwrap();
        let effect = twin.run(Hook::XdpIngress, &syn().build()).unwrap();
        assert_eq!(enforcement(&effect), [1, 0, 0, 0], "switched off, with ticks left");
        vec![]
    });
}

#[test]
fn enforcement_that_nobody_renews_ends_by_itself() {
    let test = "enforcement_that_nobody_renews_ends_by_itself";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let frame = syn().build();
    assert_eq!(kernel.run(Hook::XdpIngress, &frame, 1).unwrap(), Fate::Passed, "it is off to begin with");
    kernel.enforce_for(200).unwrap();
    assert_eq!(kernel.run(Hook::XdpIngress, &frame, 1).unwrap(), Fate::Dropped);
    let passed = poll(Duration::from_secs(10), || {
        (kernel.run(Hook::XdpIngress, &frame, 1).unwrap() == Fate::Passed).then_some(())
    });
    passed.expect("200 ticks pass");
    let counters = kernel.counters().unwrap();
    let (would, dropped) = (counters.get(WouldDropOutbound), counters.get(DroppedOutbound));
    assert_eq!(would, dropped + 2, "the first and the last were only counted");
}
