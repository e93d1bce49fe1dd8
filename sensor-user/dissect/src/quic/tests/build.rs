//! Initial packets as a client makes them, for tests.

use rustls::{
    Side,
    quic::{self, Keys},
};

/// The destination connection ID of the samples in RFC 9001 and RFC 9369.
pub(super) const ID: [u8; 8] = [0x83, 0x94, 0xC8, 0xF0, 0x3E, 0x51, 0x57, 0x08];

/// The beginning of the ClientHello in RFC 9001 A.2: version, random, cipher suites, compression.
const BEGINNING: &str =
    "0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113020100";
/// Its extension `server_name`: example.com.
const SERVER_NAME: &str = "00000010000e00000b6578616d706c652e636f6d";
/// Its other extensions up to ALPN.
const BEFORE_ALPN: &str = "ff01000100000a00080006001d00170018";
/// Its ALPN.
const ALPN: &str = "00100007000504616c706e";
/// Its extensions behind ALPN.
const AFTER_ALPN: &str = "000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748\
    002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100390032\
    0408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The ClientHello of RFC 9001 A.2.
pub(super) fn sample_hello() -> Vec<u8> {
    hello_of(&hex(&[SERVER_NAME, BEFORE_ALPN, ALPN, AFTER_ALPN].concat()))
}

/// The same with these protocols.
pub(super) fn hello(protocols: &[&str]) -> Vec<u8> {
    let names: Vec<u8> =
        protocols.iter().flat_map(|name| [&[name.len() as u8], name.as_bytes()].concat()).collect();
    let list = [&(names.len() as u16).to_be_bytes()[..], &names].concat();
    let alpn = [&[0, 16][..], &(list.len() as u16).to_be_bytes(), &list].concat();
    let before = hex(&[SERVER_NAME, BEFORE_ALPN].concat());
    hello_of(&[&before[..], &alpn, &hex(AFTER_ALPN)].concat())
}

fn hello_of(extensions: &[u8]) -> Vec<u8> {
    let body = [&hex(BEGINNING)[..], &(extensions.len() as u16).to_be_bytes(), extensions].concat();
    let [_, length @ ..] = (body.len() as u32).to_be_bytes();
    [&[1][..], &length, &body].concat()
}

/// A CRYPTO frame.
pub(super) fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    [&[6][..], &varint(offset), &varint(data.len()), data].concat()
}

/// A variable-length integer in as few bytes as it takes, up to two.
fn varint(value: usize) -> Vec<u8> {
    if value < 64 { vec![value as u8] } else { (value as u16 | 0x4000).to_be_bytes().to_vec() }
}

/// A client's Initial packet.
pub(super) struct Initial {
    pub(super) version: quic::Version,
    pub(super) id: Vec<u8>,
    /// The ID from which the keys follow.
    pub(super) keys_of: Vec<u8>,
    pub(super) token: Vec<u8>,
    pub(super) number: u32,
    /// Bytes of the payload; what is missing is padding.
    pub(super) payload: usize,
}

impl Initial {
    pub(super) fn new() -> Self {
        Self {
            version: quic::Version::V1,
            id: ID.to_vec(),
            keys_of: ID.to_vec(),
            token: vec![],
            number: 0,
            payload: 1_162,
        }
    }

    /// The protected packet with these frames, with a packet number of four bytes as in the samples.
    pub(super) fn build(&self, frames: &[u8]) -> Vec<u8> {
        let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let keys: Keys = suite.quic_suite().unwrap().keys(&self.keys_of, Side::Client, self.version);
        let (first, version) = match self.version {
            quic::Version::V2 => (0xD3, 0x6B33_43CF_u32),
            _ => (0xC3, 1),
        };
        let mut payload = frames.to_vec();
        payload.resize(self.payload.max(frames.len()), 0);
        let mut packet = [&[first][..], &version.to_be_bytes(), &[self.id.len() as u8], &self.id].concat();
        packet.push(0);
        packet.extend(varint(self.token.len()));
        packet.extend(&self.token);
        packet.extend(varint(4 + payload.len() + 16));
        let number_at = packet.len();
        packet.extend(self.number.to_be_bytes());
        let tag = keys.local.packet.encrypt_in_place(self.number.into(), &packet, &mut payload).unwrap();
        packet.extend(payload);
        packet.extend(tag.as_ref());
        let (header, rest) = packet.split_at_mut(number_at);
        let (number, behind) = rest.split_at_mut(4);
        keys.local.header.encrypt_in_place(&behind[..16], &mut header[0], number).unwrap();
        packet
    }
}
