//! The agent's end of the socket.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use log::debug;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{Answer, Envelope, LONGEST, Request, boot_nanos, socket};

/// Time that one exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Exchanges at a time.
const MOST: usize = 8;

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Answers.
    pub fn answer(self, done: bool, told: impl Into<String>) {
        // Whoever asked may be gone.
        let _ = self.answer.send(Answer { told: told.into(), done });
    }
}

/// The listening socket. It goes when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    requests: mpsc::Receiver<Asked>,
    listening: JoinHandle<()>,
}

impl Control {
    /// Listens in `state_dir`; a socket that a killed agent left there is replaced.
    ///
    /// # Errors
    /// When another agent listens there already, or the socket cannot be made.
    pub fn listen(state_dir: &Path) -> io::Result<Self> {
        let path = socket(state_dir);
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent listens there"));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let (sender, requests) = mpsc::channel(MOST);
        let listening = tokio::spawn(serve(listener, sender));
        Ok(Self { path, requests, listening })
    }

    /// The next request.
    pub async fn next(&mut self) -> Option<Asked> {
        self.requests.recv().await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, sender: mpsc::Sender<Asked>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: it may get better.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let sender = sender.clone();
        tokio::spawn(async move {
            match timeout(PATIENCE, exchange(stream, sender)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!("control socket: {error}"),
                Err(_) => debug!("control socket: whoever asked took too long"),
            }
            drop(permit);
        });
    }
}

async fn exchange(mut stream: UnixStream, sender: mpsc::Sender<Asked>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(LONGEST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str::<Envelope>(&line) {
        Ok(Envelope { request, before }) if before < boot_nanos()? && !request.outlives_its_asker() => {
            Answer { told: "the request came too late and was not carried out".to_owned(), done: false }
        }
        Ok(Envelope { request, .. }) => {
            let (answer, answered) = oneshot::channel();
            let refused = Answer { told: "the agent is ending".to_owned(), done: false };
            match sender.send(Asked { request, answer }).await {
                Ok(()) => answered.await.unwrap_or(refused),
                Err(_) => refused,
            }
        }
        Err(error) => Answer { told: format!("not a request: {error}"), done: false },
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ask;

    async fn asked(directory: &Path, request: Request) -> Answer {
        let directory = directory.to_owned();
        tokio::task::spawn_blocking(move || ask(&directory, &request)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_goes_with_the_agent() {
        let directory = tempfile::tempdir().unwrap();
        let mut control = Control::listen(directory.path()).unwrap();
        let client = tokio::spawn({
            let path = directory.path().to_owned();
            async move { asked(&path, Request::EnforcementOff).await }
        });
        let request = control.next().await.unwrap();
        assert_eq!(request.request, Request::EnforcementOff);
        request.answer(true, "off");
        assert_eq!(client.await.unwrap(), Answer { told: "off".into(), done: true });
        assert!(Control::listen(directory.path()).is_err(), "one agent to a directory");
        drop(control);
        assert!(!socket(directory.path()).exists());
        assert!(ask(directory.path(), &Request::EnforcementStatus).is_err());
    }

    #[tokio::test]
    async fn what_came_too_late_is_not_carried_out_unless_it_lets_packets_pass() {
        let directory = tempfile::tempdir().unwrap();
        let mut control = Control::listen(directory.path()).unwrap();
        let late = |request| {
            let path = socket(directory.path());
            tokio::task::spawn_blocking(move || {
                use std::io::{Read as _, Write as _};
                let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
                let mut text = serde_json::to_string(&Envelope { request, before: 1 }).unwrap();
                text.push('\n');
                stream.write_all(text.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            })
        };
        let answer = late(Request::EnforcementOn { seconds: None }).await.unwrap();
        assert!(answer.contains("too late"), "{answer}");
        let off = late(Request::EnforcementOff);
        let asked = control.next().await.unwrap();
        assert_eq!(asked.request, Request::EnforcementOff);
        asked.answer(true, "off");
        assert!(off.await.unwrap().contains("true"));
    }

    #[tokio::test]
    async fn what_is_no_request_is_told_so_and_a_stale_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(socket(directory.path())).unwrap());
        let _control = Control::listen(directory.path()).unwrap();
        let path = socket(directory.path());
        let answer = tokio::task::spawn_blocking(move || {
            use std::io::{Read as _, Write as _};
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            stream.write_all(b"{\"ask\":\"nonsense\"}\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        assert!(answer.await.unwrap().contains("not a request"));
    }
}
