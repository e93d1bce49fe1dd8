//! Scans: of one host by nmap's scripts, and of many addresses.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_common::slot::tcp;
use sensor_lab::{Answer, Smbd, Sweep, Swept, TcpListener};

use super::super::expected::Direction::{Inbound, Outbound};
use super::super::expected::Expected;
use super::super::incident::Severity::{Critical, High, Medium};
use super::super::stage::Stage;
use super::super::wire::Tape;
use super::{Ends, Scenario, captured, live};

const SCRIPTS: [&str; 5] =
    ["smb-protocols", "smb2-security-mode", "smb2-capabilities", "smb-os-discovery", "smb-enum-shares"];
/// The answers of the three hundred addresses.
const ANSWERS: Swept = Swept { open: 10, closed: 246, filtered: 44 };
/// A silent address is tried three times.
const SWEPT: std::ops::RangeInclusive<u64> = 300..=700;

pub(super) fn scenarios() -> Vec<Scenario> {
    let scripts = |direction, severity| {
        Expected::new(direction, severity, &["smb", "credential", "session", "share", "data"])
            .never(&["T1048", "T1133", "T1105"])
            .connections(2..=80)
            // At most one in two seconds: the scripts take a minute on a slow machine.
            .updates(0..=30)
    };
    let swept = |direction, severity, evidence| {
        Expected::new(direction, severity, evidence)
            .many_servers()
            .findings(&["smb-sweep"])
            .techniques(&["T1046"])
            .never(&["T1048", "T1190", "T1133", "T1187"])
            .message(&["300", "10 answered"])
            .connections(SWEPT)
            .updates(0..=8)
    };
    let slow = || {
        Expected::new(Outbound, High, &["attempt"])
            .many_servers()
            .findings(&["smb-sweep"])
            .techniques(&["T1046"])
            .never(&["T1048", "T1190", "T1187"])
            .message(&["25"])
            .connections(25..=25)
            .updates(0..=10)
    };
    vec![
        live(
            "nmap-scripts-outwards",
            "An internal host runs nmap's SMB scripts against a server on the Internet",
            Outbound,
            scripts_of_nmap,
            // One of them answers a challenge with NTLMv1, as a guest.
            scripts(Outbound, Critical)
                .findings(&["ntlm-credential-to-internet"])
                .techniques(&["T1187", "T1135"]),
        ),
        live(
            "nmap-scripts-inwards",
            "A host on the Internet runs nmap's SMB scripts against an internal server",
            Inbound,
            scripts_of_nmap,
            scripts(Inbound, High)
                .findings(&["external-access-windows-networking", "share-discovery-over-smb"])
                .techniques(&["T1135"]),
        ),
        live(
            "half-open-sweep-outwards",
            "An internal host sends a SYN each to 300 addresses: 10 answer, 246 refuse, 44 are silent",
            Outbound,
            |stage| sweep(stage, Sweep::HalfOpen),
            swept(Outbound, High, &["answered"]),
        ),
        live(
            "half-open-sweep-inwards",
            "A host on the Internet sends a SYN each to 300 internal addresses, of which 10 answer",
            Inbound,
            |stage| sweep(stage, Sweep::HalfOpen),
            swept(Inbound, Medium, &["answered"]),
        ),
        live(
            "connect-sweep-outwards",
            "An internal host connects to 300 addresses, of which 10 accept",
            Outbound,
            |stage| sweep(stage, Sweep::Connect),
            swept(Outbound, High, &["connected"]),
        ),
        live(
            "connect-sweep-inwards",
            "A host on the Internet connects to 300 internal addresses, of which 10 accept",
            Inbound,
            |stage| sweep(stage, Sweep::Connect),
            swept(Inbound, Medium, &["connected"]),
        ),
        captured(
            "slow-sweep",
            "An internal host tries 25 silent addresses, one in five seconds",
            Outbound,
            |tape, ends| slow_sweep(tape, ends, Duration::from_secs(5)),
            Some(slow()),
        ),
        captured(
            "hourly-sweep",
            "An internal host tries 25 silent addresses, one in 65 minutes, so that the incident closes after each",
            Outbound,
            |tape, ends| slow_sweep(tape, ends, Duration::from_secs(65 * 60)),
            // It closes after the first address and after the one that makes it a sweep, and at the end.
            Some(slow().closed(0..=4)),
        ),
    ]
}

fn scripts_of_nmap(stage: &mut Stage<'_>) -> Result<()> {
    let server = stage.server()?;
    let _smbd = Smbd::start(server.namespace)?;
    let found = stage.nmap()?.scripts(server.address, &SCRIPTS)?;
    for word in ["311", "Message signing enabled", "Samba 4", "IPC$"] {
        ensure!(found.output.contains(word), "no {word:?} in: {}", found.output);
    }
    Ok(())
}

fn sweep(stage: &mut Stage<'_>, how: Sweep) -> Result<()> {
    let (sweeper, owner, targets) = stage.three_hundred()?;
    let first = targets[0].trim_end_matches("0/24").to_owned();
    let listen = |n: usize| {
        let address: std::net::IpAddr = format!("{first}{n}").parse()?;
        TcpListener::start(owner.namespace, (address, 445), Answer::Silence)
    };
    let _open = (0..ANSWERS.open).map(listen).collect::<Result<Vec<_>>>()?;
    let swept = sensor_lab::Nmap::new(sweeper.namespace).sweep(how, &[&targets[0], &targets[1]])?;
    ensure!(swept == ANSWERS, "{swept:?}");
    Ok(())
}

/// Tries one address in each interval.
fn slow_sweep(tape: &mut Tape, ends: Ends, interval: Duration) {
    for n in 0..25 {
        let started = interval * u32::from(n);
        let client = SocketAddrV4::new(ends.client, 40_000 + n);
        let server = SocketAddrV4::new(ends.other(n), 445);
        // A TCP stack sends its SYN again after one second, and after two more.
        for retry in [0, 1, 3] {
            tape.wait_until(started + Duration::from_secs(retry));
            tape.segment(client, server, tcp::SYN, (1_000 + u32::from(n), 0));
        }
    }
}
