//! Resolves the names of exemptions on a schedule, on a thread of its own: a name server that does not answer delays nothing else.

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::ResolvedNames;
use crate::{
    runtime::{Supervisor, Wait, signs::with_signs, waiting},
    wall_clock,
};

/// Shortest and longest time between two look-ups of a name, whatever its TTL is.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3_600);

/// Time before a name that could not be resolved is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Addresses that a log line lists.
const LISTED: usize = 8;

/// Time for one answer, all servers and attempts together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for names to be resolved. The thread ends when this is dropped.
#[derive(Debug, Default)]
pub struct Names(Arc<Wanted>);

#[derive(Debug, Default)]
struct Wanted {
    state: Mutex<(BTreeSet<String>, bool)>,
    changed: Notify,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.0.changed.notify_one();
    }
}

impl Names {
    /// Starts the thread. It asks these `servers`, or those of the machine if there are none, keeps what it learns in the state
    /// directory, and notifies `learnt` when addresses changed.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        servers: Vec<IpAddr>,
        state_dir: PathBuf,
        learnt: Arc<Notify>,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let names = Self::default();
        let wanted = Arc::clone(&names.0);
        supervisor.spawn("names", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let work = resolve_on_schedule(&wanted, &state_dir, &learnt, async |name: &str| {
                look_up(name, &servers).await
            });
            runtime.block_on(with_signs(work));
            Ok::<_, io::Error>(())
        })?;
        Ok(names)
    }

    /// Sets the names that are wanted, and has all of them resolved now.
    pub fn want(&self, names: BTreeSet<String>) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).0 = names;
        self.0.changed.notify_one();
    }
}

impl Wanted {
    fn get(&self) -> (BTreeSet<String>, bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The addresses of a name, and how long they are valid; or why there is no answer.
type Answer = Result<(Vec<IpAddr>, Duration), String>;

/// Looks the names up whenever they change, and again when it is time to. Ends when nobody wants names any more.
async fn resolve_on_schedule(
    wanted: &Wanted,
    state_dir: &Path,
    learnt: &Notify,
    ask: impl AsyncFn(&str) -> Answer,
) {
    // Before that it is not known which names are wanted, and none is to be forgotten.
    wanted.changed.notified().await;
    let mut resolved = waiting(Wait::Disk, || ResolvedNames::read(state_dir)).unwrap_or_else(|error| {
        warn!("{error}");
        ResolvedNames::default()
    });
    let mut failing = BTreeSet::new();
    loop {
        let (names, ended) = wanted.get();
        if ended {
            return;
        }
        let mut changed = resolved.retain(&names);
        let mut valid = Vec::new();
        for name in &names {
            let answer = ask(name.as_str()).await;
            valid.push(answer.as_ref().ok().map(|(_, ttl)| *ttl));
            match answer {
                Ok((addresses, ttl)) => {
                    if failing.remove(name) {
                        info!("{name} is resolved again");
                    }
                    if resolved.learn(name, &addresses, ttl, wall_clock::now()) {
                        changed = true;
                        info!("{name} has the addresses {}", listed(&resolved, name));
                    }
                }
                Err(reason) => {
                    if failing.insert(name.clone()) {
                        warn!(
                            "cannot resolve {name}, which an exemption names; the addresses known so far stay: {reason}"
                        );
                    }
                }
            }
        }
        if changed {
            if let Err(error) = waiting(Wait::Disk, || resolved.write(state_dir)) {
                warn!("cannot keep the addresses of names: {error}");
            }
            learnt.notify_one();
        }
        let _ = tokio::time::timeout(time_to_next(&valid), wanted.changed.notified()).await;
    }
}

/// Time until the names are looked up again, by how long each answer is valid, or `None` for a name without one. Without names there
/// is nothing to do until some are wanted.
fn time_to_next(valid: &[Option<Duration>]) -> Duration {
    let waits = valid.iter().map(|valid| valid.map_or(RETRY, |ttl| ttl.clamp(SHORTEST, LONGEST)));
    waits.min().unwrap_or(Duration::MAX)
}

/// The known addresses of a name, for a log line.
fn listed(resolved: &ResolvedNames, name: &str) -> String {
    let networks = resolved.networks(name).unwrap_or_default();
    let shown: Vec<_> = networks.iter().take(LISTED).map(|net| net.addr().to_string()).collect();
    let more = networks.len() - shown.len();
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Asks these servers for a name, or those of the machine if there are none.
async fn look_up(name: &str, servers: &[IpAddr]) -> Answer {
    let mut builder = if servers.is_empty() {
        // Read anew each time: the configuration of the machine's resolver changes with its network.
        waiting(Wait::Files, TokioResolver::builder_tokio).map_err(|error| error.to_string())?
    } else {
        let servers = servers.iter().map(|server| NameServerConfig::udp_and_tcp(*server)).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.ndots = 1;
    let resolver = builder.build().map_err(|error| error.to_string())?;
    // A dot at the end: search domains are not tried.
    let name = format!("{}.", name.trim_end_matches('.'));
    let answer = tokio::time::timeout(TIMEOUT, resolver.lookup_ip(name)).await;
    let answer = answer.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
    let ttl = answer.valid_until().saturating_duration_since(Instant::now());
    Ok((answer.iter().collect(), ttl))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn next_look_up_is_when_the_first_answer_ends_within_bounds_or_a_minute_after_a_failure() {
        let rows: [(&[Option<Duration>], Duration); 8] = [
            (&[Some(seconds(300))], seconds(300)),
            (&[Some(seconds(5))], SHORTEST),
            (&[Some(Duration::ZERO)], SHORTEST),
            (&[Some(seconds(86_400))], LONGEST),
            (&[None], seconds(60)),
            (&[Some(seconds(300)), None], seconds(60)),
            (&[Some(seconds(300)), None, Some(seconds(45))], seconds(45)),
            (&[], Duration::MAX),
        ];
        for (valid, expected) in rows {
            assert_eq!(time_to_next(valid), expected, "{valid:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn name_is_looked_up_again_when_its_answer_ends_and_a_minute_after_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let (names, learnt) = (Names::default(), Notify::new());
        names.want(BTreeSet::from(["files.example".to_owned()]));
        let (began, asked) = (tokio::time::Instant::now(), RefCell::new(Vec::new()));
        let address = |last: u8| IpAddr::from([8, 8, 4, last]);
        let ask = async |name: &str| {
            assert_eq!(name, "files.example");
            asked.borrow_mut().push(began.elapsed().as_secs());
            match asked.borrow().len() {
                1 => Ok((vec![address(4)], seconds(300))),
                2 => Err("no answer".to_owned()),
                3 => Ok((vec![address(5)], seconds(5))),
                _ => Ok((vec![address(5)], seconds(86_400))),
            }
        };
        let known = || ResolvedNames::read(folder.path()).unwrap().networks("files.example").unwrap();

        let mut schedule = std::pin::pin!(resolve_on_schedule(&names.0, folder.path(), &learnt, ask));
        assert!(tokio::time::timeout(seconds(350), schedule.as_mut()).await.is_err(), "it goes on");
        assert_eq!(*asked.borrow(), [0, 300]);
        assert_eq!(known(), ["8.8.4.4/32".parse().unwrap()], "a failure leaves what was known");
        assert!(tokio::time::timeout(seconds(3_650), schedule.as_mut()).await.is_err(), "it goes on");
        assert_eq!(*asked.borrow(), [0, 300, 360, 390, 3_990]);
        assert_eq!(known().len(), 2);
    }
}
