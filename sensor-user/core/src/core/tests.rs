//! From connections to incidents: what the role of an own host changes, and which incidents are related.

use std::{collections::BTreeSet, sync::Arc};

use sensor_common::slot::{mark, tcp};

use super::{
    Input,
    fixtures::{SETTLED, Sensor, at, began, settings},
};
use crate::{
    asset::{Asset, AssetRole, Assets},
    incident::{Incident, RelationKind},
    level::Severity,
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
