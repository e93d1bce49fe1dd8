//! Content that leaves or arrives, and sessions that outlive the agent.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use sensor_lab::{SHARE, Smbd, USER, poll, scratch_dir};

use super::super::expected::Direction::Outbound;
use super::super::expected::Expected;
use super::super::incident::Severity::Critical;
use super::super::stage::Stage;
use super::{Scenario, done, live};
use crate::document::{number, text};

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(45);
const VOLUME: &str = "data-leaving-over-smb";

pub(super) fn scenarios() -> Vec<Scenario> {
    let left = || {
        Expected::new(Outbound, Critical, &["data"])
            .techniques(&["T1048", "T1187"])
            .never(&["T1105", "T1190", "T1133"])
            .credentials(&[USER])
            .updates(0..=10)
    };
    vec![
        live(
            "upload-50-mib",
            "An internal host stores one file of 50 MiB on a server on the Internet",
            Outbound,
            |stage| put(stage, 50 * MIB, 1),
            left().findings(&[VOLUME]).message(&["sent 50.", "MiB"]),
        ),
        live(
            "upload-1000-files",
            "An internal host stores 1,000 files of 4 KiB in one session",
            Outbound,
            thousand_files,
            left().message(&["MiB"]),
        ),
        live(
            "upload-12-sessions",
            "An internal host stores 1 MiB in each of 12 sessions",
            Outbound,
            |stage| put(stage, MIB, 12),
            left().findings(&[VOLUME]).connections(12..=12).message(&["sent 12.", "MiB"]),
        ),
        live(
            "upload-over-restart",
            "An internal host stores 6 MiB before a restart of the agent and 6 MiB after it",
            Outbound,
            over_restart,
            left().findings(&[VOLUME]).connections(2..=2).message(&["sent 12.", "MiB"]).closed(0..=2),
        ),
        live(
            "upload-encrypted",
            "An internal host stores 20 MiB in an encrypted session",
            Outbound,
            encrypted,
            left().findings(&[VOLUME]).message(&["MiB", "encrypted"]),
        ),
        live(
            "upload-rclone",
            "An internal host copies 1 MiB with rclone",
            Outbound,
            rclone,
            left().connections(1..=6).accepted(&[USER]).shares(&[SHARE]),
        ),
        live(
            "download",
            "An internal host fetches 20 MiB from a server on the Internet",
            Outbound,
            download,
            Expected::new(Outbound, Critical, &["data"])
                .findings(&["smb-download-from-internet"])
                .techniques(&["T1105", "T1187"])
                .never(&["T1048", "T1190", "T1133"])
                .credentials(&[USER])
                .message(&["MiB"])
                .updates(0..=10),
        ),
        live(
            "idle-over-restart",
            "A session that is idle while the agent is restarted, and then fetches a file",
            Outbound,
            idle_over_restart,
            Expected::new(Outbound, Critical, &["data"])
                .techniques(&["T1187", "T1105"])
                .never(&["T1048", "T1190", "T1133"])
                .credentials(&[USER])
                .closed(0..=2),
        ),
    ]
}

/// One file in each of this many sessions.
fn put(stage: &mut Stage<'_>, bytes: usize, sessions: usize) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let content = vec![0x5A; bytes];
    (0..sessions).try_for_each(|n| done(&stage.smbclient()?.put(&format!("file-{n}"), &content)?))
}

fn thousand_files(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let scratch = scratch_dir()?;
    for n in 0..1000 {
        let path = scratch.path().join(format!("file-{n}"));
        fs::write(&path, [0x5A; 4096]).with_context(|| format!("write {}", path.display()))?;
    }
    done(&stage.smbclient()?.put_all(scratch.path())?)
}

fn over_restart(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let content = vec![0x5A; 6 * MIB];
    done(&stage.smbclient()?.put("first", &content)?)?;
    stage.restart_agent()?;
    done(&stage.smbclient()?.put("second", &content)?)
}

fn encrypted(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let client = stage.smbclient()?.option("--client-protection=encrypt");
    done(&client.put("file", &vec![0x5A; 20 * MIB])?)
}

fn rclone(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let scratch = scratch_dir()?;
    let path = scratch.path().join("copied");
    fs::write(&path, vec![0x5A; MIB]).with_context(|| format!("write {}", path.display()))?;
    done(&stage.rclone()?.upload(scratch.path())?)
}

fn download(stage: &mut Stage<'_>) -> Result<()> {
    let smbd = Smbd::start(stage.server()?.namespace)?;
    smbd.create_large_file("large", 20)?;
    done(&stage.smbclient()?.get("large")?)
}

fn idle_over_restart(stage: &mut Stage<'_>) -> Result<()> {
    let _smbd = Smbd::start(stage.server()?.namespace)?;
    let scratch = scratch_dir()?;
    let [is_idle, goes_on] = ["idle", "goes-on"].map(|name| scratch.path().join(name));
    let client = stage.impacket()?;
    let steps = [
        "tree:files".to_owned(),
        format!("note:{}", is_idle.display()),
        format!("await:{}", goes_on.display()),
        "get:hello.txt".to_owned(),
    ];
    thread::scope(|scope| {
        let session = scope.spawn(|| client.run(&steps.each_ref().map(String::as_str)));
        let restarted = (|| {
            poll(SOON, || is_idle.exists().then_some(())).context("the session was not opened")?;
            let is_open = |document: &serde_json::Value| {
                number(document, "/event/severity") == 99 && text(document, "/source/ip") == "10.0.0.2"
            };
            // The expectation finds it if the agent has nothing yet.
            let _ = stage.wait_for(SOON, is_open);
            stage.restart_agent()
        })();
        // The session ends even after a failure.
        let noted = fs::write(&goes_on, "").with_context(|| format!("write {}", goes_on.display()));
        let outcome = session.join().map_err(|_| anyhow!("the session's thread panicked"))?;
        restarted.and(noted)?;
        done(&outcome?)
    })
}
