//! Scenarios: attacks and mishaps that are one incident each, played by real peers or written as captures, and each with
//! its internal twin, the same between two internal hosts, for which nothing may be reported.

pub mod evasion;
mod expectation;
mod expected;
mod incident;
mod kerberos;
mod list;
mod ntlm;
mod smb2;
mod stage;
mod table;
mod wire;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{Need, Topology, address, scratch_dir};
use serde_json::Value;

pub use expectation::Expectation;
pub use expected::Direction;
pub use incident::{Incident, Severity, incidents};
pub use list::all;
pub use table::IncidentTable;
pub use wire::Tape;

use crate::Agent;
use crate::document::{documents_of, text};
use stage::{Stage, Watch, lateral_of};

/// Longest time until the agent has written the expected documents.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// Two hosts in a capture, one of which connects to the other, and further ones.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client.
    pub client: Ipv4Addr,
    /// The server.
    pub server: Ipv4Addr,
    /// The first two bytes of many further addresses on the server's side.
    net: [u8; 2],
}

impl Ends {
    fn of(direction: Direction, internal: bool) -> Self {
        let (client, server) = match (direction, internal) {
            (Direction::Outbound, false) => (address::CLIENT_V4, address::SERVER_V4),
            (Direction::Inbound, false) => (address::SERVER_V4, address::CLIENT_V4),
            (Direction::Outbound, true) => (address::CLIENT_V4, address::LAN_SERVER_V4),
            (Direction::Inbound, true) => (address::LAN_SERVER_V4, address::CLIENT_V4),
        };
        let is_beyond = direction == Direction::Outbound && !internal;
        Self { client, server, net: if is_beyond { [8, 9] } else { [10, 9] } }
    }

    /// One of 65,536 addresses on the server's side.
    #[must_use]
    pub const fn other(self, n: u16) -> Ipv4Addr {
        let [high, low] = n.to_be_bytes();
        Ipv4Addr::new(self.net[0], self.net[1], high, low)
    }
}

/// How a scenario is played.
#[derive(Clone, Copy)]
pub enum Play {
    /// By real peers in namespaces, with a real agent on the gateway.
    Live(fn(&mut Stage<'_>) -> Result<()>),
    /// As a capture with made-up times, through `smb-sensor replay`.
    Capture(fn(&mut Tape, Ends)),
}

/// One scenario.
pub struct Scenario {
    /// A short name.
    pub name: &'static str,
    /// What happens, in one line.
    pub about: &'static str,
    /// The client of the connections across the border.
    pub direction: Direction,
    /// The needed part of the laboratory.
    pub needs: Need,
    /// How it is played.
    pub play: Play,
    /// The expected result.
    pub expected: Expectation,
}

/// The result of a scenario.
pub struct Played {
    /// Every document, of the scenario and of its twin.
    pub documents: Vec<Value>,
    /// Packets between internal hosts that the sensor saw: proof that the twin took place.
    pub lateral: u64,
}

impl Played {
    /// Documents about two internal hosts; there should be none.
    #[must_use]
    pub fn of_the_twin(&self) -> Vec<&Value> {
        let internal = |address: &str| address.starts_with("10.");
        let is_twins = |document: &&Value| {
            internal(text(document, "/source/ip")) && internal(text(document, "/destination/ip"))
        };
        self.documents.iter().filter(is_twins).collect()
    }
}

impl Scenario {
    /// Plays the internal twin, then the scenario.
    ///
    /// # Errors
    /// If a peer does not do its part, or the sensor fails. The sensor's reports are checked by
    /// [`differences`](Self::differences).
    pub fn play(&self) -> Result<Played> {
        match self.play {
            Play::Live(play) => self.play_live(play),
            Play::Capture(write) => self.play_capture(write),
        }
        .with_context(|| format!("play {}", self.name))
    }

    /// All differences from the expected result.
    #[must_use]
    pub fn differences(&self, played: &Played) -> Vec<String> {
        let mut differences = match self.play {
            Play::Live(_) => self.expected.live_differences(&played.documents),
            Play::Capture(_) => self.expected.differences(&played.documents),
        };
        let of_the_twin = played.of_the_twin().len();
        if of_the_twin > 0 {
            differences.push(format!("{of_the_twin} documents are of the internal twin"));
        }
        if played.lateral == 0 {
            differences.push("the sensor did not see the internal twin".to_owned());
        }
        differences
    }

    fn play_live(&self, play: fn(&mut Stage<'_>) -> Result<()>) -> Result<Played> {
        let border = Topology::builder().lan_server().build()?;
        let mut stage = Stage::twin(&border, Watch::start(&border)?, self.direction);
        play(&mut stage).context("the internal twin")?;
        let mut stage = stage.crossing();
        play(&mut stage).context("across the border")?;
        let watch = stage.into_watch()?;
        // Without success the documents show what is missing.
        let _ = watch.wait_until(WRITTEN_WITHIN, |documents| self.expected.is_reached(documents));
        let (documents, lateral) = watch.stop()?;
        Ok(Played { documents, lateral })
    }

    fn play_capture(&self, write: fn(&mut Tape, Ends)) -> Result<Played> {
        let mut played = Played { documents: vec![], lateral: 0 };
        for internal in [true, false] {
            let mut tape = Tape::default();
            write(&mut tape, Ends::of(self.direction, internal));
            let scratch = scratch_dir()?;
            let capture = scratch.path().join("scenario.pcap");
            fs::write(&capture, tape.pcap()).with_context(|| format!("write {}", capture.display()))?;
            let (documents, lateral) = replayed(&capture)?;
            played.documents.extend(documents);
            played.lateral += if internal { lateral } else { 0 };
        }
        Ok(played)
    }
}

/// The program's documents for a capture, and the number of packets between internal hosts in it.
fn replayed(capture: &Path) -> Result<(Vec<Value>, u64)> {
    let output = Command::new(Agent::program()?)
        .args(["replay", "--json"])
        .arg(capture)
        .stdin(Stdio::null())
        .output()
        .context("run smb-sensor replay")?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "smb-sensor replay failed: {log}");
    let documents = documents_of(String::from_utf8_lossy(&output.stdout).lines())?;
    Ok((documents, lateral_of(&log)?))
}
