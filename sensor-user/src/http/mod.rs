//! Metrics, health and the status page over HTTP, on a thread of its own.
//!
//! Takes the [`Snapshot`] that the reader publishes once a second, and the content of the store. Changes only exemptions,
//! verdicts and blocks, and only where the configuration allows that.

mod access;
mod forms;
mod health;
mod listener;
mod metrics;
mod page;
mod snapshot;
mod tls;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use thiserror::Error;
use tokio::{
    sync::{Semaphore, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};
use tracing::info;

pub use self::snapshot::{BlockState, ExemptionState, InterfaceState, ReloadState, RingState, Snapshot};
use self::{access::Access, forms::Forms, health::StoreWatch, metrics::Format};
use crate::{
    config::{Config, ConfigError, HttpOptions},
    fleet::Fleets,
    runtime::{Spawner, Supervisor, signs::with_signs},
    sinks::{OutputOptions, SecretError, SecretSource, TlsError},
    storage::{self, Committed},
};

/// The longest that a look at the size of the database may take.
const DISK_PATIENCE: Duration = Duration::from_secs(1);

/// Threads that read the database for requests.
const READERS: usize = 2;

/// Header fields of every answer. Pages may load style and script from here and nothing from elsewhere, and no other page may
/// show them in a frame.
const FIELDS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Without a referrer a browser does not say where a form comes from.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Why nothing listens.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The address cannot be had.
    #[error("cannot listen on {address} (`listen` under [http]): {source}")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The token cannot be read.
    #[error("the token of [http]: {0}")]
    Token(#[from] SecretError),
    /// TLS cannot be spoken.
    #[error("TLS of [http]: {0}")]
    Tls(#[from] TlsError),
    /// There are no random numbers for the keys of forms.
    #[error("the kernel gives no random numbers")]
    Random,
    /// No thread can be started.
    #[error("cannot start a thread for HTTP: {0}")]
    Thread(#[source] io::Error),
}

/// Tries what the listener needs, for `check`.
///
/// # Errors
/// What is missing.
pub fn probe(options: &HttpOptions) -> Result<String, String> {
    options.token.as_ref().map(SecretSource::read).transpose().map_err(|error| error.to_string())?;
    options.tls.as_ref().map(tls::acceptor).transpose().map_err(|error| error.to_string())?;
    let needs = [
        (options.token.is_some(), "; requests need the token"),
        (options.tls.is_some(), "; TLS"),
        (has_clients(options), " with certificates of clients"),
    ];
    let needs: String = needs.iter().filter(|(is_so, _)| *is_so).map(|(_, words)| *words).collect();
    match std::net::TcpListener::bind(options.listen) {
        Ok(_) => Ok(format!("{} is free{needs}", options.listen)),
        // By a running agent, as a rule.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Ok(format!("{} is in use{needs}", options.listen))
        }
        Err(source) => Err(HttpError::Listen { address: options.listen, source }.to_string()),
    }
}

/// Whether clients show who they are by certificates.
fn has_clients(options: &HttpOptions) -> bool {
    options.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
}

/// The listener. It ends when this is dropped.
#[derive(Debug)]
pub struct Http {
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    fleets: watch::Sender<Fleets>,
    _listening: oneshot::Sender<()>,
}

/// Reads the configuration, as at a reload.
pub type LoadConfig = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What requests are answered from.
#[derive(Clone)]
struct Source {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    committed: Committed,
    store: Arc<StoreWatch>,
    state_dir: Arc<Path>,
    /// Permits to read the database.
    reads: Arc<Semaphore>,
    /// What the forms that exempt need; none where there are none.
    exempt_forms: Option<Arc<Forms>>,
    /// The same for forms of verdicts.
    verdict_forms: Option<Arc<Forms>>,
    /// The same for forms that block and unblock.
    block_forms: Option<Arc<Forms>>,
    load: LoadConfig,
    fleets: watch::Receiver<Fleets>,
    /// Starts threads that read the stream of a fleet.
    spawner: Spawner,
}

impl Http {
    /// Listens, and answers from the database in `state_dir` and what is [published](Self::publish).
    ///
    /// # Errors
    /// [`HttpError`]
    pub fn start(
        options: &HttpOptions,
        state_dir: &Path,
        committed: Committed,
        load: LoadConfig,
        supervisor: &Supervisor,
    ) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Listen { address: options.listen, source };
        let token = options.token.as_ref().map(SecretSource::read).transpose()?;
        let access = Access::new(token, has_clients(options));
        let acceptor = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let listener = std::net::TcpListener::bind(options.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(READERS)
            .build()
            .map_err(HttpError::Thread)?;
        let (snapshots, published) = watch::channel(None);
        let (fleets, shown) = watch::channel(Fleets::default());
        let forms = Arc::new(Forms::new()?);
        let (listening, ended) = oneshot::channel::<()>();
        let source = Source {
            snapshots: published,
            committed,
            store: Arc::new(StoreWatch::new()),
            state_dir: state_dir.into(),
            reads: Arc::new(Semaphore::new(READERS)),
            exempt_forms: options.exempt_form.then(|| Arc::clone(&forms)),
            verdict_forms: options.verdict_form.then(|| Arc::clone(&forms)),
            block_forms: options.block_form.then_some(forms),
            load,
            fleets: shown,
            spawner: supervisor.spawner(),
        };
        let has_page = options.page;
        let run = move || {
            let result = runtime.block_on(with_signs(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let router = router(source.clone(), access, has_page);
                tokio::select! {
                    result = listener::serve(listener, acceptor, router) => result,
                    () = source.look_at_store() => Ok(()),
                    _ = ended => Ok(()),
                }
            }));
            runtime.shutdown_background();
            result
        };
        supervisor.spawn::<io::Error>("http", run).map_err(HttpError::Thread)?;
        info!("listening on {scheme}://{address}");
        Ok(Self { snapshots, fleets, _listening: listening })
    }

    /// Publishes the state of the agent. Never waits.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Some(Arc::new(snapshot)));
    }

    /// Shows the fleets to whose streams these outputs publish, and no others. Never waits.
    pub fn show_fleets(&self, outputs: &[OutputOptions]) {
        self.fleets.send_modify(|fleets| *fleets = Fleets::of(outputs, fleets));
    }
}

fn router(source: Source, access: Access, has_page: bool) -> Router {
    let pages = if has_page { page::routes() } else { Router::new() };
    pages
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is no such page\n") })
        .method_not_allowed_fallback(|| async {
            (StatusCode::METHOD_NOT_ALLOWED, "this page takes no request of this method\n")
        })
        .with_state(source)
        .layer(middleware::from_fn_with_state(access, access::guard))
        .layer(middleware::from_fn(listener::bounded))
        .layer(middleware::from_fn(with_fields))
}

async fn with_fields(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in FIELDS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

impl Source {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshots.borrow().clone()
    }

    /// Looks once a second whether the store works.
    async fn look_at_store(&self) {
        loop {
            let _ = self.store.look(&self.committed.counts(), Instant::now());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Why the agent is not ready; nothing if it is.
    fn not_ready(&self) -> Vec<String> {
        let (counts, now) = (self.committed.counts(), Instant::now());
        let stuck = self.store.look(&counts, now);
        health::not_ready(self.snapshot().as_deref(), &counts, stuck, now)
    }
}

async fn metrics(State(source): State<Source>, headers: HeaderMap) -> Response {
    let Some(snapshot) = source.snapshot() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the agent is starting\n").into_response();
    };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted_by(accept);
    let measured = metrics::Measured {
        snapshot,
        store: source.committed.counts(),
        store_bytes: measured_store_bytes(Arc::clone(&source.state_dir)).await,
    };
    match metrics::text(measured, format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.media_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn healthz(State(source): State<Source>) -> Response {
    match health::hangs(source.snapshot().as_deref(), Instant::now()) {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn readyz(State(source): State<Source>) -> Response {
    let reasons = source.not_ready();
    if reasons.is_empty() {
        let mut lines = vec!["ready".to_owned()];
        lines.extend(health::notes(source.snapshot().as_deref()));
        return (lines.join("\n") + "\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

/// Bytes of the database and its write-ahead log, unless the disk does not answer.
async fn measured_store_bytes(state_dir: Arc<Path>) -> Option<u64> {
    // A disk that does not answer holds up one thread, and no other request.
    static MEASURING: Semaphore = Semaphore::const_new(1);
    let permit = timeout(DISK_PATIENCE, MEASURING.acquire()).await.ok()?.ok()?;
    let measuring = spawn_blocking(move || {
        let bytes = store_bytes(&state_dir);
        drop(permit);
        bytes
    });
    timeout(DISK_PATIENCE, measuring).await.ok()?.ok()?
}

/// The same; waits for the disk.
fn store_bytes(state_dir: &Path) -> Option<u64> {
    let database = storage::file(state_dir);
    let mut log = database.clone().into_os_string();
    log.push("-wal");
    let bytes = fs::metadata(database).ok()?.len();
    Some(bytes + fs::metadata(PathBuf::from(log)).map_or(0, |log| log.len()))
}

#[cfg(test)]
mod tests;
