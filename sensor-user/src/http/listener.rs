//! Accepts connections and serves requests on them, with a bound on every resource that a client could occupy.

use std::{collections::VecDeque, io, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::runtime::fault;

/// Most connections. Another one takes the place of the oldest.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Time for the head of a request to arrive, from the beginning of the connection or the end of the request before it.
pub(super) const HEAD: Duration = Duration::from_secs(5);

/// Most bytes and header fields of the head of a request that is answered.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// Most bytes and header fields that are read, to answer with the reason. Beyond them the answer is a status alone.
const MAX_READ: usize = 64 * 1024;
const MAX_FIELDS_READ: usize = 256;

/// Longest time of a connection, however it is used. Browsers open another one.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);

/// Accepts connections for ever, with TLS if there is an acceptor for it.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
) -> io::Result<()> {
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
        open.push_back(tokio::spawn(begin(stream, acceptor.clone(), router.clone())).abort_handle());
    }
}

/// Refuses a request whose head is too long.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    // With the colon, the space and the line break of each field.
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + fields.sum::<usize>();
    if bytes > MAX_HEAD || request.headers().len() > MAX_FIELDS {
        let words = format!("the head of a request has at most {MAX_HEAD} bytes and {MAX_FIELDS} fields\n");
        return (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, words).into_response();
    }
    next.run(request).await
}

/// Shakes hands if TLS is spoken, and serves requests.
async fn begin(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    let Some(acceptor) = acceptor else { return exchange(stream, router).await };
    match timeout(HEAD, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, router).await,
        Ok(Err(error)) => debug!("http: no TLS with a client: {error}"),
        Err(_) => debug!("http: a client did not finish its handshake"),
    }
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_READ)
        .max_headers(MAX_FIELDS_READ);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Clients that go away, are too slow or speak something else are no concern of the agent.
    if let Ok(Err(error)) = timeout(LIFETIME, connection).await {
        debug!("http: {error}");
    }
}
