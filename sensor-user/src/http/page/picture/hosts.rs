//! Who talked to whom: the internal side above, the external side below, the border between them.

use sensor_core::{
    address::Direction,
    incident::{Incident, Party},
    rules::sentence::bytes,
};
use sensor_dissect::escape::shown;

use crate::http::page::format::{cut, number};

/// Hosts of one side that are drawn.
const MAX_HOSTS: usize = 4;

/// Height of a host, with its distance to the next one.
const HOST: usize = 40;

/// Height of the space between the two sides.
const BETWEEN: usize = 118;

/// Characters that have room in a host.
const ROOM: usize = 44;

pub(in crate::http::page) struct Hosts {
    pub(in crate::http::page) height: usize,
    pub(in crate::http::page) hosts: Vec<Host>,
    /// The border.
    pub(in crate::http::page) border: usize,
    /// The arrow, from the client to the server.
    pub(in crate::http::page) from: usize,
    pub(in crate::http::page) to: usize,
    pub(in crate::http::page) width: usize,
    /// Beside the arrow: ports, connections, evidence.
    pub(in crate::http::page) notes: Vec<(usize, String)>,
    /// The same in words.
    pub(in crate::http::page) sentence: String,
}

pub(in crate::http::page) struct Host {
    pub(in crate::http::page) y: usize,
    pub(in crate::http::page) text: String,
    pub(in crate::http::page) full: String,
    pub(in crate::http::page) side: &'static str,
}

impl Hosts {
    pub(in crate::http::page) fn of(incident: &Incident) -> Self {
        let mut hosts = Vec::new();
        let top = 20;
        let above = side(&incident.internal, "internal", top, &mut hosts);
        let below = above + BETWEEN;
        let bottom = side(&incident.external, "external", below, &mut hosts);
        let (from, to) = match incident.direction {
            Direction::Outbound => (above, below - 10),
            Direction::Inbound => (below - 4, above + 6),
        };
        let [left, came] = incident.counted.payload;
        let connections = match incident.counted.connections {
            1 => "1 connection".to_owned(),
            many => format!("{} connections", number(many)),
        };
        let border = above + BETWEEN / 2 - 2;
        Self {
            height: bottom + 24,
            border,
            from,
            to,
            width: width(left.max(came)),
            notes: vec![
                (above + 20, format!("{}, {connections}", incident.ports_phrase())),
                (above + 38, format!("got as far as: {}", incident.level)),
                (below - 32, format!("{} left", bytes(left))),
                (below - 14, format!("{} came in", bytes(came))),
            ],
            sentence: format!(
                "{} opened connections to {}",
                incident.client().phrase(),
                incident.server().phrase()
            ),
            hosts,
        }
    }
}

/// Adds the hosts of a side from `y` on; gives where they end.
fn side(party: &Party, side: &'static str, mut y: usize, hosts: &mut Vec<Host>) -> usize {
    let mut put = |full: String, y: usize| hosts.push(Host { y, text: cut(&full, ROOM), full, side });
    let name = party.best_name().filter(|_| party.only_address().is_some());
    let named = |address: &dyn std::fmt::Display| match name {
        Some(name) => format!("{address}  {}", shown(name.as_bytes())),
        None => address.to_string(),
    };
    let room = if party.count as usize > MAX_HOSTS { MAX_HOSTS - 1 } else { MAX_HOSTS };
    for address in party.addresses.iter().take(room) {
        put(named(address), y);
        y += HOST;
    }
    let more = party.count.saturating_sub(party.addresses.len().min(room) as u64);
    if more > 0 {
        let at_least = if party.at_least { "at least " } else { "" };
        put(format!("{at_least}{} more", number(more)), y);
        y += HOST;
    }
    y
}

/// Width of the arrow: from 2 to 8, by the order of magnitude.
const fn width(bytes: u64) -> usize {
    let magnitude = if bytes == 0 { 0 } else { bytes.ilog10() as usize };
    if magnitude > 9 { 8 } else { 2 + magnitude * 2 / 3 }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::fixtures;

    use super::*;

    #[test]
    fn arrow_points_at_the_server_and_the_border_is_between() {
        let outbound = Hosts::of(&fixtures::leak_accepted());
        assert!(outbound.from < outbound.border && outbound.border < outbound.to);
        let inbound = Hosts::of(&fixtures::guessing_succeeded());
        assert!(inbound.from > inbound.border && inbound.border > inbound.to);
    }

    #[test]
    fn many_hosts_are_summed_up() {
        let sweep = Hosts::of(&fixtures::sweep());
        let external: Vec<_> = sweep.hosts.iter().filter(|host| host.side == "external").collect();
        assert_eq!(external.len(), MAX_HOSTS);
        assert!(external[MAX_HOSTS - 1].text.ends_with(" more"), "{}", external[MAX_HOSTS - 1].text);
        assert!(sweep.hosts.is_sorted_by_key(|host| host.y));
    }

    #[test]
    fn width_grows_with_the_volume() {
        assert_eq!([0, 999, 1_000_000, u64::MAX].map(width), [2, 3, 6, 8]);
    }
}
