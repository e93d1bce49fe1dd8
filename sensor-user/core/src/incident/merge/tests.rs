//! Processes of one incident.

use super::*;
use crate::incident::fixtures;

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
