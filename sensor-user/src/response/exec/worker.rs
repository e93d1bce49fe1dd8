//! The thread that runs the program, and the queue in front of it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sensor_core::level::Severity;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::sleep,
};
use tracing::warn;

use super::{ExecOptions, ExecRun, Identity, rate_limit::RateLimit, run::run};
use crate::runtime::{Allowed, Supervisor, fault, signs::with_signs};

/// Incidents that wait for a run.
const MAX_WAITING: usize = 64;

/// Runs at a time.
const MAX_AT_A_TIME: usize = 4;

/// The span in which starts are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// Time for runs to end when the agent ends.
const LAST_RUNS: Duration = Duration::from_secs(2);

/// An incident for which the program is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its identifier.
    pub incident: String,
    /// Its document, one line of JSON.
    pub document: String,
}

/// Takes incidents for the thread.
#[derive(Clone, Debug)]
pub struct ExecQueue {
    min_severity: Severity,
    jobs: mpsc::Sender<Job>,
    left_out: Arc<AtomicU64>,
}

impl ExecQueue {
    /// Whether the program is run for incidents of this severity.
    #[must_use]
    pub fn wants(&self, severity: Severity) -> bool {
        severity >= self.min_severity
    }

    /// Takes an incident. Never waits: without room, it is left out and counted.
    pub fn offer(&self, job: Job) {
        if let Err(refused) = self.jobs.try_send(job) {
            let before = self.left_out.fetch_add(1, Ordering::Relaxed);
            // Further ones are counted, and `smb-sensor status` shows how many.
            if before == 0 {
                let job = refused.into_inner();
                warn!(
                    "response.exec is not run for incident {}: too many incidents wait for it",
                    job.incident
                );
            }
        }
    }

    /// Incidents that found no room.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

/// Ends the thread when it is dropped: incidents that wait are given up, and runs get a moment to end.
#[derive(Debug)]
pub struct Stop(#[expect(dead_code, reason = "the thread notices that it is dropped")] oneshot::Sender<()>);

/// Starts the thread. Each run that is over comes through the receiver, which closes when the thread ends.
///
/// # Errors
/// If there is no thread to be had.
pub fn start(
    options: ExecOptions,
    identity: Identity,
    supervisor: &Supervisor,
) -> io::Result<(ExecQueue, Stop, mpsc::Receiver<ExecRun>)> {
    let (sender, jobs) = mpsc::channel(MAX_WAITING);
    let (over, runs) = mpsc::channel(MAX_WAITING);
    let (stop, stopped) = oneshot::channel();
    let queue = ExecQueue { min_severity: options.min_severity, jobs: sender, left_out: Arc::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let allowed = Allowed { capabilities: &identity.needed(), files: true, programs: true };
    supervisor.spawn_with("exec", &allowed, move || {
        // Before the first program begins, and for this thread alone.
        identity.confine()?;
        let limit = RateLimit::new(options.per_minute, MINUTE);
        let worker = Worker { options: Arc::new((options, identity)), over };
        let ended = runtime.block_on(with_signs(worker.work(jobs, limit, stopped)));
        runtime.shutdown_background();
        ended
    })?;
    Ok((queue, Stop(stop), runs))
}

struct Worker {
    options: Arc<(ExecOptions, Identity)>,
    over: mpsc::Sender<ExecRun>,
}

impl Worker {
    /// Runs the program for each job, until nobody offers any more or it is stopped.
    async fn work(
        self,
        mut jobs: mpsc::Receiver<Job>,
        mut limit: RateLimit,
        mut stopped: oneshot::Receiver<()>,
    ) -> anyhow::Result<()> {
        let turns = Arc::new(Semaphore::new(MAX_AT_A_TIME));
        let mut number = 0;
        let working = async {
            loop {
                let turn = Arc::clone(&turns).acquire_owned().await?;
                let Some(job) = jobs.recv().await else { return Ok(()) };
                fault::point("exec");
                sleep(limit.wait(Instant::now())).await;
                limit.note(Instant::now());
                number += 1;
                let (options, over) = (Arc::clone(&self.options), self.over.clone());
                tokio::spawn(async move {
                    let (options, identity) = &*options;
                    let (result, took, stderr) = run(options, identity, &job.document).await;
                    let ended = ExecRun {
                        incident: job.incident,
                        number,
                        program: options.program.display().to_string(),
                        user: identity.name().to_owned(),
                        took,
                        result,
                        stderr,
                    };
                    // While the agent ends, nobody may take it any more.
                    let _ = over.send(ended).await;
                    drop(turn);
                });
            }
        };
        let ended = tokio::select! {
            ended = working => ended,
            _ = &mut stopped => Ok(()),
        };
        // Runs that are not over by then are killed with the runtime.
        let all = u32::try_from(MAX_AT_A_TIME)?;
        let _ = tokio::time::timeout(LAST_RUNS, turns.acquire_many(all)).await;
        ended
    }
}
