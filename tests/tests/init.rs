//! `smb-sensor init`: the configuration that it writes for a gateway, with and without questions.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use sensor_lab::{Namespace, Topology, require_lab};
use sensor_tests::Agent;
use sensor_user::config::{Config, Overrides};

/// A gateway with a public network of its own, and the default route through `wan0`.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without it")]
fn gateway() -> Topology {
    let border = Topology::border().unwrap();
    border.gateway().ip("address add 198.51.100.1/24 dev lan0").unwrap();
    border
}

#[expect(clippy::unwrap_used, reason = "a test cannot go on without the command")]
fn init(namespace: &Namespace, arguments: &[&str]) -> Output {
    namespace.command(Agent::program().unwrap()).arg("init").args(arguments).output().unwrap()
}

/// What the file says: interfaces, and internal networks.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without it")]
fn read(path: &Path) -> (Vec<String>, Vec<String>) {
    let config = Config::load(Some(path), &Overrides::default()).unwrap();
    (
        config.interfaces.iter().map(ToString::to_string).collect(),
        config.internal.iter().map(ToString::to_string).collect(),
    )
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn proposes_the_inner_side_and_its_public_networks() {
    require_lab!();
    let border = gateway();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smb-sensor.toml");
    let file = path.to_str().unwrap();
    let output = init(border.gateway(), &["--yes", "--output", file]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read(&path), (names(&["lan0"]), names(&["198.51.100.0/24"])));

    let mut check = border.gateway().command(Agent::program().unwrap());
    let text = fs::read_to_string(&path).unwrap() + "\n[process]\nattribution = \"off\"\n";
    fs::write(&path, text).unwrap();
    let checked = check.args(["check", "--config", file]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn file_that_is_there_stays_without_force() {
    require_lab!();
    let border = gateway();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smb-sensor.toml");
    let file = path.to_str().unwrap();
    fs::write(&path, "mine").unwrap();
    let flags = ["--iface", "wan0", "--internal", "203.0.113.0/24", "--output", file];
    let output = init(border.gateway(), &flags);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert!(init(border.gateway(), &[&flags[..], &["--force"]].concat()).status.success());
    assert_eq!(read(&path), (names(&["wan0"]), names(&["203.0.113.0/24"])));
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_written() {
    require_lab!();
    let border = gateway();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smb-sensor.toml");
    let output = init(border.gateway(), &["--output", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("nobody can be asked"), "{said}");
    let output = init(border.gateway(), &["--iface", "lan7", "--output", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no interface \"lan7\""), "{said}");
    assert!(!path.exists());
}

#[test]
fn machine_without_interfaces_is_told_how_to_name_one_that_will_come() {
    require_lab!();
    let machine = Namespace::new("bare").unwrap();
    let refused = init(&machine, &["--yes", "--output", "-"]);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("can be watched (there is only loopback)") && said.contains("--iface 'eth*'"),
        "{said}"
    );
    let output = init(&machine, &["--yes", "--iface", "eth*", "--output", "-"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("interfaces = [\"eth*\"]"));
}

#[test]
fn asks_on_a_terminal() {
    require_lab!();
    let border = gateway();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smb-sensor.toml");
    let program = Agent::program().unwrap();
    let line = format!("{} init --output {}", program.display(), path.display());
    // Gives the command a terminal.
    let mut command = border.gateway().command("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    let mut asked = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Marks wan0 beside lan0, which is proposed, and adds a network.
    asked.stdin.take().unwrap().write_all(b"\x1b[B \r, 203.0.113.0/24\r").unwrap();
    let output = asked.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("(default route)"), "{said}");
    let internal = names(&["8.8.4.1/32", "198.51.100.0/24", "2001:4860:4860::1/128", "203.0.113.0/24"]);
    assert_eq!(read(&path), (names(&["lan0", "wan0"]), internal));
}
