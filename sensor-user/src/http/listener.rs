//! Accepts connections and serves requests on them, with a bound for everything that a client could hold on to.

use std::{collections::VecDeque, io, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tracing::debug;

use crate::runtime::fault;

/// Most connections. Another one takes the place of the oldest.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Time for the head of a request to arrive, from the beginning of the connection or the end of the request before it.
pub(super) const HEAD: Duration = Duration::from_secs(5);

/// Most bytes and header fields of the head of a request.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// Longest time of a connection, however it is used. Browsers open another one.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        fault::point("http");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // For example, no descriptors are left: this may improve.
                debug!("http: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(tokio::spawn(exchange(stream, router.clone())).abort_handle());
    }
}

async fn exchange(stream: TcpStream, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Clients that go away, are too slow or speak something else are no concern of the agent.
    if let Ok(Err(error)) = timeout(LIFETIME, connection).await {
        debug!("http: {error}");
    }
}
