//! Verdicts: by command, with and without an agent, on open and closed incidents; each is a document of the outputs.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

use sensor_lab::{Answer, TcpListener, Topology, address, require_lab};
use sensor_tests::{Agent, SMB2_MESSAGE, connect, documents_of, echo, text};
use serde_json::Value;

/// A user without any privilege.
const NOBODY: u32 = 65_534;

/// A connection of the client with a server that echoes.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without a connection")]
fn converse(border: &Topology) {
    let server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let mut stream = connect(border.client(), server.address()).unwrap();
    echo(&mut stream, &SMB2_MESSAGE).unwrap();
}

fn alerts(state_dir: &Path, arguments: &[&str]) -> Command {
    #[expect(clippy::unwrap_used, reason = "a test cannot go on without the program")]
    let mut command = Command::new(Agent::program().unwrap());
    command.arg("alerts").args(arguments).arg("--state-dir").arg(state_dir);
    command
}

/// What the command prints.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn printed(state_dir: &Path, arguments: &[&str]) -> String {
    let output = alerts(state_dir, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Why the command is refused.
#[expect(clippy::unwrap_used, reason = "a test cannot go on without an answer")]
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn verdict(value: &'static str) -> impl Fn(&Value) -> bool {
    move |document| text(document, "/smb_sensor/verdict/value") == value
}

#[test]
fn verdict_is_a_document_of_the_outputs_and_the_last_one_counts() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let start = || Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let agent = start();
    converse(&border);
    let opened = agent.wait_for(|one| text(one, "/event/action") == "incident-opened").unwrap();
    let id = text(&opened, "/smb_sensor/incident/id").to_owned();
    let given = printed(state.path(), &[&id[..6], "--verdict", "benign", "--note", "nightly copy"]);
    assert!(given.starts_with(&format!("incident {id}: benign, by root (uid 0)\n")), "{given}");
    let mut lines = given.lines().map(str::trim);
    let command = lines.find(|line| line.starts_with("smb-sensor exempt add")).unwrap_or(&given);
    assert!(
        command.starts_with("smb-sensor exempt add --destination 8.8.4.4 --source 10.0.0.2"),
        "{command}"
    );
    assert!(command.ends_with("--reason 'nightly copy'"), "{command}");
    let document = agent.wait_for(verdict("benign")).unwrap();
    assert_eq!(text(&document, "/smb_sensor/incident/id"), id);
    assert_eq!(document.pointer("/event/severity"), opened.pointer("/event/severity"));
    assert_eq!(text(&document, "/user/id"), "0");
    assert_eq!(text(&document, "/smb_sensor/verdict/note"), "nightly copy");
    agent.stop().unwrap();
    assert!(printed(state.path(), &[]).contains(" [benign] "));

    // Without an agent; the files stay those of the agent's user.
    let files = || fs::read_dir(state.path()).unwrap().map(|file| file.unwrap().path());
    chown(state.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    files().for_each(|file| chown(file, Some(NOBODY), Some(NOBODY)).unwrap());
    let given = printed(state.path(), &[&id, "--verdict", "confirmed"]);
    assert!(
        given.contains("; before, it was benign, by root (uid 0)") && !given.contains("exempt"),
        "{given}"
    );
    for file in files() {
        assert_eq!(fs::metadata(&file).unwrap().uid(), NOBODY, "{}", file.display());
    }

    let agent = start();
    let document = agent.wait_for(verdict("confirmed")).unwrap();
    assert_eq!(text(&document, "/smb_sensor/verdict/replaces"), "benign");
    assert!(printed(state.path(), &[]).contains(" [confirmed] "));
    let full = printed(state.path(), &[&id]);
    assert!(full.contains("\n  verdict    confirmed, by root (uid 0), 20"), "{full}");
    let both = documents_of(printed(state.path(), &[&id, "--json"]).lines()).unwrap();
    assert_eq!(both.iter().filter(|one| text(one, "/event/action") == "verdict-given").count(), 2);
    agent.stop().unwrap();
}

#[test]
fn verdict_that_cannot_be_given_says_why() {
    require_lab!(Network);
    let border = Topology::border().unwrap();
    let state = tempfile::tempdir().unwrap();
    let missing = refusal(alerts(state.path(), &["7f3a", "--verdict", "benign"]));
    assert!(missing.contains("there is no database in"), "{missing}");
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    converse(&border);
    let opened = agent.wait_for(|one| text(one, "/event/action") == "incident-opened").unwrap();
    let id = text(&opened, "/smb_sensor/incident/id");
    let long = "x".repeat(501);
    for (arguments, words) in [
        (vec!["zz", "--verdict", "benign"], "there is no incident zz"),
        (vec![id, "--verdict", "harmless"], "possible values: confirmed, benign, duplicate"),
        (vec![id, "--verdict", "benign", "--note", "a\nb"], "control characters"),
        (vec![id, "--verdict", "benign", "--note", "a\u{202e}b"], "control characters"),
        (vec![id, "--verdict", "benign", "--note", &long], "it has 501 characters, and 500 are allowed"),
        (vec![id, "--note", "x"], "--verdict"),
        (vec!["--verdict", "benign"], "<ID>"),
    ] {
        let refused = refusal(alerts(state.path(), &arguments));
        assert!(refused.contains(words), "{arguments:?}: {refused}");
    }
    let unprivileged = || {
        let mut command = Command::new("setpriv");
        let user = NOBODY.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.arg(Agent::program().unwrap()).args(["alerts", id, "--verdict", "benign", "--state-dir"]);
        command.arg(state.path());
        command
    };
    let forbidden = refusal(unprivileged());
    assert!(forbidden.contains("this user may not read"), "{forbidden}");
    // Even who may read the database may not give a verdict.
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for file in fs::read_dir(state.path()).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|end| end.to_string_lossy().starts_with("db")) {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    let forbidden = refusal(unprivileged());
    assert!(forbidden.contains("may you open the socket?"), "{forbidden}");
    let ended = agent.stop().unwrap();
    assert!(!ended.documents.iter().any(|one| text(one, "/event/action") == "verdict-given"));
}
