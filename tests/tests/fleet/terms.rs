//! A destination is rare once in the organisation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::Ipv4Addr,
    path::Path,
    time::Duration,
};

use async_nats::ConnectOptions;
use futures_util::TryStreamExt as _;
use sensor_lab::{
    Answer, Namespace, NatsServer, Signal, TcpListener, Topology, address, poll, require_lab, scratch_dir,
};
use sensor_tests::{Agent, Ended, SMB2_MESSAGE, connect, echo, finds, nats::ask, text};
use serde_json::Value;

use super::{config, sensor};

pub(super) const RARE: &str = "rare-smb-destination";
pub(super) const BUCKET: &str = "smb-sensor-known-destinations";
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);

/// Longest time until what is known here is known to the others, after their server is back.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// Three tries to get answers in time, and whether it is the last.
pub(super) const LAST_OF_TRIES: [bool; 3] = [false, false, true];

/// Where, which server and when: each finding of a rare destination.
pub(super) type Findings = BTreeSet<(&'static str, String, String)>;

/// Adds the findings of documents.
pub(super) fn add(findings: &mut Findings, site: &'static str, documents: &[Value]) {
    for document in documents {
        let all = document.pointer("/smb_sensor/findings").and_then(Value::as_array);
        for finding in all.into_iter().flatten().filter(|one| text(one, "/rule") == RARE) {
            let server = text(document, "/destination/ip").to_owned();
            findings.insert((site, server, text(finding, "/first").to_owned()));
        }
    }
}

/// Whether an incident with this server was reported.
fn names(documents: &[Value], server: Ipv4Addr) -> bool {
    documents.iter().any(|one| names_one(one, server))
}

pub(super) fn names_one(document: &Value, server: Ipv4Addr) -> bool {
    let is_incident = text(document, "/data_stream/dataset") == "smb_sensor.incident";
    is_incident && text(document, "/destination/ip") == server.to_string()
}

/// The number of destinations about which a sensor decided without the others.
pub(super) fn decided_alone(ended: &Ended) -> Option<u64> {
    let (_, counts) = ended.log.rsplit_once("decided_alone=")?;
    counts.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn destination_is_rare_once_in_the_organisation() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().server_address(OTHER_SERVER).build().unwrap();
    let _server = TcpListener::start(border.server(), (Ipv4Addr::UNSPECIFIED, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let at = Ipv4Addr::LOCALHOST;
    let mut nats = NatsServer::start(border.gateway(), at, &scratch.path().join("nats"), "").unwrap();
    let [graz_state, vienna_state] = ["graz", "vienna"].map(|site| scratch.path().join(site));
    let start = |interface: &str, site: &str, state: &Path| {
        let config = config(&[at], site, Duration::ZERO) + "fleet_terms = true\n";
        sensor(&border, interface, &config).state_dir(state).start().unwrap()
    };
    let speak = |host: &Namespace, server: Ipv4Addr| {
        echo(&mut connect(host, (server, 445)).unwrap(), &SMB2_MESSAGE).unwrap();
    };
    let (client, other) = (border.client(), border.lan_server().unwrap());
    // The bucket: keys, each with the site that saw the destination last.
    let bucket = || -> BTreeMap<String, String> {
        let read = ask(border.gateway(), (at, 4_222).into(), ConnectOptions::new(), async |jetstream| {
            let bucket = jetstream.get_key_value(BUCKET).await?;
            let keys: Vec<String> = bucket.keys().await?.try_collect().await?;
            let mut values = BTreeMap::new();
            for key in keys {
                let value: Value = serde_json::from_slice(&bucket.get(&key).await?.unwrap_or_default())?;
                values.insert(key, text(&value, "/site").to_owned());
            }
            Ok(values)
        });
        read.unwrap_or_default()
    };
    let keys = || bucket().into_keys().collect::<Vec<_>>();

    // Two sites meet the same server: the first one alone reports it. A sensor without an answer in time decides alone, which
    // shows nothing about the answers: then they meet it again as if for the first time.
    let mut findings = Findings::new();
    for is_last in LAST_OF_TRIES {
        let graz = start("lan0", "graz", &graz_state);
        let vienna = start("lan1", "vienna", &vienna_state);
        speak(client, address::SERVER_V4);
        speak(other, address::SERVER_V4);
        poll(WITHIN, || {
            let all = [&graz, &vienna].map(Agent::documents);
            let are_named = all.iter().all(|documents| names(documents, address::SERVER_V4));
            let is_rare = all.iter().flatten().any(|document| finds(document, RARE));
            (are_named && is_rare).then_some(())
        })
        .unwrap_or_else(|| panic!("{}\n{}", graz.log(), vienna.log()));
        // At its end a sensor decides about everything that has no answer yet.
        let ended = [("graz", graz), ("vienna", vienna)].map(|(site, agent)| (site, agent.stop().unwrap()));
        for (site, ended) in &ended {
            add(&mut findings, site, &ended.documents);
        }
        if ended.iter().all(|(_, ended)| decided_alone(ended) == Some(0)) {
            break;
        }
        assert!(!is_last, "{}\n{}", ended[0].1.log, ended[1].1.log);
        findings.clear();
        for state in [&graz_state, &vienna_state] {
            fs::remove_dir_all(state).unwrap();
        }
        ask(border.gateway(), (at, 4_222).into(), ConnectOptions::new(), async |jetstream| {
            jetstream.get_key_value(BUCKET).await?.purge("rare-smb-destination.8.8.4.4").await?;
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(keys(), ["rare-smb-destination.8.8.4.4"]);

    // Without the server of the fleet each decides alone, once.
    nats.end(Signal::SIGTERM).unwrap();
    let graz = start("lan0", "graz", &graz_state);
    let vienna = start("lan1", "vienna", &vienna_state);
    for (agent, host) in [(&graz, client), (&vienna, other)] {
        for server in [address::SERVER_V4, OTHER_SERVER, OTHER_SERVER] {
            speak(host, server);
        }
        let is_rare = |one: &Value| names_one(one, OTHER_SERVER) && finds(one, RARE);
        agent.wait_for(is_rare).unwrap();
        agent.wait_for_log("this sensor decides alone what is rare").unwrap();
    }

    // When it is back, it hears of what was met meanwhile. Nobody reports that again.
    nats.begin().unwrap();
    let wanted = ["rare-smb-destination.1.1.1.1", "rare-smb-destination.8.8.4.4"];
    poll(WITHIN, || (keys() == wanted).then_some(()))
        .unwrap_or_else(|| panic!("{:?}\n{}\n{}", keys(), graz.log(), vienna.log()));
    for (agent, host) in [(&graz, client), (&vienna, other)] {
        agent.wait_for_log("known destinations are shared with the fleet again").unwrap();
        speak(host, OTHER_SERVER);
        speak(host, address::SERVER_V4);
    }
    for (site, agent) in [("graz", graz), ("vienna", vienna)] {
        let ended = agent.stop().unwrap();
        assert_eq!(decided_alone(&ended), Some(1), "{}", ended.log);
        add(&mut findings, site, &ended.documents);
    }
    for (site, is_last) in ["brno", "salzburg", "wels"].into_iter().zip(LAST_OF_TRIES) {
        let third = start("lan1", site, &scratch.path().join(site));
        for server in [OTHER_SERVER, address::SERVER_V4] {
            speak(other, server);
            third.wait_for(|one| names_one(one, server)).unwrap();
        }
        // It has the answers when it answers the others in turn.
        let is_announced = || bucket().values().all(|last| last == site);
        poll(WITHIN, || is_announced().then_some(())).unwrap_or_else(|| panic!("{:?}", bucket()));
        let ended = third.stop().unwrap();
        if decided_alone(&ended) == Some(0) {
            add(&mut findings, site, &ended.documents);
            break;
        }
        assert!(!is_last, "{}", ended.log);
    }

    let sites = |server: Ipv4Addr| -> Vec<&str> {
        let of = |(site, address, _): &(&'static str, String, String)| {
            (*address == server.to_string()).then_some(*site)
        };
        findings.iter().filter_map(of).collect()
    };
    assert_eq!(sites(address::SERVER_V4).len(), 1, "{findings:?}");
    assert_eq!(sites(OTHER_SERVER), ["graz", "vienna"], "{findings:?}");
}
