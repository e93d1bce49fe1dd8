//! The router as clients see it, and what `check` says of the listener.

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use sensor_core::{
    CoreCounts,
    flow::QuicCounts,
    incident::{IncidentTally, fixtures::START},
};

use super::*;
use crate::{
    config::ServerTlsOptions,
    kernel::counters::CounterValues,
    latency::Stages,
    statistics::{ExecCounts, OutputCounts, Statistics},
    storage::{Bounds, Writer},
};

/// An agent that watches nothing, as its reader saw it at a moment.
fn snapshot(taken: Instant) -> Snapshot {
    Snapshot {
        at: START,
        taken,
        started: START,
        statistics: Statistics {
            kernel: CounterValues::of(|_| 0),
            flow_packets: 0,
            evicted_connections: 0,
            untracked: 0,
            unread: 0,
            quic: QuicCounts::default(),
            core: CoreCounts::default(),
            output: OutputCounts::default(),
            unrecorded: (0, 0),
        },
        incidents: IncidentTally::default(),
        findings: vec![],
        outputs: vec![],
        interfaces: vec![],
        stages: Stages::default(),
        programs: vec![],
        slots: (0, 0),
        ring: RingState::default(),
        exec: ExecCounts::default(),
        exemptions: vec![],
        blocks: vec![],
        enforces: false,
        enforcement: "off".to_owned(),
        learning_until: None,
        profile: "sensor",
        threat_prefixes: 0,
        reloads: ReloadState::at_start(START),
    }
}

/// Status and body of the answer to a request for `path`.
async fn get(router: &Router, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = TowerToHyperService::new(router.clone()).call(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn silent_reader_is_not_ready_after_5_seconds_and_not_healthy_after_30() {
    let folder = tempfile::tempdir().unwrap();
    let store = Writer::open(folder.path(), Bounds::default(), 0).unwrap();
    let (publish, snapshots) = watch::channel(None);
    let source = Source {
        snapshots,
        committed: store.handle.committed().clone(),
        store: Arc::new(StoreWatch::new()),
        state_dir: folder.path().into(),
        reads: Arc::new(Semaphore::new(READERS)),
        exempt_forms: None,
        verdict_forms: None,
        block_forms: None,
        load: Arc::new(|| Ok(Config::default())),
        fleets: watch::channel(Fleets::default()).1,
        spawner: Supervisor::default().spawner(),
    };
    let router = router(source, Access::new(None, false), true);
    let ok = (200, "ok\n".to_owned());
    assert_eq!(get(&router, "/healthz").await, ok, "an agent that starts may take its time");
    assert_eq!(get(&router, "/readyz").await, (503, "the agent is starting\n".to_owned()));

    let silent_for = |seconds| {
        let taken = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        publish.send_replace(Some(Arc::new(snapshot(taken))));
    };
    silent_for(0);
    assert_eq!(get(&router, "/healthz").await, ok);
    assert_eq!(get(&router, "/readyz").await, (200, "ready\n".to_owned()));
    silent_for(10);
    assert_eq!(get(&router, "/healthz").await, ok);
    let (status, reason) = get(&router, "/readyz").await;
    assert!(status == 503 && reason.starts_with("the reader has not worked for 1"), "{status} {reason}");
    silent_for(31);
    for path in ["/healthz", "/readyz"] {
        let (status, reason) = get(&router, path).await;
        assert!(status == 503 && reason.starts_with("the reader has not worked for 3"), "{status} {reason}");
    }
    silent_for(0);
    assert_eq!(get(&router, "/healthz").await, ok, "a reader that works again is healthy");
}

#[test]
fn check_names_a_missing_token_and_an_address_that_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = HttpOptions {
        listen: taken.local_addr().unwrap(),
        token: None,
        tls: None,
        page: true,
        exempt_form: false,
        verdict_form: false,
        block_form: false,
    };
    assert!(probe(&options).unwrap().ends_with("is in use"));
    drop(taken);
    assert!(probe(&options).unwrap().ends_with("is free"));
    options.token = Some(SecretSource::File("/nonexistent/token".into()));
    assert!(probe(&options).unwrap_err().contains("/nonexistent/token"));
    let [certificate, key] = ["/nonexistent/certificate", "/nonexistent/key"].map(PathBuf::from);
    options.token = None;
    options.tls = Some(ServerTlsOptions { certificate, key, client_ca: None });
    assert!(probe(&options).unwrap_err().contains("/nonexistent/certificate"));
}
