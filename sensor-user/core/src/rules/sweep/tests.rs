//! Who sweeps, and who merely knows many.

use std::net::Ipv4Addr;

use sensor_common::slot::{Side, TCP};

use super::*;
use crate::{
    config::{Config, ServicePorts},
    detect::fixtures::{assert_known_false_positive, exempt, flow, ours},
    flow::Flow,
};

const NOW: i128 = 1_700_000_000 * SECOND;

/// Who opens flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Inside,
    Stranger,
}

/// A flow of 10.0.0.2 to the `n`th address of the Internet, or the reverse.
fn tried(who: Who, n: u32, evidence: Evidence) -> Flow {
    let outside = Ipv4Addr::from(u32::from(Ipv4Addr::new(9, 0, 0, 0)) + n);
    match who {
        Who::Inside => flow(TCP, "10.0.0.2:50000", &format!("{outside}:445"), Side::Local, evidence),
        Who::Stranger => {
            let inside = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + n);
            flow(TCP, &format!("{inside}:445"), "9.9.9.9:50000", Side::Remote, evidence)
        }
    }
}

/// Notes a flow that began just now.
fn note(sweeps: &mut Sweeps, flow: &Flow, now: i128) {
    let mut flow = flow.clone();
    (flow.first, flow.last) = (now, now);
    sweeps.note(&Sight::of(&flow, &ServicePorts::default()).unwrap(), now);
}

fn fold(sweeps: &mut Sweeps, flow: &Flow) -> bool {
    sweeps.fold(&Sight::of(flow, &ServicePorts::default()).unwrap()).is_some()
}

/// `count` targets, `apart` seconds from each other.
pub(crate) fn swept(who: Who, count: u32, apart: i128) -> Sweeps {
    let mut sweeps = Sweeps::new(SweepLimits::default());
    for n in 0..count {
        note(&mut sweeps, &tried(who, n, Evidence::Attempt), NOW + i128::from(n) * apart * SECOND);
    }
    sweeps
}

#[test]
fn many_targets_within_the_window_are_one_sweep() {
    let mut sweeps = swept(Who::Inside, 300, 0);
    let told = sweeps.due(NOW);
    assert_eq!(told.len(), 1);
    let (stage, sweep) = &told[0];
    assert_eq!((*stage, sweep.direction), (Stage::Opened, Direction::Outbound));
    let expected = Reached { targets: 300, unanswered: 300, ..Reached::default() };
    assert_eq!(sweep.reached, expected);
    assert_eq!((sweep.sample.len(), sweep.ports.len()), (16, 1));
    assert!(sweeps.due(NOW + SECOND).is_empty(), "told once");
}

#[test]
fn a_stranger_that_tries_many_internal_machines_sweeps_too_and_is_less_of_an_alarm() {
    let outbound = swept(Who::Inside, 20, 0).due(NOW).remove(0).1;
    let inbound = swept(Who::Stranger, 20, 0).due(NOW).remove(0).1;
    assert_eq!(inbound.direction, Direction::Inbound);
    assert!(weight(&inbound) < weight(&outbound));
}

#[test]
fn a_monitoring_host_that_polls_a_dozen_servers_over_and_over_does_not_sweep() {
    let mut sweeps = Sweeps::new(SweepLimits::default());
    for round in 0..100 {
        for n in 0..12 {
            let flow = tried(Who::Inside, n, Evidence::Established);
            note(&mut sweeps, &flow, NOW + round * 30 * SECOND);
            assert!(!fold(&mut sweeps, &flow));
        }
    }
    assert!(sweeps.due(NOW + 3_000 * SECOND).is_empty());
}

#[test]
fn whoever_takes_his_time_is_no_sweep() {
    assert!(swept(Who::Inside, 200, 16).due(NOW + 3_200 * SECOND).is_empty(), "nineteen in each window");
    assert!(!swept(Who::Inside, 200, 15).due(NOW + 3_000 * SECOND).is_empty());
}

#[test]
fn flows_below_smb_are_folded_and_others_are_not() {
    let mut sweeps = swept(Who::Inside, 20, 0);
    for (n, evidence) in [Evidence::Attempt, Evidence::Refused, Evidence::Established].into_iter().enumerate()
    {
        let flow = tried(Who::Inside, n as u32, evidence);
        note(&mut sweeps, &flow, NOW);
        assert!(fold(&mut sweeps, &flow), "{evidence}");
    }
    let spoken = tried(Who::Inside, 3, Evidence::Data);
    note(&mut sweeps, &spoken, NOW);
    assert!(!fold(&mut sweeps, &spoken));
    let sweep = sweeps.due(NOW).remove(0).1;
    assert_eq!((sweep.folded, sweep.answered.len()), (3, 2));
    let expected =
        Reached { targets: 20, answered: 2, spoke: 1, refused: 1, unanswered: 17, ..Reached::default() };
    assert_eq!((sweep.reached, sweep.evidence()), (expected, Evidence::Smb));
    assert!(!fold(&mut Sweeps::new(SweepLimits::default()), &tried(Who::Inside, 0, Evidence::Attempt)));
}

#[test]
fn a_flow_that_no_rule_is_about_is_not_folded() {
    let mut sweeps = swept(Who::Inside, 20, 0);
    let outbound = flow(TCP, "10.0.0.2:50000", "9.0.0.1:135", Side::Local, Evidence::Attempt);
    assert!(!fold(&mut sweeps, &outbound), "nothing is said of it with or without a sweep");
    assert_eq!(sweeps.due(NOW).remove(0).1.folded, 0);
}

#[test]
fn a_flow_is_taken_out_of_the_sweep_that_it_was_folded_into_and_of_no_later_one() {
    let mut sweeps = swept(Who::Inside, 20, 0);
    let attempt = tried(Who::Inside, 3, Evidence::Attempt);
    let sight = Sight::of(&attempt, &ServicePorts::default()).unwrap();
    let [first, second] = [(); 2].map(|()| sweeps.fold(&sight).unwrap());
    sweeps.unfold(first);
    assert_eq!(sweeps.due(NOW).remove(0).1.folded, 1);
    assert_eq!(sweeps.due(NOW + 400 * SECOND)[0].0, Stage::Over);
    for n in 0..20 {
        note(&mut sweeps, &tried(Who::Inside, n, Evidence::Attempt), NOW + 500 * SECOND);
    }
    assert!(sweeps.fold(&sight).is_some());
    sweeps.unfold(second);
    assert_eq!(sweeps.due(NOW + 500 * SECOND).remove(0).1.folded, 1);
}

#[test]
fn a_sweep_grows_in_paces_and_ends_when_it_rests() {
    let mut sweeps = swept(Who::Inside, 20, 0);
    let stages = |sweeps: &mut Sweeps, at: i128| -> Vec<Stage> {
        sweeps.due(NOW + at * SECOND).into_iter().map(|(stage, _)| stage).collect()
    };
    assert_eq!(stages(&mut sweeps, 0), [Stage::Opened]);
    for n in 20..39 {
        note(&mut sweeps, &tried(Who::Inside, n, Evidence::Attempt), NOW + SECOND);
    }
    assert!(stages(&mut sweeps, 20).is_empty(), "not twice the targets yet");
    note(&mut sweeps, &tried(Who::Inside, 39, Evidence::Attempt), NOW + SECOND);
    assert!(stages(&mut sweeps, 9).is_empty());
    assert_eq!(stages(&mut sweeps, 10), [Stage::Grew]);
    assert!(fold(&mut sweeps, &tried(Who::Inside, 39, Evidence::Attempt)));
    assert!(stages(&mut sweeps, 60).is_empty(), "that one more is folded is no news");
    note(&mut sweeps, &tried(Who::Inside, 39, Evidence::Refused), NOW + SECOND);
    assert_eq!(stages(&mut sweeps, 90), [Stage::Grew], "it got farther");
    assert_eq!(stages(&mut sweeps, 301), [Stage::Over]);
    assert!(stages(&mut sweeps, 400).is_empty());
    assert!(!fold(&mut sweeps, &tried(Who::Inside, 30, Evidence::Attempt)));
    assert_eq!(sweeps.held, 0);
}

#[test]
fn the_end_of_the_run_opens_and_ends_what_was_never_told() {
    let stages: Vec<_> = swept(Who::Inside, 20, 0).drain(NOW).into_iter().map(|(stage, _)| stage).collect();
    assert_eq!(stages, [Stage::Opened, Stage::Over]);
}

#[test]
fn a_clock_that_steps_back_neither_hides_a_sweep_nor_keeps_it_open() {
    let mut sweeps = swept(Who::Inside, 19, 0);
    let earlier = NOW - 86_400 * SECOND;
    for n in 100..120 {
        note(&mut sweeps, &tried(Who::Inside, n, Evidence::Attempt), earlier);
    }
    assert_eq!(sweeps.due(earlier).len(), 1);
    assert_eq!(sweeps.due(earlier - 1_000 * SECOND)[0].0, Stage::Over);
}

#[test]
fn more_targets_than_there_is_room_for_are_at_least_so_many() {
    let source = IpAddr::from([10, 0, 0, 2]);
    let flow = tried(Who::Inside, 0, Evidence::Attempt);
    let touch = Touch::of(&Sight::of(&flow, &ServicePorts::default()).unwrap());
    let mut followed = Followed::of(1, source, Direction::Outbound, &[]);
    for n in 0..70_000_u32 {
        followed.note(&Touch { target: Ipv4Addr::from(n).into(), ..touch.clone() }, true, 1);
    }
    let reached = followed.sweep.reached;
    assert!(reached.at_least);
    assert_eq!((reached.targets, followed.held()), (65_536, 65_536));
    let further = Touch { target: [9, 9, 9, 9].into(), ..touch };
    assert_eq!(
        Followed::of(1, source, Direction::Outbound, &[]).note(&further, true, 0),
        0,
        "no room in all"
    );
}

#[test]
fn recordings_do_not_add_up() {
    let mut sweeps = Sweeps::new(SweepLimits::default());
    for n in 0..12 {
        note(&mut sweeps, &tried(Who::Inside, n, Evidence::Attempt), NOW);
    }
    assert!(sweeps.drain(NOW).is_empty());
    for n in 12..24 {
        note(&mut sweeps, &tried(Who::Inside, n, Evidence::Attempt), NOW + 10 * SECOND);
    }
    assert!(sweeps.due(NOW + 10 * SECOND).is_empty(), "the other began earlier and came this far");
}

/// So many flows from the inside, each to another address of the Internet.
fn many(count: u32) -> Vec<Flow> {
    (0..count).map(|n| tried(Who::Inside, n, Evidence::Attempt)).collect()
}

#[test]
fn whoever_polls_or_scans_a_provider_is_a_false_positive_until_it_is_exempt() {
    for words in ["polls many hosts at a provider", "scan that you ordered"] {
        let configs = [&Config::default(), &exempt(Some("10.0.0.2/32"), None)];
        assert_known_false_positive(&RULE, words, &many(20), configs);
    }
}

#[test]
fn a_site_of_ones_own_is_a_false_positive_until_its_addresses_are_listed() {
    let configs = [&Config::default(), &ours("9.0.0.0/24")];
    assert_known_false_positive(&RULE, "public addresses of your own", &many(20), configs);
}
