//! Enforcement: the SYN of a connection that a rule would alert on is counted, and dropped while enforcement is on.

mod border;
mod exempt;
mod switch;

use std::sync::Arc;

use sensor_common::{
    counter::Counter::{
        self, DroppedInbound, DroppedOutbound, Kept, Seen, WouldDropInbound, WouldDropOutbound,
    },
    path::Verdict,
    settings::MAX_LEASE,
    slot::{Hook, mark},
};
use sensor_tests::{Effect, Frame, HOOKS, Setup, Twin, flows};

use crate::expect::on;

/// More ticks than any test lasts, and the maximum.
pub(crate) const LONG: i32 = MAX_LEASE as i32;

/// The expected count of a frame, besides as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The rule `smb-to-internet` would alert on it.
    Outbound,
    /// The rule `external-access-windows-networking` would.
    Inbound,
    /// No rule would; it is kept.
    None,
    /// It is not kept, for this reason.
    Let(Counter),
    /// It is not watched.
    Foreign,
}

/// A name that states the behaviour, a frame, and the rule that it breaks.
pub(crate) type Row = (&'static str, Frame, Rule);

const COUNTED: [Counter; 4] = [WouldDropOutbound, DroppedOutbound, WouldDropInbound, DroppedInbound];

pub(crate) fn enforcement(effect: &Effect) -> [u64; 4] {
    COUNTED.map(|counter| effect.counted.get(counter))
}

/// Whether a frame for this rule has the expected outcome.
pub(crate) fn check(effect: &Effect, rule: Rule, in_force: bool) -> Result<(), String> {
    let dropped = u64::from(in_force);
    let counted = match rule {
        Rule::Outbound => [1, dropped, 0, 0],
        Rule::Inbound => [0, 0, 1, dropped],
        _ => [0; 4],
    };
    let verdict = match rule {
        Rule::Outbound | Rule::Inbound if in_force => Verdict::Dropped,
        Rule::Outbound | Rule::Inbound | Rule::None => Verdict::Kept,
        Rule::Let(counter) => Verdict::Passed(counter),
        Rule::Foreign => Verdict::Foreign,
    };
    let (seen, kept) = (effect.counted.get(Seen), effect.counted.get(Kept));
    let outcome = match rule {
        Rule::Let(counter) => seen == 1 && effect.counted.get(counter) == 1,
        Rule::Foreign => seen == 0,
        _ => seen == 1 && kept == 1,
    };
    let reported = flows(&effect.records).map_err(|error| error.to_string())?;
    let marked = reported.last().is_some_and(|(_, flow)| flow.marks & mark::DROPPED != 0);
    let as_dropped = marked == (verdict == Verdict::Dropped);
    if enforcement(effect) == counted && effect.verdict == verdict && outcome && as_dropped {
        return Ok(());
    }
    Err(format!(
        "{rule:?}, in force: {in_force}: {:?} with {:?}, {reported:?}",
        effect.verdict,
        effect.changes()
    ))
}

/// Gives each frame to both engines at every hook, each time as a new flow, with enforcement on and
/// off. At XDP, also to the program for kernels with linear frames. The twin checks that the kernel drops the same frames as
/// the host.
pub(crate) fn hold(test: &str, setup: &Setup, rows: impl IntoIterator<Item = Row>) {
    let rows: Arc<Vec<Row>> = Arc::new(rows.into_iter().collect());
    assert!(!rows.is_empty(), "no row at all");
    let in_one_piece = Setup { frags: false, ..setup.clone() };
    for (setup, hooks) in [(setup, &HOOKS[..]), (&in_one_piece, &[Hook::XdpIngress])] {
        let rows = Arc::clone(&rows);
        on(test, setup, move |twin| failures(twin, hooks, &rows));
    }
}

fn failures(twin: &mut Twin, hooks: &[Hook], rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    for in_force in [false, true] {
        if in_force {
            twin.enforce_for(LONG).unwrap();
        }
        for (name, frame, rule) in rows {
            for hook in hooks {
                begin_anew(twin, *hook);
                let held = match twin.run(*hook, &frame.build()) {
                    Ok(effect) => check(&effect, *rule, in_force),
                    Err(error) => Err(format!("{error:#}")),
                };
                if let Err(how) = held {
                    wrong.push(format!("{name} at {hook:?}: {how}"));
                }
            }
        }
    }
    twin.end_enforcement().unwrap();
    wrong
}

/// Lets a bystander take the only slot: a datagram, which is never dropped.
pub(crate) fn begin_anew(twin: &mut Twin, hook: Hook) {
    twin.run(hook, &Frame::udp("10.255.255.254:9", "9.9.9.9:137").build()).unwrap();
}
