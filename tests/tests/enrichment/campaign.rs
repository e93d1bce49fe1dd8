//! Incidents that have something in common.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use anyhow::Result;
use sensor_lab::{Answer, Namespace, TcpListener, Topology, address, require_lab, scratch_dir};
use sensor_tests::{Agent, SMB2_MESSAGE, echo, last_of_each, number, text};
use serde_json::Value;
use tokio::net::TcpSocket;

const CLIENTS: usize = 30;

fn client(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 101 + number as u8)
}

/// Connects from one of the addresses of a namespace.
fn connect_from(namespace: &Namespace, from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream> {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })?
}

fn campaigns(documents: &[Value]) -> Vec<&Value> {
    documents.iter().filter(|one| one.pointer("/smb_sensor/campaign").is_some()).collect()
}

#[test]
fn thirty_clients_of_one_rogue_server_are_one_campaign() {
    require_lab!(Network);
    let topology =
        (0..CLIENTS).fold(Topology::builder(), |topology, number| topology.client_address(client(number)));
    let border = topology.build().unwrap();
    let rogue = (address::SERVER_V4, 445).into();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let state = scratch_dir().unwrap();
    let agent = Agent::on(border.gateway(), "lan0").state_dir(state.path()).start().unwrap();
    let mut open = Vec::new();
    for number in 0..CLIENTS {
        let mut stream = connect_from(border.client(), client(number), rogue).unwrap();
        echo(&mut stream, &SMB2_MESSAGE).unwrap();
        stream.flush().unwrap();
        open.push(stream);
        let from = client(number).to_string();
        agent.wait_for(|document| text(document, "/source/ip") == from).unwrap();
    }
    // At the end the sum is written.
    let ended = agent.stop().unwrap();

    let all = campaigns(&ended.documents);
    let alerts: Vec<_> = all.iter().filter(|one| text(one, "/event/kind") == "alert").collect();
    assert_eq!(alerts.len(), 1, "{all:#?}");
    assert!(all.len() <= 6, "{} documents", all.len());
    let last = all.last().unwrap();
    let campaign = text(last, "/smb_sensor/campaign/id");
    assert_eq!(number(last, "/smb_sensor/campaign/incidents"), 30);
    assert_eq!(number(last, "/smb_sensor/campaign/internal_count"), 30);
    assert_eq!(number(last, "/smb_sensor/campaign/common/external_host"), 435, "each with each");
    assert!(
        text(last, "/message")
            .starts_with("30 incidents of 30 internal hosts are connected by the external host 8.8.4.4;"),
        "{last}"
    );

    let incidents: Vec<_> = last_of_each(&ended.documents)
        .into_iter()
        .filter(|one| one.pointer("/smb_sensor/incident").is_some())
        .collect();
    assert_eq!(incidents.len(), CLIENTS);
    // The first incident has the identifier of the campaign; each of the thirty names the other 29.
    let id = |one: &Value| text(one, "/smb_sensor/incident/id").to_owned();
    let related = |one: &Value| -> Vec<String> {
        let others = one.pointer("/smb_sensor/related/incidents").and_then(Value::as_array).unwrap();
        others.iter().map(|other| text(other, "/id").to_owned()).collect()
    };
    let of = |number: usize| {
        let from = client(number).to_string();
        *incidents.iter().find(|one| text(one, "/source/ip") == from).unwrap()
    };
    assert_eq!(id(of(0)), campaign);
    assert_eq!(text(of(CLIENTS - 1), "/smb_sensor/related/campaign"), campaign);
    let all_ids: BTreeSet<_> = incidents.iter().map(|one| id(one)).collect();
    for one in &incidents {
        let named: BTreeSet<_> = related(one).into_iter().chain([id(one)]).collect();
        assert_eq!(named, all_ids, "{one:#}");
        assert_eq!(number(one, "/smb_sensor/related/left_out"), 0);
    }
    let written = ended.documents.iter().filter(|one| one.pointer("/smb_sensor/incident").is_some()).count();
    assert!(written <= 4 * CLIENTS, "no document for each link: {written}");
    let seen = |what: &str| format!("/smb_sensor/external_host/{what}");
    let last = of(CLIENTS - 1);
    assert_eq!(number(last, &seen("internal_hosts")), 30);
    let first_seen = text(last, &seen("first_seen"));
    assert_eq!(first_seen, text(of(0), "/smb_sensor/incident/first"), "of the first of them");
    // One day, unless midnight passed.
    let day = |at: &str| at.split('T').next().map(str::to_owned);
    let is_next_day = day(first_seen) != day(text(last, "/smb_sensor/incident/last"));
    assert_eq!(number(last, &seen("days")), 1 + u64::from(is_next_day));
    assert_eq!(text(last, &seen("evidence")), "smb");

    let listed = border.gateway().command(Agent::program().unwrap());
    let list = {
        let mut command = listed;
        command.args(["alerts", "--campaigns", "--state-dir"]).arg(state.path()).output().unwrap()
    };
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains(campaign) && list.contains("8.8.4.4"), "{list}");
    for number in [0, CLIENTS / 2, CLIENTS - 1] {
        let mut command = border.gateway().command(Agent::program().unwrap());
        let shown =
            command.args(["alerts", &id(of(number)), "--state-dir"]).arg(state.path()).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let lines = shown.lines().filter(|line| line.ends_with(", same external host")).count();
        assert_eq!(lines, CLIENTS - 1, "{shown}");
    }
    let related_to = |id: &str, more: &[&str]| {
        let mut command = border.gateway().command(Agent::program().unwrap());
        let command = command.args(["alerts", "--related-to", id]).args(more);
        let output = command.arg("--state-dir").arg(state.path()).output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let first = &id(of(0));
    let [list, _] = related_to(first, &[]);
    assert_eq!(list.lines().count(), 1 + CLIENTS - 1, "a heading, and all but itself: {list}");
    assert!(!list.contains(&format!(" {} ", client(0))), "{list}");
    let [one, _] = related_to(first, &["--internal", &client(3).to_string(), "--json"]);
    let of_client = format!("\"ip\":\"{}\"", client(3));
    assert!(!one.is_empty() && one.lines().all(|line| line.contains(&of_client)), "{one}");
    let [list, error] = related_to("zzzz", &[]);
    assert!(list.is_empty() && error.contains("there is no incident zzzz"), "{list}{error}");
}
