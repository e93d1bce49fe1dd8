//! Streams that take no message.

use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{
    Agent, PATIENCE,
    nats::{STREAM, ask},
};

use super::{AT, OUTPUT, STDOUT, converse, ids, stored_ids};

#[test]
fn missing_stream_is_named_and_documents_wait_for_it() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::start(border.gateway(), AT, scratch.path(), "").unwrap();
    let config = OUTPUT.replace("create_stream = true\n", "") + STDOUT;
    let mut agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("no stream takes smb-sensor.lab.gate.incident; make one for smb-sensor.>").unwrap();
    ask(border.gateway(), server.address(), ConnectOptions::new(), async |jetstream| {
        let subjects = vec!["smb-sensor.>".to_owned()];
        jetstream.create_stream(Config { name: STREAM.to_owned(), subjects, ..Config::default() }).await?;
        Ok(())
    })
    .unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(stored_ids(&border, &server), ids(&ended.documents));
}

#[test]
fn full_stream_is_named_and_documents_wait_for_room() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::start(border.gateway(), AT, scratch.path(), "").unwrap();
    let config = format!("[kernel]\nflow_idle = 10\n{OUTPUT}take = \"both\"\nstream_max_bytes = 65536\n");
    let mut agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    let is_full = || agent.log().contains("the stream of smb-sensor.lab.gate.");
    poll(PATIENCE, || {
        converse(&border).unwrap();
        is_full().then_some(())
    })
    .unwrap_or_else(|| panic!("it was never full: {}", agent.log()));
    assert!(agent.log().contains("is full"), "{}", agent.log());
    ask(border.gateway(), server.address(), ConnectOptions::new(), async |jetstream| {
        jetstream.get_stream(STREAM).await?.purge().await?;
        Ok(())
    })
    .unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent.wait_for_log("the output nats accepts documents again").unwrap();
}
