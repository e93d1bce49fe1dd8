//! Sessions with unusual segments: forged resets, reused ports, messages that do not begin where a segment
//! does.

use std::time::Duration;

use sensor_common::slot::tcp;

use super::super::expected::Direction::Outbound;
use super::super::expected::Expected;
use super::super::incident::Severity::Critical;
use super::super::smb2::{KEEP_ALIVE, Status};
use super::super::wire::{Connection, Tape};
use super::written::{Session, client, server};
use super::{Ends, Scenario, captured};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn scenarios() -> Vec<Scenario> {
    let share = || {
        Expected::new(Outbound, Critical, &["share"])
            .findings(&["ntlm-credential-to-internet", "smb-to-internet", "rare-smb-destination"])
            .techniques(&["T1187"])
            .never(&["T1048", "T1105", "T1190"])
            .credentials(&["alice"])
    };
    vec![
        captured(
            "forged-reset",
            "A forged RST with a sequence number far outside the window, ten seconds of silence, then a session that reads a file",
            Outbound,
            forged_reset,
            Some(
                Expected::new(Outbound, Critical, &["data"])
                    .techniques(&["T1187", "T1105"])
                    .never(&["T1048", "T1190"])
                    .credentials(&["alice"])
                    // Low before anything was spoken, high with SMB, critical with the credential.
                    .alerts(1..=3),
            ),
        ),
        captured(
            "port-reuse",
            "Two sessions of two users on the same ports, half a second apart",
            Outbound,
            port_reuse,
            Some(share().credentials(&["alice", "bob"]).connections(2..=2)),
        ),
        captured(
            "rare-after-stray",
            "A stray SYN-ACK of a server, and an hour later a session with it, which is rare still",
            Outbound,
            |tape, ends| {
                tape.segment(server(ends), client(ends, 50_000), tcp::SYN | tcp::ACK, (5_000, 1_000));
                tape.segment(client(ends, 50_000), server(ends), tcp::RST, (1_000, 0));
                tape.wait(HOUR);
                Session::open(tape, ends, 51_000, "alice").connection.close(tape);
            },
            Some(share()),
        ),
        captured(
            "keep-alive-before-log-on",
            "A NetBIOS keep-alive comes in the segment of the log-on, before it",
            Outbound,
            |tape, ends| log_on(tape, ends, |request| vec![[&KEEP_ALIVE[..], request].concat()]),
            Some(share()),
        ),
        captured(
            "echo-before-log-on",
            "An ECHO and the log-on come in one segment",
            Outbound,
            echo_and_log_on,
            Some(share()),
        ),
        captured(
            "header-alone",
            "The four-byte header of the log-on comes in a segment of its own",
            Outbound,
            |tape, ends| log_on(tape, ends, |request| vec![request[..4].to_vec(), request[4..].to_vec()]),
            Some(share()),
        ),
    ]
}

fn forged_reset(tape: &mut Tape, ends: Ends) {
    let mut session = Session::connected(tape, ends, 50_000);
    session.connection.forged_reset(tape, 900_000_000);
    tape.wait(Duration::from_secs(10));
    session.begin(tape, "alice");
    let exchanges = [session.dialogue.create("a.txt"), session.dialogue.read(4096)];
    exchanges.into_iter().for_each(|exchange| session.say(tape, exchange));
    session.connection.close(tape);
}

fn port_reuse(tape: &mut Tape, ends: Ends) {
    Session::open(tape, ends, 50_000, "alice").connection.reset(tape);
    tape.wait(Duration::from_millis(500));
    let again = Connection::open_at(tape, client(ends, 50_000), server(ends), (900_000, 800_000));
    let mut session = Session::on(again, ends);
    session.begin(tape, "bob");
    session.connection.close(tape);
}

/// A session whose log-on is sent as these segments.
fn log_on(tape: &mut Tape, ends: Ends, segments: fn(&[u8]) -> Vec<Vec<u8>>) {
    let mut session = Session::connected(tape, ends, 50_000);
    session.negotiate(tape);
    let (request, reply) = session.dialogue.authenticate("alice", Status::Success);
    segments(&request).iter().for_each(|segment| session.connection.request(tape, segment));
    session.connection.reply(tape, &reply);
    session.connect_share(tape);
    session.connection.close(tape);
}

fn echo_and_log_on(tape: &mut Tape, ends: Ends) {
    let mut session = Session::connected(tape, ends, 50_000);
    session.negotiate(tape);
    let (echo, echoed) = session.dialogue.echo();
    let (request, reply) = session.dialogue.authenticate("alice", Status::Success);
    session.connection.request(tape, &[echo, request].concat());
    session.connection.reply(tape, &[echoed, reply].concat());
    session.connect_share(tape);
    session.connection.close(tape);
}
