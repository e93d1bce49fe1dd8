//! Simulates a fleet on a bad day: many sensors that publish incidents and their health to a cluster of three NATS servers.
//!
//! The servers are real and run in a network namespace of their own. A simulated sensor is a connection that publishes as the
//! agent does: with identifiers, waiting for each acknowledgement, and again if there is none. Prints a table, and fails if a
//! document is lost or stored twice.
#![expect(clippy::print_stdout, reason = "a simulation reports to the person who runs it")]

mod claims;
mod latency;
mod sensor;
mod servers;
mod stream;

use std::{
    net::Ipv4Addr,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sensor_lab::{Namespace, NatsServer, Need, missing_for, scratch_dir};

use crate::{
    sensor::{PublishSettings, Published},
    servers::Load,
};

/// Simulate a fleet of sensors.
#[derive(Parser)]
struct Arguments {
    /// Sensors
    #[arg(long, default_value_t = 1_000)]
    sensors: usize,
    /// Incidents a second, of all sensors together
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Seconds for which they publish
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds between two reports of health
    #[arg(long, default_value_t = 30)]
    health: u64,
    /// Bytes of a document
    #[arg(long, default_value_t = 4_096)]
    bytes: usize,
}

/// Time for which all publish as fast as they can.
const FLOOD: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(reason) = missing_for(Need::Nats) {
        bail!("cannot simulate here: {reason}");
    }
    ensure!(arguments.sensors > 1 && arguments.rate > 0, "two sensors and one incident a second at least");
    // Each sensor has a connection, and so have the servers.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raise the limit of open files")?;
    let scratch = scratch_dir()?;
    let namespace = Namespace::new("fleet")?;
    let at = [1, 2, 3].map(|number| Ipv4Addr::new(127, 0, 0, number));
    let cluster = NatsServer::cluster(&at.map(|one| (&namespace, one)), &scratch.path().join("nats"))?;
    let addresses: Vec<String> = cluster.iter().map(|one| one.address().to_string()).collect();
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(simulate(arguments, &at, &addresses))
    })?
}

async fn simulate(arguments: &Arguments, at: &[Ipv4Addr], addresses: &[String]) -> Result<()> {
    eprintln!("connecting {} sensors …", arguments.sensors);
    let sensors = sensor::connect(arguments.sensors, addresses).await?;
    let stream = stream::make(&sensors[0].jetstream).await?;
    let idle = Load::now(at).await?;

    eprintln!("publishing for {} s …", arguments.seconds);
    let settings = PublishSettings {
        interval: Duration::from_secs_f64(arguments.sensors as f64 / arguments.rate as f64),
        health: Duration::from_secs(arguments.health),
        lasts: Duration::from_secs(arguments.seconds),
        bytes: arguments.bytes,
    };
    let began = Instant::now();
    let (published, load) =
        tokio::join!(sensor::publish(&sensors, &settings), Load::during(at, settings.lasts));
    let (published, load, took) = (published?, load?, began.elapsed());
    let contents = stream::contents(&stream, &published.ids).await?;
    let bytes = stream::bytes(&stream).await?;

    eprintln!("publishing as fast as possible for {} s …", FLOOD.as_secs());
    let began = Instant::now();
    let flood = sensor::flood(&sensors, FLOOD, arguments.bytes).await?;
    let flood_took = began.elapsed();
    let flooded = stream::contents(&stream, &flood.ids).await?;

    eprintln!("claiming destinations …");
    let claims = claims::measure(&sensors).await?;

    let row = |what: &str, value: String| println!("| {what} | {value} |");
    println!("| {} sensors, {} incidents a second in all | |\n|---|---|", arguments.sensors, arguments.rate);
    let count = published.ids.len();
    row("documents", format!("{count} of {} bytes in {} s", arguments.bytes, took.as_secs()));
    row("reports of health", published.health.to_string());
    row("published, both together", format!("{:.0} a second", published.all() as f64 / took.as_secs_f64()));
    row("from publishing to the acknowledgement", published.latency.to_string());
    row("sent twice, as after a lost acknowledgement", published.repeated.to_string());
    row("of these dropped by the stream", published.dropped.to_string());
    row("sent again because nothing was acknowledged", published.retried.to_string());
    row("in the stream twice, lost", format!("{}, {}", contents.twice, contents.lost));
    row("in the stream for a document", format!("{} bytes", bytes / contents.messages.max(1)));
    row("memory of the servers, idle", idle.memory());
    row("memory of the servers, at most", load.memory());
    row("processor time of the three servers", format!("{:.0} % of one core", load.processor));
    println!("| **as fast as they go, each with one document under way** | |");
    row("documents", format!("{:.0} a second", flood.ids.len() as f64 / flood_took.as_secs_f64()));
    row("from publishing to the acknowledgement", flood.latency.to_string());
    row("in the stream twice, lost", format!("{}, {}", flooded.twice, flooded.lost));
    println!("| **new destinations, each claimed by two sensors at once** | |");
    row("destinations", claims.destinations.to_string());
    row("with exactly one first", claims.decided.to_string());
    row("from the claim to the answer", claims.latency.to_string());

    let wrong = contents.twice + contents.lost + flooded.twice + flooded.lost;
    ensure!(wrong == 0, "{wrong} documents are lost or there twice");
    ensure!(claims.decided == claims.destinations, "a destination had no first sensor, or two");
    ensure!(published.dropped == published.repeated, "the stream kept what was sent twice");
    Ok(())
}

impl Published {
    fn all(&self) -> u64 {
        self.ids.len() as u64 + self.health
    }
}
