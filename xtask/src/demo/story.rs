//! The story of the demo.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use sensor_lab::{
    Namespace, Process, Signal, Smbclient, Smbd, Topology, address, missing, poll, scratch_dir,
};
use serde_json::Value;

use super::{screen, verdict};
use crate::steps::{Step, Steps};

/// Time for the sensor to start, to report and to end.
const PATIENCE: Duration = Duration::from_secs(15);

const SCENE: &str = "
  client 10.0.0.2 ──── lan0 ┐
                            ├ gateway with the sensor ──── Internet host 8.8.4.4
  server 10.0.1.2 ──── lan1 ┘
";

/// Flags of the agent. A gateway has no process to name, and nothing outside the namespaces may be touched, cgroups included. A
/// short story has no day for learning which destinations are usual.
const FLAGS: [&str; 9] =
    ["run", "--iface", "lan0", "--iface", "lan1", "--attribution", "off", "--learning-hours", "0"];

/// What the demo produced.
pub(super) struct Outcome {
    /// The documents that the sensor wrote, in order.
    pub(super) documents: Vec<Value>,
    /// The list of incidents and the worst of them, as the commands print them.
    pub(super) screen: String,
}

/// Plays the story.
pub(super) fn play(agent: &Path, steps: &Steps) -> Result<Outcome> {
    if let Some(reason) = missing() {
        bail!("the demo cannot run here: {reason}");
    }
    let border = steps.run("Make four network namespaces and connect them", |_| {
        Topology::builder().lan_server().build().context("building the namespaces")
    })?;
    println!("{SCENE}");
    let internal = border.lan_server()?;
    let _servers = steps.run("Start SMB servers at 8.8.4.4 and 10.0.1.2", |_| {
        Ok([Smbd::start(border.server())?, Smbd::start(internal)?])
    })?;

    let state = scratch_dir()?;
    let mut sensor = steps.run("Start the sensor on the gateway", |step| {
        let mut command = border.gateway().command(agent);
        command.args(FLAGS).arg("--state-dir").arg(state.path());
        start(command, step)
    })?;

    session(
        steps,
        "Outbound: the client logs on at the Internet host and fetches a file",
        border.client(),
        address::SERVER_V4,
    )?;
    session(
        steps,
        "Inbound: the Internet host logs on at the server and fetches a file",
        border.server(),
        address::LAN_SERVER_V4,
    )?;
    session(
        steps,
        "Internal: the client logs on at the server and fetches a file",
        border.client(),
        address::LAN_SERVER_V4,
    )?;

    let documents = steps.run("Collect what the sensor reported", |step| finish(&mut sensor, step))?;
    let screen = screen::capture(agent, state.path(), verdict::worst(&documents).as_deref())?;
    Ok(Outcome { documents, screen })
}

/// Starts the sensor and waits until it is ready.
fn start(command: std::process::Command, step: &Step<'_>) -> Result<Process> {
    let sensor = Process::spawn(command)?;
    if sensor.wait_for_line(PATIENCE, |line| line.contains("ready:")).is_err() {
        bail!("the sensor did not start:\n{}", sensor.stderr_lines().join("\n"));
    }
    sensor.stderr_lines().iter().try_for_each(|line| step.log(line))?;
    Ok(sensor)
}

/// Waits until the sensor has reported everything, ends it and returns its documents.
fn finish(sensor: &mut Process, step: &Step<'_>) -> Result<Vec<Value>> {
    // Documents that are missing at the deadline are the verdict's business.
    let _ = poll(PATIENCE, || verdict::is_complete(&documents(sensor).ok()?).then_some(()));
    sensor.signal(Signal::SIGINT)?;
    let status = sensor.wait(PATIENCE)?;
    ensure!(status.success(), "the sensor failed:\n{}", sensor.stderr_lines().join("\n"));
    let documents = documents(sensor)?;
    sensor.stderr_lines().iter().try_for_each(|line| step.log(line))?;
    sensor.stdout_lines().iter().try_for_each(|line| step.log(line))?;
    Ok(documents)
}

fn documents(sensor: &Process) -> Result<Vec<Value>> {
    let parse = |line: &String| {
        serde_json::from_str(line).with_context(|| format!("the sensor wrote no JSON: {line}"))
    };
    sensor.stdout_lines().iter().map(parse).collect()
}

fn session(steps: &Steps, name: &str, from: &Namespace, to: Ipv4Addr) -> Result<()> {
    steps.run(name, |step| {
        let outcome = Smbclient::new(from, to).get("hello.txt")?;
        step.log(&outcome.output)?;
        ensure!(outcome.success(), "smbclient failed:\n{}", outcome.output);
        Ok(())
    })
}
