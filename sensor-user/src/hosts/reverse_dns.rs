//! Names of addresses by reverse DNS (RFC 1035 3.5), asked in the background, one after another, and kept for a while.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use sensor_dissect::escape::shown;

use crate::runtime::{Supervisor, Wait, waiting};

/// Addresses that wait to be asked about.
const MAX_WAITING: usize = 256;

/// Names that are kept.
const MAX_KEPT: usize = 10_000;

/// Time for which a name is kept, and that there is none.
const KEPT: Duration = Duration::from_secs(3_600);
const KEPT_WITHOUT: Duration = Duration::from_secs(300);

/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Most characters of a name (RFC 1035 2.3.4).
const MAX_NAME: usize = 255;

/// What is known of an address, and since when.
type Answers = HashMap<IpAddr, (Instant, Option<String>)>;

/// Asks for names. The thread ends when this is dropped.
pub(super) struct ReverseDns {
    wanted: SyncSender<IpAddr>,
    known: Arc<Known>,
}

#[derive(Default)]
struct Known {
    answers: Mutex<Answers>,
    /// A name was learnt since this was last asked.
    learnt: AtomicBool,
}

impl ReverseDns {
    /// Starts the thread, which asks these `servers`, or those of the machine if there are none.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(servers: &[IpAddr], supervisor: &Supervisor) -> io::Result<Self> {
        let (this, addresses) = Self::alone();
        let (known, servers) = (Arc::clone(&this.known), servers.to_vec());
        supervisor.spawn("reverse-dns", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            while let Ok(address) = waiting(Wait::Work, || addresses.recv()) {
                let name = waiting(Wait::Server, || runtime.block_on(look_up(address, &servers)));
                known.put(address, name, Instant::now());
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(this)
    }

    fn alone() -> (Self, Receiver<IpAddr>) {
        let (wanted, addresses) = sync_channel(MAX_WAITING);
        (Self { wanted, known: Arc::default() }, addresses)
    }

    /// The name of an address, if it is known. Never waits.
    pub(super) fn name(&self, address: IpAddr) -> Option<String> {
        let answers = self.known.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&address)?.1.clone()
    }

    /// Asks for the name of an address, unless it is known or asked for already. Never waits.
    pub(super) fn ask(&self, address: IpAddr) {
        self.ask_at(address, Instant::now());
    }

    fn ask_at(&self, address: IpAddr, now: Instant) {
        let mut answers = self.known.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.get(&address);
        if known.is_some_and(|(since, name)| now.duration_since(*since) < kept(name.as_ref())) {
            return;
        }
        // One that has no room is asked for with the next event of its incident. What waits is not asked for again.
        if self.wanted.try_send(address).is_ok() {
            let before = answers.remove(&address).and_then(|(_, name)| name);
            put(&mut answers, address, before, now);
        }
    }

    /// Whether a name was learnt since this was last asked.
    pub(super) fn take_learnt(&self) -> bool {
        self.known.learnt.swap(false, Ordering::Relaxed)
    }
}

impl Known {
    fn put(&self, address: IpAddr, name: Option<String>, now: Instant) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if name.is_some() {
            self.learnt.store(true, Ordering::Relaxed);
        }
        put(&mut answers, address, name, now);
    }
}

const fn kept(name: Option<&String>) -> Duration {
    if name.is_some() { KEPT } else { KEPT_WITHOUT }
}

/// Keeps an answer; the oldest goes where there is no room.
fn put(answers: &mut Answers, address: IpAddr, name: Option<String>, now: Instant) {
    if answers.len() >= MAX_KEPT
        && !answers.contains_key(&address)
        && let Some(oldest) = answers.iter().min_by_key(|(_, (since, _))| *since).map(|(address, _)| *address)
    {
        answers.remove(&oldest);
    }
    answers.insert(address, (now, name));
}

/// The name of an address; `None` if there is none, or no answer.
async fn look_up(address: IpAddr, servers: &[IpAddr]) -> Option<String> {
    let builder = if servers.is_empty() {
        // Read anew each time: the configuration of the machine's resolver changes with its network.
        TokioResolver::builder_tokio().ok()?
    } else {
        let servers = servers.iter().map(|server| NameServerConfig::udp_and_tcp(*server)).collect();
        TokioResolver::builder_with_config(
            ResolverConfig::from_name_servers(servers),
            TokioRuntimeProvider::default(),
        )
    };
    let resolver = builder.build().ok()?;
    let answer = tokio::time::timeout(TIMEOUT, resolver.reverse_lookup(address)).await.ok()?.ok()?;
    name_of(&answer.answers().iter().find_map(|record| match &record.data {
        hickory_resolver::proto::rr::RData::PTR(name) => Some(name.to_string()),
        _ => None,
    })?)
}

/// A name off the wire, fit to be shown.
fn name_of(text: &str) -> Option<String> {
    let name: String = text.trim_end_matches('.').chars().take(MAX_NAME).collect();
    (!name.is_empty()).then(|| shown(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn asks_once_and_keeps_the_answer_for_a_while() {
        let (names, wanted) = ReverseDns::alone();
        let now = Instant::now();
        let asked = || wanted.try_iter().count();
        let name_at = |address, now| {
            names.ask_at(address, now);
            names.name(address)
        };
        assert_eq!((names.name(address(1)), asked()), (None, 0), "it is not asked for by itself");
        assert_eq!((name_at(address(1), now), asked()), (None, 1));
        assert_eq!((name_at(address(1), now), asked()), (None, 0), "it is asked for already");
        names.known.put(address(1), Some("files.example".into()), now);
        assert!(names.take_learnt() && !names.take_learnt());
        let name = Some("files.example".to_owned());
        assert_eq!((name_at(address(1), now), asked()), (name.clone(), 0));
        // The name stays while it is asked for again.
        assert_eq!((name_at(address(1), now + KEPT), asked()), (name, 1));
        names.known.put(address(2), None, now);
        assert!(!names.take_learnt());
        assert_eq!((name_at(address(2), now + KEPT_WITHOUT / 2), asked()), (None, 0));
        assert_eq!((name_at(address(2), now + KEPT_WITHOUT), asked()), (None, 1));
    }

    #[test]
    fn what_waits_and_what_is_kept_is_bounded() {
        let (names, wanted) = ReverseDns::alone();
        let now = Instant::now();
        for number in 0..2 * MAX_WAITING as u32 {
            names.ask_at(address(number), now);
        }
        assert_eq!(wanted.try_iter().count(), MAX_WAITING);
        for number in 0..MAX_KEPT as u32 + 500 {
            names.known.put(address(number), Some("x".into()), now + Duration::from_millis(number.into()));
        }
        let answers = names.known.answers.lock().unwrap();
        assert_eq!(answers.len(), MAX_KEPT);
        assert!(!answers.contains_key(&address(0)), "the oldest went");
    }

    #[test]
    fn hostile_name_is_escaped_and_cut() {
        let name = name_of(&format!("a\u{1b}[2J{}.", "x".repeat(4_000))).unwrap();
        assert!(name.starts_with("a\\u{1b}[2Jx") && name.len() < 300, "{name}");
        assert_eq!(name_of("."), None);
    }
}
