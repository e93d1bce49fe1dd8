//! The present problems of a running agent.

use sensor_core::time::Timestamp;

use super::Status;
use crate::sinks::OutputStatus;

/// Nanoseconds for which lost records are a problem of the present.
const RECENT: i64 = 300 * 1_000_000_000;

/// Everything that somebody should look at now, in one line each.
pub(crate) fn problems(
    status: &Status,
    outputs: &[OutputStatus],
    last_lost: Option<Timestamp>,
    now: Timestamp,
) -> Vec<String> {
    let mut problems = Vec::new();
    if status.interfaces.iter().all(|one| one.incoming.is_none() && one.outgoing.is_none()) {
        problems.push("no interface is watched: nothing is seen".to_owned());
    }
    for one in &status.interfaces {
        let missing = match (&one.incoming, &one.outgoing) {
            (Some(_), Some(_)) => continue,
            (None, None) => "is not watched",
            (None, Some(_)) => "is not watched for incoming packets",
            (Some(_), None) => "is not watched for outgoing packets",
        };
        let reason = one.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        problems.push(format!("interface {} {missing}{reason}", one.name));
    }
    if last_lost.is_some_and(|at| now.unix_nanos() - at.unix_nanos() < RECENT) {
        problems.push("the ring lost records in the last five minutes: raise kernel.ring_bytes".to_owned());
    }
    if let Some(failure) = &status.store.failure {
        problems.push(format!("{} documents wait in memory for the store: {failure}", status.store.unsaved));
    }
    if status.store.lost > 0 {
        problems.push(format!("{} documents are lost: the database did not take them", status.store.lost));
    }
    for output in outputs {
        if let Some(Err(reason)) = &output.ability {
            let (name, waiting) = (&output.name, output.waiting);
            problems
                .push(format!("the output {name} cannot deliver, {waiting} documents wait for it: {reason}"));
        } else if is_failing(output) {
            problems
                .push(format!("the output {} fails: {} documents wait for it", output.name, output.waiting));
        }
    }
    if let Some(error) = status.exec.as_ref().and_then(|exec| exec.last_error.as_ref()) {
        problems.push(format!("response.exec failed at {}: {}", error.at, error.reason));
    }
    if let Some(error) = status.last_reload.as_ref().and_then(|reload| reload.error.as_ref()) {
        problems.push(format!("the configuration was not reloaded: {error}"));
    }
    problems
}

/// Whether the last attempt failed and documents wait.
fn is_failing(output: &OutputStatus) -> bool {
    let failed = output.last_error.as_ref().map(|(at, _)| *at);
    output.waiting > 0 && failed.is_some() && failed > output.last_success
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;
    use crate::status::{ExecStatus, Failure, InterfaceStatus, Reload, Store};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn watched() -> Status {
        let lan0 = InterfaceStatus {
            name: "lan0".into(),
            incoming: Some("native XDP".into()),
            outgoing: Some("TCX".into()),
            reason: None,
        };
        Status { interfaces: vec![lan0], ..Status::default() }
    }

    fn of(status: &Status) -> Vec<String> {
        problems(status, &[], None, NOW)
    }

    #[test]
    fn agent_that_watches_and_delivers_has_none() {
        assert_eq!(of(&watched()), Vec::<String>::new());
    }

    #[test]
    fn each_is_named() {
        let mut status = watched();
        status.interfaces[0].outgoing = None;
        let failure = Some("cannot write smb-sensor.db: database or disk is full".to_owned());
        status.store = Store { unsaved: 7, lost: 2, failure, ..Store::default() };
        status.last_reload = Some(Reload { at: String::new(), error: Some("line 3".into()) });
        let last_error = Some(Failure { at: "T".into(), reason: "it ended with exit code 3".into() });
        status.exec = Some(ExecStatus { last_error, ..ExecStatus::default() });
        let found = of(&status);
        assert_eq!(found.len(), 5, "{found:#?}");
        let waits =
            "7 documents wait in memory for the store: cannot write smb-sensor.db: database or disk is full";
        assert_eq!(found[1], waits);
        assert_eq!(found[3], "response.exec failed at T: it ended with exit code 3");
        assert!(found[0].contains("lan0 is not watched for outgoing"), "{found:#?}");
        status.interfaces.clear();
        assert_eq!(of(&status)[0], "no interface is watched: nothing is seen");
    }

    #[test]
    fn loss_is_one_for_five_minutes() {
        let lost_at = |seconds| problems(&watched(), &[], Some(Timestamp::from_unix_seconds(seconds)), NOW);
        assert_eq!(lost_at(1_700_000_000 - 299).len(), 1);
        assert_eq!(lost_at(1_700_000_000 - 301).len(), 0);
    }

    #[test]
    fn output_fails_until_it_delivers_again() {
        let failing = OutputStatus {
            name: "siem".into(),
            written: 0,
            waiting: 3,
            errors: 1,
            refused: 0,
            lost: 0,
            last_success: None,
            last_error: Some((NOW, "connection refused".into())),
            ability: None,
            latency: Latency::default(),
        };
        let found = problems(&watched(), std::slice::from_ref(&failing), None, NOW);
        assert_eq!(found, ["the output siem fails: 3 documents wait for it"]);
        let later = Timestamp::from_unix_seconds(1_700_000_001);
        let back = OutputStatus { last_success: Some(later), ..failing };
        assert_eq!(problems(&watched(), std::slice::from_ref(&back), None, NOW), Vec::<String>::new());
        let idle = OutputStatus { waiting: 0, ability: Some(Err("no server".into())), ..back };
        let found = problems(&watched(), &[idle], None, NOW);
        assert_eq!(found, ["the output siem cannot deliver, 0 documents wait for it: no server"]);
    }
}
