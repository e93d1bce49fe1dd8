//! The standard border carries traffic between its hosts, and only there.
#![expect(clippy::expect_used, reason = "functions shared by tests fail as tests do")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sensor_lab::{Answer, RawSocket, TcpListener, Topology, UdpResponder, address, poll, require_lab};

const SOON: Duration = Duration::from_secs(20);

fn echoed(to: SocketAddr) -> String {
    let mut stream = TcpStream::connect_timeout(&to, SOON).expect("connect");
    stream.set_read_timeout(Some(SOON)).expect("set the time limit");
    stream.write_all(b"ping").expect("send");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("receive");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn client_reaches_server_through_gateway_over_ipv4_and_ipv6() {
    require_lab!(Network);
    let lab = Topology::border().expect("build");
    for server in [IpAddr::from(address::SERVER_V4), address::SERVER_V6.into()] {
        let listener = TcpListener::start(lab.server(), (server, 4000), Answer::Echo).expect("listen");
        let answer = lab.client().run(|| echoed(listener.address())).expect("enter");
        assert_eq!(answer, "ping");
        assert_eq!(listener.connections(), 1);
    }
    // The same server, with the gateway no longer forwarding: there is no other way.
    lab.gateway().sysctl("net/ipv4/ip_forward", "0").expect("stop forwarding");
    let listener =
        TcpListener::start(lab.server(), (address::SERVER_V4, 4000), Answer::Echo).expect("listen");
    let short = Duration::from_millis(300);
    let reached = lab.client().run(|| TcpStream::connect_timeout(&listener.address(), short).is_ok());
    assert!(!reached.expect("enter"));
}

#[test]
fn border_leaves_nothing_outside() {
    require_lab!(Network);
    let before = interfaces_here();
    let started = Instant::now();
    let _lab = Topology::builder().lan_server().build().expect("build");
    eprintln!("built in {:?}", started.elapsed());
    assert_eq!(interfaces_here(), before);
}

fn interfaces_here() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/net/dev").expect("list interfaces");
    table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

#[test]
fn further_addresses_are_reached_on_their_side() {
    require_lab!(Network);
    let beyond = ["1.1.1.1", "198.18.0.10", "100.64.0.10", "203.0.113.9", "2606:4700::1111", "192.168.7.7"];
    let beyond = beyond.map(|text| text.parse::<IpAddr>().expect("address"));
    let mut builder = Topology::builder().client_address(Ipv4Addr::new(172, 16, 5, 5));
    for address in beyond {
        builder = builder.server_address(address);
    }
    let lab = builder.build().expect("build");
    let listener =
        TcpListener::start(lab.server(), "[::]:4000".parse::<SocketAddr>().expect("address"), Answer::Echo)
            .expect("listen");
    for address in beyond {
        assert_eq!(lab.client().run(|| echoed((address, 4000).into())).expect("enter"), "ping");
    }
    assert_eq!(listener.connections(), beyond.len());
}

#[test]
fn internet_client_reaches_an_internal_server_and_lans_reach_each_other() {
    require_lab!(Network);
    let lab = Topology::builder().lan_server().build().expect("build");
    let inside = TcpListener::start(lab.client(), (address::CLIENT_V4, 4000), Answer::Echo).expect("listen");
    let source = lab.server().run(|| {
        let stream = TcpStream::connect_timeout(&inside.address(), SOON).expect("connect");
        stream.local_addr().expect("own address").ip()
    });
    assert_eq!(source.expect("enter"), IpAddr::from(address::SERVER_V4));
    let lateral = TcpListener::start(
        lab.lan_server().expect("second LAN"),
        (address::LAN_SERVER_V6, 4000),
        Answer::Echo,
    )
    .expect("listen");
    assert_eq!(lab.client().run(|| echoed(lateral.address())).expect("enter"), "ping");
}

#[test]
fn datagram_is_answered() {
    require_lab!(Network);
    let lab = Topology::border().expect("build");
    let answer = Answer::Bytes(b"pong".to_vec());
    let responder = UdpResponder::start(lab.server(), (address::SERVER_V4, 137), answer).expect("respond");
    let received = lab.client().run(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("bind");
        socket.set_read_timeout(Some(SOON)).expect("set the time limit");
        socket.send_to(b"ping", responder.address()).expect("send");
        let mut buffer = [0; 16];
        let (length, from) = socket.recv_from(&mut buffer).expect("receive");
        assert_eq!(from, responder.address());
        buffer[..length].to_vec()
    });
    assert_eq!(received.expect("enter"), b"pong");
    assert_eq!(responder.datagrams(), 1);
}

#[test]
fn crafted_frame_arrives_unchanged_with_its_vlan_tags() {
    require_lab!(Network);
    let lab = Topology::border().expect("build");
    let sender = RawSocket::open(lab.client(), "eth0").expect("open");
    let receiver = RawSocket::open(lab.gateway(), "lan0").expect("open");
    for tags in [&[][..], &[0x81, 0, 0, 7], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7]] {
        let mut frame = lab.gateway().mac_address("lan0").expect("address").to_vec();
        frame.extend(lab.client().mac_address("eth0").expect("address"));
        frame.extend(tags);
        // A local experimental EtherType (IEEE 802): no stack answers it.
        frame.extend([0x88, 0xb5]);
        frame.extend([0x5a; 46]);
        sender.send(&frame).expect("send");
        let arrived = poll(SOON, || receiver.receive(SOON).expect("receive").filter(|seen| *seen == frame));
        assert_eq!(arrived, Some(frame));
    }
}

#[test]
fn frames_up_to_a_raised_mtu_pass() {
    require_lab!(Network);
    let lab = Topology::builder().mtu(3000).build().expect("build");
    let frame = vec![0xff; 3000];
    RawSocket::open(lab.client(), "eth0").expect("open").send(&frame).expect("send");
}
