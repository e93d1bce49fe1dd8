//! A sensor that reaches no member of a cluster for longer than the stream remembers identifiers.

use std::time::Duration;

use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{Namespace, NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::nats::{STREAM, Stored, ask, stored};
use time::OffsetDateTime;

use super::{
    behind_gateway,
    cluster::{SETTLED_WITHIN, assert_each_once},
    config, converse, sensor, wait_for_summaries,
};

/// Time in which the stream knows an identifier again; an hour in the sensor's own stream.
const WINDOW: Duration = Duration::from_secs(2);

/// Time without a server: longer than the window, and long for the sensor.
const AWAY: Duration = Duration::from_secs(32);

/// Documents that are made meanwhile.
const MANY: usize = 200;

/// Longest time until that is over.
const AWAY_WITHIN: Duration = Duration::from_secs(90);

#[test]
fn nothing_is_lost_or_doubled_after_a_long_time_without_a_server() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let members = ["n1", "n2", "n3"].map(|name| Namespace::new(name).unwrap());
    let at = [0, 1, 2].map(|place| behind_gateway(&border, &members[place], place as u8 + 1).unwrap());
    let places = [0, 1, 2].map(|place| (&members[place], at[place]));
    let mut cluster = NatsServer::cluster(&places, &scratch.path().join("nats")).unwrap();
    // The test asks the first member, from where that is.
    let (member, server) = (&members[0], cluster[0].address());
    // A cluster takes no stream before it has a leader.
    poll(SETTLED_WITHIN, || {
        let made = ask(member, server, ConnectOptions::new(), async |jetstream| {
            let (name, subjects) = (STREAM.to_owned(), vec!["smb-sensor.>".to_owned()]);
            let num_replicas = at.len();
            let config =
                Config { name, subjects, num_replicas, duplicate_window: WINDOW, ..Config::default() };
            jetstream.get_or_create_stream(Config { allow_rollup: true, ..config }).await?;
            Ok(())
        });
        made.ok()
    })
    .unwrap();
    let held = || -> Vec<Stored> {
        stored(member, server, ConnectOptions::new(), "smb-sensor.>").unwrap_or_default()
    };
    let agent = sensor(&border, "lan0", &config(&at, "graz", Duration::ZERO)).start().unwrap();
    let settle = || {
        poll(SETTLED_WITHIN, || {
            let (made, held) = (agent.documents().len(), held().len());
            (made > 0 && held >= made).then_some(held)
        })
        .unwrap_or_else(|| panic!("{} are there\n{}", held().len(), agent.log()))
    };
    converse(&border, &[border.client()]).unwrap();
    let before = settle();

    // What the sensor sends arrives, and what a server says to it does not. The servers hear each other.
    let cut = |what: &str| {
        for ((member, from), number) in places.into_iter().zip(1..) {
            let rule = format!("rule {what} pref 10 from {from} to 10.9.{number}.1 blackhole");
            member.ip(&rule).unwrap();
        }
    };
    cut("add");
    converse(&border, &[border.client()]).unwrap();
    let mut connections = 2;
    poll(SETTLED_WITHIN, || (held().len() > before).then_some(()))
        .unwrap_or_else(|| panic!("nothing arrived\n{}", agent.log()));
    agent.wait_for_log("the output nats does not accept documents").unwrap();
    // A member crashes meanwhile, and comes back after the sensor.
    cluster[2].end(Signal::SIGKILL).unwrap();
    poll(AWAY_WITHIN, || {
        if agent.documents().len() < MANY {
            converse(&border, &[border.client()]).unwrap();
            connections += 1;
        }
        let newest = ask(member, server, ConnectOptions::new(), async |jetstream| {
            let stream = jetstream.get_stream(STREAM).await?;
            Ok(stream.get_raw_message(stream.cached_info().state.last_sequence).await?.time)
        });
        // During an election nobody answers.
        newest.is_ok_and(|newest| OffsetDateTime::now_utc() - newest >= AWAY).then_some(())
    })
    .unwrap();

    cut("del");
    converse(&border, &[border.client()]).unwrap();
    settle();
    cluster[2].begin().unwrap();
    wait_for_summaries(&agent, connections + 1).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_each_once(held, &ended.documents, &ended.log);
}
