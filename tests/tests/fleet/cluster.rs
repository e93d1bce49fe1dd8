//! A cluster of three servers, of which some fail, and sensors that are offline for a while.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use async_nats::ConnectOptions;
use sensor_lab::{NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{
    Agent,
    nats::{Stored, stored},
    number, text,
};
use serde_json::Value;

use super::{config, converse, sensor, wait_for_summaries};

/// Longest time until a cluster has a leader and sensors have sent what waited.
pub(super) const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Documents of one sensor before a member crashes, and again after that, without a pause in between.
const LOAD: usize = 200;

/// How often documents occur.
fn counted<'a>(documents: impl Iterator<Item = &'a Value>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for document in documents {
        *counts.entry(document.to_string()).or_default() += 1;
    }
    counts
}

/// Asserts that the stream has the documents that sensors made, each once, and those of an incident in order.
///
/// One reading shows nothing: it may come from a member that is behind, or fail. It is read again until it has as many.
pub(super) fn assert_each_once(held: impl Fn() -> Vec<Stored>, made: &[Value], logs: &str) {
    let made = counted(made.iter());
    let wanted: usize = made.values().sum();
    let all = poll(SETTLED_WITHIN, || Some(held()).filter(|all| all.len() >= wanted)).unwrap_or_else(&held);
    let there = counted(all.iter().map(|one| &one.document));
    let differ = made.keys().chain(there.keys()).filter(|one| made.get(*one) != there.get(*one));
    let differ: Vec<_> = differ.map(|one| (made.get(one), there.get(one), one)).take(5).collect();
    assert!(differ.is_empty(), "made, in the stream, document: {differ:#?}\n{logs}");
    assert_ordered(&all);
}

#[test]
fn nothing_is_lost_or_doubled_while_servers_and_sensors_fail() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let scratch = scratch_dir().unwrap();
    let at = [1, 2, 3].map(|number| Ipv4Addr::new(127, 0, 0, number));
    let mut cluster =
        NatsServer::cluster(&at.map(|one| (border.gateway(), one)), &scratch.path().join("nats")).unwrap();
    let addresses: Vec<_> = cluster.iter().map(NatsServer::address).collect();
    let [graz_state, vienna_state] = ["graz", "vienna"].map(|site| scratch.path().join(site));
    let graz = || {
        sensor(&border, "lan0", &config(&at, "graz", Duration::ZERO)).state_dir(&graz_state).start().unwrap()
    };
    let vienna = || {
        sensor(&border, "lan1", &config(&at, "vienna", Duration::ZERO))
            .state_dir(&vienna_state)
            .start()
            .unwrap()
    };
    let traffic = |rounds: usize| {
        for _ in 0..rounds {
            converse(&border, &[border.client(), border.lan_server().unwrap()]).unwrap();
        }
    };
    let held = || -> Vec<Stored> {
        let read = |address| {
            let options = ConnectOptions::new();
            stored(border.gateway(), address, options, "smb-sensor.*.*.*").ok()
        };
        addresses.iter().find_map(|address| read(*address)).unwrap_or_default()
    };
    let mut made: Vec<Value> = vec![];
    let settle = |made: &[Value], running: &[&mut Agent]| {
        poll(SETTLED_WITHIN, || {
            let count: usize = running.iter().map(|one| one.documents().len()).sum();
            let is_settled = held().len() >= made.len() + count;
            (is_settled && count > 0).then_some(())
        })
        .unwrap_or_else(|| {
            let logs: Vec<_> = running.iter().map(|one| one.log()).collect();
            panic!("{} of the documents are there: {}", held().len(), logs.join("\n\n"))
        });
    };

    let (mut first, mut second) = (graz(), vienna());
    traffic(5);
    settle(&made, &[&mut first, &mut second]);

    // A member crashes under load, and comes back. Connections are made before, meanwhile and afterwards.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                traffic(1);
            }
        });
        let more = |than: usize| {
            poll(SETTLED_WITHIN, || Some(first.documents().len()).filter(|made| *made >= than + LOAD))
        };
        let before = more(0);
        let crashed = cluster[0].end(Signal::SIGKILL);
        let after = before.and_then(more);
        is_over.store(true, Ordering::Relaxed);
        crashed.unwrap();
        assert!(after.is_some(), "{} documents, {before:?} before\n{}", first.documents().len(), first.log());
    });
    settle(&made, &[&mut first, &mut second]);
    cluster[0].begin().unwrap();

    // No member answers, and what their machines take is read later. Then one does, and takes nothing alone.
    for member in &mut cluster {
        member.signal(Signal::SIGSTOP).unwrap();
    }
    traffic(10);
    let waits = "the output nats does not accept documents";
    first.wait_for_log(waits).unwrap();
    second.wait_for_log(waits).unwrap();
    cluster[0].signal(Signal::SIGCONT).unwrap();
    traffic(5);
    // One sensor ends meanwhile, with documents that nobody has.
    let ended = second.stop().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    made.extend(ended.documents);
    for member in &mut cluster[1..] {
        member.signal(Signal::SIGCONT).unwrap();
    }
    first.signal(Signal::SIGHUP).unwrap();
    traffic(5);

    // It is back, and sends them.
    let mut second = vienna();
    traffic(5);
    settle(&made, &[&mut first, &mut second]);
    wait_for_summaries(&first, 40).unwrap();
    wait_for_summaries(&second, 5).unwrap();
    let mut logs = String::new();
    for ended in [first.stop().unwrap(), second.stop().unwrap()] {
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        logs += &ended.log;
        made.extend(ended.documents);
    }
    assert_each_once(held, &made, &logs);
}

/// Documents of each incident are in their order.
fn assert_ordered(all: &[Stored]) {
    let mut last = BTreeMap::new();
    for one in all.iter().filter(|one| one.subject.ends_with(".incident")) {
        let incident = text(&one.document, "/smb_sensor/incident/id").to_owned();
        let sequence = number(&one.document, "/event/sequence");
        assert!(
            last.insert(incident, sequence).is_none_or(|before| before < sequence),
            "those of an incident in order"
        );
    }
}
