//! The queries of the source rules, written again from their published text, over documents alone.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use sensor_tests::{number, text, texts};
use serde_json::Value;

/// Networks in which the Elastic rules look for the source.
const INTERNAL: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// Destinations that the Elastic rules leave out.
const NOT_INTERNET: [&str; 25] = [
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.168.0.0/16",
    "192.88.99.0/24",
    "224.0.0.0/4",
    "100.64.0.0/10",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "fe80::/10",
    "ff00::/8",
];

/// A source rule, and the corresponding detection.
pub(crate) struct SourceQuery {
    pub(crate) name: &'static str,
    pub(crate) detection: &'static str,
    matches: fn(&Value) -> bool,
    /// Whether it only matches a destination the first time.
    new_destination: bool,
}

pub(crate) const QUERIES: [SourceQuery; 3] = [
    SourceQuery {
        name: "SMB activity to the Internet (Elastic, version 105)",
        detection: "smb-to-internet",
        matches: smb_to_the_internet,
        new_destination: false,
    },
    SourceQuery {
        name: "Rare SMB connection to the Internet (Elastic, version 209)",
        detection: "rare-smb-destination",
        // `host.os.type` and `process.pid` are not compared: a gateway cannot see them, and they are never made up.
        matches: |document| smb_to_the_internet(document) && on_smb_port(document),
        new_destination: true,
    },
    SourceQuery {
        name: "External access of Windows networking (Netography)",
        detection: "external-access-windows-networking",
        matches: external_access,
        new_destination: false,
    },
];

impl SourceQuery {
    /// Whether it matches; `seen` are the destinations before.
    pub(crate) fn matches(&self, document: &Value, seen: &mut HashSet<String>) -> bool {
        (self.matches)(document)
            && (!self.new_destination || seen.insert(text(document, "/destination/ip").to_owned()))
    }

    /// Whether it matches an unknown destination.
    pub(crate) fn matches_alone(&self, document: &Value) -> bool {
        (self.matches)(document)
    }
}

/// Whether the address at `pointer` lies in one of the networks.
pub(crate) fn within(document: &Value, pointer: &str, nets: &[&str]) -> bool {
    let address: IpAddr = text(document, pointer).parse().unwrap();
    nets.iter().any(|net| net.parse::<IpNet>().unwrap().contains(&address))
}

fn of_the_network(document: &Value) -> bool {
    text(document, "/data_stream/dataset") == "network_traffic.flow"
        || texts(document, "/event/category").contains(&"network")
}

fn tcp(document: &Value) -> bool {
    text(document, "/network/transport") == "tcp"
}

pub(crate) fn on_smb_port(document: &Value) -> bool {
    [139, 445].contains(&number(document, "/destination/port"))
}

/// Over the usual ports, or recognised on another port, like `event.dataset: zeek.smb`.
fn smb_to_the_internet(document: &Value) -> bool {
    of_the_network(document)
        && tcp(document)
        && (on_smb_port(document) || text(document, "/network/protocol") == "smb")
        && from_internal(document)
        && !within(document, "/destination/ip", &NOT_INTERNET)
        && text(document, "/destination/ip") != "::1"
}

pub(crate) fn from_internal(document: &Value) -> bool {
    within(document, "/source/ip", &INTERNAL)
}

/// The service set of the rule, from outside the customer's networks to inside.
fn external_access(document: &Value) -> bool {
    const OWN: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
    let port = number(document, "/destination/port");
    let service = if tcp(document) { [135, 139, 445].contains(&port) } else { [137, 138].contains(&port) };
    service && !within(document, "/source/ip", &OWN) && within(document, "/destination/ip", &OWN)
}
