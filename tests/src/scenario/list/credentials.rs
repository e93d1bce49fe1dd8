//! Credentials: sent away, relayed, guessed.

use std::time::Duration;

use anyhow::{Result, ensure};
use sensor_lab::{Hydra, Need, NtlmRelay, PASSWORD, Smbd, USER};

use super::super::expectation::Expectation;
use super::super::expected::Direction::{Inbound, Outbound};
use super::super::expected::Expected;
use super::super::incident::Severity::{Critical, High};
use super::super::stage::Stage;
use super::super::wire::{Connection, Tape};
use super::written::{Session, client, server};
use super::{Ends, Play, Scenario, captured, done, live, refused};

const LEAK: [&str; 3] = ["ntlm-credential-to-internet", "smb-to-internet", "rare-smb-destination"];
const GUESSES: usize = 100;
const USERS: usize = 40;
const RELAYED_WITHIN: Duration = Duration::from_secs(20);

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        live(
            "leak-refused",
            "An internal host gives an NTLM response to a server, which refuses it",
            Outbound,
            leak_refused,
            Expected::new(Outbound, High, &["credential"])
                .findings(&LEAK)
                .techniques(&["T1187"])
                .never(&["T1048", "T1105", "T1190", "T1133"])
                .credentials(&[USER]),
        ),
        live(
            "leak-accepted",
            "An internal host gives an NTLM response to a server, which accepts it",
            Outbound,
            leak_accepted,
            Expected::new(Outbound, Critical, &["share"])
                .findings(&LEAK)
                .techniques(&["T1187"])
                .never(&["T1048", "T1105", "T1190", "T1133"])
                .credentials(&[USER]),
        ),
        live(
            "leak-three-times",
            "The same leak, tried three times",
            Outbound,
            |stage| {
                let _smbd = Smbd::start(stage.server()?.namespace)?;
                (0..3).try_for_each(|_| refused(&stage.smbclient()?.user(USER, "wrong").run("exit")?))
            },
            Expected::new(Outbound, High, &["credential"])
                .findings(&LEAK)
                .techniques(&["T1187"])
                .never(&["T1048", "T1105", "T1190", "T1133"])
                .connections(3..=3),
        ),
        captured(
            "kerberos-set-up-alone",
            "A log-on by Kerberos that is accepted, of a connection of which nothing else was seen",
            Outbound,
            kerberos_alone,
            Some(
                Expected::new(Outbound, High, &["session"])
                    .findings(&["smb-to-internet", "rare-smb-destination"])
                    .never(&["T1048", "T1105", "T1187", "T1190", "T1133"])
                    .message(&["a Kerberos ticket for cifs/8.8.4.4", "which accepted it", "joined late"]),
            ),
        ),
        relay(),
        live(
            "guessing",
            "100 passwords guessed for one user, of which one is right",
            Inbound,
            guessing,
            Expected::new(Inbound, Critical, &["session"])
                .findings(&["smb-password-guessing", "external-logon-accepted"])
                .techniques(&["T1110.001", "T1133", "T1078"])
                .never(&["T1048", "T1190", "T1110.003"])
                .message(&["99"])
                .connections(100..=100)
                .updates(0..=10),
        ),
        live(
            "guessing-hydra",
            "100 passwords guessed by hydra over SMB 1, of which the last is right",
            Inbound,
            hydra,
            Expected::new(Inbound, Critical, &["session", "share"])
                .findings(&["smb-password-guessing", "external-logon-accepted", "smb1-across-border"])
                .techniques(&["T1110.001", "T1133", "T1078"])
                .never(&["T1048", "T1110.003"])
                .message(&["99"])
                .connections(100..=110)
                .updates(0..=10),
        ),
        live(
            "spraying",
            "One password tried for 40 users, all refused",
            Inbound,
            spraying,
            Expected::new(Inbound, High, &["credential"])
                .findings(&["smb-password-spraying"])
                .techniques(&["T1110.003"])
                .never(&["T1048", "T1190", "T1133", "T1110.001"])
                .message(&["40"])
                .connections(40..=40)
                .updates(0..=10),
        ),
    ]
}

fn leak_refused(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    refused(&stage.smbclient()?.user(USER, "wrong").run("exit")?)
}

fn leak_accepted(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    done(&stage.smbclient()?.run("exit")?)
}

fn kerberos_alone(tape: &mut Tape, ends: Ends) {
    let mut session = Session::on(Connection::joined(client(ends, 50_000), server(ends)), ends);
    let exchange = session.dialogue.ticket(&ends.server.to_string());
    session.say(tape, exchange);
    session.connection.close(tape);
}

/// An incident has one internal host and one direction: the two halves of a relay are one incident each, and name each other.
fn relay() -> Scenario {
    let outwards = Expected::new(Outbound, Critical, &["credential", "session", "share"])
        .findings(&["ntlm-relay", "ntlm-credential-to-internet"])
        .techniques(&["T1187", "T1557.001"])
        .never(&["T1048", "T1190", "T1133"])
        .connections(1..=2);
    let inwards = Expected::new(Inbound, Critical, &["session", "share", "data"])
        .server("10.0.1.2")
        .findings(&["ntlm-relay", "external-logon-accepted"])
        .techniques(&["T1557.001", "T1133"])
        .never(&["T1048", "T1190"])
        .connections(1..=4);
    Scenario {
        name: "relay",
        about: "ntlmrelayx logs on to an internal server with what an internal host gave it",
        direction: Outbound,
        needs: Need::Attackers,
        play: Play::Live(relayed),
        expected: Expectation { incidents: vec![outwards, inwards], ..Expectation::default() },
    }
}

fn relayed(stage: &mut Stage<'_>) -> Result<()> {
    let target = stage.third()?;
    let _smbd = Smbd::start(target.namespace)?;
    let relay = NtlmRelay::start(stage.server()?.namespace, target.address)?;
    // The relay's answer to its victim does not matter.
    let _ = stage.smbclient()?.run("exit")?;
    relay.wait_for_log_on(RELAYED_WITHIN)?;
    Ok(())
}

fn guessing(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let mut pairs: Vec<_> = (0..GUESSES).map(|n| (USER.to_owned(), format!("guess-{n}"))).collect();
    pairs[GUESSES - 1].1 = PASSWORD.to_owned();
    let guessed = stage.guesser()?.guess(&pairs)?;
    ensure!(guessed.accepted == [USER] && guessed.refused == GUESSES - 1, "{guessed:?}");
    Ok(())
}

fn hydra(stage: &mut Stage<'_>) -> Result<()> {
    let (client, server) = (stage.client()?, stage.server()?);
    let _smbd = Smbd::builder().ntlmv1().start(server.namespace)?;
    let mut passwords: Vec<_> = (1..GUESSES).map(|n| format!("guess-{n}")).collect();
    passwords.push(PASSWORD.to_owned());
    let found = Hydra::new(client.namespace, server.address).guess(USER, &passwords)?;
    ensure!(found.as_deref() == Some(PASSWORD), "hydra found {found:?}");
    Ok(())
}

fn spraying(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let pairs: Vec<_> = (0..USERS).map(|n| (format!("user{n:02}"), "Winter-2026".to_owned())).collect();
    let guessed = stage.guesser()?.guess(&pairs)?;
    ensure!(guessed.accepted.is_empty() && guessed.refused == USERS, "{guessed:?}");
    Ok(())
}
