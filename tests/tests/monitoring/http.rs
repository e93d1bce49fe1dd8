//! A client of HTTP inside a namespace.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};
use sensor_lab::{Namespace, patience, poll};
use sensor_tests::PATIENCE;

/// The listener of the agent.
pub(crate) const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9645);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head: status line and header fields, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection to the agent.
pub(crate) fn connect(namespace: &Namespace) -> Result<TcpStream> {
    connect_to(namespace, ADDRESS)
}

fn connect_to(namespace: &Namespace, address: SocketAddr) -> Result<TcpStream> {
    let stream = namespace.run(|| TcpStream::connect_timeout(&address, patience(PATIENCE)))??;
    stream.set_read_timeout(Some(patience(PATIENCE)))?;
    Ok(stream)
}

/// Gets a path.
pub(crate) fn get(namespace: &Namespace, path: &str) -> Result<Answer> {
    get_with(namespace, path, "")
}

/// Gets a path with further header fields, each with its line break.
pub(crate) fn get_with(namespace: &Namespace, path: &str, fields: &str) -> Result<Answer> {
    get_from(namespace, ADDRESS, path, fields)
}

/// The same from another server.
pub(crate) fn get_from(namespace: &Namespace, from: SocketAddr, path: &str, fields: &str) -> Result<Answer> {
    let mut stream = connect_to(namespace, from)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {from}\r\nConnection: close\r\n{fields}\r\n");
    unless_reset(stream.write_all(request.as_bytes()))?;
    let mut bytes = Vec::new();
    unless_reset(stream.read_to_end(&mut bytes))?;
    let text = String::from_utf8(bytes)?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no head in {text:?}"))?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

/// A server that refuses a long request ends the connection before it has read all of it: its answer is what came before.
fn unless_reset<T>(done: io::Result<T>) -> io::Result<()> {
    match done {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        other => other.map(drop),
    }
}

/// Gets a path until the answer is as wanted.
pub(crate) fn wait_for(
    namespace: &Namespace,
    path: &str,
    within: Duration,
    wanted: impl Fn(&Answer) -> bool,
) -> Result<Answer> {
    let mut last = None;
    poll(within, || {
        let answer = get(namespace, path).ok()?;
        let is_wanted = wanted(&answer);
        last = Some(answer.clone());
        is_wanted.then_some(answer)
    })
    .with_context(|| format!("{path} did not become as wanted; the last answer is {last:?}"))
}
