//! Resources of the idle agent.

use std::{path::Path, thread, time::Instant};

use anyhow::Result;

use crate::{
    agent::Agent,
    effort::Effort,
    row::{Row, Target, Unit},
    samples::{REPETITIONS, Samples},
    stand::{RECEIVER, Stand},
};

const GROUP: &str = "idle agent";

/// Measures the group.
pub(crate) fn measure(effort: &Effort, program: &Path) -> Result<Vec<Row>> {
    let stand = Stand::new()?;
    let agent = Agent::start(program, &stand.receiver, RECEIVER)?;
    // The first sweep does the remaining work of the start.
    thread::sleep(effort.idle / 5);
    let [mut percent, mut sleeps, mut own, mut all] = [(); 4].map(|()| Vec::new());
    for _ in 0..REPETITIONS {
        let (start, before) = (Instant::now(), agent.usage()?);
        thread::sleep(effort.idle);
        let (seconds, after) = (start.elapsed().as_secs_f64(), agent.usage()?);
        percent.push((after.seconds - before.seconds) / seconds * 100.0);
        sleeps.push((after.sleeps - before.sleeps) as f64 / seconds);
        let resident = agent.resident()?;
        all.push(resident.0);
        own.push(resident.1);
    }
    let row = |what, unit, values| Row::new(GROUP, what, unit, Samples::new(values));
    Ok(vec![
        row("processor time", Unit::PercentOfCore, percent).target(Target::AtMost(0.2)),
        row("wake-ups", Unit::PerSecond, sleeps).target(Target::AtMost(5.0)),
        row("resident memory, kernel maps left out", Unit::Megabytes, own).target(Target::AtMost(40.0)),
        row("resident memory, all", Unit::Megabytes, all),
    ])
}
