//! The HTTP server of the agent: metrics, health, limits, the status page.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

mod blocks;
mod browser;
mod dashboard;
mod fleet;
mod forms;
mod health;
mod http;
mod kernel_measures;
mod latency;
mod limits;
mod metrics;
mod overview;
mod page;
mod pictures;
mod prometheus;
mod tls;

use anyhow::Result;
use sensor_lab::{Answer, TcpListener, Topology, address};
use sensor_tests::{connect, echo};

/// Makes the agent listen.
const CONFIG: &str = "[http]\nlisten = \"127.0.0.1:9645\"\n";

/// One connection of the client with the server, which becomes an incident.
fn converse(border: &Topology) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    let mut stream = connect(border.client(), server.address())?;
    echo(&mut stream, &sensor_tests::SMB2_MESSAGE)
}
