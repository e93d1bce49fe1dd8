//! Nothing stays behind when the laboratory is dropped, or its owner is killed.
#![expect(clippy::expect_used, reason = "functions shared by tests fail as tests do")]

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sensor_lab::{Process, SHARE, Signal, Smbclient, Smbd, Topology, address, poll, require_lab};

/// Set in the process that is going to be killed.
const OWNER: &str = "SENSOR_LAB_KILLED_OWNER";
const MYSELF: &str = "killed_owner_leaves_no_process_namespace_or_file";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn dropped_smbd_leaves_no_process_file_or_open_port() {
    require_lab!();
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    let scratch = smbd.scratch().to_owned();
    let client = Smbclient::new(lab.client(), address::SERVER_V4);
    assert_eq!(client.list_shares().expect("list").shares(), [SHARE]);
    let connection = lab.client().run(|| TcpStream::connect((address::SERVER_V4, 445)).expect("connect"));
    let server = [net_link(lab.server().inode().expect("inode"))];
    // Its helpers, and the process for the connection: the kernel accepts before smbd does.
    poll(SOON, || (processes_inside(&server).len() >= 4).then_some(()))
        .unwrap_or_else(|| panic!("too few: {:?}", processes_inside(&server)));

    drop(smbd);
    poll(SOON, || processes_inside(&server).is_empty().then_some(()))
        .unwrap_or_else(|| panic!("still there: {:?}", processes_inside(&server)));
    assert!(!scratch.exists());
    let refused = client.run("ls").expect("run");
    assert!(refused.output.contains("NT_STATUS_CONNECTION_REFUSED"), "{refused:?}");
    drop(connection);
}

#[test]
fn killed_owner_leaves_no_process_namespace_or_file() {
    require_lab!();
    if env::var_os(OWNER).is_some() {
        own_until_killed();
        return;
    }
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let mut command = Command::new(env::current_exe().expect("own path"));
        command.args(["--exact", MYSELF, "--nocapture"]).env(OWNER, "1");
        let mut owner = Process::spawn(command).expect("start the owner");
        let report = owner.wait_for_line(SOON, |line| line.starts_with("OWNED ")).expect("owner is ready");
        let mut fields = report.split(' ').skip(1).map(str::to_owned);
        let scratch = fields.next().expect("scratch folder");
        let namespaces: Vec<String> = fields.collect();

        assert!(Path::new(&scratch).exists());
        // smbd, its helpers and one process for the open connection; `unshare`; `sleep`.
        poll(SOON, || (holders(&namespaces).len() >= 5).then_some(()))
            .unwrap_or_else(|| panic!("too few: {:?}", holders(&namespaces)));

        owner.signal(signal).expect("kill the owner");
        owner.wait(SOON).expect("the owner ends");
        let left = || (holders(&namespaces), Path::new(&scratch).exists());
        poll(SOON, || (left() == (Vec::new(), false)).then_some(()))
            .unwrap_or_else(|| panic!("{signal}: still there: {:?}", left()));
    }
}

/// The work of the process that the test above starts and kills.
fn own_until_killed() {
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    let listed = Smbclient::new(lab.client(), address::SERVER_V4).list_shares().expect("list");
    assert!(listed.success(), "{listed:?}");
    let _connection = lab.client().run(|| TcpStream::connect((address::SERVER_V4, 445)).expect("connect"));
    let mut sleep = lab.client().command("sleep");
    sleep.arg("60");
    let mut sleep = Process::spawn(sleep).expect("start sleep");
    let namespaces = [lab.client(), lab.gateway(), lab.server()]
        .map(|namespace| net_link(namespace.inode().expect("inode")));
    eprintln!("OWNED {} {} {} {}", smbd.scratch().display(), namespaces[0], namespaces[1], namespaces[2]);
    let _ = sleep.wait(Duration::from_secs(60));
}

/// How `/proc` shows that a process is inside a namespace, or holds it.
fn net_link(inode: u64) -> String {
    format!("net:[{inode}]")
}

/// Processes inside one of the namespaces; one that has ended and waits to be reaped is inside none.
fn processes_inside(links: &[String]) -> Vec<String> {
    processes(|process| is_one_of(&process.join("ns/net"), links))
}

/// Everything that keeps one of the namespaces alive: processes inside it and descriptors of it.
fn holders(links: &[String]) -> Vec<String> {
    processes(|process| {
        let holds = |fd: fs::DirEntry| is_one_of(&fd.path(), links);
        is_one_of(&process.join("ns/net"), links)
            || fs::read_dir(process.join("fd")).is_ok_and(|all| all.flatten().any(holds))
    })
}

fn is_one_of(path: &Path, links: &[String]) -> bool {
    fs::read_link(path).is_ok_and(|to| links.iter().any(|link| to == Path::new(link)))
}

fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("list processes").flatten().map(|entry| entry.path());
    all.filter(|process| wanted(process))
        .map(|process| {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            format!("{} {}", process.display(), name.trim_end())
        })
        .collect()
}
