//! New destinations, with other sensors to ask.

use sensor_common::slot::{mark, tcp};

use super::*;
use crate::{
    core::{
        Input,
        fixtures::{SETTLED, Sensor, at, began, settings},
    },
    settings::Settings,
    time::Moment,
};

const ATTEMPT: [u8; 2] = [tcp::SYN, 0];
const OPEN: [u8; 2] = [tcp::SYN | tcp::ACK; 2];

impl Sensor {
    fn sharing(shared_terms: bool) -> Self {
        Self::new(Settings { shared_terms, ..settings() })
    }

    /// A connection of an internal host began now.
    fn begins(&mut self, local: &str, remote: &str, tcp_flags: [u8; 2], now: Moment) {
        self.sees(&began(local, remote, mark::FIRST_FROM_LOCAL, tcp_flags, now), now);
    }

    /// What it asked and announced to others since this was last called.
    fn requests(&mut self) -> Vec<TermRequest> {
        let request = |event: &Event| if let Event::Term(request) = event { Some(*request) } else { None };
        let requests = self.events.iter().filter_map(request).collect();
        self.events.retain(|event| !matches!(event, Event::Term(_)));
        requests
    }

    /// Incidents that have been said to have a rare destination.
    fn rare(&self) -> usize {
        let rare = self.events.iter().filter_map(|event| match event {
            Event::Incident(event) => {
                event.incident.findings.contains_key(RARE_DESTINATION).then_some(event.incident.id)
            }
            _ => None,
        });
        rare.collect::<std::collections::BTreeSet<_>>().len()
    }
}

fn server() -> IpAddr {
    "8.8.4.4".parse().unwrap()
}

/// A sensor that has asked about a completed connection.
fn asking() -> Sensor {
    let mut sensor = Sensor::sharing(true);
    sensor.begins("10.0.0.2:50000", "8.8.4.4:445", OPEN, at(1));
    sensor.step(Input::Tick, at(1 + SETTLED));
    assert_eq!(sensor.requests(), [TermRequest::Claim(server())]);
    assert!(!sensor.events.is_empty(), "its other findings do not wait");
    assert_eq!(sensor.rare(), 0);
    sensor
}

#[test]
fn destination_that_nobody_knows_is_rare_once() {
    let mut sensor = asking();
    sensor.begins("10.0.0.3:50000", "8.8.4.4:445", OPEN, at(1));
    sensor.step(Input::Tick, at(2 + SETTLED));
    assert_eq!((sensor.requests(), sensor.rare()), (vec![], 0), "one question for both");
    sensor.step(Input::Term(TermAnswer::New(server())), at(2 + SETTLED));
    sensor.step(Input::Term(TermAnswer::Kept(server())), at(2 + SETTLED));
    sensor.step(Input::Tick, at(10));
    assert_eq!(sensor.rare(), 1);
    sensor.step(Input::Term(TermAnswer::New(server())), at(11));
    sensor.begins("10.0.0.4:50000", "8.8.4.4:445", OPEN, at(12));
    sensor.step(Input::Tick, at(20));
    assert_eq!((sensor.requests(), sensor.rare(), sensor.core.counts().decided_alone), (vec![], 1, 0));
}

#[test]
fn destination_that_another_sensor_knows_is_not_rare() {
    let mut sensor = asking();
    sensor.step(Input::Term(TermAnswer::Known(server())), at(2 + SETTLED));
    sensor.begins("10.0.0.3:50000", "8.8.4.4:445", OPEN, at(6));
    sensor.step(Input::Tick, at(20));
    assert_eq!(sensor.rare(), 0);
    assert_eq!(sensor.requests(), [TermRequest::Keep(server())], "the others learn that it is in use here");
}

#[test]
fn sensor_without_an_answer_decides_alone_and_tells_the_others_later() {
    let mut sensor = asking();
    sensor.step(Input::Tick, at(3 + SETTLED));
    assert_eq!(sensor.rare(), 0, "there is still time");
    sensor.step(Input::Tick, at(4 + SETTLED));
    sensor.step(Input::Tick, at(8 + SETTLED));
    assert_eq!((sensor.rare(), sensor.core.counts().decided_alone), (1, 1));
    assert_eq!(sensor.requests(), [TermRequest::Keep(server())]);
    // It comes too late.
    sensor.step(Input::Term(TermAnswer::Known(server())), at(9 + SETTLED));
    sensor.step(Input::Tick, at(100));
    assert_eq!(sensor.requests(), [TermRequest::Keep(server())], "nobody has confirmed it");
    sensor.step(Input::Term(TermAnswer::Kept(server())), at(101));
    sensor.step(Input::Tick, at(200));
    assert_eq!((sensor.requests(), sensor.rare()), (vec![], 1));
}

#[test]
fn sensor_that_can_ask_nobody_decides_at_once() {
    let mut sensor = asking();
    sensor.step(Input::Term(TermAnswer::Unanswered(server())), at(1 + SETTLED));
    sensor.step(Input::Tick, at(3 + SETTLED));
    assert_eq!((sensor.rare(), sensor.core.counts().decided_alone), (1, 1));
}

#[test]
fn attempt_asks_and_makes_nothing_known() {
    let mut sensor = Sensor::sharing(true);
    for (number, answer, rare) in [(0, TermAnswer::New(server()), 1), (20, TermAnswer::Known(server()), 1)] {
        let local = format!("10.0.0.{}:50000", 2 + number);
        sensor.begins(&local, "8.8.4.4:445", ATTEMPT, at(1 + number));
        sensor.step(Input::Tick, at(1 + number + SETTLED));
        assert_eq!(sensor.requests(), [TermRequest::Look(server())]);
        sensor.step(Input::Term(answer), at(2 + number + SETTLED));
        sensor.step(Input::Tick, at(10 + number));
        assert_eq!((sensor.requests(), sensor.rare()), (vec![], rare));
    }
}

#[test]
fn run_ends_with_a_decision() {
    let mut sensor = asking();
    sensor.step(Input::End { kept: true }, at(5));
    assert_eq!(sensor.rare(), 1);
}

#[test]
fn what_waits_is_bounded() {
    let mut sensor = Sensor::sharing(true);
    for number in 0..300 {
        let remote = format!("8.8.{}.{}:445", number / 256, number % 256);
        sensor.begins(&format!("10.0.{}.{}:50000", number / 256, number % 256), &remote, ATTEMPT, at(1));
    }
    sensor.step(Input::Tick, at(1 + SETTLED));
    assert_eq!(sensor.requests().len(), MAX_WAITING);
    assert_eq!(sensor.core.counts().decided_alone, 300 - MAX_WAITING as u64);
    sensor.step(Input::Tick, at(1 + 2 * SETTLED));
    assert_eq!((sensor.core.asked.waiting, sensor.core.asked.pending.len()), (0, 0));
}

#[test]
fn nobody_is_asked_unless_terms_are_shared() {
    let mut sensor = Sensor::sharing(false);
    sensor.begins("10.0.0.2:50000", "8.8.4.4:445", OPEN, at(1));
    sensor.step(Input::Tick, at(1 + SETTLED));
    sensor.step(Input::Tick, at(10));
    assert_eq!((sensor.requests(), sensor.rare()), (vec![], 1));
}
