//! The program of `[response] exec` while the agent runs: logs, counts and journals the result of each run.

use std::{future::pending, time::Duration};

use anyhow::{Context as _, Result};
use sensor_dissect::escape::shown;
use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::Sensor;
use crate::{
    config::Config,
    response::exec::{self, ExecQueue, ExecResult, ExecRun, Identity, Stop},
    rfc3339::rfc3339,
    runtime::Supervisor,
    statistics::ExecCounts,
    status::{ExecStatus, Failure},
};

/// Time for the last runs to be reported when the agent ends: longer than they are given to end.
const LAST_RUNS: Duration = Duration::from_secs(3);

/// The program, and its runs so far.
pub(super) struct Exec {
    queue: ExecQueue,
    stop: Option<Stop>,
    runs: mpsc::Receiver<ExecRun>,
    program: String,
    identity: Identity,
    counts: [u64; ExecResult::NAMES.len()],
    last: Option<Result<(), Failure>>,
}

impl Exec {
    /// Starts what runs it, if one is configured.
    pub(super) fn start(config: &Config, supervisor: &Supervisor) -> Result<Option<Self>> {
        let Some(options) = &config.response.exec else { return Ok(None) };
        let identity = Identity::of(options.user.as_deref())?;
        let program = options.program.display().to_string();
        if let Identity::OfTheAgent { instead_of: Some(_), .. } = &identity {
            warn!("{program} is run {identity}");
        }
        let (queue, stop, runs) = exec::start(options.clone(), identity.clone(), supervisor)
            .context("cannot start a thread that runs response.exec")?;
        info!("{program} is run {identity} for incidents of severity {} or higher", options.min_severity);
        let (counts, last) = ([0; ExecResult::NAMES.len()], None);
        Ok(Some(Self { queue, stop: Some(stop), runs, program, identity, counts, last }))
    }

    /// What takes incidents for it.
    pub(super) fn queue(&self) -> ExecQueue {
        self.queue.clone()
    }

    /// Its counts.
    pub(super) fn counts(&self) -> ExecCounts {
        ExecCounts { by_result: self.counts, left_out: self.queue.left_out() }
    }

    /// What `smb-sensor status` says about it.
    pub(super) fn status(&self) -> ExecStatus {
        let [succeeded, failed, timed_out, not_started] = self.counts;
        ExecStatus {
            program: self.program.clone(),
            identity: self.identity.to_string(),
            succeeded,
            failed,
            timed_out,
            not_started,
            left_out: self.queue.left_out(),
            last_error: self.last.clone().and_then(Result::err),
        }
    }
}

/// The next run that is over; never, if no program is configured.
pub(super) async fn next_run(exec: Option<&mut Exec>) -> ExecRun {
    match exec {
        Some(exec) => match exec.runs.recv().await {
            Some(run) => run,
            // The end of its thread ends the agent.
            None => pending().await,
        },
        None => pending().await,
    }
}

impl Sensor {
    /// Takes a run that is over: logs, counts and journals it.
    pub(super) fn take_run(&mut self, run: ExecRun) -> Result<()> {
        let now = self.now()?;
        let text = format!("{} {}, for incident {}", run.program, run.result, run.incident);
        let is_success = run.result == ExecResult::Exited(0);
        if is_success {
            info!("{text}");
        } else {
            let words =
                if run.stderr.is_empty() { String::new() } else { format!(": {}", shown(&run.stderr)) };
            warn!("{text}{words}");
        }
        if let Some(exec) = &mut self.exec {
            exec.counts[run.result.index()] += 1;
            exec.last =
                Some(if is_success { Ok(()) } else { Err(Failure { at: rfc3339(now.at), reason: text }) });
        }
        self.pipeline.journal_run(run, now);
        Ok(())
    }

    /// Gives up incidents that wait for the program, and reports its last runs. They get a moment to end.
    pub(super) async fn end_runs(&mut self) -> Result<()> {
        let Some(exec) = &mut self.exec else { return Ok(()) };
        exec.stop.take();
        let mut last = Vec::new();
        let _ = timeout(LAST_RUNS, async {
            while let Some(run) = exec.runs.recv().await {
                last.push(run);
            }
        })
        .await;
        last.into_iter().try_for_each(|run| self.take_run(run))
    }
}
