//! Expectations of fixtures.

use std::{
    net::SocketAddr,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        mpsc::{self, Sender},
    },
    thread,
};

use nix::unistd::geteuid;
use sensor_common::{
    counter::Counter,
    slot::{Side, TCP, UDP, mark, tcp},
};
use sensor_core::{
    address::{FiveTuple, FlowId},
    record::{Content, Counts, Observation, Unfollowed},
};
use sensor_tests::{Frame, Outcome, Setup, TEST_RUN_IFINDEX, Twin, privileged};

pub(crate) const CLIENT: &str = "10.0.0.2:50000";
pub(crate) const SERVER: &str = "8.8.4.4:445";
pub(crate) const CLIENT_V6: &str = "[fd00:1::2]:50000";
pub(crate) const SERVER_V6: &str = "[2001:4860:4860::8844]:445";

/// A name that states the behaviour, a frame, and its expected outcome.
pub(crate) type Row = (&'static str, Frame, Outcome);

/// A SYN of an internal client to a server on the Internet.
pub(crate) fn syn() -> Frame {
    Frame::tcp(CLIENT, SERVER)
}

/// The same over IPv6.
pub(crate) fn syn_v6() -> Frame {
    Frame::tcp(CLIENT_V6, SERVER_V6)
}

pub(crate) const fn foreign() -> Outcome {
    Outcome::Untouched
}

pub(crate) const fn counted(counter: Counter) -> Outcome {
    Outcome::Counted(counter)
}

/// A flow of one packet, as the kernel should report it.
pub(crate) struct Flow(Observation, Side);

/// A flow whose only packet was an empty TCP SYN of `bytes`, sent by `sender`.
pub(crate) fn kept(sender: Side, local: &str, remote: &str, bytes: u64) -> Flow {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    let id = FlowId {
        tuple: FiveTuple { transport: TCP, local: end(local), remote: end(remote) },
        ifindex: TEST_RUN_IFINDEX,
    };
    let mut flow = Observation {
        id,
        cpu: 0,
        generation: 0,
        marks: mark::OPENED_BY_SYN,
        tcp_flags: [0; 2],
        content: Content::default(),
        client: None,
        unfollowed: Unfollowed::default(),
        followed: None,
        counts: Counts::default(),
        first: 0,
        last: 0,
        vlan: None,
    };
    if sender == Side::Local {
        flow.marks |= mark::FIRST_FROM_LOCAL;
    }
    flow.tcp_flags[sender as usize] = tcp::SYN;
    flow.counts.packets[sender as usize] = 1;
    flow.counts.bytes[sender as usize] = bytes;
    Flow(flow, sender)
}

/// The outcome of [`syn`] when its IP packet has `bytes`.
pub(crate) fn kept_syn(bytes: u64) -> Flow {
    kept(Side::Local, CLIENT, SERVER, bytes)
}

/// The outcome of [`syn_v6`] when its IP packet has `bytes`.
pub(crate) fn kept_syn_v6(bytes: u64) -> Flow {
    kept(Side::Local, CLIENT_V6, SERVER_V6, bytes)
}

impl Flow {
    pub(crate) const fn udp(mut self) -> Self {
        self.0.id.tuple.transport = UDP;
        self.flags(0)
    }

    /// TCP flags that are kept, if the packet was no SYN.
    pub(crate) const fn flags(mut self, flags: u8) -> Self {
        self.0.tcp_flags[self.1 as usize] = flags;
        self.0.marks &= !mark::OPENED_BY_SYN;
        self
    }

    pub(crate) const fn payload(mut self, bytes: u64) -> Self {
        self.0.counts.payload[self.1 as usize] = bytes;
        self
    }

    pub(crate) const fn marked(mut self, marks: u16) -> Self {
        self.0.marks |= marks;
        self
    }

    pub(crate) const fn vlan(mut self, vlan: u16) -> Self {
        self.0.vlan = Some(vlan);
        self
    }

    pub(crate) fn reported(self) -> Outcome {
        Outcome::Kept(Box::new(self.0))
    }
}

/// Runs each row through both engines at every hook and reports all rows that fail.
pub(crate) fn hold(test: &str, setup: &Setup, rows: impl IntoIterator<Item = Row>) {
    hold_bytes(
        test,
        setup,
        rows.into_iter().map(|(name, frame, expected)| (name.to_owned(), frame.build(), expected)),
    );
}

/// Like [`hold`], for frames as bytes.
pub(crate) fn hold_bytes(
    test: &str,
    setup: &Setup,
    rows: impl IntoIterator<Item = (String, Vec<u8>, Outcome)>,
) {
    let rows: Vec<_> = rows.into_iter().collect();
    assert!(!rows.is_empty(), "no row at all");
    on(test, setup, move |twin| failures(twin, rows));
}

/// Runs `work` with the engines of a configuration, which other tests share; returns what went wrong.
pub(crate) fn on(test: &str, setup: &Setup, work: impl FnOnce(&mut Twin) -> Vec<String> + Send + 'static) {
    let _ = privileged(test);
    let (reply, replies) = mpsc::channel();
    let job: Job = Box::new(move |twin| {
        let wrong = panic::catch_unwind(AssertUnwindSafe(|| work(twin))).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            vec![words.unwrap_or_else(|| "it panicked, see above".into())]
        });
        let sound = wrong.is_empty();
        // A test that gave up receives no answer.
        let _ = reply.send(wrong);
        sound
    });
    engine(setup).send(job).unwrap();
    let wrong = replies.recv().unwrap();
    assert!(wrong.is_empty(), "{} things are not as they should be:\n{}", wrong.len(), wrong.join("\n"));
}

type Rows = Vec<(String, Vec<u8>, Outcome)>;

/// The work of a test with a twin, and whether the twin is intact after it.
type Job = Box<dyn FnOnce(&mut Twin) -> bool + Send>;

/// Running engines, each for the tests of its configuration.
static ENGINES: Mutex<Vec<(Setup, Sender<Job>)>> = Mutex::new(Vec::new());

/// One twin for all tests of a configuration, on a thread of its own because it belongs to a CPU: the verifier takes half a
/// second for each program.
fn engine(setup: &Setup) -> Sender<Job> {
    let mut engines = ENGINES.lock().unwrap();
    if let Some((_, engine)) = engines.iter().find(|(of, _)| of == setup) {
        return engine.clone();
    }
    let (sender, jobs) = mpsc::channel::<Job>();
    let of = setup.clone();
    thread::spawn(move || {
        let engines = || of.twin_where(geteuid().is_root()).unwrap();
        let mut twin = engines();
        for job in jobs {
            // Engines that differ stay different: no other test may use them.
            if !job(&mut twin) {
                twin = engines();
            }
        }
    });
    engines.push((setup.clone(), sender.clone()));
    sender
}

fn failures(twin: &mut Twin, rows: Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, bytes, expected) in rows {
        match twin.alone(&bytes) {
            Ok(outcome) if outcome == expected => {}
            Ok(outcome) => wrong.push(format!("{name}:\nexpected {expected:#?}\ngot {outcome:#?}")),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    wrong
}
