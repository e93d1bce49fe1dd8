//! The sensor on a host: an alert names the process of that host that opened the connection, and no other.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use sensor_lab::{Cgroup, Namespace};
use sensor_tests::text;
use serde_json::Value;

mod exempt;
mod named;
mod nobody;

pub(crate) const RULE: &str = "smb-to-internet";

/// Has it write a document for each connection, too.
pub(crate) const FLOWS: &str = "flow_documents = true\n";

/// A shell in `namespace` that runs `script` and waits for a line that never comes. The shell itself connects:
/// `/dev/tcp` is its own.
pub(crate) fn shell(namespace: &Namespace, script: &str) -> Command {
    let mut command = namespace.command("bash");
    command.arg("-c").arg(format!("{script}\nread -r _")).stdin(Stdio::piped());
    command
}

/// A shell that connects to an address.
pub(crate) fn connecting(namespace: &Namespace, to: &str, port: u16) -> Command {
    shell(namespace, &format!("exec 3<>/dev/tcp/{to}/{port}"))
}

/// The file that a program's name leads to.
pub(crate) fn executable(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    fs::canonicalize(found.unwrap()).unwrap().to_str().unwrap().to_owned()
}

/// Whether it is the summary document of a connection.
pub(crate) fn is_flow(document: &Value) -> bool {
    text(document, "/event/dataset") == "network_traffic.flow"
}

/// Whether the document has no field about a process.
pub(crate) fn names_nobody(document: &Value) -> bool {
    ["/process", "/user", "/container", "/smb_sensor/process"].iter().all(|p| document.pointer(p).is_none())
}

pub(crate) fn cgroup_id(cgroup: &Cgroup) -> String {
    fs::metadata(cgroup.path()).unwrap().ino().to_string()
}

pub(crate) fn below_root(cgroup: &Cgroup) -> String {
    format!("/{}", cgroup.path().file_name().unwrap().to_str().unwrap())
}
