//! The benchmark of smb-sensor: the cost of a packet, a record, an alert and an idle minute, compared with empty programs
//! and with other programs that do part of the same work, in turns in one run.
//!
//! Gives a table, JSON and a chart. Fails when a measurement fails, not when a target is missed. All traffic stays in
//! namespaces of its own.
#![expect(clippy::print_stdout, reason = "a benchmark reports to the person who runs it")]

mod agent;
mod baseline;
mod chart;
mod effort;
mod feed;
mod frames;
mod json;
mod machine;
mod peers;
mod processor;
mod programs;
mod row;
mod rows;
mod samples;
mod sensor;
mod stand;
mod table;
mod test_run;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use serde_json::json;

use crate::{effort::Effort, row::Row};

/// Measure smb-sensor against baselines and peers.
#[derive(Parser)]
struct Arguments {
    /// The agent to measure, a release build
    #[arg(long, value_name = "FILE")]
    agent: PathBuf,
    /// Fewer and shorter measurements
    #[arg(long)]
    quick: bool,
    /// A Suricata to hold the sensor against
    #[arg(long, value_name = "FILE")]
    suricata: Option<PathBuf>,
    /// Folder for the JSON file and the chart
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Only the groups whose name contains this; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A named group of measurements.
type Group<'a> = (&'static str, Box<dyn Fn() -> Result<Vec<Row>> + 'a>);

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(reason) = sensor_lab::missing_for(sensor_lab::Need::Network) {
        bail!("cannot measure here: {reason}");
    }
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let mut rows = Vec::new();
    for (name, measure) in groups(arguments, &effort) {
        let wanted =
            arguments.only.is_empty() || arguments.only.iter().any(|only| name.contains(only.as_str()));
        if !wanted {
            continue;
        }
        println!("measuring {name} …");
        rows.extend(measure().with_context(|| format!("measuring {name} failed"))?);
    }
    let machine = machine::describe()?;
    let sizes = programs::sizes()?;
    println!("\n{}\n{}", machine::line(&machine), table::render(&rows));
    for size in &sizes {
        println!("{}", size.line());
    }
    if let Some(folder) = &arguments.output {
        let result = json!({
            "machine": machine,
            "quick": arguments.quick,
            "programs": sizes.iter().map(programs::Size::json).collect::<Vec<_>>(),
            "rows": rows.iter().map(json::of).collect::<Vec<_>>(),
        });
        let title = format!("smb-sensor: {}", machine::line(&machine));
        write(&folder.join("results.json"), &format!("{result:#}\n"))?;
        write(&folder.join("results.svg"), &chart::draw(&rows, &title))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

fn groups<'a>(arguments: &'a Arguments, effort: &'a Effort) -> Vec<Group<'a>> {
    vec![
        ("xdp", Box::new(|| rows::xdp::measure(effort))),
        ("quic", Box::new(|| rows::quic::measure(effort))),
        ("tc", Box::new(|| rows::tc::measure(effort))),
        ("lookup", Box::new(|| rows::lookup::measure(effort))),
        ("live", Box::new(|| rows::live::measure(effort, arguments.suricata.as_deref()))),
        ("ring", Box::new(|| rows::ring::measure(effort))),
        ("core", Box::new(|| rows::core::measure(effort))),
        ("latency", Box::new(|| rows::latency::measure(effort, &arguments.agent))),
        ("commit", Box::new(|| rows::commit::measure(effort))),
        ("outputs", Box::new(|| rows::outputs::measure(effort))),
        ("page", Box::new(|| rows::page::measure(effort))),
        ("idle", Box::new(|| rows::idle::measure(effort, &arguments.agent))),
        ("replay", Box::new(|| rows::replay::measure(effort, &arguments.agent))),
    ]
}
