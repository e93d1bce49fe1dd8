//! `smb-sensor fleet`: all sensors that publish to one stream of NATS, and their incidents.

mod arguments;
mod campaign;
mod document;
mod exempt;
mod gathered;
mod read;
mod report;
mod text;
mod watched;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use sensor_core::time::Timestamp;

pub use self::arguments::{EXAMPLES, FleetArgs};
use self::{
    arguments::{FleetCommand, ServerArgs},
    read::StreamReader,
};
pub(crate) use self::{
    campaign::Campaign,
    report::{Report, SensorReport, State},
    text::span,
    watched::Fleets,
};
use crate::{
    config::{Config, Overrides},
    sinks::{Destination, NatsOptions},
    stdout, wall_clock,
};

/// Most incidents that the command remembers.
const MAX_INCIDENTS: usize = 200_000;

/// Runs the command.
///
/// # Errors
/// If the configuration names no server, or the stream cannot be read.
pub fn run(args: &FleetArgs) -> Result<ExitCode> {
    if let Some(FleetCommand::Exempt { what }) = &args.what {
        return exempt::run(what);
    }
    let server = args.server.as_ref().context("name a configuration with --config")?;
    let config = load(server)?;
    let options = output(&config, server)?;
    let now = wall_clock::now();
    let since = args.since.unwrap_or(now - arguments::DEFAULT_SINCE);
    let report = read(options, since, now)?;
    stdout::write(|out| {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)
        } else {
            write!(out, "{}", text::text(&report))
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the health of all sensors, and their incidents since a time.
fn read(options: &NatsOptions, since: Timestamp, now: Timestamp) -> Result<Report> {
    let mut reader = StreamReader::new(usize::MAX, MAX_INCIDENTS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(reader.read(options, since, None))?;
    Ok(Report::of(&reader.reports, &reader.happened, since, now))
}

fn load(server: &ServerArgs) -> Result<Config> {
    Ok(Config::load(Some(&server.config), &Overrides::default())?)
}

/// The output that names the server.
fn output<'a>(config: &'a Config, args: &ServerArgs) -> Result<&'a NatsOptions> {
    let is_wanted = |name: &str| args.output.as_deref().is_none_or(|wanted| wanted == name);
    let mut all = config.outputs.iter().filter_map(|one| match &one.destination {
        Destination::Nats(options) if is_wanted(&one.name) => Some(options),
        _ => None,
    });
    let first = all
        .next()
        .with_context(|| format!("{} has no such output with `type = \"nats\"`", args.config.display()))?;
    if all.next().is_some() {
        bail!(
            "{} has several outputs with `type = \"nats\"`: choose one with --output",
            args.config.display()
        );
    }
    Ok(first)
}
