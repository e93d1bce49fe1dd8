//! A server for tests that answers each connection as scripted.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::Linger};

/// What the server does with a request.
pub(in crate::sinks) enum Act {
    /// Answers with these lines behind the status line, and this body.
    Answer(&'static str, String),
    /// Answers nothing for so long.
    Hang(Duration),
    /// Resets the connection.
    Reset,
}

/// A request that it received.
#[derive(Debug)]
pub(in crate::sinks) struct Request {
    /// Request line and fields, with lower-case names.
    pub(in crate::sinks) head: String,
    pub(in crate::sinks) body: String,
}

/// Answers connections in this order, and gives what it received.
pub(in crate::sinks) fn start(acts: Vec<Act>) -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for act in acts {
            let (stream, _) = listener.accept().unwrap();
            let sender = sender.clone();
            // One that hangs keeps none of the others waiting.
            thread::spawn(move || serve(&stream, act, &sender));
        }
    });
    (address, requests)
}

fn serve(stream: &TcpStream, act: Act, sender: &Sender<Request>) {
    let _ = sender.send(read(stream));
    match act {
        Act::Answer(head, body) => {
            let _ = answer(stream, head, &body);
        }
        Act::Hang(time) => thread::sleep(time),
        Act::Reset => {
            setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
        }
    }
}

/// Answers a request.
pub(in crate::sinks) fn answer(mut stream: impl Write, head: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}

/// Reads a request.
pub(in crate::sinks) fn read(stream: impl Read) -> Request {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request { head, body: String::from_utf8(body).unwrap() }
}
