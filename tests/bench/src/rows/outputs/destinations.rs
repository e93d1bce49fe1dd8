//! Destinations of the outputs: a real nats-server, and servers that take everything at once.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::Result;
use sensor_core::level::Severity;
use sensor_user::sinks::{
    Body, Destination, FileOptions, NatsOptions, OtlpOptions, OutputOptions, StreamOptions, Subjects,
    SyslogOptions, TlsOptions, Transport, WebhookOptions, WebhookUrl,
};

/// A file, a stream of this server, a webhook, a collector and a syslog server.
pub(super) fn outputs(folder: &Path, nats: SocketAddr) -> Result<[OutputOptions; 5]> {
    let (http, lines) = (serve(answer)?, serve(swallow)?);
    let output = |name: &str, destination| OutputOptions {
        name: name.to_owned(),
        take: None,
        min_severity: Severity::Low,
        destination,
    };
    let timeout = Duration::from_secs(10);
    let subjects = Subjects::new("bench", "bench").map_err(anyhow::Error::msg)?;
    let stream = StreamOptions {
        name: "BENCH".to_owned(),
        replicas: 1,
        max_age: Duration::from_secs(3_600),
        max_bytes: None,
    };
    Ok([
        output("file", Destination::File(FileOptions::at(folder.join("documents.json")))),
        output(
            "nats",
            Destination::Nats(NatsOptions {
                servers: vec![format!("nats://{nats}")],
                subjects,
                login: None,
                create: Some(stream),
                tls: TlsOptions::default(),
                timeout,
                health: None,
                exemptions: false,
                terms: false,
            }),
        ),
        output(
            "webhook",
            Destination::Webhook(WebhookOptions {
                url: WebhookUrl::Plain(format!("http://{http}")),
                template: None,
                content_type: "application/json".to_owned(),
                headers: vec![],
                signature: None,
                tls: TlsOptions::default(),
                timeout,
            }),
        ),
        output(
            "otlp",
            Destination::Otlp(OtlpOptions {
                url: format!("http://{http}/v1/logs"),
                headers: vec![],
                tls: TlsOptions::default(),
                timeout,
            }),
        ),
        output(
            "syslog",
            Destination::Syslog(SyslogOptions {
                server: lines.to_string(),
                transport: Transport::Tcp,
                body: Body::Json,
                facility: 16,
            }),
        ),
    ])
}

/// Starts a server that handles each connection on a thread of its own.
fn serve(handle: fn(TcpStream) -> std::io::Result<()>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is none to complain about.
            thread::spawn(move || handle(stream));
        }
    });
    Ok(address)
}

/// Accepts every request of a connection.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Reads a connection to its end.
fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}
