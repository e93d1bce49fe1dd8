//! Writes small MMDB files (MaxMind DB File Format 2.0) for tests.

use std::net::IpAddr;

use ipnet::IpNet;

/// What one side of a node leads to.
#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    /// Offset in the data section.
    Data(usize),
}

/// A database of networks of both families.
pub(super) struct Database {
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

impl Default for Database {
    fn default() -> Self {
        Self { nodes: vec![[Record::Nothing; 2]], data: vec![] }
    }
}

impl Database {
    /// Adds a network. Networks do not overlap.
    pub(super) fn network(mut self, net: &str, system: u32, organisation: &str, country: &str) -> Self {
        let net: IpNet = net.parse().unwrap();
        // IPv4 is in the first 32 bits of ::/96.
        let (bits, length) = match net.addr() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 96 + usize::from(net.prefix_len())),
            IpAddr::V6(address) => (u128::from(address), usize::from(net.prefix_len())),
        };
        let offset = self.data.len();
        self.data.extend(map(&[
            ("autonomous_system_number", unsigned(6, system)),
            ("autonomous_system_organization", text(organisation)),
            ("country", map(&[("iso_code", text(country))])),
        ]));
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][side] = Record::Data(offset);
                break;
            }
            node = match self.nodes[node][side] {
                Record::Node(next) => next,
                _ => {
                    self.nodes.push([Record::Nothing; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Record::Node(next);
                    next
                }
            };
        }
        self
    }

    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut bytes = Vec::new();
        for record in self.nodes.as_flattened() {
            let value = match record {
                Record::Nothing => count,
                Record::Node(node) => *node,
                Record::Data(offset) => count + 16 + offset,
            };
            bytes.extend(&(value as u32).to_be_bytes()[1..]);
        }
        bytes.extend([0; 16]);
        bytes.extend(&self.data);
        bytes.extend(b"\xAB\xCD\xEFMaxMind.com");
        bytes.extend(map(&[
            ("binary_format_major_version", unsigned(5, 2)),
            ("binary_format_minor_version", unsigned(5, 0)),
            // An extended type, unsigned 64 bits: its number less 7 stands behind the length.
            ("build_epoch", [&[4, 2][..], &1_795_947_235_u32.to_be_bytes()].concat()),
            ("database_type", text("Example-ASN-Country")),
            ("description", map(&[("en", text("Made for a test"))])),
            ("ip_version", unsigned(5, 6)),
            ("languages", vec![0, 4]),
            ("node_count", unsigned(6, count as u32)),
            ("record_size", unsigned(5, 24)),
        ]));
        bytes
    }
}

/// Control byte: the type above, the length below.
fn control(kind: u8, length: usize) -> Vec<u8> {
    match length {
        0..29 => vec![kind << 5 | length as u8],
        _ => vec![kind << 5 | 29, (length - 29) as u8],
    }
}

fn text(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.as_bytes().to_vec()].concat()
}

fn unsigned(kind: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    [control(kind, bytes.len() - first), bytes[first..].to_vec()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = control(7, entries.len());
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}
