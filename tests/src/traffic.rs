//! Traffic for the sensor: real SMB sessions, plain TCP exchanges and crafted SYNs.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Namespace, Smbclient, patience, poll};

use crate::PATIENCE;

const SOON: Duration = Duration::from_secs(20);

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

/// Waits until SMB connections of these namespaces are over: the last packet of each has arrived.
///
/// # Errors
/// When one is not over in time.
pub fn wait_for_ends(namespaces: &[&Namespace]) -> Result<()> {
    for namespace in namespaces {
        let open = || -> Result<Vec<String>> {
            let tables = namespace.run(|| {
                ["tcp", "tcp6"].map(|table| {
                    fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default()
                })
            })?;
            let lines = tables.iter().flat_map(|table| table.lines());
            Ok(lines.filter(|line| is_open(line)).map(str::to_owned).collect())
        };
        poll(PATIENCE, || open().is_ok_and(|open| open.is_empty()).then_some(()))
            .with_context(|| format!("not over: {:#?}", open()))?;
    }
    Ok(())
}

/// Whether a line of /proc/net/tcp is about a connection of port 445 of which packets may still come.
fn is_open(line: &str) -> bool {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, ..] = columns[..] else { return false };
    let is_smb = [local, remote].iter().any(|end| end.ends_with(":01BD"));
    // Neither TIME_WAIT nor LISTEN.
    is_smb && !["06", "0A"].contains(&state)
}

/// Connects from `namespace`.
///
/// # Errors
/// When the connection does not come about.
pub fn connect(namespace: &Namespace, to: impl Into<SocketAddr>) -> Result<TcpStream> {
    let to = to.into();
    let stream = namespace
        .run(|| TcpStream::connect_timeout(&to, patience(SOON)))?
        .with_context(|| format!("connect to {to}"))?;
    stream.set_read_timeout(Some(patience(SOON)))?;
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
