//! Memory and processor time of the servers, as they report them.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result};
use sensor_lab::NatsServer;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Memory and processor time of the servers.
pub(crate) struct Load {
    /// Resident bytes of each, at most.
    memory: Vec<u64>,
    /// Percent of one core, of all together, on average.
    pub(crate) processor: f64,
}

impl Load {
    /// That of this moment.
    pub(crate) async fn now(at: &[Ipv4Addr]) -> Result<Self> {
        let mut load = Self { memory: vec![], processor: 0.0 };
        for one in at {
            let state = ask(*one).await.with_context(|| format!("ask {one}"))?;
            load.memory.push(state["mem"].as_u64().unwrap_or(0));
            load.processor += state["cpu"].as_f64().unwrap_or(0.0);
        }
        Ok(load)
    }

    /// That of a time from now on.
    pub(crate) async fn during(at: &[Ipv4Addr], lasts: Duration) -> Result<Self> {
        let end = Instant::now() + lasts;
        let mut most = Self::now(at).await?;
        let (mut sum, mut looks) = (0.0, 0.0);
        while Instant::now() < end {
            sleep(LOOK).await;
            let load = Self::now(at).await?;
            most.memory.iter_mut().zip(load.memory).for_each(|(most, one)| *most = one.max(*most));
            sum += load.processor;
            looks += 1.0;
        }
        Ok(Self { processor: sum / f64::max(looks, 1.0), ..most })
    }

    /// The memory, as text.
    pub(crate) fn memory(&self) -> String {
        let each: Vec<String> =
            self.memory.iter().map(|bytes| format!("{:.0}", *bytes as f64 / 1e6)).collect();
        format!("{} MB", each.join(", "))
    }
}

/// The general state of a server (`/varz`).
async fn ask(at: Ipv4Addr) -> Result<Value> {
    let mut stream = TcpStream::connect((at, NatsServer::MONITORING)).await?;
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer over HTTP")?;
    Ok(serde_json::from_str(body)?)
}
