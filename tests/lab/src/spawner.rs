//! The one thread that starts long-lived children.
//!
//! Children ask the kernel for SIGKILL when their parent dies (`PR_SET_PDEATHSIG`), so that nothing outlives a
//! killed owner. The kernel means the parent *thread*: a child started from a test thread or from a pool's idle
//! worker would die when that thread ends. So children that must live longer are started here, by a thread that
//! lives as long as the process.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

struct SpawnRequest {
    command: Command,
    started: Sender<io::Result<Child>>,
}

static SPAWNER: LazyLock<io::Result<Sender<SpawnRequest>>> = LazyLock::new(|| {
    let (requests, queue) = channel::<SpawnRequest>();
    thread::Builder::new().name("lab-spawner".into()).spawn(move || {
        for mut request in queue {
            // Nobody waits for the answer only if the asking thread died; then dropping the child is all there is.
            let _ = request.started.send(request.command.spawn());
        }
    })?;
    Ok(requests)
});

/// Starts `command` from the laboratory's own long-lived thread, so that a child with a parent-death signal
/// (every [`Namespace::command`](crate::Namespace::command)) dies with this process and not with the calling thread.
///
/// # Errors
/// What [`Command::spawn`] reports, or that the spawning thread could not be started.
pub fn spawn(command: Command) -> io::Result<Child> {
    let requests = SPAWNER.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (started, answer) = channel();
    requests.send(SpawnRequest { command, started }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn gone() -> io::Error {
    io::Error::other("the laboratory's spawning thread has ended")
}
