//! Time from the packet with the evidence, an SMB message, to the line that reports it.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use sensor_lab::{Answer, TcpListener, Topology, address};
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

/// An SMB2 NEGOTIATE header behind its NetBIOS one (RFC 1002 4.3.1, MS-SMB2 2.2.1).
const NEGOTIATE: [u8; 14] = [0, 0, 0, 64, 0xFE, b'S', b'M', b'B', 64, 0, 0, 0, 0, 0];

/// Measures the group.
pub(crate) fn measure(effort: &Effort, program: &Path) -> Result<Vec<Row>> {
    let border = Topology::builder().build().context("build the namespaces")?;
    let server = SocketAddr::from((address::SERVER_V4, 445));
    let _listener = TcpListener::start(border.server(), server, Answer::Silence)?;
    let agent = Agent::start(program, border.gateway(), "lan0")?;
    let mut milliseconds = Vec::new();
    for _ in 0..effort.alerts {
        milliseconds.push(once(&agent, &border, server)?.as_secs_f64() * 1e3);
    }
    let samples = Samples::new(milliseconds);
    let at = |share| Samples::new(vec![samples.quantile(share)]);
    let (half, most) = (at(0.5), at(0.99));
    Ok(vec![
        Row::new(GROUP, "SMB message sent → alert line read, all", Unit::Milliseconds, samples.clone())
            .note(format!("{} connections, one after another", samples.len())),
        Row::new(GROUP, "p50", Unit::Milliseconds, half).target(Target::AtMost(2.0)),
        Row::new(GROUP, "p99", Unit::Milliseconds, most).target(Target::AtMost(10.0)),
    ])
}

/// Time from before the SMB message was sent to the first line about its connection. Connections without SMB are reported later,
/// after their time to be answered.
fn once(agent: &Agent, border: &Topology, server: SocketAddr) -> Result<Duration> {
    let connect = || -> Result<(Instant, TcpStream)> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE).context("connect to the server")?;
        let start = Instant::now();
        stream.write_all(&NEGOTIATE).context("send a NEGOTIATE")?;
        Ok((start, stream))
    };
    let (start, stream) = border.client().run(connect)??;
    let port = stream.local_addr().context("ask for the client's port")?.port();
    while let Some((arrived, line)) = agent.next_document(PATIENCE) {
        let document: Value = serde_json::from_str(&line).context("read an alert")?;
        // Lines about earlier connections, whose evidence continued to rise, may come in between.
        if document.pointer("/source/port").and_then(Value::as_u64) == Some(u64::from(port)) {
            return Ok(arrived - start);
        }
    }
    bail!("no alert about the connection from port {port} came within {PATIENCE:?}")
}
