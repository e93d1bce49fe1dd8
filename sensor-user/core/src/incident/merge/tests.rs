//! Processes, and ports that answered, as connections add them to an incident.

use std::time::Duration;

use sensor_common::slot::{TCP, UDP};

use super::*;
use crate::{
    incident::{IncidentId, fixtures},
    rules::fixtures::FlowFixture,
};

fn numbered(pid: u32, name: &str) -> Arc<Process> {
    let process = Process::clone(&fixtures::smbclient());
    Arc::new(Process { pid, name: Some(name.into()), ..process })
}

#[test]
fn each_process_is_listed_once_in_its_order_up_to_a_bound() {
    let mut incident = fixtures::leak_accepted();
    incident.process = None;
    assert!(incident.merge_process(&numbered(1, "a")));
    assert!(!incident.merge_process(&numbered(1, "a")), "another connection of it");
    assert!(incident.merge_process(&numbered(1, "b")), "another process that was given the number");
    for pid in 2..=7 {
        assert!(incident.merge_process(&numbered(pid, "a")));
    }
    assert!(!incident.more_processes);
    assert!(incident.merge_process(&numbered(8, "a")) && incident.more_processes);
    assert!(!incident.merge_process(&numbered(9, "a")), "no news any more");
    let listed: Vec<_> = incident.processes().map(|one| one.pid).collect();
    assert_eq!(listed, [1, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(incident.process.as_deref().map(|one| one.pid), Some(1), "the first one stays");
}

/// Merges inbound connections into an incident about which nothing is known.
fn merged(flows: &[FlowFixture]) -> Incident {
    let mut incident = Incident::empty(IncidentId(7));
    for flow in flows {
        incident.merge(&flow.view(), &mut Link::default());
    }
    incident
}

fn answered(server: &str, port: u16) -> FlowFixture {
    let flow = FlowFixture::inbound().between("8.8.4.4", server).on(TCP, port);
    flow.reached(EvidenceLevel::Answered).seen(|view| view.counts.packets = [1, 1])
}

#[test]
fn ports_that_answered_are_noted_once_with_their_times() {
    let silent = FlowFixture::inbound().between("8.8.4.4", "10.0.1.4");
    let later = answered("10.0.1.2", 445).reached(EvidenceLevel::Connected).seen(|view| {
        view.last = view.last + Duration::from_secs(60);
    });
    let outside = FlowFixture::outbound().reached(EvidenceLevel::Connected);
    let incident = merged(&[
        silent,
        answered("10.0.1.2", 445),
        later,
        answered("10.0.1.2", 139),
        answered("10.0.1.3", 445),
        outside,
    ]);
    let noted: Vec<_> =
        incident.answering.iter().map(|one| (one.server.to_string(), one.port, one.level)).collect();
    assert_eq!(
        noted,
        [
            ("10.0.1.2".to_owned(), 445, EvidenceLevel::Connected),
            ("10.0.1.2".to_owned(), 139, EvidenceLevel::Answered),
            ("10.0.1.3".to_owned(), 445, EvidenceLevel::Answered),
        ]
    );
    let first = incident.answering[0];
    assert_eq!(first.last.since(first.first), Duration::from_secs(61));
    let one_sided = answered("10.0.1.2", 445).seen(|view| view.counts.packets[0] = 0);
    assert!(merged(&[one_sided]).answering.is_empty(), "no answer was seen");
}

#[test]
fn datagrams_that_were_answered_are_noted_with_their_port() {
    let datagrams = [137, 138].map(|port| {
        let flow = FlowFixture::inbound().on(UDP, port).reached(EvidenceLevel::Connected);
        flow.seen(|view| view.counts.packets = [1, 1])
    });
    let incident = merged(&datagrams);
    let noted: Vec<_> = incident.answering.iter().map(|one| (one.transport, one.port)).collect();
    assert_eq!(noted, [(UDP, 137), (UDP, 138)]);
}

#[test]
fn ports_that_answered_have_a_bound() {
    let flows: Vec<_> = (0..=MAX_ANSWERING)
        .map(|number| answered(&format!("10.0.{}.{}", number / 250, 1 + number % 250), 445))
        .collect();
    let incident = merged(&flows);
    assert_eq!((incident.answering.len(), incident.more_answering), (MAX_ANSWERING, true));
    assert!(!merged(&flows[1..]).more_answering);
}

#[test]
fn each_word_of_a_server_about_signing_is_kept_once() {
    let says = |signing| {
        FlowFixture::inbound().reached(EvidenceLevel::Smb).knowing(|facts| facts.signing = Some(signing))
    };
    let incident = merged(&[says(Signing::Enabled), says(Signing::Required), says(Signing::Enabled)]);
    assert_eq!(incident.signing, ["enabled", "required"]);
}

#[test]
fn connection_whose_negotiation_is_read_later_was_not_joined_late() {
    let flow =
        |late| FlowFixture::outbound().reached(EvidenceLevel::Smb).seen(|view| view.joined_late = late);
    let (mut incident, mut link) = (Incident::empty(IncidentId(7)), Link::default());
    incident.merge(&flow(true).view(), &mut link);
    assert!(incident.joined_late, "its first packet is all that was seen");
    incident.merge(&flow(false).view(), &mut link);
    assert!(!incident.joined_late);
    incident.merge(&flow(true).view(), &mut Link::default());
    assert!(incident.joined_late, "another connection");
}

#[test]
fn network_of_many_addresses_is_the_smallest_with_all_of_them() {
    let added = |mut party: Party, addresses: &[&str]| {
        addresses.iter().for_each(|address| party.add(address.parse().unwrap()));
        party
    };
    let network = |addresses: &[&str]| added(Party::default(), addresses).network.map(|net| net.to_string());
    assert_eq!(network(&["9.9.0.1"]), None);
    assert_eq!(network(&["9.9.0.1", "9.9.0.2"]).as_deref(), Some("9.9.0.0/30"));
    assert_eq!(network(&["9.9.0.1", "9.9.0.2", "9.9.1.44"]).as_deref(), Some("9.9.0.0/23"));
    assert_eq!(network(&["9.9.0.1", "2001:db8::1", "9.9.0.2"]), None, "addresses of two families");
    let unknown = Party { addresses: vec!["9.9.0.1".parse().unwrap(); 2], count: 2, ..Party::default() };
    assert_eq!(added(unknown, &["9.9.0.3"]).network, None, "what was counted before is not known");
    let wide = added(Party::default(), &["9.9.0.1", "9.200.0.1"]);
    assert!(wide.network.is_some() && wide.narrow_network().is_none(), "{:?}", wide.network);
    let narrow = added(Party::default(), &["9.9.0.1", "9.9.200.1"]);
    assert_eq!(narrow.narrow_network(), "9.9.0.0/16".parse().ok());
    assert_eq!(Party { at_least: true, ..narrow }.narrow_network(), None, "some were not counted");
}
