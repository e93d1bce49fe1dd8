//! The connection with a NATS server, and the stream.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{
        self, Context,
        stream::{Config, DiscardPolicy, StorageType},
    },
};
use rustls::ClientConfig;
use tokio::{runtime::Runtime, sync::watch};
use zeroize::Zeroizing;

use super::subject::Subjects;
use crate::sinks::{
    SetupError,
    secret::{Secret, SecretSource},
    tls::{self, TlsOptions},
};

/// Time in which a stream knows a message again by its identifier, if the sensor made the stream.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(3_600);

/// Longest pause between two attempts in the background to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Options of NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsOptions {
    /// Addresses of servers, `nats://HOST:PORT` or `tls://HOST:PORT`: one, or members of a cluster.
    pub servers: Vec<String>,
    /// Where documents go.
    pub subjects: Subjects,
    /// How the sensor proves who it is.
    pub login: Option<Login>,
    /// The stream to make if it is not there.
    pub create: Option<StreamOptions>,
    /// TLS, of addresses that begin with `tls`.
    pub tls: TlsOptions,
    /// Time for an answer.
    pub timeout: Duration,
    /// Time between two reports of health; `None` if there are none.
    pub health: Option<Duration>,
    /// Whether the sensor applies exemptions that the fleet shares.
    pub exemptions: bool,
    /// Whether the sensor shares the destinations that it knows.
    pub terms: bool,
}

/// How the sensor proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A file of credentials: a JWT and the seed of its key.
    Credentials(SecretSource),
    /// The seed of an NKey.
    NKey(SecretSource),
    /// A token.
    Token(SecretSource),
    /// A user and a password.
    Password(String, SecretSource),
}

/// Options of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Name.
    pub name: String,
    /// Copies in a cluster.
    pub replicas: usize,
    /// Age at which messages are removed.
    pub max_age: Duration,
    /// Most bytes; then it refuses messages.
    pub max_bytes: Option<i64>,
}

impl NatsOptions {
    /// Whether connections are encrypted from the first byte of the sensor on.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.servers.iter().any(|one| one.starts_with("tls://"))
    }

    /// The servers, for messages.
    pub(super) fn named(&self) -> String {
        self.servers.join(", ")
    }
}

/// Makes a connection, and keeps it for all that use it.
pub(super) struct Connector {
    options: NatsOptions,
    servers: Vec<ServerAddr>,
    tls: ClientConfig,
    login: Proof,
    link: tokio::sync::Mutex<Option<Link>>,
}

enum Proof {
    None,
    Credentials(Secret),
    NKey(Secret),
    Token(Secret),
    Password(String, Secret),
}

impl Connector {
    pub(super) fn new(options: &NatsOptions) -> Result<Self, SetupError> {
        let login = match &options.login {
            None => Proof::None,
            Some(Login::Credentials(secret)) => Proof::Credentials(secret.read()?),
            Some(Login::NKey(secret)) => Proof::NKey(secret.read()?),
            Some(Login::Token(secret)) => Proof::Token(secret.read()?),
            Some(Login::Password(user, secret)) => Proof::Password(user.clone(), secret.read()?),
        };
        let servers = options.servers.iter().map(|one| one.parse()).collect::<Result<_, _>>();
        let connector = Self {
            servers: servers.map_err(|_| SetupError::Server)?,
            tls: if options.is_encrypted() { tls::client(&options.tls)? } else { tls::unused()? },
            login,
            options: options.clone(),
            link: tokio::sync::Mutex::default(),
        };
        // A mistake in the credentials is one at the start.
        connector.client_options()?;
        Ok(connector)
    }

    fn client_options(&self) -> Result<ConnectOptions, SetupError> {
        let options = ConnectOptions::new()
            .name(self.options.subjects.sensor())
            // Credentials go to the configured servers and nowhere else.
            .ignore_discovered_servers()
            .require_tls(self.options.is_encrypted())
            .tls_client_config(self.tls.clone())
            .connection_timeout(self.options.timeout)
            .request_timeout(Some(self.options.timeout))
            .reconnect_delay_callback(pause);
        Ok(match &self.login {
            Proof::None => options,
            Proof::Credentials(secret) => {
                // The client takes the last line only with its end.
                let file = Zeroizing::new(format!("{}\n", secret.expose()));
                options.credentials(&file).map_err(|_| SetupError::Credentials)?
            }
            Proof::NKey(secret) => options.nkey(secret.expose().to_owned()),
            Proof::Token(secret) => options.token(secret.expose().to_owned()),
            Proof::Password(user, secret) => {
                options.user_and_password(user.clone(), secret.expose().to_owned())
            }
        })
    }

    /// The connection, or a new one if there is none or it is lost.
    pub(super) async fn link(&self) -> Result<Link, String> {
        let mut kept = self.link.lock().await;
        // One that is being made again in the background would not say why it cannot be.
        let link = match kept.take().filter(Link::is_up) {
            Some(link) => link,
            None => self.connect().await?,
        };
        Ok(kept.insert(link).clone())
    }

    /// Gives the connection up.
    pub(super) async fn give_up(&self) {
        *self.link.lock().await = None;
    }

    /// Connects.
    pub(super) async fn greet(&self) -> Result<Link, String> {
        let (down, is_down) = watch::channel(false);
        let said = Arc::new(Mutex::new(None));
        let (down, keep) = (Arc::new(down), Arc::clone(&said));
        let options =
            self.client_options().map_err(|error| error.to_string())?.event_callback(move |event| {
                match event {
                    Event::Disconnected | Event::Closed => {
                        down.send_replace(true);
                    }
                    Event::ServerError(error) => {
                        *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    }
                    _ => {}
                }
                std::future::ready(())
            });
        let named = self.options.named();
        let client = options.connect(&self.servers[..]).await.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation => {
                format!("{named}: the server refuses these credentials (authorization violation)")
            }
            ConnectErrorKind::Authentication => {
                format!(
                    "{named}: the challenge cannot be signed; check the credentials, or the seed of the NKey"
                )
            }
            _ => format!("{named}: {error}"),
        })?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(self.options.timeout);
        Ok(Link { client, jetstream, is_down, said, good: Arc::default() })
    }

    /// Connects, and makes the stream if that is wanted and it is not there.
    async fn connect(&self) -> Result<Link, String> {
        let link = self.greet().await?;
        if let Some(stream) = &self.options.create {
            let config = Config {
                name: stream.name.clone(),
                subjects: vec![Subjects::every()],
                storage: StorageType::File,
                // A full stream says so; documents wait with their sensors.
                discard: DiscardPolicy::New,
                max_age: stream.max_age,
                max_bytes: stream.max_bytes.unwrap_or(-1),
                num_replicas: stream.replicas,
                duplicate_window: DUPLICATE_WINDOW.min(stream.max_age),
                allow_rollup: true,
                ..Config::default()
            };
            link.jetstream
                .get_or_create_stream(config)
                .await
                .map_err(|error| format!("the stream {} cannot be made: {error}", stream.name))?;
        }
        Ok(link)
    }
}

/// A connection.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    pub(super) jetstream: Context,
    /// Whether it was lost since.
    pub(super) is_down: watch::Receiver<bool>,
    /// The last error that the server reported.
    said: Arc<Mutex<Option<String>>>,
    /// Nothing is known to keep documents from being delivered.
    good: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        !*self.is_down.borrow() && self.client.connection_state() == State::Connected
    }

    pub(super) fn is_known_good(&self) -> bool {
        self.good.load(Ordering::Relaxed)
    }

    pub(super) fn note_good(&self) {
        self.good.store(true, Ordering::Relaxed);
    }

    /// The last error that the server reported, if it did; only once.
    pub(super) fn take_said(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A runtime with one thread.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("nats").enable_all().build()
}

/// The pause before an attempt in the background; the first one is made at once.
fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    if doublings == 0 {
        Duration::ZERO
    } else {
        (Duration::from_millis(100) * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }
}
