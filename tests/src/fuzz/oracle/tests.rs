use super::*;
use crate::{Frame, QINQ, VLAN, extension::DESTINATION_OPTIONS, fuzz::options::Options};

fn judge(frame: &Frame) -> Opinion {
    let options: Options = "any-port enforcing slots=1".parse().unwrap();
    Oracle::new(&options.setup().unwrap().config, true, &[]).judge(&frame.build(), Link::Ethernet)
}

fn kept(frame: &Frame) -> Account {
    match judge(frame) {
        Opinion::Kept(account) => account,
        other => panic!("{other:?}"),
    }
}

#[test]
fn syn_to_the_internet_is_counted_for_the_inside_and_dropped() {
    let syn = Frame::tcp("10.0.0.2:50000", "8.8.4.4:445").tag(QINQ, 5).tag(VLAN, 6);
    let account = kept(&syn);
    assert_eq!((account.side, account.bytes, account.payload), (Side::Local, 40, 0));
    assert_eq!((account.vlan, account.dropped), (Some(5), true));
    assert!(!kept(&Frame::tcp("10.0.0.2:50000", "8.8.4.4:135")).dropped);
    assert!(kept(&Frame::tcp("8.8.4.4:50000", "20.20.0.1:135")).dropped);
}

#[test]
fn block_cuts_connections_and_drops_what_opens_one() {
    let options: Options = "blocking slots=1".parse().unwrap();
    let oracle = Oracle::new(&options.setup().unwrap().config, false, &options.blocked().unwrap());
    let judge = |frame: &Frame| oracle.judge(&frame.build(), Link::Ethernet);
    let syn = Frame::tcp("10.0.0.1:50000", "8.8.8.8:445");
    assert!(matches!(judge(&syn), Opinion::Kept(account) if account.dropped));
    assert!(matches!(judge(&syn.flags(tcp::ACK)), Opinion::Cut));
    let other = Frame::tcp("10.0.0.1:50000", "8.8.8.9:445");
    assert!(matches!(judge(&other), Opinion::Kept(account) if !account.dropped));
}

#[test]
fn packets_inside_the_border_are_named() {
    let between = |from: &str, to: &str| judge(&Frame::tcp(&format!("{from}:1"), &format!("{to}:445")));
    for (from, to, counter) in [
        ("10.0.0.2", "192.168.0.1", Counter::Lateral),
        ("8.8.4.4", "9.9.9.9", Counter::Transit),
        ("10.0.0.2", "192.0.2.1", Counter::Reserved),
        ("[fd00::1]", "[2002:a00:1::1]", Counter::Lateral),
        ("[2001:4860::1]", "[2001:0:1::f7f7:fbfb]", Counter::Transit),
        ("[fd00::1]", "[::ffff:127.0.0.1]", Counter::Reserved),
    ] {
        assert_eq!(between(from, to), Opinion::Passed(counter), "{from} to {to}");
    }
}

#[test]
fn counts_fragments_tags_and_chains_by_kind() {
    let syn = || Frame::tcp("10.0.0.2:1", "8.8.4.4:445");
    let syn_v6 = || Frame::tcp("[fd00::2]:1", "[2001:4860::1]:445");
    assert_eq!(judge(&syn().fragment(9, false)), Opinion::Unparsed(Counter::Fragment));
    assert_eq!(judge(&syn().fragment(1, true)), Opinion::Unparsed(Counter::EvasiveFragment));
    assert!(kept(&syn_v6().fragment(0, true)).fragment);
    let tags = syn().tag(VLAN, 1).tag(VLAN, 2).tag(VLAN, 3);
    assert_eq!(judge(&tags), Opinion::Unparsed(Counter::UnknownLink));
    let chain = (0..8).fold(syn_v6(), |frame, _| frame.extension(DESTINATION_OPTIONS, 0));
    assert_eq!(judge(&chain), Opinion::Unparsed(Counter::LongExtensionChain));
}

#[test]
fn smb_is_recognised_by_its_first_bytes_until_its_port_is_marked() {
    let mut message = vec![0, 0, 0, 64, 0xFE, b'S', b'M', b'B'];
    message.push(64);
    message.resize(68, 0);
    let elsewhere = Frame::tcp("10.0.0.2:50000", "8.8.4.4:4445").flags(tcp::ACK);
    assert_eq!(judge(&elsewhere), Opinion::Foreign);
    assert_eq!(kept(&elsewhere.clone().payload(&message)).payload, 68);
    let options: Options = "any-port slots=1".parse().unwrap();
    let mut oracle = Oracle::new(&options.setup().unwrap().config, false, &[]);
    let (local, remote) = ("10.0.0.2:50000".parse().unwrap(), "8.8.4.4:4445".parse().unwrap());
    oracle.kept(TCP, local, remote);
    assert!(matches!(oracle.judge(&elsewhere.build(), Link::Ethernet), Opinion::Unsure(_)));
}

#[test]
fn initial_packets_of_quic_cross_the_border_to_its_port() {
    let datagram = |from: &str, to: &str, beginning: [u8; 5], length: usize| {
        let mut payload = beginning.to_vec();
        payload.resize(length, 0);
        judge(&Frame::udp(from, to).payload(&payload))
    };
    let (client, server) = ("10.0.0.2:50000", "8.8.4.4:443");
    let (v1, v2) = ([0xC9, 0, 0, 0, 1], [0xD1, 0x6B, 0x33, 0x43, 0xCF]);
    assert_eq!(datagram(client, server, v1, 1_200), Opinion::Initial);
    assert_eq!(datagram(server, "20.20.0.1:443", v2, 1_200), Opinion::Initial);
    assert_eq!(datagram(client, server, v1, 1_199), Opinion::Foreign);
    assert_eq!(datagram(client, server, [0xD1, 0, 0, 0, 1], 1_200), Opinion::Foreign);
    assert_eq!(datagram(client, "8.8.4.4:444", v1, 1_200), Opinion::Foreign);
    assert_eq!(datagram(client, "10.0.1.2:443", v1, 1_200), Opinion::Foreign);
}

#[test]
fn packet_that_was_cut_marks_its_port_or_says_that_it_cannot_be_read() {
    let options: Options = "any-port blocking slots=1".parse().unwrap();
    let mut oracle = Oracle::new(&options.setup().unwrap().config, false, &options.blocked().unwrap());
    let frame = Frame::tcp("10.0.0.1:50000", "8.8.8.8:4000").flags(tcp::ACK).build();
    assert_eq!(oracle.judge(&frame, Link::Ethernet), Opinion::Foreign);
    assert_eq!(oracle.cut(&frame[..20], Link::Ethernet), Err(Opinion::Unsure("a cut network header")));
    assert_eq!(oracle.judge(&frame, Link::Ethernet), Opinion::Foreign);
    oracle.cut(&frame, Link::Ethernet).unwrap();
    let answer = Frame::tcp("8.8.8.8:4000", "10.0.0.1:50000").flags(tcp::ACK).payload(b"HTTP/1.1 401 U");
    let unsure = Opinion::Unsure("an answer from a port that may be marked");
    assert_eq!(oracle.judge(&answer.build(), Link::Ethernet), unsure);
}

#[test]
fn connection_is_followed_from_a_request_on_until_a_syn() {
    let options: Options = "any-port slots=1".parse().unwrap();
    let mut oracle = Oracle::new(&options.setup().unwrap().config, false, &[]);
    let (client, server) = ("10.0.0.2:50000", "8.8.4.4:8080");
    let request = format!("PROPFIND / HTTP/1.1\r\n{:040}", 0);
    let page = |to: &str| Frame::tcp(server, to).flags(tcp::ACK).payload(b"HTTP/1.1 200 OK").build();
    let mut step = |frame: Vec<u8>| {
        let opinion = oracle.judge(&frame, Link::Ethernet);
        oracle.learn(&frame, Link::Ethernet, opinion, false);
        if let Opinion::Kept(Account { local, remote, .. }) = opinion {
            oracle.kept(TCP, local, remote);
        }
        opinion
    };
    assert_eq!(step(page(client)), Opinion::Foreign);
    let asked = Frame::tcp(client, server).flags(tcp::ACK).payload(request.as_bytes()).build();
    assert!(matches!(step(asked), Opinion::Kept(_)));
    assert!(matches!(step(page(client)), Opinion::Kept(_)));
    assert_eq!(step(page("10.0.0.3:50000")), Opinion::Foreign, "another client of the same port");
    step(Frame::tcp(client, server).build());
    assert_eq!(step(page(client)), Opinion::Unsure("a connection that may be followed"));
}
