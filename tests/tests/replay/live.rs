//! A session that the agent watched and kept, replayed: the alerts say the same.

use sensor_lab::{Smbd, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, reaches, smb_session, text};
use serde_json::Value;

use crate::{documents, replay};

/// What of an alert must not differ. Left out is what says who looked and when: the times of the documents, the start that the
/// id holds (the live agent reads it off the kernel's ticks), how often the alert was told of meanwhile, interfaces and hooks, and
/// the fingerprint, whose key each has to itself.
fn comparable(document: &Value) -> Value {
    let mut kept = document.clone();
    for (at, name) in [
        ("", "@timestamp"),
        ("", "observer"),
        ("/event", "start"),
        ("/event", "end"),
        ("/event", "duration"),
        ("/event", "sequence"),
        ("/event", "id"),
    ] {
        kept.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    }
    if let Some(credentials) = kept.pointer_mut("/smb_sensor/credentials") {
        for credential in credentials.as_array_mut().unwrap() {
            credential.as_object_mut().unwrap().remove("fingerprint");
        }
    }
    kept
}

/// The last word on each alert, in the order of the rules.
fn closed<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let is_last = |one: &&Value| text(one, "/smb_sensor/incident/status") == "closed";
    let mut closed: Vec<_> = documents.into_iter().filter(is_last).map(comparable).collect();
    closed.sort_by_key(|one| text(one, "/rule/id").to_owned());
    closed
}

fn says_the_same(file: &str, session: impl FnOnce(&Topology), rule: &str) {
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let capture = scratch.path().join(file);
    let config = format!("[record]\nfile = \"{}\"\nsnap_length = 65535\n", capture.display());
    let _inside = Smbd::start(border.client()).unwrap();
    let _outside = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    session(&border);
    agent.wait_for(reaches(rule, EvidenceLevel::Share)).unwrap();
    let live = closed(&agent.stop().unwrap().documents);
    assert!(live.iter().any(|one| text(one, "/rule/id") == rule));
    for engine in ["host", "kernel"] {
        let again = replay(&["--json", "--engine", engine, capture.to_str().unwrap()]);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        let replayed = documents(&again);
        assert_eq!(closed(&replayed), live, "{engine}");
    }
}

#[test]
fn a_session_that_was_watched_says_the_same_when_it_is_replayed() {
    require_lab!();
    let out = |border: &Topology| smb_session(border.client(), address::SERVER_V4).unwrap();
    says_the_same("outbound.pcapng", out, "ntlm-credential-to-internet");
    let inbound = |border: &Topology| smb_session(border.server(), address::CLIENT_V4).unwrap();
    says_the_same("inbound.pcapng", inbound, "external-access-windows-networking");
}
