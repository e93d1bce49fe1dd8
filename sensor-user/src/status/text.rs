//! The state as text.

use sensor_dissect::escape::shown;

use super::{BySeverity, ExecStatus, InterfaceStatus, Output, Status};

/// Width of the names of the lines.
const NAME: usize = 13;

/// One line for each subject, and one for each problem.
pub(super) fn of(status: &Status) -> String {
    let mut text = format!(
        "smb-sensor {} runs, pid {}, for {}, profile {}\n",
        status.version,
        status.pid,
        span(status.uptime_seconds),
        status.profile
    );
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<NAME$}{value}\n"));
    for (index, one) in status.interfaces.iter().enumerate() {
        line(if index == 0 { "interfaces" } else { "" }, interface(one));
    }
    let packets = &status.packets;
    line(
        "packets",
        format!(
            "{} seen, {} kept, {} lost, {} frames unreadable",
            packets.seen, packets.kept, packets.lost, packets.unparsed
        ),
    );
    let ring = &status.ring;
    let last_lost = ring.last_lost.as_ref().map(|at| format!(", last at {at}")).unwrap_or_default();
    line(
        "ring",
        format!("{}, {} records, {} lost{last_lost}", size(ring.bytes.into()), ring.records, ring.lost),
    );
    let slots = &status.slots;
    line("slots", format!("{} on each of {} CPUs, {} evicted", slots.per_cpu, slots.cpus, slots.evicted));
    let connections = &status.connections;
    line(
        "connections",
        format!(
            "{} open, {} evicted, {} untracked",
            connections.open, connections.evicted, connections.untracked
        ),
    );
    let store = &status.store;
    let bytes = store.bytes.map_or_else(|| "?".to_owned(), size);
    line(
        "store",
        format!(
            "{bytes} of {}, {} documents made, {} unsaved, {} lost, {} expired",
            size(store.max_bytes),
            store.documents,
            store.unsaved,
            store.lost,
            store.expired
        ),
    );
    let incidents = &status.incidents;
    line(
        "incidents",
        format!(
            "{} open{}; since the start {} opened, {} held back",
            incidents.open.total(),
            severities(&incidents.open),
            incidents.opened.total(),
            incidents.held_back
        ),
    );
    for (index, one) in status.outputs.iter().enumerate() {
        line(if index == 0 { "outputs" } else { "" }, output(one));
    }
    let exemptions = &status.exemptions;
    line(
        "exemptions",
        format!(
            "{} in force, {} of them never matched, {} expired; {} connections covered",
            exemptions.in_force, exemptions.never_matched, exemptions.expired, exemptions.connections
        ),
    );
    if let Some(one) = &status.exec {
        line("exec", exec(one));
    }
    line("enforcement", status.enforcement.clone());
    let reload = match &status.last_reload {
        None => "never".to_owned(),
        Some(reload) => match &reload.error {
            None => reload.at.clone(),
            Some(_) => format!("{}, failed", reload.at),
        },
    };
    line("last reload", reload);
    for (index, one) in status.problems.iter().enumerate() {
        line(if index == 0 { "problems" } else { "" }, shown(one.as_bytes()).to_string());
    }
    text
}

fn interface(one: &InterfaceStatus) -> String {
    let direction = |name, how: &Option<String>| match how {
        Some(how) => format!("{name} by {how}"),
        None => format!("{name} not watched"),
    };
    let reason = one.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let how = match (&one.incoming, &one.outgoing) {
        (None, None) => "not watched".to_owned(),
        (incoming, outgoing) => {
            format!("{}, {}", direction("incoming", incoming), direction("outgoing", outgoing))
        }
    };
    format!("{}: {how}{reason}", one.name)
}

fn output(one: &Output) -> String {
    let mut text = format!(
        "{}: {} delivered, {} waiting, {} refused, {} lost, {} errors",
        one.name, one.delivered, one.waiting, one.refused, one.lost, one.errors
    );
    match one.can_deliver {
        Some(true) => text.push_str("; can deliver"),
        Some(false) => text.push_str("; cannot deliver"),
        None => {}
    }
    if let Some(at) = &one.last_success {
        text.push_str(&format!("; last success {at}"));
    }
    if let Some(error) = &one.last_error {
        // The reason may repeat what the destination said.
        text.push_str(&format!("; last error {} ({})", error.at, shown(error.reason.as_bytes())));
    }
    text
}

fn exec(one: &ExecStatus) -> String {
    format!(
        "{} {}: {} runs succeeded, {} failed, {} timed out, {} not started, {} incidents left out",
        one.program, one.identity, one.succeeded, one.failed, one.timed_out, one.not_started, one.left_out
    )
}

/// ` (2 critical, 1 low)`, or nothing if there are none.
fn severities(counts: &BySeverity) -> String {
    let named = [
        (counts.critical, "critical"),
        (counts.high, "high"),
        (counts.medium, "medium"),
        (counts.low, "low"),
    ];
    let named: Vec<_> =
        named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// The two largest units of a time: `3 d 4 h`.
pub(crate) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || (unit == 1 && parts.is_empty()) {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

/// Bytes in the largest unit that gives at least one.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        1_048_576.. => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Failure, Incidents};

    #[test]
    fn names_problems_and_escapes_what_a_destination_said() {
        let siem = Output {
            name: "siem".into(),
            waiting: 7,
            errors: 3,
            last_success: Some("S".into()),
            last_error: Some(Failure { at: "T".into(), reason: "\x1b[2Jno".into() }),
            ..Output::default()
        };
        let status = Status {
            outputs: vec![siem],
            problems: vec!["the output siem fails".into(), "second".into()],
            incidents: Incidents { open: BySeverity::of([1, 0, 0, 2]), ..Incidents::default() },
            ..Status::default()
        };
        let text = of(&status);
        assert!(text.contains("incidents    3 open (2 critical, 1 low); since the start 0 opened"), "{text}");
        let line = "outputs      siem: 0 delivered, 7 waiting, 0 refused, 0 lost, 3 errors; last success S; last error T (";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains('\x1b') && text.contains("[2Jno"), "{text}");
        assert!(text.ends_with("problems     the output siem fails\n             second\n"), "{text}");
    }

    #[test]
    fn program_is_shown_where_one_is_configured() {
        let exec = ExecStatus {
            program: "/bin/isolate".into(),
            identity: "as isolate".into(),
            succeeded: 4,
            failed: 3,
            timed_out: 2,
            not_started: 1,
            left_out: 9,
            last_error: None,
        };
        let text = of(&Status { exec: Some(exec), ..Status::default() });
        let line = "exec         /bin/isolate as isolate: 4 runs succeeded, 3 failed, 2 timed out, 1 not started, \
                    9 incidents left out\n";
        assert!(text.contains(line), "{text}");
        assert!(!of(&Status::default()).contains("exec "));
    }

    #[test]
    fn times_and_sizes_have_two_units_and_one() {
        assert_eq!([0, 61, 90_000].map(span), ["0 s", "1 min 1 s", "1 d 1 h"]);
        assert_eq!([1_023, 1_024, 5 << 20].map(size), ["1023 B", "1 KiB", "5 MiB"]);
    }
}
