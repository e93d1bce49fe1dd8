//! A connection to a server: datagrams, a TCP stream, or TLS over it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    os::fd::AsFd as _,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::kernel::send_queue::unacknowledged;

/// Time for a connection to be made, for each address of the server.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for the server to take what was written, and to acknowledge it.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Time between two looks at the acknowledgements.
const LOOK: Duration = Duration::from_millis(5);

/// How messages are carried.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Udp,
    Tcp,
    Tls(Arc<ClientConfig>),
}

/// A connection.
pub(super) enum Connection {
    /// Datagrams, one for each message (RFC 5426).
    Udp(UdpSocket),
    /// A stream, with the socket under it.
    Stream(Box<dyn Stream>, TcpStream),
}

/// A stream in both directions.
pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Connection {
    /// Connects to `HOST:PORT`. With TLS, the handshake is done and the certificate is that of the host.
    pub(super) fn open(carrier: &Carrier, server: &str) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = server.to_socket_addrs()?.collect();
        if let Carrier::Udp = carrier {
            let any = if addresses.iter().any(SocketAddr::is_ipv4) { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(&*addresses)?;
            return Ok(Self::Udp(socket));
        }
        let socket = connect(&addresses)?;
        socket.set_read_timeout(Some(CONNECT))?;
        socket.set_write_timeout(Some(TAKEN_WITHIN))?;
        let under = socket.try_clone()?;
        let stream: Box<dyn Stream> = match carrier {
            Carrier::Tls(config) => Box::new(handshaken(config, server, socket)?),
            _ => Box::new(socket),
        };
        Ok(Self::Stream(stream, under))
    }

    /// Whether the server has closed the connection.
    pub(super) fn is_closed(&mut self) -> bool {
        let Self::Stream(stream, socket) = self else { return false };
        if socket.set_nonblocking(true).is_err() {
            return true;
        }
        let mut answer = [0; 512];
        let closed = loop {
            match stream.read(&mut answer) {
                // Whatever it says is ignored: a server of syslog answers nothing.
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Ok(0) | Err(_) => break true,
            }
        };
        socket.set_nonblocking(false).is_err() || closed
    }

    /// Waits until the server's machine has acknowledged everything that was written.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let Self::Stream(stream, socket) = self else { return Ok(()) };
        stream.flush()?;
        let deadline = Instant::now() + TAKEN_WITHIN;
        while unacknowledged(socket.as_fd())? > 0 {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server acknowledges nothing"));
            }
            thread::sleep(LOOK);
        }
        if self.is_closed() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server closed the connection"));
        }
        Ok(())
    }
}

fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the server has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn handshaken(
    config: &Arc<ClientConfig>,
    server: &str,
    mut socket: TcpStream,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}
