//! A DHCP client (RFC 2131) that asks for an address and does not use it.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use sensor_lab::Namespace;

/// Bytes before the options: BOOTP and the magic cookie.
const FIXED: usize = 240;

const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Options (RFC 2132).
const HOST_NAME: u8 = 12;
const REQUESTED_ADDRESS: u8 = 50;
const MESSAGE_TYPE: u8 = 53;
const SERVER_IDENTIFIER: u8 = 54;
const END: u8 = 255;

/// Message types.
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// Leases an address for the host at `interface` under a name.
///
/// # Errors
/// When no server gives one within five seconds.
pub(super) fn lease(namespace: &Namespace, interface: &str, name: &str) -> Result<Ipv4Addr> {
    let mac = namespace.mac_address(interface)?;
    namespace.run(|| -> Result<Ipv4Addr> {
        let socket =
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).context("cannot bind the port of DHCP clients")?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let ask = |kind: u8, options: &[(u8, &[u8])], answer: u8| -> Result<Vec<u8>> {
            socket.send_to(&message(mac, kind, name, options), (Ipv4Addr::BROADCAST, 67))?;
            let mut buffer = [0; 1_500];
            let length = socket.recv(&mut buffer).context("no DHCP server answered")?;
            let bytes = buffer[..length].to_vec();
            ensure!(option(&bytes, MESSAGE_TYPE) == Some(&[answer][..]), "another answer than {answer}");
            Ok(bytes)
        };
        let offer = ask(DISCOVER, &[], OFFER)?;
        let address: [u8; 4] = offer[16..20].try_into()?;
        let server = option(&offer, SERVER_IDENTIFIER).context("the offer has no server")?.to_vec();
        ask(REQUEST, &[(REQUESTED_ADDRESS, &address), (SERVER_IDENTIFIER, &server)], ACK)?;
        Ok(address.into())
    })?
}

fn message(mac: [u8; 6], kind: u8, name: &str, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; FIXED];
    // A request over Ethernet; the answer is to be broadcast.
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&[0x53, 0x4D, 0x42, 1]);
    bytes[10] = 0x80;
    bytes[28..34].copy_from_slice(&mac);
    bytes[FIXED - 4..].copy_from_slice(&COOKIE);
    for (number, value) in [(MESSAGE_TYPE, &[kind][..]), (HOST_NAME, name.as_bytes())].iter().chain(options) {
        bytes.extend([*number, value.len() as u8]);
        bytes.extend(*value);
    }
    bytes.push(END);
    bytes
}

/// The value of an option.
fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(FIXED..)?;
    while let [number, length, following @ ..] = rest {
        let value = following.get(..usize::from(*length))?;
        if *number == wanted {
            return Some(value);
        }
        rest = &following[value.len()..];
    }
    None
}
