//! The agent's end of the socket, in a thread of its own, so that slow clients delay nothing else.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream, unix::WriteHalf},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tracing::debug;

use super::{Answer, Envelope, MAX_LINE_LEN, Request, boot_nanos, socket};
use crate::{
    response::Peer,
    runtime::{Supervisor, fault, signs::with_signs},
};

/// Time for a request to arrive.
const ASK: Duration = Duration::from_secs(1);

/// Time for one read or write; a longer exchange must make progress within it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Time for the agent itself to answer: less than the client waits.
const ANSWER: Duration = Duration::from_secs(4);

/// Most waiting requests, and most connections: an idle connection delays no command.
const MAX_REQUESTS: usize = 8;
const MAX_CONNECTIONS: usize = 64;

/// A request, and the way of its answer.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Box<Request>,
    /// Who asks.
    pub by: Peer,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Answers.
    pub fn answer(self, done: bool, text: impl Into<String>) {
        // The client may be gone.
        let _ = self.answer.send(Answer { text: text.into(), done });
    }
}

/// The listening socket. Dropping it removes the socket.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    requests: mpsc::Receiver<Asked>,
    /// The thread ends when this is dropped.
    _listening: oneshot::Sender<()>,
}

impl Control {
    /// Listens in `state_dir`; replaces a socket that a killed agent left there.
    ///
    /// # Errors
    /// If another agent listens there already, or the socket cannot be made.
    pub fn listen(state_dir: &Path, supervisor: &Supervisor) -> io::Result<Self> {
        let path = socket(state_dir);
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent listens there"));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, requests) = mpsc::channel(MAX_REQUESTS);
        let (listening, ended) = oneshot::channel::<()>();
        supervisor.spawn("control", move || {
            let result = runtime.block_on(with_signs(async {
                let server = Server { agent: sender, commands: Arc::new(Semaphore::new(MAX_REQUESTS)) };
                tokio::select! {
                    result = server.serve(listener) => result,
                    _ = ended => Ok(()),
                }
            }));
            runtime.shutdown_background();
            result
        })?;
        Ok(Self { path, requests, _listening: listening })
    }

    /// The next request. Requests of clients that no longer wait are skipped, unless they let packets pass.
    pub async fn next(&mut self) -> Option<Asked> {
        loop {
            let asked = self.requests.recv().await?;
            if !asked.answer.is_closed() || asked.request.outlives_its_asker() {
                return Some(asked);
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[derive(Clone)]
struct Server {
    agent: mpsc::Sender<Asked>,
    commands: Arc<Semaphore>,
}

impl Server {
    async fn serve(&self, listener: std::os::unix::net::UnixListener) -> io::Result<()> {
        let listener = UnixListener::from_std(listener)?;
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            fault::point("control");
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return Ok(()) };
            let Ok((stream, _)) = listener.accept().await else {
                // For example, no descriptors are left: this may improve.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let server = self.clone();
            tokio::spawn(async move {
                if let Err(error) = server.exchange(stream).await {
                    debug!("control socket: {error}");
                }
                drop(permit);
            });
        }
    }

    async fn exchange(&self, mut stream: UnixStream) -> io::Result<()> {
        let by = Peer::of_uid(stream.peer_cred()?.uid());
        let (reader, mut writer) = stream.split();
        let mut line = String::new();
        timeout(ASK, BufReader::new(reader.take(MAX_LINE_LEN)).read_line(&mut line)).await??;
        let answer = match serde_json::from_str::<Envelope>(&line) {
            Ok(Envelope { request, before }) if before < boot_nanos()? && !request.outlives_its_asker() => {
                refused("the request came too late and was not carried out")
            }
            Ok(Envelope { request, .. }) => timeout(ANSWER, self.of_agent(request, by)).await.unwrap_or_else(|_| {
                refused(
                    "the agent is busy and did not come to it; try again. Nothing is put into force that it comes to later",
                )
            }),
            Err(error) => refused(&format!("not a request: {error}")),
        };
        write_line(&mut writer, &serde_json::to_string(&answer)?).await
    }

    /// The agent's answer to one request.
    async fn of_agent(&self, request: Request, by: Peer) -> Answer {
        let Ok(_turn) = self.commands.acquire().await else { return refused(ENDING) };
        let (answer, answered) = oneshot::channel();
        match self.agent.send(Asked { request: Box::new(request), by, answer }).await {
            Ok(()) => answered.await.unwrap_or_else(|_| refused(ENDING)),
            Err(_) => refused(ENDING),
        }
    }
}

/// The answer while the agent ends.
const ENDING: &str = "the agent is ending";

fn refused(text: &str) -> Answer {
    Answer { text: text.to_owned(), done: false }
}

/// Writes a line to the client, which must accept it in time.
pub(super) async fn write_line(writer: &mut WriteHalf<'_>, line: &str) -> io::Result<()> {
    let line = [line, "\n"].concat();
    timeout(PATIENCE, writer.write_all(line.as_bytes())).await?
}

#[cfg(test)]
mod tests;
