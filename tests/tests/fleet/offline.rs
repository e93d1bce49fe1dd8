//! A sensor that reaches no member of a cluster for longer than the stream remembers identifiers.

use std::{
    env,
    time::{Duration, Instant},
};

use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{Namespace, NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::nats::{STREAM, Stored, ask, stored};
use time::OffsetDateTime;

use super::{
    behind_gateway,
    cluster::{SETTLED_WITHIN, assert_each_once},
    config, converse, sensor, wait_for_summaries,
};

/// Names the time without a server in seconds, where the default of a test run is not long enough.
const AWAY: &str = "SMB_SENSOR_OFFLINE_SECONDS";

/// Time without a server by default: long for the sensor.
const DEFAULT_AWAY: Duration = Duration::from_secs(32);

/// The stream knows an identifier again for this part of the time without a server, and for an hour in the sensor's own stream.
const WINDOWS: u32 = 16;

/// Documents that are made meanwhile.
const MANY: usize = 200;

/// The time without a server ends at most so much later.
const AWAY_WITHIN: Duration = Duration::from_secs(58);

/// Time between two looks at the stream and at what is there.
const LOOKS_APART: Duration = Duration::from_millis(500);

#[test]
fn nothing_is_lost_or_doubled_after_a_long_time_without_a_server() {
    require_lab!(Nats);
    let away = env::var(AWAY).map_or(DEFAULT_AWAY, |seconds| Duration::from_secs(seconds.parse().unwrap()));
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
            let duplicate_window = away / WINDOWS;
            let config = Config { name, subjects, num_replicas, duplicate_window, ..Config::default() };
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
    let (begun, mut asked) = (Instant::now(), Instant::now());
    poll(away + AWAY_WITHIN, || {
        if asked.elapsed() < LOOKS_APART {
            return None;
        }
        asked = Instant::now();
        let due = MANY as f64 * (begun.elapsed().as_secs_f64() / away.as_secs_f64()).min(1.0);
        for _ in agent.documents().len()..due as usize {
            converse(&border, &[border.client()]).unwrap();
            connections += 1;
        }
        let newest = ask(member, server, ConnectOptions::new(), async |jetstream| {
            let stream = jetstream.get_stream(STREAM).await?;
            Ok(stream.get_raw_message(stream.cached_info().state.last_sequence).await?.time)
        });
        // During an election nobody answers.
        newest.is_ok_and(|newest| OffsetDateTime::now_utc() - newest >= away).then_some(())
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
