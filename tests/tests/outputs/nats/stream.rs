//! Streams that take no message.

use std::{fs, path::Path, process::Command};

use anyhow::Result;
use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{NatsServer, Signal, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{
    Agent, PATIENCE,
    nats::{STREAM, ask},
};

use super::{AT, OUTPUT, STDOUT, converse, ids, stored_ids};

#[test]
fn missing_stream_is_a_problem_before_anything_waits() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let scratch = scratch_dir().unwrap();
    let mut server = NatsServer::start(gateway, AT, &scratch.path().join("nats"), "").unwrap();
    let state = scratch.path().join("state");
    let listen = "[http]\nlisten = \"127.0.0.1:9645\"\n";
    let without = format!("{listen}{}{STDOUT}", OUTPUT.replace("create_stream = true\n", ""));
    let agent = Agent::on(gateway, "lan0").config(&without).state_dir(&state).start().unwrap();
    let words = "the output nats cannot deliver (no stream takes smb-sensor.lab.gate.incident";
    agent.wait_for_log(words).unwrap();
    let status = || {
        let mut command = Command::new(Agent::program().unwrap());
        let output = command.args(["status", "--state-dir"]).arg(&state).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let words = "the output nats cannot deliver, 0 documents wait for it: no stream takes";
    let says_so = |(code, text): &(Option<i32>, String)| *code == Some(1) && text.contains(words);
    poll(PATIENCE, || Some(status()).filter(says_so)).unwrap_or_else(|| panic!("{:?}", status()));
    let ask = |path: &str| {
        let url = format!("http://127.0.0.1:9645{path}");
        let output = gateway.command("curl").args(["-s", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let ready = poll(PATIENCE, || Some(ask("/readyz")).filter(|text| text.contains("nats"))).unwrap();
    assert!(ready.starts_with("ready\nthe output nats cannot deliver: no stream takes"), "{ready}");
    let is_down = || ask("/metrics").contains("\nsmb_sensor_output_up{output=\"nats\"} 0.0\n");
    assert!(poll(PATIENCE, || is_down().then_some(())).is_some(), "{}", ask("/metrics"));
    agent.stop().unwrap();

    // A server that goes away is noticed while nothing waits.
    let with = format!("{listen}{OUTPUT}{STDOUT}");
    let agent = Agent::on(gateway, "lan0").config(&with).state_dir(&state).start().unwrap();
    let up = |value: &str| {
        let line = format!("\nsmb_sensor_output_up{{output=\"nats\"}} {value}\n");
        poll(PATIENCE, || ask("/metrics").contains(&line).then_some(()))
            .unwrap_or_else(|| panic!("{}", agent.log()));
    };
    up("1.0");
    server.end(Signal::SIGKILL).unwrap();
    up("0.0");
    agent.wait_for_log("the output nats cannot deliver (nats://127.0.0.1:4222: ").unwrap();
    server.begin().unwrap();
    agent.wait_for_log("the output nats can deliver again").unwrap();
    agent.stop().unwrap();
}

#[test]
fn server_without_jetstream_is_named() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::without_jetstream(border.gateway(), AT, scratch.path()).unwrap();
    let config = OUTPUT.replace("create_stream = true\n", "") + STDOUT;
    let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
    agent.wait_for_log("the output nats cannot deliver (JetStream is off").unwrap();
    let text = checked(&border, scratch.path(), &config).unwrap();
    assert!(text.contains("nats: nats://127.0.0.1:4222: JetStream is off"), "{text}");
    agent.stop().unwrap();
    drop(server);
}

#[test]
fn check_says_whether_a_stream_takes_documents() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let server = NatsServer::start(border.gateway(), AT, &scratch.path().join("nats"), "").unwrap();
    let without = OUTPUT.replace("create_stream = true\n", "");
    let text = checked(&border, scratch.path(), &without).unwrap();
    assert!(
        text.contains("missing output") && text.contains("no stream takes smb-sensor.lab.gate"),
        "{text}"
    );
    let text = checked(&border, scratch.path(), OUTPUT).unwrap();
    assert!(text.contains("the stream SMB-SENSOR is made by the sensor"), "{text}");
    ask(border.gateway(), server.address(), ConnectOptions::new(), async |jetstream| {
        let subjects = vec!["smb-sensor.>".to_owned()];
        jetstream.create_stream(Config { name: STREAM.to_owned(), subjects, ..Config::default() }).await?;
        Ok(())
    })
    .unwrap();
    let text = checked(&border, scratch.path(), &without).unwrap();
    assert!(text.contains("the stream SMB-SENSOR takes its documents"), "{text}");
}

/// The lines of `smb-sensor check`, with runs of spaces as one.
fn checked(border: &Topology, folder: &Path, config: &str) -> Result<String> {
    let file = folder.join("checked.toml");
    fs::write(&file, format!("state_dir = {folder:?}\n{config}"))?;
    let mut command = border.gateway().command(Agent::program()?);
    let output = command.arg("check").arg("--config").arg(&file).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect())
}

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
    agent.wait_for_outputs().unwrap();
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
