//! Asks the running agent.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{Answer, Envelope, LONGEST, LONGEST_DOCUMENT, Request, Told, socket};
use crate::journal::Query;

/// Time that the agent is given to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time until the first document of a large journal is found.
const SEARCH: Duration = Duration::from_secs(60);

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
        "the agent at {} did not answer in time. Nothing is put into force that it reads later; an agent that hangs \
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
    let failed = |error| failure(&path, error);
    let line = send(&path, request).and_then(|mut stream| line(&mut stream, LONGEST)).map_err(failed)?;
    serde_json::from_str(&line).map_err(|error| not_understood(&path, &error))
}

/// Asks the agent whose state directory this is for documents of its journal, and gives each to `tell` until that wants no more.
///
/// # Errors
/// [`ControlError`], with what to do.
pub fn documents(
    state_dir: &Path,
    query: &Query,
    mut tell: impl FnMut(String) -> bool,
) -> Result<Answer, ControlError> {
    let path = socket(state_dir);
    let asked = send(&path, &Request::Documents(query.clone())).and_then(|stream| {
        stream.get_ref().set_read_timeout(Some(SEARCH))?;
        Ok(stream)
    });
    let mut stream = asked.map_err(|error| failure(&path, error))?;
    loop {
        let line = line(&mut stream, LONGEST_DOCUMENT).map_err(|error| failure(&path, error))?;
        match serde_json::from_str::<Told>(&line) {
            Ok(told) => {
                if !tell(told.document) {
                    return Ok(Answer { told: String::new(), done: true });
                }
            }
            Err(_) => return serde_json::from_str(&line).map_err(|error| not_understood(&path, &error)),
        }
    }
}

fn failure(path: &Path, source: io::Error) -> ControlError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Late { path },
        _ => ControlError::NotThere { path, source },
    }
}

fn not_understood(path: &Path, error: &serde_json::Error) -> ControlError {
    ControlError::NotUnderstood { path: path.to_owned(), reason: error.to_string() }
}

fn send(path: &Path, request: &Request) -> io::Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let before = super::boot_nanos()?.saturating_add(PATIENCE.as_nanos() as u64);
    let mut text = serde_json::to_string(&Envelope { request: request.clone(), before })?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    Ok(BufReader::new(stream))
}

fn line(stream: &mut BufReader<UnixStream>, longest: u64) -> io::Result<String> {
    let mut line = String::new();
    stream.take(longest).read_line(&mut line)?;
    if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}
