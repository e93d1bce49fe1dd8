//! A live session and its replay: the incidents are the same.

use sensor_lab::{Smbd, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, last_of_each, reaches, smb_session, text, wait_for_ends};
use serde_json::Value;

use crate::{documents, replay};

/// The fields of an incident that must agree: all except the observer and its times, whether it is closed (the live agent keeps
/// it open over its end), and the fingerprint, which depends on a key.
fn comparable(document: &Value) -> Value {
    const TIMES: [&str; 4] = ["first", "last", "at", "closed"];
    let known = [
        "/event/severity",
        "/event/outcome",
        "/threat",
        "/rule",
        "/source",
        "/destination",
        "/network",
        "/related",
        "/smb_sensor/techniques",
        "/smb_sensor/credentials",
        "/smb_sensor/shares",
        "/smb_sensor/rpc",
        "/smb_sensor/smb",
        "/smb_sensor/volume",
        "/smb_sensor/findings",
        "/smb_sensor/incident/scope",
        "/smb_sensor/incident/evidence",
        "/smb_sensor/incident/internal",
        "/smb_sensor/incident/external",
        "/smb_sensor/incident/ports",
        "/smb_sensor/incident/connections",
    ];
    let mut kept: Vec<Value> =
        known.iter().map(|at| document.pointer(at).cloned().unwrap_or_default()).collect();
    // Its duration depends on the clock.
    let (message, _) =
        text(document, "/message").rsplit_once(" in ").unwrap_or((text(document, "/message"), ""));
    kept.push(message.into());
    // Hardware addresses come from the neighbour table of the machine, which a replay does not have.
    for one in kept.iter_mut().filter_map(Value::as_object_mut) {
        one.remove("mac");
    }
    for list in kept.iter_mut().filter_map(Value::as_array_mut) {
        for one in list.iter_mut().filter_map(Value::as_object_mut) {
            one.retain(|name, _| !TIMES.contains(&name.as_str()) && name != "fingerprints");
        }
    }
    kept.into()
}

fn comparable_all(documents: &[Value]) -> Vec<Value> {
    last_of_each(documents).into_iter().map(comparable).collect()
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
    // Packets after the last look of the agent would be in the recording alone.
    wait_for_ends(&[border.client(), border.server()]).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.found(rule).is_ok(), "{:#?}", ended.documents);
    let live = comparable_all(&ended.documents);
    for engine in ["host", "kernel"] {
        let again = replay(&["--json", "--engine", engine, capture.to_str().unwrap()]);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        let replayed = documents(&again);
        assert_eq!(comparable_all(&replayed), live, "{engine}");
    }
}

#[test]
fn live_session_and_its_replay_agree() {
    require_lab!();
    let out = |border: &Topology| smb_session(border.client(), address::SERVER_V4).unwrap();
    says_the_same("outbound.pcapng", out, "ntlm-credential-to-internet");
    let inbound = |border: &Topology| smb_session(border.server(), address::CLIENT_V4).unwrap();
    says_the_same("inbound.pcapng", inbound, "external-access-windows-networking");
}
