//! Conversations whose segments follow each other, so that messages begin anywhere in them.

use sensor_common::slot::tcp;

use crate::{frame::Frame, random::Xorshift};

/// Both ends of each, client first.
const ENDS: [(&str, &str); 8] = [
    ("10.0.0.2:50000", "8.8.4.4:445"),
    ("8.8.4.4:50001", "10.0.0.2:445"),
    ("10.0.0.3:50002", "9.9.9.9:139"),
    ("[fd00:1::2]:50003", "[2001:4860:4860::8844]:445"),
    ("10.0.0.4:50004", "9.9.9.9:80"),
    // Beside it on the same port, which is marked, one that only fetches pages.
    ("10.0.0.5:50005", "9.9.9.9:80"),
    ("9.9.9.9:50006", "10.0.0.6:80"),
    ("10.0.0.7:50007", "9.9.9.9:4445"),
];

/// Where the first command of an SMB 1 message begins: behind the session header and the SMB header.
const FIRST_COMMAND: usize = 4 + 32;

/// Commands of SMB 1 behind which another one may follow (MS-CIFS 2.2.2.1).
const CHAINING: [u8; 8] = [0x24, 0x2D, 0x2E, 0x2F, 0x73, 0x74, 0x75, 0xA2];

/// Commands behind another one: those, and some that end the chain.
const CHAINED: [u8; 12] = [0x2D, 0x2E, 0x2F, 0x73, 0x75, 0xA2, 0x0A, 0x0B, 0x25, 0x1A, 0x04, 0xFF];

/// One side of a conversation.
#[derive(Clone, Debug)]
struct Side {
    from: &'static str,
    to: &'static str,
    next: u32,
    /// What is still to be sent.
    waiting: Vec<u8>,
}

/// Conversations, of which each frame is the next segment of one.
#[derive(Clone, Debug)]
pub(super) struct Talks(Vec<Side>);

impl Talks {
    pub(super) fn new() -> Self {
        let side = |from, to| Side { from, to, next: 1, waiting: Vec::new() };
        Self(ENDS.iter().flat_map(|(client, server)| [side(client, server), side(server, client)]).collect())
    }

    /// The only segment of a connection: a request of WebDAV to a port on which other connections are.
    pub(super) fn passing(random: &mut Xorshift) -> Vec<u8> {
        let from = format!("10.0.0.{}:{}", 8 + random.below(8), 1_024 + random.below(60_000));
        let to = random.pick(&["9.9.9.9:80", "9.9.9.9:4445"]);
        Frame::tcp(&from, to)
            .flags(tcp::ACK)
            .payload(b"PROPFIND / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .build()
    }

    /// The next segment: as a rule in order, sometimes lost, sent again, or the first of a connection.
    pub(super) fn frame(&mut self, random: &mut Xorshift) -> Vec<u8> {
        let at = random.below(self.0.len());
        let side = &mut self.0[at];
        if random.one_in(60) {
            side.next = random.next() as u32;
            side.waiting.clear();
            let flags = if at.is_multiple_of(2) { tcp::SYN } else { tcp::SYN | tcp::ACK };
            let frame = Frame::tcp(side.from, side.to).flags(flags).sequence(side.next).payload(&[]);
            side.next = side.next.wrapping_add(1);
            return frame.build();
        }
        while side.waiting.is_empty() || random.one_in(3) {
            let is_http = side.from.ends_with(":80") || side.to.ends_with(":80");
            let is_page = side.from.starts_with(PAGES) || side.to.starts_with(PAGES);
            side.waiting.extend(match (is_http, is_page) {
                (_, true) => page(random),
                (true, _) => head(random),
                _ => message(random),
            });
        }
        let most = [4, 12, 150, 700][random.below(4)];
        let length = (1 + random.below(most)).min(side.waiting.len());
        let before = if random.one_in(10) { random.below(40) as u32 } else { 0 };
        let mut payload = vec![0x5A; before as usize];
        payload.extend(&side.waiting[..length]);
        let sequence = side.next.wrapping_sub(before);
        if !random.one_in(12) {
            side.waiting.drain(..length);
            side.next = side.next.wrapping_add(length as u32);
        }
        if random.one_in(40) {
            let lost = random.below(side.waiting.len() + 1);
            side.waiting.drain(..lost);
            side.next = side.next.wrapping_add(lost as u32);
        }
        Frame::tcp(side.from, side.to).flags(tcp::ACK).sequence(sequence).payload(&payload).build()
    }
}

/// The client that only fetches pages.
const PAGES: &str = "10.0.0.5:";

/// The head of a request or an answer as browsers and web servers send it, and some content.
fn page(random: &mut Xorshift) -> Vec<u8> {
    let line = random.pick(&["GET /a HTTP/1.1", "HTTP/1.1 200 OK"]);
    format!("{line}\r\nX-Filling: {:0200}\r\n\r\n{:content$}", 0, "", content = random.below(400))
        .into_bytes()
}

/// The head of an HTTP message, sometimes cut, and some content.
pub(super) fn head(random: &mut Xorshift) -> Vec<u8> {
    let line =
        ["OPTIONS / HTTP/1.1", "PROPFIND /share HTTP/1.1", "GET /a HTTP/1.1", "HTTP/1.1 401 U", "<D:href/>"];
    let fields = "Authorization: NTLM TlRMTVNTUAAB\r\n".repeat(random.below(80));
    let content = random.below(100);
    let mut head = format!("{}\r\n{fields}\r\n{:content$}", random.pick(&line), "").into_bytes();
    if random.one_in(6) {
        head.truncate(random.below(head.len()));
    }
    head
}

/// A packet of a NetBIOS session, an SMB message, or what is none.
fn message(random: &mut Xorshift) -> Vec<u8> {
    if random.one_in(5) {
        return vec![random.pick(&[0x85, 0x85, 0x82, 0x00, 0x47]), 0, 0, 0];
    }
    if random.one_in(8) {
        return client_hello(random);
    }
    let length = 36 + random.below(400);
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let mut message = vec![0, a, b, c, random.pick(&[0xFE, 0xFE, 0xFF, 0xFD, 0xFC]), b'S', b'M', b'B'];
    message.resize(4 + length, random.next() as u8);
    let command = if message[4] == 0xFF { 8 } else { 16 };
    message[command] = random.pick(&[0, 1, 2, 3, 5, 8, 9, 13, 0x25, 0x2F, 0x73, 0x75]);
    message[command + 1] = 0;
    if message[4] == 0xFF && length >= 100 {
        match random.below(3) {
            0 => chain(&mut message, random),
            1 => carrier(&mut message, random),
            _ => {}
        }
    }
    if message[4] == 0xFE && length >= 140 {
        compound(&mut message, random);
    }
    if random.one_in(8) {
        message[3] = random.next() as u8;
    }
    message
}

/// Makes a chain of commands of one of SMB 1 (MS-CIFS 2.2.3.4), each of which says what is behind it, and where.
fn chain(message: &mut [u8], random: &mut Xorshift) {
    message[8] = random.pick(&CHAINING);
    of_smb1(message, random.one_in(2), random);
    let mut at = FIRST_COMMAND;
    loop {
        let next = at + 5 + random.below(60);
        let is_last = next + 5 > message.len() || random.one_in(4);
        let command = if is_last { 0xFF } else { random.pick(&CHAINED) };
        let offset = if random.one_in(20) { random.next() as u16 } else { (next - 4) as u16 };
        let [low, high] = offset.to_le_bytes();
        message[at..at + 5].copy_from_slice(&[random.pick(&[0, 2, 4, 12, 12]), command, 0, low, high]);
        if is_last {
            return;
        }
        at = next;
    }
}

/// Makes one of SMB 1 that carries a DCE-RPC PDU, or something else in its place (MS-CIFS 2.2.4).
fn carrier(message: &mut [u8], random: &mut Xorshift) {
    let is_reply = random.one_in(2);
    // The command, where its data is, and where a response and a request have the offset of that, if they do.
    let (command, at, fields) = random.pick(&[
        (0x0A, 52, [0, 0]),
        (0x0B, 52, [0, 0]),
        (0x2E, 63, [0, 0]),
        (0x2F, 67, [0, 0]),
        (0x25, 80, [51, 61]),
        (0x32, 80, [51, 61]),
        (0xA0, 88, [64, 68]),
    ]);
    let at = at + random.below(2);
    message[8] = command;
    of_smb1(message, is_reply, random);
    let field = fields[usize::from(!is_reply)];
    if field != 0 {
        message[field..field + 2].copy_from_slice(&((at - 4) as u16).to_le_bytes());
    }
    let kind = random.pick(&[0, 2, 3, 11, 12, 14, 16, 20]);
    message[at..at + 8].copy_from_slice(&[5, random.pick(&[0, 0, 1, 2]), kind, 3, 0x10, 0, 0, 0]);
}

/// Makes it a request or a response of SMB 1, which as a rule succeeds.
fn of_smb1(message: &mut [u8], is_reply: bool, random: &mut Xorshift) {
    message[9..13].fill(u8::from(random.one_in(6)));
    message[13] = if is_reply { 0x80 } else { 0 };
}

/// A ClientHello of TLS, sometimes with another byte.
fn client_hello(random: &mut Xorshift) -> Vec<u8> {
    let mut hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
    if random.one_in(3) {
        let at = random.below(hello.len());
        hello[at] = random.next() as u8;
    }
    hello.resize(12 + random.below(3_000), 0xA5);
    hello
}

/// Makes several messages of one of SMB 2: NextCommand, and a header with a command there.
fn compound(message: &mut [u8], random: &mut Xorshift) {
    let mut at = 4;
    loop {
        let rest = message.len() - at;
        let next = 64 + 8 * random.below(12);
        let is_last = next + 64 > rest || random.one_in(3);
        message[at + 20..at + 24].copy_from_slice(&if is_last { 0 } else { next as u32 }.to_le_bytes());
        if is_last {
            return;
        }
        at += next;
        let identifier = if random.one_in(20) { 0xFF } else { 0xFE };
        message[at..at + 4].copy_from_slice(&[identifier, b'S', b'M', b'B']);
        message[at + 12..at + 14].copy_from_slice(&[random.pick(&[1, 3, 5, 6, 8, 9, 11, 13]), 0]);
    }
}
