//! Several sensors that publish to one stream of NATS.

mod cluster;
mod crashes;
mod listing;
mod offline;
mod page;
mod partition;
mod same_path;
mod shared;
mod terms;

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result};
use sensor_lab::{Answer, End, Namespace, TcpListener, Topology, Veth, address, poll};
use sensor_tests::{Agent, AgentBuilder, SMB2_MESSAGE, connect, echo, text};
use serde_json::Value;

/// Time between two reports of health.
const HEALTH: Duration = Duration::from_secs(1);

/// An output to these servers, and standard output.
fn config(servers: &[Ipv4Addr], site: &str, health: Duration) -> String {
    let list: Vec<_> = servers.iter().map(|one| format!("\"nats://{one}:4222\"")).collect();
    format!(
        "[kernel]\nflow_idle = 10\n[[output]]\ntype = \"stdout\"\ntake = \"both\"\n\
         [[output]]\ntype = \"nats\"\ntake = \"both\"\nservers = [{}]\nsite = \"{site}\"\nsensor = \"gate\"\ntimeout = 2\n\
         health_interval = {}\ncreate_stream = true\nstream_replicas = {}\n",
        list.join(", "),
        health.as_secs(),
        servers.len(),
    )
}

/// A sensor on one of the gateway's two LANs.
fn sensor<'a>(border: &'a Topology, interface: &str, config: &str) -> AgentBuilder<'a> {
    Agent::on(border.gateway(), interface).config(config)
}

/// One connection of each of these hosts with the server.
fn converse(border: &Topology, hosts: &[&Namespace]) -> Result<()> {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo)?;
    for host in hosts {
        echo(&mut connect(host, server.address())?, &SMB2_MESSAGE)?;
    }
    Ok(())
}

/// Waits until this many connections have their summaries and the outputs of the sensor have all documents. At its end it has
/// little left to deliver then.
fn wait_for_summaries(sensor: &Agent, connections: usize) -> Result<()> {
    let is_summary = |one: &Value| text(one, "/event/action") == "network_flow";
    let count = || sensor.documents().iter().filter(|one| is_summary(one)).count();
    poll(cluster::SETTLED_WITHIN, || (count() >= connections).then_some(()))
        .with_context(|| format!("{} of {connections} summaries\n{}", count(), sensor.log()))?;
    sensor.wait_for_outputs()
}

/// Connects the namespace of a server with the gateway. Gives its address.
fn behind_gateway(border: &Topology, member: &Namespace, number: u8) -> Result<Ipv4Addr> {
    let near = format!("nats{number}");
    Veth::between(End::new(border.gateway(), &near), End::new(member, "eth0")).create()?;
    border.gateway().ip_batch(&format!("address add 10.9.{number}.1/24 dev {near}\nlink set {near} up"))?;
    member.ip_batch(&format!(
        "address add 10.9.{number}.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.9.{number}.1"
    ))?;
    Ok(Ipv4Addr::new(10, 9, number, 2))
}
