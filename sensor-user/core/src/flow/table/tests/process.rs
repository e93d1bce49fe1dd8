//! The process that opened a connection.

use std::sync::Arc;

use sensor_common::slot::mark;

use super::{super::Change, bench::*};
use crate::{
    process::{Opening, Process, ProcessLookup},
    record::Observation,
    time::Moment,
};

/// Knows one process, and records the questions.
#[derive(Default)]
struct Asked(Vec<Opening>);

impl ProcessLookup for Asked {
    fn process_of(&mut self, opening: &Opening, _: Moment) -> Option<Arc<Process>> {
        self.0.push(*opening);
        let process = Process {
            pid: 7,
            name: None,
            thread: None,
            user: 0,
            user_name: None,
            executable: None,
            cgroup_id: 0,
            cgroup: None,
            container: None,
        };
        (self.0.len() == 1).then(|| Arc::new(process))
    }
}

#[test]
fn looks_up_a_process_once_for_its_connection_alone() {
    let (mut bench, mut asked, mut changes) = (Bench::new(), Asked::default(), Vec::new());
    let mut observe = |bench: &mut Bench, seen: &Observation, now: Moment| {
        let kind = Some(sensor_common::slot::RecordKind::Opened);
        bench.table.observe(kind, seen, now, &mut asked, &mut changes);
        asked.0.len()
    };
    assert_eq!(observe(&mut bench, &seen(SYN, [1, 0], at(1)), at(1)), 1);
    assert_eq!(observe(&mut bench, &seen(RESET, [4, 4], at(2)), at(2)), 1);
    assert!(bench.view().process.is_some());
    bench.advance(at(9));
    let next = with_generation(6, started(SYN, [1, 0], at(10)));
    assert_eq!(observe(&mut bench, &next, at(10)), 2);
    assert!(bench.view().process.is_none(), "the same ports are those of another process now");
    assert_eq!((asked.0[0].ticks, asked.0[0].from_the_start), (250, true));
    assert!(changes.iter().all(|change| !matches!(change, Change::Removed(_))), "it was closed before");
}

#[test]
fn looks_up_no_process_for_an_inbound_connection() {
    let (mut bench, mut asked) = (Bench::new(), Asked::default());
    let probe = Observation { marks: mark::OPENED_BY_SYN, ..seen([0, SYN[0]], [0, 1], at(1)) };
    bench.table.observe(None, &probe, at(1), &mut asked, &mut Vec::new());
    assert!(asked.0.is_empty());
}
