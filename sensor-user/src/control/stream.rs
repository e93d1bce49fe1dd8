//! Documents of the journal on their way to whoever asked for them.

use std::{io, time::Duration};

use tokio::{
    net::unix::WriteHalf,
    sync::mpsc,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{Answer, Told, server::write_line};
use crate::journal::{Query, Reader, query};

/// Time for all documents: while the journal is read, nothing that it dropped is free for what is new.
const LONGEST: Duration = Duration::from_secs(60);

/// Time after which a search that found nothing says that it goes on.
const STILL: Duration = Duration::from_secs(1);

/// Documents that are read ahead of whoever takes them.
const AHEAD: usize = 64;

/// Writes the documents that fit, and gives the answer that ends them. While none is found, an empty line each second tells
/// that the agent is at it.
pub(super) async fn documents(
    journal: Reader,
    query: Query,
    writer: &mut WriteHalf<'_>,
) -> io::Result<Answer> {
    let end = Instant::now() + LONGEST;
    let (sender, mut found) = mpsc::channel(AHEAD);
    // It ends when nobody takes what it finds.
    let search =
        spawn_blocking(move || query::run(&journal, &query, |text| sender.blocking_send(text).is_ok()));
    loop {
        let line = match timeout(STILL, found.recv()).await {
            Ok(Some(document)) => serde_json::to_string(&Told { document })?,
            Ok(None) => break,
            Err(_) => String::new(),
        };
        if Instant::now() >= end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        write_line(writer, &line).await?;
    }
    Ok(match search.await.map_err(io::Error::other)? {
        Ok(found) if found.more => Answer { told: "older ones were left out".to_owned(), done: true },
        Ok(_) => Answer { told: String::new(), done: true },
        Err(error) => Answer { told: error.to_string(), done: false },
    })
}
