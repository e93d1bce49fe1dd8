//! Names and datagrams of NetBIOS between real peers, Samba's nmbd and nmblookup, across the border and within.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use sensor_lab::{COMPUTER, Namespace, Nmbd, Topology, WORKGROUP, address, require_lab};
use sensor_tests::{Agent, Ended, EvidenceLevel, has_finding, number, reaches, text, texts};
use serde_json::{Value, json};

const RULE: &str = "external-access-windows-networking";

/// Configuration of the agents of these tests: they report soon after the last packet.
const CONFIG: &str = "flow_documents = true\n[kernel]\nflow_idle = 10\n";

const EXPOSED: &str = "windows-networking-exposed";

/// Asks a machine for its names, like `nbtstat -A` of Windows.
fn ask_for_names(from: &Namespace, of: Ipv4Addr) -> Result<()> {
    let mut command = from.command("nmblookup");
    let output =
        command.args(["-s", "/dev/null", "-A"]).arg(of.to_string()).output().context("run nmblookup")?;
    ensure!(String::from_utf8_lossy(&output.stdout).contains(COMPUTER), "{output:?}");
    Ok(())
}

/// The one summary of a connection between these two.
#[track_caller]
fn flow(ended: &Ended, client: Ipv4Addr, server: Ipv4Addr, port: u64) -> &Value {
    let ends = [client.to_string(), server.to_string()];
    let mut flows = ended.documents.iter().filter(|one| {
        is_flow(one)
            && [text(one, "/source/ip"), text(one, "/destination/ip")] == ends
            && number(one, "/destination/port") == port
    });
    let (first, second) = (flows.next(), flows.next());
    assert!(second.is_none(), "{:#?}", ended.documents);
    first.unwrap_or_else(|| panic!("{:#?}", ended.documents))
}

/// The one incident, of these rules, beside summaries of connections.
#[track_caller]
fn only_incident<'a>(ended: &'a Ended, rules: &[&str]) -> Result<&'a Value> {
    assert_eq!(ended.rules(), rules, "{:#?}", ended.documents);
    ended.only()
}

/// Whether a connection is summarised.
fn is_flow(document: &Value) -> bool {
    text(document, "/event/action") == "network_flow"
}

/// The name that nmblookup asks for and nmbd answers with.
fn expected() -> Value {
    let one =
        |suffix, role, group, name| json!({ "name": name, "suffix": suffix, "role": role, "group": group });
    json!({ "names": [{
        "name": { "name": "*", "suffix": "0x00" },
        "asked_by": "source", "operation": "node status", "outcome": "answered",
        "computer": COMPUTER, "workgroup": WORKGROUP,
        "names": [
            one("0x00", "workstation", false, COMPUTER),
            one("0x03", "messenger", false, COMPUTER),
            one("0x20", "file server", false, COMPUTER),
            one("0x00", "workgroup or domain", true, WORKGROUP),
            one("0x1e", "browser elections", true, WORKGROUP),
        ],
    }], "not_netbios": false, "left_out": 0 })
}

#[test]
fn reports_an_inbound_node_status_query_with_the_names() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _nmbd = Nmbd::start(border.client(), address::CLIENT_V4).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(CONFIG).start().unwrap();
    ask_for_names(border.lan_server().unwrap(), address::CLIENT_V4).unwrap();
    ask_for_names(border.server(), address::CLIENT_V4).unwrap();
    agent.wait_for(reaches(RULE, EvidenceLevel::Connected)).unwrap();
    agent.wait_for(is_flow).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.number("lateral").unwrap() >= 2, "the colleague's question: {}", ended.statistics);
    let alert = only_incident(&ended, &[RULE, EXPOSED]).unwrap();
    assert_eq!(text(alert, "/source/ip"), address::SERVER_V4.to_string());
    assert_eq!(text(alert, "/destination/ip"), address::CLIENT_V4.to_string());
    assert_eq!(number(alert, "/destination/port"), 137);
    assert!(alert.get("threat").is_none(), "an answer of names is none of the techniques: {alert:#}");
    let summary = flow(&ended, address::SERVER_V4, address::CLIENT_V4, 137);
    assert_eq!(summary["smb_sensor"]["netbios"], expected());
    assert_eq!(texts(summary, "/related/hosts"), [COMPUTER]);
    let flows = ended.documents.iter().filter(|one| is_flow(one)).count();
    assert_eq!(flows, 1, "the colleague's is none: {:#?}", ended.documents);
}

#[test]
fn summarises_an_outbound_node_status_query_without_alert() {
    require_lab!();
    let border = Topology::builder().lan_server().build().unwrap();
    let _nmbd = Nmbd::start(border.server(), address::SERVER_V4).unwrap();
    let _twin = Nmbd::start(border.lan_server().unwrap(), address::LAN_SERVER_V4).unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(CONFIG).start().unwrap();
    ask_for_names(border.client(), address::LAN_SERVER_V4).unwrap();
    ask_for_names(border.client(), address::SERVER_V4).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.incidents().is_empty(), "{:#?}", ended.documents);
    let summary = flow(&ended, address::CLIENT_V4, address::SERVER_V4, 137);
    assert_eq!(text(summary, "/smb_sensor/evidence/level"), "connected");
    assert_eq!(summary["smb_sensor"]["netbios"], expected());
    assert_eq!(ended.documents.len(), 1, "the twin's is none: {:#?}", ended.documents);
}

#[test]
fn reports_an_inbound_announcement_with_its_name() {
    require_lab!();
    let border = Topology::border().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").config(CONFIG).start().unwrap();
    let _nmbd = Nmbd::announcing(border.server(), address::SERVER_V4, address::CLIENT_V4).unwrap();
    agent.wait_for(has_finding(RULE, "attempt")).unwrap();
    agent.wait_for(is_flow).unwrap();
    let ended = agent.stop().unwrap();
    let incident = only_incident(&ended, &[RULE]).unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/evidence"), "attempt");
    let summary = flow(&ended, address::SERVER_V4, address::CLIENT_V4, 138);
    let expected = json!({ "datagrams": [{
        "sent_by": "source", "kind": "direct group",
        "source": { "name": COMPUTER, "suffix": "0x00" },
        "destination": { "name": WORKGROUP, "suffix": "0x1d", "role": "master browser" },
        "mailslot": "\\MAILSLOT\\BROWSE",
    }], "not_netbios": false, "left_out": 0 });
    assert_eq!(summary["smb_sensor"]["netbios"], expected);
    assert_eq!(texts(summary, "/related/hosts"), [COMPUTER]);
}
