//! Captures of many hosts, made frame by frame: one machine that sweeps, and many that connect at once.

use std::net::{Ipv4Addr, SocketAddr};

use sensor_common::slot::{TCP, UDP, tcp};
use sensor_tests::{ByteOrder, Frame, Recording, SMB2_MESSAGE, link};
use serde_json::Value;

use crate::documents;

/// Begin of each capture, nanoseconds since 1970.
const START: u64 = 1_700_000_000_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// Targets of the sweep.
pub(crate) const TARGETS: u16 = 300;

/// The outcome of a connection.
#[derive(Clone, Copy)]
enum Course {
    Unanswered,
    Refused,
    Connected,
    /// It connects, and speaks SMB this many milliseconds later, after its time to be answered.
    SpeaksAfter(u64),
}

/// A capture of many hosts, with its name.
pub(crate) struct Crowd {
    pub(crate) name: &'static str,
    recording: Recording,
}

impl Crowd {
    const fn new(name: &'static str) -> Self {
        Self { name, recording: Recording { frames: vec![] } }
    }

    /// One machine that tries 300 addresses in a second and a half. A few answer, many refuse, one speaks SMB in the end; beside
    /// TCP 445 it tries the endpoint mapper and NetBIOS names.
    pub(crate) fn sweep() -> Self {
        let mut sweep = Self::new("sweep");
        let from = |port| SocketAddr::from(([10, 0, 0, 2], port));
        for n in 0..TARGETS {
            let course = match n {
                7 => Course::SpeaksAfter(9_000),
                _ if n % 10 == 0 => Course::Connected,
                _ if n % 3 == 0 => Course::Refused,
                _ => Course::Unanswered,
            };
            sweep.connects(u64::from(n) * 5, from(40_000 + n), server(n), course);
        }
        sweep.connects(1_600, from(50_000), (server(9).ip(), 135).into(), Course::Refused);
        sweep.frame(1_610, &Frame::between(UDP, from(50_001), (server(9).ip(), 137).into()));
        sweep.later()
    }

    /// 166 connections of 130 machines that are answered and stay silent, or are refused: a hundred with one each; eight with nine, eight
    /// and fewer; twenty of one each; one that speaks SMB after a while, and one when the window of five minutes is over.
    pub(crate) fn flood() -> Self {
        let mut flood = Self::new("flood");
        let mut at = 0;
        let mut connects = |client: [u8; 4], port, to, course| {
            at += 10;
            flood.connects(at, (client, port).into(), server(1_000 + to), course);
        };
        for n in 0..100 {
            connects([10, 1, 0, n], 40_000, u16::from(n), Course::Connected);
        }
        for n in 1..=8 {
            for port in 0..u16::from(10 - n) {
                connects([10, 2, 0, n], 40_000 + port, 200 + u16::from(n), Course::Connected);
            }
        }
        for n in 0..20 {
            let course = if n % 2 == 0 { Course::Refused } else { Course::Unanswered };
            connects([10, 3, 0, n], 40_000, 100 + u16::from(n), course);
        }
        connects([10, 4, 0, 1], 40_000, 240, Course::SpeaksAfter(9_000));
        connects([10, 4, 0, 2], 40_000, 241, Course::SpeaksAfter(400_000));
        flood.later()
    }

    /// Both at once.
    pub(crate) fn both() -> Self {
        let mut frames = [Self::sweep(), Self::flood()].map(|crowd| crowd.recording.frames).concat();
        frames.sort_by_key(|(time, _)| *time);
        Self { name: "both", recording: Recording { frames } }
    }

    /// Its documents, with its addresses unchanged or reversed.
    pub(crate) fn documents(&self, turned: bool) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(self.name).with_extension("pcap");
        std::fs::write(&path, self.recording.pcap(ByteOrder::Little, true, link::ETHERNET)).unwrap();
        documents(&path, turned)
    }

    /// Ends it with another client's connections to one server, after every window. The first lasts longer than the second,
    /// so that the flow by which the server became known is not the first to be summarised.
    fn later(mut self) -> Self {
        let lone = [(500_000, Course::Connected), (500_010, Course::Refused), (700_000, Course::Unanswered)];
        for (n, (at, course)) in lone.into_iter().enumerate() {
            self.connects(at, ([10, 5, 0, n as u8], 40_000).into(), server(2_000), course);
        }
        self.recording.frames.sort_by_key(|(time, _)| *time);
        self
    }

    fn connects(&mut self, at: u64, client: SocketAddr, server: SocketAddr, course: Course) {
        let from_client = |flags| Frame::between(TCP, client, server).flags(flags);
        let from_server = |flags| Frame::between(TCP, server, client).flags(flags);
        self.frame(at, &from_client(tcp::SYN));
        match course {
            Course::Unanswered => {}
            Course::Refused => self.frame(at + 1, &from_server(tcp::RST | tcp::ACK)),
            Course::Connected | Course::SpeaksAfter(_) => {
                self.frame(at + 1, &from_server(tcp::SYN | tcp::ACK));
                self.frame(at + 2, &from_client(tcp::ACK).sequence(2));
            }
        }
        if let Course::SpeaksAfter(wait) = course {
            self.frame(at + wait, &from_client(tcp::ACK).sequence(2).payload(&SMB2_MESSAGE));
            self.frame(at + wait + 1, &from_server(tcp::ACK).sequence(2).payload(&SMB2_MESSAGE));
        }
    }

    fn frame(&mut self, at: u64, frame: &Frame) {
        self.recording.frames.push((START + at * MILLISECOND, frame.build()));
    }
}

/// SMB of the `n`th of many addresses of the Internet.
fn server(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    (Ipv4Addr::new(8, 9, high, low), 445).into()
}
