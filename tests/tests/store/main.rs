//! The store: no delivered document is lost, however the agent ends and however the disk fails; and the store stays readable
//! meanwhile.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod crash;
mod full_disk;
mod left_open;
mod listing;
mod read_only;
mod versions;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    process::Command,
};

use anyhow::Result;
use sensor_lab::{Answer, RawSocket, TcpListener, Topology, address};
use sensor_tests::{Agent, connect, documents_of, echo, syn_frame, text};
use serde_json::Value;

/// Reports attempts after one second.
const SOON: &str = "[detection]\nattempt_settle = 1\n";

/// A connection of the client with a server that echoes.
fn converse(border: &Topology) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    let mut stream = connect(border.client(), server.address())?;
    echo(&mut stream, &sensor_tests::SMB2_MESSAGE)
}

/// Lone SYNs, each of a client of its own: an incident each.
struct Strangers {
    socket: RawSocket,
    macs: ([u8; 6], [u8; 6]),
    next: u16,
}

impl Strangers {
    fn on(border: &Topology) -> Self {
        let socket = RawSocket::open(border.client(), "eth0").unwrap();
        let macs =
            (border.client().mac_address("eth0").unwrap(), border.gateway().mac_address("lan0").unwrap());
        Self { socket, macs, next: 0 }
    }

    /// Sends one, and gives its address.
    fn send(&mut self) -> Ipv4Addr {
        let [high, low] = self.next.to_be_bytes();
        self.next += 1;
        let from = Ipv4Addr::new(10, 7, high, low);
        let to = SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 445);
        self.socket.send(&syn_frame(self.macs, SocketAddrV4::new(from, 40_000), to)).unwrap();
        from
    }
}

/// What `smb-sensor alerts` prints for a state directory.
fn listed(state_dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("alerts").arg("--state-dir").arg(state_dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The documents of the store in a state directory; each follows the schema.
fn stored(state_dir: &Path, arguments: &[&str]) -> Vec<Value> {
    documents_of(listed(state_dir, &[&["--json"], arguments].concat()).lines()).unwrap()
}

/// The identifiers of all, of which no two are the same.
fn identifiers(documents: &[Value]) -> BTreeSet<String> {
    let set: BTreeSet<_> = documents.iter().map(|one| text(one, "/event/id").to_owned()).collect();
    assert_eq!(set.len(), documents.len(), "a document is there twice");
    set
}
