//! Small TCP and UDP servers for traffic that needs no daemon.
//!
//! Each runs in threads of this process, on a socket made inside a namespace; it ends on drop, and by
//! itself after a quarter of an hour at the latest.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::{Namespace, poll};

/// The longest a server lives.
const LIFETIME: Duration = Duration::from_secs(900);
/// Time between two checks whether to end.
const TICK: Duration = Duration::from_millis(20);
/// The longest a blocked write lasts.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// The longest a closed socket stays behind.
const FREE_WITHIN: Duration = Duration::from_secs(5);

/// The behaviour of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Reads and says nothing.
    Silence,
    /// Ends the connection once it has read (TCP); says nothing (UDP).
    Close,
    /// Sends everything back.
    Echo,
    /// Sends these bytes for each read (TCP) or datagram (UDP).
    Bytes(Vec<u8>),
}

impl Answer {
    fn to<'a>(&'a self, received: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Silence | Self::Close => &[],
            Self::Echo => received,
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What a server and its owner share.
struct Life {
    stop: AtomicBool,
    /// Connections accepted or datagrams received.
    served: AtomicUsize,
    end: Instant,
}

impl Life {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            stop: AtomicBool::new(false),
            served: AtomicUsize::new(0),
            end: Instant::now() + LIFETIME,
        })
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.end
    }
}

/// A TCP server that takes any number of connections.
pub struct TcpListener {
    address: SocketAddr,
    life: Arc<Life>,
    acceptor: Option<JoinHandle<()>>,
}

impl TcpListener {
    /// Listens in `namespace` on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound there.
    pub fn start(namespace: &Namespace, address: impl Into<SocketAddr>, answer: Answer) -> Result<Self> {
        let address = address.into();
        let listener = namespace
            .run(|| bound(|| std::net::TcpListener::bind(address)))?
            .with_context(|| format!("listen on tcp {address} in network namespace {}", namespace.label()))?;
        listener.set_nonblocking(true).context("make the listening socket non-blocking")?;
        let address = listener.local_addr().context("ask for the listening address")?;
        let life = Life::new();
        let shared = Arc::clone(&life);
        let acceptor = thread::Builder::new()
            .name(format!("tcp-{}", address.port()))
            .spawn(move || accept(&listener, &answer, &shared))
            .context("start the accepting thread")?;
        Ok(Self { address, life, acceptor: Some(acceptor) })
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.life.served.load(Ordering::Relaxed)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        end(&self.life, &mut self.acceptor);
    }
}

fn accept(listener: &std::net::TcpListener, answer: &Answer, life: &Life) {
    thread::scope(|scope| {
        while life.goes_on() {
            match listener.accept() {
                Ok((stream, _)) => {
                    life.served.fetch_add(1, Ordering::Relaxed);
                    scope.spawn(move || converse(stream, answer, life));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_a_client(listener),
                // Where descriptors are missing, the client stays in the queue, and waiting for one would end at once.
                Err(_) => thread::sleep(TICK),
            }
        }
    });
}

/// Waits for a connection, until the next check whether to end.
fn wait_for_a_client(listener: &std::net::TcpListener) {
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let tick = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
    // One that fails at once is asked for again with a pause.
    if nix::poll::poll(&mut ready, tick).is_err() {
        thread::sleep(TICK);
    }
}

/// Ends at the peer's end of stream or at any error: the test observes the peer.
fn converse(mut stream: TcpStream, answer: &Answer, life: &Life) {
    let set_up = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(TICK)))
        .and_then(|()| stream.set_write_timeout(Some(WRITE_WITHIN)));
    let mut buffer = [0; 16 * 1024];
    while set_up.is_ok() && life.goes_on() {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) if *answer == Answer::Close => return,
            Ok(length) => {
                if stream.write_all(answer.to(&buffer[..length])).is_err() {
                    return;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

/// A UDP server that answers each datagram.
pub struct UdpResponder {
    address: SocketAddr,
    life: Arc<Life>,
    responder: Option<JoinHandle<()>>,
}

impl UdpResponder {
    /// Receives in `namespace` on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound there.
    pub fn start(namespace: &Namespace, address: impl Into<SocketAddr>, answer: Answer) -> Result<Self> {
        let address = address.into();
        let socket = namespace.run(|| bound(|| UdpSocket::bind(address)))?.with_context(|| {
            format!("receive on udp {address} in network namespace {}", namespace.label())
        })?;
        socket.set_read_timeout(Some(TICK)).context("set the receive time limit")?;
        let address = socket.local_addr().context("ask for the receiving address")?;
        let life = Life::new();
        let shared = Arc::clone(&life);
        let responder = thread::Builder::new()
            .name(format!("udp-{}", address.port()))
            .spawn(move || respond(&socket, &answer, &shared))
            .context("start the responding thread")?;
        Ok(Self { address, life, responder: Some(responder) })
    }

    /// The address received on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams received so far.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.life.served.load(Ordering::Relaxed)
    }
}

impl Drop for UdpResponder {
    fn drop(&mut self) {
        end(&self.life, &mut self.responder);
    }
}

fn respond(socket: &UdpSocket, answer: &Answer, life: &Life) {
    let mut buffer = [0; 64 * 1024];
    while life.goes_on() {
        // Errors are time limits and ICMP refusals of earlier answers: both are ignored.
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            life.served.fetch_add(1, Ordering::Relaxed);
            let words = answer.to(&buffer[..length]);
            if !words.is_empty() {
                let _ = socket.send_to(words, peer);
            }
        }
    }
}

fn end(life: &Life, thread: &mut Option<JoinHandle<()>>) {
    life.stop.store(true, Ordering::Relaxed);
    if let Some(thread) = thread.take() {
        // A panic of the server thread has been printed already.
        let _ = thread.join();
    }
}

/// Binds a socket. A process that is just being started by another thread has the sockets of this one until it runs its
/// program, so a socket that was closed a moment ago may still be open.
fn bound<T>(bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let freed = poll(FREE_WITHIN, || match bind() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
        other => Some(other),
    });
    freed.unwrap_or_else(bind)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
