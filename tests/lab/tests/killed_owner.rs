//! What a killed owner leaves behind: nothing.
#![expect(clippy::expect_used, reason = "functions shared by tests fail as tests do")]

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sensor_lab::{Process, Signal, Smbclient, Smbd, Topology, address, poll, require_lab};

/// Set in the process that is going to be killed.
const OWNER: &str = "SENSOR_LAB_KILLED_OWNER";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_killed_owner_leaves_no_process_namespace_or_file_behind() {
    require_lab!();
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let mut command = Command::new(env::current_exe().expect("own path"));
        command.args(["--exact", "owner", "--nocapture"]).env(OWNER, "1");
        let mut owner = Process::spawn(command).expect("start the owner");
        let report = owner
            .wait_for_line(SOON, |line| line.starts_with("OWNED "))
            .expect("owner is ready");
        let mut fields = report.split(' ').skip(1).map(str::to_owned);
        let scratch = fields.next().expect("scratch folder");
        let namespaces: Vec<String> = fields.collect();

        assert!(Path::new(&scratch).exists());
        // smbd, its helpers and one process for the open connection; `unshare`; `sleep`.
        assert!(holders(&namespaces).len() >= 5, "{:?}", holders(&namespaces));

        owner.signal(signal).expect("kill the owner");
        owner.wait(SOON).expect("the owner ends");
        let left = || (holders(&namespaces), Path::new(&scratch).exists());
        poll(SOON, || (left() == (Vec::new(), false)).then_some(()))
            .unwrap_or_else(|| panic!("{signal}: still there: {:?}", left()));
    }
}

/// Not a test: the body of the process that the test above starts and kills.
#[test]
fn owner() {
    if env::var_os(OWNER).is_none() {
        return;
    }
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    let listed = Smbclient::new(lab.client(), address::SERVER_V4)
        .list_shares()
        .expect("list");
    assert!(listed.success(), "{listed:?}");
    let _connection = lab
        .client()
        .run(|| TcpStream::connect((address::SERVER_V4, 445)).expect("connect"));
    let mut sleep = lab.client().command("sleep");
    sleep.arg("60");
    let mut sleep = Process::spawn(sleep).expect("start sleep");
    let namespaces =
        [lab.client(), lab.gateway(), lab.server()].map(|namespace| namespace.inode().expect("inode"));
    println!(
        "OWNED {} {} {} {}",
        smbd.scratch().display(),
        namespaces[0],
        namespaces[1],
        namespaces[2]
    );
    let _ = sleep.wait(Duration::from_secs(60));
}

/// Everything that keeps one of the namespaces alive: processes inside it and descriptors of it.
fn holders(namespaces: &[String]) -> Vec<String> {
    let links: Vec<String> = namespaces.iter().map(|inode| format!("net:[{inode}]")).collect();
    let held =
        |path: &Path| fs::read_link(path).is_ok_and(|to| links.iter().any(|link| to == Path::new(link)));
    let mut holders = Vec::new();
    for process in fs::read_dir("/proc").expect("list processes").flatten() {
        let process = process.path();
        let inside = held(&process.join("ns/net"));
        let holds =
            || fs::read_dir(process.join("fd")).is_ok_and(|all| all.flatten().any(|fd| held(&fd.path())));
        if inside || holds() {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            holders.push(format!("{} {}", process.display(), name.trim_end()));
        }
    }
    holders
}
