//! Asks the running agent.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::{
    socket::{
        AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket as new_socket,
        sockopt::{PeerCredentials, SendTimeout},
    },
    time::TimeVal,
};
use thiserror::Error;

use super::{Answer, Envelope, MAX_LINE_LEN, Request, socket};

/// Seconds for the agent to accept a connection, and to answer each time.
const PATIENCE_SECONDS: i64 = 5;
const PATIENCE: Duration = Duration::from_secs(PATIENCE_SECONDS as u64);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No agent listens.
    #[error(
        "no agent answers at {}: {source}. Is it running, with this --state-dir (or `state_dir` of --config), and may you open \
         the socket?",
        path.display()
    )]
    NotThere {
        /// Socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// An agent listens but does not answer.
    #[error(
        "the agent{} at {} does not answer: it is stopped, or hangs. {}. Nothing is put into force that it reads later, and it \
         lets everything through ten seconds after it last worked",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        path.display(),
        way_on(*pid)
    )]
    Late {
        /// Socket.
        path: PathBuf,
        /// The listening process, if known.
        pid: Option<i32>,
    },
    /// An invalid answer.
    #[error("the agent at {} gave an answer that is not understood: {reason}; do both have the same version?", path.display())]
    NotUnderstood {
        /// Socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ControlError {
    /// Whether no agent runs: there is no socket, nobody listens on it, or the agent was just killed.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
        matches!(self, Self::NotThere { source, .. } if matches!(source.kind(), NotFound | ConnectionRefused | ConnectionReset))
    }
}

/// Advice about an agent that does not answer.
fn way_on(pid: Option<i32>) -> String {
    let pid = pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    format!(
        "`ps -o pid,stat,wchan:30 -p {pid}` tells which: let one that is stopped (T) go on with `kill -CONT {pid}`, and restart one \
         that hangs"
    )
}

/// Asks the agent of this state directory.
///
/// # Errors
/// [`ControlError`], with what to do.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Answer, ControlError> {
    let mut agent = Connection::to(socket(state_dir))?;
    agent.send(request)?;
    let line = agent.line(MAX_LINE_LEN)?;
    serde_json::from_str(&line).map_err(|error| agent.not_understood(&error))
}

/// The process of the agent of this state directory; 0 if it is in a PID namespace that is not visible here.
///
/// # Errors
/// [`ControlError`], with what to do.
pub fn process(state_dir: &Path) -> Result<i32, ControlError> {
    let agent = Connection::to(socket(state_dir))?;
    let peer = getsockopt(agent.stream.get_ref(), PeerCredentials);
    peer.map(|peer| peer.pid()).map_err(|error| agent.failed(error.into()))
}

/// A connection with the agent.
struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    fn to(path: PathBuf) -> Result<Self, ControlError> {
        match connected(&path, PATIENCE_SECONDS) {
            Ok(stream) => Ok(Self { path, stream: BufReader::new(stream) }),
            Err(source) => Err(failure(path, None, source)),
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), ControlError> {
        let stream = self.stream.get_mut();
        let mut send = || {
            let before = super::boot_nanos()?.saturating_add(PATIENCE.as_nanos() as u64);
            let mut text = serde_json::to_string(&Envelope { request: request.clone(), before })?;
            text.push('\n');
            stream.write_all(text.as_bytes())
        };
        let sent = send();
        sent.map_err(|error| self.failed(error))
    }

    fn line(&mut self, longest: u64) -> Result<String, ControlError> {
        let mut line = String::new();
        match (&mut self.stream).take(longest).read_line(&mut line) {
            Ok(0) => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: io::Error) -> ControlError {
        // A process in an invisible PID namespace has the number 0.
        let peer = getsockopt(self.stream.get_ref(), PeerCredentials).map(|peer| peer.pid());
        failure(self.path.clone(), peer.ok().filter(|pid| *pid > 0), source)
    }

    fn not_understood(&self, error: &serde_json::Error) -> ControlError {
        ControlError::NotUnderstood { path: self.path.clone(), reason: error.to_string() }
    }
}

/// A connection that the listener must accept and serve within this many seconds each time.
fn connected(path: &Path, seconds: i64) -> io::Result<UnixStream> {
    let socket = new_socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // The timeout also applies to connecting, which would wait for ever if the queue is full.
    setsockopt(&socket, SendTimeout, &TimeVal::new(seconds, 0))?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(seconds.unsigned_abs())))?;
    Ok(stream)
}

fn failure(path: PathBuf, pid: Option<i32>, source: io::Error) -> ControlError {
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Late { path, pid },
        _ => ControlError::NotThere { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{Backlog, listen};

    use super::*;

    #[test]
    fn does_not_wait_for_an_agent_that_accepts_no_connection() {
        let directory = tempfile::tempdir().unwrap();
        let path = socket(directory.path());
        let listener = UnixListener::bind(&path).unwrap();
        listen(&listener, Backlog::new(1).unwrap()).unwrap();
        let mut waiting = Vec::new();
        let error = (0..10).find_map(|_| connected(&path, 1).map(|stream| waiting.push(stream)).err());
        let error = failure(path, None, error.unwrap()).to_string();
        assert!(error.contains("does not answer") && error.contains("kill -CONT"), "{error}");
    }

    #[test]
    fn names_an_unresponsive_agent_by_pid_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let _silent = UnixListener::bind(socket(directory.path())).unwrap();
        let error = ask(directory.path(), &Request::EnforcementStatus).unwrap_err().to_string();
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        assert!(error.contains("does not answer") && error.contains("kill -CONT"), "{error}");
    }
}
