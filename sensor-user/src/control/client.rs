//! Asks the running agent.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{Answer, Envelope, LONGEST, Request, socket};

/// Time that the agent is given to answer.
const PATIENCE: Duration = Duration::from_secs(5);

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
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It listens and does not answer.
    #[error(
        "the agent at {} did not answer within {PATIENCE:?}. Nothing is put into force that it reads later; an agent that hangs \
         lets everything through ten seconds after it last worked",
        path.display()
    )]
    Late {
        /// Socket.
        path: PathBuf,
    },
    /// It answers something else.
    #[error("the agent at {} answers what this program does not understand: {reason}; are both of one version?", path.display())]
    NotUnderstood {
        /// Socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Asks the agent whose state directory this is.
///
/// # Errors
/// [`ControlError`], with what to do.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Answer, ControlError> {
    let path = socket(state_dir);
    let line = exchange(&path, request).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Late { path: path.clone() },
        _ => ControlError::NotThere { path: path.clone(), source },
    })?;
    serde_json::from_str(&line)
        .map_err(|error| ControlError::NotUnderstood { path, reason: error.to_string() })
}

fn exchange(path: &Path, request: &Request) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let before = super::boot_nanos()?.saturating_add(PATIENCE.as_nanos() as u64);
    let mut text = serde_json::to_string(&Envelope { request: request.clone(), before })?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}
