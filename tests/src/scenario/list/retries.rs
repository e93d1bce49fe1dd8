//! Activity over hours, days and weeks: one incident each.

use std::time::Duration;

use sensor_common::slot::tcp;

use super::super::expected::Direction::{Inbound, Outbound};
use super::super::expected::Expected;
use super::super::incident::Severity::{Critical, High, Low};
use super::super::smb2::Status;
use super::super::wire::Tape;
use super::written::{Session, client, server};
use super::{Ends, Scenario, captured};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const A_DAY_OF_RETRIES: u32 = 24 * 60 * 2;

pub(super) fn scenarios() -> Vec<Scenario> {
    let dead = |connections| {
        Expected::new(Outbound, Low, &["attempt"])
            .findings(&["smb-to-internet"])
            .never(&["T1048", "T1187", "T1190", "T1046", "T1105"])
            .connections(connections)
    };
    let session = |evidence| {
        Expected::new(Outbound, Critical, evidence)
            .findings(&["ntlm-credential-to-internet", "smb-to-internet"])
            .techniques(&["T1187"])
            .credentials(&["alice"])
    };
    vec![
        captured(
            "dead-server-20-times",
            "A dead server is tried 20 times in ten minutes",
            Outbound,
            |tape, ends| retries(tape, ends, 20),
            Some(dead(20..=20).updates(0..=8)),
        ),
        captured(
            "dead-server-a-day",
            "A dead server is tried every 30 s for a day, 2,880 times",
            Outbound,
            |tape, ends| retries(tape, ends, A_DAY_OF_RETRIES),
            Some(dead(2_880..=2_880).updates(0..=16)),
        ),
        captured(
            "dead-server-a-week",
            "A dead server is tried every 30 s for a week, 20,160 times",
            Outbound,
            |tape, ends| retries(tape, ends, 7 * A_DAY_OF_RETRIES),
            Some(dead(20_160..=20_160).updates(0..=30)),
        ),
        captured(
            "daily-backup",
            "A backup of 256 KiB to one share, once a day for ten days",
            Outbound,
            daily_backup,
            Some(
                session(&["data"])
                    .techniques(&["T1187", "T1048"])
                    .connections(10..=10)
                    .updates(0..=20)
                    .closed(0..=10),
            ),
        ),
        captured(
            "slow-guessing",
            "30 passwords guessed for one user, one in five minutes, all refused",
            Inbound,
            slow_guessing,
            Some(
                Expected::new(Inbound, High, &["credential"])
                    .findings(&["smb-password-guessing"])
                    .techniques(&["T1110.001"])
                    .never(&["T1048", "T1190", "T1133", "T1110.003"])
                    .message(&["30"])
                    .connections(30..=30)
                    .updates(0..=30),
            ),
        ),
        captured(
            "idle-keep-alives",
            "A session that is idle for eight hours, with TCP keep-alives every two hours",
            Outbound,
            idle,
            Some(session(&["share"]).never(&["T1048", "T1105"]).closed(0..=5)),
        ),
        captured(
            "echo",
            "Six ECHO exchanges, one a minute, after a share was connected",
            Outbound,
            echoes,
            Some(session(&["share"]).never(&["T1048", "T1105"])),
        ),
        captured(
            "echo-only",
            "A NEGOTIATE and 600 ECHO exchanges, more than 64 KiB in all, without a log-on",
            Outbound,
            echoes_only,
            Some(
                Expected::new(Outbound, High, &["smb"])
                    .findings(&["smb-to-internet", "rare-smb-destination"])
                    .never(&["T1048", "T1105", "T1187", "T1190"])
                    .message(&["SMB 2.1"]),
            ),
        ),
    ]
}

/// Each retry is a connection of its own, whose SYN is sent again after one second and after two more.
fn retries(tape: &mut Tape, ends: Ends, times: u32) {
    for n in 0..times {
        let port = 10_000 + (n % 50_000) as u16;
        for again in [0, 1, 3] {
            tape.wait_until(HALF_A_MINUTE * n + Duration::from_secs(again));
            tape.segment(client(ends, port), server(ends), tcp::SYN, (1_000 + n, 0));
        }
    }
}

fn daily_backup(tape: &mut Tape, ends: Ends) {
    for day in 0..10_u16 {
        tape.wait_until(DAY * u32::from(day));
        let mut session = Session::open(tape, ends, 50_000 + day, "alice");
        let exchanges =
            [session.dialogue.create(&format!("backup-{day}")), session.dialogue.write(256 * 1024)];
        exchanges.into_iter().for_each(|exchange| session.say(tape, exchange));
        session.connection.close(tape);
    }
}

fn slow_guessing(tape: &mut Tape, ends: Ends) {
    for n in 0..30 {
        tape.wait_until(Duration::from_secs(300 * u64::from(n)));
        let mut session = Session::connected(tape, ends, 50_000 + n);
        session.negotiate(tape);
        let refused = session.dialogue.authenticate("alice", Status::LogonFailure);
        session.say(tape, refused);
        session.connection.close(tape);
    }
}

fn idle(tape: &mut Tape, ends: Ends) {
    let session = Session::open(tape, ends, 50_000, "alice");
    for n in 1..=4 {
        tape.wait_until(TWO_HOURS * n);
        session.connection.keep_alive(tape);
    }
}

fn echoes(tape: &mut Tape, ends: Ends) {
    let mut session = Session::open(tape, ends, 50_000, "alice");
    for minute in 1..=6 {
        tape.wait_until(Duration::from_secs(60 * minute));
        let echo = session.dialogue.echo();
        session.say(tape, echo);
    }
    session.connection.close(tape);
}

fn echoes_only(tape: &mut Tape, ends: Ends) {
    let mut session = Session::connected(tape, ends, 50_000);
    let negotiation = session.dialogue.negotiate();
    session.say(tape, negotiation);
    for _ in 0..600 {
        let echo = session.dialogue.echo();
        session.say(tape, echo);
    }
    session.connection.close(tape);
}
