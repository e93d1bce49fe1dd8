//! Time from the packet with the evidence, an SMB message, to the line that reports it.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sensor_lab::{Topology, address};
use serde_json::Value;

use crate::{
    agent::Agent,
    effort::Effort,
    row::{Row, Target, Unit},
    samples::Samples,
};

const GROUP: &str = "alert latency";
/// The longest an alert may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections before those that count.
const WARM_UP: u16 = 3;

/// Addresses of servers, all in the server's namespace: an alert opens an incident, and each pair of hosts has one.
const SERVERS: [u8; 2] = [8, 9];

/// Bytes of an SMB2 header behind its NetBIOS one (RFC 1002 4.3.1, MS-SMB2 2.2.1).
const MESSAGE_LEN: usize = 4 + 64;

/// An SMB2 NEGOTIATE header; `flags` is 1 in a response.
pub(super) const fn negotiate(flags: u8) -> [u8; MESSAGE_LEN] {
    let mut message = [0; MESSAGE_LEN];
    message[3] = 64;
    (message[4], message[5], message[6], message[7], message[8]) = (0xFE, b'S', b'M', b'B', 64);
    message[4 + 16] = flags;
    message
}

/// Measures the group.
pub(crate) fn measure(effort: &Effort, program: &Path) -> Result<Vec<Row>> {
    let border = Topology::builder().build().context("build the namespaces")?;
    let [a, b] = SERVERS;
    border.server().ip(&format!("route replace local {a}.{b}.0.0/16 dev lo"))?;
    border.gateway().ip(&format!("route replace {a}.{b}.0.0/16 via {}", address::SERVER_V4))?;
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 445));
    let listener =
        border.server().run(|| TcpListener::bind(any))?.context("listen in the server's namespace")?;
    let agent = Agent::start(program, border.gateway(), "lan0")?;
    let mut milliseconds = Vec::new();
    for number in 0..WARM_UP + effort.alerts as u16 {
        let [high, low] = (number + 1).to_be_bytes();
        let server = SocketAddr::from((Ipv4Addr::new(a, b, high, low), 445));
        milliseconds.push(once(&agent, &border, (&listener, server))?.as_secs_f64() * 1e3);
    }
    let samples = Samples::new(milliseconds.split_off(usize::from(WARM_UP)));
    let (half, most) = (samples.quantiles(0.5), samples.quantiles(0.99));
    Ok(vec![
        Row::new(GROUP, "SMB message sent → alert line read, all", Unit::Milliseconds, samples.clone())
            .note(format!("{} connections, one after another", samples.len())),
        Row::new(GROUP, "p50", Unit::Milliseconds, half).target(Target::AtMost(2.0)),
        Row::new(GROUP, "p99", Unit::Milliseconds, most).target(Target::AtMost(10.0)),
    ])
}

/// Time from before an SMB message was sent to the line that opens its incident. The message is the answer of the server: an incident
/// needs SMB of both sides. The server is this thread, so that the time holds no other thread's.
fn once(
    agent: &Agent,
    border: &Topology,
    (listener, server): (&TcpListener, SocketAddr),
) -> Result<Duration> {
    let connect = || -> Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE).context("connect to the server")?;
        stream.write_all(&negotiate(0)).context("send a NEGOTIATE")?;
        Ok(stream)
    };
    let _stream = border.client().run(connect)??;
    let mut answering = accepted(listener)?;
    answering.read_exact(&mut [0; MESSAGE_LEN]).context("receive the NEGOTIATE")?;
    let start = Instant::now();
    answering.write_all(&negotiate(1)).context("answer it")?;
    let ip = server.ip().to_string();
    while let Some((arrived, line)) = agent.next_document(PATIENCE) {
        let document: Value = serde_json::from_str(&line).context("read an alert")?;
        // Updates of earlier incidents may come in between.
        if document.pointer("/destination/ip").and_then(Value::as_str) == Some(ip.as_str()) {
            return Ok(arrived - start);
        }
    }
    bail!("no alert about the connection with {ip} came within {PATIENCE:?}")
}

/// The client that waits at a listener, for which this machine waits no longer than for an alert.
fn accepted(listener: &TcpListener) -> Result<TcpStream> {
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let clients = poll(&mut ready, PollTimeout::try_from(PATIENCE)?).context("wait for the client")?;
    ensure!(clients > 0, "no client came within {PATIENCE:?}");
    let (stream, _) = listener.accept().context("accept the client")?;
    stream.set_read_timeout(Some(PATIENCE)).context("set the time for the NEGOTIATE")?;
    Ok(stream)
}
