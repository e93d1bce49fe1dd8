//! From connections to incidents: what the role of an own host changes, and which incidents are related.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sensor_common::{
    payload::PieceKind,
    slot::{Side, mark, tcp},
};
use sensor_dissect::stream::Checksum;

use super::{
    Input,
    fixtures::{SETTLED, Sensor, at, began, settings},
};
use crate::{
    asset::{Asset, AssetRole, Assets},
    event::Event,
    incident::{Incident, IncidentId, MAX_RELATED, RelationKind},
    level::Severity,
    record::Piece,
    settings::Settings,
    time::Moment,
};

const SPOKEN: u16 = mark::SMB_FROM_LOCAL | mark::SMB_FROM_REMOTE;
const OPEN: [u8; 2] = [tcp::SYN | tcp::ACK; 2];

/// An encrypted session in which 11 MiB leave.
fn uploads(sensor: &mut Sensor) {
    let marks = mark::FIRST_FROM_LOCAL | SPOKEN | mark::ENCRYPTED;
    let mut seen = began("10.0.0.2:50000", "8.8.4.4:445", marks, OPEN, at(1));
    seen.counts.payload = [11 << 20, 2_000];
    sensor.sees(&seen, at(1));
}

/// Silent addresses are tried.
fn sweeps(sensor: &mut Sensor) {
    for last in 1..=25 {
        let server = format!("8.9.0.{last}:445");
        let seen = began("10.0.0.2:50000", &server, mark::FIRST_FROM_LOCAL, [tcp::SYN, 0], at(1));
        sensor.sees(&seen, at(1));
    }
    sensor.step(Input::Tick, at(1 + SETTLED));
}

/// A stranger's SYN is answered.
fn answers(sensor: &mut Sensor) {
    let tcp_flags = [tcp::SYN | tcp::ACK, tcp::SYN];
    sensor.sees(&began("10.0.0.2:445", "8.8.4.4:50000", 0, tcp_flags, at(1)), at(1));
    sensor.step(Input::Tick, at(1 + SETTLED));
}

/// The one incident of what 10.0.0.2 does, which the inventory lists in this role, or does not list.
#[track_caller]
fn only_incident(does: fn(&mut Sensor), role: Option<AssetRole>) -> Incident {
    let mut assets = Assets::default();
    if role.is_some() {
        let asset = Asset { name: "own".into(), owner: None, role };
        assets.put("10.0.0.2/32".parse().unwrap(), asset);
    }
    let mut sensor = Sensor::new(Settings { assets: Arc::new(assets), ..settings() });
    does(&mut sensor);
    assert_eq!(sensor.core.counts().exempted, 0);
    let mut stored = sensor.core.take_changes(at(1 + SETTLED).at).incidents;
    assert_eq!(stored.len(), 1, "{stored:#?}");
    stored.remove(0).incident
}

/// Asserts the severity without the role and with it; the finding stays.
#[track_caller]
fn assert_moves(
    role: AssetRole,
    does: fn(&mut Sensor),
    rule: &str,
    without: (Severity, u8),
    with: (Severity, u8),
) {
    for (role, severity) in [(None, without), (Some(role), with)] {
        let incident = only_incident(does, role.clone());
        assert_eq!((incident.severity, incident.risk_score), severity, "{role:?}");
        assert!(incident.findings.contains_key(rule), "{role:?}: {incident:#?}");
        assert_eq!(incident.internal.role(), role.as_ref());
    }
}

#[test]
fn backup_of_a_backup_host_is_high_instead_of_critical() {
    let rule = "data-leaving-over-smb";
    assert_moves(AssetRole::Backup, uploads, rule, (Severity::Critical, 99), (Severity::High, 73));
}

#[test]
fn sweep_of_a_scanner_is_medium_instead_of_high() {
    assert_moves(AssetRole::Scanner, sweeps, "smb-sweep", (Severity::High, 82), (Severity::Medium, 47));
}

#[test]
fn answer_of_a_file_server_is_high_instead_of_medium() {
    let rule = "windows-networking-exposed";
    assert_moves(AssetRole::FileServer, answers, rule, (Severity::Medium, 47), (Severity::High, 73));
}

/// When the sensor started, in the incident of a session that it sees first in the middle, at this moment.
fn joined_at(mut sensor: Sensor, now: Moment) -> Option<i64> {
    let marks = mark::SERVER_IS_REMOTE | SPOKEN;
    let mut seen = began("10.0.0.2:50000", "8.8.4.4:445", marks, [tcp::ACK; 2], now);
    seen.marks &= !mark::OPENED_BY_SYN;
    sensor.sees(&seen, now);
    let incident = sensor.core.take_changes(now.at).incidents.remove(0).incident;
    assert!(incident.joined_late);
    incident.joined_at_start.map(|at| at.unix_nanos() / 1_000_000_000)
}

#[test]
fn session_that_is_seen_right_after_the_start_had_begun_before_it() {
    let started = || Sensor::started(settings(), at(100));
    assert_eq!(joined_at(started(), at(101)), Some(100));
    assert_eq!(joined_at(started(), at(110)), None, "it may have been silent, or passed elsewhere");
    assert_eq!(joined_at(Sensor::new(settings()), at(101)), None, "the program saw packets before");
    let mut loses = started();
    loses.step(Input::RecordsLost(1), at(100));
    assert_eq!(joined_at(loses, at(101)), None, "its beginning may be in the lost record");
}

#[test]
fn incidents_of_one_external_host_are_related_within_seven_days() {
    let speaks = |sensor: &mut Sensor, host: &str, now: Moment| {
        let marks = mark::FIRST_FROM_LOCAL | SPOKEN;
        sensor.sees(&began(&format!("{host}:50000"), "8.8.4.4:445", marks, OPEN, now), now);
    };
    for (days, are_related) in [(6, true), (8, false)] {
        let mut sensor = Sensor::new(settings());
        speaks(&mut sensor, "10.0.0.2", at(1));
        let first = sensor.core.take_changes(at(1).at).incidents.remove(0).incident.id;
        for hour in 1..24 * days {
            sensor.step(Input::Tick, at(3_600 * hour));
        }
        let later = at(86_400 * days);
        speaks(&mut sensor, "10.0.0.3", later);
        let stored = sensor.core.take_changes(later.at).incidents;
        let incidents = || stored.iter().map(|one| &one.incident);
        let second = incidents().find(|one| one.id != first).unwrap();
        let only = |id| vec![(id, BTreeSet::from([RelationKind::ExternalHost]))];
        let expected = if are_related { only(first) } else { vec![] };
        assert_eq!(second.related.incidents, expected, "after {days} days");
        // The other way too; one that was forgotten stays as it is.
        let earlier = incidents().find(|one| one.id == first).map(|one| one.related.incidents.clone());
        assert_eq!(earlier, are_related.then(|| only(second.id)), "after {days} days");
    }
}

/// So many hosts inside speak SMB with one server outside, one a second, and the wave settles. Gives the incidents as they are stored.
fn wave(sensor: &mut Sensor, hosts: i64) -> Vec<Incident> {
    for number in 1..=hosts {
        let now = at(number);
        let marks = mark::FIRST_FROM_LOCAL | SPOKEN;
        sensor.sees(&began(&format!("10.0.1.{number}:50000"), "8.8.4.4:445", marks, OPEN, now), now);
        sensor.step(Input::Tick, now);
    }
    for second in hosts..hosts + 400 {
        sensor.step(Input::Tick, at(second));
    }
    let stored = sensor.core.take_changes(at(hosts + 400).at).incidents;
    stored.into_iter().map(|one| one.incident).collect()
}

/// How often incidents were written, and the last document of each.
fn documents(sensor: &Sensor) -> (usize, BTreeMap<IncidentId, &Incident>) {
    let incidents = || {
        sensor.events.iter().filter_map(|event| match event {
            Event::Incident(one) => Some(&one.incident),
            _ => None,
        })
    };
    (incidents().count(), incidents().map(|one| (one.id, one)).collect())
}

#[test]
fn incidents_of_one_external_host_list_each_other() {
    for hosts in [10, 17, 30, 64] {
        let mut sensor = Sensor::new(settings());
        let all = wave(&mut sensor, hosts);
        assert_eq!(all.len(), hosts as usize);
        let ids: BTreeSet<_> = all.iter().map(|one| one.id).collect();
        let (count, last) = documents(&sensor);
        for one in &all {
            let listed: BTreeSet<_> = one.related.incidents.iter().map(|(other, _)| *other).collect();
            let others = ids.iter().copied().filter(|other| *other != one.id).collect();
            assert_eq!((listed, one.related.left_out), (others, 0), "of {hosts}");
            assert_eq!(last[&one.id].related, one.related, "the last document says it too");
        }
        // Opened, the first related one, and the others at the end of the wave.
        assert!(count <= 3 * hosts as usize, "{count} documents of {hosts} incidents");
    }
}

/// How many others each incident lists, and how many it counts beside them.
fn listed_and_counted<'a>(all: impl IntoIterator<Item = &'a Incident>) -> Vec<(u64, u64)> {
    all.into_iter().map(|one| (one.related.incidents.len() as u64, one.related.left_out)).collect()
}

#[test]
fn incidents_beyond_the_bound_list_each_other_or_count_each_other() {
    let mut sensor = Sensor::new(settings());
    let all = wave(&mut sensor, 100);
    let lists: BTreeMap<_, BTreeSet<_>> = all
        .iter()
        .map(|one| (one.id, one.related.incidents.iter().map(|(other, _)| *other).collect()))
        .collect();
    for (id, listed) in &lists {
        assert!(listed.iter().all(|other| lists[other].contains(id)), "both ways");
    }
    let (count, last) = documents(&sensor);
    for (listed, left_out) in
        listed_and_counted(&all).into_iter().chain(listed_and_counted(last.into_values()))
    {
        assert!(
            listed <= MAX_RELATED as u64 && listed + left_out == 99,
            "{listed} listed, {left_out} counted"
        );
    }
    assert!(count <= 300, "{count} documents");
}

#[test]
fn count_alone_is_written_once_a_day_and_stored_each_time() {
    let mut sensor = Sensor::new(settings());
    let all = wave(&mut sensor, 100);
    let is_full = |one: &&Incident| one.related.incidents.len() == MAX_RELATED;
    let full: Vec<_> = all.iter().filter(is_full).map(|one| one.id).collect();
    sensor.events.clear();
    let mut stored: BTreeMap<_, _> = all.into_iter().map(|one| (one.id, one)).collect();
    for number in 1..=5_u64 {
        let start = 500 + 400 * number as i64;
        let marks = mark::FIRST_FROM_LOCAL | SPOKEN;
        let now = at(start);
        sensor.sees(&began(&format!("10.0.2.{number}:50000"), "8.8.4.4:445", marks, OPEN, now), now);
        (start..start + 320).for_each(|second| sensor.step(Input::Tick, at(second)));
        let changed = sensor.core.take_changes(at(start + 320).at).incidents;
        stored.extend(changed.into_iter().map(|one| (one.incident.id, one.incident)));
        for (listed, left_out) in listed_and_counted(stored.values()) {
            assert_eq!(listed + left_out, 99 + number);
        }
    }
    let mut written: BTreeMap<IncidentId, u32> = BTreeMap::new();
    for event in &sensor.events {
        if let Event::Incident(one) = event {
            *written.entry(one.incident.id).or_default() += 1;
        }
    }
    // Those that find room in a list are written for their links.
    assert!(
        full.len() > 60 && full.iter().all(|id| written.get(id).is_none_or(|count| *count == 1)),
        "{written:?}"
    );
}

#[test]
fn counts_of_related_incidents_outlast_a_restart_and_fall_when_incidents_are_forgotten() {
    let mut sensor = Sensor::new(settings());
    let mut stored: BTreeMap<_, _> = BTreeMap::new();
    let mut keep = |sensor: &mut Sensor, now: Moment| {
        let changed = sensor.core.take_changes(now.at).incidents;
        stored.extend(changed.into_iter().map(|one| (one.incident.id, one)));
        stored.clone()
    };
    let hosts = 200;
    let speaks = |sensor: &mut Sensor, number: i64, now: Moment| {
        let marks = mark::FIRST_FROM_LOCAL | SPOKEN;
        let host = format!("10.0.{}.{}:50000", number / 100, number % 100);
        sensor.sees(&began(&host, "8.8.4.4:445", marks, OPEN, now), now);
    };
    // The second half a day after the first.
    let day = 86_400;
    for number in 0..hosts {
        let now = at(1 + number + if number < hosts / 2 { 0 } else { day });
        speaks(&mut sensor, number, now);
        sensor.step(Input::Tick, now);
    }
    let settled = day + hosts + 302;
    (settled..settled + 10).for_each(|second| sensor.step(Input::Tick, at(second)));
    let kept = keep(&mut sensor, at(settled + 10));
    let said = listed_and_counted(kept.values().map(|one| &one.incident));
    assert_eq!(said.len(), 200);
    assert!(said.iter().all(|(listed, left_out)| listed + left_out == 199), "also the old ones: {said:?}");

    // Another run, in which one more comes.
    let mut sensor = Sensor::going_on(settings(), kept.into_values().collect());
    let later = settled + 20;
    speaks(&mut sensor, hosts, at(later));
    (later..later + 310).for_each(|second| sensor.step(Input::Tick, at(second)));
    let kept = keep(&mut sensor, at(later + 310));
    let said = listed_and_counted(kept.values().map(|one| &one.incident));
    assert_eq!(said.len(), 201);
    assert!(said.iter().all(|(listed, left_out)| listed + left_out == 200), "{said:?}");

    // The first half was seven days ago; the others list some of it still, and count it no more.
    let last = 7 * day + hosts;
    (later + 310..last).step_by(3_600).for_each(|second| sensor.step(Input::Tick, at(second)));
    (last..last + 320).for_each(|second| sensor.step(Input::Tick, at(second)));
    let kept = keep(&mut sensor, at(last + 320));
    let mut remembered = 0;
    for one in kept.values().filter(|one| one.incident.first >= at(day).at) {
        let is_remembered = |other: &IncidentId| kept[other].incident.first >= at(day).at;
        let listed = one.incident.related.incidents.iter().filter(|(other, _)| is_remembered(other)).count();
        assert_eq!(listed as u64 + one.incident.related.left_out, 100);
        remembered += 1;
    }
    assert_eq!(remembered, 101);
}

#[test]
fn closed_incident_is_written_again_for_later_related_ones_and_stays_closed() {
    let mut sensor = Sensor::new(settings());
    let first = wave(&mut sensor, 1).remove(0);
    let day = 86_400;
    sensor.step(Input::Tick, at(day));
    sensor.events.clear();
    let marks = mark::FIRST_FROM_LOCAL | SPOKEN;
    for number in [2, 3] {
        let now = at(day + number);
        sensor.sees(&began(&format!("10.0.1.{number}:50000"), "8.8.4.4:445", marks, OPEN, now), now);
    }
    for second in 3..400 {
        sensor.step(Input::Tick, at(day + second));
    }
    let (_, last) = documents(&sensor);
    assert!(last[&first.id].closed.is_some());
    assert_eq!(last[&first.id].related.incidents.len(), 2);
    let of_first = |event: &&Event| matches!(event, Event::Incident(one) if one.incident.id == first.id);
    assert_eq!(sensor.events.iter().filter(of_first).count(), 1);
}

/// A stranger asks port 80 of an internal host for a listing, and it answers so.
fn asks_web_server(sensor: &mut Sensor, hosts: (&str, &str), answer: &[u8], now: Moment) {
    let request = b"PROPFIND / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.5.0\r\n\r\n".as_slice();
    asks_with(sensor, hosts, [request, answer], now);
}

fn asks_with(
    sensor: &mut Sensor,
    (server, client): (&str, &str),
    [request, answer]: [&[u8]; 2],
    now: Moment,
) {
    let marks = mark::HTTP | mark::SERVER_IS_LOCAL;
    let seen = began(&format!("{server}:80"), &format!("{client}:50000"), marks, OPEN, now);
    sensor.sees(&seen, now);
    for (side, bytes) in [(Side::Remote, request), (Side::Local, answer)] {
        let piece = Piece {
            id: seen.id,
            side,
            kind: PieceKind::HttpHead,
            sequence: 1,
            wanted: bytes.len() as u32,
            at: now.ticks,
            bytes,
            checksum: Checksum::Unknown,
        };
        sensor.core.flows.payload(&piece, now, &mut sensor.core.changes);
        sensor.core.settle_changes(now.at, &mut sensor.events);
    }
}

const LISTING: &[u8] = b"HTTP/1.1 207 Multi-Status\r\n\r\n";
const UNSUPPORTED: &[u8] = b"HTTP/1.1 501 Unsupported method\r\n\r\n";

#[test]
fn strangers_who_ask_an_internal_webdav_server_are_one_incident() {
    let mut sensor = Sensor::new(settings());
    for number in 0..30 {
        let now = at(1 + 10 * number);
        asks_web_server(&mut sensor, ("10.0.0.2", &format!("8.8.4.{number}")), LISTING, now);
        sensor.step(Input::Tick, now);
    }
    let stored = sensor.core.take_changes(at(400).at).incidents;
    assert_eq!(stored.len(), 1, "{stored:#?}");
    let incident = &stored[0].incident;
    assert_eq!((incident.severity, incident.external.count), (Severity::Medium, 30));
    assert_eq!(incident.findings.keys().collect::<Vec<_>>(), ["windows-networking-exposed"]);
    let port = incident.answering[0];
    assert_eq!((incident.answering.len(), port.port, port.anonymous), (1, 80, true));
    let alerts = sensor
        .events
        .iter()
        .filter(|event| matches!(event, Event::Incident(one) if one.action.is_alert()))
        .count();
    assert_eq!(alerts, 1);
}

#[test]
fn stranger_after_the_exposure_was_closed_is_no_second_alert() {
    let mut sensor = Sensor::new(settings());
    let options = b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
    let offer = b"HTTP/1.1 200 OK\r\nDAV: 1,2\r\n\r\n".as_slice();
    asks_with(&mut sensor, ("10.0.0.2", "8.8.4.1"), [options, offer], at(1));
    // A day later another one learns more, and sends fields that the first did not.
    for (day, stranger) in [(1, "8.8.4.2"), (2, "8.8.4.3")] {
        let morning = day * 86_400;
        (0..3).for_each(|hour| sensor.step(Input::Tick, at(morning - 10_800 + hour * 3_600)));
        asks_web_server(&mut sensor, ("10.0.0.2", stranger), LISTING, at(morning));
        sensor.step(Input::Tick, at(morning + 10));
    }
    let (mut alerts, mut incidents) = (0, BTreeSet::new());
    for event in &sensor.events {
        if let Event::Incident(one) = event {
            alerts += u64::from(one.action.is_alert());
            incidents.insert(one.incident.id);
        }
    }
    assert_eq!((alerts, incidents.len()), (1, 1));
    let stored = sensor.core.take_changes(at(3 * 86_400).at).incidents;
    let last = &stored.last().unwrap().incident;
    assert!(last.answering[0].anonymous && last.external.count == 3, "{last:#?}");
}

#[test]
fn web_server_that_serves_no_webdav_is_nothing_even_to_a_client_with_an_incident() {
    let mut sensor = Sensor::new(settings());
    asks_web_server(&mut sensor, ("10.0.0.3", "8.8.4.4"), UNSUPPORTED, at(1));
    assert!(sensor.core.take_changes(at(1).at).incidents.is_empty());
    // The same stranger tries SMB of many hosts.
    for last in 10..35 {
        let tcp_flags = [0, tcp::SYN];
        let seen = began(&format!("10.0.0.{last}:445"), "8.8.4.4:50000", 0, tcp_flags, at(1));
        sensor.sees(&seen, at(1));
    }
    sensor.step(Input::Tick, at(1 + SETTLED));
    asks_web_server(&mut sensor, ("10.0.0.4", "8.8.4.4"), UNSUPPORTED, at(20));
    let stored = sensor.core.take_changes(at(20).at).incidents;
    assert_eq!(stored.len(), 1);
    let sweep = &stored[0].incident;
    assert!(sweep.answering.is_empty() && sweep.webdav.is_none(), "{sweep:#?}");
    assert_eq!(sweep.targets.unwrap().targets, 25);
}
