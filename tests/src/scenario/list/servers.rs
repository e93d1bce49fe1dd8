//! Exposed servers, servers of other protocols, remote execution, and a flood before a log-on.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{ImpacketServer, Need, RawSocket, Smbd, TASK_OUTPUT, USER, WebServer, poll};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::super::expectation::{Expectation, RangeOfCounts};
use super::super::expected::Direction::{Inbound, Outbound};
use super::super::expected::Expected;
use super::super::incident::Severity::{Critical, Low, Medium};
use super::super::stage::Stage;
use super::super::wire::{Connection, Tape, completed};
use super::{Ends, Play, Scenario, captured, done, live};
use crate::document::{number, text};
use crate::{Frame, PATIENCE};

/// SYNs of the flood, each from an address of its own.
const FLOOD: u16 = 2_000;
/// Time until the quota is used up: attempts have some seconds to be answered.
const QUOTA_WITHIN: Duration = Duration::from_secs(60);
/// Time in which a log-on must be reported, whatever came before, by the clock of the document.
const REPORTED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn scenarios() -> Vec<Scenario> {
    let not_smb = |word| {
        Expected::new(Outbound, Low, &["connected"])
            .never(&["T1048", "T1187", "T1190", "T1105"])
            .message(word)
    };
    vec![
        live(
            "http-on-445",
            "An internal host fetches a page from a web server on TCP 445",
            Outbound,
            |stage| web(stage, false),
            not_smb(&["HTTP"]),
        ),
        live(
            "tls-on-445",
            "An internal host speaks TLS with a server on TCP 445",
            Outbound,
            |stage| web(stage, true),
            not_smb(&["TLS"]),
        ),
        captured(
            "exposed-service",
            "A host on the Internet connects to TCP 445 of an internal host and says nothing",
            Inbound,
            silent,
            Some(
                Expected::new(Inbound, Medium, &["connected"])
                    .findings(&["windows-networking-exposed"])
                    .never(&["T1048", "T1190", "T1133"]),
            ),
        ),
        live(
            "remote-execution",
            "A host on the Internet logs on to an internal server and asks it to create a service",
            Inbound,
            remote_execution,
            executed(&["share"])
                .techniques(&["T1569.002", "T1021.002", "T1133", "T1078"])
                .never(&["T1048", "T1053.005", "T1112", "T1190"])
                .message(&["svcctl ROpenSCManagerW and RCreateServiceW"]),
        ),
        live(
            "remote-registry",
            "A host on the Internet logs on to an internal server and writes to its registry",
            Inbound,
            remote_registry,
            executed(&["share"])
                .techniques(&["T1112", "T1021.002", "T1133", "T1078"])
                .never(&["T1048", "T1053.005", "T1569.002", "T1190"])
                .message(&[
                    "winreg OpenLocalMachine",
                    "BaseRegCreateKey",
                    "BaseRegSetValue",
                    "BaseRegSaveKey",
                ]),
        ),
        live(
            "remote-registry-by-samba",
            "A host on the Internet creates a key in the registry of an internal server with Samba's net",
            Inbound,
            remote_registry_by_samba,
            executed(&["share"])
                .techniques(&["T1112", "T1021.002", "T1133", "T1078"])
                .never(&["T1048", "T1053.005", "T1569.002", "T1190"])
                .message(&["winreg OpenLocalMachine", "BaseRegCreateKey"]),
        ),
        live(
            "remote-task",
            "A host on the Internet runs impacket's atexec against an internal server",
            Inbound,
            remote_task,
            executed(&["data"])
                .shares(&["IPC$", "ADMIN$"])
                .techniques(&["T1053.005", "T1021.002", "T1133", "T1078"])
                .never(&["T1112", "T1569.002", "T1190"])
                .message(&["ITaskSchedulerService SchRpcRegisterTask", "SchRpcRun"]),
        ),
        live(
            "remote-job",
            "A host on the Internet logs on to an internal server and adds a job of the old task scheduler",
            Inbound,
            remote_job,
            executed(&["share"])
                .techniques(&["T1053.005", "T1021.002", "T1133", "T1078"])
                .never(&["T1048", "T1112", "T1569.002", "T1190"])
                .message(&["atsvc NetrJobAdd"]),
        ),
        flood(),
    ]
}

/// The incident of a stranger who logged on to an internal server and executed something on it.
fn executed(evidence: &'static [&'static str]) -> Expected {
    Expected::new(Inbound, Critical, evidence)
        .findings(&["remote-execution-over-smb", "external-logon-accepted"])
        .credentials(&[USER])
        .accepted(&[USER])
}

fn web(stage: &mut Stage<'_>, tls: bool) -> Result<()> {
    let server = stage.server()?;
    let web = WebServer::start(server.namespace, 445, tls)?;
    done(&web.fetch(stage.client()?.namespace, server.address, 445)?)
}

/// Whether the server creates the service does not matter: it was called.
fn remote_execution(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let outcome = stage.impacket()?.run(&["service"])?;
    done(&outcome)?;
    let answered =
        ["service created", "service refused"].iter().any(|answer| outcome.output.contains(answer));
    ensure!(answered, "no answer: {}", outcome.output);
    Ok(())
}

fn remote_registry(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::builder().administrator().start(stage.server()?.namespace)?;
    let outcome = stage.impacket()?.run(&["registry"])?;
    done(&outcome)?;
    // Samba copies the registry into its shares alone.
    for answer in ["registry accepted key", "registry accepted value", "registry refused copy"] {
        ensure!(outcome.output.contains(answer), "no {answer}: {}", outcome.output);
    }
    Ok(())
}

fn remote_registry_by_samba(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::builder().administrator().start(stage.server()?.namespace)?;
    done(&stage.samba_net()?.create_registry_key(r"HKLM\SOFTWARE\lab")?)
}

fn remote_task(stage: &mut Stage<'_>) -> Result<()> {
    let _server = ImpacketServer::with_task_scheduler(stage.server()?.namespace)?;
    let outcome = stage.atexec()?.run("whoami")?;
    ensure!(outcome.output.contains(TASK_OUTPUT), "no output of a task: {}", outcome.output);
    Ok(())
}

fn remote_job(stage: &mut Stage<'_>) -> Result<()> {
    let _server = ImpacketServer::with_task_scheduler(stage.server()?.namespace)?;
    let outcome = stage.impacket()?.run(&["job"])?;
    done(&outcome)?;
    ensure!(outcome.output.contains("job 1"), "no answer: {}", outcome.output);
    Ok(())
}

fn silent(tape: &mut Tape, ends: Ends) {
    let client = SocketAddrV4::new(ends.client, 50_000);
    let connection = Connection::open(tape, client, SocketAddrV4::new(ends.server, 445));
    tape.wait(Duration::from_secs(10));
    connection.close(tape);
}

fn flood() -> Scenario {
    let log_on = Expected::new(Inbound, Critical, &["share"])
        .techniques(&["T1133", "T1078"])
        .findings(&["external-logon-accepted"])
        .never(&["T1048", "T1190"])
        .credentials(&[USER]);
    Scenario {
        name: "flood-then-log-on",
        about: "SYNs from 2,000 forged addresses to a silent internal host use up the quota, then a log-on elsewhere is accepted",
        direction: Inbound,
        needs: Need::Attackers,
        play: Play::Live(flood_then_log_on),
        expected: Expectation {
            incidents: vec![log_on],
            // The quota of each rule, of which an attempt may break two.
            beside: RangeOfCounts(1, 220),
            summaries: RangeOfCounts(1, 10),
        },
    }
}

fn flood_then_log_on(stage: &mut Stage<'_>) -> Result<()> {
    let (client, server) = (stage.client()?, stage.server()?);
    let _smbd = Smbd::start(server.namespace)?;
    let silent = stage.silent_address()?;
    let socket = RawSocket::open(client.namespace, "eth0")?;
    let macs = stage.to_router()?.concat();
    for n in 0..FLOOD {
        let [high, low] = n.to_be_bytes();
        let net = if stage.is_internal() { [10, 77] } else { [9, 1] };
        let from = SocketAddrV4::new(Ipv4Addr::new(net[0], net[1], high, low), 40_000 + n);
        let syn =
            Frame::between(sensor_common::slot::TCP, from.into(), SocketAddrV4::new(silent, 445).into());
        let mut frame = completed(&syn, 0);
        frame[..12].copy_from_slice(&macs);
        // A full queue of the interface refuses for a moment.
        poll(PATIENCE, || socket.send(&frame).ok()).with_context(|| format!("SYN {n} was not sent"))?;
    }
    let is_summary = |document: &Value| text(document, "/event/action") == "incident-summary";
    stage.wait_for(QUOTA_WITHIN, is_summary).context("the flood did not use up the quota")?;
    done(&stage.smbclient()?.run("exit")?)?;
    let is_of_log_on = |document: &Value| {
        number(document, "/event/severity") == 99
            && text(document, "/source/ip") == client.address.to_string()
            && reported_after(document).is_some_and(|after| after <= REPORTED_WITHIN)
    };
    stage.wait_for(PATIENCE, is_of_log_on).context("after a flood the log-on was not reported in time")
}

/// The time from the packet that accepted the first log-on to the document about it.
fn reported_after(document: &Value) -> Option<time::Duration> {
    let moment = |at: &str| OffsetDateTime::parse(at, &Rfc3339).ok();
    let timeline = document.pointer("/smb_sensor/timeline")?.as_array()?;
    let accepted = timeline.iter().find(|step| {
        let what = text(step, "/what");
        what.starts_with("log-on") && what.ends_with(" accepted")
    })?;
    Some(moment(text(document, "/event/created"))? - moment(text(accepted, "/at"))?)
}
