//! What happens in the demonstration.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use sensor_lab::{
    Namespace, Process, Signal, Smbclient, Smbd, Topology, address, missing, poll, scratch_dir,
};
use serde_json::Value;

/// Time for the sensor to become ready, to tell and to end.
const PATIENCE: Duration = Duration::from_secs(15);

const SCENE: &str = "  client 10.0.0.2 ──── lan0 ┐
                            ├ gateway with the sensor ──── Internet host 8.8.4.4
  server 10.0.1.2 ──── lan1 ┘";

/// Plays the story and gives the documents that the sensor wrote, in order.
pub(super) fn play(agent: &Path) -> Result<Vec<Value>> {
    if let Some(reason) = missing() {
        bail!("the demo cannot run here: {reason}");
    }
    println!(
        "\nFour network namespaces, joined by veth pairs; nothing outside them is touched:\n\n{SCENE}\n"
    );
    let border = Topology::builder().lan_server().build().context("cannot build the namespaces")?;
    let internal = border.lan_server()?;
    let _internet_smbd = Smbd::start(border.server())?;
    let _internal_smbd = Smbd::start(internal)?;

    let state = scratch_dir()?;
    let mut command = border.gateway().command(agent);
    // A gateway has no process to name, and nothing outside the namespaces is to be touched: neither are cgroups.
    // A story has no day to learn in which destinations are usual.
    command.args([
        "run",
        "--iface",
        "lan0",
        "--iface",
        "lan1",
        "--attribution",
        "off",
        "--learning-hours",
        "0",
    ]);
    command.arg("--state-dir").arg(state.path());
    println!("$ smb-sensor run --iface lan0 --iface lan1 --attribution off --learning-hours 0");
    let mut sensor = Process::spawn(command)?;
    if sensor.wait_for_line(PATIENCE, |line| line.contains("ready:")).is_err() {
        bail!("the sensor did not start:\n{}", sensor.stderr_lines().join("\n"));
    }
    for line in sensor.stderr_lines() {
        println!("{line}");
    }

    println!("\nReal SMB sessions (smbclient to smbd), each of which logs on and fetches a file:");
    session("client → Internet host   (outbound)", border.client(), address::SERVER_V4)?;
    session("Internet host → server   (inbound) ", border.server(), address::LAN_SERVER_V4)?;
    session("client → server          (internal)", border.client(), address::LAN_SERVER_V4)?;

    // An ended conversation is closed a moment later, when no late packet is to be expected.
    let closed = |line: &String| line.contains("\"status\":\"closed\"");
    let _ = poll(PATIENCE, || {
        (sensor.stdout_lines().iter().filter(|line| closed(line)).count() >= 4).then_some(())
    });
    sensor.signal(Signal::SIGINT)?;
    let status = sensor.wait(PATIENCE)?;
    ensure!(status.success(), "the sensor failed:\n{}", sensor.stderr_lines().join("\n"));
    if let Some(line) = sensor.stderr_lines().iter().rfind(|line| line.contains("statistics:")) {
        println!("\n{line}");
    }
    sensor
        .stdout_lines()
        .iter()
        .map(|line| serde_json::from_str(line).with_context(|| format!("the sensor wrote no JSON: {line}")))
        .collect()
}

fn session(what: &str, from: &Namespace, to: std::net::Ipv4Addr) -> Result<()> {
    let outcome = Smbclient::new(from, to).get("hello.txt")?;
    ensure!(outcome.success(), "smbclient failed in {what}:\n{}", outcome.output);
    println!("  {what}  done");
    Ok(())
}
