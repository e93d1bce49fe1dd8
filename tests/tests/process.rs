//! The sensor on a host: an alert names the process of that host which opened the connection, and no other.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sensor_lab::{
    Answer, Cgroup, Namespace, PASSWORD, Process, SHARE, Signal, Smbd, TcpListener, Topology, USER, address,
    require_lab,
};
use sensor_tests::{Agent, PATIENCE, attached_to, connect, number, still_loaded, tells, text};
use serde_json::Value;

const RULE: &str = "smb-to-internet";
const PROGRAMS: [&str; 3] = ["smb_connect4", "smb_connect6", "smb_syn"];

/// A user without rights, and its name, which every Debian has.
const NOBODY: (u32, &str) = (65_534, "nobody");

/// Alerts on attempts after one second.
const SOON: &str = "[detection]\nattempt_settle = 1\n";

/// A shell in `namespace` that runs `script` and waits for a line that never comes. It is the process itself that connects:
/// `/dev/tcp` is its own.
fn shell(namespace: &Namespace, script: &str) -> Command {
    let mut command = namespace.command("bash");
    command.arg("-c").arg(format!("{script}\nread -r _")).stdin(Stdio::piped());
    command
}

/// A shell that connects to an address.
fn connecting(namespace: &Namespace, to: &str, port: u16) -> Command {
    shell(namespace, &format!("exec 3<>/dev/tcp/{to}/{port}"))
}

/// The file that a program's name leads to.
fn executable(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    fs::canonicalize(found.unwrap()).unwrap().to_str().unwrap().to_owned()
}

/// Whether nothing in the document says anything of a process.
fn names_nobody(document: &Value) -> bool {
    ["/process", "/user", "/container", "/smb_sensor/process"].iter().all(|p| document.pointer(p).is_none())
}

fn cgroup_id(cgroup: &Cgroup) -> String {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(cgroup.path()).unwrap().ino().to_string()
}

fn below_root(cgroup: &Cgroup) -> String {
    format!("/{}", cgroup.path().file_name().unwrap().to_str().unwrap())
}

#[test]
fn a_real_session_names_process_program_user_and_cgroup_in_all_its_documents() {
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
    agent.wait_for(tells(RULE, "data")).unwrap();
    let id = u64::from(client.id());
    drop(client);
    let ended = agent.stop().unwrap();

    assert_eq!(ended.documents.len() % 2, 0, "of two rules: {:#?}", ended.documents);
    for alert in &ended.documents {
        assert_eq!(number(alert, "/process/pid"), id, "{alert:#}");
        assert_eq!(text(alert, "/process/name"), "smbclient");
        assert_eq!(text(alert, "/process/executable"), executable("smbclient"));
        assert_eq!(text(alert, "/user/id"), user);
        assert_eq!(text(alert, "/user/name"), NOBODY.1);
        assert_eq!(text(alert, "/smb_sensor/process/cgroup_id"), cgroup_id(&cgroup));
        assert_eq!(text(alert, "/smb_sensor/process/cgroup"), below_root(&cgroup));
        assert!(alert.get("container").is_none(), "{alert:#}");
        // The password stands in the command line, which is nobody's business.
        assert!(!alert.to_string().contains(PASSWORD));
    }
}

#[test]
fn processes_are_told_apart_over_ipv4_ipv6_and_ipv4_through_an_ipv6_socket() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let v4 = address::SERVER_V4.to_string();
    let mapped = address::SERVER_V4.to_ipv6_mapped().to_string();
    for (name, to, seen_as) in [
        ("plain", v4.as_str(), v4.as_str()),
        ("mapped", &mapped, &v4),
        ("six", &address::SERVER_V6.to_string(), &address::SERVER_V6.to_string()),
    ] {
        // Nobody listens: what counts is who asked. A shell can call itself what it likes.
        let script = format!("printf {name} > /proc/$$/comm; : 3<>/dev/tcp/{to}/445");
        let client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
        let id = u64::from(client.id());
        let alert = agent
            .wait_for(|alert| tells(RULE, "refused")(alert) && number(alert, "/process/pid") == id)
            .unwrap();
        assert_eq!(text(&alert, "/process/name"), name);
        assert_eq!(text(&alert, "/process/executable"), executable("bash"));
        assert_eq!(text(&alert, "/destination/ip"), seen_as);
    }
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().all(|alert| alert.get("process").is_some()));
}

#[test]
fn a_lone_syn_that_nobody_answers_names_its_process() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let nowhere = Ipv4Addr::new(8, 8, 9, 9);
    border.gateway().ip(&format!("route add blackhole {nowhere}")).unwrap();
    let agent = Agent::on(border.client(), "eth0").config(SOON).owners_in(&cgroup).start().unwrap();
    let client = connecting(border.client(), &nowhere.to_string(), 445);
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(tells(RULE, "attempt")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
    assert_eq!(text(&alert, "/process/name"), "bash");
    assert_eq!(text(&alert, "/process/executable"), executable("bash"));
    assert_eq!(text(&alert, "/user/id"), "0");
    agent.stop().unwrap();
}

#[test]
fn a_session_on_a_port_outside_the_service_set_names_its_process() {
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
    let alert = agent.wait_for(tells(RULE, "data")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()), "{alert:#}");
    assert_eq!(text(&alert, "/process/name"), "smbclient");
    agent.stop().unwrap();
}

#[test]
fn a_process_that_is_gone_is_told_by_what_the_kernel_wrote_down() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let mut agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    // Nobody looks while it lives.
    agent.signal(Signal::SIGSTOP).unwrap();
    let mut client = border.client().command("bash");
    client.args(["-c", &format!(": 3<>/dev/tcp/{}/445", address::SERVER_V4)]);
    let mut client = Process::spawn(cgroup.with(client)).unwrap();
    client.wait(PATIENCE).unwrap();
    agent.signal(Signal::SIGCONT).unwrap();
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
    assert_eq!(text(&alert, "/process/name"), "bash");
    assert_eq!(text(&alert, "/user/id"), "0");
    assert_eq!(text(&alert, "/smb_sensor/process/cgroup"), below_root(&cgroup));
    assert!(alert.pointer("/process/executable").is_none(), "nobody can know it any more: {alert:#}");
    agent.stop().unwrap();
}

#[test]
fn a_name_that_could_forge_a_line_of_a_log_is_escaped() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.client(), "eth0").owners_in(&cgroup).start().unwrap();
    let script =
        format!("printf 'a\\rb\\033[2J\\377' > /proc/$$/comm; : 3<>/dev/tcp/{}/445", address::SERVER_V4);
    let _client = Process::spawn(cgroup.with(shell(border.client(), &script))).unwrap();
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert_eq!(text(&alert, "/process/name"), "a\\u{d}b\\u{1b}[2J\\xff");
    assert_eq!(text(&alert, "/process/executable"), executable("bash"), "odd names are compared whole");
    agent.stop().unwrap();
}

#[test]
fn a_process_outside_the_watched_cgroup_is_not_named_and_nobody_is_in_its_place() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let (inside, outside) = (Cgroup::new().unwrap(), Cgroup::new().unwrap());
    let agent = Agent::on(border.client(), "eth0").owners_in(&inside).start().unwrap();
    let to = address::SERVER_V4.to_string();
    let known =
        Process::spawn(inside.with(shell(border.client(), &format!(": 3<>/dev/tcp/{to}/445")))).unwrap();
    agent.wait_for(|alert| number(alert, "/process/pid") == u64::from(known.id())).unwrap();
    let _unknown =
        Process::spawn(outside.with(shell(border.client(), &format!(": 3<>/dev/tcp/{to}/139")))).unwrap();
    let on = |port: u64| move |alert: &Value| number(alert, "/destination/port") == port;
    let alert = agent.wait_for(on(139)).unwrap();
    assert!(names_nobody(&alert), "{alert:#}");
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().filter(|alert| on(139)(alert)).all(names_nobody));
    assert!(!ended.documents.iter().filter(|alert| on(445)(alert)).any(names_nobody));
}

#[test]
fn on_a_gateway_what_passes_through_names_nobody() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    // The gateway's own processes; the client is another machine, where the sensor's programs are not.
    let (gateway, client) = (Cgroup::new().unwrap(), Cgroup::new().unwrap());
    let agent = Agent::on(border.gateway(), "lan0").owners_in(&gateway).start().unwrap();
    let to = address::SERVER_V4.to_string();
    let _own = Process::spawn(gateway.with(connecting(border.gateway(), &to, 445))).unwrap();
    let _client = Process::spawn(client.with(connecting(border.client(), &to, 445))).unwrap();
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert_eq!(text(&alert, "/source/ip"), address::CLIENT_V4.to_string());
    let ended = agent.stop().unwrap();
    assert!(ended.documents.iter().all(names_nobody), "{:#?}", ended.documents);
}

#[test]
fn a_process_of_this_machine_in_another_network_namespace_is_named_where_its_packets_pass() {
    require_lab!(Cgroup);
    // As on a host of containers: the sensor watches the bridge they are behind.
    let border = Topology::border().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").owners_in(&cgroup).start().unwrap();
    let client = connecting(border.client(), &address::SERVER_V4.to_string(), 445);
    let client = Process::spawn(cgroup.with(client)).unwrap();
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn the_same_ends_in_two_network_namespaces_name_nobody() {
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
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert_eq!(number(&alert, "/source/port"), 50_000);
    assert!(names_nobody(&alert), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn what_a_stranger_opens_names_nobody_even_when_its_process_is_known() {
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
    let alert = agent.wait_for(tells("external-access-windows-networking", "data")).unwrap();
    assert!(names_nobody(&alert), "{alert:#}");
    agent.stop().unwrap();
}

#[test]
fn a_killed_agent_leaves_no_program_at_the_cgroup() {
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
fn two_agents_share_a_cgroup_and_connections_go_through() {
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
        let alert = agent.wait_for(tells(RULE, "data")).unwrap();
        assert_eq!(number(&alert, "/process/pid"), u64::from(client.id()));
        agent.stop().unwrap();
    }
}

#[test]
fn without_a_cgroup_the_sensor_watches_all_the_same_and_says_so_once() {
    require_lab!(Cgroup);
    let border = Topology::border().unwrap();
    let folder = PathBuf::from("/nonexistent/cgroup");
    let agent = Agent::on(border.client(), "eth0").owners_in_folder(&folder).start().unwrap();
    connect(border.client(), (address::SERVER_V4, 445)).unwrap_err();
    let alert = agent.wait_for(tells(RULE, "refused")).unwrap();
    assert!(names_nobody(&alert));
    let ended = agent.stop().unwrap();
    let told: Vec<_> = ended.log.lines().filter(|line| line.contains("name no process")).collect();
    assert!(told.len() == 1 && told[0].contains("/nonexistent/cgroup"), "{told:?}");
}
