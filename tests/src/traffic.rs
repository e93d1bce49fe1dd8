//! Traffic for the sensor: real SMB sessions, plain TCP exchanges and crafted SYNs.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Namespace, Smbclient};

const SOON: Duration = Duration::from_secs(5);

/// An SMB2 message header behind its NetBIOS one (RFC 1002 4.3.1, MS-SMB2 2.2.1): a NEGOTIATE without a body.
pub const SMB2_MESSAGE: [u8; 68] = {
    let mut message = [0; 68];
    let start = [0, 0, 0, 64, 0xFE, b'S', b'M', b'B', 64, 0];
    let mut at = 0;
    while at < start.len() {
        message[at] = start[at];
        at += 1;
    }
    message
};

/// A real session: logs in and fetches a file.
///
/// # Errors
/// When the client does not succeed.
pub fn smb_session(client: &Namespace, server: impl Into<IpAddr>) -> Result<()> {
    session_of(&Smbclient::new(client, server))
}

/// A real session of a client with options.
///
/// # Errors
/// When the client does not succeed.
pub fn session_of(client: &Smbclient<'_>) -> Result<()> {
    let outcome = client.get("hello.txt")?;
    ensure!(outcome.success(), "the SMB session failed: {}", outcome.output);
    Ok(())
}

/// Connects from `namespace`.
///
/// # Errors
/// When the connection does not come about.
pub fn connect(namespace: &Namespace, to: impl Into<SocketAddr>) -> Result<TcpStream> {
    let to = to.into();
    let stream = namespace
        .run(|| TcpStream::connect_timeout(&to, SOON))?
        .with_context(|| format!("connect to {to}"))?;
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}

/// Sends bytes to a server that echoes them, and waits for them.
///
/// # Errors
/// When they do not come back.
pub fn echo(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).context("send")?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).context("receive the echo")?;
    ensure!(back == bytes, "the echo differs");
    Ok(())
}

/// An Ethernet frame with a TCP SYN that its first router drops: the time to live is 1, so nobody answers it.
#[must_use]
pub fn syn_frame(macs: ([u8; 6], [u8; 6]), from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 1, 6, 0, 0];
    ip.extend(from.ip().octets());
    ip.extend(to.ip().octets());
    let sum: u32 = ip.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !((folded & 0xFFFF) + (folded >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());

    let (source, destination) = macs;
    let mut frame = [destination, source].concat();
    frame.extend([8, 0]);
    frame.extend(ip);
    frame.extend(from.port().to_be_bytes());
    frame.extend(to.port().to_be_bytes());
    // Sequence and acknowledgment number, offset 5, SYN, window, check sum (nobody looks), urgent pointer.
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xFF, 0xFF, 0, 0, 0, 0]);
    frame.resize(60, 0);
    frame
}
