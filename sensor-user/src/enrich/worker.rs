//! The thread that queries the sources: it reads lease files and asks the kernel, and may wait for a disk.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use sensor_core::{
    HostPair,
    enrichment::Enrichment,
    incident::{Enriched, Incident, IncidentId},
    level::EvidenceLevel,
    time::Timestamp,
};
use tokio::sync::mpsc;

use super::prefetch::{Prefetched, Rate};
use crate::{
    config::Config,
    hosts::{ConfiguredNames, Sighting, Sources},
    names::NamedAddresses,
    runtime::{Supervisor, Wait, fault, waiting},
    wall_clock,
};

/// Questions that wait, and answers.
const MAX_WAITING: usize = 1_024;

/// Time between two looks at files and at the neighbour table.
const REFRESH: Duration = Duration::from_secs(1);

/// Questions that are answered again when a file changed, and for how long.
const MAX_RECENT: usize = 256;
const RECENT: Duration = Duration::from_secs(60);

/// What is to be known: the hosts of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) incident: IncidentId,
    /// `None` where they are many.
    pub(super) internal: Option<IpAddr>,
    pub(super) external: Option<IpAddr>,
    /// Its first and last packet, and how far it got.
    pub(super) seen: (Timestamp, Timestamp, EvidenceLevel),
}

impl Lookup {
    pub(super) fn of(incident: &Incident) -> Self {
        Self {
            incident: incident.id,
            internal: incident.internal.only_address(),
            external: incident.external.only_address(),
            seen: (incident.first, incident.last, incident.level),
        }
    }
}

/// What the thread is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Facts about the hosts of an incident.
    Incident(Lookup),
    /// The same, but the first answer is known.
    Known(Lookup),
    /// Facts about hosts that may be those of an incident soon.
    Prefetch(HostPair),
}

/// Asks the thread. It ends when this is dropped.
#[derive(Debug)]
pub struct LookupSender {
    questions: SyncSender<Question>,
    names: ConfiguredNames,
    prefetched: Prefetched,
    rate: Rate,
}

impl LookupSender {
    /// Asks. Never waits. Returns whether there was room for the question.
    pub(super) fn ask(&self, question: Lookup) -> bool {
        self.questions.try_send(Question::Incident(question)).is_ok()
    }

    /// The answer about a new incident, where its hosts were looked up a moment ago. Never waits.
    pub(super) fn known(&self, question: Lookup) -> Option<Enriched> {
        let known = self.prefetched.known(&question)?;
        // A file may change, and then the answer is another one.
        let _ = self.questions.try_send(Question::Known(question));
        Some(known)
    }

    /// Asks about hosts that may be those of an incident soon, unless there are too many. Never waits.
    pub(super) fn prefetch(&mut self, pair: HostPair) {
        if self.prefetched.wants(pair)
            && !(self.rate.admits(Instant::now())
                && self.questions.try_send(Question::Prefetch(pair)).is_ok())
        {
            self.prefetched.give_up(pair);
        }
    }

    /// External hosts have these names from now on.
    pub(super) fn set_names(&self, names: &Arc<NamedAddresses>) {
        self.names.set(names);
    }

    /// One without a thread, and the questions that it asks.
    #[cfg(test)]
    pub(super) fn alone(room: usize) -> (Self, Receiver<Question>) {
        let (sender, questions) = sync_channel(room);
        let (names, prefetched) = (ConfiguredNames::default(), Prefetched::default());
        (Self { questions: sender, names, prefetched, rate: Rate::default() }, questions)
    }

    /// Where the thread puts prefetched facts.
    #[cfg(test)]
    pub(super) const fn prefetched(&self) -> &Prefetched {
        &self.prefetched
    }
}

/// Starts the thread; its answers come through the channel.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(
    config: &Config,
    supervisor: &Supervisor,
) -> io::Result<(LookupSender, mpsc::Receiver<Enriched>)> {
    let (sender, questions) = sync_channel(MAX_WAITING);
    let (answers, enriched) = mpsc::channel(MAX_WAITING);
    let names = ConfiguredNames::default();
    names.set(&config.named_addresses);
    let (servers, state_dir) = (&config.dns_servers, config.state_dir.clone());
    let sources = Sources::start(&config.hosts, servers, names.clone(), state_dir, supervisor)?;
    let prefetched = Prefetched::default();
    let worker = Worker { sources, answers, prefetched: prefetched.clone(), recent: VecDeque::new() };
    supervisor.spawn("enrich", move || {
        worker.run(&questions);
        Ok::<_, std::convert::Infallible>(())
    })?;
    Ok((LookupSender { questions: sender, names, prefetched, rate: Rate::default() }, enriched))
}

/// Answers what is asked, until nobody asks any more.
struct Worker {
    sources: Sources,
    answers: mpsc::Sender<Enriched>,
    prefetched: Prefetched,
    /// The latest questions, the last one at the end.
    recent: VecDeque<(Instant, Lookup)>,
}

impl Worker {
    fn run(mut self, questions: &Receiver<Question>) {
        waiting(Wait::Files, || self.sources.refresh());
        let mut looked = Instant::now();
        loop {
            let question = match waiting(Wait::Work, || questions.recv_timeout(REFRESH)) {
                Ok(question) => Some(question),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            waiting(Wait::Files, || fault::point("enrich"));
            if looked.elapsed() >= REFRESH {
                if waiting(Wait::Files, || self.sources.refresh()) {
                    self.prefetched.clear();
                    self.answer_again();
                }
                looked = Instant::now();
            }
            match question {
                Some(Question::Incident(question)) => {
                    self.remember(question);
                    self.answer(&question);
                }
                Some(Question::Known(question)) => {
                    self.remember(question);
                    self.sources.ask_names([question.internal, question.external]);
                }
                Some(Question::Prefetch(pair)) => self.prefetch(pair),
                None => {}
            }
        }
    }

    fn remember(&mut self, question: Lookup) {
        self.recent.retain(|(at, known)| known.incident != question.incident && at.elapsed() < RECENT);
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((Instant::now(), question));
    }

    /// Says of the latest incidents what is known by now.
    fn answer_again(&mut self) {
        for (at, question) in std::mem::take(&mut self.recent) {
            if at.elapsed() < RECENT {
                self.answer(&question);
                self.recent.push_back((at, question));
            }
        }
    }

    /// Looks up facts about hosts that may be those of an incident soon. Nobody else is asked about them.
    fn prefetch(&mut self, pair: HostPair) {
        let (internal, external) = pair;
        let now = wall_clock::now();
        let seen = (now, now, EvidenceLevel::Attempt);
        let question =
            Lookup { incident: IncidentId(0), internal: Some(internal), external: Some(external), seen };
        let (internal, external) =
            waiting(Wait::Files, || (self.sources.internal(internal), self.external(&question)));
        self.prefetched.answer(pair, internal, external, now);
    }

    fn external(&mut self, question: &Lookup) -> Enrichment {
        let Some(address) = question.external else { return Enrichment::default() };
        let (first, last, level) = question.seen;
        let internal = question.internal.map(|address| address.to_string());
        self.sources
            .external(address, &Sighting { external: address.to_string(), internal, first, last, level })
    }

    fn answer(&mut self, question: &Lookup) {
        self.sources.ask_names([question.internal, question.external]);
        // Lease files, the neighbour table, and what other sensors reported.
        let answer = waiting(Wait::Files, || Enriched {
            incident: question.incident,
            internal: question.internal.map(|address| self.sources.internal(address)).unwrap_or_default(),
            external: self.external(question),
        });
        // One that has no room is given with the next event of the incident. If nobody listens, nobody asks any more.
        let _ = self.answers.try_send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, thread};

    use sensor_core::enrichment::ConfiguredName;

    use super::*;
    use crate::hosts::{HostSources, LeaseFile, LeaseFormat};

    const SEEN: (Timestamp, Timestamp, EvidenceLevel) =
        (Timestamp::MIN, Timestamp::MIN, EvidenceLevel::Attempt);

    fn name(answer: Enriched) -> Option<String> {
        answer.internal.lease_name
    }

    /// A worker with files in this folder and names of the configuration.
    fn worker(
        options: &HostSources,
        names: ConfiguredNames,
        folder: &Path,
        answers: mpsc::Sender<Enriched>,
    ) -> Worker {
        let sources = Sources::without_reverse_dns(options, names, folder.to_owned());
        Worker { sources, answers, prefetched: Prefetched::default(), recent: VecDeque::new() }
    }

    #[test]
    fn answers_and_answers_again_when_a_lease_appears() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnsmasq.leases");
        let sources = HostSources {
            lease_files: vec![LeaseFile { file: file.clone(), format: LeaseFormat::Dnsmasq }],
            neighbours: false,
            ..HostSources::default()
        };
        let (answers, mut enriched) = mpsc::channel(MAX_WAITING);
        let worker = worker(&sources, ConfiguredNames::default(), folder.path(), answers);
        let (lookups, questions) = LookupSender::alone(8);
        let thread = thread::spawn(move || worker.run(&questions));
        let internal = Some("10.0.0.2".parse().unwrap());
        assert!(lookups.ask(Lookup { incident: IncidentId(7), internal, external: None, seen: SEEN }));
        assert_eq!(name(enriched.blocking_recv().unwrap()), None);
        fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-ann *\n").unwrap();
        assert_eq!(name(enriched.blocking_recv().unwrap()).as_deref(), Some("pc-ann"));
        drop(lookups);
        thread.join().unwrap();
    }

    #[test]
    fn hosts_are_prefetched_and_again_when_a_file_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnsmasq.leases");
        let lease = LeaseFile { file: file.clone(), format: LeaseFormat::Dnsmasq };
        let options = HostSources { lease_files: vec![lease], neighbours: false, ..HostSources::default() };
        fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-ann *\n").unwrap();
        let (answers, mut enriched) = mpsc::channel(MAX_WAITING);
        let (mut lookups, questions) = LookupSender::alone(8);
        let mut worker = worker(&options, ConfiguredNames::default(), folder.path(), answers);
        worker.prefetched = lookups.prefetched().clone();
        let thread = thread::spawn(move || worker.run(&questions));
        let hosts: HostPair = ("10.0.0.2".parse().unwrap(), "8.8.4.4".parse().unwrap());
        let now = wall_clock::now();
        let question = Lookup {
            incident: IncidentId(7),
            internal: Some(hosts.0),
            external: Some(hosts.1),
            seen: (now, now, EvidenceLevel::Smb),
        };
        // The worker has this question before the next one.
        lookups.prefetch(hosts);
        assert!(lookups.ask(question));
        assert_eq!(name(enriched.blocking_recv().unwrap()).as_deref(), Some("pc-ann"));
        assert_eq!(lookups.known(question).and_then(name).as_deref(), Some("pc-ann"));
        fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-bob *\n").unwrap();
        assert_eq!(name(enriched.blocking_recv().unwrap()).as_deref(), Some("pc-bob"));
        assert_eq!(lookups.known(question), None, "what was looked up before is forgotten");
        drop(lookups);
        thread.join().unwrap();
    }

    #[test]
    fn external_host_has_the_names_of_the_configuration_also_if_they_come_later() {
        let folder = tempfile::tempdir().unwrap();
        let options = HostSources { neighbours: false, ..HostSources::default() };
        let (answers, mut enriched) = mpsc::channel(MAX_WAITING);
        let (lookups, questions) = LookupSender::alone(8);
        let worker = worker(&options, lookups.names.clone(), folder.path(), answers);
        let thread = thread::spawn(move || worker.run(&questions));
        let address: IpAddr = "8.8.4.4".parse().unwrap();
        let question =
            Lookup { incident: IncidentId(7), internal: None, external: Some(address), seen: SEEN };
        assert!(lookups.ask(question));
        assert!(enriched.blocking_recv().unwrap().external.configured_names.is_empty());
        let name = ConfiguredName { name: "files.example".into(), origin: "list provider".into() };
        lookups.set_names(&Arc::new(NamedAddresses::from([(address, vec![name.clone()])])));
        assert_eq!(enriched.blocking_recv().unwrap().external.configured_names, [name]);
        drop(lookups);
        thread.join().unwrap();
    }

    #[test]
    fn remembers_the_latest_questions_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let (answers, _enriched) = mpsc::channel(1);
        let sources = HostSources { neighbours: false, ..HostSources::default() };
        let mut worker = worker(&sources, ConfiguredNames::default(), folder.path(), answers);
        let question =
            |number: u64| Lookup { incident: IncidentId(number), internal: None, external: None, seen: SEEN };
        for number in (0..2 * MAX_RECENT as u64).chain([7, 7]) {
            worker.remember(question(number));
        }
        assert_eq!(worker.recent.len(), MAX_RECENT);
        assert_eq!(worker.recent.iter().filter(|(_, one)| one.incident == IncidentId(7)).count(), 1);
        // There is room for one answer; the others are left out, and nothing waits.
        worker.answer_again();
        assert_eq!(worker.recent.len(), MAX_RECENT);
    }
}
