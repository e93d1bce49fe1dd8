//! The datagrams of a capture.

use std::{collections::HashMap, net::SocketAddr, path::Path};

use super::{
    file::{CaptureError, frames},
    segment::{Segment, segment},
};
use sensor_dissect::{Sender, datagram, facts::Datagrams};

/// Two ends that exchanged NetBIOS datagrams.
#[derive(Debug)]
pub struct RecordedDatagrams {
    /// The asking end, by its ports or otherwise by the order.
    pub client: SocketAddr,
    /// The other end.
    pub server: SocketAddr,
    /// The facts of their datagrams.
    pub said: Datagrams,
}

/// NetBIOS name and datagram service.
const PORTS: [u16; 2] = [137, 138];

/// Reads all datagrams on UDP 137 and 138, not only the first of each side, in the order in which the connections began.
///
/// # Errors
/// [`CaptureError`] if the file cannot be read.
pub fn datagrams(path: &Path) -> Result<Vec<RecordedDatagrams>, CaptureError> {
    let mut table = Table::default();
    frames(path, |frame| {
        if let Some(segment) = segment(&frame)
            && segment.tcp.is_none()
        {
            table.take(&segment);
        }
    })?;
    Ok(table.connections)
}

/// Connections by their ends, lower address first.
#[derive(Default)]
struct Table {
    connections: Vec<RecordedDatagrams>,
    places: HashMap<(SocketAddr, SocketAddr), usize>,
}

impl Table {
    fn take(&mut self, segment: &Segment<'_>) {
        let (source, destination) = (segment.source, segment.destination);
        let is_service = |end: SocketAddr| PORTS.contains(&end.port());
        if !is_service(source) && !is_service(destination) {
            return;
        }
        let place =
            *self.places.entry((source.min(destination), source.max(destination))).or_insert_with(|| {
                let answer = is_service(source) && !is_service(destination);
                let (client, server) = if answer { (destination, source) } else { (source, destination) };
                self.connections.push(RecordedDatagrams { client, server, said: Datagrams::default() });
                self.connections.len() - 1
            });
        let connection = &mut self.connections[place];
        let from = if source == connection.client { Sender::Client } else { Sender::Server };
        datagram::read(&mut connection.said, from, segment.payload);
    }
}
