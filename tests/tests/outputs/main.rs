//! Outputs of a running agent: several at once, each with its own share of the documents.

mod checked;
mod dead;
mod nats;
mod reloaded;
mod rsyslog;
mod several;

use anyhow::Result;
use sensor_lab::{Answer, TcpListener, Topology, address};
use sensor_tests::{connect, echo};

/// One connection of the client with the server.
fn converse(border: &Topology) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    let mut stream = connect(border.client(), server.address())?;
    echo(&mut stream, &sensor_tests::SMB2_MESSAGE)
}
