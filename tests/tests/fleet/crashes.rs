//! Known destinations in a cluster whose members crash.

use std::net::Ipv4Addr;

use async_nats::{ConnectOptions, jetstream::stream::ClusterInfo};
use sensor_lab::{
    Answer, NatsServer, Signal, TcpListener, Topology, address, poll, require_lab, scratch_dir,
};
use sensor_tests::{SMB2_MESSAGE, connect, echo, finds, nats::ask, text};
use serde_json::Value;

use super::{
    HEALTH, config, sensor,
    terms::{BUCKET, Findings, LAST_OF_TRIES, RARE, WITHIN, add, decided_alone, names_one},
};

/// Whether both other members have what the leader has.
fn is_whole(info: &ClusterInfo) -> bool {
    info.replicas.len() == 2 && info.replicas.iter().all(|one| one.current && !one.offline)
}

#[test]
fn destination_is_rare_once_while_members_of_the_cluster_crash() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let _server = TcpListener::start(border.server(), (address::SERVER_V4, 445), Answer::Echo).unwrap();
    let scratch = scratch_dir().unwrap();
    let at = [1, 2, 3].map(|number| Ipv4Addr::new(127, 0, 0, number));
    let places = at.map(|one| (border.gateway(), one));
    let mut cluster = NatsServer::cluster(&places, &scratch.path().join("nats")).unwrap();
    let addresses: Vec<_> = cluster.iter().map(NatsServer::address).collect();
    let meet = |site: &str, interface: &str| {
        let config = config(&at, site, HEALTH) + "fleet_terms = true\n";
        let agent =
            sensor(&border, interface, &config).state_dir(&scratch.path().join(site)).start().unwrap();
        let host = if interface == "lan0" { border.client() } else { border.lan_server().unwrap() };
        echo(&mut connect(host, (address::SERVER_V4, 445)).unwrap(), &SMB2_MESSAGE).unwrap();
        agent
    };
    // The site that saw the destination last, as any member says that answers.
    let last = || -> Option<String> {
        let read = |server| {
            ask(border.gateway(), server, ConnectOptions::new(), async |jetstream| {
                let bucket = jetstream.get_key_value(BUCKET).await?;
                let value = bucket.get(format!("{RARE}.{}", address::SERVER_V4)).await?;
                let value: Value = serde_json::from_slice(&value.unwrap_or_default())?;
                Ok(text(&value, "/site").to_owned())
            })
        };
        addresses.iter().find_map(|server| read(*server).ok())
    };
    let members = || -> Option<ClusterInfo> {
        let read = |server| {
            ask(border.gateway(), server, ConnectOptions::new(), async |jetstream| {
                let stream = jetstream.get_stream(format!("KV_{BUCKET}")).await?;
                Ok(stream.get_info().await?.cluster)
            })
        };
        addresses.iter().find_map(|server| read(*server).ok()?)
    };
    let leader = || {
        let leader = members()?.leader?;
        ["n1", "n2", "n3"].iter().position(|name| *name == leader)
    };
    let crash_leader = |cluster: &mut [NatsServer<'_>]| {
        let led = poll(WITHIN, leader).unwrap();
        cluster[led].end(Signal::SIGKILL).unwrap();
        poll(WITHIN, || leader().filter(|next| *next != led)).unwrap();
        led
    };

    // The first site reports it, whether or not the cluster answers in time, and makes it known.
    let mut findings = Findings::new();
    let graz = meet("graz", "lan0");
    graz.wait_for(|one| names_one(one, address::SERVER_V4) && finds(one, RARE)).unwrap();
    poll(WITHIN, || (last()? == "graz").then_some(())).unwrap_or_else(|| panic!("{}", graz.log()));
    add(&mut findings, "graz", &graz.stop().unwrap().documents);
    assert_eq!(findings.len(), 1, "{findings:?}");

    // Twice the member that decides who was first crashes: the others know it. A sensor that has no answer in time decides alone,
    // which shows nothing about the answers: then another one meets it for the first time.
    let mut away: Option<usize> = None;
    for sites in [["vienna", "brno", "wels"], ["salzburg", "krems", "enns"]] {
        if let Some(member) = away {
            cluster[member].begin().unwrap();
            poll(WITHIN, || members().filter(is_whole)).unwrap();
        }
        away = Some(crash_leader(&mut cluster));
        for (site, is_last) in sites.into_iter().zip(LAST_OF_TRIES) {
            let agent = meet(site, "lan1");
            agent.wait_for(|one| names_one(one, address::SERVER_V4)).unwrap();
            // It has the answer when it answers the others in turn.
            poll(WITHIN, || (last()? == site).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
            let ended = agent.stop().unwrap();
            if decided_alone(&ended) == Some(0) {
                add(&mut findings, site, &ended.documents);
                break;
            }
            assert!(!is_last, "{}", ended.log);
        }
    }
    let sites: Vec<_> = findings.iter().map(|(site, ..)| *site).collect();
    assert_eq!(sites, ["graz"], "{findings:?}");
}
