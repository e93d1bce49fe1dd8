//! A client and a server of QUIC in namespaces.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, ServerConfig, TokioRuntime,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sensor_lab::Namespace;
use sensor_tests::PATIENCE;
use tokio::{runtime::Runtime, time::timeout};

/// The name in the server's certificate.
pub(crate) const NAME: &str = "files.example.com";

/// Two peers that trust each other, and the threads on which they run.
pub(crate) struct Peers {
    runtime: Runtime,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// A running server. It reads every stream to its end.
pub(crate) struct Server {
    endpoint: Endpoint,
    pub(crate) address: SocketAddr,
}

/// Whether a server asks a client to prove its address first (RFC 9000 8.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    AtOnce,
    WithRetry,
}

impl Peers {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            certificate: made.cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()),
        }
    }

    /// Starts a server that speaks `protocols` on `address`.
    pub(crate) fn serve(
        &self,
        namespace: &Namespace,
        address: (impl Into<IpAddr>, u16),
        protocols: &[&str],
        admission: Admission,
    ) -> Server {
        let address = SocketAddr::new(address.0.into(), address.1);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let endpoint = self.endpoint(namespace, address, Some(config));
        self.runtime.spawn(accept(endpoint.clone(), admission));
        Server { endpoint, address }
    }

    /// Connects to a server and sends it so many bytes; returns whether the server took them.
    pub(crate) fn send(
        &self,
        namespace: &Namespace,
        server: SocketAddr,
        protocols: &[String],
        bytes: usize,
    ) -> bool {
        self.send_after(|| (), namespace, server, protocols, bytes)
    }

    /// The same, with a call of `connected` between the connection and the bytes.
    pub(crate) fn send_after(
        &self,
        connected: impl FnOnce(),
        namespace: &Namespace,
        server: SocketAddr,
        protocols: &[String],
        bytes: usize,
    ) -> bool {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let endpoint = self.endpoint(namespace, any.parse().unwrap(), None);
        let config = self.client_config(protocols);
        let sent = self.runtime.block_on(async {
            let connecting = endpoint.connect_with(config, server, NAME).unwrap();
            let connection = timeout(PATIENCE, connecting).await.expect("an answer in time").ok()?;
            connected();
            let sent = timeout(PATIENCE, send(&connection, bytes)).await.expect("the end in time");
            connection.close(0_u32.into(), b"");
            timeout(PATIENCE, endpoint.wait_idle()).await.expect("the end in time");
            sent
        });
        sent.is_some()
    }

    /// The first datagram of a client that connects to nobody.
    pub(crate) fn first_datagram(&self, namespace: &Namespace, protocols: &[String]) -> Vec<u8> {
        let silent = namespace.run(|| UdpSocket::bind("127.0.0.1:0")).unwrap().unwrap();
        silent.set_read_timeout(Some(PATIENCE)).unwrap();
        let endpoint = self.endpoint(namespace, "127.0.0.1:0".parse().unwrap(), None);
        let config = self.client_config(protocols);
        let mut datagram = vec![0; 2_000];
        let length = self.runtime.block_on(async {
            let _connecting = endpoint.connect_with(config, silent.local_addr().unwrap(), NAME).unwrap();
            // The client sends on another thread.
            silent.recv(&mut datagram).unwrap()
        });
        datagram.truncate(length);
        datagram
    }

    /// A relay between a client in `namespace` and a server: it joins the first two datagrams of the client, each of which has an
    /// Initial packet, into one (RFC 9000 12.2), and passes everything else on. It runs as long as the peers.
    pub(crate) fn join_first_datagrams(&self, namespace: &Namespace, server: SocketAddr) -> SocketAddr {
        let [near, far] = ["127.0.0.1:0", "0.0.0.0:0"].map(|at| {
            let socket = namespace.run(|| UdpSocket::bind(at)).unwrap().unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        far.connect(server).unwrap();
        let address = near.local_addr().unwrap();
        let _inside = self.runtime.enter();
        let [near, far] =
            [near, far].map(|socket| Arc::new(tokio::net::UdpSocket::from_std(socket).unwrap()));
        self.runtime.spawn(async move {
            let mut joined = Vec::new();
            for _ in 0..2 {
                let (datagram, client) = received(&near).await;
                // A long header, version 1, an Initial packet (RFC 9000 17.2.2).
                assert!(datagram[0] & 0xF0 == 0xC0 && datagram[1..5] == [0, 0, 0, 1], "{datagram:?}");
                joined.extend(datagram);
                near.connect(client).await.unwrap();
            }
            far.send(&joined).await.unwrap();
            tokio::spawn(pass_on(Arc::clone(&far), Arc::clone(&near)));
            pass_on(near, far).await;
        });
        address
    }

    fn client_config(&self, protocols: &[String]) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    fn endpoint(&self, namespace: &Namespace, at: SocketAddr, server: Option<ServerConfig>) -> Endpoint {
        // A socket stays in the namespace in which it was made.
        let socket = namespace.run(|| UdpSocket::bind(at)).unwrap().unwrap();
        let _inside = self.runtime.enter();
        Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.endpoint.close(0_u32.into(), b"");
    }
}

async fn accept(endpoint: Endpoint, admission: Admission) {
    while let Some(incoming) = endpoint.accept().await {
        if admission == Admission::WithRetry && !incoming.remote_address_validated() {
            incoming.retry().unwrap();
            continue;
        }
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while let Ok(mut stream) = connection.accept_uni().await {
                while let Ok(Some(_)) = stream.read_chunk(usize::MAX, true).await {}
            }
        });
    }
}

async fn received(socket: &tokio::net::UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 1 << 16];
    let (length, sender) = socket.recv_from(&mut datagram).await.unwrap();
    datagram.truncate(length);
    (datagram, sender)
}

async fn pass_on(from: Arc<tokio::net::UdpSocket>, to: Arc<tokio::net::UdpSocket>) {
    loop {
        let (datagram, _) = received(&from).await;
        // Its receiver may have ended.
        let _ = to.send(&datagram).await;
    }
}

async fn send(connection: &Connection, bytes: usize) -> Option<()> {
    let mut stream = connection.open_uni().await.ok()?;
    stream.write_all(&vec![7; bytes]).await.ok()?;
    stream.finish().ok()?;
    // All of it was acknowledged.
    stream.stopped().await.ok()?.is_none().then_some(())
}

/// One protocol of an offer.
pub(crate) fn only(protocol: &str) -> Vec<String> {
    vec![protocol.to_owned()]
}

/// An offer that takes several packets.
pub(crate) fn long_offer(protocol: &str) -> Vec<String> {
    offer_behind(60, protocol)
}

/// An offer that takes two packets: the first one has at most 1,200 bytes.
pub(crate) fn offer_in_two_packets(protocol: &str) -> Vec<String> {
    offer_behind(26, protocol)
}

/// A protocol behind so many others of 50 bytes.
fn offer_behind(others: usize, protocol: &str) -> Vec<String> {
    let others = (0..others).map(|number| format!("{number:-^50}"));
    others.chain([protocol.to_owned()]).collect()
}

/// Time in which a connection is judged.
pub(crate) const SETTLE: &str = "[detection]\nattempt_settle = 1\n";

/// A pause between looks at a counter.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
