//! From received frames to rows.

use anyhow::Result;

use super::{
    NFTABLES, NOTHING, PASS, SENSOR, SURICATA, TCPDUMP, TSHARK,
    account::Account,
    turns::{Receiver, Turns},
};
use crate::{
    feed::Sent,
    row::{Row, Target, Unit},
    samples::Samples,
};

const ORDINARY: &str = "live, TCP/443";
const FLOOD: &str = "live, flood of new flows to 445";

/// Each receiver of ordinary traffic.
pub(super) fn ordinary(
    receivers: &[(&'static str, Receiver<'_>)],
    turns: &Turns,
    clock: &str,
) -> Result<Vec<Row>> {
    let mut rows = each(ORDINARY, receivers, turns)?;
    rows.push(
        Row::new(ORDINARY, SENSOR, Unit::MillionsPerSecond, turns.rates(SENSOR)?.clone())
            .against(PASS, turns.rates(PASS)?)
            .target(Target::AtLeast(0.98))
            .note(format!("live rates are by {clock}")),
    );
    Ok(rows)
}

/// Each receiver of the flood.
pub(super) fn flood(
    receivers: &[(&'static str, Receiver<'_>)],
    turns: &Turns,
    account: &Account,
) -> Result<Vec<Row>> {
    let mut rows = each(FLOOD, receivers, turns)?;
    let own = || {
        let rates = turns.rates(SENSOR)?.clone();
        Ok::<_, anyhow::Error>(Row::new(FLOOD, SENSOR, Unit::MillionsPerSecond, rates))
    };
    rows.push(
        own()?
            .against(NOTHING, turns.rates(NOTHING)?)
            .target(Target::AtLeast(0.80))
            .note(format!("{FLOOD}: {account}")),
    );
    let by_rule = match turns.rates(NFTABLES) {
        Ok(rates) => {
            // The upper bound: a program that does nothing.
            let most = Row::new(FLOOD, PASS, Unit::MillionsPerSecond, turns.rates(PASS)?.clone());
            rows.push(most.against(NFTABLES, rates));
            own()?.against(NFTABLES, rates)
        }
        Err(_) => Row::not_measured(
            FLOOD,
            "the sensor by the nftables rule",
            Unit::MillionsPerSecond,
            reason(receivers, NFTABLES),
        ),
    };
    rows.push(by_rule.target(Target::AtLeast(1.5)));
    Ok(rows)
}

/// The sensor's packets in a sustained flood, relative to those of a peer in user space, both by elapsed
/// time.
pub(super) fn peer(name: &'static str, got: Result<(Sent, u64)>, own: Sent) -> Row {
    let what = match name {
        TCPDUMP => "sustained: the sensor by what tcpdump -w wrote",
        TSHARK => "sustained: the sensor by what tshark printed",
        _ => "sustained: the sensor by what Suricata inspected",
    };
    let rate = |packets: u64, sent: Sent| Samples::new(vec![packets as f64 / sent.wall.as_secs_f64() / 1e6]);
    let row = match got {
        Err(error) => Row::not_measured(FLOOD, what, Unit::MillionsPerSecond, format!("{error:#}")),
        Ok((_, 0)) => {
            Row::not_measured(FLOOD, what, Unit::MillionsPerSecond, format!("{name} got no packet"))
        }
        Ok((sent, packets)) => {
            let share = 100.0 * packets as f64 / sent.received as f64;
            Row::new(FLOOD, what, Unit::MillionsPerSecond, rate(own.received, own))
                .against(name, &rate(packets, sent))
                .note(format!("{name} got {share:.1} % of it"))
        }
    };
    if name == SURICATA { row.target(Target::AtLeast(6.0)) } else { row }
}

/// A row without a target for each receiver but the sensor.
fn each(group: &'static str, receivers: &[(&'static str, Receiver<'_>)], turns: &Turns) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, stand) in receivers {
        if *name == SENSOR || (*name == SURICATA && stand.is_err()) {
            continue;
        }
        let row = match stand {
            Err(why) => Row::not_measured(group, *name, Unit::MillionsPerSecond, why.clone()),
            Ok(_) => {
                let row = Row::new(group, *name, Unit::MillionsPerSecond, turns.rates(name)?.clone());
                if *name == NOTHING { row } else { row.against(NOTHING, turns.rates(NOTHING)?) }
            }
        };
        let refused = turns.refused(name);
        rows.push(if refused > 0 && row.samples.is_ok() {
            row.note(format!("{group}: {refused} frames found no room at the interface"))
        } else {
            row
        });
    }
    Ok(rows)
}

fn reason(receivers: &[(&'static str, Receiver<'_>)], name: &str) -> String {
    receivers
        .iter()
        .find_map(|(receiver, stand)| stand.as_ref().err().filter(|_| *receiver == name).cloned())
        .unwrap_or_default()
}
