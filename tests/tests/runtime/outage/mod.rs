//! The kernel program outlives the agent: connections of an outage are in the journal, each once.

mod left;
mod left_out;
mod update;

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sensor_core::{flow::StoredFlow, incident::Link};
use sensor_lab::{
    Answer, Scratch, Signal, TcpListener, Topology, address, comes_within, poll, require_lab, scratch_dir,
};
use sensor_tests::{Agent, AgentBuilder, Bpffs, Ended, PATIENCE, SMB2_MESSAGE, connect, echo, number, text};
use sensor_user::{
    control::{Request, ask},
    enforcement::LEASE,
    state::Restored,
    storage::{DocumentKind, DocumentQuery, Reader},
};
use serde_json::Value;

/// Time between two connections: a hundred in a second.
const PAUSE: Duration = Duration::from_millis(10);

/// Time after which the lease is over if nobody renews it, and a connection that then passes is established.
const LEASE_OVER: Duration = Duration::from_secs(LEASE + 5);

/// Connections of an outage, at least: between the end of an agent and the begin of the next.
const MISSED: usize = 60;

/// Opens a connection, speaks SMB on it, and gives its port.
fn speak(border: &Topology) -> u16 {
    let mut stream: TcpStream = connect(border.client(), (address::SERVER_V4, 445)).unwrap();
    let port = stream.local_addr().unwrap().port();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
    port
}

/// A client that opens one connection after another and speaks SMB on each.
struct Connections {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Vec<u16>>>,
    began: Instant,
}

impl Connections {
    fn begin(border: &Arc<Topology>) -> Self {
        let (border, stop) = (Arc::clone(border), Arc::new(AtomicBool::new(false)));
        let count = Arc::new(AtomicUsize::new(0));
        let (until, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = thread::spawn(move || {
            let mut ports = Vec::new();
            let mut next = Instant::now();
            while !until.load(Ordering::Relaxed) && ports.len() < 10_000 {
                ports.push(speak(&border));
                counted.store(ports.len(), Ordering::Relaxed);
                next += PAUSE;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            ports
        });
        Self { stop, count, thread: Some(thread), began: Instant::now() }
    }

    /// Waits for so many more.
    fn wait_for(&self, more: usize) {
        let wanted = self.count.load(Ordering::Relaxed) + more;
        poll(PATIENCE, || (self.count.load(Ordering::Relaxed) >= wanted).then_some(())).expect("connections");
    }

    /// The ports of all connections.
    fn end(mut self) -> Vec<u16> {
        self.stop.store(true, Ordering::Relaxed);
        let ports = self.thread.take().unwrap().join().unwrap();
        let rate = ports.len() as f64 / self.began.elapsed().as_secs_f64();
        eprintln!("{} connections, {rate:.0} in a second", ports.len());
        ports
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Each trial has the machine for itself as far as trials go: a hundred connections in a second are its load.
static TURN: Mutex<()> = Mutex::new(());

/// A border with a server, and what an agent needs that is started again and again.
struct Stage {
    _turn: MutexGuard<'static, ()>,
    border: Arc<Topology>,
    _server: TcpListener,
    scratch: Scratch,
    bpffs: Bpffs,
    config: String,
}

impl Stage {
    fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let border = Arc::new(Topology::border().unwrap());
        let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
        let bpffs = Bpffs::mount().unwrap();
        let config = format!("flow_documents = true\n{}", bpffs.section());
        Self { _turn: turn, border, _server: server, scratch: scratch_dir().unwrap(), bpffs, config }
    }

    fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    fn agent(&self) -> AgentBuilder<'_> {
        Agent::on(self.border.gateway(), "lan0").state_dir(&self.state()).config(&self.config)
    }

    fn start(&self) -> Agent {
        self.agent().start().unwrap()
    }

    /// Opens this many connections, one after another; gives their ports.
    fn connect(&self, count: usize) -> Vec<u16> {
        (0..count).map(|_| speak(&self.border)).collect()
    }

    /// Waits until every connection has a summary in the journal, and asserts that it has one, and the incident all of them.
    fn assert_complete(&self, ports: &[u16]) {
        let found = || {
            let found = summaries(&self.state());
            ports.iter().all(|port| found.contains_key(port)).then_some(found)
        };
        let found = poll(PATIENCE, found).unwrap_or_else(|| summaries(&self.state()));
        let missing: Vec<_> = ports.iter().filter(|port| !found.contains_key(port)).collect();
        let some = &missing[..missing.len().min(10)];
        assert!(
            missing.is_empty(),
            "{} of {} are lost: {some:?}; the store knows {:#?}",
            missing.len(),
            ports.len(),
            self.stored(&missing)
        );
        let repeated: Vec<_> = found.iter().filter(|(_, times)| **times != 1).collect();
        assert!(repeated.is_empty(), "more than once: {repeated:?}");
        let documents = documents(&self.state(), DocumentKind::Incident);
        let opened = documents.iter().filter(|one| text(one, "/event/action") == "incident-opened");
        assert_eq!(opened.count(), 1, "{documents:#?}");
    }

    /// The connections of these ports that are saved as not over.
    fn stored(&self, ports: &[&u16]) -> Vec<StoredFlow<Link>> {
        let rows = Reader::open(&self.state()).unwrap().state(0).unwrap();
        let mut stored = Restored::of(&rows).connections;
        stored.retain(|one| {
            let tuple = one.tuple();
            ports.iter().any(|port| tuple.local.port() == **port || tuple.remote.port() == **port)
        });
        stored.truncate(3);
        stored
    }

    /// Ends the agent and asserts that the incident has counted this many connections.
    fn assert_counted(&self, agent: Agent, connections: usize) -> Ended {
        let ended = agent.stop().unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let last = documents(&self.state(), DocumentKind::Incident).pop().unwrap();
        let counted = number(&last, "/smb_sensor/incident/connections");
        assert_eq!(counted, connections as u64, "{last:#}");
        ended
    }
}

fn documents(state: &Path, kind: DocumentKind) -> Vec<Value> {
    let mut found = Vec::new();
    let query = DocumentQuery { kind: Some(kind), ..DocumentQuery::default() };
    let reader = Reader::open(state).unwrap();
    reader
        .documents(&query, |row| {
            found.push(serde_json::from_str(&row.body).unwrap());
            true
        })
        .unwrap();
    found
}

/// How many summaries each client's port has.
fn summaries(state: &Path) -> BTreeMap<u16, usize> {
    let mut found = BTreeMap::new();
    for document in documents(state, DocumentKind::Flow) {
        *found.entry(number(&document, "/source/port") as u16).or_default() += 1;
    }
    found
}

/// Lets connections pass while the agent ends by `end` and begins again by `begin`, three times; `wanted` is what each new agent
/// logs.
fn connections_of_outages(
    stage: &Stage,
    mut end: impl FnMut(Agent),
    mut begin: impl FnMut(u64) -> Agent,
    wanted: &str,
) {
    let mut agent = stage.start();
    let connections = Connections::begin(&stage.border);
    for round in 0..3_u64 {
        // At another moment of the agent's second each time.
        connections.wait_for(130 + 27 * round as usize);
        end(agent);
        connections.wait_for(MISSED);
        let began = Instant::now();
        agent = begin(round);
        agent.wait_for_log(wanted).unwrap();
        eprintln!("ready again after {} ms", began.elapsed().as_millis());
    }
    connections.wait_for(50);
    let ports = connections.end();
    stage.assert_complete(&ports);
    let ended = stage.assert_counted(agent, ports.len());
    assert!(ended.log.contains("left attached for the next run: lan0"), "{}", ended.log);
    for line in ended.log.lines().filter(|line| line.contains(wanted)) {
        eprintln!("{line}");
    }
}

/// What an agent logs that continues with the programs and maps of the last one.
const CONTINUED: &str = "continues with the kernel program of the last run";

#[test]
fn no_connection_is_lost_or_counted_twice_over_a_kill() {
    require_lab!(Network);
    let stage = Stage::new();
    connections_of_outages(&stage, |agent| agent.kill().unwrap(), |_| stage.start(), CONTINUED);
}

#[test]
fn no_connection_is_lost_or_counted_twice_over_a_stop() {
    require_lab!(Network);
    let stage = Stage::new();
    let stop = |agent: Agent| {
        let ended = agent.stop_by(Signal::SIGTERM).unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    };
    connections_of_outages(&stage, stop, |_| stage.start(), CONTINUED);
}

#[test]
fn filters_of_old_kernels_stay_too() {
    require_lab!(Network);
    let mut stage = Stage::new();
    stage.config += "\n[kernel]\ningress = \"tc\"\ntc = \"clsact\"\n";
    connections_of_outages(&stage, |agent| agent.kill().unwrap(), |_| stage.start(), CONTINUED);
}

/// Connections while no agent runs.
const UNSEEN: usize = 500;

/// Bytes of the ring that one of them may take; half of the measured number more.
const MAX_RECORD_BYTES: usize = 1_500;

#[test]
fn ring_and_slots_hold_the_connections_of_an_outage() {
    require_lab!(Network);
    let stage = Stage::new();
    stage.start().kill().unwrap();
    let ports = stage.connect(UNSEEN);
    let agent = stage.start();
    let line = agent.wait_for_log(CONTINUED).unwrap();
    stage.assert_complete(&ports);
    stage.assert_counted(agent, UNSEEN);
    let words: Vec<&str> = line.split_whitespace().collect();
    let bytes: usize = words[words.iter().position(|word| *word == "bytes").unwrap() - 1].parse().unwrap();
    eprintln!("{UNSEEN} connections took {} bytes of the ring each", bytes / UNSEEN);
    assert!((100..=MAX_RECORD_BYTES).contains(&(bytes / UNSEEN)), "{line}");
}

/// Whether the client reaches the server.
fn is_let_through(stage: &Stage) -> bool {
    let server = (address::SERVER_V4, 445).into();
    let connect = || TcpStream::connect_timeout(&server, Duration::from_millis(700)).is_ok();
    stage.border.client().run(connect).unwrap()
}

#[test]
fn enforcement_ends_with_its_lease_while_the_program_stays() {
    require_lab!(Network);
    let stage = Stage::new();
    let agent = stage.agent().arguments(&["--enforce"]).start().unwrap();
    assert!(!is_let_through(&stage));
    agent.kill().unwrap();
    assert!(!sensor_tests::attached(stage.border.gateway(), "lan0").unwrap().is_empty());
    assert!(comes_within(LEASE_OVER, || is_let_through(&stage)), "it passes when the lease is over");
}

#[test]
fn block_ends_with_its_lease_while_the_program_stays() {
    require_lab!(Network);
    let stage = Stage::new();
    let agent = stage.start();
    let target = format!("{},{}", address::CLIENT_V4, address::SERVER_V4).parse().unwrap();
    let block = Request::Block { target, seconds: 600, reason: "a test".into(), who: None };
    let answer = ask(&stage.state(), &block).unwrap();
    assert!(answer.done, "{answer:?}");
    assert!(!is_let_through(&stage));
    agent.kill().unwrap();
    assert!(!sensor_tests::attached(stage.border.gateway(), "lan0").unwrap().is_empty());
    assert!(!is_let_through(&stage), "the lease is not over yet");
    assert!(comes_within(LEASE_OVER, || is_let_through(&stage)), "it passes when the lease is over");
    let agent = stage.start();
    assert!(!is_let_through(&stage), "the block is in force again");
    agent.stop().unwrap();
}
