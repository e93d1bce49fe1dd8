//! A WebDAV server inside that answers a stranger without a log-on: one medium incident, and a host to fix. Any other web server is
//! nothing, and so is the same server asked from inside.

use std::{net::Ipv4Addr, path::Path, process::Command};

use anyhow::Result;
use sensor_lab::{
    Namespace, Scratch, Topology, WebDavServer, WebServer, WsgiDav, address, curl, require_lab, scratch_dir,
};
use sensor_tests::{Agent, Ended, has_finding, number, text};
use serde_json::{Value, json};

use crate::two_cpus;

const RULE: &str = "windows-networking-exposed";
const FLOWS: &str = "flow_documents = true\n";

/// A server inside that the Internet reaches, and an agent that watches its side of the border.
struct Exposed<S> {
    border: Topology,
    _server: S,
    state: Scratch,
    agent: Agent,
}

impl<S> Exposed<S> {
    fn start(border: Topology, server: impl FnOnce(&Namespace) -> Result<S>) -> Self {
        let server = server(border.client()).unwrap();
        let state = scratch_dir().unwrap();
        let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
        Self { border, _server: server, state, agent }
    }

    /// Asks the server from the Internet.
    fn ask(&self) -> [String; 2] {
        ask(self.border.server(), address::CLIENT_V4)
    }

    /// Waits for the finding, and ends the agent: it is the only one.
    fn found(self) -> (Ended, Scratch) {
        self.agent.wait_for(has_finding(RULE, "connected")).unwrap();
        let ended = self.agent.stop().unwrap();
        assert_eq!(ended.rules(), [RULE]);
        (ended, self.state)
    }
}

/// Asks a server what it holds and what it can do, without a log-on. Gives what curl prints.
fn ask(from: &Namespace, server: Ipv4Addr) -> [String; 2] {
    let url = format!("http://{server}/");
    ["PROPFIND", "OPTIONS"].map(|method| {
        let arguments = ["--request", method, "--header", "Depth: 0", "--include", &url];
        curl(from, &arguments).unwrap().output
    })
}

/// What `smb-sensor exposure` prints about the database in this directory.
fn exposure(state: &Path, flags: &[&str]) -> String {
    let mut command = Command::new(Agent::program().unwrap());
    let output = command.arg("exposure").args(flags).arg("--state-dir").arg(state).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Nothing came of it, although it was looked at.
#[track_caller]
fn assert_nothing(ended: &Ended, state: &Path) {
    let incidents = ended.incidents();
    assert!(incidents.is_empty(), "{incidents:#?}");
    assert_eq!(exposure(state, &["--json"]), "");
}

#[test]
fn webdav_server_that_lists_its_files_to_a_stranger_is_exposed_and_anonymous() {
    require_lab!(WebDav);
    let exposed = Exposed::start(Topology::border().unwrap(), |namespace| WsgiDav::start(namespace, 80));
    let [listing, options] = exposed.ask();
    assert!(listing.contains("207") && options.contains("DAV: 1,2"), "{listing} {options}");
    exposed.agent.wait_for(has_finding(RULE, "connected")).unwrap();
    exposed.ask();
    let (ended, state) = exposed.found();

    let incident = ended.only().unwrap();
    assert_eq!(text(incident, "/smb_sensor/incident/severity"), "medium");
    assert_eq!(text(incident, "/smb_sensor/incident/scope"), "exposure");
    assert_eq!(number(incident, "/destination/port"), 80);
    let (server, client) = (address::CLIENT_V4, address::SERVER_V4);
    let message =
        format!("TCP 80 of {server} answers the Internet with WebDAV, without a log-on: {client} reached it");
    assert_eq!(text(incident, "/message"), message);
    let alerts = ended.documents.iter().filter(|one| text(one, "/event/kind") == "alert").count();
    assert_eq!(alerts, 1, "later ones belong to the first: {:#?}", ended.documents);

    let host: Value = serde_json::from_str(&exposure(state.path(), &["--json"])).unwrap();
    assert_eq!(host["host"], server.to_string());
    assert_eq!((&host["ports"], &host["external_hosts"]), (&json!(["80/tcp"]), &json!(1)));
    assert_eq!((&host["anonymous"], &host["smb1"]), (&json!(true), &json!(false)));
    assert_eq!(host["evidence"], "connected");
    let table = exposure(state.path(), &[]);
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with("10.0.0.2  80/tcp") && row.ends_with("not seen  seen"), "{table}");
    let csv = exposure(state.path(), &["--csv"]);
    assert!(
        csv.contains("\r\n10.0.0.2,80/tcp,") && csv.contains(",1,false,connected,,,false,true,"),
        "{csv}"
    );
}

#[test]
fn webdav_server_whose_answers_another_cpu_handles_is_exposed() {
    require_lab!(WebDav);
    let test = "webdav::exposed::webdav_server_whose_answers_another_cpu_handles_is_exposed";
    let Some([first, second]) = two_cpus(test) else { return };
    let border = Topology::border().unwrap();
    border.server().keep_to_cpu(first);
    border.client().keep_to_cpu(second);
    let exposed = Exposed::start(border, |namespace| WsgiDav::start(namespace, 80));
    let url = format!("http://{}/", address::CLIENT_V4);
    // An answer of this status is like that of any web server.
    let answer = curl(exposed.border.server(), &["--request", "OPTIONS", "--include", &url]).unwrap().output;
    assert!(answer.contains("200 OK") && answer.contains("DAV: 1,2"), "{answer}");
    let (_, state) = exposed.found();
    let host: Value = serde_json::from_str(&exposure(state.path(), &["--json"])).unwrap();
    assert_eq!((&host["ports"], &host["external_hosts"]), (&json!(["80/tcp"]), &json!(1)));
}

#[test]
fn webdav_server_that_wants_a_log_on_is_exposed_and_not_anonymous() {
    require_lab!(WebDav);
    let exposed = Exposed::start(Topology::border().unwrap(), |namespace| WebDavServer::start(namespace, 80));
    let [listing, _] = exposed.ask();
    assert!(listing.contains("401"), "{listing}");
    let (_, state) = exposed.found();
    let host: Value = serde_json::from_str(&exposure(state.path(), &["--json"])).unwrap();
    assert_eq!((&host["ports"], &host["anonymous"]), (&json!(["80/tcp"]), &json!(false)));
}

#[test]
fn web_server_without_webdav_is_nothing_to_a_stranger_who_asks_for_it() {
    require_lab!(WebDav);
    let exposed =
        Exposed::start(Topology::border().unwrap(), |namespace| WebServer::start(namespace, 80, false));
    let answers = exposed.ask();
    assert!(answers.iter().all(|answer| answer.contains("501")), "{answers:?}");
    let ended = exposed.agent.stop().unwrap();
    assert!(ended.number("kept").unwrap() > 0, "the requests were looked at: {}", ended.statistics);
    assert_nothing(&ended, exposed.state.path());
}

#[test]
fn webdav_server_that_is_asked_from_inside_is_not_exposed() {
    require_lab!(WebDav);
    let border = Topology::builder().lan_server().build().unwrap();
    let _server = WsgiDav::start(border.lan_server().unwrap(), 80).unwrap();
    let state = scratch_dir().unwrap();
    let agent =
        Agent::on(border.gateway(), "lan0,lan1").config(FLOWS).state_dir(state.path()).start().unwrap();
    let [listing, _] = ask(border.client(), address::LAN_SERVER_V4);
    assert!(listing.contains("207"), "{listing}");
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_nothing(&ended, state.path());
}
