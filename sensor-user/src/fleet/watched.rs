//! A fleet for the status page: reads its stream in the background while clients request the page, and keeps the result.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use sensor_core::time::Timestamp;
use tokio::{sync::watch, time::timeout};

use super::{arguments::DEFAULT_SINCE, read::StreamReader, report::Report};
use crate::{
    runtime::{Spawner, Wait, waiting},
    sinks::{Destination, NatsOptions, OutputOptions},
    wall_clock,
};

/// Time between two readings.
const PAUSE: Duration = Duration::from_secs(10);

/// Time after which a reading ends, and the next one goes on from there.
const READING: Duration = Duration::from_secs(20);

/// Longest time of a reading, whatever the servers do.
const LONGEST: Duration = Duration::from_secs(60);

/// Time that somebody who asks first waits.
const FIRST: Duration = Duration::from_secs(3);

/// Most sensors and incidents that are remembered.
const MAX_SENSORS: usize = 5_000;
const MAX_INCIDENTS: usize = 50_000;

/// The fleets to whose streams outputs publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleets(Vec<Arc<Fleet>>);

/// The fleet of an output.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Name of the output.
    pub(crate) name: String,
    options: NatsOptions,
    reader: Mutex<StreamReader>,
    is_read: AtomicBool,
    view: watch::Sender<Arc<View>>,
}

/// What was read last.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The fleet, and when it was so; nothing before the first reading that succeeded.
    pub(crate) report: Option<(Arc<Report>, Moment)>,
    /// The time up to which incidents were read, if there are more.
    pub(crate) until: Option<Timestamp>,
    /// When the last reading failed, and why, if it did.
    pub(crate) failure: Option<(Moment, String)>,
}

/// A moment by the wall clock, and by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) taken: Instant,
}

impl Fleets {
    /// Those of these outputs. One that was there before keeps what was read.
    pub(crate) fn of(outputs: &[OutputOptions], before: &Self) -> Self {
        let all = outputs.iter().filter_map(|one| match &one.destination {
            Destination::Nats(options) => Some((&one.name, options)),
            _ => None,
        });
        Self(
            all.map(|(name, options)| {
                let is_it = |fleet: &&Arc<Fleet>| fleet.name == *name && fleet.options == *options;
                let known = before.0.iter().find(is_it);
                known.map_or_else(|| Arc::new(Fleet::new(name.clone(), options.clone())), Arc::clone)
            })
            .collect(),
        )
    }

    /// Names of the outputs.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|fleet| fleet.name.as_str())
    }

    /// The fleet of the output of this name or, without a name, of the first one.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<Arc<Fleet>> {
        self.0.iter().find(|fleet| name.is_none_or(|name| name == fleet.name)).map(Arc::clone)
    }
}

impl Fleet {
    fn new(name: String, options: NatsOptions) -> Self {
        Self {
            name,
            options,
            reader: Mutex::new(StreamReader::new(MAX_SENSORS, MAX_INCIDENTS)),
            is_read: AtomicBool::new(false),
            view: watch::channel(Arc::default()).0,
        }
    }

    /// The servers, for messages.
    pub(crate) fn servers(&self) -> String {
        self.options.servers.join(", ")
    }

    /// What was read last. Begins another reading if that is old, and waits a moment only if nothing was read yet.
    pub(crate) async fn view(self: &Arc<Self>, spawner: &Spawner) -> Arc<View> {
        let mut views = self.view.subscribe();
        if views.borrow().is_due(Instant::now()) && !self.is_read.swap(true, Ordering::AcqRel) {
            let fleet = Arc::clone(self);
            if spawner.spawn("fleet", move || waiting(Wait::Server, || fleet.read())).is_err() {
                self.is_read.store(false, Ordering::Release);
            }
        }
        let _ = timeout(FIRST, views.wait_for(|view| view.last().is_some())).await;
        let view = views.borrow();
        Arc::clone(&view)
    }

    /// Reads what is new, on a thread of its own.
    fn read(&self) {
        let before = Arc::clone(&self.view.borrow());
        let outcome = self.read_new();
        let moment = Moment { at: wall_clock::now(), taken: Instant::now() };
        self.view.send_replace(Arc::new(match outcome {
            Ok((report, until)) => View { report: Some((Arc::new(report), moment)), until, failure: None },
            Err(error) => View { failure: Some((moment, format!("{error:#}"))), ..(*before).clone() },
        }));
        self.is_read.store(false, Ordering::Release);
    }

    fn read_new(&self) -> anyhow::Result<(Report, Option<Timestamp>)> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let since = wall_clock::now() - DEFAULT_SINCE;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let deadline = Some(Instant::now() + READING);
        let until = runtime.block_on(async {
            let reading = reader.read(&self.options, since, deadline);
            timeout(LONGEST, reading).await.context("the servers did not answer in time")?
        })?;
        Ok((Report::of(&reader.reports, &reader.happened, since, wall_clock::now()), until))
    }
}

impl View {
    /// When a reading last ended.
    fn last(&self) -> Option<Instant> {
        let read = self.report.as_ref().map(|(_, moment)| moment.taken);
        read.max(self.failure.as_ref().map(|(moment, _)| moment.taken))
    }

    fn is_due(&self, now: Instant) -> bool {
        let is_behind = self.until.is_some() && self.failure.is_none();
        is_behind || self.last().is_none_or(|last| now.duration_since(last) >= PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{runtime::Supervisor, sinks::Subjects};

    fn output(name: &str, server: &str) -> OutputOptions {
        let options = NatsOptions {
            servers: vec![server.to_owned()],
            subjects: Subjects::new("graz", "a").unwrap(),
            login: None,
            create: None,
            tls: crate::sinks::TlsOptions::default(),
            timeout: Duration::from_secs(1),
            health: None,
            exemptions: false,
            terms: false,
        };
        OutputOptions {
            name: name.to_owned(),
            destination: Destination::Nats(options),
            ..OutputOptions::single(None)
        }
    }

    #[test]
    fn unchanged_outputs_keep_what_was_read() {
        let at = "nats://127.0.0.1:1";
        let outputs = [OutputOptions::single(None), output("one", at), output("two", at)];
        let before = Fleets::of(&outputs, &Fleets::default());
        assert_eq!(before.names().collect::<Vec<_>>(), ["one", "two"]);
        let after = Fleets::of(&[output("two", at), output("one", "nats://127.0.0.1:2")], &before);
        let same = |name| Arc::ptr_eq(&before.find(Some(name)).unwrap(), &after.find(Some(name)).unwrap());
        assert_eq!((same("one"), same("two")), (false, true));
        assert_eq!(after.find(None).unwrap().name, "two");
        assert!(after.find(Some("three")).is_none());
    }

    #[tokio::test]
    async fn failure_is_shown_and_not_tried_again_at_once() {
        let supervisor = Supervisor::default();
        // Nothing listens at this port.
        let fleets = Fleets::of(&[output("one", "nats://127.0.0.1:1")], &Fleets::default());
        let fleet = fleets.find(None).unwrap();
        let first = fleet.view(&supervisor.spawner()).await;
        let (failed, why) = first.failure.as_ref().expect("nothing listens there");
        assert!(why.contains("nats://127.0.0.1:1") && first.report.is_none(), "{why}");
        assert!(!first.is_due(failed.taken + Duration::from_secs(9)));
        assert!(first.is_due(failed.taken + PAUSE));
    }

    #[test]
    fn reading_that_is_behind_goes_on_at_once() {
        let moment = Moment { at: Timestamp::default(), taken: Instant::now() };
        let report = super::super::report::tests::fleet();
        let behind = View {
            report: Some((Arc::new(report), moment)),
            until: Some(Timestamp::default()),
            failure: None,
        };
        assert!(behind.is_due(moment.taken));
        let failed = View { failure: Some((moment, String::new())), ..behind.clone() };
        assert!(!failed.is_due(moment.taken), "a server that is gone is given time");
        assert!(!View { until: None, ..behind }.is_due(moment.taken));
    }
}
