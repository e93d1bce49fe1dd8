//! Connections without a named process, or with fewer fields.

use std::net::SocketAddr;
use std::path::Path;

use sensor_lab::{Answer, Cgroup, Namespace, Process, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, EvidenceLevel, PATIENCE, connect, has_finding, number, reaches, text};
use serde_json::Value;

use crate::{FLOWS, RULE, connecting, is_flow, names_nobody, shell};

#[test]
fn agent_in_its_own_pid_namespace_reads_no_other_process() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).in_own_pid_namespace().start().unwrap();
    let client = connecting(border.client(), &address::SERVER_V4.to_string(), 445);
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()), "the kernel's number");
    assert_eq!(text(&alert, "/process/name"), "bash");
    assert!(alert.pointer("/process/executable").is_none(), "{alert:#}");
    assert!(agent.log().contains("--pid=host"), "{}", agent.log());
}

#[test]
fn process_outside_the_watched_cgroup_is_not_named() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let (inside, outside) = (Cgroup::new().unwrap(), Cgroup::new().unwrap());
    let agent = Agent::on(border.client(), "eth0").config(FLOWS).owners_in(&inside).start().unwrap();
    let to = address::SERVER_V4.to_string();
    let known =
        Process::spawn(inside.with(shell(border.client(), &format!(": 3<>/dev/tcp/{to}/445")))).unwrap();
    agent.wait_for(|alert| number(alert, "/process/pid") == u64::from(known.id())).unwrap();
    let _unknown =
        Process::spawn(outside.with(shell(border.client(), &format!(": 3<>/dev/tcp/{to}/139")))).unwrap();
    let on = |port: u64| move |one: &Value| is_flow(one) && number(one, "/destination/port") == port;
    let flow = agent.wait_for(on(139)).unwrap();
    assert!(names_nobody(&flow), "{flow:#}");
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().filter(|one| on(139)(one)).all(names_nobody));
    assert!(!ended.documents.iter().filter(|one| on(445)(one)).any(names_nobody));
    // Both connections are in one incident, which names the only known process.
    assert_eq!(number(ended.only().unwrap(), "/process/pid"), u64::from(known.id()));
}

#[test]
fn forwarded_traffic_on_a_gateway_names_nobody() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    // The gateway's own processes; the client is another machine, without the sensor's programs.
    let (gateway, client) = (Cgroup::new().unwrap(), Cgroup::new().unwrap());
    let agent = Agent::on(border.gateway(), "lan0").owners_in(&gateway).start().unwrap();
    let to = address::SERVER_V4.to_string();
    let _own = Process::spawn(gateway.with(connecting(border.gateway(), &to, 445))).unwrap();
    let _client = Process::spawn(client.with(connecting(border.client(), &to, 445))).unwrap();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(text(&alert, "/source/ip"), address::CLIENT_V4.to_string());
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().all(names_nobody), "{:#?}", ended.documents);
}

#[test]
fn same_ends_in_two_network_namespaces_name_nobody() {
    require_lab!(Cgroup);
    let (border, twin) = (Topology::border().unwrap(), Topology::border().unwrap());
    let cgroup = Cgroup::new().unwrap();
    for client in [border.client(), twin.client()] {
        client.sysctl("net/ipv4/ip_local_port_range", "50000 50000").unwrap();
    }
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let connect = |namespace: &Namespace| {
        let script = format!(": 3<>/dev/tcp/{}/445; echo done", address::SERVER_V4);
        let client = Process::spawn(cgroup.with(shell(namespace, &script))).unwrap();
        client.wait_for_line(PATIENCE, |line| line == "done").unwrap();
        client
    };
    let _other = connect(twin.client());
    let _one = connect(border.client());
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/source/port"), 50_000);
    assert!(names_nobody(&alert), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn inbound_connection_names_nobody_even_with_a_known_process() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let here = SocketAddr::from((address::CLIENT_V4, 445));
    let _listener = TcpListener::start(border.client(), here, Answer::Echo).unwrap();
    let script =
        format!("exec 3<>/dev/tcp/{}/445; echo hello >&3; read -r back <&3; echo \"$back\"", here.ip());
    let stranger = Process::spawn(cgroup.with(shell(border.server(), &script))).unwrap();
    stranger.wait_for_line(PATIENCE, |line| line == "hello").unwrap();
    let alert =
        agent.wait_for(reaches("external-access-windows-networking", EvidenceLevel::Connected)).unwrap();
    assert!(names_nobody(&alert), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn sensor_watches_without_a_cgroup_and_says_so_once() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let folder = Path::new("/nonexistent/cgroup");
    let agent = Agent::on(border.client(), "eth0").owners_in_folder(folder).start().unwrap();
    connect(border.client(), (address::SERVER_V4, 445)).unwrap_err();
    let alert = agent.wait_for(has_finding(RULE, "refused")).unwrap();
    assert!(names_nobody(&alert));
    let ended = agent.stop().unwrap();
    let warnings: Vec<_> = ended.log.lines().filter(|line| line.contains("name no process")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("/nonexistent/cgroup"), "{warnings:?}");
}
