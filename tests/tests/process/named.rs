//! Which processes are named, and with which fields.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use sensor_lab::{
    Answer, Cgroup, PASSWORD, Process, SHARE, Signal, Smbd, TcpListener, Topology, USER, address, require_lab,
};
use sensor_tests::{
    Agent, EvidenceLevel, PATIENCE, attached_to, has_finding, number, reaches, still_loaded, text,
};

use crate::{FLOWS, RULE, below_root, cgroup_id, connecting, executable, is_flow, shell};

const PROGRAMS: [&str; 3] = ["smb_connect4", "smb_connect6", "smb_syn"];

/// A user without rights, and its name, which every Debian has.
const NOBODY: (u32, &str) = (65_534, "nobody");

/// Alerts on attempts after one second.
const SOON: &str = "[detection]\nattempt_settle = 1\n";

#[test]
fn real_session_names_process_program_user_and_cgroup() {
    require_lab!();
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let _smbd = Smbd::start(border.server()).unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    // Without rights, and waiting for commands until it is killed.
    let mut client = border.client().command("setpriv");
    let user = NOBODY.0.to_string();
    client.args(["--reuid", &user, "--regid", &user, "--clear-groups", "smbclient", "-s", "/dev/null"]);
    client.arg(format!("//{}/{SHARE}", address::SERVER_V4)).args(["-U", &format!("{USER}%{PASSWORD}")]);
    let client = Process::spawn(cgroup.with({
        client.stdin(Stdio::piped());
        client
    }))
    .unwrap();
    agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    let id = u64::from(client.id());
    drop(client);
    let ended = agent.stop().unwrap();

    assert_eq!(ended.rules().len(), 3, "{:#?}", ended.documents);
    for alert in &ended.documents {
        assert_eq!(number(alert, "/process/pid"), id, "{alert:#}");
        assert_eq!(text(alert, "/process/name"), "smbclient");
        assert_eq!(text(alert, "/process/executable"), executable("smbclient"));
        assert_eq!(text(alert, "/user/id"), user);
        assert_eq!(text(alert, "/user/name"), NOBODY.1);
        assert_eq!(text(alert, "/smb_sensor/process/cgroup_id"), cgroup_id(&cgroup));
        assert_eq!(text(alert, "/smb_sensor/process/cgroup"), below_root(&cgroup));
        assert!(alert.get("container").is_none(), "{alert:#}");
        // The password is in the command line, which no document may have.
        assert!(!alert.to_string().contains(PASSWORD));
    }
}

#[test]
fn distinguishes_processes_over_ipv4_ipv6_and_mapped_sockets() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").config(FLOWS).owners_in(&cgroup).start().unwrap();
    let v4 = address::SERVER_V4.to_string();
    let mapped = address::SERVER_V4.to_ipv6_mapped().to_string();
    let mut first: BTreeMap<String, u64> = BTreeMap::new();
    for (name, to, seen_as) in [
        ("plain", v4.as_str(), v4.as_str()),
        ("mapped", &mapped, &v4),
        ("six", &address::SERVER_V6.to_string(), &address::SERVER_V6.to_string()),
    ] {
        // Nobody listens: only the opener matters. A shell can have any name.
        let script = format!("printf {name} > /proc/$$/comm; : 3<>/dev/tcp/{to}/445");
        let client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
        let id = u64::from(client.id());
        let flow = agent.wait_for(|one| is_flow(one) && number(one, "/process/pid") == id).unwrap();
        assert_eq!(text(&flow, "/process/name"), name);
        assert_eq!(text(&flow, "/process/executable"), executable("bash"));
        assert_eq!(text(&flow, "/destination/ip"), seen_as);
        first.entry(text(&flow, "/source/ip").to_owned()).or_insert(id);
    }
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().all(|document| document.get("process").is_some()));
    // An incident of several connections names the process of the first.
    let named = ended.incidents().into_iter();
    let named = named.map(|one| (text(one, "/source/ip").to_owned(), number(one, "/process/pid"))).collect();
    assert_eq!(first, named);
}

#[test]
fn unanswered_syn_names_its_process() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let nowhere = Ipv4Addr::new(8, 8, 9, 9);
    border.gateway().ip(&format!("route add blackhole {nowhere}")).unwrap();
    let agent = Agent::on(border.client(), "eth0").config(SOON).owners_in(&cgroup).start().unwrap();
    let client = connecting(border.client(), &nowhere.to_string(), 445);
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "attempt")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
    assert_eq!(text(&alert, "/process/name"), "bash");
    assert_eq!(text(&alert, "/process/executable"), executable("bash"));
    assert_eq!(text(&alert, "/user/id"), "0");
    agent.stop().unwrap();
}

#[test]
fn session_on_an_unwatched_port_names_its_process() {
    require_lab!();
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let _smbd = Smbd::builder().ports(&[4445]).start(border.server()).unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let mut client = border.client().command("smbclient");
    client.args(["-s", "/dev/null", "-p", "4445", &format!("//{}/{SHARE}", address::SERVER_V4)]);
    client.args(["-U", &format!("{USER}%{PASSWORD}")]).stdin(Stdio::piped());
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(reaches(RULE, EvidenceLevel::Share)).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()), "{alert:#}");
    assert_eq!(text(&alert, "/process/name"), "smbclient");
    agent.stop().unwrap();
}

#[test]
fn names_a_gone_process_by_the_kernel_record() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let mut agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    // No look-up happens while it lives.
    agent.signal(Signal::SIGSTOP).unwrap();
    let mut client = border.client().command("bash");
    client.args(["-c", &format!(": 3<>/dev/tcp/{}/445", address::SERVER_V4)]);
    let mut client = Process::spawn(cgroup.with(client)).unwrap();
    client.wait(PATIENCE).unwrap();
    agent.signal(Signal::SIGCONT).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
    assert_eq!(text(&alert, "/process/name"), "bash");
    assert_eq!(text(&alert, "/user/id"), "0");
    assert_eq!(text(&alert, "/smb_sensor/process/cgroup"), below_root(&cgroup));
    assert!(alert.pointer("/process/executable").is_none(), "nobody can know it any more: {alert:#}");
    agent.stop().unwrap();
}

#[test]
fn names_a_container_without_the_hosts_user_name() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let machine = Cgroup::new().unwrap();
    let id = "0123456789abcdef".repeat(4);
    let container = machine.inside(&format!("docker-{id}.scope")).unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&machine).start().unwrap();
    let client = connecting(border.client(), &address::SERVER_V4.to_string(), 445);
    let client = Process::spawn(container.with(client)).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
    assert_eq!(text(&alert, "/container/id"), id);
    assert_eq!(text(&alert, "/container/runtime"), "docker");
    assert_eq!(text(&alert, "/user/id"), "0");
    assert!(alert.pointer("/user/name").is_none(), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn escapes_a_process_name_that_could_forge_a_line() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let script =
        format!("printf 'a\\rb\\033[2J\\377' > /proc/$$/comm; : 3<>/dev/tcp/{}/445", address::SERVER_V4);
    let _client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(text(&alert, "/process/name"), "a\\u{d}b\\u{1b}[2J\\xff");
    assert_eq!(text(&alert, "/process/executable"), executable("bash"), "odd names are compared whole");
    agent.stop().unwrap();
}

#[test]
fn names_a_process_in_another_network_namespace_where_its_packets_pass() {
    require_lab!(Cgroup);
    // Like on a host of containers: the sensor watches their bridge.
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").owners_in(&cgroup).start().unwrap();
    let client = connecting(border.client(), &address::SERVER_V4.to_string(), 445);
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn killed_agent_leaves_no_program_at_the_cgroup() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    assert_eq!(attached_to(&cgroup).unwrap(), PROGRAMS);
    let programs = agent.kernel_programs().unwrap();
    agent.kill().unwrap();
    assert_eq!(still_loaded(&programs, PATIENCE).unwrap(), [0; 0]);
    assert_eq!(attached_to(&cgroup).unwrap(), [""; 0]);
}

#[test]
fn two_agents_share_a_cgroup_and_connections_pass() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let server = SocketAddr::from((address::SERVER_V4, 445));
    let _listener = TcpListener::start(border.server(), server, Answer::Echo).unwrap();
    let host = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let router = Agent::on(border.gateway(), "lan0").owners_in(&cgroup).start().unwrap();
    assert_eq!(attached_to(&cgroup).unwrap().len(), 2 * PROGRAMS.len());
    let script = format!(
        "exec 3<>/dev/tcp/{}/445; echo hello >&3; read -r back <&3; echo \"$back\"",
        address::SERVER_V4
    );
    let client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
    client.wait_for_line(PATIENCE, |line| line == "hello").unwrap();
    for agent in [host, router] {
        let alert = agent.wait_for(reaches(RULE, EvidenceLevel::Connected)).unwrap();
        assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
        agent.stop().unwrap();
    }
}
