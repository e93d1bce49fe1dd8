//! Reads the configuration, threat lists and the names of users again while the agent runs, on a thread of its own. A disk or a
//! file server may not answer, and the reader must not wait for it.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    config::{BadThreatList, Config, ConfigError},
    control::Asked,
    owner::UserNames,
    runtime::{Supervisor, Wait, fault, waiting},
    threat::{ThreatList, ThreatLists, Watch},
};

/// Requests that wait, and answers.
const MAX_WAITING: usize = 8;

/// How often it is looked whether the names of users have changed.
const REFRESH: Duration = Duration::from_secs(1);

/// What is to be read.
enum ToRead {
    /// The configuration, and who waits for the result, if anybody.
    Config(Option<Asked>),
    /// Threat lists, if their files have changed or in any case.
    Lists { lists: Vec<ThreatList>, looked: Watch, in_any_case: bool },
}

/// What was read.
pub(super) enum FilesRead {
    /// The configuration.
    Config(Box<Result<Config, ConfigError>>, Option<Asked>),
    /// Threat lists, and the errors of those that could not be read; `None` if no file has changed.
    Lists { lists: Vec<ThreatList>, read: Option<(ThreatLists, Vec<String>)> },
}

/// Asks for files to be read. The thread ends when this is dropped.
pub(super) struct Files {
    requests: SyncSender<ToRead>,
    users: Arc<UserNames>,
}

/// Starts the thread, which reads the configuration by `load`; what it read comes through the channel.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn start(
    load: impl Fn(BadThreatList) -> Result<Config, ConfigError> + Send + 'static,
    supervisor: &Supervisor,
) -> io::Result<(Files, mpsc::Receiver<FilesRead>)> {
    let (sender, requests) = sync_channel(MAX_WAITING);
    let (answers, read) = mpsc::channel(MAX_WAITING);
    let users = Arc::new(UserNames::of(PathBuf::from("/etc/passwd")));
    let refreshed = Arc::clone(&users);
    supervisor.spawn("files", move || {
        read_on_request(&load, &requests, &answers, &refreshed);
        Ok::<_, std::convert::Infallible>(())
    })?;
    Ok((Files { requests: sender, users }, read))
}

fn read_on_request(
    load: &impl Fn(BadThreatList) -> Result<Config, ConfigError>,
    requests: &Receiver<ToRead>,
    answers: &mpsc::Sender<FilesRead>,
    users: &UserNames,
) {
    loop {
        let request = match waiting(Wait::Work, || requests.recv_timeout(REFRESH)) {
            Ok(request) => request,
            Err(RecvTimeoutError::Timeout) => {
                waiting(Wait::Files, || users.refresh());
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let read = waiting(Wait::Files, || read(request, load));
        if waiting(Wait::Work, || answers.blocking_send(read)).is_err() {
            return;
        }
    }
}

fn read(request: ToRead, load: &impl Fn(BadThreatList) -> Result<Config, ConfigError>) -> FilesRead {
    fault::point("files");
    match request {
        // A threat list that cannot be read stays as it was.
        ToRead::Config(asked) => FilesRead::Config(Box::new(load(BadThreatList::LeftOut)), asked),
        ToRead::Lists { lists, looked, in_any_case } => {
            let is_to_be_read = in_any_case || Watch::of(&lists) != looked;
            let read = is_to_be_read.then(|| {
                let (read, unread) = ThreatLists::read_some(&lists);
                (read, unread.iter().map(ToString::to_string).collect())
            });
            FilesRead::Lists { lists, read }
        }
    }
}

impl Files {
    /// Names of users, kept up to date by the thread.
    pub(super) fn users(&self) -> Arc<UserNames> {
        Arc::clone(&self.users)
    }

    /// Requests the configuration. Never waits.
    ///
    /// # Errors
    /// The asker, if too many requests wait already.
    pub(super) fn read_config(&self, asked: Option<Asked>) -> Result<(), Option<Asked>> {
        self.requests.try_send(ToRead::Config(asked)).map_err(|refused| match refused {
            TrySendError::Full(ToRead::Config(asked)) | TrySendError::Disconnected(ToRead::Config(asked)) => {
                asked
            }
            _ => None,
        })
    }

    /// Requests threat lists if their files have changed since `looked`, or `in_any_case`. Never waits. Returns whether the request was
    /// accepted.
    pub(super) fn read_lists(&self, lists: &[ThreatList], looked: &Watch, in_any_case: bool) -> bool {
        let request = ToRead::Lists { lists: lists.to_vec(), looked: looked.clone(), in_any_case };
        self.requests.try_send(request).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_answered_in_their_order_and_refused_when_too_many_wait() {
        let (unblock, blocked) = sync_channel::<()>(0);
        let (begun, begins) = sync_channel(MAX_WAITING + 1);
        let load = move |_| {
            let _ = begun.send(());
            let _ = blocked.recv();
            Ok(Config::default())
        };
        let supervisor = Supervisor::default();
        let (files, mut read) = start(load, &supervisor).unwrap();
        // The thread has taken one, and no further one leaves the queue.
        assert!(files.read_config(None).is_ok());
        begins.recv().unwrap();
        let taken = 1 + (0..100).take_while(|_| files.read_config(None).is_ok()).count();
        assert_eq!(taken, MAX_WAITING + 1);
        assert!(!files.read_lists(&[], &Watch::default(), true));
        drop(unblock);
        for _ in 0..taken {
            assert!(matches!(read.recv().await, Some(FilesRead::Config(config, None)) if config.is_ok()));
        }
        assert!(files.read_lists(&[], &Watch::default(), false));
        assert!(matches!(read.recv().await, Some(FilesRead::Lists { read: None, .. })));
        assert!(files.read_lists(&[], &Watch::default(), true));
        assert!(matches!(read.recv().await, Some(FilesRead::Lists { read: Some(_), .. })));
        drop(files);
        assert!(read.recv().await.is_none(), "the thread ends with who asks");
    }
}
