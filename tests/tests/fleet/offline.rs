//! A sensor that reaches no server for longer than the stream remembers identifiers.

use std::time::Duration;

use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{Namespace, NatsServer, Topology, poll, require_lab, scratch_dir};
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
    let member = Namespace::new("nats").unwrap();
    let at = behind_gateway(&border, &member, 1).unwrap();
    let server = NatsServer::start(&member, at, &scratch.path().join("nats"), "").unwrap();
    ask(&member, server.address(), ConnectOptions::new(), async |jetstream| {
        let (name, subjects) = (STREAM.to_owned(), vec!["smb-sensor.>".to_owned()]);
        let config =
            Config { name, subjects, duplicate_window: WINDOW, allow_rollup: true, ..Config::default() };
        jetstream.create_stream(config).await?;
        Ok(())
    })
    .unwrap();
    // Whoever asks from where the server is gets an answer at any time.
    let held = || -> Vec<Stored> {
        stored(&member, server.address(), ConnectOptions::new(), "smb-sensor.>").unwrap_or_default()
    };
    let agent = sensor(&border, "lan0", &config(&[at], "graz", Duration::ZERO)).start().unwrap();
    let settle = || {
        poll(SETTLED_WITHIN, || {
            let made = agent.documents().len();
            (made > 0 && held().len() >= made).then_some(())
        })
        .unwrap_or_else(|| panic!("{} are there\n{}", held().len(), agent.log()));
    };
    converse(&border, &[border.client()]).unwrap();
    settle();
    let before = held().len();

    // What the sensor sends arrives, and what the server says does not.
    let cut =
        |what: &str| member.ip(&format!("rule {what} pref 10 from {at} to 10.9.1.1 blackhole")).unwrap();
    cut("add");
    converse(&border, &[border.client()]).unwrap();
    let mut connections = 2;
    poll(SETTLED_WITHIN, || (held().len() > before).then_some(()))
        .unwrap_or_else(|| panic!("nothing arrived\n{}", agent.log()));
    agent.wait_for_log("the output nats does not accept documents").unwrap();
    poll(AWAY_WITHIN, || {
        if agent.documents().len() < MANY {
            converse(&border, &[border.client()]).unwrap();
            connections += 1;
        }
        let newest = ask(&member, server.address(), ConnectOptions::new(), async |jetstream| {
            let stream = jetstream.get_stream(STREAM).await?;
            Ok(stream.get_raw_message(stream.cached_info().state.last_sequence).await?.time)
        });
        (OffsetDateTime::now_utc() - newest.unwrap() >= AWAY).then_some(())
    })
    .unwrap();

    cut("del");
    converse(&border, &[border.client()]).unwrap();
    settle();
    wait_for_summaries(&agent, connections + 1).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_each_once(held, &ended.documents, &ended.log);
}
