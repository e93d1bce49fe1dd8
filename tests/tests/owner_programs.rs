//! The owner programs by themselves: they record calls, and let every call pass.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use sensor_common::owner::{CONTESTED, ConnectionKey, Opener};
use sensor_lab::{Answer, Cgroup, Namespace, Process, TcpListener, comes_within, require_lab};
use sensor_tests::{PATIENCE, attached_to};
use sensor_user::kernel::owner::{AttachedOwners, OwnerPrograms};

const LOCAL_PORT: u16 = 50_000;

/// A namespace in which every connection has the same local port.
fn namespace() -> Namespace {
    let namespace = Namespace::new("host").unwrap();
    namespace.sysctl("net/ipv4/ip_local_port_range", &format!("{LOCAL_PORT} {LOCAL_PORT}")).unwrap();
    namespace
}

/// Connects to a port of the namespace itself and stays alive.
fn connect(namespace: &Namespace, cgroup: &Cgroup, port: u16) -> Process {
    let mut command = namespace.command("bash");
    let script = format!(": 3<>/dev/tcp/127.0.0.1/{port} && echo connected || echo refused; read -r _");
    command.arg("-c").arg(script).stdin(Stdio::piped());
    let process = Process::spawn(cgroup.with(command)).unwrap();
    process.wait_for_line(PATIENCE, |line| line == "connected" || line == "refused").unwrap();
    process
}

fn opener(owners: &AttachedOwners, port: u16) -> Option<Opener> {
    let host = u32::from(Ipv4Addr::LOCALHOST).to_be();
    owners.opener(&ConnectionKey::v4(host, host, LOCAL_PORT.to_be(), port.to_be()))
}

/// Nanoseconds since boot, as any process may read them.
fn since_boot() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (seconds * 1e9) as u64
}

#[test]
fn records_a_call_with_its_caller_and_lets_it_through() {
    require_lab!(Cgroup);
    let (cgroup, namespace) = (Cgroup::new().unwrap(), namespace());
    let _listener = TcpListener::start(&namespace, (Ipv4Addr::LOCALHOST, 445), Answer::Echo).unwrap();
    let owners = OwnerPrograms::load().unwrap().attach(cgroup.path()).unwrap();
    assert!(opener(&owners, 445).is_none());
    let before = since_boot();
    let process = connect(&namespace, &cgroup, 445);
    assert_eq!(process.stdout_lines(), ["connected"]);

    let opener = opener(&owners, 445).unwrap();
    assert_eq!((opener.process, opener.thread, opener.user), (process.id(), process.id(), 0));
    assert_eq!(&opener.comm[..5], b"bash\0");
    assert_eq!(opener.cgroup, fs::metadata(cgroup.path()).unwrap().ino());
    assert_eq!((opener.flags, opener.reserved), (0, 0));
    assert!(opener.cookie != 0 && opener.netns != 0);
    // /proc/uptime has hundredths of a second.
    let between = before.saturating_sub(10_000_000)..=since_boot() + 10_000_000;
    assert!(between.contains(&opener.boot_nanos), "{} is not in {between:?}", opener.boot_nanos);
}

#[test]
fn records_a_refused_call_and_the_next_replaces_it() {
    require_lab!(Cgroup);
    let (cgroup, namespace) = (Cgroup::new().unwrap(), namespace());
    let owners = OwnerPrograms::load().unwrap().attach(cgroup.path()).unwrap();
    for _ in 0..2 {
        let process = connect(&namespace, &cgroup, 9);
        assert_eq!(process.stdout_lines(), ["refused"]);
        let opener = opener(&owners, 9).unwrap();
        assert_eq!((opener.process, opener.flags), (process.id(), 0));
    }
}

#[test]
fn same_ends_in_another_network_namespace_are_contested() {
    require_lab!(Cgroup);
    let (cgroup, one, other) = (Cgroup::new().unwrap(), namespace(), namespace());
    let owners = OwnerPrograms::load().unwrap().attach(cgroup.path()).unwrap();
    let _first = connect(&one, &cgroup, 9);
    assert_eq!(opener(&owners, 9).unwrap().flags, 0);
    let _second = connect(&other, &cgroup, 9);
    assert_eq!(opener(&owners, 9).unwrap().flags, CONTESTED);
}

#[test]
fn programs_go_with_their_owner_and_calls_continue() {
    require_lab!(Cgroup);
    let (cgroup, namespace) = (Cgroup::new().unwrap(), namespace());
    let owners = OwnerPrograms::load().unwrap().attach(cgroup.path()).unwrap();
    assert_eq!(attached_to(&cgroup).unwrap(), ["smb_connect4", "smb_connect6", "smb_syn"]);
    drop(owners);
    // A process that another test starts has the descriptors until it runs its program.
    assert!(comes_within(PATIENCE, || attached_to(&cgroup).unwrap().is_empty()));
    let _listener = TcpListener::start(&namespace, (Ipv4Addr::LOCALHOST, 445), Answer::Echo).unwrap();
    assert_eq!(connect(&namespace, &cgroup, 445).stdout_lines(), ["connected"]);
}

#[test]
fn names_a_folder_that_is_no_cgroup() {
    require_lab!(Cgroup);
    let programs = OwnerPrograms::load().unwrap();
    let error = programs.attach("/tmp".as_ref()).err().unwrap().to_string();
    assert!(error.contains("/tmp") && error.contains("smb_connect4"), "{error}");
}
