//! NetBIOS names and datagrams of real peers.

use sensor_dissect::{netbios_datagram, netbios_name};

use crate::corpus::payloads;

#[test]
fn reads_every_name_packet() {
    let packets: Vec<_> = payloads().into_iter().filter(|(port, _)| *port == 137).collect();
    assert!(packets.len() > 5);
    let read: Vec<_> = packets.iter().map(|(_, bytes)| netbios_name::read(bytes).unwrap()).collect();
    assert!(
        read.iter().any(|packet| packet.response && packet.names.iter().any(|one| one.name.name == "EQSRV"))
    );
    assert!(read.iter().any(|packet| !packet.response && packet.name.name == "*"));
}

#[test]
fn reads_every_datagram_with_its_mailslot() {
    let packets: Vec<_> = payloads().into_iter().filter(|(port, _)| *port == 138).collect();
    assert!(!packets.is_empty());
    for (_, bytes) in packets {
        let datagram = netbios_datagram::read(&bytes).unwrap();
        assert!(datagram.names.is_some());
        assert!(datagram.mailslot.is_some_and(|name| name.starts_with(r"\MAILSLOT\")));
    }
}
