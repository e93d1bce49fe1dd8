//! The port test: which packets are processed at all.

use sensor_common::{counter::Counter, slot::Side};
use sensor_tests::{Frame, Outcome, Setup};

use crate::expect::{Row, foreign, hold, hold_bytes, kept};

const LOCAL: &str = "10.0.0.2";
const REMOTE: &str = "8.8.4.4";

fn tcp(from: u16, to: u16) -> Frame {
    Frame::tcp(&format!("{LOCAL}:{from}"), &format!("{REMOTE}:{to}"))
}

fn udp(from: u16, to: u16) -> Frame {
    Frame::udp(&format!("{LOCAL}:{from}"), &format!("{REMOTE}:{to}"))
}

fn kept_tcp(from: u16, to: u16) -> Outcome {
    kept(Side::Local, &format!("{LOCAL}:{from}"), &format!("{REMOTE}:{to}"), 40).reported()
}

fn kept_udp(from: u16, to: u16) -> Outcome {
    kept(Side::Local, &format!("{LOCAL}:{from}"), &format!("{REMOTE}:{to}"), 28).udp().reported()
}

#[test]
fn service_port_on_either_end_is_enough() {
    let services = [(135, 445), (139, 135), (445, 139)];
    let tcp_rows = services.into_iter().flat_map(|(port, other)| {
        [
            ("as destination", tcp(50_000, port), kept_tcp(50_000, port)),
            ("as source", tcp(port, 50_000), kept_tcp(port, 50_000)),
            ("on both ends", tcp(port, port), kept_tcp(port, port)),
            ("two services", tcp(port, other), kept_tcp(port, other)),
        ]
    });
    let udp_rows = [137, 138].into_iter().flat_map(|port| {
        [
            ("as destination", udp(50_000, port), kept_udp(50_000, port)),
            ("as source", udp(port, 50_000), kept_udp(port, 50_000)),
            ("on both ends", udp(port, port), kept_udp(port, port)),
        ]
    });
    hold("service_port_on_either_end_is_enough", &Setup::default(), tcp_rows.chain(udp_rows));
}

#[test]
fn packet_without_a_service_port_changes_no_counter() {
    // 48385 is 445 with its bytes swapped.
    let rows: [Row; 12] = [
        ("HTTPS", tcp(50_000, 443), foreign()),
        ("HTTPS, the answer", tcp(443, 50_000), foreign()),
        ("QUIC", udp(50_000, 443), foreign()),
        ("SMB's port over UDP", udp(50_000, 445), foreign()),
        ("NetBIOS session port over UDP", udp(50_000, 139), foreign()),
        ("endpoint mapper port over UDP", udp(50_000, 135), foreign()),
        ("NetBIOS name port over TCP", tcp(50_000, 137), foreign()),
        ("NetBIOS datagram port over TCP", tcp(50_000, 138), foreign()),
        ("a port below", tcp(50_000, 444), foreign()),
        ("a port above", tcp(50_000, 446), foreign()),
        ("445 in the wrong byte order", tcp(50_000, 48_385), foreign()),
        ("port 0", tcp(0, 0), foreign()),
    ];
    hold("packet_without_a_service_port_changes_no_counter", &Setup::default(), rows);
}

#[test]
fn looks_only_at_service_ports() {
    let test = "looks_only_at_service_ports";
    let mut twin = Setup::default().twin(test).unwrap();
    let mut frame = tcp(50_000, 1).build();
    let mut datagram = udp(50_000, 1).build();
    let (mut over_tcp, mut over_udp) = (Vec::new(), Vec::new());
    for port in 0..=u16::MAX {
        frame[36..38].copy_from_slice(&port.to_be_bytes());
        datagram[36..38].copy_from_slice(&port.to_be_bytes());
        for (bytes, seen) in [(&frame, &mut over_tcp), (&datagram, &mut over_udp)] {
            let hook = sensor_tests::HOOKS[usize::from(port) % 3];
            if twin.run(hook, bytes).unwrap().counted.get(Counter::Seen) != 0 {
                seen.push(port);
            }
        }
    }
    assert_eq!((over_tcp, over_udp), (vec![135, 139, 445], vec![137, 138]));
}

#[test]
fn configured_ports_replace_the_defaults() {
    let mut setup = Setup::default();
    setup.config.services.smb_tcp = vec![4445];
    let rows = [
        ("a port of ours".to_owned(), tcp(50_000, 4445).build(), kept_tcp(50_000, 4445)),
        ("its default".to_owned(), tcp(50_000, 445).build(), foreign()),
        ("another service's default".to_owned(), tcp(50_000, 135).build(), kept_tcp(50_000, 135)),
    ];
    hold_bytes("configured_ports_replace_the_defaults", &setup, rows);
}
