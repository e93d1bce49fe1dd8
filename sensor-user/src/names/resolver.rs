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
use crate::{runtime::Supervisor, wall_clock};

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
            runtime.block_on(resolve_on_schedule(&wanted, &servers, &state_dir, &learnt));
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

async fn resolve_on_schedule(wanted: &Wanted, servers: &[IpAddr], state_dir: &Path, learnt: &Notify) {
    // Before that it is not known which names are wanted, and none is to be forgotten.
    wanted.changed.notified().await;
    let mut resolved = ResolvedNames::read(state_dir).unwrap_or_else(|error| {
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
        let mut next = LONGEST;
        for name in &names {
            let after = match look_up(name, servers).await {
                Ok((addresses, ttl)) => {
                    if failing.remove(name) {
                        info!("{name} is resolved again");
                    }
                    if resolved.learn(name, &addresses, ttl, wall_clock::now()) {
                        changed = true;
                        info!("{name} has the addresses {}", listed(&resolved, name));
                    }
                    ttl.clamp(SHORTEST, LONGEST)
                }
                Err(reason) => {
                    if failing.insert(name.clone()) {
                        warn!(
                            "cannot resolve {name}, which an exemption names; the addresses known so far stay: {reason}"
                        );
                    }
                    RETRY
                }
            };
            next = next.min(after);
        }
        if changed {
            if let Err(error) = resolved.write(state_dir) {
                warn!("cannot keep the addresses of names: {error}");
            }
            learnt.notify_one();
        }
        // Without names there is nothing to do until some are wanted.
        let wait = if names.is_empty() { Duration::MAX } else { next };
        let _ = tokio::time::timeout(wait, wanted.changed.notified()).await;
    }
}

/// The known addresses of a name, for a log line.
fn listed(resolved: &ResolvedNames, name: &str) -> String {
    let networks = resolved.networks(name).unwrap_or_default();
    let shown: Vec<_> = networks.iter().take(LISTED).map(|net| net.addr().to_string()).collect();
    let more = networks.len() - shown.len();
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// The addresses of a name, and how long the answer is valid.
async fn look_up(name: &str, servers: &[IpAddr]) -> Result<(Vec<IpAddr>, Duration), String> {
    let mut builder = if servers.is_empty() {
        // Read anew each time: the configuration of the machine's resolver changes with its network.
        TokioResolver::builder_tokio().map_err(|error| error.to_string())?
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
