//! The status page over a database of prepared incidents, without an agent.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use sensor_common::counter::Counter;
use sensor_core::{
    CoreCounts,
    flow::QuicCounts,
    incident::{Incident, IncidentId, IncidentTally, fixtures},
    level::Severity,
    rules,
    time::{Moment, Timestamp},
};
use sensor_lab::{Namespace, Scratch, scratch_dir};
use sensor_user::{
    config::{Config, HttpOptions},
    enforcement::Now,
    http::{BlockState, ExemptionState, Http, InterfaceState, ReloadState, RingState, Snapshot},
    kernel::counters::CounterValues,
    latency::{Latency, Stages},
    response::{Block, Peer, Target},
    runtime::Supervisor,
    sinks::{OutputOptions, OutputStatus},
    state,
    statistics::{ExecCounts, OutputCounts, Statistics},
    storage::{Bounds, DocumentKind, Handle, NewDocument, Opened, RowBatch, Writer},
};

/// Time for the database to take the incidents.
const SAVED: Duration = Duration::from_secs(300);

/// Where it is served, inside its namespace.
pub const ADDRESS: &str = "127.0.0.1:9645";

/// A served page.
pub struct StatusPage {
    http: Http,
    snapshot: Snapshot,
    handle: Handle,
    _supervisor: Supervisor,
    _state: Scratch,
}

impl StatusPage {
    /// Serves a page about these incidents on the loopback interface of `namespace`.
    ///
    /// # Errors
    /// When the database cannot be written, or the address cannot be had.
    pub fn serve(namespace: &Namespace, incidents: Vec<Incident>) -> Result<Self> {
        Self::serve_with(namespace, incidents, false)
    }

    /// The same with the forms on the page of an incident.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub fn serve_with_form(namespace: &Namespace, incidents: Vec<Incident>) -> Result<Self> {
        Self::serve_with(namespace, incidents, true)
    }

    fn serve_with(namespace: &Namespace, incidents: Vec<Incident>, forms: bool) -> Result<Self> {
        let state = scratch_dir()?;
        let supervisor = Supervisor::default();
        let Opened { writer, handle, .. } = Writer::open(state.path(), Bounds::default(), 0)?;
        supervisor.spawn("store-writer", move || writer.run())?;
        let snapshot = snapshot(&incidents);
        save(&handle, incidents)?;
        let options = HttpOptions {
            listen: ADDRESS.parse()?,
            token: None,
            tls: None,
            page: true,
            exempt_form: forms,
            verdict_form: forms,
            block_form: forms,
        };
        let http = listen(namespace, &options, state.path(), &handle, &supervisor)?;
        http.publish(snapshot.clone());
        Ok(Self { http, snapshot, handle, _supervisor: supervisor, _state: state })
    }

    /// Saves another incident and publishes again, as a running agent does.
    ///
    /// # Errors
    /// When the database does not take it.
    pub fn add(&self, incident: Incident) -> Result<()> {
        let document = NewDocument {
            id: incident.id.to_string(),
            kind: DocumentKind::Incident,
            incident: Some(incident.id.to_string()),
            severity: Some(incident.severity),
            at: incident.last.unix_nanos(),
            body: "{}".to_owned(),
            brief: Vec::new(),
        };
        save(&self.handle, vec![incident])?;
        let batch = RowBatch { documents: vec![document], ..RowBatch::default() };
        self.handle.submit(batch).ok().context("the store takes no batch")?;
        ensure!(self.handle.flush(SAVED), "the store did not commit in time");
        self.http.publish(Snapshot { taken: Instant::now(), ..self.snapshot.clone() });
        Ok(())
    }

    /// Shows the fleet to whose stream this output publishes.
    pub fn show_fleet(&self, output: OutputOptions) {
        self.http.show_fleets(&[output]);
    }

    /// Publishes other numbers: those of the fixture with this change.
    pub fn show(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot { taken: Instant::now(), ..self.snapshot.clone() };
        change(&mut snapshot);
        self.http.publish(snapshot);
    }

    /// Publishes the same numbers again, so that they count as fresh.
    pub fn refresh(&self) {
        self.show(|_| ());
    }
}

fn listen(
    namespace: &Namespace,
    options: &HttpOptions,
    state_dir: &Path,
    handle: &Handle,
    supervisor: &Supervisor,
) -> Result<Http> {
    let config = Config { state_dir: state_dir.to_owned(), ..Config::default() };
    let load = Arc::new(move || Ok(config.clone()));
    let committed = handle.committed().clone();
    Ok(namespace.run(|| Http::start(options, state_dir, committed, load, supervisor))??)
}

fn save(handle: &Handle, incidents: Vec<Incident>) -> Result<()> {
    let mut incidents = incidents.into_iter();
    loop {
        let rows: Vec<_> =
            incidents.by_ref().take(500).map(|one| state::incident_row(&fixtures::stored(one))).collect();
        if rows.is_empty() {
            break;
        }
        let batch = RowBatch { incidents: rows, ..RowBatch::default() };
        handle.submit(batch).ok().context("the store takes no batch")?;
    }
    ensure!(handle.flush(SAVED), "the store did not commit in time");
    Ok(())
}

/// The incidents of all kinds that there are, each with an identifier of its own.
#[must_use]
pub fn incidents() -> Vec<Incident> {
    let numbered = fixtures::all().into_iter().zip(1_u64..);
    numbered
        .map(|((_, it), number)| Incident {
            id: IncidentId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ..it
        })
        .collect()
}

/// As many incidents, of all kinds.
#[must_use]
pub fn many_incidents(count: usize) -> Vec<Incident> {
    let kinds = incidents();
    (1..=count as u64)
        .zip(kinds.iter().cycle())
        .map(|(number, kind)| {
            let minutes = Duration::from_secs(60 * number);
            Incident {
                id: IncidentId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                last: kind.last - minutes,
                ..kind.clone()
            }
        })
        .collect()
}

/// The state of an agent that has reported these incidents.
fn snapshot(incidents: &[Incident]) -> Snapshot {
    let at = fixtures::after(20_000);
    let mut tally = IncidentTally::default();
    let mut findings: BTreeMap<&str, u64> = BTreeMap::new();
    for one in incidents {
        let counts = if one.closed.is_none() { &mut tally.open } else { &mut tally.closed };
        counts[one.severity as usize] += 1;
        tally.evidence[one.level as usize] += 1;
        for rule in one.findings.keys() {
            *findings.entry(rule).or_default() += 1;
        }
    }
    let kernel = CounterValues::of(|counter| match counter {
        Counter::Seen => 48_213,
        Counter::Kept => 31_870,
        Counter::Lateral => 14_902,
        Counter::Reserved => 1_120,
        Counter::ExemptDestination => 321,
        Counter::RecordsSent => 5_210,
        _ => 0,
    });
    let output = |name: &str, written, waiting, error: Option<(Timestamp, String)>| OutputStatus {
        name: name.to_owned(),
        written,
        waiting,
        errors: error.iter().count() as u64 * 3,
        refused: 0,
        lost: 0,
        last_success: Some(at - Duration::from_secs(3)),
        ability: Some(error.as_ref().map_or(Ok(()), |(_, why)| Err(why.clone()))),
        last_error: error,
        latency: Latency::default(),
    };
    Snapshot {
        at,
        taken: Instant::now(),
        started: at - Duration::from_secs(3 * 86_400),
        statistics: Statistics {
            kernel,
            flow_packets: 31_870,
            evicted_connections: 0,
            untracked: 0,
            unread: 0,
            quic: QuicCounts::default(),
            core: CoreCounts {
                connections: 37,
                incidents_open: incidents.len(),
                incidents_opened: Severity::ALL.map(|severity| tally.open[severity as usize]),
                ..CoreCounts::default()
            },
            output: OutputCounts { documents: 214, written: 214, ..OutputCounts::default() },
            unrecorded: (0, 0),
        },
        incidents: tally,
        findings: rules::ALL
            .iter()
            .map(|rule| (rule.meta().id, findings.get(rule.meta().id).copied().unwrap_or(0)))
            .collect(),
        outputs: vec![
            output("file", 214, 0, None),
            output(
                "siem",
                210,
                4,
                Some((
                    at - Duration::from_secs(95),
                    "connect to siem.example:6514: connection refused".into(),
                )),
            ),
        ],
        interfaces: vec![InterfaceState {
            name: "lan0".to_owned(),
            state: Ok("incoming by native XDP, outgoing by TCX".to_owned()),
        }],
        stages: Stages::default(),
        programs: vec![],
        slots: (1_204, 16_384),
        ring: RingState { size: 4 << 20, peak: 81_920 },
        blocks: vec![block(at)],
        exec: ExecCounts::default(),
        exemptions: vec![ExemptionState {
            id: "nightly-copy".to_owned(),
            in_force: true,
            expires: None,
            connections: 12,
            packets: 321,
            last: Some(at - Duration::from_secs(40_000)),
        }],
        enforces: false,
        enforcement: "off".to_owned(),
        learning_until: None,
        profile: "sensor",
        threat_prefixes: 0,
        reloads: ReloadState::at_start(at - Duration::from_secs(3 * 86_400)),
    }
}

/// A pair that is blocked.
fn block(at: Timestamp) -> BlockState {
    let since = Now { moment: Moment { at, ticks: 0 }, since_boot: Duration::ZERO };
    let pair = [[10, 0, 0, 31], [8, 8, 4, 4]].map(std::net::IpAddr::from);
    let (target, by) = (Target::between(pair[0], pair[1]), Peer::Page { name: "Ada <admin>".to_owned() });
    let block = Block::new(target, Duration::from_secs(3_600), "files leave".to_owned(), by, since);
    BlockState { block, packets: 1_432 }
}
